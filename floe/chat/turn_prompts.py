"""Build what the local model reads: the system prompt, the conversation, words of memory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from floe.adapters.prompt_kinds import PromptKinds
from floe.chat.attachments import AttachedFile, attach_files
from floe.chat.chat_settings import load_chat_settings
from floe.chat.earlier_subjects import EarlierSubjects
from floe.chat.own_texts import OwnText, OwnTexts
from floe.chat.prompt_presets import fill_variables
from floe.chat.turn import TurnOptions
from floe.errors import ModelError, PromptError
from floe.llama.prompt import Prompt, PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.llama.sentence_embedder import PROMPT_NAME
from floe.memory.memory import Memory, Recalled
from floe.memory.passages import MemoryPassage
from floe.memory.prompt_text import (
    NEAREST_FACTS,
    chat_with_examples,
    fitting_examples,
    fitting_passages,
    question_with_memory,
    untold_answer,
)
from floe.memory.told_facts import SentenceSpace
from floe.privacy import choices
from floe.records import Attachment, ChatMessage, Message
from floe.store import Store
from floe.training.data.learning_choices import LearningChoices

logger = logging.getLogger(__name__)

_FIRST_FOLLOWING: Final = 3
"""Turns of a chat with a question that another stands before."""
_TURN_TOKENS: Final = 16
"""Tokens that a template may write around a question and its answer."""


class PersonalPrompt(NamedTuple):
    """A prompt with earlier words of the person in it.

    `memory` are those words; `instead` is what the program answers in the model's place, empty
    where the model answers.
    """

    prompt: Prompt
    memory: tuple[MemoryPassage, ...] = ()
    instead: str = ""


class TurnPrompts:
    """Prompts for one model.

    Attributes:
        builder: what makes tokens of messages.
        system_prompt: the one of the settings.
    """

    def __init__(
        self,
        model: LlamaModel,
        store: Store,
        memory: Memory,
        kinds: Callable[[], PromptKinds],
        system_prompt: str,
    ) -> None:
        self.builder = PromptBuilder(model, model)
        self.system_prompt = system_prompt
        self._model = model
        self._store = store
        self._memory = memory
        self._own_texts = OwnTexts(store, memory, kinds, system_prompt)
        scorer = getattr(model, "scorer", None)
        self._subjects = EarlierSubjects(self.builder, scorer, system_prompt) if scorer else None

    def build(self, path: Sequence[Message], partial: str = "") -> Prompt:
        """Build what the local model reads; PromptError if the last message does not fit.

        `partial` is the beginning of the answer, if it is to be continued.
        """
        history = [ChatMessage(message.role, message.content) for message in path]
        asked = path[-1]
        told = self.told(asked.conversation_id if asked.stored else None)
        return self.builder.build([self.system_message(told), *history], partial)

    def told(self, conversation_id: int | None) -> str:
        """Return the system prompt of a conversation: its own, else the one of the settings."""
        if conversation_id is None:
            return self.system_prompt
        own = load_chat_settings(self._store, conversation_id).system_prompt
        return self.system_prompt if own is None else fill_variables(own, datetime.now())

    def check_told(self, told: str | None, **about: str) -> None:
        """See that questions fit beside a system prompt and what the person says of themselves.

        Args:
            told: a system prompt as it was written; None: the one of the settings.
            about: other texts than those kept, see `choices.system_prompt`.

        Raises:
            PromptError: they do not; nothing should be kept of it.
        """
        system = self.system_prompt if told is None else fill_variables(told, datetime.now())
        message = ChatMessage("system", choices.system_prompt(self._store, system, **about))
        used = len(self.builder.render([message, ChatMessage("user", "?")]))
        size = self._model.context_size
        if used > size // 2:
            raise PromptError(
                f"This is too long: with what else the model is told, it takes {used:,} of the "
                f"{size:,} tokens that this model reads at once, and half of them are for the "
                "chat. Shorten it; nothing of it has been kept."
            )

    def build_rest(self, path: Sequence[Message], partial: str) -> Prompt:
        """Build what the local model reads to go on after the beginning of an answer."""
        try:
            return self.build(path, partial)
        except PromptError:
            raise PromptError(
                "This answer is as long as the model can read at once, so it cannot be continued. "
                'Ask for the rest in a new message, such as "Go on from there".'
            ) from None

    def attach(
        self, words: str, files: Sequence[AttachedFile], conversation_id: int | None = None
    ) -> tuple[str, Sequence[Attachment]]:
        """Do as `place`, and see that all of it fits, before anything is kept.

        Raises:
            PromptError: it does not, as words and names of files leave no room.
        """
        content, placed = self.place(words, files, conversation_id)
        if placed:
            told = self.system_message(self.told(conversation_id))
            self.builder.build([told, ChatMessage("user", content)])
        return content, placed

    def place(
        self, words: str, files: Sequence[AttachedFile], conversation_id: int | None = None
    ) -> tuple[str, Sequence[Attachment]]:
        """Put files after a person's words, cut so that the next questions about them fit, too.

        Raises:
            PromptError: the words alone do not fit.
        """
        if not files:
            return words, ()
        size = self._model.context_size
        told = self.system_message(self.told(conversation_id))
        used = len(self.builder.build([told, ChatMessage("user", words)]).tokens)
        room = min(size * 5 // 8, size - size // 4 - used)
        return attach_files(words, files, room, self.count)

    def count(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self._model.tokenize(text.encode()))

    def system_message(self, told: str, *, personal: bool = True) -> ChatMessage:
        """Build the system prompt, and what the cloud is not told: who it talks to."""
        if not personal:
            return ChatMessage("system", told)
        return ChatMessage("system", choices.system_prompt(self._store, told))

    def with_memory(
        self,
        prompt: Prompt,
        path: Sequence[Message],
        options: TurnOptions,
        partial: str = "",
        *,
        wanted: bool = True,
        again: bool = False,
    ) -> PersonalPrompt:
        """Put earlier words of the person into a prompt, as far as there are and they fit.

        What they told stands before the question; examples of how they write stand before the
        chat, where they stay from turn to turn, so that only the first one is read for longer.

        Args:
            prompt: without them; nothing more of the conversation is left out for them.
            path: the messages that it was built of. What of them it has no room for is searched,
                too; what a program brought along is kept nowhere and cannot be.
            options: a turn of the cloud alone has no use for them.
            partial: the beginning of the answer, if it is to be continued.
            wanted: False: none.
            again: the question has been answered before, and the model is to answer it.
        """
        if not wanted or options.mode == "cloud":
            return PersonalPrompt(prompt)
        if path[-1].stored:
            prompt = self._on_one_subject(prompt, partial)
        kept_out = LearningChoices.load(self._store).except_chats
        conversation_id = path[-1].conversation_id if path[-1].stored else None
        recalled = self._memory.recall(
            prompt.question,
            conversation_id,
            kept_out,
            [each.id for each in path[: prompt.dropped + prompt.unread] if each.stored],
        )
        size = self._model.context_size
        room = size - size // 4 - len(prompt.tokens)
        fitting = fitting_passages(recalled.passages, room, self.count)
        nearest = fitting[:NEAREST_FACTS]
        instead = "" if again or partial else self._instead(prompt, recalled, options, nearest)
        if instead:
            return PersonalPrompt(prompt, tuple(nearest), instead)
        texts = self._fitting_texts(path, conversation_id, room)
        room -= sum(map(self._cost, texts))
        fit = [each for each in recalled.passages if each.id not in recalled.unfit]
        fitting = fitting_passages(fit, room, self.count)
        read = (*fitting, *(each.passage for each in texts))
        if not read:
            return PersonalPrompt(prompt)
        *before, last = prompt.read
        if fitting:
            last = ChatMessage(last.role, question_with_memory(last.content, fitting))
        pairs = [(each.question, each.answer) for each in texts]
        told = chat_with_examples([*before, last], pairs)
        return PersonalPrompt(replace(prompt, tokens=self.builder.render(told, partial)), read)

    def _on_one_subject(self, prompt: Prompt, partial: str) -> Prompt:
        """Leave out earlier turns on another subject, where the model is too small for both."""
        turns = [each for each in prompt.kept if each.role != "system"]
        if self._subjects is None or len(turns) < _FIRST_FOLLOWING:
            return prompt
        try:
            unread = self._subjects.begin(turns)
        except ModelError as error:
            logger.warning("a question cannot be compared with its chat: %s", error)
            return prompt
        if not unread:
            return prompt
        prompt = replace(prompt, unread=unread)
        return replace(prompt, tokens=self.builder.render(prompt.read, partial))

    def _instead(
        self,
        prompt: Prompt,
        recalled: Recalled,
        options: TurnOptions,
        nearest: Sequence[MemoryPassage],
    ) -> str:
        """Return what the program says where a question asks for what memory does not have.

        Only of the first question of a chat, and where the model knows nothing else of the person:
        what is asked for may stand there.
        """
        system = ChatMessage("system", self.system_prompt)
        alone = not prompt.dropped and all(each == system for each in prompt.kept[:-1])
        if not (recalled.untold and alone and options.weight > 0) or options.column:
            return ""
        if recalled.passages and not nearest:
            return ""
        for facts in (nearest, nearest[:1]):
            words = untold_answer(prompt.question, facts)
            if self.count(words) <= options.sampling.max_tokens:
                return words
        return ""

    def _fitting_texts(
        self, path: Sequence[Message], conversation_id: int | None, room: int
    ) -> list[OwnText]:
        texts = self._own_texts.choose(path, conversation_id)
        return [texts[i] for i in fitting_examples([*map(self._cost, texts)], room)]

    def _cost(self, text: OwnText) -> int:
        """Count about as many tokens as a text takes with its question, as turns of the chat."""
        return self.count(text.question) + self.count(text.answer) + _TURN_TOKENS


def sentence_space(model: LlamaModel) -> SentenceSpace | None:
    """Return the space in which a model compares sentences; None if it is too small for that."""
    embedder = getattr(model, "sentences", None)
    if embedder is None:
        return None
    name = f"{model.path.name} {model.path.stat().st_size} {PROMPT_NAME}"
    return SentenceSpace(name, embedder.embed)
