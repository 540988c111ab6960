"""What one choice of a chunk says, whatever the dialect: text, thinking, entries, an end.

OpenAI's chat has `delta.content` and a list of entries. Raw completions have `text` and parallel
lists; Together writes such lists in a chat too, or in a stream the chosen token's number alone.
Magistral's content is a list of parts. Models that think send it in a field of their own, which
has three names, or in the content between tags.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

Entry = Mapping[str, Any]
"""A token of the log-probabilities: `token`, `logprob`, `bytes`, `top_logprobs`."""

_THINKING_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""DeepSeek and SGLang; OpenRouter, Groq and vLLM; others."""
_THINKING_TAGS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
}
"""Written by the model itself, where nobody has taken its thinking out of the content."""
_MAX_CANDIDATES: Final = 100
_MOST_TOKENS: Final = 10**9
_NO_REASONS: Final = frozenset({"", "null", "None"})
"""What some servers write before there is a reason."""


class ChoiceDelta(NamedTuple):
    """Addition of one choice to the answer.

    Attributes:
        text: of the answer.
        thinking: characters that are no part of it.
        entries: of the tokens of both.
        finish_reason: empty while it goes on.
    """

    text: str
    thinking: int
    entries: Sequence[Entry]
    finish_reason: str


def read_choice(choice: Mapping[str, Any]) -> ChoiceDelta:
    """Read a choice of any dialect.

    Raises:
        TypeError, AttributeError: it, or its delta, is no object.
    """
    delta = choice.get("delta") or {}
    content = choice["text"] if "text" in choice else delta.get("content")
    if content is None:
        content = delta.get("refusal")  # OpenAI, in place of an answer
    text, thinking = _read_content(content)
    thinking += max((_length(delta.get(name)) for name in _THINKING_FIELDS), default=0)
    reason = choice.get("finish_reason")
    reason = "" if reason is None else str(reason)
    entries = _read_entries(choice.get("logprobs"), text)
    return ChoiceDelta(text, thinking, entries, "" if reason in _NO_REASONS else reason)


def is_first(choice: Mapping[str, Any]) -> bool:
    """Return whether a choice belongs to the one answer that was asked for."""
    return not choice.get("index")


def _read_content(content: Any) -> tuple[str, int]:
    """Return the text of a content and the length of the thinking in it."""
    if isinstance(content, str):
        return content, 0
    text, thinking = "", 0
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            text += part
        elif isinstance(part, Mapping):
            if part.get("type") in ("text", None) and isinstance(part.get("text"), str):
                text += part["text"]
            else:
                thinking += max(_length(part.get("thinking")), _length(part.get("text")), 1)
    return text, thinking


def _length(value: Any) -> int:
    """Return the number of characters of a text, or of a list's texts."""
    if isinstance(value, str):
        return len(value)
    return max(1, len(value)) if isinstance(value, list) and value else 0


def _read_entries(given: Any, text: str) -> Sequence[Entry]:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return [_entry(text, given)] if text else []
    if not isinstance(given, Mapping):
        return []
    listed = given.get("content") or given.get("refusal")
    if isinstance(listed, list):
        return [entry for entry in listed if isinstance(entry, Mapping)]
    tokens, numbers = given.get("tokens"), given.get("token_logprobs")
    if not isinstance(tokens, list):
        return []
    tops = given.get("top_logprobs")
    rows = zip_longest(
        tokens,
        numbers[: len(tokens)] if isinstance(numbers, list) else (),
        tops[: len(tokens)] if isinstance(tops, list) else (),
    )
    return [
        {**_entry(token, number), "top_logprobs": _read_tops(top)} for token, number, top in rows
    ]


def _read_tops(given: Any) -> list[Entry]:
    """Read the candidates of a raw completion: numbers by token, or a list of such."""
    parts = given if isinstance(given, list) else [given]
    return [
        _entry(token, number)
        for part in parts
        if isinstance(part, Mapping)
        for token, number in part.items()
    ]


def _entry(token: Any, logprob: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": None}


def read_logprob(given: Any) -> float:
    """Read a log-probability, at most 0; NaN where it is missing or invalid."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.nan
    try:
        return min(float(given), 0.0)
    except OverflowError:
        return math.nan


def tops_of(entry: Entry) -> list[Entry]:
    """Return the candidates of an entry."""
    tops = entry.get("top_logprobs")
    if not isinstance(tops, list):
        return []
    return [top for top in tops[:_MAX_CANDIDATES] if isinstance(top, Mapping)]


def reasoning_tokens(usage: Any) -> int:
    """Return the number of tokens of thinking that a usage tells (OpenAI, which hides them)."""
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    count = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return min(max(count, 0), _MOST_TOKENS) if isinstance(count, int) else 0


class ThinkingFilter:
    """Takes the thinking out of a content that begins with it.

    Attributes:
        inside: the model is thinking.
    """

    def __init__(self, *, begun: bool) -> None:
        """`begun`: the answer has begun already, so that white space is no prelude to a tag."""
        self.inside = False
        self._skip_space = False
        self._undecided = True
        self._keep_space = begun
        self._closing = ""
        self._held = ""

    def filter(self, text: str) -> tuple[str, int]:
        """Return what `text` adds to the answer, and how many characters are thinking."""
        if not self._undecided and not self._skip_space and not self.inside:
            return text, 0
        self._held += text
        thinking = 0
        if self._undecided:
            if not self._decide():
                return "", 0
            if not self.inside:
                return self.flush(), 0
        if self.inside:
            before, closing, rest = self._held.partition(self._closing)
            if not closing:
                # A closing tag may come in pieces.
                kept = self._held[-len(self._closing) :]
                self._held = kept
                return "", max(len(text), 1)
            thinking = len(before)
            self.inside, self._skip_space, self._held = False, True, rest
        shown = self._held.lstrip()
        self._held = ""
        self._skip_space = not shown
        return shown, 0 if shown and not thinking else max(thinking, 1)

    def flush(self) -> str:
        """Return what was held back as the possible beginning of a tag."""
        held, self._held = self._held, ""
        return "" if self.inside else held

    def _decide(self) -> bool:
        """Find out whether the content begins with a tag; False while that is open."""
        begun = self._held if self._keep_space else self._held.lstrip()
        for tag, closing in _THINKING_TAGS.items():
            if begun.startswith(tag):
                self.inside, self._closing = True, closing
                self._held = begun[len(tag) :]
                self._undecided = False
                return True
        # White space alone is held back too, unless the answer had begun.
        if any(tag.startswith(begun) for tag in _THINKING_TAGS):
            return False
        self._undecided = False
        return True
