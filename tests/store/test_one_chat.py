"""One conversation as a file."""

import json

import pytest

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
