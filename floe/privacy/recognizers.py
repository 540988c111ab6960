"""Rules as Presidio takes them: a pattern, what it finds, and a check of what it found.

The rules themselves are in the modules beside this one, one for each field. Knows neither the
verdict nor who asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import regex
from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

_SECONDS = 1.0
"""A pattern that takes longer than this on one text ends with `TimeoutError`."""


def compiled(pattern: str, *, cased: bool = False) -> regex.Pattern[str]:
    """A pattern in verbose form; upper and lower case are one unless `cased`."""
    flags = regex.VERBOSE | regex.MULTILINE | regex.VERSION1
    return regex.compile(pattern, flags if cased else flags | regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` finds a `kind`: all of the match, or its group `x` if it has one.

    check: says of a match whether it counts (a checksum, a neighbour that speaks against it).
    """

    kind: str
    pattern: regex.Pattern[str]
    score: float = 0.8
    check: Callable[[regex.Match[str]], bool] = lambda _match: True


class RuleRecognizer(LocalRecognizer):
    """Applies rules one after the other; spans may overlap."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        kinds = sorted({rule.kind for rule in rules})
        super().__init__(supported_entities=kinds, name=name)

    def load(self) -> None:
        """Nothing to load: patterns are compiled when their module is imported."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """All spans of the kinds in `entities`; raises TimeoutError."""
        del nlp_artifacts
        found = []
        for rule in self._rules:
            if rule.kind not in entities:
                continue
            group = "x" if "x" in rule.pattern.groupindex else 0
            for match in rule.pattern.finditer(text, timeout=_SECONDS):
                start, end = match.span(group)
                if start < end and rule.check(match):
                    found.append(RecognizerResult(rule.kind, start, end, rule.score))
        return found
