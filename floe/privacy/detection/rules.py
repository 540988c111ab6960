"""A rule: a pattern, what it finds, and a check of what it found; rules are applied in sets.

The rules themselves are in the modules beside this one, one for each field. Knows neither the
verdict nor who asks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

_SECONDS = 1.0
"""A pattern that takes longer than this on one text ends with `TimeoutError`."""


class Sign(NamedTuple):
    """Characters start to end (half open) of a normalised text, what they are, and how surely."""

    start: int
    end: int
    kind: str
    score: float


def sign_of(match: regex.Match[str], group: int | str, kind: str, score: float) -> Sign:
    """Return a group of a match as a sign."""
    return Sign(match.start(group), match.end(group), kind, score)


def compiled(pattern: str, *, cased: bool = False) -> regex.Pattern[str]:
    """Compile a pattern in verbose form; upper and lower case are one unless `cased`."""
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


class RuleSet:
    """Applies rules one after the other; spans may overlap."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def find(self, text: str) -> Iterator[Sign]:
        """All that the rules find in a normalised text; raises TimeoutError."""
        for rule in self._rules:
            group = "x" if "x" in rule.pattern.groupindex else 0
            for match in rule.pattern.finditer(text, timeout=_SECONDS):
                start, end = match.span(group)
                if start < end and rule.check(match):
                    yield Sign(start, end, rule.kind, rule.score)
