"""Tokens that the model reads for a conversation: its own chat template, cut to its context."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from jinja2 import TemplateError

from floe.errors import ModelError, PromptError
from floe.llama.chat_template import BoundedTemplate, template_values
from floe.llama.thinking import split_thinking
from floe.llama.vocabulary import Vocabulary
from floe.records import ChatMessage, Role
from floe.store.text import one_line

# For files without a template: the format most small instruction models have seen, where their
# vocabulary has its marks, and else a transcript as it stands in books and on pages.
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TRANSCRIPT = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% else %}{{ message['role'] | capitalize }}:\n{{ message['content'] }}{% endif %}"
    "{{ '\n\n' }}{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
_CHATML_STOPS = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
_TRANSCRIPT_STOPS = ("\nUser:", "\nAssistant:", "\nSystem:")
_BASE_NOTE = (
    "This is a base model: it was trained to continue texts, not to answer. Its file has no chat "
    "template, so its answers may wander."
)
_THINK, _THOUGHT = "<think>", "</think>"
_LONGEST_REASON = 300
_GUIDED = 4
"""Tries of a cut that follow the estimate; further ones halve what is left."""
_KEPT_COUNTS = 4096
_ANSWER_ROOM = 256
"""Tokens kept free for the answer when a conversation is cut to the context."""
_CUT_SECONDS = 1.0
_LEAST_KEPT = 768
"""A conversation that has to be cut anew is cut to at least so many tokens beside what the model is
told, or two thirds of a small context.

What is behind a cut is read anew, and the next turns fit behind it: cut to the brim, each turn
would move the cut, and the model would read its whole context before each answer. A device that
reads more in a second keeps more, up to half of the context.
"""
_KEPT_CUTS = 16
"""Conversations whose cut is known; of more, the ones that were asked longest ago are cut anew."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to evaluate.

    `dropped` counts the oldest messages that did not fit; `unread` those behind them that are kept
    and that this device's model does not read.
    """

    tokens: list[int]
    kept: tuple[ChatMessage, ...]
    dropped: int
    unread: int = 0

    @property
    def read(self) -> tuple[ChatMessage, ...]:
        """The messages that tokens are made of."""
        system = tuple(each for each in self.kept[:1] if each.role == "system")
        return (*system, *self.kept[len(system) + self.unread :])

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


class PromptReader(Protocol):
    """A model as the depth of a cut hangs on it: how fast it reads, and what it has read."""

    @property
    def prompt_speed(self) -> float | None:
        """Tokens of a prompt that it reads in a second; None: nobody knows."""

    def count_unread(self, tokens: Sequence[int]) -> int:
        """Count the tokens of a prompt that it would have to read."""


class PromptBuilder:
    """Renders conversations for one model.

    Args:
        model: whose template and tokens.
        reader: the model that will read the prompts; None: a cut is a third of the context, and
            stays.

    Attributes:
        count: counts the tokens of a text; of the last ones it knows.
        note: what a person must know of the model's manner of answering, or empty.
        stops: texts at which an answer ends, of a model that has no token for that.

    Raises:
        ModelError: the template in its file is broken, or wants too much time or memory.
    """

    def __init__(self, model: Templated, reader: PromptReader | None = None) -> None:
        self._reader = reader
        self._vocabulary = model.vocabulary
        self._context_size = model.context_size
        self._bos_text = self._vocabulary.bos_text
        self._specials = [text for text in self._vocabulary.control_texts.values() if text]
        self.count = lru_cache(maxsize=_KEPT_COUNTS)(self._count_tokens)
        self._cuts: deque[_Cut] = deque(maxlen=_KEPT_CUTS)
        template = model.metadata.get("tokenizer.chat_template")
        self.note = "" if template is not None else _BASE_NOTE
        self.stops: tuple[str, ...] = ()
        if template is None:
            chatml = "<|im_start|>" in self._specials
            template = _CHATML if chatml else _TRANSCRIPT
            self.stops = _CHATML_STOPS if chatml else _TRANSCRIPT_STOPS
        try:
            self._template = BoundedTemplate(template)
        except TemplateError as error:
            raise ModelError(
                f"The chat template in the model file cannot be used: {_shortened(error)}. Choose "
                "another model."
            ) from error

    def build(self, messages: Sequence[ChatMessage], partial: str = "") -> Prompt:
        """Build the conversation's tokens, with the oldest turns left out if it does not fit.

        The system prompt and the last message always stay. A cut is deep and stays for the turns
        that follow, so that their prompts begin as the one before did (see `_LEAST_KEPT`), but
        where the model would have to read all of that anew: then it is cut anew. What certainly
        does not fit is neither rendered nor tokenised: a long chat costs no more than the context
        holds.

        Args:
            messages: an optional system message, then user and assistant in turn, user last.
            partial: the beginning of the answer, if it is to be continued.

        Raises:
            PromptError: the last message alone does not fit.
        """
        system = [message for message in messages[:1] if message.role == "system"]
        turns = list(messages[len(system) :])
        room = self._context_size - min(_ANSWER_ROOM, self._context_size // 4)
        rendered: dict[int, list[int]] = {}

        def size_behind(place: int) -> int:
            if place not in rendered:
                rendered[place] = self.render([*system, *turns[places[place] :]], partial)
            return len(rendered[place])

        places = _places(turns)
        all_may_fit = len(self._sizes_from_the_end(turns, places, room)) == len(places)
        place: int | None = 0 if all_may_fit and size_behind(0) <= room else None
        if place is None:
            kept = self._kept_by_a_cut(system, room)
            place = self._place_of_known_cut(turns, places, room, kept, rendered, size_behind)
        if place is None:
            deeper = (
                self._first_that_fits(turns, places, size, size_behind)
                for size in (kept, 2 * room // 3, room)
            )
            place = next((found for found in deeper if found is not None), None)
            if place is not None:
                self._keep_cut(_Cut(places[place], turns[0], turns[places[place]]))
        if place is None:
            told = len(self.render([*system, ChatMessage("user", "?")])) if system else 0
            if told > room // 2:
                raise PromptError(
                    f"What this model is told before each message takes {told:,} of the {room:,} "
                    "tokens that it reads at once, so your message does not fit. Shorten the "
                    "system prompt, or what you say about yourself under Privacy."
                )
            raise PromptError(
                f"Your message is {size_behind(len(places) - 1):,} tokens long; this model reads "
                f"at most {room:,} at once. Shorten it, or split it into parts."
            )
        dropped = places[place]
        return Prompt(rendered[place], (*system, *turns[dropped:]), dropped)

    def _kept_by_a_cut(self, system: Sequence[ChatMessage], room: int) -> int:
        """Return the tokens to which a conversation is cut: what is read in about a second."""
        speed = self._reader.prompt_speed if self._reader is not None else None
        quick = room // 3 if speed is None else min(int(_CUT_SECONDS * speed), room // 2)
        told = sum(self.count(message.content) for message in system)
        return min(max(quick, _LEAST_KEPT) + told, 2 * room // 3)

    def _place_of_known_cut(
        self,
        turns: Sequence[ChatMessage],
        places: Sequence[int],
        room: int,
        kept: int,
        rendered: Mapping[int, list[int]],
        size_behind: Callable[[int], int],
    ) -> int | None:
        """Return the place where this conversation was cut before, if it fits from there.

        None where it was not, or where a new cut, to `kept` tokens, is read far sooner.
        """
        cuts = (each for each in reversed(self._cuts) if each.is_in(turns))
        cut = next((each for each in cuts if each.dropped in places), None)
        if cut is None:
            return None
        place = places.index(cut.dropped)
        if size_behind(place) > room:
            return None
        if self._reader is not None:
            unread = self._reader.count_unread(rendered[place])
            if unread > 2 * kept + self.count(turns[-1].content):
                return None
        self._keep_cut(cut)
        return place

    def _keep_cut(self, cut: "_Cut") -> None:
        """Make it the one that was used last."""
        if cut in self._cuts:
            self._cuts.remove(cut)
        self._cuts.append(cut)

    def _first_that_fits(
        self,
        turns: Sequence[ChatMessage],
        places: Sequence[int],
        room: int,
        size_behind: Callable[[int], int],
    ) -> int | None:
        """Return the first of the cuts behind which the prompt fits; None if none does.

        `size_behind` tells how many tokens the prompt has that begins at a cut.

        The tokens of the contents alone tell about where; a cut is taken when it fits and the one
        before it does not, so that it is the one that trying all in order would find.
        """
        sizes = self._sizes_from_the_end(turns, places, room)
        first = len(places) - len(sizes)
        low, high, last = -1, len(places), len(places) - 1
        guess = next((first + i for i, size in enumerate(sizes) if size <= room), last)
        tried = 0
        while high - low > 1:
            place = min(max(guess, low + 1), high - 1) if tried < _GUIDED else (low + high) // 2
            tried += 1
            size = size_behind(place)
            if size <= room:
                high, guess = place, place - 1
                continue
            low = place
            # What the template adds to each message, as it was seen just now.
            over = size - (sizes[place - first] if place >= first else room)
            each = max(over, 0) / (len(turns) - places[place])
            guess = next(
                (
                    first + i
                    for i, size in enumerate(sizes)
                    if size + each * (len(turns) - places[first + i]) <= room
                ),
                last,
            )
        return high if high <= last else None

    def _sizes_from_the_end(
        self, turns: Sequence[ChatMessage], places: Sequence[int], room: int
    ) -> list[int]:
        """Return the tokens of all contents behind each of the last cuts, in the cuts' order.

        It ends with the first that is far too large: none before it can fit.
        """
        sizes: list[int] = []
        end, size = len(turns), 0
        for place in reversed(places):
            size += sum(self.count(_without_thought(each).content) for each in turns[place:end])
            end = place
            sizes.append(size)
            if size > 2 * room:
                break
        return sizes[::-1]

    def _count_tokens(self, content: str) -> int:
        return len(self._vocabulary.tokenize(content.encode()))

    def render(self, messages: Sequence[ChatMessage], partial: str = "") -> list[int]:
        """Tokens of the chat template filled with `messages` and the beginning of an answer.

        A message that spells a control token (`<|im_end|>`) cannot end its own turn: such text
        is tokenised as the plain characters it is.

        Raises:
            ModelError: the template in the file refuses the conversation.
        """
        messages = self._as_the_template_takes(messages)
        contents = [message.content for message in messages]
        if any(special in text for text in contents for special in self._specials):
            tokens = self._render_apart(messages, contents)
        else:
            tokens = self._tokenize_template(self._fill(messages, contents), first=True)
        return tokens + self._vocabulary.tokenize(partial.encode())

    def _as_the_template_takes(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Return the messages without thoughts, in the roles and the order that it can have.

        What a template has no place for goes before the question that follows.
        """
        told = [_without_thought(message) for message in messages]
        in_order = not self._takes_any_order
        while in_order and told and _first_turn(told).role == "assistant":
            told = _put_before_question(told, told.index(_first_turn(told)))
        if told and told[0].role == "system" and not self._takes_system:
            told = _put_before_question(told)
        return _joined_turns(told) if in_order else told

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template writes a system message: Gemma 2 and early Mistral refuse it."""
        probe = [ChatMessage("system", "\x02"), ChatMessage("user", "\x03")]
        try:
            return "\x02" in self._fill(probe, [each.content for each in probe])
        except ModelError:
            return False

    @cached_property
    def _takes_any_order(self) -> bool:
        """Whether one side may speak twice in a row, and the assistant first."""
        probes: tuple[tuple[Role, ...], ...] = (("user", "user"), ("assistant", "user"))
        try:
            for roles in probes:
                self._fill([ChatMessage(role, "x") for role in roles], ["x", "x"])
        except ModelError:
            return False
        return True

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


@dataclass(frozen=True, slots=True)
class _Cut:
    """A conversation that was cut: the messages before it, the very first, the first that stays."""

    dropped: int
    begins: ChatMessage
    stays: ChatMessage

    def is_in(self, turns: Sequence[ChatMessage]) -> bool:
        """Whether these are of that conversation."""
        there = self.dropped < len(turns)
        return there and turns[0] == self.begins and turns[self.dropped] == self.stays


def _places(turns: Sequence[ChatMessage]) -> list[int]:
    """Return the places where a chat may begin: with the user's words, or with the last message."""
    starts = [0, *(i for i in range(1, len(turns)) if turns[i].role == "user")]
    if len(turns) > 1 and starts[-1] != len(turns) - 1:
        starts.append(len(turns) - 1)
    return starts


def _without_thought(message: ChatMessage) -> ChatMessage:
    if message.role != "assistant":
        return message
    thought, answer = split_thinking(message.content)
    return ChatMessage(message.role, answer) if thought else message


def _first_turn(messages: Sequence[ChatMessage]) -> ChatMessage:
    return next((each for each in messages if each.role != "system"), messages[0])


def _put_before_question(messages: Sequence[ChatMessage], place: int = 0) -> list[ChatMessage]:
    """Return the messages with the one at `place` as the beginning of the user's next."""
    moved = messages[place]
    rest = [*messages[:place], *messages[place + 1 :]]
    for i, message in enumerate(rest[place:], place):
        if message.role == "user":
            text = f"{moved.content}\n\n{message.content}" if moved.content else message.content
            return [*rest[:i], ChatMessage("user", text), *rest[i + 1 :]]
    return [*messages[:place], ChatMessage("user", moved.content), *messages[place + 1 :]]


def _joined_turns(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    joined: list[ChatMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = ChatMessage(message.role, f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    return joined


def _shortened(error: TemplateError) -> str:
    """Shorten the words of a template's own error, of which a hostile one may have a million."""
    return one_line(str(error))[:_LONGEST_REASON]
