"""One turn: decide the route, decode. Knows neither gradio nor torch.

A turn runs in one worker thread, the only one that touches llama.cpp, and goes on when nobody
looks: a page that was reloaded finds it again by its conversation. Questions are answered in the
order in which they came, whoever asks: the page, the command line, a program.
"""

import codecs
import hashlib
import itertools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from floe.adapters.active_adapters import ActiveAdapters
from floe.adapters.registry import Adapters
from floe.chat import rescue
from floe.chat.answer_writer import AnswerWriter
from floe.chat.turn import Turn, TurnOptions, UnstoredTurn
from floe.cloud.answer import CloudRequests
from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.config import Settings
from floe.errors import FloeError, PromptError, StoreError
from floe.fusion.cloud_only import CloudOnlyDecoder
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.drafting import DraftAcceptance
from floe.fusion.follower import FollowPolicy
from floe.fusion.scoring.kind_weights import KIND_WORDS
from floe.fusion.scoring.scores import Scores
from floe.fusion.scoring.teacher_forcing import RowAfter
from floe.fusion.stop_strings import StopStrings
from floe.llama.prompt import Prompt, PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.memory.memory import Memory
from floe.memory.passages import MemoryPassage
from floe.memory.prompt_text import fitting_passages, question_with_memory
from floe.models.sampling_defaults import sampling_defaults
from floe.privacy import choices
from floe.privacy.detector import Detector
from floe.privacy.gate import CHOSEN, KEPT, Gate, Passage
from floe.privacy.guard import MEMORY, Guard
from floe.privacy.kept_words import KeptWords
from floe.privacy.sent import SentLog
from floe.records import (
    UNFINISHED,
    AnswerStats,
    ChatMessage,
    Message,
    PromptKind,
    Route,
    Status,
    TokenStep,
)
from floe.store import Store
from floe.training.data.learning_choices import LearningChoices
from floe.training.fusion_weight import (
    add_request,
    kept_kind_weights,
    midnight,
    requests_since,
)

logger = logging.getLogger(__name__)

_SWITCHED: Final = "You have made this conversation local only; no more of it is sent."
_KEEPING_SECONDS: Final = 1.0
"""A question waits so long for the answer before it to be kept."""
_STOPPING_SECONDS: Final = 5.0
"""An answer that is to be written anew is given so long for the token in hand."""
CLOUD_PATIENCE: Final = 10.0
"""Seconds without a token after which an answer of the cloud alone goes on here."""
_FIRST_ANSWER: Final = 2
"""Messages of a prompt that begins a chat: the system prompt and the question."""
MEMORY_WEIGHT: Final = 0.8
"""The local model counts at least so much in an answer for which it read earlier words of the
person, unless the slider is moved meanwhile or stands at 0: at 0.5 the cloud, which has not seen
them, talked 2 of 17 answers away from what they say."""
_MOST_KEPT_HERE: Final = 10_000
"""Questions of programs that are remembered as asked of this device alone."""


class Assistant:
    """The program behind the page: one local model, one cloud, one store.

    Attributes:
        store: all that is kept.
        cloud: what is known of the cloud, and the way to it.
        model: the small model on this device.
        detector: finds what is private; until it is ready, all answers stay here.
        gate: decides what may leave.
        sent: what was sent.
        adapters: what was learnt; those in use act from the next answer on.
        sampling: settings of sampling that hold until somebody chooses others, and why.
        memory: what the person wrote earlier, for the local model alone.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        model: LlamaModel,
        cloud: CloudLink,
        detector: Detector,
    ) -> None:
        self.store = store
        self.model = model
        self.cloud = cloud
        self.detector = detector
        self.gate = Gate(store, detector)
        self.sent = SentLog(store)
        self.adapters = Adapters(store, settings.data_dir)
        self.memory = Memory(store, on=settings.memory, folder=settings.memory_folder)
        self._settings = settings
        self.sampling = sampling_defaults(settings, model.metadata)
        self._active_adapters = ActiveAdapters(model, store, self.adapters)
        self._prompts = PromptBuilder(model)
        # Found out now, not while the first answer is waited for.
        logger.info(
            "batches: bit-exact to %d, size-invariant from %d",
            model.bit_exact_batch_size,
            model.batch_invariant_min_size,
        )
        self._agreements: defaultdict[EndpointChoice, DraftAcceptance] = defaultdict(
            DraftAcceptance
        )
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._turns: dict[int, Turn] = {}
        self._guards: dict[int, Guard | None] = {}
        rescue.restore_recovery_files(store)
        self._writer = AnswerWriter(store, ended=self._release_turn)
        self._released: set[int] = set()
        self._unstored = itertools.count(1)
        self._kept_here: dict[bytes, None] = {}
        self._marking = threading.Lock()
        self.detector.learn_leniency(choices.leniency(store))

    def stop(self) -> None:
        """Stop every answer that is being written."""
        for turn in list(self._turns.values()):
            turn.stop()

    def close(self) -> None:
        """Stop what runs, keep what is there, free the model."""
        self.stop()
        self._worker.shutdown()
        self._writer.close()
        self.cloud.close()
        self.model.close()
        self.store.close()

    def running(self, conversation_id: int) -> Turn | None:
        """Return the turn under way in this conversation, for a page that comes back."""
        turn = self._turns.get(conversation_id)
        return turn if turn is not None and turn.running else None

    def ahead_of(self, turn: Turn) -> int:
        """Count the answers that are written before this one gets its turn; 0: it is its turn."""
        ahead = 0
        for other in list(self._turns.values()):
            if other is turn:
                return ahead
            ahead += other.writing
        return 0

    @property
    def busy(self) -> bool:
        """True if any answer is being written."""
        return any(turn.writing for turn in list(self._turns.values()))

    def ask(self, conversation_id: int | None, text: str, options: TurnOptions) -> Turn:
        """Add the user's message to the end of a conversation (None: a new one) and answer it.

        Raises:
            PromptError: the message is empty, or an answer is still being written here.
            StoreError: the question cannot be kept; nothing has been asked.
        """
        self._check(text, conversation_id)
        return self._start(self._add_question(conversation_id, text.strip()), options)

    def _add_question(self, conversation_id: int | None, text: str) -> Message:
        """Keep the user's message at the end of a conversation."""
        if conversation_id is None:
            return self.store.add_message(None, None, "user", text)
        leaf = self.store.conversation(conversation_id).leaf_id
        if leaf is not None:
            last = self.store.message(leaf)
            if last.role == "user" and last.content == text:
                # This question is asked again: the disk kept it and then refused its answer.
                return last
        return self.store.add_message(conversation_id, leaf, "user", text)

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

        A question that has no answer, because Floe ended before there was one, is answered.

        Raises:
            PromptError: an answer is still being written here.
        """
        message = self.store.message(message_id)
        question = message if message.role == "user" else self._question_of(message)
        self._check(question.content, question.conversation_id)
        return self._start(question, options)

    def continue_answer(self, message_id: int, options: TurnOptions) -> Turn:
        """Go on where an answer broke off: a sibling that begins with all of its tokens.

        What was to stay on this device when the answer began stays here now, too.

        Raises:
            PromptError: the answer is whole, or as long as the model can read, or another one is
                still being written here.
        """
        answer = self.store.message(message_id)
        if answer.role != "assistant" or answer.status not in UNFINISHED:
            raise PromptError("There is nothing to continue: this answer is whole.")
        question = self._question_of(answer)
        self._check(question.content, question.conversation_id)
        return self._start(question, options, begun=answer)

    def _question_of(self, answer: Message) -> Message:
        if answer.parent_id is None:
            raise PromptError("There is no question before this message to answer again.")
        return self.store.message(answer.parent_id)

    def respond(
        self,
        messages: Sequence[ChatMessage],
        options: TurnOptions,
        *,
        system: str | None = None,
        personal: bool = True,
        adapters: bool = True,
        memory: bool = True,
        heard: Callable[[], None] = lambda: None,
    ) -> Turn:
        """Answer a conversation that a program brings along whole; no chat is made of it.

        The gate looks at all of it as at a chat of the page. What was asked of this device alone
        is not sent later, as long as the program runs: it is known again by its words.

        Args:
            messages: user and assistant in turn, user first and last.
            options: as for `ask`.
            system: the system prompt; None: the one of the settings.
            personal: whether the local model is told what the person says of themselves.
            adapters: whether what was learnt acts.
            memory: whether the local model may read what the person wrote earlier.
            heard: is called, by the decoder's thread, when the turn has new events.

        Raises:
            PromptError: there is nothing to answer, or it does not fit the model.
        """
        if not messages or not messages[-1].content.strip():
            raise PromptError("There is nothing to answer: the last message is empty.")
        told = self._settings.system_prompt if system is None else system
        prompt = self._prompts.build([self._system_message(told, personal=personal), *messages])
        number = -next(self._unstored)
        path = self._unstored_path(number, messages, options)
        prompt, found = self._with_memory(prompt, None, options, wanted=memory and personal)
        passage = self._passage(options, path, prompt.dropped, told, found)
        turn = UnstoredTurn(number, passage.route, self._controls(options, found), heard)
        turn.memory = found
        self._begin(turn, prompt, passage, options, adapters=adapters)
        return turn

    def _unstored_path(
        self, number: int, messages: Sequence[ChatMessage], options: TurnOptions
    ) -> list[Message]:
        """Return the messages as the gate knows them, with the route of those that stayed here."""
        now = time.time()
        path = []
        for place, message in enumerate(messages, 1):
            route = None
            if message.role == "user" and self._stayed_here(message, options):
                route = Route("local", CHOSEN)
            # An answer of ours that a program brings back, with words that memory had found.
            marked = message.role == "assistant" and self.memory.is_marked(message.content)
            path.append(
                Message(
                    *(-place, number, None, message.role, message.content, now),
                    route=route,
                    private=(MEMORY,) if marked else None,
                )
            )
        return path

    def _stayed_here(self, message: ChatMessage, options: TurnOptions) -> bool:
        """Whether a program's question is, or was earlier, for this device alone."""
        mark = hashlib.sha256(message.content.encode()).digest()
        with self._marking:
            if options.mode == "local":
                self._kept_here[mark] = None
                if len(self._kept_here) > _MOST_KEPT_HERE:
                    del self._kept_here[next(iter(self._kept_here))]
            return mark in self._kept_here

    def set_local_only(self, conversation_id: int, on: bool) -> None:
        """Keep all of a conversation on this device, at once: an answer in the making, too."""
        choices.set_local_only(self.store, conversation_id, on)
        guard = self._guards.get(conversation_id)
        if on and guard is not None and self.running(conversation_id):
            guard.close(_SWITCHED)

    def set_own_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Keep what the person calls private anywhere, from now on; returns what is kept."""
        kept = choices.set_own_words(self.store, words)
        self.detector.learn_words(kept)
        return kept

    def ask_cloud_too(self, message_id: int, options: TurnOptions) -> Turn:
        """Answer a question again that stayed here only perhaps rightly: it is not private.

        Learnt on this device: names and rare words in it keep no text here any more by
        themselves, and any text must look a little more private to be kept. What is surely
        private (a number, a password) stays all the same.

        Args:
            message_id: the person's message.
            options: who may answer now.

        Raises:
            PromptError: the cloud may not be asked as things are set, or the check was sure.
        """
        question, answers = self._unsure(message_id)
        if options.mode == "local" or self._is_local_only(question):
            raise PromptError(
                "Only this device may answer as things are set. Let the cloud take part in this "
                "chat, then press again."
            )
        running = self.running(question.conversation_id)
        if running is not None and running.message_id in {answer.id for answer in answers}:
            running.stop()
            running.wait(_STOPPING_SECONDS)
        self._check(question.content, question.conversation_id)
        route = answers[0].route
        assert route is not None
        choices.add_lesson(self.store, self.detector.telling_words(question.content, route.spans))
        self.detector.learn_leniency(choices.leniency(self.store))
        self.gate.release(self.store.path_to(question.id), route)
        self._settle(answers)
        self._released.add(question.id)
        return self._start(question, options)

    def always_private(self, message_id: int) -> tuple[str, ...]:
        """Keep what made a message private here wherever it stands: the check was right.

        Learnt on this device: names and rare words become the person's own words, or else the
        phrase from the first to the last word that decided; and texts are kept a little sooner.

        Returns:
            All words that are kept here now.

        Raises:
            PromptError: the check was sure.
        """
        question, answers = self._unsure(message_id)
        route = answers[0].route
        assert route is not None
        text = question.content
        words = self.detector.telling_words(text, route.spans)
        if not words and route.spans:
            first, last = min(each[0] for each in route.spans), max(each[1] for each in route.spans)
            words = (text[first:last],)
        choices.add_confirmation(self.store)
        self.detector.learn_leniency(choices.leniency(self.store))
        kept = self.set_own_words([*choices.own_words(self.store), *words])
        self._settle(answers)
        return kept

    def forget_lessons(self) -> None:
        """Undo what unsure messages have taught; the person's own words stay."""
        choices.forget_lessons(self.store)
        self._released.clear()
        self.detector.learn_leniency(choices.leniency(self.store))

    def _unsure(self, message_id: int) -> tuple[Message, list[Message]]:
        """Return a question and those of its answers that stayed here only perhaps rightly."""
        question = self.store.message(message_id)
        answers = [
            answer
            for answer in self.store.answers_to(message_id)
            if answer.route is not None and answer.route.unsure
        ]
        if not answers:
            raise PromptError("The privacy check was sure about this message, or you answered it.")
        return question, answers

    def _settle(self, answers: Sequence[Message]) -> None:
        """Keep that the person was asked about these and has answered."""
        for answer in answers:
            if answer.route is not None:
                self.store.set_route(answer.id, replace(answer.route, unsure=False))

    def answer(self, prompt: Sequence[ChatMessage], adapters: Sequence[tuple[Path, float]]) -> str:
        """Give a short answer with exactly these adapters (GGUF, scale), between two turns.

        Raises:
            ModelError: an adapter does not fit.
            PromptError: the prompt does not fit.
        """
        tokens = self._prompts.build(prompt).tokens
        return self._worker.submit(self._active_adapters.answer, tokens, adapters).result()

    def prompt(self, path: Sequence[Message], partial: str = "") -> Prompt:
        """Build what the local model reads; PromptError if the last message does not fit.

        `partial` is the beginning of the answer, if it is to be continued.
        """
        history = [ChatMessage(message.role, message.content) for message in path]
        system = self._system_message(self._settings.system_prompt)
        return self._prompts.build([system, *history], partial)

    def score(
        self, prompt: Prompt, tokens: Sequence[int], rows: RowAfter, *, shared: bool
    ) -> Scores:
        """Score a given answer as both models read it, see `ActiveAdapters.score`, between turns.

        Raises:
            ModelError: an adapter does not fit.
            PromptError: both together do not fit.
        """
        return self._worker.submit(
            self._active_adapters.score, prompt, tokens, rows, shared=shared
        ).result()

    def _check(self, text: str, conversation_id: int | None) -> None:
        if not text.strip():
            raise PromptError("There is nothing to answer yet: type a question first.")
        running = self.running(conversation_id) if conversation_id is not None else None
        if running is not None and not running.writing:
            self._writer.retry_now()
            running.wait(_KEEPING_SECONDS)
        if running is not None and running.running:
            if running.writing:
                raise PromptError("An answer is still being written here. Stop it, or wait for it.")
            raise PromptError(f"{running.view().unkept} Your message stays here until then.")
        # Refused here, before anything is stored: the text stays in the box, to be shortened.
        system = self._system_message(self._settings.system_prompt)
        self._prompts.build([system, ChatMessage("user", text.strip())])

    def _system_message(self, told: str, *, personal: bool = True) -> ChatMessage:
        """Build the system prompt, and what the cloud is not told: who it talks to."""
        if not personal:
            return ChatMessage("system", told)
        return ChatMessage("system", choices.system_prompt(self.store, told))

    def _with_memory(
        self,
        prompt: Prompt,
        conversation_id: int | None,
        options: TurnOptions,
        *,
        wanted: bool = True,
        partial: str = "",
    ) -> tuple[Prompt, tuple[MemoryPassage, ...]]:
        """Put earlier words of the person before the question, as far as there are and they fit.

        Args:
            prompt: without them; nothing more of the conversation is left out for them.
            conversation_id: the conversation; None: a program's.
            options: a turn of the cloud alone has no use for them.
            wanted: False: none.
            partial: the beginning of the answer, if it is to be continued.
        """
        if not wanted or options.mode == "cloud":
            return prompt, ()
        kept_out = LearningChoices.load(self.store).except_chats
        found = self.memory.recall(prompt.question, conversation_id, kept_out)
        size = self.model.context_size
        fitting = fitting_passages(
            found,
            size - size // 4 - len(prompt.tokens),
            lambda text: len(self.model.tokenize(text.encode())),
        )
        if not fitting:
            return prompt, ()
        *before, last = prompt.kept
        told = ChatMessage(last.role, question_with_memory(last.content, fitting))
        tokens = self._prompts.build([*before, told], partial).tokens
        return replace(prompt, tokens=tokens), tuple(fitting)

    def _passage(
        self,
        options: TurnOptions,
        path: Sequence[Message],
        dropped: int,
        system: str,
        memory: Sequence[MemoryPassage],
    ) -> Passage:
        """Decide what this turn may do. Nothing is asked of the network before the gate's check."""
        local_only = self._is_local_only(path[-1])
        route = self.gate.closed(options.mode, local_only=local_only, path=path)
        if route is not None:
            return Passage(route)
        state = self.cloud.state
        if state.kind == "off":
            return Passage(Route("local", state.sentence))
        passage = self.gate.examine(
            options.mode,
            path[dropped:],
            system,
            policy=choices.policy(self.store),
            own_words=choices.own_words(self.store),
            kept=(choices.about_me(self.store), choices.personal_context(self.store)),
            memory=[each.text for each in memory],
            treatments=choices.treatments(self.store),
            released=path[-1].id in self._released,
        )
        if passage.route.kind == "local":
            return passage
        if not state.usable:
            # For the next turn: an endpoint that was down, a stand-in that has died.
            self.cloud.connect()
            return Passage(Route("local", state.sentence))
        if self.requests_left_today(options) <= 0:
            return Passage(
                Route(
                    "local",
                    f"The budget of {options.daily_requests} cloud requests a day is used up; "
                    "this device answers alone until midnight (UTC).",
                )
            )
        return passage

    def requests_left_today(self, options: TurnOptions) -> int:
        """Count the cloud requests that a turn may make."""
        if options.daily_requests is None:
            return options.max_requests
        day = midnight()
        spent = self.store.cloud_requests_since(day) + requests_since(self.store, day)
        return min(options.max_requests, options.daily_requests - spent)

    def _is_local_only(self, message: Message) -> bool:
        """Whether the person keeps all of its conversation here."""
        return message.stored and self.store.conversation(message.conversation_id).local_only

    def _start(
        self, question: Message, options: TurnOptions, *, begun: Message | None = None
    ) -> Turn:
        path = self.store.path_to(question.id)
        steps = _whole_characters(self.store.token_steps(begun.id)) if begun else []
        text = b"".join(step.text_bytes for step in steps).decode()
        prompt = self._prompt_of_the_rest(path, text) if text else self.prompt(path)
        prompt, found = self._with_memory(prompt, question.conversation_id, options, partial=text)
        if begun is not None and begun.route is not None and _was_kept(begun.route):
            passage = Passage(begun.route)
        elif begun is not None and MEMORY in (begun.private or ()):
            passage = Passage(Route("local", f"{KEPT}: the answer holds {MEMORY}"))
        else:
            told = self._settings.system_prompt
            passage = self._passage(options, path, prompt.dropped, told, found)
        answer = self._add_placeholder(question, passage.route)
        turn = Turn(
            answer.conversation_id,
            answer.id,
            passage.route,
            self._controls(options, found),
            self._writer.wake,
        )
        turn.memory = found
        if found:
            with suppress(StoreError):  # an answer without its chip is better than none
                self.memory.keep_uses(answer.id, found)
        if begun is not None:
            turn.resume(steps, begun.stats or AnswerStats())
        self._writer.open(turn)
        self._begin(turn, prompt, passage, options, question=question)
        return turn

    def _prompt_of_the_rest(self, path: Sequence[Message], partial: str) -> Prompt:
        """Build what the local model reads to go on after the beginning of an answer."""
        try:
            return self.prompt(path, partial)
        except PromptError:
            raise PromptError(
                "This answer is as long as the model can read at once, so it cannot be continued. "
                'Ask for the rest in a new message, such as "Go on from there".'
            ) from None

    def _controls(self, options: TurnOptions, memory: Sequence[MemoryPassage]) -> Controls:
        deadline = options.deadline
        if deadline is None:
            deadline = self._settings.deadline_ms / 1000
        weight = options.weight
        if memory and weight > 0:
            # The cloud has not seen what the local model has just read.
            weight = max(weight, MEMORY_WEIGHT)
        return Controls(weight, deadline, options.tolerance)

    def _begin(
        self,
        turn: Turn,
        prompt: Prompt,
        passage: Passage,
        options: TurnOptions,
        *,
        question: Message | None = None,
        adapters: bool = True,
    ) -> None:
        """Let the turn wait for its place in the decoder's thread."""
        if passage.route.kind == "local" and not _stays_here(options, passage.route):
            turn.notice(passage.route.reason)
        self._turns.pop(turn.conversation_id, None)  # they stand in the order of their questions
        self._turns[turn.conversation_id] = turn
        self._guards[turn.conversation_id] = passage.guard
        try:
            # The switch is read once more, because it may have been turned while the gate checked.
            if passage.guard is not None and question is not None and self._is_local_only(question):
                passage.guard.close(_SWITCHED)
            self._worker.submit(self._run, turn, prompt, passage, options, adapters=adapters)
        except BaseException:
            turn.finish("failed")
            self._forget_unstored(turn)
            raise

    def _add_placeholder(self, question: Message, route: Route) -> Message:
        """Add the answer's database row, before its first token."""
        try:
            return self.store.add_message(
                question.conversation_id,
                question.id,
                "assistant",
                "",
                status="streaming",
                route=route,
            )
        except StoreError:
            if question.parent_id is None and len(question.siblings) == 1:
                # The question stays in the box: a chat of nothing but it would be a second copy.
                with suppress(StoreError):
                    self.store.delete_conversation(question.conversation_id)
            raise

    def _release_turn(self, turn: Turn) -> None:
        """Let go of a turn that is wholly kept: what is left of it is in the store."""
        if self._turns.get(turn.conversation_id) is turn:
            del self._turns[turn.conversation_id]
            self._guards.pop(turn.conversation_id, None)

    def _forget_unstored(self, turn: Turn) -> None:
        """Release a turn of which no writer says that it is over."""
        if isinstance(turn, UnstoredTurn):
            self._release_turn(turn)

    def _run(
        self, turn: Turn, prompt: Prompt, passage: Passage, options: TurnOptions, *, adapters: bool
    ) -> None:
        """Answer, in the worker thread, and never leave a turn without an end."""
        status: Status = "failed"
        try:
            status = self._answer(turn, prompt, passage, options, adapters=adapters)
        except FloeError as error:
            turn.notice(str(error))
        except Exception:
            logger.exception("answer %d failed", turn.message_id)
            turn.notice("Something went wrong inside Floe; the log has the trace.")
        finally:
            turn.stop_clock()
            try:
                if passage.guard is not None and not isinstance(turn, UnstoredTurn):
                    self.gate.remember(turn.message_id, turn.text, passage.guard)
                self._mark_memory(turn, prompt, passage)
            finally:
                turn.finish(status)
                self._forget_unstored(turn)

    def _mark_memory(self, turn: Turn, prompt: Prompt, passage: Passage) -> None:
        """Keep here for good an answer that holds earlier words of the person."""
        if not turn.memory:
            return
        words = KeptWords((each.text for each in turn.memory), [prompt.question])
        if not words.found_in(turn.text):
            return
        with suppress(StoreError):
            if isinstance(turn, UnstoredTurn):
                self.memory.mark_answer(turn.text)
            elif passage.guard is None:
                self.gate.remember_memory(turn.message_id)

    def _answer(
        self,
        turn: Turn,
        prompt: Prompt,
        passage: Passage,
        options: TurnOptions,
        *,
        adapters: bool,
    ) -> Status:
        if turn.controls.stopped:
            # While it waited for its place: nobody wants it any more, so nothing is sent for it.
            return "stopped"
        try:
            if adapters:
                turn.count(adapters=self._active_adapters.activate_for(prompt.question))
            else:
                self._active_adapters.set_active([])
        except FloeError as error:
            self._active_adapters.set_active([])
            turn.notice(f"{error} This answer does without what was learnt.")
        self._follow_kind(turn, prompt.question, options)
        turn.count(
            prompt_tokens=len(prompt.tokens),
            dropped_messages=prompt.dropped,
            memory=len(turn.memory),
        )
        if self._prompts.note and len(prompt.kept) <= _FIRST_ANSWER:
            turn.notice(self._prompts.note)
        if prompt.dropped:
            turn.notice(
                f"The conversation has outgrown the model's context: its oldest {prompt.dropped} "
                "messages were left out of this answer."
            )
        if passage.route.kind == "cloud":
            status, text = self._cloud_alone(turn, passage, options)
            if status is not None:
                return status
            prompt = self._prompts.build(prompt.kept, text)
            written = turn.stats.tokens - turn.resumed
            sampling = replace(options.sampling, max_tokens=options.sampling.max_tokens - written)
            alone = Passage(passage.route)
            return self._decode(turn, prompt, alone, replace(options, sampling=sampling))
        return self._decode(turn, prompt, passage, options)

    def kind_of(self, question: str) -> PromptKind:
        """Tell the kind of a question, between two turns."""
        return self._worker.submit(self._active_adapters.kind_of, question).result()

    def _follow_kind(self, turn: Turn, question: str, options: TurnOptions) -> None:
        """Give the turn the automatic weight for its kind, unless the slider has been moved.

        A slider that stands at "local" stays there: the page says that nothing is sent then.
        """
        moved = turn.controls.weight != self._controls(options, turn.memory).weight
        if not options.auto or options.mode != "fused" or options.weight >= 1 or moved:
            return
        with suppress(FloeError):  # then the one weight for everything holds
            weights = kept_kind_weights(self.store, self._settings.rule)
            if not weights:
                return
            kind = self._active_adapters.kind_of(question)
            weight = weights.get(kind, options.weight)
            turn.controls.weight = self._controls(
                replace(options, weight=weight), turn.memory
            ).weight
            turn.count(weighed=f"weight {turn.controls.weight:.2f} for {KIND_WORDS[kind]}")

    def _decode(
        self,
        turn: Turn,
        prompt: Prompt,
        passage: Passage,
        options: TurnOptions,
    ) -> Status:
        """Decode the fused answer, or the local one where nothing may leave."""
        guard = passage.guard
        requests = self._requests(turn, passage, options) if guard is not None else None
        open_stream = None
        if guard is not None and requests is not None:
            open_stream = guard.around(requests.open, turn.notice)
        agreement = self._agreements[self.cloud.choice]
        decoder = Decoder(
            self.model,
            turn.controls,
            open_stream=open_stream,
            rule=self._settings.rule,
            # Rows in which a placeholder was replaced are no tokens any more.
            shared_vocabulary=self.cloud.vocabulary == self.model.vocabulary.fingerprint
            and (guard is None or guard.policy == "local only"),
            policy=FollowPolicy(max_requests=self.requests_left_today(options)),
            notify=turn.notice,
            alone="local" if _stays_here(options, passage.route) else "offline",
            long_batches=agreement.close,
        )
        try:
            decoder.begin(turn.text.encode())
            logits = self.model.prefill(prompt.tokens, lambda: turn.controls.stopped)
            if logits is None:
                return "stopped"
            stops = StopStrings((*options.sampling.stop, *self._prompts.stops))
            for step in stops.cut(decoder.run(logits, options.sampling)):
                turn.add(step)
                if requests is not None:
                    turn.count(**requests.usage())
            return "complete" if stops.met else decoder.ending
        finally:
            decoder.close()
            if requests is not None:
                self._count(turn, requests)
                agreement.remember(turn.stats.cloud_tokens, decoder.requests)

    def _count(self, turn: Turn, requests: CloudRequests) -> None:
        """Keep what the cloud was asked: the budget of the day is read off what is kept."""
        usage = requests.usage()
        turn.count(**usage)
        if isinstance(turn, UnstoredTurn) and usage["cloud_requests"]:
            add_request(self.store, usage["cloud_requests"])

    def _requests(self, turn: Turn, passage: Passage, options: TurnOptions) -> CloudRequests:
        alone = passage.route.kind == "cloud"
        return CloudRequests(
            self.cloud,
            passage.messages,
            options.sampling,
            top_p=options.sampling.top_p if alone else 1.0,
            message_id=None if isinstance(turn, UnstoredTurn) else turn.message_id,
        )

    def _cloud_alone(
        self, turn: Turn, passage: Passage, options: TurnOptions
    ) -> tuple[Status | None, str]:
        """Relay the cloud's answer; (None, text so far) if it broke off and this device goes on."""
        requests = self._requests(turn, passage, options)
        assert passage.guard is not None
        stream = passage.guard.around(requests.open, turn.notice)(turn.text)
        if stream is None:
            return None, turn.text
        relay = CloudOnlyDecoder(stream, turn.controls, CLOUD_PATIENCE)
        stops = StopStrings(options.sampling.stop)
        try:
            for step in stops.cut(relay.run(options.sampling.max_tokens)):
                turn.add(step)
                turn.count(**requests.usage())
        finally:
            stream.close()
            self._count(turn, requests)
        if stops.met:
            return "complete", ""
        if relay.ending != "broken":
            return relay.ending, ""
        reason = str(stream.error) if stream.error else "The cloud fell silent."
        turn.notice(f"{reason} This device went on alone.")
        return None, turn.text


def _was_kept(route: Route) -> bool:
    """Return whether an answer was begun here by the choice of person or gate."""
    return route.kind == "local" and (route.reason == CHOSEN or route.reason.startswith(KEPT))


def _whole_characters(steps: Sequence[TokenStep]) -> Sequence[TokenStep]:
    """Return the tokens up to the last that completes a character, without the end-of-text one."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    whole = 0
    for place, step in enumerate(steps, 1):
        utf8.decode(step.text_bytes)
        if step.text_bytes and not utf8.getstate()[0]:
            whole = place
    return steps[:whole]


def _stays_here(options: TurnOptions, route: Route) -> bool:
    """Return whether the local route is a choice of person or gate, not for want of a cloud."""
    return route.kind == "local" and (options.mode == "local" or route.reason.startswith(KEPT))
