"""Finds what is private in a text, on a thread of its own and within a time.

Loads in the background and works offline; knows neither the route nor what happens to a text.
It raises rather than guesses: whoever asks keeps the text here when it does.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from floe.errors import PrivacyError, SlowCheckError
from floe.privacy.verdict import Leniency, Verdict
from floe.records import ChatMessage

if TYPE_CHECKING:
    from floe.privacy.detection.analysis import Analysis

State = Literal["not loaded", "loading", "ready", "failed"]

_SENTENCES: dict[State, str] = {
    "not loaded": "The privacy check has not started yet, so this answer stays on this device.",
    "loading": "The privacy check is still loading, so this answer stays on this device.",
    "ready": "The privacy check is ready.",
    "failed": "The privacy check could not be loaded, so answers stay on this device. "
    "Install what requirements.txt lists and start Floe again.",
}

_log = logging.getLogger(__name__)


class Detector:
    """Examines texts, one at a time; safe to share between threads.

    own_words: the person's own names, contacts and projects, private wherever they stand.
    """

    def __init__(self, own_words: Sequence[str] = ()) -> None:
        self._own_words = tuple(own_words)
        self._leniency = Leniency()
        self._analysis: Analysis | None = None
        self._state: State = "not loaded"
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="privacy")

    @property
    def state(self) -> State:
        """Whether texts can be examined."""
        return self._state

    @property
    def sentence(self) -> str:
        """The state in words for a person."""
        return _SENTENCES[self._state]

    def load(self) -> None:
        """Load lists and weights once; takes about 1 s. Raises PrivacyError."""
        with self._lock:
            if self._analysis is not None:
                return
            self._state = "loading"
            try:
                from floe.privacy.detection.analysis import Analysis  # noqa: PLC0415 (slow)

                self._analysis = Analysis(self._own_words, self._leniency)
            except Exception as error:
                self._state = "failed"
                raise PrivacyError(_SENTENCES["failed"]) from error
            self._state = "ready"

    def load_in_background(self) -> None:
        """Load on a thread of its own; `state` tells how it went."""
        threading.Thread(target=self._load_quietly, name="privacy-load", daemon=True).start()

    def learn_words(self, own_words: Sequence[str]) -> None:
        """Replace the person's own words."""
        with self._lock:
            self._own_words = tuple(own_words)
            if self._analysis is not None:
                self._analysis.learn_words(self._own_words)

    def learn_leniency(self, leniency: Leniency) -> None:
        """Replace what the person has taught about what is not private."""
        with self._lock:
            self._leniency = leniency
            if self._analysis is not None:
                self._analysis.leniency = leniency

    def telling_words(self, text: str, spans: Sequence[tuple[int, int, str]]) -> tuple[str, ...]:
        """Return names and rare words of some spans (start, end, kind): those worth learning."""
        from floe.privacy.detection.own_words import telling_words  # noqa: PLC0415 (slow)

        return telling_words(text, spans)

    def rare_words(self, text: str) -> tuple[str, ...]:
        """Return the words by which a text can be told from others."""
        from floe.privacy.detection.own_words import rare_words  # noqa: PLC0415 (slow)

        return rare_words(text)

    def examine(
        self, text: str, timeout: float = 2.0, *, before: Sequence[ChatMessage] = ()
    ) -> Verdict:
        """Say whether what a person wrote is private; timeout in seconds.

        before: the messages that it follows, the latest last.

        Raises PrivacyError if the detector is not ready or fails, SlowCheckError if it is too slow.
        """
        return self._ask(lambda analysis: analysis.examine(text, before), timeout)

    def examine_answer(self, text: str, timeout: float = 2.0) -> Verdict:
        """Look for hard identifiers and own words in what a model wrote; else as `examine`."""
        return self._ask(lambda analysis: analysis.examine_answer(text), timeout)

    def _ask(self, question: "Callable[[Analysis], Verdict]", timeout: float) -> Verdict:
        analysis = self._analysis
        if analysis is None:
            raise PrivacyError(self.sentence)
        try:
            return self._worker.submit(question, analysis).result(timeout)
        except TimeoutError as error:
            raise SlowCheckError(
                "The privacy check took too long, so this answer stays on this device. "
                "A shorter message is checked faster."
            ) from error
        except Exception as error:
            raise PrivacyError(
                "The privacy check failed on this message, so this answer stays on this device."
            ) from error

    def _load_quietly(self) -> None:
        try:
            self.load()
        except PrivacyError as error:
            _log.warning("Privacy check: %r", error.__cause__)
