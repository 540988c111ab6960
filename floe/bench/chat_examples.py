"""Small chats as other programs write them, for the `fuzz` bench to break."""

from typing import Any, Final

_LM_STEPS: Final = [
    {"type": "contentBlock", "style": {"type": "thinking"}, "content": [{"type": "text"}]},
    {"type": "contentBlock", "content": [{"type": "text", "text": "Two miles."}]},
]
CHAT_EXAMPLES: Final[tuple[Any, ...]] = (
    {
        "title": "Far",
        "create_time": 1_700_000_000.5,
        "current_node": "b",
        "mapping": {
            "r": {"parent": None, "message": None, "children": ["a"]},
            "a": {
                "parent": "r",
                "children": ["b", "c"],
                "message": {
                    "author": {"role": "user"},
                    "content": {"content_type": "text", "parts": ["How far?"]},
                    "create_time": 1_700_000_001.0,
                },
            },
            "b": {
                "parent": "a",
                "children": [],
                "message": {
                    "author": {"role": "assistant"},
                    "content": {"content_type": "multimodal_text", "parts": [{}, "Two miles."]},
                    "metadata": {},
                    "recipient": "all",
                },
            },
        },
    },
    {
        "name": "Far",
        "created_at": "2025-01-01T00:00:00Z",
        "chat_messages": [
            {"uuid": "a", "sender": "human", "text": "How far?", "attachments": [{}]},
            {"uuid": "b", "sender": "assistant", "content": [{"type": "text", "text": "Two."}]},
        ],
    },
    {
        "chat": {
            "params": {"system": "Be short."},
            "history": {
                "currentId": "b",
                "messages": {
                    "a": {"parentId": None, "role": "user", "content": "How far?"},
                    "b": {"parentId": "a", "role": "assistant", "content": "<think>x</think>Two."},
                },
            },
        },
        "created_at": 1_700_000_000,
    },
    {
        "name": "Far",
        "createdAt": 1_700_000_000_000,
        "messages": [
            {"versions": [{"role": "user", "content": [{"type": "text", "text": "How far?"}]}]},
            {
                "versions": [{"type": "multiStep", "role": "assistant", "steps": _LM_STEPS}],
                "currentlySelected": 0,
            },
        ],
    },
    [
        {"chat_metadata": {}, "user_name": "unused"},
        {"name": "A", "is_user": True, "mes": "How far?", "send_date": "July 1, 2025 4:18pm"},
        {"name": "B", "is_user": False, "mes": "Two.", "swipes": ["x", "Two."], "swipe_id": 1},
    ],
    {"internal": [["How far?", "Two &amp; a half."]], "visible": [["How far?", "Two"]]},
    {"conversations": [{"from": "human", "value": "How far?"}, {"from": "gpt", "value": "Two."}]},
    {"instruction": "How far?", "input": "", "output": "Two.", "history": [["a", "b"]]},
    [{"role": "user", "content": [{"type": "text", "text": "How far?"}]}],
)
WHATSAPP_EXAMPLES: Final = (
    "26/11/24, 2:04 pm - Anna: How\nfar: is it?\n26/11/24, 2:05 pm - Ben: <Media omitted>\n"
    "26/11/24, 2:06 pm - Ben: Two miles.\n",
    "[2024-11-26, 14:04:00] Anna: How far?\r\n"
    "\u200e[2024-11-26, 14:05:00] Ben: \u200eimage omitted\r\n",
)
