"""Cuts an answer off before the first of its stop strings.

Works on emitted tokens, whoever wrote them. A token that may begin a stop string is held back
until it is known; knows no models and no text encodings.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from floe.records import TokenStep


class StopStrings:
    """The stop strings of one answer.

    Attributes:
        met: whether one of them has ended it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop.encode() for stop in stops if stop]
        self.met = False

    def cut(self, steps: Iterable[TokenStep]) -> Iterator[TokenStep]:
        """Pass tokens on up to a stop string; the token that it begins in loses its end."""
        held: list[TokenStep] = []
        text = b""
        for step in steps:
            held.append(step)
            text += step.text_bytes
            found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
            if found:
                self.met = True
                yield from _first_bytes(held, min(found))
                return
            keep = max((_overlap(text, stop) for stop in self._stops), default=0)
            while held and len(text) - len(held[0].text_bytes) >= keep:
                first = held.pop(0)
                text = text[len(first.text_bytes) :]
                yield first
        yield from held


def _first_bytes(steps: Sequence[TokenStep], count: int) -> Iterator[TokenStep]:
    for step in steps:
        if count <= 0:
            return
        yield replace(step, text_bytes=step.text_bytes[:count])
        count -= len(step.text_bytes)


def _overlap(text: bytes, stop: bytes) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
