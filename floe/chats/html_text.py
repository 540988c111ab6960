"""The words of a piece of HTML as a person reads them: blocks apart, items of lists with a dash."""

import re
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = re.compile(
    "address|article|blockquote|d[ldt]|div|figure|h[1-6r]|ol|p|pre|section|table|tr|ul"
)
_UNSEEN: Final = frozenset({"script", "style", "template", "title"})
_LINES_APART: Final = re.compile(r"[ \t]*\n[ \t]*\n\s*")


def words_of_html(text: str) -> str:
    """Return the words of a piece of HTML, with an empty line between its blocks."""
    reader = _WordReader()
    reader.feed(text)
    reader.close()
    return _LINES_APART.sub("\n\n", reader.words).strip()


class _WordReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words = ""
        self._verbatim = 0
        self._unseen = 0

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self.words += "\n"
        elif tag == "li":
            self.words = self.words.rstrip(" ")
            self.words += "- " if self.words.endswith("\n") else "\n- "
        elif tag in ("td", "th"):
            self.words += " "
        elif _BLOCKS.fullmatch(tag) and not self.words.endswith("- "):
            self.words += "\n\n"
        self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif _BLOCKS.fullmatch(tag):
            self.words += "\n\n"
        self._verbatim = max(0, self._verbatim - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words += data if self._verbatim else re.sub(r"\s+", " ", data)
