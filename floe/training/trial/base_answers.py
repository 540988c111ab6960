"""What the base answers to public prompts, kept per model: rows that keep what it can (replay).

Learning a person's manner alone unlearns the rest: answers no longer end, and facts are gone. Some
of the base's own answers among the rows prevent it (rehearsal with samples of the model itself:
Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal"; Sun et al. 2020, LAMOL).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from floe.records import ChatMessage, Sampling
from floe.resources import DEFAULT_ANSWERS
from floe.training.data.tokenisation import TrainRow
from floe.training.trial.measures import WrittenAnswer, longest_loop, measure_answers, split_words
from floe.training.trial.public_prompts import PublicPrompt, language_of
from floe.training.trial.writer import MAX_TOKENS

REPLAY_SHARE: Final = 0.6
"""Replayed answers for each of the person's rows."""
MIN_REPLAY: Final = 8
_MIN_DISTINCT: Final = 0.95
_KEPT_MODELS: Final = 8

WriteAnswers = Callable[[Sequence[Sequence[ChatMessage]]], list[WrittenAnswer]]


class BaseAnswers:
    """Answers of one base model, in a file of the data folder; None: they are not kept.

    Those of the default model under the default settings come along: they are the same for all.
    `digest` names the model, the prompt and the sampling.
    """

    def __init__(
        self, folder: Path | None, base_sha256: str, system: str | None, sampling: Sampling
    ) -> None:
        """Find what was written before, under the same system prompt and sampling."""
        key = json.dumps([base_sha256, system, asdict(sampling), MAX_TOKENS])
        self.digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        self._path = None if folder is None else folder / f"{self.digest}.json"
        self._system = system
        self._known: dict[str, WrittenAnswer] = {}
        shipped = json.loads(DEFAULT_ANSWERS.read_text(encoding="utf-8"))
        if shipped["digest"] == self.digest:
            self._known = _answers_of(shipped["answers"])
        if self._path is not None:
            with suppress(OSError, ValueError, TypeError, AttributeError):
                self._known |= _answers_of(json.loads(self._path.read_text(encoding="utf-8")))

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """Return the prompts that have not been answered yet."""
        return [prompt for prompt in prompts if prompt not in self._known]

    def answer(
        self,
        prompts: Sequence[str],
        write: WriteAnswers,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[WrittenAnswer]:
        """Return the answers, and have those written that are missing.

        What is not whole, because it was `stopped`, is not kept.
        """
        if missing := self.missing(prompts):
            written = write([ask(prompt, self._system) for prompt in missing])
            self._known |= dict(zip(missing, written, strict=True))
            if not stopped():
                self._keep()
        return [self._known[prompt] for prompt in prompts]

    def _keep(self) -> None:
        """Write the file; a full disk costs only seconds the next time."""
        if self._path is None:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._path.with_suffix(".part")
            values = {prompt: asdict(each) for prompt, each in self._known.items()}
            part.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
            part.replace(self._path)
            files = sorted(self._path.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for old in files[:-_KEPT_MODELS]:
                old.unlink(missing_ok=True)


def _answers_of(values: dict[str, dict[str, Any]]) -> dict[str, WrittenAnswer]:
    return {prompt: WrittenAnswer(**each) for prompt, each in values.items()}


def ask(prompt: str, system: str | None) -> list[ChatMessage]:
    """Return the conversation that a chat begins with; `system` None: without one."""
    before = [] if system is None else [ChatMessage("system", system)]
    return [*before, ChatMessage("user", prompt)]


def count_replayed(own_rows: int) -> int:
    """Return how many general answers are learnt along with so many rows, if there are enough."""
    return max(MIN_REPLAY, round(REPLAY_SHARE * own_rows))


def replay_rows(
    prompts: Sequence[PublicPrompt],
    answers: Sequence[WrittenAnswer],
    own_rows: int,
    system: str | None,
) -> list[TrainRow]:
    """Choose answers that end and do not loop, spread over the prompts, as rows to learn.

    Of other languages than English, which are the person's, are up to a third: there are few
    prompts in each, and spread over all of them hardly one would be learnt.

    Args:
        prompts: public ones.
        answers: the base's, to each.
        own_rows: how many of the person's rows there are.
        system: the system prompt that the chat will have.
    """
    good = [pair for pair in zip(prompts, answers, strict=True) if is_good_answer(pair[1])]
    english = [pair for pair in good if pair[0].language == "en"]
    # A base that does not know a language answers in English, which is not to be learnt there.
    others = [
        (prompt, answer)
        for prompt, answer in good
        if prompt.language != "en" and language_of(answer.text) in ("", prompt.language)
    ]
    count = min(len(english) + len(others), count_replayed(own_rows))
    of_others = min(len(others), max(count // 3, count - len(english)))
    return [
        TrainRow((*ask(prompt.prompt, system), ChatMessage("assistant", answer.text.strip())))
        for prompt, answer in (*_spread(english, count - of_others), *_spread(others, of_others))
    ]


def _spread(
    pairs: Sequence[tuple[PublicPrompt, WrittenAnswer]], count: int
) -> list[tuple[PublicPrompt, WrittenAnswer]]:
    """Return so many of these, evenly spread over all of them."""
    return [pairs[i * len(pairs) // count] for i in range(count)]


def is_good_answer(answer: WrittenAnswer) -> bool:
    """Return whether an answer is worth being learnt: it says something, once, and ends."""
    measured = measure_answers([answer], [()])
    return bool(
        answer.ended
        and answer.text.strip()
        and measured.distinct4 >= _MIN_DISTINCT
        and not longest_loop(split_words(answer.text))
    )
