"""Chat rows into training examples, with the tokens that the chat itself would use.

Tokeniser and chat template come from the GGUF through llama.cpp, as they do when the model
answers; torch and the weights have no part in it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from llama_cpp import llama_cpp as lib

from floe.errors import FloeError, ModelError
from floe.llama.gguf_checks import check_model
from floe.llama.metadata import read_metadata
from floe.llama.prompt import PromptBuilder
from floe.llama.vocabulary import Vocabulary
from floe.records import ChatMessage, Role
from floe.store import encryption
from floe.training.data.packing import Example


class RowsError(FloeError):
    """Nothing to learn from, or rows that cannot be read."""


@dataclass(frozen=True, slots=True)
class TrainRow:
    """A conversation whose assistant messages are to be learned.

    `weight` multiplies its loss; `held_out`: it is measured, never learned. The first `context`
    messages are read alone, whoever wrote them. `title`: what to call it, for a person. `language`:
    of a row of nobody in particular.
    """

    messages: tuple[ChatMessage, ...]
    weight: float = 1.0
    held_out: bool = False
    context: int = 0
    title: str = ""
    language: str = "en"

    @property
    def learnt(self) -> tuple[ChatMessage, ...]:
        """The answers in it."""
        return tuple(m for m in self.messages[self.context :] if m.role == "assistant")


def read_rows(path: Path) -> list[TrainRow]:
    """Rows of a JSON Lines file: `messages`, and if wanted `weight`, `split` and others.

    Raises:
        RowsError: it is missing or a line is not a row.
    """
    rows = []
    try:
        for line in encryption.read_bytes(path).split(b"\n"):
            if line.strip():
                rows.append(row_of(json.loads(line)))
    except FileNotFoundError:
        raise RowsError("There are no rows to learn from. Choose some conversations.") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError) as error:
        raise RowsError("The rows to learn from cannot be read. Prepare them again.") from error
    return rows


def row_of(data: dict[str, object]) -> TrainRow:
    """Make a row of its JSON; ValueError, TypeError or KeyError where it is not a row."""
    messages = data["messages"]
    if not isinstance(messages, list):
        raise TypeError("a row has a list of messages")
    roles: tuple[Role, ...] = ("system", "user", "assistant")
    return TrainRow(
        messages=tuple(
            ChatMessage(roles[roles.index(message["role"])], str(message["content"]))
            for message in messages
        ),
        weight=float(str(data.get("weight", 1.0))),
        held_out=data.get("split", "train") == "held_out",
        context=int(str(data.get("context", 0))),
        title=str(data.get("title", "")),
        language=str(data.get("language", "en")),
    )


class Encoder:
    """The tokeniser and chat template of one GGUF file; nothing else of it is loaded."""

    def __init__(self, path: Path) -> None:
        """Open the vocabulary of a file; ModelError where it is missing or broken."""
        check_model(path)
        lib.llama_backend_init()
        parameters = lib.llama_model_default_params()
        parameters.vocab_only = True
        self._model = lib.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise ModelError(f"llama.cpp cannot load {path.name}. Fetch it again.")
        self.vocabulary = Vocabulary(lib.llama_model_get_vocab(self._model))
        self.metadata = read_metadata(self._model)
        self.context_size = lib.llama_model_n_ctx_train(self._model)
        self._prompts = PromptBuilder(self)
        self.refused: dict[str, str] = {}
        """Rows that the template refused, by title, with its reason."""

    def close(self) -> None:
        """Free the vocabulary."""
        if self._model is not None:
            lib.llama_model_free(self._model)
            self._model = None

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def examples(
        self, rows: Iterable[TrainRow], sequence_length: int, *, some: bool = True
    ) -> list[Example]:
        """Examples of all rows.

        A row gives one example where its turns read the same in one go as one by one, else one
        for each answer. What is longer than `sequence_length` is split into windows; each but
        the first begins with the row's head (system prompt, question), as the chat's own prompt
        keeps it, then the last quarter of the one before, read but not learned twice.

        A row that the model's template refuses is left out and noted in `refused`.

        Args:
            rows: conversations.
            sequence_length: tokens of the longest example.
            some: whether there have to be any.

        Raises:
            ModelError: it refuses all of them, and there have to be some.
        """
        found: list[Example] = []
        refusal: ModelError | None = None
        for row in rows:
            if row.weight <= 0:
                continue
            try:
                sequences = self._sequences(row)
            except ModelError as error:
                refusal = error
                self.refused[row.title] = str(error)
                continue
            for tokens, marks, text_bytes in sequences:
                found += _windows(tokens, marks, row.weight, text_bytes, sequence_length)
        if refusal is not None and some and not found:
            raise refusal
        return found

    def _sequences(self, row: TrainRow) -> list[tuple[list[int], list[bool], int]]:
        """Tokens, which of them are learned, and the bytes of learned text."""
        turns = []
        messages = row.messages
        for i, message in enumerate(messages):
            if i >= row.context and message.role == "assistant" and message.content:
                prompt = self._prompts.render(messages[:i])
                answer = self._prompts.close_thinking(messages[:i])
                answer += self.vocabulary.tokenize(message.content.encode())
                turns.append((prompt, [*answer, self._end(messages[: i + 1])], message.content))
        joined: list[tuple[list[int], list[bool], int]] = []
        for prompt, answer, text in turns:
            size = len(text.encode())
            before = joined[-1] if joined else None
            if before and prompt[: len(before[0])] == before[0]:
                tokens, marks, seen = joined.pop()
                gap = len(prompt) - len(tokens)
                marks = [*marks, *[False] * gap, *[True] * len(answer)]
                joined.append((prompt + answer, marks, seen + size))
            else:
                marks = [False] * len(prompt) + [True] * len(answer)
                joined.append((prompt + answer, marks, size))
        return joined

    def _end(self, messages: Sequence[ChatMessage]) -> int:
        """Find the token that the template writes after an answer."""
        marked = [*messages[:-1], ChatMessage("assistant", "x")]
        ends = set(self.vocabulary.end_ids)
        found = [token for token in self._prompts.render(marked) if token in ends]
        return found[-1] if found else self.vocabulary.end_ids[0]


def _windows(
    tokens: list[int], marks: list[bool], weight: float, text_bytes: int, length: int
) -> list[Example]:
    """Cut into examples of at most `length` inputs; the bytes are shared out by learned tokens."""
    learned_in_all = sum(marks)
    overlap = length // 4
    head = min(marks.index(True), overlap)
    examples = []
    start = learned_to = 0
    while True:
        kept = head if start else 0
        end = min(start + length - kept, len(tokens) - 1)
        fresh = np.array(marks[start + 1 : end + 1])
        fresh[: max(0, learned_to - start)] = False
        if fresh.any():
            # The last token of the head is followed by the window's first one, unlearned.
            examples.append(
                Example(
                    tokens=np.array([*tokens[:kept], *tokens[start:end]], np.int32),
                    targets=np.array(
                        [*tokens[1:kept], *tokens[start : end + 1]]
                        if kept
                        else tokens[1 : end + 1],
                        np.int32,
                    ),
                    weights=np.concatenate([np.zeros(kept), fresh * weight]).astype(np.float32),
                    text_bytes=round(text_bytes * int(fresh.sum()) / learned_in_all),
                )
            )
        if end == len(tokens) - 1:
            return examples
        learned_to = end
        start = max(start + 1, end - overlap)
