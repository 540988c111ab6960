"""What the tests of the client ask."""

from collections.abc import Callable

from floe.cloud.client import CloudClient, Stream
from floe.errors import CloudError
from floe.records import ChatMessage, Sampling
from tests.cloud.conftest import read_all
from tests.cloud.scripted import DONE, STOP, row_event, say

Connect = Callable[..., CloudClient]
KEY = "sk-very-secret-0123456789"
ANSWER = say(row_event("x"), STOP, DONE)
QUESTION = [ChatMessage("user", "Name three colours.")]


def ask(client: CloudClient, partial: str = "", max_tokens: int = 12, **sampling: float) -> Stream:
    return client.open(QUESTION, partial, Sampling(**sampling), max_tokens)  # type: ignore[arg-type]


def failure_of(stream: Stream) -> CloudError:
    read_all(stream)
    assert stream.error is not None
    return stream.error
