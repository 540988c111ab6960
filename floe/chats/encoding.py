"""The encoding of a text file: as it says itself, UTF-8 if it reads as that, else a guess."""

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PIECE: Final = 1 << 20
_SAMPLE: Final = 32 << 10
"""Bytes of lines with letters beyond ASCII that a guess is made from."""
_MULTIBYTE: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_HIGH: Final = re.compile(rb"[\x80-\xff]")
_WESTERN: Final = "cp1252"
_USED: Final = [
    *(f"cp125{number}" for number in range(9)),
    *("koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949", "mac_roman", "cp850", "iso8859_2"),
]
"""What people's files are in, apart from Unicode; of all that Python knows, a guess goes astray."""
_ACCENTS: Final = frozenset("äöüßéèêëàâçîïôùûœñáíóúãõåæøÄÖÜÉÈÊÀÂÇÎÔÑÁÍÓÚÃÕÅÆØ")
_SIGNS: Final = frozenset(
    "«»€°§©®£¿¡ºª\u00a0\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2026\u2022"
)
_ACCENTED_WORD: Final = re.compile(r"\w*[^\W\x00-\x7f]\w*")


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """A Python codec. `guessed`: the file does not say; `broken`: UTF-8 but for some bytes."""

    name: str
    guessed: bool = False
    broken: bool = False

    @property
    def errors(self) -> str:
        """Error handler that lets what is no character be seen, as half a surrogate or U+FFFD."""
        return "replace" if self.name.startswith(("utf-16", "utf-32")) else "surrogateescape"


def detect_encoding(file: BinaryIO) -> TextEncoding:
    """Return the encoding of a whole file, which is left at its beginning."""
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return TextEncoding(name)
    if wide := _wide_encoding(head):
        return TextEncoding(wide)
    valid = _is_utf8(file)
    file.seek(0)
    if valid:
        return TextEncoding("utf-8")
    sample = _sample(file)
    file.seek(0)
    characters = len(_MULTIBYTE.findall(sample))
    stray = len(_HIGH.findall(_MULTIBYTE.sub(b"", sample)))
    if characters > stray:
        return TextEncoding("utf-8", broken=True)
    return TextEncoding(_guess(sample), guessed=True)


def _wide_encoding(head: bytes) -> str:
    """Tell UTF-16 without a mark by its zeros, every second byte of Western text."""
    even, odd = head[0::2], head[1::2]
    if len(head) < 4 or not odd:
        return ""
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return ""


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _sample(file: BinaryIO) -> bytes:
    found: list[bytes] = []
    size = 0
    while size < _SAMPLE and (line := file.readline(_PIECE)):
        for hit in _HIGH.finditer(line):
            piece = line[max(0, hit.start() - 200) : hit.start() + 200]
            if len(line) <= 2 * _SAMPLE:
                piece = line
            found.append(piece)
            size += len(piece)
            if len(line) <= 2 * _SAMPLE or size >= _SAMPLE:
                break
    return b"".join(found)


def _guess(sample: bytes) -> str:
    # Asked first, because of a few accents in Western text the library makes Baltic or Arabic.
    if _reads_as_western(sample):
        return _WESTERN
    best = from_bytes(sample, cp_isolation=_USED).best()
    return best.encoding if best is not None else "latin-1"


def _reads_as_western(sample: bytes) -> bool:
    """Return whether it makes sense in Western Europe's encoding: usual accents among ASCII."""
    try:
        text = sample.decode(_WESTERN)
    except UnicodeDecodeError:
        return False
    letters = [each for each in text if ord(each) > 127 and each not in _SIGNS]
    mixed = _ACCENTED_WORD.findall(text)
    usual = sum(each in _ACCENTS for each in letters)
    return (
        usual >= 0.85 * len(letters)
        and sum(map(len, mixed)) >= 2 * len(letters)
        and all(each.isalpha() for each in letters)
    )
