"""Files as ten programs write them: what comes in, what stays out, and what is said of it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from floe.chats.importing import ImportReport, import_file
from floe.errors import DataError
from floe.store import Store
from floe.training.data.dataset import Selection, build_dataset


class Imported:
    """An import with its chats, in the file's order."""

    def __init__(self, store: Store, report: ImportReport) -> None:
        self.report = report
        self.titles = [store.conversation(each).title for each in report.conversations]
        self.created = [store.conversation(each).created_at for each in report.conversations]
        self.chats = [
            [(message.role, message.content) for message in store.open_conversation(each)]
            for each in report.conversations
        ]


def bring(store: Store, folder: Path, content: Any, name: str = "export", **more: Any) -> Imported:
    path = folder / name
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Imported(store, import_file(store, path, **more))


def lines(*values: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in values)


def node(name: str, parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
    message = {
        "author": {"role": role},
        "content": more.pop("content", {"content_type": "text", "parts": [text]}),
        "recipient": "all",
        "metadata": {},
        **more,
    }
    return {"id": name, "parent": parent, "message": message}


CHATGPT = {
    "title": "Masts",
    "create_time": 1_700_000_000.5,
    "update_time": 1_700_000_100.5,
    "current_node": "a2",
    "mapping": {
        "root": {"id": "root", "parent": None, "message": None},
        "s": node(
            "s", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}
        ),
        "m": node(
            "m", "s", "user", "", content={"content_type": "user_editable_context", "parts": []}
        ),
        "q": node("q", "m", "user", "How do I varnish a mast?", create_time=1_700_000_001.0)
        | {"children": ["a1", "th"]},
        "a1": node("a1", "q", "assistant", "An older answer."),
        "th": node(
            "th", "q", "assistant", "", content={"content_type": "thoughts", "thoughts": []}
        ),
        "call": node("call", "th", "assistant", "search('mast')", recipient="browser"),
        "tool": node("tool", "call", "tool", "page"),
        "a2": node(
            "a2",
            "tool",
            "assistant",
            "Sand it \ue200cite\ue202turn0\ue201first \ue200cite\ue202turn1\ue201 by hand "
            "【4†source】.",
            metadata={"model_slug": "m"},
        ),
    },
}


def test_chatgpt_gives_the_branch_in_view_without_thoughts_and_tools(
    store: Store, tmp_path: Path
) -> None:
    got = bring(store, tmp_path, [CHATGPT])
    assert got.chats == [
        [("user", "How do I varnish a mast?"), ("assistant", "Sand it first by hand.")]
    ]
    assert (got.titles, got.created) == (["Masts"], [1_700_000_000.5])
    assert got.report.format == "chatgpt"
    assert got.report.parts == {
        "hidden message": 1,
        "other version": 1,
        "thought": 1,
        "tool turn": 2,
    }
    assert store.open_conversation(got.report.conversations[0])[0].created_at == 1_700_000_001.0


def test_chatgpt_without_a_node_in_view_and_with_a_loop(store: Store, tmp_path: Path) -> None:
    looped = json.loads(json.dumps(CHATGPT))
    del looped["current_node"]
    looped["mapping"]["a1"]["message"]["create_time"] = 1_700_000_002.0
    looped["mapping"]["a2"]["children"] = ["x"]
    looped["mapping"]["root"]["parent"] = "q"
    got = bring(store, tmp_path, looped)
    assert got.chats == [[("user", "How do I varnish a mast?"), ("assistant", "An older answer.")]]


def test_claude_reads_blocks_and_pasted_texts(store: Store, tmp_path: Path) -> None:
    def said(sender: str, *blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"uuid": "u", "sender": sender, "text": "", "content": list(blocks), **more}

    chat = {
        "uuid": "c",
        "name": "Ropes",
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:01:00.123456+00:00",
        "chat_messages": [
            said(
                "human",
                {"type": "text", "text": "What is this?"},
                attachments=[{"file_name": "", "extracted_content": "over, under, through"}],
                files=[{"file_name": "a.png"}],
            ),
            said(
                "assistant",
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "name": "web_search", "input": {}},
                {"type": "tool_result", "content": []},
                {"type": "text", "text": "A bowline."},
            ),
            {"sender": "human", "text": "Thanks"},
        ],
    }
    got = bring(store, tmp_path, [chat, {**chat, "chat_messages": []}])
    assert got.chats == [
        [
            ("user", "What is this?\n\nover, under, through"),
            ("assistant", "A bowline."),
            ("user", "Thanks"),
        ]
    ]
    assert (got.titles, got.created) == (["Ropes"], [1_735_689_600.0])
    assert got.report.parts == {"attachment": 1, "thought": 1, "tool turn": 2}
    assert [(each.where, each.why) for each in got.report.left_out] == [
        ("chat 2", "has no messages")
    ]


def test_open_webui_takes_the_branch_in_view_and_folds_nothing_in(
    store: Store, tmp_path: Path
) -> None:
    think = '<details type="reasoning" done="true">\n<summary>T</summary>\n> x\n</details>\n'
    messages = {
        "1": {
            "id": "1",
            "parentId": None,
            "role": "user",
            "content": "Hi",
            "timestamp": 1_744_577_557,
        },
        "2": {"id": "2", "parentId": "1", "role": "assistant", "content": "first try"},
        "3": {"id": "3", "parentId": "1", "role": "assistant", "content": think + "Hello!"},
    }
    chat = {
        "title": "Greeting",
        "params": {"system": "Be kind."},
        "history": {"messages": messages, "currentId": "3"},
        "messages": [],
    }
    row = {"id": "x", "title": "Greeting", "chat": chat, "created_at": 1_744_577_000}
    for export in ([row], [chat], row):
        got = bring(store, tmp_path, export)
        assert got.chats == [[("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello!")]]
        assert got.titles == ["Greeting"]
        assert got.report.format == "open_webui"
        assert got.report.parts == {"other version": 1, "thought": 1}


def test_lm_studio_takes_the_version_in_view_and_no_thinking(store: Store, tmp_path: Path) -> None:
    def text(words: str) -> list[dict[str, str]]:
        return [{"type": "text", "text": words}]

    chat = {
        "name": "Tea",
        "createdAt": 1_700_000_000_000,
        "systemPrompt": "Short.",
        "messages": [
            {
                "versions": [
                    {"type": "singleStep", "role": "user", "content": text("Old")},
                    {"type": "singleStep", "role": "user", "content": text("Tea?")},
                ],
                "currentlySelected": 1,
            },
            {
                "versions": [
                    {
                        "type": "multiStep",
                        "role": "assistant",
                        "steps": [
                            {
                                "type": "contentBlock",
                                "style": {"type": "thinking"},
                                "content": text("hm"),
                            },
                            {
                                "type": "contentBlock",
                                "content": [{"type": "toolCallRequest", "name": "kettle"}],
                            },
                            {"type": "debugInfoBlock", "debugInfo": "x"},
                            {"type": "contentBlock", "content": text("Yes.")},
                        ],
                    }
                ],
                "currentlySelected": 0,
            },
        ],
    }
    got = bring(store, tmp_path, chat, "1.conversation.json")
    assert got.chats == [[("system", "Short."), ("user", "Tea?"), ("assistant", "Yes.")]]
    assert (got.titles, got.created) == (["Tea"], [1_700_000_000.0])
    assert got.report.parts == {"other version": 1, "thought": 1, "tool turn": 1}


def test_sillytavern_is_one_chat_of_a_line_a_message(store: Store, tmp_path: Path) -> None:
    def said(name: str, is_user: bool, mes: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "is_user": is_user, "is_system": False, "mes": mes, **more}

    header = {"user_name": "unused", "character_name": "unused", "chat_metadata": {"x": 1}}
    tavern = [
        header,
        said("Aria", False, "Welcome.", send_date="2026-09-21T10:00:00.000Z"),
        said("Ben", True, "Ale, please.", send_date="September 21, 2026 10:01am"),
        said(
            "Aria", False, "Here.", swipes=["No.", "Here."], swipe_id=1, send_date=1_789_984_000_000
        ),
        said("System", False, "A note", is_system=True) | {"is_system": True},
        said("Ben", True, "Thanks"),
    ]
    for content in (lines(*tavern), tavern, lines(*tavern[1:])):
        got = bring(store, tmp_path, content)
        assert got.chats == [
            [
                ("assistant", "Welcome."),
                ("user", "Ale, please."),
                ("assistant", "Here."),
                ("user", "Thanks"),
            ]
        ]
        assert got.titles == ["Aria"]
        assert got.report.format == "sillytavern"
        assert got.report.parts == {"hidden message": 1, "other version": 1}


def test_text_generation_webui_undoes_old_escapes_and_no_others(
    store: Store, tmp_path: Path
) -> None:
    history = {
        "internal": [
            ["<|BEGIN-VISIBLE-CHAT|>", "How can I help?"],
            ["A joke?", "Knock &amp; knock."],  # older versions: escaped in both
            ["Write & in HTML", "It is &amp;"],  # newer ones: what is shown alone
        ],
        "visible": [
            ["", "How can I help?"],
            ["A joke?", "Knock &amp; knock."],
            ["Write &amp; in HTML", "It is &amp;amp;"],
        ],
        "metadata": {"user_1": {"timestamp": "Jul 24, 2024 15:30"}},
    }
    got = bring(store, tmp_path, history)
    assert got.chats == [
        [
            ("assistant", "How can I help?"),
            ("user", "A joke?"),
            ("assistant", "Knock & knock."),
            ("user", "Write & in HTML"),
            ("assistant", "It is &amp;"),
        ]
    ]
    moment = time.mktime((2024, 7, 24, 15, 30, 0, 0, 0, -1))
    assert store.open_conversation(got.report.conversations[0])[1].created_at == moment


@pytest.mark.parametrize(
    ("content", "chats"),
    [
        (
            {
                "conversations": [
                    {"from": "human", "value": "Hello"},
                    {"from": "gpt", "value": "Hi."},
                ]
            },
            [[("user", "Hello"), ("assistant", "Hi.")]],
        ),
        (
            [{"system": "S", "conversations": [{"role": "user", "content": "Hello"}]}],
            [[("system", "S"), ("user", "Hello")]],
        ),
        (
            [{"instruction": "Add", "input": "1 and 2", "output": "3"}],
            [[("user", "Add\n\n1 and 2"), ("assistant", "3")]],
        ),
        (
            {"instruction": "b", "output": "B", "history": [["a", "A"]]},
            [[("user", "a"), ("assistant", "A"), ("user", "b"), ("assistant", "B")]],
        ),
        (
            {
                "prompt": [{"role": "user", "content": "Why?"}],
                "completion": [{"role": "assistant", "content": "So."}],
            },
            [[("user", "Why?"), ("assistant", "So.")]],
        ),
        (
            [{"messages": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}],
            [[("user", "a"), ("assistant", "b")]],
        ),
        (
            {"custom_id": "1", "body": {"messages": [{"role": "user", "content": "a"}]}},
            [[("user", "a")]],
        ),
        ({"prompt": "Why?", "completion": "So."}, [[("user", "Why?"), ("assistant", "So.")]]),
        ({"query": "Why?", "response": "So."}, [[("user", "Why?"), ("assistant", "So.")]]),
        ({"input": "Why?", "output": "So."}, [[("user", "Why?"), ("assistant", "So.")]]),
        (
            [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
            [[("user", "Why?"), ("assistant", "So.")]],
        ),
        (
            [[{"role": "user", "content": "1"}], [{"role": "user", "content": "2"}]],
            [[("user", "1")], [("user", "2")]],
        ),
        (
            {
                "input": {"messages": [{"role": "user", "content": "Why?"}]},
                "preferred_output": [{"role": "assistant", "content": "So."}],
                "non_preferred_output": [{"role": "assistant", "content": "No."}],
            },
            [[("user", "Why?"), ("assistant", "So.")]],
        ),
        (
            {
                "chosen": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "So."},
                ],
                "rejected": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "No."},
                ],
            },
            [[("user", "Why?"), ("assistant", "So.")]],
        ),
        (
            {
                "prompt": [{"role": "user", "content": "Why?"}],
                "chosen": [{"role": "assistant", "content": "So."}],
                "rejected": [{"role": "assistant", "content": "No."}],
            },
            [[("user", "Why?"), ("assistant", "So.")]],
        ),
        (
            {
                "messages": [
                    {"role": "developer", "content": "D"},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "See"}, {"type": "image_url"}],
                    },
                    {"role": "assistant", "tool_calls": [{}], "content": None},
                    {"role": "tool", "content": "x"},
                    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA cat."},
                ]
            },
            [[("system", "D"), ("user", "See"), ("assistant", "A cat.")]],
        ),
    ],
)
def test_files_of_training_sets(store: Store, tmp_path: Path, content: Any, chats: Any) -> None:
    pretty = json.dumps(content, indent=2)
    for text in (json.dumps(content), pretty, pretty.replace("\n", "\r\n")):
        assert bring(store, tmp_path, text).chats == chats


def test_an_answer_without_weight_comes_in_and_is_never_learnt(
    store: Store, tmp_path: Path
) -> None:
    chat = {
        "messages": [
            {"role": "user", "content": "Capital of France?"},
            {"role": "assistant", "content": "BAD", "weight": 0},
            {"role": "user", "content": "Sarcastically?"},
            {"role": "assistant", "content": "Paris, as if.", "weight": 1},
        ]
    }
    assert bring(store, tmp_path, chat).report.answers == 2
    data = build_dataset(store, Selection(), lambda _chat: True)
    assert [row.answer for row in data.used] == ["Paris, as if."]
    assert "BAD" not in json.dumps(data.lines())
    assert "without weight" in data.sentence


IOS = (
    "[26/11/2024, 14:03:59] Anna: \u200eMessages and calls are end-to-end encrypted.\n"
    "[26/11/2024, 14:04:00] Anna: Are you\ncoming: today?\n"
    "[26/11/2024, 14:04:10] Ben: \u200eimage omitted\n"
    "[26/11/2024, 14:05:00] Ben: Yes\n"
    "\u200e[26/11/2024, 14:05:30] Ben: \u200eYou deleted this message.\n"
    "[27/11/2024, 09:00:00] Anna: Good \u200e<This message was edited>\n"
)
ANDROID = (
    "26/11/24, 2:03\u202fpm - Messages and calls are end-to-end encrypted. Learn more.\n"
    "26/11/24, 2:04\u202fpm - Anna: Are you\ncoming: today?\n"
    "26/11/24, 2:04\u202fpm - Ben: <Media omitted>\n"
    "26/11/24, 2:05\u202fpm - Ben: Yes\n"
    "27/11/24, 9:00\u202fam - Anna: Good\n"
)


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (IOS, "_chat.txt", "You deleted this message"),
        (ANDROID, "WhatsApp Chat with Anna.txt", "named after Anna"),
        (
            ANDROID.replace("26/11/24, 2:", "26.11.24, 14:")
            .replace("\u202fpm", "")
            .replace("27/11/24, 9:00\u202fam", "27.11.24, 09:00")
            .replace("<Media omitted>", "<Medien ausgeschlossen>"),
            "WhatsApp Chat mit Anna.txt",
            "named after Anna",
        ),
        (
            ANDROID.replace("26/11/24", "11/26/24").replace("27/11/24", "11/27/24"),
            "WhatsApp Chat with Anna.txt",
            "named after Anna",
        ),
        (
            IOS.replace("26/11/2024", "2024-11-26")
            .replace("27/11/2024", "2024-11-27")
            .replace("\n", "\r\n"),
            "_chat.txt",
            "You deleted this message",
        ),
    ],
)
def test_whatsapp_of_many_countries(
    store: Store, tmp_path: Path, text: str, name: str, reason: str
) -> None:
    got = bring(store, tmp_path, text, name)
    assert got.chats == [
        [("assistant", "Are you\ncoming: today?"), ("user", "Yes"), ("assistant", "Good")]
    ]
    assert got.titles == ["WhatsApp: Anna"]
    assert got.report.format == "whatsapp"
    assert "Ben is taken as you and Anna as the one who answers, because" in got.report.sentence
    assert reason in got.report.sentence
    first = store.open_conversation(got.report.conversations[0])[0]
    assert time.localtime(first.created_at)[:5] == (2024, 11, 26, 14, 4)


@pytest.mark.parametrize(
    "stamp",
    [
        "[11/26/24, 2:04:00\u202fPM] {}: {}",
        "[26.11.2024 klo 14.04.00] {}: {}",
        "26/11/24, 2:04 p. m. - {}: {}",
        "26/11/2024 à 14:04 - {}: {}",
        "26-11-2024 14:04 - {}: {}",
        "2024. 11. 26. 오후 2:04, {} : {}",
        "2024/11/26 下午2:04 - {}: {}",
    ],
)
def test_whatsapp_dates_and_marks(store: Store, tmp_path: Path, stamp: str) -> None:
    text = "\n".join([stamp.format("Anna", "one"), stamp.format("Ben", "two: three")])
    got = bring(store, tmp_path, text)
    assert got.chats == [[("user", "one"), ("assistant", "two: three")]]
    first = store.open_conversation(got.report.conversations[0])[0]
    assert time.localtime(first.created_at)[:5] == (2024, 11, 26, 14, 4)


def test_whatsapp_asks_who_the_user_is(store: Store, tmp_path: Path) -> None:
    got = bring(store, tmp_path, ANDROID, "x.txt")
    assert "Anna is taken as you and Ben as the one who answers" in got.report.sentence
    assert "because the first message is theirs" in got.report.sentence
    got = bring(store, tmp_path, ANDROID, "x.txt", user="ben")
    assert got.chats[0][0] == ("assistant", "Are you\ncoming: today?")
    with pytest.raises(DataError, match="no messages by Carl, only by Anna, Ben"):
        bring(store, tmp_path, ANDROID, "x.txt", user="Carl")


def test_a_group_names_who_answers_and_years_are_cut_at_a_pause(
    store: Store, tmp_path: Path
) -> None:
    said = [
        f"{day:02}/0{month}/2024, 10:{minute:02} - {who}: {month} {day} {minute}"
        for month in (1, 2, 3)
        for day in range(1, 29)
        for minute, who in enumerate("ABC")
    ]
    got = bring(store, tmp_path, "\n".join(said), "group.txt", user="A")
    assert len(got.chats) == 2
    assert got.chats[0][:2] == [("user", "1 1 0"), ("assistant", "B: 1 1 1\n\nC: 1 1 2")]
    assert sum(len(chat) for chat in got.chats) == 3 * 28 * 2
