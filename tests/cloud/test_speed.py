"""How quickly the cloud's own streams came, beside which the page sets the fused speed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from floe.cloud import stream as stream_module
from floe.cloud.answer import CloudRequests
from floe.cloud.stream import Stream, Unavailable
from floe.errors import CloudError
from floe.records import ChatMessage, CloudToken, Sampling

TOKEN = CloudToken(b"a", ())


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


class Link:
    """Hands out the streams it is given."""

    test_requests = 0

    def __init__(self, *streams: Any) -> None:
        self._streams = iter(streams)

    def open(self, *_: Any, **__: Any) -> Any:
        return next(self._streams)


def test_speed_of_the_cloud_counts_from_the_first_token_on_over_all_streams(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(stream_module, "time", clock)
    streams = [Stream(loop), Stream(loop)]
    link: Any = Link(*streams, Unavailable(CloudError("gone")))
    requests = CloudRequests(link, [ChatMessage("user", "?")], Sampling())
    for _ in range(3):
        requests.open("")
    for stream in streams:
        clock.now += 0.7  # the way there, which is no part of it
        stream.extend([TOKEN])
    assert requests.usage()["cloud_alone"] == 0  # nothing that could be timed yet
    for stream in streams:
        first = (stream.first_token_ms or 0) / 1000
        clock.now = first + 0.1
        stream.extend([TOKEN] * 2)
        clock.now = first + 0.2
        stream.extend([TOKEN] * 4)
    # Two times six tokens in two times 0.2 seconds.
    assert requests.usage()["cloud_alone"] == 30
    assert requests.usage()["cloud_requests"] == 2
