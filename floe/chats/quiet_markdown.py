"""Markdown that loads nothing when it is opened: remote images become links, HTML is shown as text.

An answer may hold an image at an address that tells its server who reads it, when, and what the
address has in it. Knows strings alone.
"""

import re
from collections.abc import Iterator
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_INLINE_IMAGE: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)!\[((?:[^\[\]]|\[[^\[\]]*\]){0,1000})\](?=\()"
)
_OTHER_IMAGE: Final = re.compile(r"(?<!\\)((?:\\\\)*)!(?=\[)")
_TAG: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)<(?=[A-Za-z/!?])"
    r"(?!/?(?:br|b|i|u|s|em|strong|sub|sup)\s*/?>)"  # without attributes they load nothing
    r"(?!(?:https?|mailto):[^\s<>]*>|[\w.+-]+@[\w.-]+>)"  # an address as a link
)
_CODE_SPAN: Final = re.compile(r"(?<![\\`])(`+)(?!`)(?:.|\n)+?(?<!`)\1(?!`)")
_HARMLESS: Final = re.compile(r"</?(?:br|b|i|u|s|em|strong|sub|sup)\s*/?>", re.I)


def without_remote_loads(text: str) -> str:
    """Return a document with a link for each image; code stays as it is where it is sure to be."""
    for blocks, spans in ((True, True), (True, False)):
        quiet = _rewrite(text, blocks=blocks, spans=spans)
        if not _loads(quiet):
            return quiet
    return _rewrite(text, blocks=False, spans=False)


def _rewrite(text: str, *, blocks: bool, spans: bool) -> str:
    lines = text.split("\n")
    code = _code_lines(text) if blocks else set[int]()
    pieces: list[str] = []
    start = 0
    for end in range(1, len(lines) + 1):
        if end < len(lines) and (end in code) == (start in code):
            continue
        piece = "\n".join(lines[start:end])
        pieces.append(piece if start in code else _rewrite_prose(piece, spans=spans))
        start = end
    return "\n".join(pieces)


def _rewrite_prose(text: str, *, spans: bool) -> str:
    pieces = []
    start = 0
    for found in _CODE_SPAN.finditer(text) if spans else ():
        pieces += [_quiet(text[start : found.start()]), found[0]]
        start = found.end()
    return "".join([*pieces, _quiet(text[start:])])


def _quiet(text: str) -> str:
    text = _INLINE_IMAGE.sub(lambda found: f"{found[1]}[{found[2].strip() or 'image'}]", text)
    return _TAG.sub(r"\1\\<", _OTHER_IMAGE.sub(r"\1\\!", text))


def _code_lines(text: str) -> set[int]:
    tokens = MarkdownIt("commonmark").parse(text)
    code = (token.map for token in tokens if token.type in ("fence", "code_block") and token.map)
    return {line for start, end in code for line in range(start, end)}


def _loads(text: str) -> bool:
    tokens = MarkdownIt("commonmark").parse(text)
    return any(
        token.type == "image"
        or (token.type in ("html_block", "html_inline") and not _HARMLESS.fullmatch(token.content))
        for token in _all(tokens)
    )


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])
