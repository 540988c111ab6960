"""The `soak` bench: thousands of turns of the real program, and what they leave behind.

The real assistant with the real models, the stand-in cloud in its own process, a real database:
questions old and new in conversations of a few turns, local, fused and of the cloud alone, with
the slider moved and answers stopped in their midst, adapters swapped, chats deleted, and trainings
in between. Then: does memory grow, does a thread, a socket, a file handle or a process stay
behind, is the database sound and is all of every answer in it?

Memory is compared between the turns after the warm-up and the last ones, as medians of samples
that are taken while nothing runs.
"""

import gc
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from floe.adapters.registry import LearntAdapter, NewAdapter, model_sha256
from floe.bench.decode import write_random_adapter
from floe.bench.rows import example_lines
from floe.chat.assistant import Assistant
from floe.chat.turn import EndEvent, TokenEvent, Turn, TurnOptions
from floe.cloud.link import CloudLink
from floe.config import STAND_IN, Settings
from floe.errors import FloeError, TrainingError
from floe.llama.runtime import LlamaModel
from floe.llama.threads import choose_threads
from floe.models.catalog import resolve_model
from floe.privacy.detector import Detector
from floe.records import Mode, Role, Sampling, TrainPlan
from floe.store import Store
from floe.training.data.dataset import Selection, build_dataset
from floe.training.runs import TrainingRuns

TURNS: Final = 2000
TRAININGS: Final = 2
_MOST_GROWTH: Final = 0.05
_WARM_UP: Final = 0.2
"""Share of the turns after which buffers, caches and thread pools should have their size."""
_WINDOW: Final = 0.15
"""Share of the turns whose samples are compared, after the warm-up and at the end."""
_TURNS_OF_A_CHAT: Final = 4
_KEPT_CHATS: Final = 40
_SETTLE_SECONDS: Final = 10.0
_POOLED: Final = {"handles": 4, "sockets": 2, "children": 0}
"""What may stay, by chance of the moment: two connections that the HTTP client keeps for the next
request, and one to the database, of two files, where two threads once read it at the same time."""
_PATIENCE_SECONDS: Final = 300.0
_QUESTIONS: Final = (
    "Why is the sky blue?",
    "Name three rivers in Europe.",
    "Write a short poem about the sea.",
    "What is 12 times 12?",
    "Explain in one sentence how a bicycle stays upright.",
    "My name is Erika Mustermann and I live at 12 Sample Street; what should I cook tonight?",
    "Translate 'good morning' into French.",
    "Give me a Python function that adds two numbers.",
)


@dataclass(slots=True)
class Footprint:
    """Footprint of a process while nothing runs. Memory in MB (10^6 bytes)."""

    memory: float
    stand_in: float
    threads: Counter[str]
    handles: int
    sockets: int
    children: int


@dataclass(slots=True)
class Tally:
    """Counts of what has been done so far."""

    tokens: int = 0
    stops: int = 0
    slider_moves: int = 0
    adapter_swaps: int = 0
    regenerated: int = 0
    deleted: int = 0
    trainings: int = 0
    adapters_learnt: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    shown: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    """By message: its conversation, the text and the status that were shown."""


_FOR_THE_PROCESS: Final = Counter({"template-watchdog": 1})
"""Begun with the first chat template: it ends those that take too long, for the whole process."""


def run(turns: int = TURNS, trainings: int = TRAININGS) -> dict[str, Any]:
    """Do so many turns with so many trainings among them, and compare before with after."""
    began = time.monotonic()
    detector = Detector()  # one for the process, with a thread that is there to the end
    detector.load()
    detector.examine("Good morning.", timeout=60.0)
    before = _threads() + _FOR_THE_PROCESS
    with TemporaryDirectory() as name:
        folder = Path(name)
        with _program(folder, detector) as (assistant, runs):
            soak = Soak(assistant, runs, folder)
            figures = soak.run(turns, trainings)
            path = assistant.store.path
        figures["threads_after_close"] = sorted((_threads() - before).elements())
        figures |= _check_database(path, soak.tally)
    figures["seconds"] = round(time.monotonic() - began, 1)
    figures["ok"] = _verdict(figures)
    return figures


@contextmanager
def _program(folder: Path, detector: Detector) -> Iterator[tuple[Assistant, TrainingRuns]]:
    settings = Settings.load(cloud=STAND_IN, data_dir=folder)
    base = resolve_model(settings.model, settings.models_dir)
    store = Store(settings.database)
    cloud = CloudLink(settings, store)
    cloud.connect()
    threads, _ = choose_threads(settings.threads, shared=True)
    model = LlamaModel(base, context=settings.context, threads=threads)
    assistant = Assistant(settings, store, model, cloud, detector)
    runs = TrainingRuns(
        store,
        assistant.adapters,
        folder,
        replan=lambda _plan, _limit: None,
        answer=assistant.answer,
    )
    try:
        state = cloud.wait(_PATIENCE_SECONDS)
        if not state.usable:
            raise FloeError(f"The soak needs the stand-in cloud. {state.sentence}")
        yield assistant, runs
    finally:
        runs.close()
        assistant.close()


class Soak:
    """The turns, and what is seen of the process between them."""

    def __init__(self, assistant: Assistant, runs: TrainingRuns, folder: Path) -> None:
        self.tally = Tally()
        self._assistant = assistant
        self._runs = runs
        self._process = psutil.Process()
        self._dice = random.Random(15)  # noqa: S311 (reproducible, not secret)
        self._base = assistant.model.path
        self._sha256 = model_sha256(assistant.store, self._base)
        self._chats: list[int] = []
        self._turns_left = 0
        self._lines = example_lines("letters")
        self._put_examples()
        self._random = self._add_random_adapter(folder)

    def run(self, turns: int, trainings: int) -> dict[str, Any]:
        """Run all turns; return the figures from before and after them."""
        samples: list[Footprint] = []
        due = _training_turns(turns, trainings)
        training: int | None = None
        for number in range(1, turns + 1):
            if number in due:
                training = self._train(training)
            elif number % 25 == 0 and training is None:
                self._swap_adapters()
            self._turn()
            training = self._poll_training(training)
            if training is None:
                samples.append(self._footprint())
            if number % 20 == 0:
                print(f"soak: {number} turns, {_brief(samples)}", file=sys.stderr)
        if training is not None:
            self._await_training(training)
        return self._figures(turns, samples)

    def _figures(self, turns: int, samples: list[Footprint]) -> dict[str, Any]:
        size = max(3, round(len(samples) * _WINDOW))
        first = round(len(samples) * _WARM_UP)
        before, after = samples[first : first + size], samples[-size:]
        last = self._settled_footprint(before)
        tally = self.tally
        figures: dict[str, Any] = {
            "turns": turns,
            "tokens": tally.tokens,
            "modes": dict(sorted(tally.modes.items())),
            "stops": tally.stops,
            "slider_moves": tally.slider_moves,
            "regenerated": tally.regenerated,
            "chats_deleted": tally.deleted,
            "adapter_swaps": tally.adapter_swaps,
            "trainings": tally.trainings,
            "adapters_learnt": tally.adapters_learnt,
        }
        for name in ("memory", "stand_in"):
            old = statistics.median(getattr(each, name) for each in before)
            new = statistics.median(getattr(each, name) for each in after)
            figures[f"{name}_mb_before"] = round(old, 1)
            figures[f"{name}_mb_after"] = round(new, 1)
            figures[f"{name}_growth"] = round(new / old - 1, 4)
        for name in ("handles", "sockets", "children"):
            figures[f"{name}_before"] = max(getattr(each, name) for each in before)
            figures[f"{name}_after"] = getattr(last, name)
        known = Counter({name: max(e.threads[name] for e in before) for name in _names(before)})
        figures["threads_before"] = sum(known.values())
        figures["threads_after"] = sum(last.threads.values())
        figures["threads_new"] = sorted((last.threads - known).elements())
        figures["turns_held"] = len(self._assistant._turns) + len(self._assistant._writer._turns)
        return figures

    def _settled_footprint(self, before: list[Footprint]) -> Footprint:
        """Take the last footprint; what is just ending is given a moment."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            seen = self._footprint()
            calm = seen.handles <= max(each.handles for each in before)
            if calm or time.monotonic() > deadline:
                return seen
            time.sleep(0.2)

    # One turn

    def _turn(self) -> None:
        dice = self._dice
        mode: Mode = dice.choices(("fused", "local", "cloud"), (6, 3, 1))[0]
        options = TurnOptions(
            mode,
            dice.choice((0.0, 0.2, 0.5, 0.8, 1.0)),
            Sampling(
                temperature=dice.choice((0.0, 0.7)),
                max_tokens=dice.randint(4, 24),
                seed=dice.randrange(99),
            ),
        )
        self.tally.modes[mode] += 1
        self._follow(
            self._ask(options), stop_after=dice.randint(1, 8) if dice.random() < 0.2 else None
        )

    def _ask(self, options: TurnOptions) -> Turn:
        assistant, dice = self._assistant, self._dice
        if self._turns_left and dice.random() < 0.1:
            last = assistant.store.open_conversation(self._chats[-1])[-1]
            self.tally.regenerated += 1
            return assistant.regenerate(last.id, options)
        question = dice.choice(_QUESTIONS)
        if not self._turns_left:
            self._turns_left = _TURNS_OF_A_CHAT
            turn = assistant.ask(None, question, options)
            self._chats.append(turn.conversation_id)
            self._delete_oldest()
            return turn
        self._turns_left -= 1
        return assistant.ask(self._chats[-1], question, options)

    def _follow(self, turn: Turn, stop_after: int | None) -> None:
        """Read its events as a page does, and move the slider or stop on the way."""
        cursor = tokens = 0
        status = "streaming"
        while True:
            ended = not turn.running
            events = turn.events(cursor, seconds=0.5)
            cursor += len(events)
            for event in events:
                if isinstance(event, TokenEvent):
                    tokens += 1
                    if tokens % 4 == 0:
                        turn.set_weight(self._dice.random())
                        self.tally.slider_moves += 1
                elif isinstance(event, EndEvent):
                    status = event.status
            if stop_after is not None and tokens >= stop_after and turn.writing:
                turn.stop()
                self.tally.stops += 1
                stop_after = None
            if ended:
                break
        self.tally.tokens += tokens
        self.tally.shown[turn.message_id] = turn.conversation_id, turn.view().text, status

    def _delete_oldest(self) -> None:
        """Delete the oldest chats, because a person tidies up now and then."""
        if len(self._chats) > _KEPT_CHATS:
            doomed = self._chats.pop(0)
            # All answers of it, also those beside the branch in view.
            shown = self.tally.shown
            self.tally.shown = {each: shown[each] for each in shown if shown[each][0] != doomed}
            self._assistant.store.delete_conversation(doomed)
            self.tally.deleted += 1

    # Adapters and trainings

    def _swap_adapters(self) -> None:
        adapters = self._assistant.adapters
        for each in adapters.all():
            on = self._dice.random() < 0.5
            adapters.set_in_use(each.id, on, self._sha256)
            if on:
                adapters.set_scale(each.id, self._dice.choice((0.5, 1.0)))
        self.tally.adapter_swaps += 1

    def _add_random_adapter(self, folder: Path) -> LearntAdapter:
        """Something to swap from the first turn on."""
        source = folder / "random"
        (source / "adapter").mkdir(parents=True)
        write_random_adapter(self._assistant.model, source / "adapter.gguf", 4)
        new = NewAdapter("random", "personal", source, self._sha256, 4, scale=0.5)
        return self._assistant.adapters.add(new)

    def _put_examples(self) -> None:
        """Chats to learn from."""
        store = self._assistant.store
        self._examples: list[int] = []
        for line in self._lines:
            chat, parent = store.create_conversation().id, None
            self._examples.append(chat)
            for message in line["messages"]:
                role: Role = message["role"]
                parent = store.add_message(chat, parent, role, message["content"]).id

    def _train(self, running: int | None) -> int:
        """Start a short run while the turns go on."""
        if running is not None:
            self._await_training(running)
        data = build_dataset(
            self._assistant.store,
            Selection(conversations=tuple(self._examples), with_private=True),
            lambda _conversation: True,
        )
        plan = TrainPlan(
            rank=4,
            alpha=8.0,
            modules=("q_proj", "v_proj"),
            layers=4,
            batch_tokens=256,
            sequence_length=128,
            checkpointing=False,
            precision="float32",
            epochs=1,
            learning_rate=1e-3,
            threads=1,
            rows_tokens=0,
            seconds=0.0,
            peak_mb=0.0,
            reason="a short one for the soak",
        )
        self.tally.trainings += 1
        return self._runs.start(data, self._base, plan, memory_limit_mb=6000.0).id

    def _poll_training(self, run_id: int | None) -> int | None:
        if run_id is None:
            return None
        run = self._runs.get(run_id)
        if run.active:
            return run_id
        if run.status != "complete":
            raise TrainingError(f"A training of the soak ended as {run.status}: {run.sentence}")
        if run.folder.rows.exists():
            return run_id  # answers before and after are still compared
        self.tally.adapters_learnt += 1
        return None

    def _await_training(self, run_id: int) -> None:
        _until(lambda: self._poll_training(run_id) is None)

    # What is held

    def _footprint(self) -> Footprint:
        gc.collect()
        process = self._process
        children = process.children(recursive=True)
        return Footprint(
            memory=_memory(process),
            stand_in=sum(_memory(child) for child in children),
            threads=_threads(),
            handles=process.num_fds(),
            sockets=len(process.net_connections("inet")),
            children=len(children),
        )


def _check_database(path: Path, tally: Tally) -> dict[str, Any]:
    """Check that the file is sound, and that all that was shown is in it."""
    with Store(path) as store:
        with store.reading() as db:
            integrity = db.execute("PRAGMA integrity_check").fetchone()[0]
            (streaming,) = db.execute(
                "SELECT count(*) FROM messages WHERE status = 'streaming'"
            ).fetchone()
        lost = 0
        for message_id, (_, text, status) in tally.shown.items():
            message = store.message(message_id)
            written = b"".join(step.text_bytes for step in store.token_steps(message_id))
            whole = written.decode("utf-8", "ignore").startswith(message.content.rstrip("\ufffd"))
            lost += (message.content, message.status) != (text, status) or not whole
    return {
        "integrity": integrity,
        "streaming_left": streaming,
        "answers_checked": len(tally.shown),
        "answers_lost": lost,
        "file_mb": round(path.stat().st_size / 1e6, 1),
    }


def _verdict(figures: dict[str, Any]) -> bool:
    nothing_left = (
        not figures["threads_new"]
        and not figures["threads_after_close"]
        and figures["turns_held"] == 0
        and all(
            figures[f"{name}_after"] <= figures[f"{name}_before"] + pooled
            for name, pooled in _POOLED.items()
        )
    )
    sound = figures["integrity"] == "ok" and not figures["streaming_left"]
    small = max(figures["memory_growth"], figures["stand_in_growth"]) <= _MOST_GROWTH
    return nothing_left and sound and small and not figures["answers_lost"]


def _threads() -> Counter[str]:
    """Threads by what they are for: numbers of a pool's workers and of Python's own apart."""
    names = (thread.name for thread in threading.enumerate())
    return Counter(name.rstrip("0123456789").rstrip("_-") for name in names)


def _brief(samples: list[Footprint]) -> str:
    if not samples:
        return "nothing seen at rest yet"
    last = samples[-1]
    return (
        f"{last.memory:.0f} MB, stand-in {last.stand_in:.0f} MB, {last.handles} handles, "
        f"{sum(last.threads.values())} threads"
    )


def _names(footprints: list[Footprint]) -> set[str]:
    return {name for each in footprints for name in each.threads}


def _training_turns(turns: int, trainings: int) -> set[int]:
    """Return the turns with which a training begins.

    The first one is part of the warm-up, as it is with it that the first adapter is learnt, and
    the tables that place a prompt beside it are read.
    """
    last = 0.6
    step = (last - _WARM_UP / 2) / max(1, trainings - 1)
    return {max(1, round(turns * (_WARM_UP / 2 + place * step))) for place in range(trainings)}


def _memory(process: psutil.Process) -> float:
    """Return the memory that is the process's own: that of the model's file, mapped, is not.

    Whether another process has mapped the same file must not change the figure.
    """
    try:
        if psutil.LINUX:
            info = process.memory_info()
            return float(info.rss - info.shared) / 1e6
        return float(process.memory_full_info().uss) / 1e6
    except psutil.Error:
        return 0.0


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TrainingError("A training of the soak did not end.")
        time.sleep(0.2)
