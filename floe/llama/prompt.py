"""Tokens that the model reads for a conversation: its own chat template, cut to its context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jinja2 import TemplateError

from floe.errors import ModelError, PromptError
from floe.llama.chat_template import BoundedTemplate, template_values
from floe.llama.vocabulary import Vocabulary
from floe.records import ChatMessage
from floe.store.text import one_line

# For files without a template: the format most small instruction models have seen.
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_THINK, _THOUGHT = "<think>", "</think>"
_LONGEST_REASON = 300
_ANSWER_ROOM = 256
"""Tokens kept free for the answer when a conversation is cut to the context."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to evaluate; `dropped` counts the oldest messages that did not fit."""

    tokens: list[int]
    kept: tuple[ChatMessage, ...]
    dropped: int

    @property
    def question(self) -> str:
        """The user's last message."""
        return next(each.content for each in reversed(self.kept) if each.role == "user")


class Templated(Protocol):
    """A model as a prompt needs it; the weights are not part of it."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Text to tokens."""

    @property
    def context_size(self) -> int:
        """The number of tokens that the model reads at once."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The GGUF's key-value pairs as text."""


class PromptBuilder:
    """Renders conversations for one model.

    Raises:
        ModelError: the template in its file is broken, or wants too much time or memory.
    """

    def __init__(self, model: Templated) -> None:
        self._vocabulary = model.vocabulary
        self._context_size = model.context_size
        self._bos_text = self._vocabulary.bos_text
        try:
            self._template = BoundedTemplate(model.metadata.get("tokenizer.chat_template", _CHATML))
        except TemplateError as error:
            raise ModelError(
                f"The chat template in the model file cannot be used: {_shortened(error)}. Choose "
                "another model."
            ) from error
        self._specials = [text for text in self._vocabulary.control_texts.values() if text]

    def build(self, messages: Sequence[ChatMessage], partial: str = "") -> Prompt:
        """Build the conversation's tokens, with the oldest turns left out until it fits.

        The system prompt and the last message always stay.

        Args:
            messages: an optional system message, then user and assistant in turn, user last.
            partial: the beginning of the answer, if it is to be continued.

        Raises:
            PromptError: the last message alone does not fit.
        """
        system = [message for message in messages[:1] if message.role == "system"]
        turns = list(messages[len(system) :])
        room = self._context_size - min(_ANSWER_ROOM, self._context_size // 4)
        dropped = 0
        while True:
            tokens = self.render([*system, *turns], partial)
            if len(tokens) <= room:
                return Prompt(tokens, (*system, *turns), dropped)
            if len(turns) <= 1:
                raise PromptError(
                    f"Your message is {len(tokens):,} tokens long; this model reads at most "
                    f"{room:,} at once. Shorten it, or split it into parts."
                )
            # A whole turn at a time: what is left must begin with the user's words.
            cut = next((i for i in range(1, len(turns)) if turns[i].role == "user"), len(turns) - 1)
            del turns[:cut]
            dropped += cut

    def render(self, messages: Sequence[ChatMessage], partial: str = "") -> list[int]:
        """Tokens of the chat template filled with `messages` and the beginning of an answer.

        A message that spells a control token (`<|im_end|>`) cannot end its own turn: such text
        is tokenised as the plain characters it is.

        Raises:
            ModelError: the template in the file refuses the conversation.
        """
        contents = [message.content for message in messages]
        if any(special in text for text in contents for special in self._specials):
            tokens = self._render_apart(messages, contents)
        else:
            tokens = self._tokenize_template(self._fill(messages, contents), first=True)
        return tokens + self._vocabulary.tokenize(partial.encode())

    def close_thinking(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Tokens that end the thinking which the template begins for an answer; else none.

        Templates of R1's kind end a prompt with an open `<think>`. An answer without a thought
        begins with the block's end there.

        Raises:
            ModelError: the template in the file refuses the conversation.
        """
        marks = [f"\x02{i}\x03" for i in range(len(messages))]
        _, opened, last = self._fill(messages, marks).rpartition(_THINK)
        if not opened or last.strip():
            return []
        before = "" if last.endswith("\n\n") else "\n" if last.endswith("\n") else "\n\n"
        return self._tokenize_template(f"{before}{_THOUGHT}\n\n", first=False)

    def _fill(self, messages: Sequence[ChatMessage], contents: Sequence[str]) -> str:
        try:
            return self._template.render(
                template_values(
                    [
                        {"role": message.role, "content": content}
                        for message, content in zip(messages, contents, strict=True)
                    ],
                    bos_text=self._vocabulary.bos_text,
                    eos_text=self._vocabulary.eos_text,
                )
            )
        except TemplateError as error:
            raise ModelError(
                "The chat template in the model file refuses this conversation: "
                f"{_shortened(error)}"
            ) from error

    def _render_apart(self, messages: Sequence[ChatMessage], contents: Sequence[str]) -> list[int]:
        marks = [f"\x02{i}\x03" for i in range(len(contents))]
        rest = self._fill(messages, marks)
        tokens: list[int] = []
        for mark, content in zip(marks, contents, strict=True):
            before, found, after = rest.partition(mark)
            if not found:
                continue
            tokens += self._tokenize_template(before, first=not tokens)
            tokens += self._vocabulary.tokenize(content.encode())
            rest = after
        return tokens + self._tokenize_template(rest, first=not tokens)

    def _tokenize_template(self, text: str, *, first: bool) -> list[int]:
        # A template that writes the BOS token itself must not get a second one.
        has_bos = bool(self._bos_text) and text.startswith(self._bos_text)
        return self._vocabulary.tokenize_prompt(
            text, parse_special=True, add_bos=first and not has_bos
        )


def _shortened(error: TemplateError) -> str:
    """Shorten the words of a template's own error, of which a hostile one may have a million."""
    return one_line(str(error))[:_LONGEST_REASON]
