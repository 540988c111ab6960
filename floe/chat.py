"""One turn: decide the route, decode, record. Knows neither gradio nor torch.

A turn runs in one worker thread, the only one that touches llama.cpp, and goes on when nobody
looks: a page that was reloaded finds it again by its conversation.
"""

import codecs
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from floe.cloud.link import CloudLink, CloudRequests
from floe.config import Settings
from floe.edge.prompt import Prompt, PromptBuilder
from floe.edge.runtime import LlamaModel
from floe.errors import FloeError, PromptError, StoreError
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.follower import DEFAULT_MAX_REQUESTS, FollowPolicy
from floe.fusion.relay import Relay
from floe.records import (
    AnswerStats,
    ChatMessage,
    Message,
    Mode,
    Route,
    Sampling,
    Status,
    TokenStep,
)
from floe.store import Store

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.5
"""Longest time that shown tokens are not yet in the database."""
_DAY_SECONDS: Final = 86_400
CLOUD_PATIENCE: Final = 10.0
"""Seconds without a token after which an answer of the cloud alone goes on here."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What the page chose for a turn.

    Attributes:
        mode: who may answer.
        weight: local weight in [0, 1].
        sampling: how tokens are picked.
        deadline: longest wait for the cloud, seconds per token; None: as the settings say.
        tolerance: see `Controls`.
        max_requests: budget of cloud requests for this answer.
        daily_requests: budget for all answers of a day (UTC); None: no such limit.
    """

    mode: Mode = "fused"
    weight: float = 0.5
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    tolerance: float = 0.0
    max_requests: int = DEFAULT_MAX_REQUESTS
    daily_requests: int | None = None


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as it stands: what the page draws, 10 to 15 times a second."""

    message_id: int
    text: str
    steps: tuple[TokenStep, ...]
    stats: AnswerStats
    notices: tuple[str, ...]
    status: Status
    route: Route


class Turn:
    """One answer while it is made. The worker writes, any thread reads or steers."""

    def __init__(
        self, conversation_id: int, message_id: int, route: Route, controls: Controls
    ) -> None:
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.controls = controls
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._began = time.perf_counter()
        self._text = ""
        self._steps: list[TokenStep] = []
        self._stats = AnswerStats()
        self._notices: list[str] = []
        self._status: Status = "streaming"
        self._route = route

    def set_weight(self, weight: float) -> None:
        """Local weight in [0, 1] for all tokens from the next one on."""
        self.controls.weight = weight

    def stop(self) -> None:
        """End after the token in hand; what is there stays."""
        self.controls.stopped = True

    @property
    def running(self) -> bool:
        """Whether tokens may still come."""
        return not self._done.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until the turn has ended, at most `seconds`; whether it has."""
        return self._done.wait(seconds)

    def view(self) -> TurnView:
        """Everything known now, consistent in itself."""
        with self._lock:
            return TurnView(
                self.message_id,
                self._text,
                tuple(self._steps),
                self._stats,
                tuple(self._notices),
                self._status,
                self._route,
            )

    def _add(self, step: TokenStep) -> None:
        text = self._utf8.decode(step.text_bytes)
        with self._lock:
            self._text += text
            self._steps.append(step)
            self._stats = replace(
                self._stats,
                tokens=self._stats.tokens + 1,
                seconds=self._elapsed(),
                first_token_ms=(
                    step.at_ms if self._stats.first_token_ms is None else self._stats.first_token_ms
                ),
                cloud_tokens=self._stats.cloud_tokens + (step.source in ("fused", "cloud")),
            )

    def _count(self, **figures: int) -> None:
        with self._lock:
            self._stats = replace(self._stats, **figures)

    def _notice(self, sentence: str) -> None:
        with self._lock:
            if sentence not in self._notices:
                self._notices.append(sentence)

    def _finish(self, status: Status) -> None:
        with self._lock:
            self._status = status
            self._stats = replace(self._stats, seconds=self._elapsed())

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began


class Assistant:
    """The program behind the page: one local model, one cloud, one store.

    Attributes:
        store: all that is kept.
        cloud: what is known of the cloud, and the way to it.
        model: the small model on this device.
    """

    def __init__(
        self, settings: Settings, store: Store, model: LlamaModel, cloud: CloudLink
    ) -> None:
        self.store = store
        self.model = model
        self.cloud = cloud
        self._settings = settings
        self._prompts = PromptBuilder(model)
        # Found out now, not while the first answer is waited for.
        logger.info("batches of up to %d tokens are exact", model.exact_batch)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._turns: dict[int, Turn] = {}

    def close(self) -> None:
        """Stop what runs, keep what is there, free the model."""
        for turn in self._turns.values():
            turn.stop()
        self._worker.shutdown()
        self.cloud.close()
        self.model.close()
        self.store.close()

    def running(self, conversation_id: int) -> Turn | None:
        """The turn that is being answered in this conversation, for a page that comes back."""
        turn = self._turns.get(conversation_id)
        return turn if turn is not None and turn.running else None

    def ask(self, conversation_id: int | None, text: str, options: TurnOptions) -> Turn:
        """Add the user's message to the end of a conversation (None: a new one) and answer it.

        Raises:
            PromptError: the message is empty, or an answer is still being written here.
        """
        self._check(text, conversation_id)
        if conversation_id is None:
            conversation_id = self.store.create_conversation().id
        leaf = self.store.conversation(conversation_id).leaf_id
        question = self.store.add_message(conversation_id, leaf, "user", text.strip())
        return self._start(question, options)

    def edit(self, message_id: int, text: str, options: TurnOptions) -> Turn:
        """Ask again in other words: a sibling of the user's message, answered; both stay.

        Raises:
            PromptError: as `ask`.
        """
        old = self.store.message(message_id)
        self._check(text, old.conversation_id)
        question = self.store.add_message(old.conversation_id, old.parent_id, "user", text.strip())
        return self._start(question, options)

    def regenerate(self, message_id: int, options: TurnOptions) -> Turn:
        """Answer the same question again: a sibling of the given answer; both stay.

        Raises:
            PromptError: an answer is still being written here.
        """
        answer = self.store.message(message_id)
        if answer.parent_id is None:
            raise PromptError("There is no question before this message to answer again.")
        question = self.store.message(answer.parent_id)
        self._check(question.content, question.conversation_id)
        return self._start(question, options)

    def _check(self, text: str, conversation_id: int | None) -> None:
        if not text.strip():
            raise PromptError("There is nothing to answer yet: type a question first.")
        if conversation_id is not None and self.running(conversation_id):
            raise PromptError("An answer is still being written here. Stop it, or wait for it.")
        # Refused here, before anything is stored: the text stays in the box, to be shortened.
        self._prompts.build(
            [ChatMessage("system", self._settings.system_prompt), ChatMessage("user", text.strip())]
        )

    def _route(self, options: TurnOptions) -> Route:
        mode = options.mode
        if mode == "local":
            return Route("local", "you chose this device only")
        state = self.cloud.state
        if not state.usable:
            # For the next turn: an endpoint that was down, a stand-in that has died.
            self.cloud.connect()
            return Route("local", state.sentence)
        if self._left_today(options) <= 0:
            return Route(
                "local",
                f"The budget of {options.daily_requests} cloud requests a day is used up; this "
                "device answers alone until midnight (UTC).",
            )
        if mode == "cloud":
            return Route("cloud", "you chose the cloud only")
        return Route("fused", "nothing speaks against the cloud")

    def _left_today(self, options: TurnOptions) -> int:
        """Cloud requests that this turn may make."""
        if options.daily_requests is None:
            return options.max_requests
        midnight = time.time() // _DAY_SECONDS * _DAY_SECONDS
        spent = self.store.cloud_requests_since(midnight)
        return min(options.max_requests, options.daily_requests - spent)

    def _start(self, question: Message, options: TurnOptions) -> Turn:
        route = self._route(options)
        answer = self.store.add_message(
            question.conversation_id,
            question.id,
            "assistant",
            "",
            status="streaming",
            route=route,
        )
        deadline = options.deadline
        if deadline is None:
            deadline = self._settings.deadline_ms / 1000
        controls = Controls(options.weight, deadline, options.tolerance)
        turn = Turn(answer.conversation_id, answer.id, route, controls)
        if route.kind == "local" and options.mode != "local":
            turn._notice(route.reason)
        self._turns[answer.conversation_id] = turn
        self._worker.submit(self._run, turn, question.id, options)
        return turn

    def _run(self, turn: Turn, question_id: int, options: TurnOptions) -> None:
        """Worker thread: answer, record, and never leave a turn without an end."""
        record = _Recorder(self.store, turn)
        status: Status = "failed"
        try:
            status = self._answer(turn, question_id, options, record)
        except FloeError as error:
            turn._notice(str(error))
        except Exception:
            logger.exception("answer %d failed", turn.message_id)
            turn._notice("Something went wrong inside Floe; the log has the trace.")
        finally:
            record.finish(status)
            turn._done.set()

    def _answer(
        self, turn: Turn, question_id: int, options: TurnOptions, record: "_Recorder"
    ) -> Status:
        system = ChatMessage("system", self._settings.system_prompt)
        history = [
            ChatMessage(message.role, message.content)
            for message in self.store.path_to(question_id)
        ]
        prompt = self._prompts.build([system, *history])
        turn._count(prompt_tokens=len(prompt.tokens), dropped_messages=prompt.dropped)
        if prompt.dropped:
            turn._notice(
                f"The conversation has outgrown the model's context: its oldest {prompt.dropped} "
                "messages were left out of this answer."
            )
        route = turn.view().route
        if route.kind == "cloud":
            status, text = self._cloud_alone(turn, prompt, options, record)
            if status is not None:
                return status
            prompt = self._prompts.build([system, *history], text)
            sampling = replace(
                options.sampling,
                max_tokens=options.sampling.max_tokens - turn.view().stats.tokens,
            )
            return self._decode(turn, prompt, replace(options, sampling=sampling), record, None)
        requests = (
            CloudRequests(self.cloud, prompt.kept, options.sampling)
            if route.kind == "fused"
            else None
        )
        return self._decode(turn, prompt, options, record, requests)

    def _decode(
        self,
        turn: Turn,
        prompt: Prompt,
        options: TurnOptions,
        record: "_Recorder",
        requests: CloudRequests | None,
    ) -> Status:
        """The fused answer, or the local one where there is no way to the cloud."""
        decoder = Decoder(
            self.model,
            turn.controls,
            open_stream=requests.open if requests is not None else None,
            rule=self._settings.rule,
            shared_vocabulary=self.cloud.vocabulary == self.model.vocabulary.fingerprint,
            policy=FollowPolicy(max_requests=self._left_today(options)),
            notify=turn._notice,
            alone="local" if options.mode == turn.view().route.kind == "local" else "offline",
        )
        try:
            decoder.begin()
            logits = self.model.prefill(prompt.tokens, lambda: turn.controls.stopped)
            if logits is None:
                return "stopped"
            for step in decoder.run(logits, options.sampling):
                record.add(step)
                if requests is not None:
                    turn._count(**requests.usage())
            return decoder.ending
        finally:
            decoder.close()
            if requests is not None:
                turn._count(**requests.usage())

    def _cloud_alone(
        self, turn: Turn, prompt: Prompt, options: TurnOptions, record: "_Recorder"
    ) -> tuple[Status | None, str]:
        """The cloud's own answer; (None, text so far) if it broke off and this device goes on."""
        requests = CloudRequests(
            self.cloud, prompt.kept, options.sampling, top_p=options.sampling.top_p
        )
        stream = requests.open("")
        relay = Relay(stream, turn.controls, CLOUD_PATIENCE)
        try:
            for step in relay.run(options.sampling.max_tokens):
                record.add(step)
                turn._count(**requests.usage())
        finally:
            stream.close()
            turn._count(**requests.usage())
        if relay.ending != "broken":
            return relay.ending, ""
        reason = str(stream.error) if stream.error else "The cloud fell silent."
        turn._notice(f"{reason} This device went on alone.")
        return None, turn.view().text


class _Recorder:
    """Carries the steps of one turn to the page at once and to the database twice a second."""

    def __init__(self, store: Store, turn: Turn) -> None:
        self._store = store
        self._turn = turn
        self._unsaved: list[TokenStep] = []
        self._saved_at = time.monotonic()

    def add(self, step: TokenStep) -> None:
        self._turn._add(step)
        self._unsaved.append(step)
        if time.monotonic() - self._saved_at >= FLUSH_SECONDS:
            self._flush()

    def finish(self, status: Status) -> None:
        """Save the rest. The page is told even if the disk is full."""
        self._turn._finish(status)
        self._flush()
        view = self._turn.view()
        try:
            self._store.finish_answer(
                view.message_id,
                content=view.text,
                status=status,
                stats=view.stats,
                notices=view.notices,
            )
        except StoreError as error:
            self._turn._notice(str(error))

    def _flush(self) -> None:
        self._saved_at = time.monotonic()
        if not self._unsaved:
            return
        try:
            self._store.append_tokens(self._turn.message_id, self._unsaved, self._turn.view().text)
        except StoreError as error:
            # Kept for the next try: a disk can become free again before the answer ends.
            self._turn._notice(str(error))
        else:
            self._unsaved.clear()
