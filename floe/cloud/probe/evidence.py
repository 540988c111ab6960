"""Evidence in the probe's answers: their text and tokens, and whether two agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from floe.cloud.client import Exchange
from floe.cloud.protocol.distributions import TokenReader, as_chat_choice
from floe.records import CloudToken

_SAME: Final = 0.05
"""Largest difference of a probability between two ways to ask for the same distribution."""
_FLOOR: Final = -50.0
"""Stands in for what servers write when a candidate has no probability at all."""


@dataclass(slots=True)
class ProbeAnswer:
    """One exchange, read."""

    tokens: list[CloudToken] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    first: str = ""
    usage: bool = False
    at_ms: Sequence[float] = ()

    @property
    def continued(self) -> str:
        """The text of the tokens, without a repeated beginning."""
        return b"".join(token.text_bytes for token in self.tokens).decode("utf-8", "replace")


def read_answer(exchange: Exchange, partial: str) -> ProbeAnswer:
    """Read what came back after `partial`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what the protocol says.
    """
    answer = ProbeAnswer(at_ms=exchange.at_ms)
    reader = TokenReader(partial)
    for chunk in exchange.chunks:
        answer.usage = answer.usage or bool(chunk.get("usage"))
        for choice in map(as_chat_choice, chunk.get("choices") or ()):
            if reader.finished:
                break
            answer.tokens += reader.read(choice)
            answer.entries += (choice.get("logprobs") or {}).get("content") or ()
            content = (choice.get("delta") or {}).get("content") or ""
            answer.first = answer.first or content
            answer.text += content
    return answer


def same_distributions(one: ProbeAnswer, other: ProbeAnswer) -> bool:
    """Return whether two greedy answers came from the same distributions, as far as they tell."""
    if not (one.entries and other.entries):
        return bool(one.text) and one.text == other.text
    for mine, theirs in zip(one.tokens, other.tokens, strict=False):
        p, q = _probabilities(mine), _probabilities(theirs)
        if max(abs(p.get(key, 0) - q.get(key, 0)) for key in p | q) > _SAME:
            return False
        if mine.text_bytes != theirs.text_bytes:  # a near tie: from here on they differ
            break
    return True


def _probabilities(token: CloudToken) -> dict[bytes, float]:
    return {candidate.text_bytes: math.exp(candidate.logprob) for candidate in token.candidates}


def remaining_gap_share(cold: ProbeAnswer, warm: ProbeAnswer) -> float | None:
    """Compare the gaps of the first token's candidates, warm against cold; None: untold."""
    if not (cold.entries and warm.entries):
        return None
    first, second = _logprobs(cold.entries[0]), _logprobs(warm.entries[0])
    common = first.keys() & second.keys()
    best = max(common, key=lambda token: first[token], default="")
    gaps = sum(first[best] - first[token] for token in common)
    return sum(second[best] - second[token] for token in common) / gaps if gaps > 1 else None


def _logprobs(entry: dict[str, Any]) -> dict[str, float]:
    tops = entry.get("top_logprobs") or ()
    return {str(top["token"]): max(float(top["logprob"]), _FLOOR) for top in tops}
