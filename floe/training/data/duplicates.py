"""Near-duplicates among short texts: exact, in every script, without a library.

Knows strings only. Sets of character 5-grams are compared by their Jaccard similarity; prefix
filtering (Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", WWW 2007) finds all
pairs without looking at every one: texts that are at least `t` alike must share one of their
`n - ceil(t n) + 1` rarest grams. Of those, a bitmap of hashed grams rules out nearly all (Sandes,
Teodoro and Melo, "Bitmap filter", 2020): each bit that only one of two has is a gram unshared.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

GRAM: Final = 5
"""Characters of a gram."""
_BITS: Final = 2048
ALIKE: Final = 0.8
"""Jaccard similarity from which two texts count as the same: a word or two differ in a line."""


def grams(text: str) -> frozenset[str]:
    """All character 5-grams of the text, whatever its case and spacing; a short text is one."""
    plain = " ".join(text.casefold().split())
    return frozenset(plain[i : i + GRAM] for i in range(max(1, len(plain) - GRAM + 1)))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity, |A n B| / |A u B|, in [0, 1]."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _bitmap(found: frozenset[str]) -> int:
    bits = 0
    for gram in found:
        bits |= 1 << (hash(gram) % _BITS)
    return bits


def first_alike(texts: Sequence[str]) -> list[int | None]:
    """For each text the index of the earliest kept text that it nearly repeats, or None.

    A text is kept if it repeats no kept text before it, so no two kept ones are alike.
    """
    sets = [grams(text) for text in texts]
    counts = Counter(gram for found in sets for gram in found)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    bitmaps = [_bitmap(found) for found in sets]
    found_alike: list[int | None] = []

    def may_be_alike(one: int, other: int) -> bool:
        """Whether lengths and bitmaps allow it: both need t / (1 + t) of all grams in common."""
        needed = ALIKE / (1 + ALIKE) * (len(sets[one]) + len(sets[other])) - 1e-9
        unshared = (bitmaps[one] & ~bitmaps[other]).bit_count()
        return min(len(sets[one]) - unshared, len(sets[other])) >= needed

    for place, own in enumerate(sets):
        rarest = sorted(own, key=lambda gram: (counts[gram], gram))
        prefix = rarest[: len(own) - math.ceil(ALIKE * len(own)) + 1]
        candidates = sorted({holder for gram in prefix for holder in holders[gram]})
        match = next(
            (i for i in candidates if may_be_alike(place, i) and similarity(own, sets[i]) >= ALIKE),
            None,
        )
        found_alike.append(match)
        if match is None:
            for gram in prefix:
                holders[gram].append(place)
    return found_alike
