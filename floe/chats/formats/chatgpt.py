"""ChatGPT's data export: `conversations.json`, each chat a tree of messages.

The branch that ends in `current_node` is the one in view. Hidden messages, thoughts, calls of
tools and what tools answered are no part of what was said; marks of citations are taken out.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from floe.chats.imported import (
    HIDDEN,
    MEDIA,
    THOUGHT,
    TOOL,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    record_in,
    role_of,
)

_THOUGHTS: Final = ("thoughts", "reasoning_recap")
_INSTRUCTIONS: Final = ("user_editable_context", "model_editable_context")
_WORDS: Final = ("text", "multimodal_text")
_MARK: Final = "(?:\ue200[^\ue200\ue201]*\ue201|【\\d+(?::\\d+)?†[^】]*】)"
_CITATION: Final = re.compile(f" ?{_MARK}(?=[\\s.,;:!?]|$)|{_MARK}")
"""The space before a mark goes with it, unless it parts two words."""


def branch_to(nodes: dict[str, Any], leaf: Any, parent_key: str) -> list[Any]:
    """Return the nodes of a tree from its root down to a leaf; a loop ends where it closes."""
    path = []
    seen = set()
    while isinstance(leaf, str) and leaf in nodes and leaf not in seen:
        seen.add(leaf)
        node = nodes[leaf]
        path.append(node)
        leaf = node.get(parent_key) if isinstance(node, dict) else None
    return path[::-1]


def _recognises(value: Any) -> bool:
    return is_record(value, "mapping") and isinstance(value["mapping"], dict)


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    nodes = value["mapping"]
    leaf = value.get("current_node")
    known = isinstance(leaf, str) and leaf in nodes
    path = branch_to(nodes, leaf if known else _newest_leaf(nodes), "parent")
    builder = ChatBuilder(notes)
    for node in path:
        message = node.get("message") if isinstance(node, dict) else None
        if isinstance(message, dict):
            _add(builder, message)
        others = node.get("children") if isinstance(node, dict) else None
        if isinstance(others, list) and len(others) > 1:
            builder.skip(VERSION, len(others) - 1)
    yield builder.chat(value.get("title"), value.get("create_time"), value.get("update_time"))


def _newest_leaf(nodes: dict[str, Any]) -> str | None:
    """Return the leaf of the newest message, for exports that do not say what is in view."""
    leaves = [name for name, node in nodes.items() if is_record(node) and not node.get("children")]

    def age(name: str) -> float:
        message = nodes[name].get("message")
        return (moment_of(message.get("create_time")) or 0.0) if isinstance(message, dict) else 0.0

    return max(leaves, key=age, default=None)


def _add(builder: ChatBuilder, message: dict[str, Any]) -> None:
    author, content = message.get("author"), message.get("content")
    metadata = record_in(message, "metadata")
    if not isinstance(author, dict) or not isinstance(content, dict):
        raise ChatShapeError("has messages of an unknown shape")
    role = role_of(author.get("role"))
    kind = content.get("content_type")
    if kind in _THOUGHTS or message.get("channel") in ("analysis", "commentary"):
        builder.skip(THOUGHT)
    elif role is None or message.get("recipient") not in (None, "all"):
        builder.skip(TOOL)
    elif (
        metadata.get("is_visually_hidden_from_conversation")
        or metadata.get("is_user_system_message")
        or kind in _INSTRUCTIONS
        or message.get("weight") == 0
    ):
        if role != "system" or _text(None, content):
            builder.skip(HIDDEN)
    elif kind not in _WORDS:
        builder.skip(TOOL)  # code that was run, its output, pages that were opened
    else:
        text = _text(builder, content)
        if text.strip() or role != "system":
            builder.add(role, text, moment_of(message.get("create_time")))


def _text(builder: ChatBuilder | None, content: dict[str, Any]) -> str:
    parts = content.get("parts")
    words = [content["text"]] if isinstance(content.get("text"), str) else []
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            words.append(part["text"])  # what was spoken, written down
        elif builder is not None:
            builder.skip(MEDIA)
    return _CITATION.sub("", "\n".join(word for word in words if word))


FORMAT: Final = ChatFormat("chatgpt", "ChatGPT", _recognises, _read)
