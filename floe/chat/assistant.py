"""The program behind the page: questions come in, turns go out. Knows neither gradio nor torch.

A turn runs in one worker thread, the only one that touches llama.cpp, and goes on when nobody
looks: a page that was reloaded finds it again by its conversation. Questions are answered in the
order in which they came, whoever asks: the page, the command line, a program.
"""

import itertools
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from floe.adapters.active_adapters import ActiveAdapters
from floe.adapters.registry import Adapters
from floe.chat import rescue
from floe.chat.answer_decoder import AnswerDecoder, weight_with_memory
from floe.chat.answer_writer import AnswerWriter
from floe.chat.attachments import AttachedFile, reword
from floe.chat.continuation import stats_until, whole_characters, with_alternative
from floe.chat.kept_answers import with_kept
from floe.chat.kept_questions import KeptQuestions
from floe.chat.privacy_lessons import PrivacyLessons
from floe.chat.turn import Turn, TurnOptions, UnstoredTurn
from floe.chat.turn_prompts import TurnPrompts, sentence_space
from floe.chat.turn_routes import TurnRoutes, is_local_only, stays_here, was_kept
from floe.cloud.link import CloudLink
from floe.config import Settings
from floe.errors import ModelError, PromptError, StoreError
from floe.fusion.decoder import ONE_STREAM_LEEWAY, Controls
from floe.fusion.scoring.scores import Scores
from floe.fusion.scoring.teacher_forcing import RowAfter
from floe.llama.prompt import Prompt
from floe.llama.runtime import LlamaModel
from floe.memory.memory import Memory
from floe.memory.passages import MemoryPassage
from floe.models.sampling_defaults import sampling_defaults
from floe.privacy import choices
from floe.privacy.detector import Detector
from floe.privacy.gate import KEPT, Gate, Passage
from floe.privacy.guard import MEMORY, Guard
from floe.privacy.sent import SentLog
from floe.records import (
    UNFINISHED,
    Attachment,
    ChatMessage,
    Message,
    PromptKind,
    Route,
    TokenStep,
)
from floe.store import Store

logger = logging.getLogger(__name__)

_SWITCHED: Final = "You have made this conversation local only; no more of it is sent."
_CHOSEN: Final = "You have chosen this device only; no more of this answer is sent."
_KEEPING_SECONDS: Final = 1.0
"""A question waits so long for the answer before it to be kept."""
_STOPPING_SECONDS: Final = 5.0
"""An answer that is to be written anew is given so long for the token in hand."""


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
        lessons: what the person teaches the privacy check.
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
        self.cloud = cloud
        self.detector = detector
        self.adapters = Adapters(store, settings.data_dir)
        self.gate = Gate(store, detector, self.adapters.training_marks)
        self.sent = SentLog(store)
        self.memory = Memory(store, on=settings.memory, folder=settings.memory_folder)
        self._routes = TurnRoutes(store, self.gate, cloud)
        self.lessons = PrivacyLessons(store, detector, self.gate, self._routes.released)
        self._prepare(model, settings)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._turns: dict[int, Turn] = {}
        self._guards: dict[int, Guard | None] = {}
        rescue.restore_recovery_files(store)
        self._writer = AnswerWriter(store, ended=self._release_turn)
        self._unstored = itertools.count(1)
        self._stopping = False
        self._kept_questions = KeptQuestions(store)
        # Held while a prompt is built and its turn gets a place, so that no turn of one model is
        # decoded by another, and while the model is replaced.
        self._model_lock = threading.RLock()

    def _prepare(self, model: LlamaModel, settings: Settings) -> None:
        """Make all that hangs on the model; nothing is changed if that fails."""
        # Found out now, not while the first answer is waited for.
        logger.info(
            "batches: bit-exact to %d, size-invariant from %d",
            model.bit_exact_batch_size,
            model.batch_invariant_min_size,
        )
        sampling = sampling_defaults(settings, model.metadata)
        active = ActiveAdapters(model, self.store, self.adapters)
        prompts = TurnPrompts(
            model, self.store, self.memory, active.prompt_kinds, settings.system_prompt
        )
        decoder = AnswerDecoder(
            model=model,
            active_adapters=active,
            cloud=self.cloud,
            prompts=prompts,
            gate=self.gate,
            memory=self.memory,
            store=self.store,
            rule=settings.rule,
        )
        self.model, self._settings, self.sampling = model, settings, sampling
        self._active_adapters, self._prompts, self._decoder = active, prompts, decoder
        self.memory.use_sentences(sentence_space(model))

    def stop(self) -> None:
        """Stop every answer that is being written, and all that still come: Floe ends."""
        self._stopping = True
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

    def use_model(self, model: LlamaModel, settings: Settings) -> None:
        """Answer with another model from the next question on; the one before is freed.

        Answers that are being written or wait for their place are ended first; a question that
        comes meanwhile waits, and is answered by the new model.

        `model` is loaded, and belongs to the assistant if nothing is raised; `settings` name it.
        """
        with self._model_lock:
            self._worker.submit(self._replace_model, model, settings).result()

    def _replace_model(self, model: LlamaModel, settings: Settings) -> None:
        """Do so, in the worker thread, between two turns."""
        before = self.model
        self._prepare(model, settings)
        before.close()

    def tokenize(self, data: bytes) -> list[int]:
        """Tokens of the model in use, from any thread; see `LlamaModel.tokenize`."""
        with self._model_lock:
            return self.model.tokenize(data)

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

    def ask(
        self,
        conversation_id: int | None,
        text: str,
        options: TurnOptions,
        files: Sequence[AttachedFile] = (),
    ) -> Turn:
        """Add the user's message to the end of a conversation (None: a new one) and answer it.

        `files` become part of the message, as far as the model has room for them.

        Raises:
            PromptError: the message is empty, or an answer is still being written here.
            StoreError: the question cannot be kept; nothing has been asked.
        """
        if files and not text.strip():
            raise PromptError("Type what you want to know about the file, then send both.")
        self._check(text, conversation_id)
        with self._model_lock:
            content, attachments = self._prompts.attach(text.strip(), files, conversation_id)
        return self._start(self._add_question(conversation_id, content, attachments), options)

    def _add_question(
        self, conversation_id: int | None, text: str, attachments: Sequence[Attachment] = ()
    ) -> Message:
        """Keep the user's message at the end of a conversation."""
        if conversation_id is None:
            return self.store.add_message(None, None, "user", text, attachments=attachments)
        leaf = self.store.conversation(conversation_id).leaf_id
        if leaf is not None:
            last = self.store.message(leaf)
            if last.role == "user" and last.content == text:
                # This question is asked again: the disk kept it and then refused its answer.
                return last
        return self.store.add_message(conversation_id, leaf, "user", text, attachments=attachments)

    def fit_files(self, files: Sequence[AttachedFile]) -> Sequence[Attachment]:
        """Cut files as for a message of hardly any words."""
        with self._model_lock:
            return self._prompts.place("?", files)[1]

    def edit(self, message_id: int, text: str, options: TurnOptions) -> Turn:
        """Ask again in other words: a sibling of the user's message, answered; both stay.

        Raises:
            PromptError: as `ask`.
        """
        old = self.store.message(message_id)
        content, attachments = reword(old, text.strip())
        self._check(text.strip() and content, old.conversation_id)
        question = self.store.add_message(
            old.conversation_id, old.parent_id, "user", content, attachments=attachments
        )
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
        return self._start(question, options, again=message.role == "assistant")

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

    def take_alternative(
        self, message_id: int, place: int, number: int, options: TurnOptions
    ) -> Turn:
        """Go on from another token than the one that was picked: a sibling; both answers stay.

        As `continue_answer`; an answer that is still being written is stopped first.

        Args:
            message_id: the answer.
            place: position of the token.
            number: which of its `ranked_alternatives`.
            options: as for `ask`.

        Raises:
            PromptError: there is no such token, or another answer is being written here.
        """
        self._stop_answers(self.store.message(message_id).conversation_id, {message_id})
        answer = self.store.message(message_id)
        question = self._question_of(answer)
        self._check(question.content, question.conversation_id)
        steps = with_alternative(self.store.token_steps(message_id), place, number, self.tokenize)
        return self._start(question, options, begun=answer, steps=steps)

    def _stop_answers(self, conversation_id: int, ids: Collection[int]) -> None:
        """End the answer that is being written, if it is one of these, and wait for it."""
        running = self.running(conversation_id)
        if running is not None and running.message_id in ids:
            running.stop()
            running.wait(_STOPPING_SECONDS)

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
        is not sent later: it is known again by its words.

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
        with self._model_lock:
            told = self._prompts.system_prompt if system is None else system
            asked = [self._prompts.system_message(told, personal=personal), *messages]
            prompt = self._prompts.builder.build(asked)
            number = -next(self._unstored)
            marked = self.memory.is_marked
            path = self._kept_questions.path(number, messages, options, marked)
            path = with_kept(self.store, path)
            wanted = memory and personal
            prompt, found, instead = self._prompts.with_memory(prompt, path, options, wanted=wanted)
            passage = self._routes.choose(options, path, prompt.dropped, told, found)
            turn = UnstoredTurn(number, passage.route, self._controls(options, found), heard)
            turn.memory, turn.instead = found, instead
            self._begin(turn, prompt, passage, options, adapters=adapters)
        return turn

    def set_local_only(self, conversation_id: int, on: bool) -> None:
        """Keep all of a conversation on this device, at once: an answer in the making, too."""
        choices.set_local_only(self.store, conversation_id, on)
        if on:
            self._send_no_more([conversation_id], _SWITCHED)

    def keep_all_here(self) -> None:
        """Send no more of the page's answers: this device only is chosen; programs choose apart."""
        self._send_no_more([chat for chat in list(self._guards) if chat > 0], _CHOSEN)

    def _send_no_more(self, conversations: Collection[int], sentence: str) -> None:
        for each in conversations:
            guard = self._guards.get(each)
            if guard is not None and self.running(each):
                guard.close(sentence)

    def ask_cloud_too(self, message_id: int, options: TurnOptions) -> Turn:
        """Answer a question again that stayed here only perhaps rightly: it is not private.

        Names and rare words in it keep no text here any more by themselves, and any text must look
        a little more private to be kept. What is surely private (a number) stays all the same.

        Args:
            message_id: the person's message.
            options: who may answer now.

        Raises:
            PromptError: the cloud may not be asked as things are set, or the check was sure.
        """
        question, answers = self.lessons.unsure_answers(message_id)
        if options.mode == "local" or is_local_only(self.store, question):
            raise PromptError(
                "By your settings only this device may answer. Let the cloud take part in this "
                "chat, then press again."
            )
        self._stop_answers(question.conversation_id, {answer.id for answer in answers})
        self._check(question.content, question.conversation_id)
        self.lessons.release(question, answers)
        return self._start(question, options)

    def answer(self, prompt: Sequence[ChatMessage], adapters: Sequence[tuple[Path, float]]) -> str:
        """Give a short answer with exactly these adapters (GGUF, scale), between two turns.

        Raises ModelError or PromptError where an adapter or the prompt does not fit.
        """

        def answer() -> str:
            tokens = self._prompts.builder.build(prompt).tokens
            return self._active_adapters.answer(tokens, adapters, self.sampling.sampling)

        return self._worker.submit(answer).result()

    def check_told(self, told: str | None = None, **about: str) -> None:
        """See that questions fit beside what a chat's model is told first, see `TurnPrompts`.

        Raises:
            PromptError: they do not.
        """
        with self._model_lock:
            self._prompts.check_told(told, **about)

    def prompt(self, path: Sequence[Message]) -> Prompt:
        """Build what the local model reads; PromptError if the last message does not fit."""
        with self._model_lock:
            return self._prompts.build(path)

    def kind_of(self, question: str) -> PromptKind:
        """Tell the kind of a question, between two turns."""
        return self._worker.submit(lambda: self._active_adapters.kind_of(question)).result()

    def score(
        self,
        prompt: Prompt,
        tokens: Sequence[int],
        rows: RowAfter,
        *,
        shared: bool,
        model: LlamaModel,
    ) -> Scores:
        """Score a given answer as both models read it, see `ActiveAdapters.score`, between turns.

        `model`: the one that the tokens are of. Raises ModelError if an adapter does not fit, or
        another model is in use by now; PromptError if both together do not fit.
        """

        def score() -> Scores:
            if self.model is not model:
                raise ModelError("Another model answers now. Fit the weight again.")
            return self._active_adapters.score(prompt, tokens, rows, shared=shared)

        return self._worker.submit(score).result()

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
        with self._model_lock:
            system = self._prompts.system_message(self._prompts.told(conversation_id))
            self._prompts.builder.build([system, ChatMessage("user", text.strip())])

    def _start(
        self,
        question: Message,
        options: TurnOptions,
        *,
        begun: Message | None = None,
        steps: Sequence[TokenStep] | None = None,
        again: bool = False,
    ) -> Turn:
        """Answer; `begun`, `steps`: go on from an answer or other tokens; `again`: by the model."""
        with self._model_lock:
            return self._start_turn(question, options, begun, steps, again)

    def _start_turn(
        self,
        question: Message,
        options: TurnOptions,
        begun: Message | None,
        steps: Sequence[TokenStep] | None,
        again: bool,
    ) -> Turn:
        path = self.store.path_to(question.id)
        if steps is None:
            steps = whole_characters(self.store.token_steps(begun.id)) if begun else ()
        text = b"".join(step.text_bytes for step in steps).decode()
        prompts = self._prompts
        prompt = prompts.build_rest(path, text) if text else prompts.build(path)
        prompt, found, instead = prompts.with_memory(prompt, path, options, text, again=again)
        if begun is not None and begun.route is not None and was_kept(begun.route):
            passage = Passage(begun.route)
        elif begun is not None and MEMORY in (begun.private or ()):
            passage = Passage(Route("local", f"{KEPT}: the answer holds {MEMORY}"))
        else:
            told = prompts.told(question.conversation_id)
            passage = self._routes.choose(options, path, prompt.dropped, told, found)
        of_memory = begun is not None and MEMORY in (begun.private or ())
        answer = self._add_placeholder(question, passage.route, memory=bool(found) or of_memory)
        turn = Turn(
            answer.conversation_id,
            answer.id,
            passage.route,
            self._controls(options, found),
            self._writer.wake,
        )
        turn.memory, turn.instead = found, instead
        if found:
            with suppress(StoreError):  # an answer without its chip is better than none
                self.memory.keep_uses(answer.id, found)
        if begun is not None:
            turn.resume(steps, stats_until(begun.stats, steps))
        self._writer.open(turn)
        self._begin(turn, prompt, passage, options, question=question)
        return turn

    def _controls(self, options: TurnOptions, memory: Sequence[MemoryPassage]) -> Controls:
        deadline = options.deadline
        if deadline is None:
            deadline = self._settings.deadline_ms / 1000
        weight = weight_with_memory(options.weight, memory)
        leeway = ONE_STREAM_LEEWAY if self.cloud.one_stream else None
        return Controls(weight, deadline, options.tolerance, leeway=leeway)

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
        if passage.route.kind == "local" and not stays_here(options, passage.route):
            turn.notice(passage.route.reason)
        self._turns.pop(turn.conversation_id, None)  # they stand in the order of their questions
        self._turns[turn.conversation_id] = turn
        self._guards[turn.conversation_id] = passage.guard
        try:
            # The switch is read once more, because it may have been turned while the gate checked.
            on = question is not None and is_local_only(self.store, question)
            if passage.guard is not None and on:
                passage.guard.close(_SWITCHED)
            if self._stopping:
                turn.stop()
            self._worker.submit(self._run, turn, prompt, passage, options, adapters=adapters)
        except BaseException:
            turn.finish("failed")
            self._forget_unstored(turn)
            raise

    def _run(
        self, turn: Turn, prompt: Prompt, passage: Passage, options: TurnOptions, *, adapters: bool
    ) -> None:
        """Answer, in the worker thread; no writer says of an unstored turn that it is over."""
        try:
            self._decoder.run(turn, prompt, passage, options, adapters=adapters)
        finally:
            self._forget_unstored(turn)

    def _add_placeholder(self, question: Message, route: Route, *, memory: bool) -> Message:
        """Add the answer's database row, before its first token.

        `memory`: it counts as one that holds such words until somebody has looked.
        """
        try:
            return self.store.add_message(
                question.conversation_id,
                question.id,
                "assistant",
                "",
                status="streaming",
                route=route,
                private=(MEMORY,) if memory else None,
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
