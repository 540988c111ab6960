"""Texts at which an answer ends, for models that have no token for its end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from floe.records import TokenStep


def until_stop(steps: Iterator[TokenStep], stops: Sequence[bytes]) -> Iterator[TokenStep]:
    """Yield tokens up to the first of the stops, which is not part of the answer.

    A token is held back while a stop may have begun in it.

    Args:
        steps: the tokens of an answer.
        stops: bytes that end it; none: all tokens are yielded as they come.
    """
    held: list[TokenStep] = []
    for step in steps:
        held.append(step)
        text = b"".join(each.text_bytes for each in held)
        found = [place for stop in stops if (place := text.find(stop)) >= 0]
        if found:
            yield from _cut(held, min(found))
            return
        keep = _beginning(text, stops)
        while held and len(text) - len(held[0].text_bytes) >= keep:
            text = text[len(held[0].text_bytes) :]
            yield held.pop(0)
    yield from held


def _beginning(text: bytes, stops: Sequence[bytes]) -> int:
    """Return how many bytes at the end of a text may be the beginning of a stop."""
    longest = max((len(stop) - 1 for stop in stops), default=0)
    for length in range(min(longest, len(text)), 0, -1):
        if any(stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0


def _cut(steps: Sequence[TokenStep], length: int) -> Iterator[TokenStep]:
    for step in steps:
        if length <= 0:
            return
        yield replace(step, text_bytes=step.text_bytes[:length])
        length -= len(step.text_bytes)
