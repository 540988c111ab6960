"""What a model thinks before it answers, told apart from the answer, as the families mark it.

Thoughts are shown folded away, and stand neither in the history that a model reads nor in what is
learnt. Knows strings only.
"""

import re
from typing import Final

_MARKS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""Qwen, DeepSeek, SmolLM3 and Phi; others' variants; Seed; Magistral; Kimi; gpt-oss."""

_LONE_END: Final = re.compile(r"(?:^|\n)</think>[ \t]*(?:\n|$)")
"""A template may write the opening mark into the prompt: the answer then begins in the thought."""


def split_thinking(text: str) -> tuple[str, str]:
    """Return the thought at the beginning of an answer, and the answer itself.

    A thought that never ends leaves no answer. Marks in the middle of an answer are words of it.
    """
    head = text.lstrip()
    for opening, closing in _MARKS:
        if head.startswith(opening):
            thought, _, answer = head[len(opening) :].partition(closing)
            return thought.strip(), answer.lstrip()
    found = _LONE_END.search(text)
    if found and "<think>" not in text[: found.start()]:
        return text[: found.start()].strip(), text[found.end() :].lstrip()
    return "", text
