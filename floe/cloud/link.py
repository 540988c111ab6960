"""The way to the cloud as the program sees it: off, on its way, ready, or out of order and why.

Connecting happens in a thread of its own: the page is there before the cloud is.
"""

import logging
import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from floe.cloud.client import CloudClient, Stream
from floe.cloud.process import StandIn
from floe.config import OFF, STAND_IN, Settings
from floe.edge.catalog import resolve_model
from floe.errors import CloudError, FloeError
from floe.records import ChatMessage, CloudToken, Sampling

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class CloudState:
    """What a person reads about the cloud."""

    kind: Literal["off", "starting", "ready", "failed"]
    sentence: str

    @property
    def usable(self) -> bool:
        """Whether an answer can ask it."""
        return self.kind == "ready"


class Unavailable:
    """A stream that has ended before it began: the cloud was lost in mid-answer."""

    ended = True
    prompt_tokens = 0
    completion_tokens = 0

    def __init__(self, error: CloudError) -> None:
        self.error = error

    def poll(self) -> list[CloudToken]:
        """Nothing."""
        return []

    def wait(self, seconds: float) -> bool:
        """Does not wait: there is nothing to come."""
        del seconds
        return True

    def close(self) -> None:
        """Nothing to close."""


class CloudRequests:
    """The requests of one answer, counted."""

    def __init__(
        self, link: "CloudLink", messages: Sequence[ChatMessage], sampling: Sampling
    ) -> None:
        self._link = link
        self._messages = messages
        self._sampling = sampling
        self._streams: list[Stream | Unavailable] = []

    def open(self, partial: str) -> Stream | Unavailable:
        """Ask for the continuation of `partial`; returns at once."""
        stream = self._link.open(self._messages, partial, self._sampling)
        self._streams.append(stream)
        return stream

    def usage(self) -> dict[str, int]:
        """Figures of `AnswerStats`, cancelled requests included."""
        return {
            "cloud_requests": len(self._streams),
            "cloud_prompt_tokens": sum(stream.prompt_tokens for stream in self._streams),
            "cloud_completion_tokens": sum(stream.completion_tokens for stream in self._streams),
        }


class CloudLink:
    """Owns the client and, where the settings say so, the stand-in's process."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._client: CloudClient | None = None
        self._stand_in: StandIn | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._tried_at = float("-inf")
        self._state = (
            CloudState("off", "The cloud is switched off; this device answers alone.")
            if settings.cloud == OFF
            else CloudState("starting", "The cloud is not connected yet.")
        )

    @property
    def state(self) -> CloudState:
        """How things stand; a stand-in that has died is found out here."""
        if self._state.usable and self._stand_in is not None and not self._stand_in.alive:
            self._state = CloudState(
                "failed", "The stand-in cloud has ended; the next question starts it again."
            )
        return self._state

    @property
    def vocabulary(self) -> str:
        """Fingerprint of the cloud model's vocabulary; empty where the endpoint does not tell."""
        client = self._client
        return client.vocabularies.get(client.model, "") if client is not None else ""

    def connect(self) -> None:
        """Start connecting, unless that is under way, done, or was tried a moment ago."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            recent = time.monotonic() - self._tried_at < _RETRY_SECONDS
            if self._closed or busy or recent or self.state.kind in ("off", "ready"):
                return
            self._tried_at = time.monotonic()
            self._state = CloudState(
                "starting", "The cloud is starting; this device answers alone."
            )
            self._thread = threading.Thread(target=self._connect, name="cloud link", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> CloudState:
        """Sleep until connecting has ended one way or the other, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.state

    def open(
        self, messages: Sequence[ChatMessage], partial: str, sampling: Sampling
    ) -> Stream | Unavailable:
        """One request; what is wrong with it is told by its stream."""
        with self._lock:
            if self._client is None:
                return Unavailable(CloudError(self._state.sentence))
            return self._client.open(messages, partial, sampling, sampling.max_tokens)

    def close(self) -> None:
        """End the client and the stand-in."""
        with self._lock:
            self._closed = True
        if self._stand_in is not None:
            self._stand_in.stop()
        if self._thread is not None:
            self._thread.join()
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._stand_in is not None:
            self._stand_in.stop()
            self._stand_in = None

    def _connect(self) -> None:
        try:
            self._drop()
            if self._settings.cloud == STAND_IN:
                self._start_stand_in()
            else:
                self._reach(self._settings.cloud, self._settings.cloud_model, "the cloud")
        except FloeError as error:
            self._state = CloudState("failed", f"{error} This device answers alone.")
        except Exception:
            logger.exception("connecting to the cloud failed")
            self._state = CloudState(
                "failed", "The cloud could not be connected; the log has the trace."
            )

    def _start_stand_in(self) -> None:
        path = resolve_model(self._settings.stand_in_model, self._settings.models_dir)
        self._stand_in = StandIn(path, shlex.split(self._settings.stand_in_args))
        self._stand_in.start()
        self._reach(self._stand_in.wait_ready(), "", "the stand-in cloud on this device")

    def _reach(self, base_url: str, model: str, name: str) -> None:
        client = CloudClient(base_url, model, self._settings.cloud_key)
        try:
            listed = client.models()
            client.model = model or _first(listed, base_url)
        except CloudError:
            client.close()
            raise
        with self._lock:
            self._client = client
            self._tried_at = float("-inf")
        self._state = CloudState(
            "ready", f"{name[0].upper()}{name[1:]} takes part: {client.model}."
        )


def _first(models: Sequence[str], base_url: str) -> str:
    if not models:
        raise CloudError(f"{base_url} lists no models; name one with --cloud-model.")
    return models[0]
