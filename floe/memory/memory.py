"""Memory: what the person wrote earlier, found for a prompt and read by the local model alone.

Knows neither turns nor the cloud; that none of it leaves is the gate's and the guard's part.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.errors import DataError, FloeError, ModelError, StoreError
from floe.memory import answer_marks, files, index, memory_choices
from floe.memory.passages import MemoryPassage
from floe.memory.personal_questions import asks_what_is_so
from floe.memory.question_forms import asks_for_told_fact
from floe.memory.question_match import can_answer, has_to_do_with, names_what_is_asked
from floe.memory.search import find_passages
from floe.memory.told_facts import (
    SentenceSpace,
    embed_facts,
    is_told_fact,
    nearest_facts,
    sure_by_words,
    with_rest_of_question,
)
from floe.store import Store

logger = logging.getLogger(__name__)

_CATCH_UP_SECONDS: Final = 0.2
"""A question waits at most about so long for messages that have not been read yet."""
_FACTS: Final = 2
"""Told facts that are read for a question that asks for one."""


@dataclass(frozen=True, slots=True)
class MemoryState:
    """State of memory: how it is set up, and what it holds."""

    on: bool
    folder: Path | None
    notes: str
    files: int
    passages: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recalled:
    """Passages found for a question, the best first.

    `untold`: the question asks for what only the person can have told, and none of the passages
    plainly tells it; where there are some, they are the nearest to it. `unfit`: ids of those that
    are not what is asked for, so that no model should read them.
    """

    passages: list[MemoryPassage]
    untold: bool = False
    unfit: frozenset[int] = frozenset()


class Memory:
    """Own words of one store. Any thread may call any method."""

    def __init__(self, store: Store, *, on: bool = True, folder: Path | None = None) -> None:
        """Open it; `on` and `folder` hold until the page says otherwise."""
        self._store = store
        self._on = on
        self._folder = folder
        self._sentences: SentenceSpace | None = None

    def use_sentences(self, space: SentenceSpace | None) -> None:
        """Compare told facts with questions in this space from now on; None: by words alone."""
        self._sentences = space

    @property
    def on(self) -> bool:
        """Whether it may be used."""
        return memory_choices.memory_on(self._store, self._on)

    def state(self) -> MemoryState:
        """Return how it is set up, and what it holds."""
        count, passages, problems = index.file_figures(self._store)
        folder = memory_choices.memory_folder(self._store, self._folder)
        return MemoryState(
            self.on, folder, memory_choices.notes(self._store), count, passages, tuple(problems)
        )

    def recall(
        self,
        question: str,
        conversation_id: int | None,
        without: Collection[int] = (),
        left_out: Collection[int] = (),
    ) -> Recalled:
        """Find passages for a question; none if memory is off.

        Args:
            question: the prompt.
            conversation_id: where it is asked; that conversation's words are in the prompt.
            without: conversations that the person keeps out of all others.
            left_out: ids of the messages of that conversation that are not, as they did not fit.
        """
        if not self.on:
            return Recalled([])
        complete = False
        try:
            complete = index.index_messages(self._store, _CATCH_UP_SECONDS)
        except StoreError as error:
            # An answer without it is better than none: a disk that is full can still be read.
            logger.warning("memory is behind: %s", error)
        found = find_passages(
            self._store,
            question,
            conversation_id=conversation_id,
            left_out=left_out,
            without=without,
        )
        if not asks_for_told_fact(question):
            near = (each for each in found if has_to_do_with(question, each.read))
            return Recalled([*near])
        recalled = self._with_facts(question, found, conversation_id, without)
        # A model would take a fact about another of the kind for the one.
        unfit = frozenset(
            each.id
            for each in recalled.passages
            if is_told_fact(each) and not self._may_be_read(question, each.read)
        )
        if complete and recalled.untold and asks_what_is_so(question):
            named = sorted(
                recalled.passages, key=lambda each: not names_what_is_asked(question, each.read)
            )
            return Recalled(named, untold=True, unfit=unfit)
        return Recalled([each for each in recalled.passages if each.id not in unfit])

    def _may_be_read(self, question: str, fact: str) -> bool:
        """Return whether a fact can answer; found by words alone it has to name what is theirs."""
        near = self._sentences is not None or has_to_do_with(question, fact)
        return near and can_answer(question, fact)

    def _with_facts(
        self,
        question: str,
        found: list[MemoryPassage],
        conversation_id: int | None,
        without: Collection[int],
    ) -> Recalled:
        """Add the told facts nearest to a question that asks for one to what words have found."""
        space = self._sentences
        if space is None:
            ranked = sure_by_words(self._store, question, found)
            return Recalled(ranked, _is_untold(ranked))
        try:
            complete = embed_facts(self._store, space, _CATCH_UP_SECONDS)
            facts, compared = nearest_facts(
                self._store,
                space,
                question,
                conversation_id=conversation_id,
                without=without,
            )
        except FloeError as error:
            logger.warning("told facts cannot be compared: %s", error)
            return Recalled(found)
        # What was compared is ranked there; a file or a long text that words have found is not.
        beyond = [each for each in found if each.id not in compared][:1]
        # Beside a fact that is the one another would only be taken for it.
        most = 1 if facts and facts[0].sure else _FACTS
        read = [with_rest_of_question(self._store, question, each) for each in facts[:most]]
        passages = [*read[:1], *beyond, *read[1:]]
        return Recalled(passages, complete and _is_untold(passages))

    def examples(self, texts: Mapping[int, str]) -> dict[int, MemoryPassage]:
        """Return passages for examples of how the person writes; see `index.example_passages`.

        None if memory is off, or if they cannot be kept: what was read has to be there to be shown.
        """
        if not (self.on and texts):
            return {}
        try:
            # First: what else an answer tells is read once, when its source is made.
            if not index.index_messages(self._store, _CATCH_UP_SECONDS):
                return {}
            return index.example_passages(self._store, texts)
        except StoreError as error:
            logger.warning("examples cannot be kept: %s", error)
            return {}

    def keep_uses(self, message_id: int, passages: Sequence[MemoryPassage]) -> None:
        """Remember what was read for an answer."""
        index.keep_uses(self._store, message_id, passages)

    def uses_of(self, message_id: int) -> list[MemoryPassage]:
        """Return what was read for an answer, as far as it is still there."""
        return index.uses_of(self._store, message_id)

    def forget(self, passage_id: int) -> None:
        """Take a passage out for good."""
        index.forget_passage(self._store, passage_id)

    def set_notes(self, text: str) -> None:
        """Keep the notes of the page, and read them."""
        memory_choices.set_notes(self._store, text)
        index.index_notes(self._store)

    def set_folder(self, folder: str) -> None:
        """Read another folder from the next run of `update` on; empty: none.

        Raises:
            DataError: there is no such folder.
        """
        path = str(files.check_folder(Path(folder.strip()))) if folder.strip() else ""
        memory_choices.set_memory_folder(self._store, path)
        if not path:
            index.drop_files(self._store, [*index.known_files(self._store)])

    def set_on(self, on: bool) -> None:
        """Let it be used, or not."""
        memory_choices.set_memory_on(self._store, on)

    def update(self, cancelled: Callable[[], bool]) -> None:
        """Read whatever is new: messages, notes, files; ends early once `cancelled`.

        Raises:
            DataError: the folder cannot be read; all else has been.
            StoreError: the database cannot be written.
        """
        while not index.index_messages(self._store, 0.0) and not cancelled():
            pass
        index.index_notes(self._store)
        space = self._sentences
        with suppress(ModelError):  # another model answers by now; its facts are read next time
            while space and not cancelled() and not embed_facts(self._store, space, 0.5):
                pass
        folder = memory_choices.memory_folder(self._store, self._folder)
        if folder is not None and not cancelled():
            self._update_files(files.check_folder(folder), cancelled)

    def _update_files(self, folder: Path, cancelled: Callable[[], bool]) -> None:
        found, beyond = files.list_files(folder)
        known = index.known_files(self._store)
        gone = set(known) - {each.path for each in found}
        if gone:
            index.drop_files(self._store, [*gone])
        for file in found:
            if cancelled():
                return
            if known.get(file.path) == (file.modified_at, file.size):
                continue
            text = problem = ""
            try:
                text = files.read_text(file)
            except DataError as error:
                problem = str(error)
            index.index_file(self._store, file.path, file.modified_at, file.size, text, problem)
        if beyond:
            raise DataError(
                f"The folder has {len(found) + beyond:,} files; the first {files.MAX_FILES:,} were "
                "read. Choose a smaller folder."
            )

    def mark_answer(self, text: str, holds: Callable[[str], bool]) -> None:
        """Remember that an answer which a program has holds words from here; see `answer_marks`."""
        answer_marks.mark_answer(self._store, text, holds)

    def is_marked(self, text: str) -> bool:
        """Return whether what a program brings is such an answer, or has one in it."""
        return answer_marks.is_marked(self._store, text)


def _is_untold(passages: Sequence[MemoryPassage]) -> bool:
    """Return whether passages are told facts, or none, of which none is what was asked for."""
    return all(is_told_fact(each) for each in passages) and not any(
        each.sure or each.likely for each in passages
    )
