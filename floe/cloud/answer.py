"""The requests of one answer to the cloud: each goes by the same messages, all are counted."""

from collections.abc import Sequence
from typing import Any, Final

from floe.cloud.link import CloudLink
from floe.cloud.stream import Stream, Unavailable
from floe.errors import CloudError
from floe.privacy.sent import Purpose
from floe.records import ChatMessage, Sampling

_USED_UP: Final = "The budget of cloud requests is used up; this device goes on alone."
_FEWEST_TIMED: Final = 8
"""Tokens; fewer say nothing of a stream's speed."""


class CloudRequests:
    """The requests of one answer, counted."""

    def __init__(
        self,
        link: CloudLink,
        messages: Sequence[ChatMessage],
        sampling: Sampling,
        *,
        top_p: float = 1.0,
        message_id: int | None = None,
        purpose: Purpose = "answer",
        most: int | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            link: the way there.
            messages: what the cloud may see of the conversation, user last.
            sampling: see `CloudClient.open`.
            top_p: for the cloud alone; in fusion it comes after pooling.
            message_id: the answer they are for, as the log of what was sent names it.
            purpose: why, as the log says it.
            most: requests at most, those included with which the endpoint has to show meanwhile
                that it continues answers; None: no limit.
        """
        self._most = most
        self._tests_before = link.test_requests
        self._message_id = message_id
        self._purpose = purpose
        self._link = link
        self._top_p = top_p
        self._messages = messages
        self._sampling = sampling
        self._streams: list[Stream | Unavailable] = []

    def open(self, partial: str) -> Stream | Unavailable:
        """Ask for the continuation of `partial`; returns at once."""
        tests = self._link.test_requests - self._tests_before
        if self._most is not None and self._count + tests >= self._most:
            return Unavailable(CloudError(_USED_UP))
        stream = self._link.open(
            self._messages,
            partial,
            self._sampling,
            top_p=self._top_p,
            message_id=self._message_id,
            purpose=self._purpose,
        )
        self._streams.append(stream)
        return stream

    @property
    def _count(self) -> int:
        return sum(isinstance(stream, Stream) for stream in self._streams)

    def usage(self) -> dict[str, Any]:
        """Return figures of `AnswerStats`, cancelled requests included."""
        tokens = sum(stream.timed_tokens for stream in self._streams)
        seconds = sum(stream.timed_seconds for stream in self._streams)
        timed = tokens >= _FEWEST_TIMED and seconds > 0
        return {
            "cloud_alone": round(tokens / seconds, 1) if timed else 0.0,
            "cloud_requests": self._count,
            "cloud_prompt_tokens": sum(stream.prompt_tokens for stream in self._streams),
            "cloud_completion_tokens": sum(stream.completion_tokens for stream in self._streams),
        }
