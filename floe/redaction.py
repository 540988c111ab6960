"""Keeps secrets out of foreign text: what a server says is cut and cleaned before it is kept.

A server that was given a key may repeat it, by mistake or on purpose, as it is or encoded. Found
are: the key as it stands in either case, backwards, in base64 (both alphabets, any alignment, with
or without padding) and in hexadecimal; each of these also percent-encoded, escaped as in JSON,
Python or HTML, or broken up by blanks and punctuation; and any piece of `_PIECE` characters of
one. A server that means to hide a key in its words can always find another way: it has the key.
"""

import base64
import html
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

MASK: Final = "•••"
LONGEST_SENTENCE: Final = 300
"""Characters of foreign text that are kept inside a sentence."""
_PIECE: Final = 12
"""A shorter piece of a key is of no use to anybody, and may be a word."""
_SHORTEST: Final = 4
"""What is shorter is no secret; nobody would be able to read a sentence without it."""
_SHORTEST_ENCODED: Final = 6
_SHORTEST_APART: Final = 8
"""A shorter key is found as it stands alone: its letters are in many sentences by chance."""
_WINDOW: Final = 1 << 14
"""Characters that are looked at; what comes after them is not kept."""
_TAIL: Final = 12 * _PIECE
"""Characters in which an escaped piece has room, with a blank here and there."""
_ROUNDS: Final = 3
"""How often an escaped escape is undone."""
_ESCAPE: Final = re.compile(
    r"%[0-9A-Fa-f]{2}|\\+u\{?[0-9A-Fa-f]{4}\}?|\\+x[0-9A-Fa-f]{2}|\\+[nrtbfav0/\"']"
    r"|&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});|&[A-Za-z]{2,8};"
)
_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\-_]")
_STANDARD: Final = str.maketrans("-_", "+/")

_Spans = list[tuple[int, int]]


class Redactor:
    """Finds some secrets in text; more can be added at any time, from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._letters: dict[int, frozenset[str]] = {}
        self._base64: dict[int, frozenset[str]] = {}
        self._literal: frozenset[str] = frozenset()
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def add(self, secret: str) -> None:
        """Look for `secret` from now on."""
        secret = secret.strip()
        if len(secret) < _SHORTEST:
            return
        letters = [_letters_of(secret), _letters_of(secret)[::-1]]
        letters = [form for form in letters if len(form) >= _SHORTEST_APART]
        alphabet: list[str] = []
        if len(secret) >= _SHORTEST_ENCODED:
            data = secret.encode()
            letters += [data.hex(), data[::-1].hex(), data.hex()[::-1]]
            alphabet = [*_base64_cores(data), *_base64_cores(data[::-1])]
        with self._lock:
            self._literal |= {secret}
            self._letters = _with_pieces(self._letters, letters)
            self._base64 = _with_pieces(self._base64, alphabet)

    def holds(self, text: str) -> bool:
        """Return whether a secret, or a piece of one, is in `text`."""
        return any(True for _ in self._found(text))

    def mask(self, text: str) -> str:
        """Return `text` with `MASK` in place of each secret."""
        return _with_masks(text, self._found(text))

    def redact(self, text: str, limit: int = LONGEST_SENTENCE) -> str:
        """Return foreign `text` as it may be kept: masked, one line, at most `limit` characters."""
        cut = len(text) > _WINDOW
        text = " ".join("".join(c if c.isprintable() else " " for c in text[:_WINDOW]).split())
        hidden = list(self._found(text))
        if cut:
            # A secret may lie across the cut, and masks are shorter than what they stand for.
            hidden.append((len(text) // 2, len(text)))
        clean = _with_masks(text, hidden)
        return clean if len(clean) <= limit else clean[: limit - 1] + "…"

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secrets are; the spans may overlap."""
        if not self._literal:
            return
        for secret in self._literal:
            for found in re.finditer(re.escape(secret), text, re.IGNORECASE):
                yield found.span()
        for characters, spans in _views(text):
            for view, pieces in ((_letters_view, self._letters), (_base64_view, self._base64)):
                for first, last in _search(*view(characters), pieces):
                    yield spans[first][0], spans[last][1]


KNOWN_SECRETS: Final = Redactor()
"""Whatever this process holds: the log, which all of it shares, is kept clean of it."""


class SecretScanner:
    """Reads a stream of foreign text piece by piece, and tells when a secret has come.

    At most `_PIECE` - 1 characters of one have passed by then.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._tail = ""

    def scan(self, text: str) -> bool:
        """Return whether a secret is in the text so far, `text` being its newest piece."""
        heard = self._tail + text
        self._tail = heard[-_TAIL:]
        return self._redactor.holds(heard)


class RedactingFormatter(logging.Formatter):
    """Writes log lines and their traces without the secrets in `KNOWN_SECRETS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with its trace."""
        return KNOWN_SECRETS.mask(super().format(record))


def _with_masks(text: str, hidden: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    place = 0
    for start, end in sorted(hidden):
        if start > place or not parts:
            parts += [text[place:start], MASK]
        place = max(place, end)
    return "".join(parts) + text[place:]


def _with_pieces(
    known: dict[int, frozenset[str]], forms: Iterable[str]
) -> dict[int, frozenset[str]]:
    """Add all pieces of `forms` to the sets by length."""
    pieces = dict(known)
    for form in forms:
        size = min(len(form), _PIECE)
        if size >= _SHORTEST:
            new = {form[i : i + size] for i in range(len(form) - size + 1)}
            pieces[size] = pieces.get(size, frozenset()) | new
    return pieces


def _base64_cores(data: bytes) -> list[str]:
    """Return the base64 that `data` alone decides, for each place that it can begin at."""
    cores = []
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + data + bytes(3)).decode()
        first = -(-8 * shift // 6)
        cores.append(encoded[first : 8 * (shift + len(data)) // 6])
    return cores


def _views(text: str) -> Iterator[tuple[str, _Spans]]:
    """Yield the text as it stands, then with its escapes undone, each character with its place."""
    spans = [(i, i + 1) for i in range(len(text))]
    yield text, spans
    for _ in range(_ROUNDS):
        if _ESCAPE.search(text) is None:
            return
        characters: list[str] = []
        places: _Spans = []
        at = 0
        for found in _ESCAPE.finditer(text):
            characters += text[at : found.start()]
            places += spans[at : found.start()]
            at = found.end()
            meant = _unescape(found[0])
            characters += meant
            places += [(spans[found.start()][0], spans[at - 1][1])] * len(meant)
        text, spans = "".join(characters) + text[at:], places + spans[at:]
        yield text, spans


def _unescape(escape: str) -> str:
    if escape.startswith("&"):
        return html.unescape(escape)
    digits = escape.lstrip("\\").lstrip("%ux").strip("{}")
    if not escape.startswith("%") and escape.lstrip("\\")[0] not in "ux":
        return digits if digits in "/\"'" else " "
    code = int(digits, 16)
    return chr(code) if not 0xD800 <= code < 0xE000 else "?"


def _letters_view(text: str) -> tuple[str, Sequence[int]]:
    kept = [i for i, c in enumerate(text) if c.isalnum()]
    return "".join([text[i] for i in kept]).translate(_ASCII_LOWER), kept


def _letters_of(secret: str) -> str:
    return "".join(filter(str.isalnum, secret)).translate(_ASCII_LOWER)


def _base64_view(text: str) -> tuple[str, Sequence[int]]:
    kept = [found.start() for found in _BASE64.finditer(text)]
    return "".join([text[i] for i in kept]).translate(_STANDARD), kept


def _search(
    text: str, places: Sequence[int], pieces: dict[int, frozenset[str]]
) -> Iterator[tuple[int, int]]:
    """Yield places in the whole text where the first and the last character of a piece stand."""
    for size, known in pieces.items():
        for i in range(len(text) - size + 1):
            if text[i : i + size] in known:
                yield places[i], places[i + size - 1]
