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
from floe.records import ChatMessage, Sampling

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


class CloudRequests:
    """The requests of one answer, counted."""

    def __init__(
        self, client: CloudClient, messages: Sequence[ChatMessage], sampling: Sampling
    ) -> None:
        self._client = client
        self._messages = messages
        self._sampling = sampling
        self._streams: list[Stream] = []

    def open(self, partial: str) -> Stream:
        """Ask for the continuation of `partial`; returns at once."""
        stream = self._client.open(
            self._messages, partial, self._sampling, self._sampling.max_tokens
        )
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
        self.vocabulary = ""
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
                "failed", "The stand-in cloud has ended; this device answers alone."
            )
        return self._state

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

    def requests(self, messages: Sequence[ChatMessage], sampling: Sampling) -> CloudRequests:
        """The way to the cloud for one answer.

        Raises:
            CloudError: the cloud is not usable now.
        """
        if self._client is None or not self.state.usable:
            raise CloudError(self.state.sentence)
        return CloudRequests(self._client, messages, sampling)

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
        if self._client is not None:
            self._client.close()
            self._client = None
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
        self._client = CloudClient(base_url, model, self._settings.cloud_key)
        listed = self._client.models()
        if not model:
            if not listed:
                raise CloudError(f"{name.capitalize()} lists no models; set `cloud_model`.")
            self._client.model = listed[0]
        self._state = CloudState(
            "ready", f"{name[0].upper()}{name[1:]} takes part: {self._client.model}."
        )
