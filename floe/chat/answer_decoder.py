"""Decode the answer of one turn: fused, from the cloud alone, or from this device alone.

Runs in the worker thread, the only one that touches llama.cpp. Knows neither conversations nor
how a turn came to its route.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from floe.adapters.active_adapters import ActiveAdapters
from floe.adapters.follow_ups import place_question
from floe.chat.kept_answers import keep_answer
from floe.chat.quoted_fact import QuotedFact
from floe.chat.turn import Turn, TurnOptions, UnstoredTurn
from floe.chat.turn_prompts import TurnPrompts
from floe.chat.turn_routes import may_not_answer, requests_left_today, stays_here
from floe.cloud.answer import CloudRequests
from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.errors import FloeError, StoreError
from floe.fusion.cloud_only import CloudOnlyDecoder
from floe.fusion.decoder import Decoder
from floe.fusion.drafting import DraftAcceptance
from floe.fusion.follower import FollowPolicy
from floe.fusion.late_backoff import LateBackoff
from floe.fusion.scoring.kind_weights import KIND_WORDS
from floe.fusion.stop_strings import StopStrings
from floe.llama.prompt import Prompt
from floe.llama.runtime import LlamaModel
from floe.memory.memory import Memory
from floe.memory.passages import MemoryPassage
from floe.privacy import choices
from floe.privacy.gate import Gate, Passage
from floe.privacy.kept_words import KeptWords
from floe.records import PoolingRule, Source, Status, TokenStep
from floe.store import Store
from floe.store.day_requests import add_request
from floe.training.fusion_weight import kept_kind_weights

logger = logging.getLogger(__name__)

CLOUD_PATIENCE: Final = 10.0
"""Seconds without a token after which an answer of the cloud alone goes on here."""
_FIRST_ANSWER: Final = 2
"""Messages of a prompt that begins a chat: the system prompt and the question."""

MEMORY_WEIGHT: Final = 0.8
"""The local model counts at least so much in an answer for which it read earlier words of the
person, unless the slider is moved meanwhile or stands at 0: at 0.5 the cloud, which has not seen
them, talked 2 of 17 answers away from what they say."""

QUOTED: Final = "The model's own answer had nothing of what you told, so your words stand here."

UNTOLD: Final = (
    "No model was asked, as only you can have told this. “Answer again” has the model answer."
)

ANOTHER_SUBJECT: Final = (
    "The model on this device did not read the earlier messages of this chat, as this one seems to "
    "be about something else."
)


def weight_with_memory(weight: float, memory: Sequence[MemoryPassage]) -> float:
    """Return the local weight of an answer for which the local model has read these passages."""
    # The cloud has not seen what the local model has just read. An example is no fact that it
    # would talk away.
    told = any(each.kind != "example" for each in memory)
    return max(weight, MEMORY_WEIGHT) if told and weight > 0 else weight


def mostly_late(late: int, tokens: int) -> str:
    """Return the sentence, below "The cloud was late", for an answer that hardly saw the cloud."""
    all_of_it = late == tokens
    share = f"all {tokens}" if all_of_it else f"{late} of the {tokens}"
    return (
        f"It was late for {share} tokens, so this is {'' if all_of_it else 'mostly '}the small "
        "model's answer. A longer wait per token, which is set with the cloud, or a faster cloud "
        "helps."
    )


class AnswerDecoder:
    """The two models behind an answer, and what was learnt of how they agree.

    Args:
        model: the small model on this device.
        active_adapters: what was learnt, on that model.
        cloud: the way to the cloud.
        prompts: how the local model is asked.
        gate: is told what private words an answer holds.
        memory: is told what earlier words of the person an answer holds.
        store: counts the cloud requests of the day.
        rule: how the two models' probabilities are pooled.
    """

    def __init__(
        self,
        *,
        model: LlamaModel,
        active_adapters: ActiveAdapters,
        cloud: CloudLink,
        prompts: TurnPrompts,
        gate: Gate,
        memory: Memory,
        store: Store,
        rule: PoolingRule,
    ) -> None:
        self._model = model
        self._active_adapters = active_adapters
        self._cloud = cloud
        self._prompts = prompts
        self._gate = gate
        self._memory = memory
        self._store = store
        self._rule = rule
        self._agreements: defaultdict[EndpointChoice, DraftAcceptance] = defaultdict(
            DraftAcceptance
        )
        self._backoffs: defaultdict[EndpointChoice, LateBackoff] = defaultdict(LateBackoff)

    def run(
        self, turn: Turn, prompt: Prompt, passage: Passage, options: TurnOptions, *, adapters: bool
    ) -> None:
        """Answer, in the worker thread, and never leave a turn without an end."""
        status: Status = "failed"
        turn.count(column=options.column)
        try:
            if turn.instead:
                status = self._answer_instead(turn)
            else:
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
                    self._gate.remember(turn.message_id, turn.text, passage.guard)
                self._mark_memory(turn, prompt, passage)
                if isinstance(turn, UnstoredTurn) and stays_here(options, passage.route):
                    with suppress(StoreError):
                        before = prompt.kept[:-1]
                        keep_answer(self._store, turn.text, prompt.question, before)
            finally:
                turn.finish(status)

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
        if may_not_answer(options, passage.route):
            if stays_here(options, passage.route):  # any other reason has been told
                turn.notice(f"The cloud was not asked: {passage.route.reason}")
            return "complete"
        self._activate_adapters(turn, prompt, options.adapter if adapters else 0)
        self._follow_kind(turn, place_question(prompt.kept), options)
        turn.count(
            prompt_tokens=len(prompt.tokens),
            dropped_messages=prompt.dropped,
            memory=len(turn.memory),
        )
        if self._prompts.builder.note and len(prompt.kept) <= _FIRST_ANSWER:
            turn.notice(self._prompts.builder.note)
        if prompt.dropped:
            turn.notice(
                f"The conversation has outgrown the model's context: its oldest {prompt.dropped} "
                "messages were left out of this answer."
            )
        if prompt.unread and len(prompt.read) <= _FIRST_ANSWER:
            turn.notice(ANOTHER_SUBJECT)
        if passage.route.kind == "cloud":
            status, text = self._cloud_alone(turn, passage, options)
            if status is not None:
                return status
            if options.strict:
                return "failed"
            prompt = self._prompts.builder.build(prompt.kept, text)
            written = turn.stats.tokens - turn.resumed
            sampling = replace(options.sampling, max_tokens=options.sampling.max_tokens - written)
            alone = Passage(passage.route)
            return self._decode(turn, prompt, alone, replace(options, sampling=sampling))
        return self._decode(turn, prompt, passage, options)

    def _answer_instead(self, turn: Turn) -> Status:
        """Answer as the program does, with no model and no cloud."""
        if turn.controls.stopped:
            return "stopped"
        turn.count(memory=len(turn.memory))
        for token in self._model.tokenize(turn.instead.encode()):
            piece = self._model.pieces[token]
            turn.add(TokenStep(token, piece, None, None, 1.0, 1.0, "local", 0.0))
        turn.notice(UNTOLD)
        return "complete"

    def _activate_adapters(self, turn: Turn, prompt: Prompt, adapter: int | None) -> None:
        """Let this adapter act (0: none; None: those in use, as they are routed)."""
        try:
            if adapter is None:
                placed = place_question(prompt.kept)
                words = self._active_adapters.activate_for(placed)
                if words and placed != prompt.question:
                    words += "; read with what was asked before"
                turn.count(adapters=words)
            elif adapter:
                turn.count(adapters=self._active_adapters.activate(adapter))
            else:
                self._active_adapters.set_active([])
        except FloeError as error:
            self._active_adapters.set_active([])
            turn.notice(f"{error} This answer does without what was learnt.")

    def _follow_kind(self, turn: Turn, question: str, options: TurnOptions) -> None:
        """Give the turn the automatic weight for its kind, unless the slider has been moved.

        A slider that stands at "local" stays there: the page says that nothing is sent then.
        """
        moved = turn.controls.weight != weight_with_memory(options.weight, turn.memory)
        if not options.auto or options.mode != "fused" or options.weight >= 1 or moved:
            return
        with suppress(FloeError):  # then the one weight for everything holds
            weights = kept_kind_weights(self._store, self._rule)
            if not weights:
                return
            kind = self._active_adapters.kind_of(question)
            weight = weights.get(kind, options.weight)
            turn.controls.weight = weight_with_memory(weight, turn.memory)
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
        agreement = self._agreements[self._cloud.choice]
        decoder = Decoder(
            self._model,
            turn.controls,
            open_stream=open_stream,
            rule=self._rule,
            # Rows in which a placeholder was replaced are no tokens any more.
            shared_vocabulary=self._cloud.vocabulary == self._model.vocabulary.fingerprint
            and (guard is None or guard.policy == "local only"),
            policy=FollowPolicy(max_requests=requests_left_today(self._store, options)),
            notify=turn.notice,
            alone="local" if stays_here(options, passage.route) else "offline",
            long_batches=agreement.close,
            backoff=self._backoffs[self._cloud.choice],
        )
        try:
            decoder.begin(turn.text.encode())
            logits = self._model.prefill(prompt.tokens, lambda: turn.controls.stopped)
            if logits is None:
                return "stopped"
            stops = StopStrings((*options.sampling.stop, *self._prompts.builder.stops))
            quoted = QuotedFact(
                () if turn.text else turn.memory,
                prompt.question,
                [each.content for each in prompt.kept[:-1]],
                self._model.tokenize,
                self._model.pieces.__getitem__,
                lambda: turn.controls.stopped,
                self._prompts.system_prompt,
                options.sampling.max_tokens,
            )
            sources: Counter[Source] = Counter()
            for step in stops.cut(quoted.cut(decoder.run(logits, options.sampling))):
                turn.add(step)
                sources[step.source] += 1
                if requests is not None:
                    turn.count(**requests.usage())
            if quoted.quoted:
                turn.notice(QUOTED)
            if 2 * sources["late"] > sources.total():
                turn.notice(mostly_late(sources["late"], sources.total()))
            return "complete" if stops.met or quoted.quoted else decoder.ending
        finally:
            turn.count(local_alone=round(decoder.single_steps_per_second, 1))
            decoder.close()
            if requests is not None:
                self._count(turn, requests)
                agreement.remember(turn.stats.cloud_tokens, decoder.requests)

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
        turn.notice(reason if options.strict else f"{reason} This device went on alone.")
        return None, turn.text

    def _requests(self, turn: Turn, passage: Passage, options: TurnOptions) -> CloudRequests:
        alone = passage.route.kind == "cloud"
        return CloudRequests(
            self._cloud,
            passage.messages,
            options.sampling,
            top_p=options.sampling.top_p if alone else 1.0,
            message_id=None if isinstance(turn, UnstoredTurn) else turn.message_id,
            most=requests_left_today(self._store, options),
        )

    def _count(self, turn: Turn, requests: CloudRequests) -> None:
        """Keep what the cloud was asked: the budget of the day is read off what is kept."""
        usage = requests.usage()
        turn.count(**usage)
        if isinstance(turn, UnstoredTurn) and usage["cloud_requests"]:
            add_request(self._store, usage["cloud_requests"])

    def _mark_memory(self, turn: Turn, prompt: Prompt, passage: Passage) -> None:
        """Keep here for good an answer that holds earlier words of the person, and no other."""
        program = isinstance(turn, UnstoredTurn)
        if not (turn.memory or program):
            return
        kept = [each.text for each in turn.memory]
        with suppress(StoreError):
            if program:
                # A program brings an answer back inside a message of its own, as nobody's words.
                store = self._store
                about = (choices.about_me(store), choices.personal_context(store))
                kept += self._gate.revealing_words(about)
            words = KeptWords(kept, [prompt.question])
            held = words.found_in(turn.text)
            if program:
                self._mark_for_program(turn.text, prompt.question, words)
            elif passage.guard is None and not held and not turn.resumed:
                self._gate.clear_memory(turn.message_id)

    def _mark_for_program(self, text: str, question: str, words: KeptWords) -> None:
        learnt = self._gate.learnt()

        def holds(part: str) -> bool:
            return words.found_in(part) or learnt.found_in(part, question)

        if holds(text):
            self._memory.mark_answer(text, holds)
