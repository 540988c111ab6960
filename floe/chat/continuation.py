"""The beginning of an answer from which another one goes on."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from floe.errors import PromptError
from floe.records import Alternative, AnswerStats, TokenStep

SHOWN_ALTERNATIVES: Final = 8
"""Alternatives of a token that a person sees and may choose from, the most probable first."""

_GONE: Final = "This token cannot be changed any more. Open the chat again, then choose."


def ranked_alternatives(alternatives: Sequence[Alternative]) -> list[Alternative]:
    """Return those that a person may choose from, the most probable first."""
    best = sorted(alternatives, key=lambda each: each.p_fused, reverse=True)
    return best[:SHOWN_ALTERNATIVES]


def whole_characters(steps: Sequence[TokenStep]) -> Sequence[TokenStep]:
    """Return the tokens up to the last that completes a character, without the end-of-text one."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    whole = 0
    for place, step in enumerate(steps, 1):
        utf8.decode(step.text_bytes)
        if step.text_bytes and not utf8.getstate()[0]:
            whole = place
    return steps[:whole]


def with_alternative(
    steps: Sequence[TokenStep],
    place: int,
    number: int,
    tokenize: Callable[[bytes], Sequence[int]],
) -> list[TokenStep]:
    """Return the tokens before one, and another in its place.

    Args:
        steps: the tokens of the answer.
        place: position of the token that is to be another.
        number: which of its `ranked_alternatives`.
        tokenize: bytes as tokens of the local model.

    Raises:
        PromptError: there is none, or it leaves a character half written or ends the answer.
    """
    if place >= len(steps):
        raise PromptError(_GONE)
    old = steps[place]
    ranked = ranked_alternatives(old.alternatives)
    if number >= len(ranked):
        raise PromptError(_GONE)
    taken = ranked[number]
    tokens = tokenize(taken.text_bytes)
    step = replace(
        old,
        token_id=tokens[0] if len(tokens) == 1 else -1,
        text_bytes=taken.text_bytes,
        p_local=taken.p_local,
        p_cloud=taken.p_cloud,
        p_fused=taken.p_fused,
    )
    begun = [*steps[:place], step]
    if not taken.text_bytes or not _is_text(begun):
        raise PromptError(
            "This token is the end of the answer or stands at a piece of a character, so nothing "
            "can go on after it. Choose another one."
        )
    return begun


def _is_text(steps: Sequence[TokenStep]) -> bool:
    """Whether the bytes are whole characters, those before a token that was replaced, too."""
    try:
        b"".join(step.text_bytes for step in steps).decode()
    except UnicodeDecodeError:
        return False
    return True


def stats_until(stats: AnswerStats | None, steps: Sequence[TokenStep]) -> AnswerStats:
    """Return the figures of an answer as they were after these of its tokens."""
    if stats is None or not steps:
        return AnswerStats()
    return replace(stats, seconds=min(stats.seconds, steps[-1].at_ms / 1000))
