"""Exports of Grok, LibreChat, Chatbox, Cherry Studio and Jan, and text in chat templates."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from floe.errors import DataError
from floe.store import Store
from tests.chats.test_formats import bring, lines

QUESTION, ANSWER = ("user", "Q"), ("assistant", "A")


def grok(name: str, parent: str | None, sender: str, text: str, at: int, **more: Any) -> Any:
    response = {
        "_id": name,
        "sender": sender,
        "message": text,
        "create_time": {"$date": {"$numberLong": str(1_760_000_000_000 + 1000 * at)}},
        **more,
    }
    if parent:
        response["parent_response_id"] = parent
    return {"response": response, "share_link": None}


GROK = {
    "conversations": [
        {
            "conversation": {"id": "c", "title": "Knots", "create_time": "2025-10-09T08:00:00Z"},
            "responses": [
                grok("1", None, "human", "Q", 0, file_attachments=["f"]),
                grok("2", "1", "ASSISTANT", "B", 1),
                grok(
                    "3",
                    "1",
                    "grok-4",
                    'A<grok:render type="x">\n<argument name="id">1</argument>\n</grok:render>',
                    2,
                    agent_thinking_traces=[{"thinking_trace": "hm"}],
                ),
            ],
        },
        {
            "conversation": {"id": "d", "title": "", "create_time": "2025-10-09T08:00:00Z"},
            "responses": [grok("1", None, "human", "Q", 0), grok("2", None, "assistant", "A", 1)],
        },
    ],
    "projects": [],
}
LIBRECHAT_ROW = [
    {"messageId": "1", "parentMessageId": "0", "isCreatedByUser": True, "text": "Q"},
    {"messageId": "2", "parentMessageId": "1", "isCreatedByUser": False, "text": "B"},
    {
        "messageId": "3",
        "parentMessageId": "1",
        "isCreatedByUser": False,
        "text": "",
        "content": [{"type": "think", "think": "hm"}, {"type": "text", "text": {"value": "A"}}],
        "createdAt": "2024-05-28T18:14:08.403Z",
    },
]
LIBRECHAT_TREE = [{**LIBRECHAT_ROW[0], "children": [{**each} for each in LIBRECHAT_ROW[1:]]}]
CHATBOX = {
    "__exported_items": ["conversations"],
    "chat-sessions-list": [{"id": "s", "name": "Knots"}],
    "session:s": {
        "id": "s",
        "name": "Knots",
        "threads": [
            {
                "name": "Earlier",
                "createdAt": 1_760_000_000_000,
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "Q"},
                ],
            }
        ],
        "messageForksHash": {"1": {"position": 0, "lists": [{"messages": []}, {"messages": []}]}},
        "messages": [
            {"id": "1", "role": "user", "contentParts": [{"type": "text", "text": "Q"}]},
            {
                "id": "2",
                "role": "assistant",
                "timestamp": 1_760_000_001_000,
                "contentParts": [
                    {"type": "reasoning", "text": "hm"},
                    {"type": "tool-call", "toolName": "x"},
                    {"type": "text", "text": "A"},
                ],
            },
        ],
    },
}
CHERRY = {
    "time": 1,
    "version": 5,
    "localStorage": {
        "persist:cherry-studio": json.dumps(
            {
                "assistants": json.dumps(
                    {"assistants": [{"prompt": "S", "topics": [{"id": "t", "name": "Knots"}]}]}
                )
            }
        )
    },
    "indexedDB": {
        "topics": [
            {
                "id": "t",
                "messages": [
                    {"id": "1", "role": "user", "blocks": ["b1"]},
                    {"id": "2", "role": "assistant", "askId": "1", "blocks": ["b2"]},
                    {
                        "id": "3",
                        "role": "assistant",
                        "askId": "1",
                        "foldSelected": True,
                        "blocks": ["b3", "b4"],
                    },
                ],
            },
            {"id": "u", "messages": [{"id": "4", "role": "user", "content": "Q", "blocks": []}]},
        ],
        "message_blocks": [
            {"id": "b1", "type": "main_text", "content": "Q"},
            {"id": "b2", "type": "main_text", "content": "B"},
            {"id": "b3", "type": "thinking", "content": "hm"},
            {"id": "b4", "type": "main_text", "content": "A"},
        ],
    },
}
JAN = lines(
    {
        "object": "thread.message",
        "role": "user",
        "content": [{"type": "text", "text": {"value": "Q", "annotations": []}}],
        "created_at": 1_760_000_000_000,
    },
    {
        "object": "thread.message",
        "role": "assistant",
        "content": [{"type": "text", "text": {"value": "<think>hm</think>A"}}],
        "created_at": 1_760_000_001_000,
    },
)
CHATML = (
    "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
    "<|im_start|>assistant\nA<|im_end|>\n"
)
TEMPLATES = {
    "chatml": CHATML,
    "chatml, an answer to come": CHATML + "<|im_start|>assistant\n",
    "llama": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>",
    "mistral": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST] A </s>",
    "phi": "<|system|>\nS<|end|>\n<|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>\n",
    "guanaco": "### System: S\n### Human: Q\n### Assistant: A",
}


@pytest.mark.parametrize(
    ("kind", "content", "chats", "parts"),
    [
        (
            "grok",
            GROK,
            [[QUESTION, ANSWER]] * 2,
            {"other version": 1, "thought": 1, "attachment": 1, "note of the program": 1},
        ),
        (
            "librechat",
            {"conversationId": "c", "options": {"promptPrefix": "S"}, "messages": LIBRECHAT_ROW},
            [[("system", "S"), QUESTION, ANSWER]],
            {"other version": 1, "thought": 1},
        ),
        (
            "librechat",
            {"conversationId": "c", "recursive": True, "messages": LIBRECHAT_TREE},
            [[QUESTION, ANSWER]],
            {"other version": 1, "thought": 1},
        ),
        (
            "chatbox",
            CHATBOX,
            [[("system", "S"), QUESTION], [QUESTION, ANSWER]],
            {"other version": 1, "thought": 1, "tool turn": 1},
        ),
        (
            "cherry_studio",
            CHERRY,
            [[("system", "S"), QUESTION, ANSWER], [QUESTION]],
            {"other version": 1, "thought": 1},
        ),
        ("openai_saved", JAN, [[QUESTION, ANSWER]], {"thought": 1}),
    ],
)
def test_chats_of_other_programs_come_in(
    kind: str,
    content: Any,
    chats: list[list[tuple[str, str]]],
    parts: dict[str, int],
    store: Store,
    tmp_path: Path,
) -> None:
    found = bring(store, tmp_path, content)
    assert found.report.format == kind
    assert found.chats == chats
    assert found.report.parts == parts


def test_titles_and_dates_of_other_programs_are_kept(store: Store, tmp_path: Path) -> None:
    assert bring(store, tmp_path, GROK).titles[0] == "Knots"
    assert bring(store, tmp_path, CHERRY).titles[0] == "Knots"
    chatbox = bring(store, tmp_path, CHATBOX)
    assert chatbox.titles == ["Earlier", "Knots"]
    assert chatbox.created == [1_760_000_000.0, 1_760_000_001.0]


def test_the_zip_that_grok_sends_is_read_whole(store: Store, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ttl/30d/export_data/u/prod-mc-billing.json", '{"balance": 0}')
        archive.writestr("ttl/30d/export_data/u/prod-grok-backend.json", json.dumps(GROK))
    found = bring(store, tmp_path, packed.getvalue(), "export.zip")
    assert len(found.chats) == 2
    assert found.report.left_out == ()


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("in_lines", [True, False])
def test_text_in_a_chat_template_is_read(
    text: str, in_lines: bool, store: Store, tmp_path: Path
) -> None:
    content = lines({"text": text}, {"text": text}) if in_lines else text
    found = bring(store, tmp_path, content)
    assert found.report.format == "templated"
    assert found.chats == [[("system", "S"), QUESTION, ANSWER]] * (2 if in_lines else 1)


def test_a_prompt_in_a_template_is_read_with_what_completes_it(
    store: Store, tmp_path: Path
) -> None:
    """Its marks were taken for words of the question once."""
    prompt, answer = CHATML.split("A<|im_end|>", maxsplit=1)[0], "A<|im_end|>"
    for key in ("completion", "response"):
        found = bring(store, tmp_path, {"prompt": prompt, key: answer})
        assert found.chats == [[("system", "S"), QUESTION, ANSWER]]
    assert bring(store, tmp_path, {"prompt": "Q", "completion": "A"}).report.format == "alpaca"


def test_alpacas_own_template_is_read(store: Store, tmp_path: Path) -> None:
    text = (
        "Below is an instruction that describes a task. Write a response.\n\n"
        "### Instruction:\nQ\n\n### Input:\nabout x\n\n### Response:\nA"
    )
    found = bring(store, tmp_path, lines({"text": text}))
    assert found.chats == [[("user", "Q\n\nabout x"), ANSWER]]


def test_gemmas_template_is_read(store: Store, tmp_path: Path) -> None:
    turns = "<bos><start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
    assert bring(store, tmp_path, lines({"text": turns})).chats == [[QUESTION, ANSWER]]


def test_words_between_turns_are_told_and_not_learnt(store: Store, tmp_path: Path) -> None:
    broken = CHATML.replace(
        "<|im_end|>\n<|im_start|>assistant", "<|im_end|> of nobody\n<|im_start|>assistant"
    )
    found = bring(store, tmp_path, lines({"text": CHATML}, {"text": broken}))
    assert len(found.chats) == 1
    assert "line 2 has text outside of its turns" in found.report.sentence


def test_a_text_without_turns_is_no_chat(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a chat"):
        bring(store, tmp_path, lines({"text": "The harbour lies still."}))
