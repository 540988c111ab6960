"""Chats in a table (CSV): a record a row, under the names of its columns. Knows no format."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Final

from floe.chats.imported import LeftOut
from floe.chats.reading import MAX_LINE_BYTES, Element

_SIGNS: Final = (",", ";", "\t")
_HEAD: Final = 200_000
_MOST_COLUMNS: Final = 200


def recognises_table(text: str) -> bool:
    """Return whether a text begins with the names of at least two columns, and a row of them."""
    names, sign = _columns(text)
    if not names:
        return False
    try:
        rows = list(islice(csv.reader(io.StringIO(text[:_HEAD], newline=""), delimiter=sign), 2))
    except csv.Error:
        return False
    return len(rows) == 2 and len(rows[1]) == len(names)


def read_table(text: str) -> Iterator[Element | LeftOut]:
    """Yield the rows, with the names of the columns in small letters and `_` for spaces."""
    names, sign = _columns(text)
    csv.field_size_limit(MAX_LINE_BYTES)
    number = 1
    try:
        for row in csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=sign):
            where = f"row {number:,}"
            number += 1
            if where == "row 1" or not any(row):
                continue
            if len(row) == len(names):
                cells = [cell.replace("\r\n", "\n") for cell in row]
                yield Element(where, dict(zip(names, cells, strict=True)))
            else:
                yield LeftOut(where, "has not as many columns as the first row names")
    except csv.Error:
        yield LeftOut(f"row {number:,} and all behind it", "is no row of a table")


def _columns(text: str) -> tuple[list[str], str]:
    """Return the names of the columns and the sign between them; no names if it is no table."""
    head = text.lstrip("\ufeff").partition("\n")[0].strip("\r")[:_HEAD]
    sign = max(_SIGNS, key=head.count)
    try:
        row = next(csv.reader([head], delimiter=sign), [])
    except csv.Error:
        row = []
    names = ["_".join(name.split()).lower() for name in row]
    plain = all(name.replace("_", "").isalnum() for name in names)
    usual = 2 <= len(names) <= _MOST_COLUMNS and len(set(names)) == len(names)
    return (names, sign) if plain and usual else ([], sign)
