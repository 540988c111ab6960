"""Exports in shapes of this year: nothing of an answer is lost, nobody's words become another's."""

from pathlib import Path
from typing import Any

import pytest

from floe.chats.html_text import words_of_html
from floe.errors import DataError
from floe.store import Store
from tests.chats.test_formats import bring, lines

QUESTION, ANSWER = ("user", "Q"), ("assistant", "A")
ITEMS = [
    {"type": "reasoning", "summary": []},
    {"type": "web_search_call", "id": "w"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
]
TELEGRAM = {
    "name": "Ben",
    "type": "personal_chat",
    "messages": [
        {"type": "service", "action": "phone_call", "text": ""},
        {"type": "message", "date_unixtime": "1767000000", "from": "Anna", "text": "Q"},
        {"type": "message", "from": "Ben", "text": ["Se", {"type": "link", "text": "e x"}]},
        {"type": "message", "from": "Ben", "photo": "p.jpg", "text": ""},
        {"type": "message", "from": "Ben", "forwarded_from": "News", "text": "Not his."},
    ],
}
SHAPES: list[tuple[str, Any, list[list[tuple[str, str]]], dict[str, int]]] = [
    (
        "open_webui",  # the answer in items, as it writes since it speaks to Responses
        {
            "chat": {
                "history": {
                    "currentId": "2",
                    "messages": {
                        "1": {"parentId": None, "role": "user", "content": "Q"},
                        "2": {"parentId": "1", "role": "assistant", "content": "", "output": ITEMS},
                    },
                }
            }
        },
        [[QUESTION, ANSWER]],
        {"thought": 1, "tool turn": 1},
    ),
    (
        "open_webui",  # a map of messages without a history around it
        {
            "chat": {
                "currentId": "2",
                "messages": {
                    "1": {"parentId": None, "role": "user", "content": "Q"},
                    "2": {"parentId": "1", "role": "assistant", "content": "A"},
                    "3": {"parentId": "1", "role": "assistant", "content": "B"},
                },
            }
        },
        [[QUESTION, ANSWER]],
        {"other version": 1},
    ),
    (
        "sillytavern",
        lines(
            {"chat_metadata": {}},
            {"name": "Aria", "is_user": False, "mes": "Hello."},
            {"name": "Boris", "is_user": False, "mes": "Hey!"},
            {"name": "Me", "is_user": True, "mes": "Hi both"},
        ),
        [[("assistant", "Aria: Hello.\n\nBoris: Hey!"), ("user", "Hi both")]],
        {},
    ),
    (
        "sharegpt",
        [
            {"conversation": [{"input": "Q", "output": "A"}]},
            {"conversation": [{"human": "Q", "assistant": "A"}]},
        ],
        [[QUESTION, ANSWER]] * 2,
        {},
    ),
    (
        "openai_responses",
        {"instructions": "S", "input": [{"role": "user", "content": "Q"}], "output": ITEMS},
        [[("system", "S"), QUESTION, ANSWER]],
        {"thought": 1, "tool turn": 1},
    ),
    (
        "openai_responses",
        lines({"input": "Q", "output": ITEMS[2:]}, {"input": "Q", "output": ITEMS[2:]}),
        [[QUESTION, ANSWER]] * 2,
        {},
    ),
    (
        "openai_responses",  # a request and what answered it
        lines(
            {
                "messages": [{"role": "user", "content": "Q"}],
                "choices": [{"message": {"content": "A"}}],
            },
            {
                "request": {"messages": [{"role": "user", "content": "Q"}]},
                "response": {"choices": [{"message": {"role": "assistant", "content": "A"}}]},
            },
        ),
        [[QUESTION, ANSWER]] * 2,
        {},
    ),
    (
        "openai",  # Anthropic's requests: the system prompt in blocks
        {"system": [{"type": "text", "text": "S"}], "messages": [{"role": "user", "content": "Q"}]},
        [[("system", "S"), QUESTION]],
        {},
    ),
    (
        "openai",  # threads of assistants
        lines(
            {"role": "user", "content": [{"type": "text", "text": {"value": "Q"}}]},
            {"role": "assistant", "content": [{"type": "text", "text": {"value": "A"}}]},
        ),
        [[QUESTION, ANSWER]],
        {},
    ),
    (
        "openai_saved",  # Le Chat: an answer that was made again
        [
            {"id": "1", "role": "user", "content": "Q", "parentId": None},
            {"id": "2", "role": "assistant", "content": "B", "parentId": "1"},
            {
                "id": "3",
                "role": "assistant",
                "content": "",
                "contentChunks": [{"type": "text", "text": "A"}],
                "parentId": "1",
            },
        ],
        [[QUESTION, ANSWER]],
        {"other version": 1},
    ),
    (
        "gemini",
        {
            "systemInstruction": {"parts": [{"text": "S"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Q"}, {"inlineData": {}}]},
                {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "A"}]},
            ],
        },
        [[("system", "S"), QUESTION, ANSWER]],
        {"attachment": 1, "thought": 1},
    ),
    (
        "gemini",  # AI Studio
        {
            "chunkedPrompt": {
                "chunks": [
                    {"text": "Q", "role": "user"},
                    {"text": "hm", "role": "model", "isThought": True},
                    {"text": "A", "role": "model"},
                ]
            }
        },
        [[QUESTION, ANSWER]],
        {"thought": 1},
    ),
    (
        "character_ai",
        {
            "histories": {
                "histories": [{"msgs": [{"src": {"is_human": True}, "text": "Q"}]}, {"msgs": []}]
            }
        },
        [[QUESTION]],
        {},
    ),
    (
        "character_ai",
        {
            "turns": [
                {"author": {"is_human": True}, "candidates": [{"raw_content": "Q"}]},
                {
                    "author": {"name": "Zed"},
                    "primary_candidate_id": "2",
                    "candidates": [
                        {"candidate_id": "1", "raw_content": "B"},
                        {"candidate_id": "2", "raw_content": "A"},
                    ],
                },
            ]
        },
        [[QUESTION, ANSWER]],
        {"other version": 1},
    ),
    (
        "copilot",  # Microsoft's table, the newest first
        "Conversation,Time,Author,Message\n"
        'B,2026-01-03T00:00:01,AI,"A, or not"\nB,2026-01-03T00:00:00,Human,Q\n'
        "A,2026-01-02T00:00:00,Human,Q\nA,2026-01-02T00:00:01,AI,A\nC,2026-01-01T00:00:00,AI,\n",
        [[QUESTION, ("assistant", "A, or not")], [QUESTION, ANSWER]],
        {"empty or broken chat": 1},
    ),
    (
        "copilot",
        {
            "responderUsername": "GitHub Copilot",
            "requests": [
                {"message": {"text": "Q"}, "response": [{"value": "A"}, {"kind": "undoStop"}]}
            ],
        },
        [[QUESTION, ANSWER]],
        {"tool turn": 1},
    ),
    (
        "deepseek",
        {
            "mapping": {
                "root": {"parent": None, "children": ["1"], "message": None},
                "1": {
                    "parent": "root",
                    "children": ["2", "3"],
                    "message": {"fragments": [{"type": "REQUEST", "content": "Q"}]},
                },
                "2": {
                    "parent": "1",
                    "children": [],
                    "message": {"fragments": [{"type": "RESPONSE", "content": "B"}]},
                },
                "3": {
                    "parent": "1",
                    "children": [],
                    "message": {
                        "fragments": [
                            {"type": "THINK", "content": "hm"},
                            {"type": "RESPONSE", "content": "A"},
                        ]
                    },
                },
            }
        },
        [[QUESTION, ANSWER]],
        {"thought": 1, "other version": 1},
    ),
    (
        "telegram",
        TELEGRAM,
        [[QUESTION, ("assistant", "See x")]],
        {"attachment": 1, "forwarded message": 1, "note of the program": 1},
    ),
    (
        "alpaca",
        'Instruction;Input;Output\r\n"Add; please";1 and 2;"3\r\nof it"\r\nQ;;A\r\ntwo;cells\r\n',
        [[("user", "Add; please\n\n1 and 2"), ("assistant", "3\nof it")], [QUESTION, ANSWER]],
        {},
    ),
    (
        "alpaca",  # what the question is about
        {"instruction": "Q", "context": "about x", "response": "A"},
        [[("user", "Q\n\nabout x"), ANSWER]],
        {},
    ),
    (
        "whatsapp",  # seen once: the file has "null" in its place; the first line of an iPhone
        "[01.02.26, 14:04:00] Anna: \u200eNachrichten sind Ende-zu-Ende-verschlüsselt.\n"
        "[01.02.26, 14:04:10] Anna: Q\n[01.02.26, 14:05:00] ~\u00a0Ben: null\n"
        "[01.02.26, 14:06:00] ~\u00a0Ben: A\n",
        [[QUESTION, ANSWER]],
        {"note of the program": 1, "attachment": 1},
    ),
]


@pytest.mark.parametrize(("kind", "content", "chats", "parts"), SHAPES)
def test_a_shape_comes_in_as_a_person_would_expect(
    store: Store, tmp_path: Path, kind: str, content: Any, chats: Any, parts: dict[str, int]
) -> None:
    got = bring(store, tmp_path, content)
    assert (got.report.format, got.chats, got.report.parts) == (kind, chats, parts)


def test_a_row_of_a_table_that_is_none_is_told(store: Store, tmp_path: Path) -> None:
    got = bring(store, tmp_path, "prompt,response\nQ,A\nQ\n")
    assert [(each.where, each.why) for each in got.report.left_out] == [
        ("row 3", "has not as many columns as the first row names")
    ]
    with pytest.raises(DataError, match="is not a chat of any format that is known"):
        bring(store, tmp_path, "Dear Anna, dear Ben,\nthis is a letter, and no table, of prose.\n")


def takeout(*titles: str, begins: str = "Prompted ") -> list[dict[str, Any]]:
    used = {"header": "Gemini Apps", "title": "Used an Assistant feature"}
    return [
        {
            "header": "Gemini Apps",
            "title": begins + title,
            "time": f"2026-01-0{9 - i}T03:04:05.000Z",
            "safeHtmlItem": [{"html": f"<p>About <b>{title}</b></p><ul><li>a</li></ul>"}],
        }
        for i, title in enumerate(titles)
    ] + [used]


def test_takeout_of_gemini_is_a_chat_a_question_the_oldest_first(
    store: Store, tmp_path: Path
) -> None:
    got = bring(store, tmp_path, takeout("knots", "boats"))
    assert got.chats == [
        [("user", word), ("assistant", f"About {word}\n\n- a")] for word in ("boats", "knots")
    ]
    assert "does not say which questions belong together" in got.report.sentence
    assert got.report.parts == {"note of the program": 1}


def test_words_of_google_before_a_question_are_known_in_any_language(
    store: Store, tmp_path: Path
) -> None:
    asked = takeout("Was ist ein Tau?", "Wer bist du?", "Koch etwas", begins="Eingegeben: ")
    got = bring(store, tmp_path, asked)
    assert got.chats[-1][0] == ("user", "Was ist ein Tau?")
    assert "“Eingegeben:” before each question was taken for Google's words" in got.report.sentence
    got = bring(store, tmp_path, takeout("Was ist ein Tau?", begins="Eingegeben: "))
    assert got.chats[0][0] == ("user", "Eingegeben: Was ist ein Tau?")
    assert "may begin with words of Google's" in got.report.sentence


def test_a_web_page_is_refused_with_what_to_choose_instead(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a web page.*Export as JSON.*Floe reads exports of"):
        bring(store, tmp_path, "<!DOCTYPE html><html><body>Prompted x</body></html>", "a.html")


def test_all_chats_of_a_telegram_account_are_told_apart(store: Store, tmp_path: Path) -> None:
    def said(who: str, text: str) -> dict[str, Any]:
        return {"type": "message", "from": who, "from_id": f"user{who}", "text": text}

    group = [said("Ben", "B"), said("Anna", "Q"), said("Cy", "C"), said("Anna", "So?")]
    chats = [
        TELEGRAM | {"messages": [said("Ben", "A"), said("Anna", "Q")]},
        {"name": "All", "type": "private_group", "messages": group},
        {"name": "News", "type": "public_channel", "messages": [said("News", "x")]},
    ]
    account = {"personal_information": {"user_id": "Anna"}, "chats": {"list": chats}}
    got = bring(store, tmp_path, account)
    assert got.chats == [
        [ANSWER, QUESTION],
        [("assistant", "Ben: B"), QUESTION, ("assistant", "Cy: C"), ("user", "So?")],
    ]
    assert "is taken as you" not in got.report.sentence
    assert got.report.parts["channel"] == 1
    got = bring(store, tmp_path, TELEGRAM, user="ben")
    assert got.chats == [[("assistant", "Q"), ("user", "See x")]]
    with pytest.raises(DataError, match="no messages by Carl, only by"):
        bring(store, tmp_path, TELEGRAM, user="Carl")


def test_html_reads_as_a_person_sees_it() -> None:
    page = (
        "<title>x</title><p>A\n<b>b</b> &lt;</p>c<br>d<pre>e\n  f</pre><script>g</script><ol><li>h"
    )
    assert words_of_html(page) == "A b <\n\nc\nd\n\ne\n  f\n\n- h"
