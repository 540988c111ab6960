"""One turn: decide the route, decode, record. Knows neither gradio nor torch.

A turn runs in one worker thread, the only one that touches llama.cpp, and goes on when nobody
looks: a page that was reloaded finds it again by its conversation.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from floe.cloud.link import CloudLink, CloudRequests
from floe.config import Settings
from floe.edge.prompt import Prompt, PromptBuilder
from floe.edge.runtime import LlamaModel
from floe.errors import FloeError, PromptError
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.follower import FollowPolicy
from floe.fusion.relay import Relay
from floe.records import (
    ChatMessage,
    Message,
    Route,
    Status,
)
from floe.store import Store
from floe.turn import Recorder, Turn, TurnOptions

logger = logging.getLogger(__name__)

_DAY_SECONDS: Final = 86_400
CLOUD_PATIENCE: Final = 10.0
"""Seconds without a token after which an answer of the cloud alone goes on here."""


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
            turn.notice(route.reason)
        self._turns[answer.conversation_id] = turn
        self._worker.submit(self._run, turn, question.id, options)
        return turn

    def _run(self, turn: Turn, question_id: int, options: TurnOptions) -> None:
        """Worker thread: answer, record, and never leave a turn without an end."""
        record = Recorder(self.store, turn)
        status: Status = "failed"
        try:
            status = self._answer(turn, question_id, options, record)
        except FloeError as error:
            turn.notice(str(error))
        except Exception:
            logger.exception("answer %d failed", turn.message_id)
            turn.notice("Something went wrong inside Floe; the log has the trace.")
        finally:
            record.finish(status)
            turn.end()

    def _answer(
        self, turn: Turn, question_id: int, options: TurnOptions, record: Recorder
    ) -> Status:
        system = ChatMessage("system", self._settings.system_prompt)
        history = [
            ChatMessage(message.role, message.content)
            for message in self.store.path_to(question_id)
        ]
        prompt = self._prompts.build([system, *history])
        turn.count(prompt_tokens=len(prompt.tokens), dropped_messages=prompt.dropped)
        if prompt.dropped:
            turn.notice(
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
        record: Recorder,
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
            notify=turn.notice,
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
                    turn.count(**requests.usage())
            return decoder.ending
        finally:
            decoder.close()
            if requests is not None:
                turn.count(**requests.usage())

    def _cloud_alone(
        self, turn: Turn, prompt: Prompt, options: TurnOptions, record: Recorder
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
                turn.count(**requests.usage())
        finally:
            stream.close()
            turn.count(**requests.usage())
        if relay.ending != "broken":
            return relay.ending, ""
        reason = str(stream.error) if stream.error else "The cloud fell silent."
        turn.notice(f"{reason} This device went on alone.")
        return None, turn.view().text
