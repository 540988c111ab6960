"""Write `famous.txt.gz` from Pantheon 1.0: `python -m floe.privacy.detection.training.fame pantheon.tsv`.

Pantheon 1.0 (Yu, Ronen, Hu, Lu and Hidalgo 2016, "Pantheon 1.0, a manually verified dataset of
globally famous biographies", Scientific Data 2:150075; CC BY 4.0) has the 11,341 persons of whom
Wikipedia tells in more than 25 languages.
"""

import argparse
import csv
import gzip
from pathlib import Path
from typing import Final

from floe.privacy.detection.fame import FILE, folded
from floe.privacy.detection.names import lexicon

_LANGUAGES: Final = 60
"""Languages from which the last name is enough."""
_SHORTEST: Final = 4


def famous(rows: list[dict[str, str]]) -> list[str]:
    """Names in small letters without accents; a star: the last word is enough where it stands alone."""
    known = lexicon()
    found: set[str] = set()
    for row in rows:
        name = folded(row["name"].split(",")[0].split("(")[0])
        words = name.split()
        if "?" in name or not words or (len(words) == 1 and words[0] in known.given):
            continue
        last = words[-1]
        alone = (
            len(words) > 1
            and int(row["numlangs"]) >= _LANGUAGES
            and len(last) >= _SHORTEST
            and last not in known.given | known.ordinary
        )
        found.add(f"{name}*" if alone else name)
    return sorted(found)


def main() -> None:
    """Read the table, write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    text = parser.parse_args().table.read_text("gb18030")  # as the stored copies have it
    names = famous(list(csv.DictReader(text.splitlines(), delimiter="\t")))
    FILE.write_bytes(gzip.compress("\n".join(names).encode(), mtime=0))


if __name__ == "__main__":
    main()
