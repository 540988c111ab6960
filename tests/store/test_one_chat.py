"""One conversation as a file."""

import json
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from floe.chats.one_chat import chat_file
from floe.records import Conversation, Message, Route

CHAT = Conversation(1, 'Über "Züge": /etc\nund mehr', 0.0, 0.0)
MESSAGES = [
    Message(1, 1, None, "user", "Wann fährt er?", 60.0),
    Message(2, 1, 1, "assistant", "**Um 8** Uhr.", 61.0, "stopped", Route("fused", "")),
]


def test_markdown_has_every_word_as_it_was_written() -> None:
    name, content = chat_file("markdown", CHAT, MESSAGES)
    assert name == "Über-Züge-etc-und-mehr.md"
    text = content.decode()
    assert text.startswith('# Über "Züge": /etc und mehr\n\n*')
    assert text.endswith("**You**\n\nWann fährt er?\n\n**Floe**\n\n**Um 8** Uhr.\n")


def test_json_names_who_answered_and_how_it_ended() -> None:
    name, content = chat_file("json", CHAT, MESSAGES)
    assert name.endswith(".json")
    read = json.loads(content)
    assert read["created_at"] == "1970-01-01T00:00:00+00:00"
    assert [each["content"] for each in read["messages"]] == ["Wann fährt er?", "**Um 8** Uhr."]
    assert read["messages"][1]["answered_by"] == "fused"
    assert read["messages"][1]["status"] == "stopped"


@pytest.mark.parametrize("title", ["", "///", "  "])
def test_a_chat_without_a_name_has_a_file_name(title: str) -> None:
    assert chat_file("json", Conversation(1, title, 0.0, 0.0), [])[0] in (
        "New-chat.json",
        "chat.json",
    )


FAR = "http://far.example/p.png?q=secret"


def markdown(*contents: str) -> str:
    messages = [
        Message(i, 1, None, "assistant", content, 0.0) for i, content in enumerate(contents, 1)
    ]
    return chat_file("markdown", CHAT, messages)[1].decode()


@pytest.mark.parametrize(
    "text",
    [
        f"![a cat]({FAR})",
        f"![]({FAR})",
        f"![a [fine] cat](<{FAR}> 'title')",
        f"[![badge]({FAR})](http://elsewhere.example)",
        f"![cat][far]\n\n[far]: {FAR}",
        f"![far]\n\n[far]: {FAR}",
        f"\\\\![a cat]({FAR})",
        f"`` ` ![a]({FAR}) `\n\n![b]({FAR})",
        f"- a list\n\n      ![code]({FAR})\n\n  ![cat]({FAR})",
        f'<img src="{FAR}">',
        f'<IMG\nsrc="{FAR}">',
        f'text <svg/onload="fetch(1)"><image href="{FAR}"/>',
        f"<style>@import '{FAR}';</style>",
        f'<b style="background:url({FAR})">bold</b>',
        f'<iframe src="{FAR}"></iframe>',
        f'<!-- --><meta http-equiv="refresh" content="0; {FAR}">',
        f"![\n{FAR}]({FAR})",
        "![" + "[" * 30 + f"x]({FAR})",
    ],
)
def test_a_saved_chat_loads_nothing_when_it_is_opened(text: str) -> None:
    for contents in ((text,), ("```", f"```\n{text}"), ("~~~\nopen", text), ("`", text, "`")):
        html = MarkdownIt("commonmark").render(markdown(*contents))
        tags = set(re.findall(r"<(\w+)", html.casefold()))
        assert tags <= {"h1", "p", "em", "strong", "a", "ul", "li", "pre", "code"}, html
        assert not re.search("<(?!a )[^>]*=", re.sub('class="language-[a-z]*"', "", html))


def test_the_rest_of_a_saved_chat_stays_as_it_is() -> None:
    text = (
        "Use `![alt](src)` or `<img>`:\n\n```html\n<img src='x'>\n![a](b)\n```\n\n"
        "1 < 2, `vec![1, 2]`, H<sub>2</sub>O, a<br>b, <https://example.org>, Great! [More](x)."
    )
    assert text in markdown(text)
    assert "[a cat](http://far" in markdown(f"![a cat]({FAR})")
    assert "[image](http://far" in markdown(f"![]({FAR})")
    # Nobody opens JSON to look at it.
    assert (
        f"![]({FAR})"
        in chat_file("json", CHAT, [replace(MESSAGES[1], content=f"![]({FAR})")])[1].decode()
    )
