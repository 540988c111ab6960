"""One answer while it is made: a log of numbered events that any number of readers follow.

The decoder's thread adds tokens, notices and figures and never waits. `AnswerWriter` takes them
to the database in another thread. What readers see of a turn is what has been committed; only
while that fails, or takes longer than `PATIENCE_SECONDS`, are they shown what is not kept yet, and
a sentence that says so. Knows neither models nor the cloud nor the database.
"""

import codecs
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from floe.fusion.decoder import Controls
from floe.fusion.follower import DEFAULT_MAX_REQUESTS
from floe.memory.passages import MemoryPassage
from floe.records import AnswerStats, Mode, Route, Sampling, Status, TokenStep

PATIENCE_SECONDS: Final = 0.5
"""A commit that takes longer holds nothing back any more: what waits is shown as not kept yet."""

SLOW: Final = "the disk is slow to answer. Floe keeps trying."
"""Why tokens are not kept while a commit has not come back yet."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """The page's choices for a turn.

    Attributes:
        mode: who may answer.
        weight: local weight in [0, 1].
        sampling: how tokens are picked.
        deadline: longest wait for the cloud, seconds per token; None: as the settings say.
        tolerance: see `Controls`.
        max_requests: budget of cloud requests for this answer.
        daily_requests: budget for all answers of a day (UTC); None: no such limit.
        auto: `weight` is the automatic one, and follows the kind of question.
        column: heading of an answer that is asked for beside others; empty: it stands alone.
        strict: who may not answer as `mode` says leaves the answer empty, with the reason; nobody
            else answers instead. What this device answers so is not kept from the cloud later,
            because another of these answers asks the cloud the same.
        adapter: the one adapter that acts; 0: none does; None: those in use, as they are routed.
    """

    mode: Mode = "fused"
    weight: float = 0.5
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    tolerance: float = 0.0
    max_requests: int = DEFAULT_MAX_REQUESTS
    daily_requests: int | None = None
    auto: bool = False
    column: str = ""
    strict: bool = False
    adapter: int | None = None


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """The place where the turn may be answered, and the reason: always the first event."""

    number: int
    route: Route


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """The next token."""

    number: int
    step: TokenStep


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The text that the tokens since the last such event add; never half a character."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class NoticeEvent:
    """A sentence to show with the answer."""

    number: int
    sentence: str


@dataclass(frozen=True, slots=True)
class FiguresEvent:
    """The figures as they now are."""

    number: int
    stats: AnswerStats


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """The part that is in the database.

    It comes before the tokens that it counts. `tokens` and `characters` of the text are kept;
    `trouble`: why the rest is not, and what to do; empty while nothing stands in the way.
    """

    number: int
    tokens: int
    characters: int
    trouble: str


@dataclass(frozen=True, slots=True)
class EndEvent:
    """No more tokens come. Notices and `KeptEvent`s may, until the turn has ended."""

    number: int
    status: Status


TurnEvent: TypeAlias = (
    RouteEvent | TokenEvent | TextEvent | NoticeEvent | FiguresEvent | KeptEvent | EndEvent
)
"""Numbers count from 1 without a gap, so that a reader notices what is missing or came twice."""


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as its readers see it.

    `notices` end with the sentence that says what is not kept yet; `unkept` is that sentence
    alone, empty if all that is shown is kept.
    """

    message_id: int
    text: str
    steps: tuple[TokenStep, ...]
    stats: AnswerStats
    notices: tuple[str, ...]
    status: Status
    route: Route
    unkept: str = ""


@dataclass(frozen=True, slots=True)
class UnsavedPart:
    """The part of a turn that is not in the database yet.

    Attributes:
        message_id: the answer.
        conversation_id: where it stands.
        at: position of the first of `steps` in the answer.
        steps: tokens to add.
        content: the whole text, these tokens included.
        stats: the figures so far.
        notices: all of them.
        status: "streaming", or how the answer ended.
    """

    message_id: int
    conversation_id: int
    at: int
    steps: tuple[TokenStep, ...]
    content: str
    stats: AnswerStats
    notices: tuple[str, ...]
    status: Status

    @property
    def tokens(self) -> int:
        """Tokens of the answer once this is kept."""
        return self.at + len(self.steps)


class TurnReader:
    """Puts a turn together from its events, in whatever order and however often they come."""

    def __init__(self, message_id: int) -> None:
        self.cursor = 0
        """Number of the last event up to which none is missing: where to go on."""
        self._message_id = message_id
        self._early: dict[int, TurnEvent] = {}
        self._text: list[str] = []
        self._steps: list[TokenStep] = []
        self._stats = AnswerStats()
        self._notices: list[str] = []
        self._status: Status = "streaming"
        self._route = Route("local", "")
        self._kept = KeptEvent(0, 0, 0, "")

    def receive(self, events: Iterable[TurnEvent]) -> None:
        """Take in what is new; what comes too early waits for what is missing before it."""
        for event in events:
            if event.number > self.cursor:
                self._early[event.number] = event
        while (following := self._early.pop(self.cursor + 1, None)) is not None:
            self.cursor = following.number
            self._apply(following)

    def view(self) -> TurnView:
        """Return the turn up to `cursor`."""
        text = "".join(self._text)
        unkept = _unkept(text[self._kept.characters :], self._kept.trouble)
        return TurnView(
            self._message_id,
            text,
            tuple(self._steps),
            self._stats,
            (*self._notices, *([unkept] if unkept else [])),
            self._status,
            self._route,
            unkept,
        )

    def _apply(self, event: TurnEvent) -> None:
        match event:
            case TokenEvent():
                self._steps.append(event.step)
            case TextEvent():
                self._text.append(event.text)
            case NoticeEvent():
                self._notices.append(event.sentence)
            case FiguresEvent():
                self._stats = event.stats
            case KeptEvent():
                self._kept = event
            case RouteEvent():
                self._route = event.route
            case EndEvent():
                self._status = event.status


class Turn:
    """One answer while it is made. The decoder's thread writes, any thread reads or steers."""

    def __init__(
        self,
        conversation_id: int,
        message_id: int,
        route: Route,
        controls: Controls,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin; `changed` is called, by any thread, when there is something to keep."""
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.controls = controls
        self.memory: tuple[MemoryPassage, ...] = ()
        """Earlier words of the person that the local model reads for it."""
        self.instead = ""
        """What the program answers in the model's place; empty: the model answers."""
        self._changed = changed
        self._lock = threading.Condition()
        self._done = threading.Event()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._began = time.perf_counter()
        self._earlier_ms = 0.0
        self.resumed = 0
        """Tokens that an earlier answer had, with which this one begins."""
        self._steps: list[TokenStep] = []
        self._pieces: list[str] = []
        self._notices: list[str] = []
        self._stats = AnswerStats()
        self._status: Status = "streaming"
        # What is committed, and why the rest is not.
        self._kept = UnsavedPart(
            message_id, conversation_id, 0, (), "", self._stats, (), "streaming"
        )
        self._trouble = ""
        self._waiting_since: float | None = None
        # What readers have been given.
        self._shown_tokens = 0
        self._shown_notices = 0
        self._shown_stats = self._stats
        self._ended = False
        self._events: list[TurnEvent] = [RouteEvent(1, route)]
        self._reader = TurnReader(message_id)

    # For those who read and steer

    def set_weight(self, weight: float) -> None:
        """Set the local weight in [0, 1] for all tokens from the next one on."""
        self.controls.weight = weight

    def stop(self) -> None:
        """End after the token in hand; what is there stays."""
        self.controls.stopped = True

    @property
    def writing(self) -> bool:
        """True while tokens may still come."""
        return self._status == "streaming"

    @property
    def running(self) -> bool:
        """True while events may still come: until the answer has ended and all of it is kept."""
        return not self._done.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until no more events come, at most `seconds`; whether that is so."""
        if self._done.wait(seconds):
            return True
        self._show_overdue()
        return False

    def events(self, after: int = 0, seconds: float = 0.0) -> list[TurnEvent]:
        """Return what happened after event number `after`, in order; any number of readers may ask.

        Args:
            after: number of the last event that the reader has; 0: none.
            seconds: how long to wait for the first new one.
        """
        self._show_overdue()
        with self._lock:
            if seconds > 0:
                self._lock.wait_for(
                    lambda: len(self._events) > after or self._done.is_set(), seconds
                )
            return self._events[after:]

    def view(self) -> TurnView:
        """Put all events so far together."""
        self._show_overdue()
        with self._lock:
            self._reader.receive(self._events[self._reader.cursor :])
            return self._reader.view()

    # For the decoder's thread

    @property
    def text(self) -> str:
        """All that has been written, whether it has been shown or not."""
        with self._lock:
            return "".join(self._pieces)

    @property
    def stats(self) -> AnswerStats:
        """The figures of all that has been written."""
        with self._lock:
            return self._stats

    def resume(self, steps: Sequence[TokenStep], stats: AnswerStats) -> None:
        """Begin with the tokens of an earlier answer, before any of its own.

        Its time is counted on; its requests are not, because they stand in its own figures.
        """
        with self._lock:
            self._pieces += [self._utf8.decode(step.text_bytes) for step in steps]
            self._steps += steps
            self.resumed = len(steps)
            self._began -= stats.seconds
            self._earlier_ms = 1000 * stats.seconds
            self._stats = replace(
                self._stats,
                tokens=len(steps),
                seconds=stats.seconds,
                first_token_ms=stats.first_token_ms,
                cloud_tokens=sum(step.source in ("fused", "cloud") for step in steps),
            )
            self._announce()
        self._changed()

    def add(self, step: TokenStep) -> None:
        """Add one more token."""
        if self._earlier_ms:
            step = replace(step, at_ms=self._earlier_ms + step.at_ms)
        with self._lock:
            self._pieces.append(self._utf8.decode(step.text_bytes))
            self._steps.append(step)
            first = self._stats.first_token_ms
            self._stats = replace(
                self._stats,
                tokens=self._stats.tokens + 1,
                seconds=self._elapsed(),
                first_token_ms=step.at_ms if first is None else first,
                cloud_tokens=self._stats.cloud_tokens + (step.source in ("fused", "cloud")),
            )
            self._announce()
        self._changed()

    def count(self, **figures: Any) -> None:
        """Set figures of the `AnswerStats` by name; they are shown with the next token."""
        with self._lock:
            self._stats = replace(self._stats, **figures)

    def stop_clock(self) -> None:
        """Stop the clock: the last token has been written."""
        self.count(seconds=self._elapsed())

    def notice(self, sentence: str) -> None:
        """Tell the person something, once."""
        with self._lock:
            if sentence in self._notices:
                return
            self._notices.append(sentence)
            self._announce()
        self._changed()

    def finish(self, status: Status) -> None:
        """Accept no further tokens; `running` ends once all are kept."""
        with self._lock:
            self._status = status
            self._announce()
        self._changed()

    # For the writer

    def unsaved_part(self) -> UnsavedPart | None:
        """Return what is not kept yet; None if there is nothing."""
        with self._lock:
            part = self._part_since(self._kept.tokens)
            same = not part.steps and part.notices == self._kept.notices
            return None if same and part.status == self._kept.status else part

    def mark_saved(self, part: UnsavedPart) -> None:
        """Show a part that has been committed."""
        with self._lock:
            self._kept = part
            left = len(self._steps) > part.tokens or self._status != part.status
            self._waiting_since = time.monotonic() if left else None
            self._set_trouble("")
            self._show(part)
            if part.status != "streaming":
                self._done.set()
            self._lock.notify_all()

    def report_trouble(self, trouble: str) -> None:
        """Show all from now on, with a sentence that says that it could not be committed."""
        with self._lock:
            if trouble != self._trouble:
                self._set_trouble(trouble)
            self._show(self._part_since(0))
            self._lock.notify_all()

    def discard(self) -> None:
        """Keep nothing of it any more, because its conversation has been deleted."""
        self.controls.stopped = True
        with self._lock:
            if self._status == "streaming":
                self._status = "stopped"
            self._show(self._part_since(0))
            self._done.set()
            self._lock.notify_all()

    def end(self) -> None:
        """Emit no further events: the program ends, and nothing would keep them."""
        self._done.set()
        with self._lock:
            self._lock.notify_all()

    # Under the lock

    def _announce(self) -> None:
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        if self._trouble:
            self._show(self._part_since(0))
            self._lock.notify_all()

    def _show_overdue(self) -> None:
        """Show what waits for a commit that does not come back; called by readers."""
        with self._lock:
            since = self._waiting_since
            if self._trouble or since is None or self._done.is_set():
                return
            if time.monotonic() - since > PATIENCE_SECONDS:
                self._set_trouble(SLOW)
                self._show(self._part_since(0))
                self._lock.notify_all()

    def _part_since(self, at: int) -> UnsavedPart:
        """Return all that has been written, with the tokens from position `at` on."""
        return UnsavedPart(
            self.message_id,
            self.conversation_id,
            at,
            tuple(self._steps[at:]),
            "".join(self._pieces),
            self._stats,
            tuple(self._notices),
            self._status,
        )

    def _set_trouble(self, trouble: str) -> None:
        self._trouble = trouble
        kept = self._kept
        self._events.append(KeptEvent(self._next, kept.tokens, len(kept.content), trouble))

    def _show(self, part: UnsavedPart) -> None:
        """Tell readers all up to this part's end that they have not been told."""
        new = slice(self._shown_tokens, part.tokens)
        text = "".join(self._pieces[new])
        for step in self._steps[new]:
            self._events.append(TokenEvent(self._next, step))
        if text:
            self._events.append(TextEvent(self._next, text))
        for sentence in part.notices[self._shown_notices :]:
            self._events.append(NoticeEvent(self._next, sentence))
        if part.tokens >= self._shown_tokens and part.stats != self._shown_stats:
            self._events.append(FiguresEvent(self._next, part.stats))
            self._shown_stats = part.stats
        self._shown_tokens = max(self._shown_tokens, part.tokens)
        self._shown_notices = max(self._shown_notices, len(part.notices))
        if part.status != "streaming" and not self._ended:
            self._ended = True
            self._events.append(EndEvent(self._next, part.status))

    @property
    def _next(self) -> int:
        return len(self._events) + 1

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began


class UnstoredTurn(Turn):
    """An answer that is kept by nobody but its readers, who get each token at once."""

    def __init__(
        self,
        number: int,
        route: Route,
        controls: Controls,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin it.

        Args:
            number: below 0, and no other turn's; it stands for conversation and message.
            route: where it may be answered.
            controls: the hand on the run.
            heard: is called, by the decoder's thread, when there are new events.
        """
        super().__init__(number, number, route, controls, self._show_all)
        self._heard = heard

    def _show_all(self) -> None:
        part = self.unsaved_part()
        if part is not None:
            self.mark_saved(part)
        self._heard()


def _unkept(text: str, trouble: str) -> str:
    """Say in a sentence that the end of an answer is not in the database; empty without trouble."""
    if not trouble:
        return ""
    words = len(text.split())
    if words == 0:
        return f"The end of this answer is not saved yet: {trouble}"
    last = "The last word is" if words == 1 else f"The last {words} words are"
    return f"{last} not saved yet: {trouble}"
