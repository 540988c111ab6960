r"""Message text to HTML: one parser decides what is code, what is a formula, what is a link.

CommonMark with tables, strikethrough, task lists, bare addresses and formulas. HTML in a text is
text. Images are named, never loaded; a mermaid block is code like any other. Nothing is lost:
what the parser has a bound against (depth, length, size of the result) is shown as it was
written.

A message becomes a list of blocks, one element each, so that of an answer that is being written
only the last block changes. (Blocks keep the order of the text and nothing is moved: the tokens of
an answer can be found again in the text nodes, which is where colouring them belongs.)
"""

import re
import unicodedata
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from html import escape
from threading import Lock
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from floe.ui.chat.allow_list import clean_html, is_safe_address
from floe.ui.chat.formulas import MAX_LATEX, draw_formula
from floe.ui.chat.highlighting import highlight_code

MAX_PARSED: Final = 100_000
"""Characters of a message that are parsed; the rest is shown as it was written."""

MAX_TOKENS: Final = 20_000
"""Of the parser: a table of 256 empty columns is 2 kB of text and 65,000 cells."""

MAX_DEPTH: Final = 20
"""Quotes (one each) and lists (two each) within each other; what lies deeper is shown as it was
written."""

MAX_INLINE: Final = 10_000
MAX_BRACKETS: Final = 300
"""Characters and opening brackets of one paragraph, beyond which neither code nor links nor
emphasis are looked for in it: the parser pairs brackets in time that grows with their square."""

_PLAIN_PIECE: Final = 10_000
"""Characters of unparsed text in one element, about."""

_CACHED_CHARACTERS: Final = 16_000_000

_Options = OptionsDict
_Env = MutableMapping[str, Any]

# Characters that cannot be seen, or that turn the order of those that can.

_CONTROL_RANGES: Final = (
    "\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb"
)
_IN_PROSE: Final = re.compile(f"[{_CONTROL_RANGES}]")
_IN_CODE: Final = re.compile(
    f"[{_CONTROL_RANGES}\xad\u061c\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]"
)


def _name_control(found: re.Match[str]) -> str:
    code = ord(found[0])
    name = escape(unicodedata.name(found[0], "CONTROL CHARACTER").lower())
    return f'<span class="control" title="{name}">\u2039U+{code:04X}\u203a</span>'


def _show_controls(html: str, hidden: re.Pattern[str] = _IN_PROSE) -> str:
    """Name the hidden characters of escaped text; none of them stands in a tag of ours."""
    return html if html.isascii() and html.isprintable() else hidden.sub(_name_control, html)


def _text(content: str) -> str:
    return _show_controls(escape(content, quote=False))


def _code(html: str) -> str:
    return _show_controls(html, _IN_CODE)


# Formulas

_SINGLE: Final = re.compile(r"(?<![\w$])\$(?![\s$])([^$\n]{1,300}?)(?<![\s\\])\$(?![\d$])")
"""By Pandoc's rule: no space inside the dollars, no digit after; most are money."""

_CLOSERS: Final = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_AFTER_BLOCK: Final = re.compile(r"[ \t.,;]*(?:\n|\Z)")


def _inline_formula(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    opener = state.src[state.pos : state.pos + 2]
    closer = _CLOSERS.get(opener)
    if closer is None:
        found = _SINGLE.match(state.src, state.pos, state.posMax)
        content, end = (found[1], found.end()) if found else ("", 0)
    else:
        begin = state.pos + 2
        at = state.src.find(closer, begin, min(begin + MAX_LATEX, state.posMax))
        content, end = state.src[begin:at] if at > 0 else "", at + 2
    if not content.strip():
        return False
    if not silent:
        state.push("display" if opener in ("$$", r"\[") else "formula", "math", 0).content = content
    state.pos = end
    return True


def _block_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Take lines from one that begins with `$$` or `\[` to one that ends with its counterpart."""
    begin = state.bMarks[start] + state.tShift[start] + 2
    opener = state.src[begin - 2 : begin]
    if opener not in ("$$", r"\[") or state.is_code_block(start):
        return False
    # The raw text is searched first, so that many openers without an end cost little.
    at = state.src.find(_CLOSERS[opener], begin, begin + MAX_LATEX)
    if at < 0 or not _AFTER_BLOCK.match(state.src, at + 2):
        return False  # something follows the formula in its line: the paragraph's matter
    last = bisect_left(state.eMarks, at)
    if last >= end or any(state.sCount[n] < state.blkIndent for n in range(start + 1, last + 1)):
        return False
    lines = [state.src[begin : min(at, state.eMarks[start])]]
    lines += [_line(state, number) for number in range(start + 1, last + 1)]
    if last > start:
        lines[-1] = lines[-1][: lines[-1].index(_CLOSERS[opener])]
    content = "\n".join(lines)
    if not content.strip():
        return False
    if not silent:
        token = state.push("formula_block", "math", 0)
        token.content, token.map, token.block = content, [start, last + 1], True
        state.line = last + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


# Addresses, tasks, bounds

_BARE_ADDRESS: Final = re.compile(r"://[\w.-]{1,253}(?::\d{1,5})?(?:[/?#][^\s<>\"'`\\]{0,2000})?")
_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9+.-])https?\Z")


def _bare_address(state: StateInline, silent: bool) -> bool:
    """Read `https://…` in running text, where the scheme has been read before the colon."""
    if state.linkLevel or state.src[state.pos] != ":":
        return False
    scheme = _SCHEME.search(state.pending[-6:])
    rest = scheme and _BARE_ADDRESS.match(state.src, state.pos, state.posMax)
    if scheme is None or not rest:
        return False
    tail = rest[0].rstrip("?!.,:;*_~)]}")
    closing = rest[0][len(tail) : len(tail) + 1]
    if closing == ")" and tail.count("(") > tail.count(")"):
        tail += closing
    shown = scheme[0] + tail
    address = state.md.normalizeLink(shown)
    if not state.md.validateLink(address):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        state.push("link_open", "a", 1).attrs = {"href": address}
        state.push("text", "", 0).content = shown
        state.push("link_close", "a", -1)
    state.pos += len(tail)
    return True


def _mark_tasks(state: StateCore) -> None:
    """Mark `[ ]` and `[x]` at the beginning of list items."""
    for before, token in zip(state.tokens, state.tokens[2:], strict=False):
        if before.type != "list_item_open" or token.type != "inline" or not token.children:
            continue
        first = token.children[0]
        if first.type == "text" and first.content[:4] in ("[ ] ", "[x] ", "[X] "):
            box = Token("task", "", 0, content=first.content[1])
            first.content = first.content[4:]
            token.children.insert(0, box)
            before.attrSet("class", "task")


def _leave_long_text(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and (
            len(token.content) > MAX_INLINE or token.content.count("[") > MAX_BRACKETS
        ):
            token.type = "long_text"


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.level < MAX_DEPTH:
        return False
    if not silent:
        state.push("plain", "pre", 0).content = state.getLines(start, end, state.blkIndent, False)
        state.line = end
    return True


# Tokens to HTML


class _Renderer(RendererHTML):
    """All that is written into a message; see `allow_list` for what it may consist of."""

    def text(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _text(tokens[idx].content)

    def code_inline(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return f"<code>{_code(escape(tokens[idx].content))}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _draw_code(tokens[idx].content, "")

    def fence(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _draw_code(tokens[idx].content, tokens[idx].info.strip())

    def plain(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return "".join(_draw_plain(tokens[idx].content))

    def long_text(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _text(tokens[idx].content).replace("\n", "<br>")

    def hardbreak(self, _t: Sequence[Token], _i: int, _o: _Options, _e: _Env) -> str:
        return "<br>"

    def softbreak(self, _t: Sequence[Token], _i: int, _o: _Options, _e: _Env) -> str:
        return "<br>"

    def hr(self, _t: Sequence[Token], _i: int, _o: _Options, _e: _Env) -> str:
        return "<hr>"

    def link_open(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _open_link(str(tokens[idx].attrs["href"]), "link")

    def image(self, tokens: Sequence[Token], idx: int, options: _Options, env: _Env) -> str:
        address = str(tokens[idx].attrs["src"])
        name = self.renderInlineAsText(tokens[idx].children, options, env).strip()
        return f"{_open_link(address, 'link image')}{_text(name or address)}</a>"

    def formula(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _show_controls(draw_formula(tokens[idx].content, display=False))

    def display(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _show_controls(draw_formula(tokens[idx].content, display=True))

    def formula_block(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        drawn = _show_controls(draw_formula(tokens[idx].content, display=True))
        return f'<div class="formula" tabindex="0" role="region" aria-label="Formula">{drawn}</div>'

    def task(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        if tokens[idx].content == " ":
            return '<span class="box" role="img" aria-label="to do"></span>'
        return '<span class="box done" role="img" aria-label="done">\u2713</span>'

    def table_open(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        directed = ' dir="auto"' if tokens[idx].level == 0 else ""
        around = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
        return f"{around}<table{directed}>"

    def table_close(self, _t: Sequence[Token], _i: int, _o: _Options, _e: _Env) -> str:
        return "</table></div>"

    def th_open(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        return _open_cell(tokens[idx])

    td_open = th_open

    def renderToken(self, tokens: Sequence[Token], idx: int, _o: _Options, _e: _Env) -> str:
        """Write an opening or closing tag; the direction is that of the outermost block."""
        token = tokens[idx]
        if token.hidden and not _has_formula(tokens[idx + token.nesting]):
            return ""
        tag = token.tag
        if tag in _HEADINGS:
            tag = _HEADINGS[tag]
        if token.nesting < 0:
            return f"</{tag}>"
        kept = "".join(
            f' {name}="{escape(str(value))}"'
            for name, value in token.attrs.items()
            if name in ("start", "class")
        )
        directed = ' dir="auto"' if token.level == 0 and token.block else ""
        return f"<{tag}{kept}{directed}>"


def _has_formula(token: Token) -> bool:
    """Return whether a paragraph has a formula, which cannot break: it scrolls, in lists too."""
    return any(child.type in ("formula", "display") for child in token.children or ())


_HEADINGS: Final = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}
"""The page has the two levels above those of a message."""


def _open_cell(token: Token) -> str:
    aligned = {"text-align:right": "end", "text-align:center": "middle"}
    name = aligned.get(str(token.attrs.get("style", "")))
    return f'<{token.tag} class="{name}">' if name else f"<{token.tag}>"


def _open_link(address: str, classes: str) -> str:
    if not is_safe_address(address):
        return "<a>"  # `[words]()` is a link to nowhere
    return f'<a class="{classes}" role="link" tabindex="0" data-href="{escape(address)}">'


def _draw_code(code: str, info: str) -> str:
    # All of the info string is shown, because `~~~ like this` may be somebody's own words.
    name = _text(info)
    language = info.split(maxsplit=1)[0] if info else ""
    label = escape(f"Code, {language[:40]}" if language else "Code")
    coloured = _code(highlight_code(code, language.strip("{.}").lower()))
    return (
        f'<figure class="code"><figcaption><span>{name}</span></figcaption>'
        f'<pre tabindex="0" role="region" aria-label="{label}"><code>{coloured}</code></pre>'
        "</figure>"
    )


def _draw_plain(text: str) -> list[str]:
    """Draw text as it was written, in pieces that end with a line where there are lines."""
    pieces, start = [], 0
    while start < len(text):
        end = start + _PLAIN_PIECE
        if end < len(text):
            end = text.rfind("\n", start + _PLAIN_PIECE // 2, end) + 1 or end
        pieces.append(f'<pre class="plain">\n{_code(escape(text[start:end]))}</pre>')
        start = end
    return pieces


def _make_parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "maxNesting": 40}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    parser.validateLink = is_safe_address  # type: ignore[assignment, method-assign]
    alternatives: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("table", "too_deep", _too_deep)
    parser.block.ruler.before("fence", "formula_block", _block_formula, alternatives)
    parser.inline.ruler.before("escape", "formula", _inline_formula)
    parser.inline.ruler.before("newline", "bare_address", _bare_address)
    parser.core.ruler.before("inline", "long_text", _leave_long_text)
    parser.core.ruler.after("inline", "tasks", _mark_tasks)
    return parser


_PARSER: Final = _make_parser()


@lru_cache(1024)
def _clean(html: str) -> str:
    return clean_html(html)


def _blocks(text: str) -> list[str]:
    env: _Env = {}
    tokens = _PARSER.parse(text, env)
    size = sum(1 + len(token.children or ()) for token in tokens)
    if size > MAX_TOKENS:
        return [_clean(piece) for piece in _draw_plain(text)]
    blocks, begun = [], 0
    for place, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            html = _PARSER.renderer.render(tokens[begun : place + 1], _PARSER.options, env)
            blocks.append(_clean(html))
            begun = place + 1
    return blocks


def render_blocks(text: str) -> tuple[str, ...]:
    """Return the HTML of a message, one string a block, in the order of the text.

    Takes time in proportion to the text, whatever it is. Raises nothing.
    """
    # A lone surrogate is no character; JSON from a browser can hold one.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) <= MAX_PARSED:
        return tuple(_blocks(text))
    cut = text.rfind("\n", MAX_PARSED // 2, MAX_PARSED) + 1 or MAX_PARSED
    rest = [_clean(piece) for piece in _draw_plain(text[cut:])]
    return (*_blocks(text[:cut]), *rest)


class _Rendered:
    """Messages by the hash of their text, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()
        self._characters = 0

    def get(self, text: str) -> tuple[str, ...]:
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        blocks = render_blocks(text)
        with self._lock:
            self._characters += sum(map(len, blocks)) - sum(map(len, self._kept.get(key, ())))
            self._kept[key] = blocks
            while self._characters > _CACHED_CHARACTERS and len(self._kept) > 1:
                self._characters -= sum(map(len, self._kept.popitem(last=False)[1]))
        return blocks


_RENDERED: Final = _Rendered()


def render_message(text: str) -> tuple[str, ...]:
    """As `render_blocks`, remembered: for messages that no longer change."""
    return _RENDERED.get(text)
