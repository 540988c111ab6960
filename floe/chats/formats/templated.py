"""Chats as a template wrote them for a model: ChatML, Llama, Gemma, Mistral, Zephyr, Alpaca.

A text with the template's marks, alone, as the `text` of a record, or as prompt and completion.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from floe.chats.imported import (
    TOOL,
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    role_of,
)


@dataclass(frozen=True, slots=True)
class _Template:
    """`begins` matches the beginning of a turn and who speaks; a turn ends at a mark of `ends`."""

    begins: re.Pattern[str]
    ends: tuple[str, ...] = ()


_TEMPLATES: Final = (
    _Template(re.compile(r"<\|im_start\|>[ \t]*([\w-]+)[ \t]*\r?\n?"), ("<|im_end|>",)),
    _Template(
        re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>\s*"),
        ("<|eot_id|>", "<|eom_id|>"),
    ),
    _Template(re.compile(r"<start_of_turn>[ \t]*(\w+)[ \t]*\r?\n"), ("<end_of_turn>",)),
    _Template(re.compile(r"<\|(system|user|assistant)\|>\s*"), ("<|end|>", "</s>")),
    _Template(re.compile(r"(?:\A|\n)### (Human|User|Assistant|System):\s*")),
    _Template(re.compile(r"(?:\A|\n)### (Instruction|Input|Response):\s*")),
)
_SPEAKERS: Final = {"Instruction": "user", "Input": "user", "Response": "assistant"}
_PREFACE: Final = re.compile(r"\ABelow is an instruction that describes a task[^\n]*\s*")
"""What Alpaca's template says first."""
_PAIRS: Final = (("prompt", "completion"), ("prompt", "response"), ("prompt", "chosen"))
"""Keys of a text that is in two, the answer in the second."""
_INSTRUCTIONS: Final = re.compile(
    r"\[INST\](.*?)\[/INST\](.*?)(?=(?:<s>)?\s*\[INST\]|\Z)", re.DOTALL
)
_SYSTEM: Final = re.compile(r"\A\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_OUTER: Final = re.compile(r"<\|(?:begin_of_text|end_of_text|endoftext)\|>|</?s>|<bos>|<eos>|<pad>")
"""Marks around whole texts."""


def _recognises(value: Any) -> bool:
    text = _text(value)
    return text is not None and holds_turns(text)


def _text(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("text"), str):
        return str(value["text"])
    for pair in _PAIRS:
        parts = [part for key in pair if isinstance(part := value.get(key), str)]
        if len(parts) == len(pair):
            return "".join(parts)
    return None


def holds_turns(text: str) -> bool:
    """Return whether a text is a chat in one of the templates, from its beginning on."""
    head = _PREFACE.sub("", _OUTER.sub("", text[:4000]).lstrip())
    return head.startswith("[INST]") or _template(head) is not None


def _template(head: str) -> _Template | None:
    return next((each for each in _TEMPLATES if each.begins.match(head)), None)


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    text = _text(value)
    assert text is not None
    text = text.lstrip("\ufeff \t\r\n")
    if _OUTER.sub("", text[:4000]).lstrip().startswith("[INST]"):
        _add_instructions(builder, text)
    else:
        _add_turns(builder, text)
    yield builder.chat(value.get("title"))


def _add_instructions(builder: ChatBuilder, text: str) -> None:
    for asked, answered in _INSTRUCTIONS.findall(text):
        system = _SYSTEM.match(asked)
        if system is not None:
            builder.add("system", system[1].strip())
        builder.add("user", asked[system.end() if system else 0 :].strip())
        builder.add("assistant", _OUTER.sub("", answered).strip())


def _add_turns(builder: ChatBuilder, text: str) -> None:
    text = _PREFACE.sub("", _OUTER.sub("", text[:100]).lstrip() + text[100:])
    template = _template(text)
    if template is None:
        raise ChatShapeError("has no turns")
    found = list(template.begins.finditer(text))
    for at, turn in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        words, role = text[turn.end() : end], role_of(_SPEAKERS.get(turn[1], turn[1]))
        for mark in template.ends:
            words, ended, rest = words.partition(mark)
            if ended and _OUTER.sub("", rest).strip():
                raise ChatShapeError("has text outside of its turns")
        if role is None:
            builder.skip(TOOL)
        elif words.strip() or at + 1 < len(found):  # the last may be what the model was to write
            builder.add(role, _OUTER.sub("", words).strip())


FORMAT: Final = ChatFormat("templated", "text in a chat template", _recognises, _read)
