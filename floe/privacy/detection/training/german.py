"""Write `german.txt.gz`: `python -m floe.privacy.detection.training.german nouns.csv`.

The table is that of the package german-nouns 1.2.5 (Weichbrodt, from the German Wiktionary,
CC BY-SA 4.0): some 100,000 nouns with all their forms. First names, surnames, places and other
proper nouns are left out, and so is a form that other words make up.
"""

import argparse
import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from floe.privacy.detection.german import FILE, SHORTEST, SHORTEST_FIRST, Nouns, is_compound

_PROPER: Final = frozenset(
    {"Vorname", "Nachname", "Toponym", "Eigenname", "Straßenname", "Affix", "Suffix", "Abkürzung"}
)
_NOUN: Final = re.compile(r"[A-ZÄÖÜ][a-zäöüßéèà]{3,}")
_BESIDE_FIRST: Final = 3
"""Nouns of the table that a word stands before, at least, to be the first part of any other."""
_BESIDE_LAST: Final = 2
_FORMS: Final = 7
"""Columns before those with forms."""
_ALIKE: Final = 5
"""Letters in which the cases of one noun are the same."""


def forms(rows: Iterable[Sequence[str]]) -> set[str]:
    """Return nouns, none of which is also a proper noun, in all their forms, in small letters."""
    nouns: set[str] = set()
    proper: set[str] = set()
    for row in rows:
        kinds = set(row[1].split(","))
        cells = (cell for column in (row[0], *row[_FORMS:]) for cell in column.split("/"))
        found = {cell.strip().lower() for cell in cells if _NOUN.fullmatch(cell.strip())}
        if "Substantiv" in kinds:
            (nouns if kinds.isdisjoint(_PROPER) else proper).update(found)
    return nouns - proper


def parts(nouns: set[str]) -> Nouns:
    """Return what compounds are made of, and the nouns that are not made of it."""
    beside: defaultdict[str, set[str]] = defaultdict(set)
    heads: Counter[str] = Counter()
    for noun in nouns:
        for at in range(SHORTEST_FIRST, len(noun) - SHORTEST + 1):
            if noun[at:] in nouns:
                beside[noun[:at]].add(noun[at:][:_ALIKE])
                heads[noun[at:]] += 1
    first = frozenset(part for part, others in beside.items() if len(others) >= _BESIDE_FIRST)
    last = frozenset(part for part, count in heads.items() if count >= _BESIDE_LAST)
    made = Nouns(frozenset(), first, last)
    whole = (noun for noun in nouns if noun not in last and not is_compound(noun, made))
    return Nouns(frozenset(whole), first, last)


def main() -> None:
    """Read the table, write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    with parser.parse_args().table.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        found = parts(forms(rows))
    text = "\n\n".join("\n".join(sorted(section)) for section in found)
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
