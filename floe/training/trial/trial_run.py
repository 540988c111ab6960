"""Trying a trained model out beside its base: what the trainer does before and after its steps.

Before: the base answers public prompts, and some of that is learnt along. After: both answer the
person's held-out questions, questions with known answers and greetings; the adapter is made weaker
until nothing is lost beyond the margins. Knows llama.cpp through `FreeWriter` alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import TaughtQuestions
from floe.records import ChatMessage
from floe.training.data.tokenisation import TrainRow
from floe.training.trial.base_answers import BaseAnswers, ask, replay_rows
from floe.training.trial.measures import WrittenAnswer
from floe.training.trial.public_prompts import (
    PublicPrompt,
    languages_of,
    replay_prompts,
    trial_prompts,
)
from floe.training.trial.request import TrialRequest
from floe.training.trial.trial import (
    WEAKER,
    TrialPromptKind,
    TrialResult,
    WrittenPair,
    judge_pairs,
)
from floe.training.trial.writer import FreeWriter

OWN_PROMPTS: Final = 8
"""Held-out questions of the person that are answered."""

TellStage = Callable[[str, int, int], None]
"""What is done, how much of it, and how much there is."""


class TrialRun:
    """The trial of one training."""

    def __init__(
        self,
        request: TrialRequest,
        base: Path,
        base_sha256: str,
        rows: Sequence[TrainRow],
        *,
        threads: int = 0,
        progress: TellStage = lambda *_: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare it; nothing is loaded before it is needed.

        Args:
            request: see there.
            base: the GGUF.
            base_sha256: its hash.
            rows: the person's, held-out ones too.
            threads: 0 chooses for this device.
            progress: told of what goes on.
            stopped: asked all the time.
        """
        self._request = request
        self._base, self._sha256, self._threads = base, base_sha256, threads
        self._rows = rows
        self._system = system_of(rows)
        self._languages = languages_of(questions_of(rows))
        self._progress, self._stopped = progress, stopped
        self._writer: FreeWriter | None = None
        self._replayed: list[str] = []

    def close(self) -> None:
        """Free the model, if it was loaded."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def replay(self) -> list[TrainRow]:
        """Return general answers of the base, to be learnt along with the person's rows.

        In the person's languages; none if it was stopped meanwhile.
        """
        learnt = [row for row in self._rows if not row.held_out]
        public = replay_prompts(self._languages)
        prompts = [each.prompt for each in public]
        known = self._known_answers(self._request.system)
        answers = self._answer(
            known, prompts, "The model writes some general answers, so that it keeps what it can"
        )
        if self._stopped():
            return []
        rows = replay_rows(public, answers, len(learnt), self._system)
        self._replayed = [row.messages[-1].content for row in rows]
        return rows

    def try_out(
        self,
        adapter: Path,
        strengths: Sequence[float] = WEAKER,
        taught: TaughtQuestions | None = None,
    ) -> TrialResult | None:
        """Return the result at the first strength at which nothing is lost, else at the last.

        Args:
            adapter: what was trained.
            strengths: to be tried, in this order.
            taught: the questions it learnt from; a prompt that the chat would leave to the base,
                because it is of another kind, is left to the base here as well. None: it acts on
                all.

        Returns:
            None if it was stopped.
        """
        writer = self._opened()
        own = [
            (prompt, answer)
            for prompt, answer in own_prompts(self._rows)
            if writer.prompt_fits(prompt)
        ][:OWN_PROMPTS]
        public = trial_prompts(self._languages)
        conversations = [
            *[list(prompt) for prompt, _ in own],
            *[ask(each.prompt, self._system) for each in public],
        ]
        what = "The model answers some questions without the new adapter"
        known, prompts = self._known_answers(self._system), [each.prompt for each in public]
        base = writer.write(
            conversations[: len(own)],
            on_ended=self._told(what, len(own) + len(known.missing(prompts))),
            stopped=self._stopped,
        )
        base += self._answer(known, prompts, what, after=len(own))
        kinds = writer.prompt_kinds() if taught is not None else None
        acts = [
            kinds is None or kinds.choose(place_question(each), taught).kind == "own"
            for each in conversations
        ]
        chosen = [each for each, on in zip(conversations, acts, strict=True) if on]
        learnt = [
            message.content for row in self._rows if not row.held_out for message in row.learnt
        ]
        result = None
        for strength in strengths:
            at = "" if strength == 1 else f" at {strength:.0%} of its strength"
            with_it = iter(
                writer.write(
                    chosen,
                    adapter,
                    strength,
                    on_ended=self._told(
                        f"The new adapter answers the same questions{at}", len(chosen)
                    ),
                    stopped=self._stopped,
                )
            )
            if self._stopped():
                return None
            personal = [next(with_it) if on else base[i] for i, on in enumerate(acts)]
            pairs = _written_pairs(own, public, base, personal, acts)
            result = judge_pairs(pairs, learnt, self._replayed, strength)
            if not result.losses:
                break
        return result

    def _known_answers(self, system: str | None) -> BaseAnswers:
        """Return the base's answers; kept only if nothing of the person is in the prompt."""
        cache = self._request.cache if system == self._request.system else None
        return BaseAnswers(cache, self._sha256, system, self._request.sampling)

    def _answer(
        self, known: BaseAnswers, prompts: Sequence[str], what: str, after: int = 0
    ) -> list[WrittenAnswer]:
        told = self._told(what, after + len(known.missing(prompts)), after)

        def write(conversations: Sequence[Sequence[ChatMessage]]) -> list[WrittenAnswer]:
            return self._opened().write(conversations, on_ended=told, stopped=self._stopped)

        return known.answer(prompts, write, self._stopped)

    def _told(self, what: str, count: int, after: int = 0) -> Callable[[int], None]:
        return lambda done: self._progress(what, after + done, count)

    def _opened(self) -> FreeWriter:
        if self._writer is None:
            self._writer = FreeWriter(self._base, self._request.sampling, threads=self._threads)
        return self._writer


def questions_of(rows: Sequence[TrainRow]) -> list[str]:
    """Return what the person wrote in the rows that are learnt."""
    return [
        each.content
        for row in rows
        if not row.held_out
        for each in row.messages
        if each.role == "user"
    ]


def system_of(rows: Sequence[TrainRow]) -> str | None:
    """Return the system prompt that most rows begin with; None: most have none."""
    found = Counter(
        row.messages[0].content if row.messages and row.messages[0].role == "system" else None
        for row in rows
    )
    return found.most_common(1)[0][0] if found else None


def _written_pairs(
    own: Sequence[tuple[Sequence[ChatMessage], str]],
    public: Sequence[PublicPrompt],
    base: Sequence[WrittenAnswer],
    personal: Sequence[WrittenAnswer],
    acts: Sequence[bool],
) -> list[WrittenPair]:
    """Pair both models' answers, those to the person's own prompts first, as they were asked."""
    pairs = [
        WrittenPair("own", prompt[-1].content, base[i], personal[i], own=answer, acts=acts[i])
        for i, (prompt, answer) in enumerate(own)
    ]
    for i, each in enumerate(public, len(own)):
        kind: TrialPromptKind = "question" if each.expected else "greeting"
        pairs.append(WrittenPair(kind, each.prompt, base[i], personal[i], each.expected))
    return pairs


def own_prompts(rows: Sequence[TrainRow]) -> list[tuple[tuple[ChatMessage, ...], str]]:
    """Return held-out conversations up to a question, with the person's answer to it.

    First answers of all rows come before second ones, so that few prompts are of many chats.
    """
    found = []
    for row in rows:
        if not row.held_out:
            continue
        places = [
            i
            for i, message in enumerate(row.messages)
            if i >= row.context and message.role == "assistant" and message.content
        ]
        found += [
            (turn, row.messages[:place], row.messages[place].content)
            for turn, place in enumerate(places)
        ]
    found.sort(key=lambda each: each[0])
    return [(prompt, answer) for _, prompt, answer in found]
