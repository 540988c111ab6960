"""Places in a text, and whether another touches one of them: found by halving, not one by one.

A person pastes pages, and on a page of names each find held against each other takes minutes.
Knows neither what the places are nor whose text it is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Places:
    """Characters start to end (half open), in any order; they may overlap."""

    def __init__(self, places: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(places)
        self._starts = [start for start, _ in ordered]
        self._reached = [*accumulate((end for _, end in ordered), max)]

    def touch(self, start: int, end: int) -> bool:
        """Return whether one of them shares a character with start to end."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._reached[before - 1] > start

    def cover(self, start: int, end: int) -> bool:
        """Return whether one of them has all of start to end."""
        before = bisect_right(self._starts, start)
        return before > 0 and self._reached[before - 1] >= end
