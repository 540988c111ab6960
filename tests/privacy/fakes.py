"""A detector that can be worked out by hand: it finds the words it is given, and no others."""

import re
from collections.abc import Mapping, Sequence

from floe.errors import PrivacyError, SlowCheckError
from floe.privacy.verdict import Leniency, Span, Verdict, without_overlap
from floe.records import ChatMessage


class FakeExaminer:
    """Finds `words` (by kind) as they are written, at word boundaries."""

    def __init__(self, **words: str) -> None:
        self.words: Mapping[str, str] = {text: kind for kind, text in words.items()}
        self.state = "ready"
        self.sentence = "The privacy check has not started yet."
        self.examined: list[str] = []
        self.leaning: set[str] = set()
        self.unsure: set[str] = set()
        self.fails = False
        self.takes = 0.0

    def find(self, words: Mapping[str, str]) -> "FakeExaminer":
        """Look for these: kind by text."""
        self.words = words
        return self

    def learn_leniency(self, leniency: Leniency) -> None:
        """Nothing here hangs on it."""

    def rare_words(self, text: str) -> tuple[str, ...]:
        """None: no list of ordinary words is known here."""
        return ()

    def examine_answer(self, text: str, timeout: float = 2.0) -> Verdict:
        return self.examine(text, timeout)

    def examine(
        self, text: str, timeout: float = 2.0, *, before: Sequence[ChatMessage] = ()
    ) -> Verdict:
        if self.takes > timeout:
            raise SlowCheckError("The privacy check took too long.")
        if self.fails or self.state != "ready":
            raise PrivacyError("The privacy check failed on this message.")
        self.examined.append(text)
        spans = [
            Span(found.start(), found.end(), kind, 1.0, kind != "place")
            for words, kind in self.words.items()
            for found in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)
        ]
        kept = without_overlap(spans)
        leans = bool(before) and text in self.leaning
        private = any(span.decides for span in kept)
        return Verdict(private, kept, unsure=private and text in self.unsure, leans=leans)
