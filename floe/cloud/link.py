"""The way to the cloud as the program sees it: off, on its way, ready, or out of order and why.

Connecting happens in a thread of its own: the page is there before the cloud is.
"""

import logging
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import SecretStr

from floe.cloud.client import CloudClient
from floe.cloud.credentials.choice import EndpointChoice, first_choice, keep_choice
from floe.cloud.credentials.keys import Keys
from floe.cloud.credentials.presets import preset_by_id
from floe.cloud.endpoint import Endpoint
from floe.cloud.probe.budget import ProbeBudget
from floe.cloud.probe.probe import check_endpoint, probe, prove_continuation
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.stand_in.process import StandIn
from floe.cloud.stream import Stream, Unavailable
from floe.config import OFF, STAND_IN, Settings
from floe.errors import CloudError, FloeError, StoreError
from floe.models.catalog import resolve_model
from floe.privacy.sent import Purpose, SentLog
from floe.records import ChatMessage, Sampling
from floe.store import Store
from floe.units import format_time_ago

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 15.0
_PROOF_SECONDS: Final = 30.0
"""Longest wait of what nobody watches for an endpoint to prove that it continues answers."""
_LONG_TOKEN: Final = 6
"""Bytes; tokens of prose have fewer, so that an answer is not cut short by this count."""
_FEWEST_TOKENS: Final = 16


@dataclass(frozen=True, slots=True)
class CloudState:
    """The state of the cloud as a person reads it."""

    kind: Literal["off", "starting", "ready", "failed"]
    sentence: str

    @property
    def usable(self) -> bool:
        """True if an answer can ask it."""
        return self.kind == "ready"


_OFF: Final = CloudState("off", "The cloud is switched off; this device answers alone.")
_NOT_YET: Final = CloudState("starting", "The cloud is not connected yet.")
NOT_TESTED: Final = "It has not been tested yet."
"""Ends the sentence of a cloud in use of which no test has come to its end."""
_STARTING: Final = CloudState("starting", "The cloud is starting; this device answers alone.")


def tokens_left(max_tokens: int, partial: str) -> int:
    """Return how many of an answer's tokens are left after its beginning, at least.

    Not all `max_tokens` again: with a long answer they would not fit into a context any more.
    """
    written = len(partial.encode("utf-8", "replace")) // _LONG_TOKEN
    return max(max_tokens - written, min(_FEWEST_TOKENS, max_tokens))


def needs_proof(client: CloudClient) -> bool:
    """Whether it is to be found out if answers are continued, or how a model stops thinking."""
    profile = client.profile
    thinks = client.heard_thinking and not profile.thinks and not profile.thinking_off
    return profile.unproven or thinks


class CloudLink:
    """Owns the client and, where that is the choice, the stand-in's process.

    Attributes:
        keys: where keys are kept.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None = None,
        *,
        daily_limit: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: a cloud that is set in them (flag, environment, file) is the one to use.
            store: has what was chosen in the page otherwise, what tests have found out, and the
                log of what was sent; None: nothing is kept.
            daily_limit: most cloud requests of a day, which bind tests as well; None: no limit.
        """
        self.keys = Keys(settings)
        self._settings = settings
        self._store = store
        self._log = SentLog(store) if store is not None else None
        self._budget = ProbeBudget(store, daily_limit) if store is not None else None
        self._choice = first_choice(settings, store)
        self._key: SecretStr | None = None
        self._profile: EndpointProfile | None = None
        self._tested_at: float | None = None
        self._found: dict[tuple[str, str], tuple[EndpointProfile, float]] = {}
        self._lock = threading.Lock()
        self._client: CloudClient | None = None
        self._client_url = ""
        self._stand_in: StandIn | None = None
        self._thread: threading.Thread | None = None
        self._proof: threading.Thread | None = None
        self._closed = False
        self._tried_at = float("-inf")
        self._state = _OFF if self._choice.base_url == OFF else _NOT_YET

    @property
    def choice(self) -> EndpointChoice:
        """The cloud that is asked, connected or not."""
        return self._choice

    @property
    def profile(self) -> EndpointProfile | None:
        """The findings of a test of the cloud in use; None before one."""
        return self._profile

    @property
    def tested_at(self) -> float | None:
        """The time of that test, in seconds since the epoch."""
        return self._tested_at

    @property
    def state(self) -> CloudState:
        """The state of the cloud; a stand-in that has died is found out here."""
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

    @property
    def one_stream(self) -> bool:
        """Whether an answer cannot be continued, so that it has one stream, paid for as a whole."""
        client = self._client
        return client is not None and client.profile.continuation is Continuation.NONE

    @property
    def test_requests(self) -> int:
        """Requests of tests since the program began, which the day's budget counts."""
        return self._budget.spent if self._budget is not None else 0

    def connect(self) -> None:
        """Start connecting, unless that is under way, done, or was tried a moment ago."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            recent = time.monotonic() - self._tried_at < _RETRY_SECONDS
            if self._closed or busy or recent or self.state.kind in ("off", "ready"):
                return
            self._start(None)

    def configure(
        self,
        base_url: str,
        model: str = "",
        key: SecretStr | None = None,
        profile: EndpointProfile | None = None,
        *,
        preset: str = "custom",
    ) -> None:
        """Use another cloud from now on and after the next start; connects at once.

        Args:
            base_url: an address, "stand-in" or "off".
            model: empty: the first that is listed.
            key: for this run and the origin of `base_url`; None: the one that `keys` has for it.
                It is not stored here.
            profile: what a test has just found out; None: what is known from an earlier one.
            preset: id of the preset that the page shows.

        Raises:
            CloudError: `base_url` is not an http or https address, or the key may not go there.
            StoreError: the choice cannot be kept.
        """
        if base_url not in (STAND_IN, OFF):
            Endpoint(base_url, key or SecretStr(""))
        choice = EndpointChoice(base_url, model, preset)
        if self._store is not None:
            keep_choice(self._store, choice)
        if profile is not None and profile.complete:
            self._save_profile(base_url, profile)
        with self._lock:
            if self._closed:
                return
            self._choice = choice
            self._key = key
            self._profile = self._tested_at = None
            self._start(self._thread)

    def test(
        self,
        base_url: str,
        model: str = "",
        key: SecretStr | None = None,
        *,
        preset: str = "custom",
        progress: Callable[[str], None] = lambda _sentence: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> EndpointProfile:
        """Find out what an endpoint can do, and keep it; takes seconds, so call it in a thread.

        It need not be the one in use; if it is, what was found applies from the next request on.

        Args:
            base_url: as all that is not named here, see `configure`.
            model: the one to test.
            key: for this test.
            preset: what to try first.
            progress: is told what is being done, a sentence a step.
            cancelled: looked at many times a second; true ends the test.

        Returns:
            What was found; `findings` are the lines to show, also of a test that failed.

        Raises:
            StoreError: what was found cannot be kept.
        """
        try:
            address = self._address(base_url)
            secret = self._key_for(base_url, key)
            found = CloudClient(address, model, secret, log=self._log, budget=self._budget)
        except CloudError as error:
            return EndpointProfile(model=model, findings=(str(error),))
        try:
            hint = preset_by_id(preset).assumed
            profile = probe(found, hint, progress=progress, cancelled=cancelled)
        finally:
            found.close()
        if profile.complete:
            self._save_profile(base_url, profile)
            with self._lock:
                client = self._client
                in_use = client is not None and client.model == profile.model
                if client is not None and in_use and self._choice.base_url == base_url:
                    client.profile = profile
                    self._profile, self._tested_at = self._found[base_url, profile.model]
        return profile

    def wait(self, seconds: float) -> CloudState:
        """Sleep until connecting has ended one way or the other, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.state

    def open(
        self,
        messages: Sequence[ChatMessage],
        partial: str,
        sampling: Sampling,
        *,
        top_p: float = 1.0,
        message_id: int | None = None,
        purpose: Purpose = "answer",
    ) -> Stream | Unavailable:
        """One request; what is wrong with it is told by its stream.

        Where answers cannot be continued there is no request: the cloud would begin a new turn.
        Where nobody knows yet whether they can, that is found out first, with a text of our own.
        """
        if partial and purpose != "answer":  # nobody is waiting for it
            with self._lock:
                proof = self._prove()
            if proof is not None:
                proof.join(_PROOF_SECONDS)
        with self._lock:
            client = self._client
            if client is None:
                return Unavailable(CloudError(self._state.sentence))
            if needs_proof(client) and not client.profile.unproven:
                self._prove()  # how to keep it from thinking: the next request will know
            if partial and client.profile.continuation is Continuation.NONE:
                sentence = f"{client.host} cannot continue an answer; this device finishes alone."
                return Unavailable(CloudError(sentence))
            if partial and client.profile.unproven:
                self._prove()
                return Unavailable(
                    CloudError(
                        f"Whether {client.host} continues an answer is being found out; this "
                        "device goes on alone for a moment."
                    )
                )
            return client.open(
                messages,
                partial,
                sampling,
                tokens_left(sampling.max_tokens, partial),
                top_p=top_p,
                message_id=message_id,
                purpose=purpose,
            )

    def close(self) -> None:
        """End the client and the stand-in."""
        with self._lock:
            self._closed = True
        if self._stand_in is not None:
            self._stand_in.stop()
        for thread in filter(None, [self._thread, self._proof]):
            thread.join()
        self._disconnect()

    def _prove(self) -> threading.Thread | None:
        """Find out whether the endpoint in use continues answers; the lock is held.

        Returns:
            The thread that does; None: it is known.
        """
        client = self._client
        if client is None or not needs_proof(client):
            return None
        if self._proof is None or not self._proof.is_alive():
            self._proof = threading.Thread(
                target=self._take_proof,
                args=[client, self._client_url],
                name="cloud continuation",
                daemon=True,
            )
            self._proof.start()
        return self._proof

    def _take_proof(self, client: CloudClient, base_url: str) -> None:
        def gone() -> bool:
            return self._closed or self._client is not client

        try:
            proven = prove_continuation(client, cancelled=gone)
        except CloudError:
            return  # it was closed meanwhile, or cannot be reached: the next answer tries again
        except Exception:
            logger.exception("finding out about continuation failed")
            return
        with self._lock:
            # A whole test may have said more meanwhile.
            if proven is None or not needs_proof(client):
                return
            client.profile = proven
        try:
            self._save_profile(base_url, proven)
        except StoreError:
            logger.exception("what was found out about continuation is not kept")

    def _disconnect(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._stand_in is not None:
            self._stand_in.stop()
            self._stand_in = None

    def _start(self, previous: threading.Thread | None) -> None:
        """Connect in a thread; the lock is held."""
        self._tried_at = time.monotonic()
        self._state = _STARTING
        self._thread = threading.Thread(
            target=self._connect, args=[previous], name="cloud link", daemon=True
        )
        self._thread.start()

    def _connect(self, previous: threading.Thread | None) -> None:
        while previous is not None and previous.is_alive():
            if self._stand_in is not None:
                self._stand_in.stop()  # what `previous` may be waiting for
            previous.join(0.1)
        with self._lock:
            # Together: a key that is chosen with the next address must not go to this one.
            choice, key = self._choice, self._key
        self._state = _STARTING
        try:
            self._disconnect()
            if choice.base_url == OFF:
                self._state = _OFF
            elif choice.base_url == STAND_IN:
                self._start_stand_in(choice)
            else:
                self._connect_client(choice.base_url, choice, self._key_for(choice.base_url, key))
        except FloeError as error:
            self._state = CloudState("failed", f"{error} This device answers alone.")
        except Exception:
            logger.exception("connecting to the cloud failed")
            self._state = CloudState(
                "failed", "The cloud could not be connected; the log has the trace."
            )

    def _start_stand_in(self, choice: EndpointChoice) -> None:
        path = resolve_model(self._settings.stand_in_model, self._settings.models_dir)
        self._stand_in = StandIn(path, shlex.split(self._settings.stand_in_args))
        self._stand_in.start()
        self._connect_client(self._stand_in.wait_ready(), choice, self._stand_in.key)

    def _connect_client(self, base_url: str, choice: EndpointChoice, key: SecretStr) -> None:
        client = CloudClient(base_url, choice.model, key, log=self._log, budget=self._budget)
        try:
            check_endpoint(client)
        except CloudError:
            client.close()
            raise
        known, tested_at = self._load_profile(choice.base_url, client.model)
        client.profile = known or replace(preset_by_id(choice.preset).assumed, model=client.model)
        # Of an endpoint that has only shown whether it continues answers little is known.
        tested = known is not None and known.complete
        self._profile, self._tested_at = (known, tested_at) if tested else (None, None)
        with self._lock:
            self._client, self._client_url = client, choice.base_url
            self._tried_at = float("-inf")
        if choice.base_url == STAND_IN:
            words = f"The stand-in cloud on this device takes part: {client.model}."
        elif self._tested_at is None:
            words = f"The cloud takes part: {client.model}. {NOT_TESTED}"
        else:
            words = (
                f"The cloud takes part: {client.model}. Tested {format_time_ago(self._tested_at)}."
            )
        self._state = CloudState("ready", words)

    def _save_profile(self, base_url: str, profile: EndpointProfile) -> None:
        self._found[base_url, profile.model] = profile, time.time()
        if self._store is not None:
            self._store.save_endpoint(base_url, profile.model, profile.to_json())

    def _load_profile(
        self, base_url: str, model: str
    ) -> tuple[EndpointProfile, float] | tuple[None, None]:
        if (base_url, model) in self._found:
            return self._found[base_url, model]
        kept = self._store.endpoint(base_url, model) if self._store is not None else None
        profile = EndpointProfile.from_json(kept[0]) if kept is not None else None
        return (profile, kept[1]) if profile is not None and kept is not None else (None, None)

    def _address(self, base_url: str) -> str:
        if base_url == OFF:
            raise CloudError("The cloud is switched off: there is nothing to test.")
        if base_url != STAND_IN:
            return base_url
        if self._stand_in is None or not self._stand_in.base_url:
            raise CloudError("The stand-in cloud does not run yet: choose it, then test it.")
        return self._stand_in.base_url

    def _key_for(self, base_url: str, given: SecretStr | None) -> SecretStr:
        if base_url == STAND_IN:
            return self._stand_in.key if self._stand_in is not None else SecretStr("")
        return given if given is not None else self.keys.load(base_url)
