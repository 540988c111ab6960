"""Evidence in the probe's answers: their text and tokens, and whether two agree."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from floe.cloud.client import Exchange
from floe.cloud.protocol.choices import (
    is_first,
    read_choice,
    read_logprob,
    reasoning_tokens,
    tops_of,
)
from floe.cloud.protocol.distributions import TokenReader
from floe.records import CloudToken

_SAME: Final = 0.05
"""Largest difference of a probability between two ways to ask for the same distribution."""
_FLOOR: Final = -50.0
"""Stands in for what servers write when a candidate has no probability at all."""


@dataclass(slots=True)
class ProbeAnswer:
    """One exchange, read.

    Attributes:
        entries: of the log-probabilities of its text.
        text: of its tokens, without a repeated beginning.
        repeated: the beginning was repeated.
        usage: it came with the token counts.
        thinking: tokens that it thought before, as far as it tells.
    """

    tokens: list[CloudToken] = field(default_factory=list)
    entries: list[Mapping[str, Any]] = field(default_factory=list)
    text: str = ""
    repeated: bool = False
    usage: bool = False
    thinking: int = 0
    at_ms: Sequence[float] = ()


def read_answer(exchange: Exchange, partial: str) -> ProbeAnswer:
    """Read what came back after `partial`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what the protocol says.
    """
    answer = ProbeAnswer(at_ms=exchange.at_ms)
    reader = TokenReader(partial)
    for chunk in exchange.chunks:
        usage = chunk.get("usage")
        answer.usage = answer.usage or bool(usage)
        answer.thinking = max(answer.thinking, reasoning_tokens(usage))
        for choice in filter(is_first, chunk.get("choices") or ()):
            if reader.finished:
                break
            answer.tokens += reader.read(choice)
            delta = read_choice(choice)
            if delta.text or not delta.thinking:
                answer.entries += delta.entries
    answer.tokens += reader.close()
    answer.repeated = reader.repeated
    answer.thinking = max(answer.thinking, reader.thinking)
    answer.text = b"".join(token.text_bytes for token in answer.tokens).decode("utf-8", "replace")
    return answer


def same_distributions(one: ProbeAnswer, other: ProbeAnswer, *, tokens: int | None = None) -> bool:
    """Return whether two greedy answers came from the same distributions, as far as they tell.

    `tokens`: how many of the first ones are compared; None: all.
    """
    if not (one.entries and other.entries):
        return bool(one.text) and one.text == other.text
    for mine, theirs in list(zip(one.tokens, other.tokens, strict=False))[:tokens]:
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


def _logprobs(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {str(top.get("token")): read_logprob(top.get("logprob")) for top in tops_of(entry)}
    return {token: max(logprob, _FLOOR) for token, logprob in found.items() if logprob <= 0}
