"""What becomes of a message's text, and that nothing in it gets out."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.ui.chat import markdown
from floe.ui.chat.allow_list import (
    ATTRIBUTES,
    CLASS_NAMES,
    TAGS,
    VALUES,
    clean_html,
    is_safe_address,
)
from floe.ui.chat.formulas import draw_formula
from floe.ui.chat.highlighting import highlight_code
from floe.ui.chat.markdown import MAX_DEPTH, MAX_INLINE, MAX_PARSED, render_blocks
from tests.tiers import examples
from tests.ui.hostile import HAND_MADE, random_messages

MESSAGES: Final = int(os.environ.get("FLOE_HOSTILE_MESSAGES", "1000"))
"""Random messages that are tried; all hand-made ones are."""

VOID = {"br", "hr"}


class Structure(HTMLParser):
    """Collects what is not on the list, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    @property
    def text(self) -> str:
        return "".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if not self._is_listed(tag, name, value or ""):
                self.faults.append(f"<{tag} {name}={value!r}>")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self._open or self._open.pop() != tag):
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"<![{data}]>")

    @staticmethod
    def _is_listed(tag: str, name: str, value: str) -> bool:
        if name == "class":
            return set(value.split()) <= CLASS_NAMES.get(tag, set())
        if name == "data-href":
            return tag == "a" and is_safe_address(value)
        listed = VALUES.get(tag, {}).get(name)
        return value in listed if listed else name in ATTRIBUTES.get(tag, set())


def drawn(text: str) -> str:
    return "".join(render_blocks(text))


def text_of(html: str) -> str:
    return Structure(html).text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("a\nb", '<p dir="auto">a<br>b</p>'),
        (
            "a <b>bold</b> <!-- x -->",
            '<p dir="auto">a &lt;b&gt;bold&lt;/b&gt; &lt;!-- x --&gt;</p>',
        ),
        ("1 < 2 and `<div>`", '<p dir="auto">1 &lt; 2 and <code>&lt;div&gt;</code></p>'),
        ("~~old~~ *new*", '<p dir="auto"><s>old</s> <em>new</em></p>'),
        ("# One\n###### Six", '<h3 dir="auto">One</h3><h6 dir="auto">Six</h6>'),
        ("it costs $5 or $10", '<p dir="auto">it costs $5 or $10</p>'),
        ("$20,000 and US$30", '<p dir="auto">$20,000 and US$30</p>'),
        (r"\(a<b", r'<p dir="auto">(a&lt;b</p>'),
        ("3. c", '<ol start="3" dir="auto"><li>c</li></ol>'),
    ],
)
def test_plain_formats(text: str, html: str) -> None:
    assert drawn(text) == html


@pytest.mark.parametrize(
    "text", ["$a<b$", r"\(a<b\)", "$$a<b$$", r"\[a<b\]", "$$\na<b\n$$", "- x\n  \\[\n  a<b\n  \\]"]
)
def test_formulas_are_mathml(text: str) -> None:
    assert "<mi>a</mi><mo>&lt;</mo><mi>b</mi>" in drawn(text)


@pytest.mark.parametrize("latex", [r"\unknown{x}", r"\frac{", "a & b"])
def test_a_formula_that_cannot_be_drawn_stays_as_it_was(latex: str) -> None:
    source = latex.replace("&", "&amp;")
    for text in (f"$${latex}$$", rf"\({latex}\)", rf"so \[{latex}\] then"):
        assert f"<code>{source}</code>" in drawn(text)


def test_lines_of_a_formula_are_no_lists_and_no_headings() -> None:
    html = drawn("So:\n$$\na\n= b\n- c\n$$\nand on.")
    assert "<li>" not in html
    assert "<h" not in html
    assert html.count("<math") == 1


def test_columns_of_a_formula_are_aligned_without_styles() -> None:
    html = drawn(r"$$\begin{aligned} a &= b \\ c &= d \end{aligned}$$")
    assert html.count('<mtd class="end">') == 2
    assert "style" not in html.replace("displaystyle", "")


def test_code_is_coloured_and_its_text_is_untouched() -> None:
    code = "def f(x: int) -> str:\n    return '<b>' + \"&amp;\"  # \u00e9\n\n\n"
    html = highlight_code(code, "python")
    assert '<span class="k">def</span>' in html
    assert text_of(html) == code
    assert highlight_code(code, "no such language") == highlight_code(code, "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```html\n<div>", "<div>\n"),
        ("~~~\n<a>\n~~~", "<a>\n"),
        ("- a\n\n  ```\n  <b>\n  ```\n", "<b>\n"),
        ("```a\n```` x\n```\n", "```` x\n"),
        ("    <i>", "<i>\n"),
    ],
)
def test_what_is_code_is_decided_by_the_parser_alone(text: str, code: str) -> None:
    html = drawn(text)
    assert "<pre " in html
    assert text_of(html.split("<code>")[1].split("</code>")[0]).strip("\n") == code.strip("\n")


def test_mermaid_is_code() -> None:
    html = drawn('```mermaid\ngraph TD; A["<img src=/gradio_api/file=http://x>"]\n```')
    assert "<span>mermaid</span>" in html
    assert "&lt;img src=" in html


def test_an_info_string_with_a_backtick_opens_no_block() -> None:
    assert drawn("```a`b\n<img>\n```").startswith('<p dir="auto">```a`b<br>&lt;img&gt;</p>')


def test_images_are_named_and_links_carry_an_address_that_nothing_follows() -> None:
    html = drawn(
        "![a boat](https://example.com/b.png) [x](https://example.com/?a=1&b=2) mailto:a@b.c"
    )
    assert (
        'class="link image" role="link" tabindex="0" data-href="https://example.com/b.png"' in html
    )
    assert 'data-href="https://example.com/?a=1&amp;b=2"' in html
    assert not re.search(r"\s(?:href|src)=", html)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.example/x_(y).", "https://a.example/x_(y)"),
        ("(https://a.example)", "https://a.example"),
        ("<https://a.example/?q>", "https://a.example/?q"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_bare_addresses_are_links(text: str, address: str) -> None:
    assert re.findall(r'data-href="([^"]*)"', drawn(text)) == [address]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:taken()",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//a.example",
        "/gradio_api/file=http://x",
        "#send",
        "https://",
        "mailto:",
        "https://a.example/ b",
        "https://a.example\\@b.example",
        "java\nscript:x",
        "https://[",
        "ftp://a.example",
        "x" * 5000,
    ],
)
def test_no_other_address_is_offered(address: str) -> None:
    assert not is_safe_address(address)
    html = drawn(f"[x]({address}) ![x]({address}) [x](<{address}>)")
    offered = re.findall(r'data-href="([^"]*)"', html)
    assert all(is_safe_address(each) and each != address for each in offered)
    assert "data-href" not in clean_html(f'<a class="link" data-href="{address}">x</a>')


def test_tasks_have_labels() -> None:
    html = drawn("- [ ] to be done\n- [x] done\n- [y] neither")
    assert html.count('role="img" aria-label="to do"') == 1
    assert html.count('role="img" aria-label="done"') == 1
    assert "[y] neither" in html
    assert "<input" not in html


def test_what_scrolls_can_be_reached_by_keyboard() -> None:
    html = drawn("```py\nx\n```\n\n|a|b|\n|-|:-:|\n|c|d|\n\n$$x$$")
    labels = re.findall(r'tabindex="0" role="region" aria-label="([^"]+)"', html)
    assert labels == ["Code, py", "Table", "Formula"]
    assert '<td class="middle">d</td>' in html


def test_every_block_finds_its_own_direction() -> None:
    blocks = render_blocks("\u05e9\u05dc\u05d5\u05dd\n\nHello\n\n- \u05d0\n\n> b\n\n|a|\n|-|\n|b|")
    assert [re.search('dir="auto"', block) is not None for block in blocks] == [True] * 5


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\x1b", "\x7f"])
def test_characters_that_hide_or_turn_are_named(character: str) -> None:
    for text in (
        f"a{character}b",
        f"`a{character}b`",
        f"```py\na{character}b\n```",
        f"# {character}",
    ):
        html = drawn(text)
        assert character not in html
        assert f"U+{ord(character):04X}" in html
    assert "U+200B" in drawn("```\na\u200bb\n```")
    assert "U+200B" not in drawn("a\u200bb")


def test_only_the_last_block_changes_while_an_answer_grows() -> None:
    text = "One.\n\n- two\n- three\n\n```py\nx = 1\n```\n\nThe **end**."
    before: tuple[str, ...] = ()
    for length in range(1, len(text) + 1):
        blocks = render_blocks(text[:length])
        assert blocks[: len(before) - 1] == before[: len(before) - 1]
        before = blocks


def test_depth_length_and_size_are_bounded_and_no_word_is_lost() -> None:
    deep = "> " * 300 + "innermost"
    assert drawn(deep).count("<blockquote") == MAX_DEPTH
    assert "innermost" in drawn(deep)
    words = [f"word{number}" for number in range(200_000)]
    long = "".join(word + ("\n" if word.endswith("0") else " ") for word in words)
    blocks = render_blocks(long)
    assert len(long) > 10 * MAX_PARSED
    assert re.findall(r"word\d+", " ".join(map(text_of, blocks))) == words
    wide = "|".join("a" * 200) + "\n" + "|".join("-" * 200) + "\n" + "last\n" * 300
    assert len(drawn(wide)) < 3 * len(wide)
    assert drawn(wide).count("last") == 300


PIECES: Final = (
    "[",
    "![",
    "[a](",
    "[a](<b",
    "*a **a ",
    "`a",
    "``a`",
    "\\(",
    "\\[\n",
    "$$\n",
    "$a",
    "$$a",
    "<",
    "<!--",
    "&",
    "http://",
    "https://a[",
    "> ",
    "- ",
    "|a",
    "- [ ] a\n",
    "\u202e",
    "\\[ a \\] b\n",
    "a|b\n-|-\n",
    "[a]: /u\n\n[a]",
    "~~a",
    "_a__",
    "```\n",
    "1. a\n   ",
    "](",
)
"""What is repeated: each the beginning of something that may never end."""


def test_work_grows_with_the_text_and_not_with_its_square() -> None:
    """Counted in lines that the parser runs, not in seconds."""
    texts = []
    for piece in PIECES:
        sizes = (10_000, 40_000) if "\n" in piece else (MAX_INLINE // 4 - 100, MAX_INLINE - 100)
        texts += [piece * (size // len(piece)) for size in sizes]
    counted = subprocess.run(
        [sys.executable, "-m", "tests.ui.parser_steps"],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    steps = json.loads(counted.stdout)
    pairs = dict(zip(PIECES, zip(steps[::2], steps[1::2], strict=True), strict=True))
    assert [piece for piece, (short, long) in pairs.items() if long >= 6 * short + 5_000] == []
    assert all(short > 100 for short, _ in pairs.values())


def test_formulas_do_not_explode() -> None:
    for latex in (
        "'" * 3000,
        r"\def\a{\a\a}\a",
        "{" * 2000 + "}" * 2000,
        r"\frac{" * 900,
        "x" * 100_000,
    ):
        assert len(draw_formula(latex, display=True)) < 40 * len(latex) + 100


def corpus() -> chain[str]:
    return chain(HAND_MADE, random_messages(15, MESSAGES))


def test_there_are_enough_of_them() -> None:
    assert len(HAND_MADE) >= 200
    assert len(set(HAND_MADE)) == len(HAND_MADE)


def test_nothing_but_what_is_listed_is_in_a_message() -> None:
    for text in corpus():
        for block in render_blocks(text):
            assert Structure(block).faults == [], text
            assert clean_html(block) == block, text


def test_the_renderer_alone_writes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "_clean", lambda html: html)
    for text in corpus():
        faults = [fault for block in render_blocks(text) for fault in Structure(block).faults]
        # Formulas come from a library; lengths and flags in them are the second wall's matter.
        assert [fault for fault in faults if not re.match(r"<(?:m\w+|/mspace) ?", fault)] == [], (
            text
        )


def test_the_second_wall_alone_lets_nothing_through() -> None:
    for text in corpus():
        whole = text.encode("utf-8", "replace").decode()
        assert Structure(clean_html(whole)).faults == [], text


@given(st.text(max_size=400))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_is_drawn_within_the_list(text: str) -> None:
    for block in render_blocks(text):
        assert Structure(block).faults == []


@given(
    st.lists(
        st.sampled_from(["word", "**", "`", "~~", "\n", "\n\n", "- ", "> ", "# ", "\n```\n", " "])
    )
)
@settings(max_examples=examples(300), deadline=None)
def test_no_word_is_lost(pieces: list[str]) -> None:
    text = "".join(
        f"{piece}{number}" if piece == "word" else piece for number, piece in enumerate(pieces)
    )
    assert re.findall(r"word\d+", text_of(drawn(text))) == re.findall(r"word\d+", text)
