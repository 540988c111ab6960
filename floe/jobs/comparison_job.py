"""Several answers to one question, written one after another, to be seen side by side.

One after another because all of them may use this device's processor: two at once would each
look slower than they are. Each is a turn like any other, with gate, budget and sent log, and is
kept as a sibling of the others.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from floe.adapters.registry import LearntAdapter
from floe.chat.assistant import Assistant
from floe.chat.turn import Turn, TurnOptions
from floe.errors import PromptError
from floe.jobs.background import BackgroundJob
from floe.records import Mode

DEVICE: Final = "This device"
BOTH: Final = "Both together"
CLOUD: Final = "The cloud"
_BY_MODE: Final[tuple[tuple[str, Mode], ...]] = (
    (DEVICE, "local"),
    (BOTH, "fused"),
    (CLOUD, "cloud"),
)
_WAITING: Final = "Other answers are still being written side by side. Wait for them, or stop them."
_POLL_SECONDS: Final = 0.2
_MOST_ADAPTERS: Final = 2


def columns_by_mode(options: TurnOptions) -> list[TurnOptions]:
    """Return what asks this device, both and the cloud, with all else as it is set."""
    return [replace(options, column=title, mode=mode, strict=True) for title, mode in _BY_MODE]


def columns_by_weight(options: TurnOptions, weights: Sequence[float]) -> list[TurnOptions]:
    """Return what asks both models, once for each local weight."""
    return [
        replace(
            options,
            column=f"Weight {weight:.2f}",
            mode="fused",
            weight=weight,
            auto=False,
            strict=True,
        )
        for weight in weights
    ]


def columns_by_adapter(
    options: TurnOptions, adapters: Sequence[LearntAdapter]
) -> list[TurnOptions]:
    """Return what asks without what was learnt, and with each of the newest adapters.

    The cloud does not take part alone: what was learnt acts on this device.

    Raises:
        PromptError: there is none to compare with.
    """
    if not adapters:
        raise PromptError("Nothing has been learnt yet: train an adapter under Personalise first.")
    if options.mode == "cloud":
        options = replace(options, mode="fused")
    newest = sorted(adapters, key=lambda each: (not each.in_use, -each.id))[:_MOST_ADAPTERS]
    return [
        replace(options, column="Without what was learnt", adapter=0),
        *(replace(options, column=f"With “{each.name}”", adapter=each.id) for each in newest),
    ]


class ComparisonJob:
    """The answers that are being written side by side, if any. Any thread may call any method."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._job = BackgroundJob("comparison")
        self._lock = threading.Lock()
        self._question: int | None = None
        self._conversation: int | None = None
        self._waiting: list[str] = []

    def begin(self, columns: Sequence[TurnOptions], ask: Callable[[TurnOptions], Turn]) -> Turn:
        """Ask for the first answer now, and for the others as each is done.

        Args:
            columns: what each answer is asked for with.
            ask: asks the question with the first of them.

        Returns:
            The turn of the first answer.

        Raises:
            PromptError: others are being written, or the question cannot be asked.
            StoreError: it cannot be kept.
        """
        with self._lock:
            if self._job.running:
                raise PromptError(_WAITING)
            turn = ask(columns[0])
            self._question = self._assistant.store.message(turn.message_id).parent_id
            self._conversation = turn.conversation_id
            self._waiting = [each.column for each in columns[1:]]
            self._job.start(lambda: self._ask_others(turn, columns), lambda _: self._forget())
        return turn

    @property
    def conversation(self) -> int | None:
        """Where the answers are written; None: none are."""
        return self._conversation if self._job.running else None

    @property
    def question(self) -> int | None:
        """The question that is answered; None: none is."""
        return self._question if self._job.running else None

    def problem(self, question: int) -> str:
        """Say why the answers to a question did not all come; empty if they did."""
        return "" if self._job.running or question != self._question else self._job.problem

    def waiting(self, question: int) -> list[str]:
        """Return the headings of the answers to a question that have not been begun."""
        return list(self._waiting) if self.question == question else []

    def cancel(self) -> None:
        """Begin no further answer; the one in hand is stopped by its own turn."""
        self._job.cancel()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until all are written, at most `seconds`; whether they are."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """Begin no further one, and wait for the one in hand, which is stopped by others."""
        self._job.close()

    def _ask_others(self, turn: Turn, columns: Sequence[TurnOptions]) -> None:
        written = [turn.message_id]
        for column in [*columns[1:], None]:
            while not turn.wait(_POLL_SECONDS) and not self._job.cancelled.is_set():
                pass
            stopped = turn.view().status == "stopped" or self._job.cancelled.is_set()
            if column is None or stopped:
                break
            # Before it leaves the queue, so that it is never missing in the page.
            turn = self._assistant.regenerate(turn.message_id, column)
            written.append(turn.message_id)
            self._waiting = self._waiting[1:]
        self._leave_in_view(turn, written)

    def _leave_in_view(self, last: Turn, answers: Sequence[int]) -> None:
        """Let the chat go on with an answer that says something, unless it has gone on already."""
        store = self._assistant.store
        leaf = store.conversation(last.conversation_id).leaf_id
        if leaf != last.message_id or store.message(leaf).content.strip():
            return
        told = [each for each in answers if store.message(each).content.strip()]
        if told:
            store.select_branch(last.conversation_id, told[-1])

    def _forget(self) -> None:
        self._waiting = []
