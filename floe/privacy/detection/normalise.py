"""One spelling for every disguise, with a map back to the text as it was written.

Compatibility forms (NFKC), format characters, blanks, dashes, quotes, digits of any script, HTML,
URL and backslash escapes become plain; Latin words with a few Cyrillic or Greek letters become
Latin; a blank parts Chinese, Japanese and Korean letters from Latin ones and digits. Knows nothing
of what is looked for.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_ESCAPE: Final = re.compile(
    r"&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});"
    r"|(?:%[0-9a-fA-F]{2})+"
    r"|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}"
)
_PLAIN: Final = re.compile(r"[!-$'-\[\]-~]+(?: [!-$'-\[\]-~]+)*")
"""ASCII that stays as it is: printable, single blanks, no `&`, `%` or backslash."""
_CJK: Final = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LATIN_OR_DIGIT: Final = re.compile(r"[0-9A-Za-z]")
_MARKS = dict.fromkeys("‘’‚‛′ʼ`´", "'") | dict.fromkeys("“”„‟″«»", '"')
_LOOKALIKES: Final = dict(
    zip(
        "аеорсухівнкмтАЕОРСУХІВНКМТјѕԁοαινρτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxibhkmtAEOPCYXIBHKMTjsdoaivptABEZHIKMNOPTYX",
        strict=True,
    )
)
_BREAKS: Final = frozenset("\x85\v\f\u2028\u2029")
_SPELLED: Final = {"Pd": "-", "Zs": " "}
_MARKS |= dict.fromkeys("\u2212\u2043", "-") | dict.fromkeys("\t\r", " ")
_MIXED_WORD: Final = re.compile(r"[\w]+")


@dataclass(frozen=True, slots=True)
class NormalisedText:
    """`text` and, for each of its characters, where it came from.

    starts, ends: characters of the original, half open; both have the length of `text`. A blank
    that was put in between comes from an empty place.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of `text[start:end]`; raises IndexError if that is empty."""
        return self.starts[start], max(self.ends[start:end])


def normalise(original: str) -> NormalisedText:
    """Bring a text into its plain spelling."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, plain in _pieces(original):
        for character in plain:
            if character == " " and characters and characters[-1] == " ":
                ends[-1] = end
                continue
            if characters and _needs_boundary(characters[-1], character):
                characters.append(" ")
                starts.append(start)
                ends.append(start)
            characters.append(character)
            starts.append(start)
            ends.append(end)
    if not original.isascii():
        _unmix(characters)
    return NormalisedText("".join(characters), tuple(starts), tuple(ends))


def _needs_boundary(last: str, new: str) -> bool:
    if last.isascii() and new.isascii():
        return False
    return bool(
        (_CJK.match(last) and _LATIN_OR_DIGIT.match(new))
        or (_LATIN_OR_DIGIT.match(last) and _CJK.match(new))
    )


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and plain spelling of each character, cluster or escape."""
    at = 0
    while at < len(text):
        if run := _PLAIN.match(text, at):
            for place in range(at, run.end()):
                yield place, place + 1, text[place]
            at = run.end()
        elif (escape := _ESCAPE.match(text, at)) and (plain := _unescaped(escape[0])):
            for character in plain:
                yield at, escape.end(), _plain_character(character)
            at = escape.end()
        else:
            end = at + 1
            while end < len(text) and unicodedata.combining(text[end]):
                end += 1
            yield (
                at,
                end,
                "".join(map(_plain_character, unicodedata.normalize("NFKC", text[at:end]))),
            )
            at = end


def _unescaped(escape: str) -> str:
    """Return what an escape stands for; empty if it is none, or for what is not printed."""
    if escape.startswith("&"):
        plain = html.unescape(escape)
        plain = "" if plain == escape else plain
    elif escape.startswith("%"):
        try:
            plain = unquote_to_bytes(escape).decode("utf-8")
        except UnicodeDecodeError:
            plain = ""
    else:
        plain = chr(int(escape[2:], 16))
    return plain if all(c.isprintable() or c.isspace() for c in plain) else ""


def _plain_character(character: str) -> str:
    if character == "\n" or "!" <= character <= "~":
        return "'" if character == "`" else character
    if character in _MARKS:
        return _MARKS[character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    hidden = category in ("Cf", "Cc") or "\ufe00" <= character <= "\ufe0f" or character == "\u034f"
    if character in _BREAKS or category in _SPELLED:
        return "\n" if character in _BREAKS else _SPELLED[category]
    return "" if hidden else character


def _unmix(characters: list[str]) -> None:
    """Make Latin of the foreign letters in words that are Latin otherwise."""
    for word in _MIXED_WORD.finditer("".join(characters)):
        letters = word[0]
        strange = [c for c in letters if c in _LOOKALIKES]
        if strange and any(c.isascii() and c.isalpha() for c in letters):
            for place in range(*word.span()):
                characters[place] = _LOOKALIKES.get(characters[place], characters[place])
