"""Fits the automatic weight anew once something was learnt; nobody waits for it.

If the person wishes it, on answers that were kept aside from training, about which the cloud is
asked: only those that the gate would let go in a chat as well, and nothing private in any guise.
Else on what they rewrote.
"""

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from floe.chat.assistant import Assistant
from floe.chat.chat_settings import load_chat_settings
from floe.chat.preferences import Preferences
from floe.chat.turn_routes import requests_left_today
from floe.cloud.answer import CloudRequests
from floe.cloud.stream import Stream
from floe.config import Settings
from floe.errors import CloudError, DataError, FloeError, PrivacyError, StoreError
from floe.fusion.protocols import CloudStream, OpenStream
from floe.fusion.scoring.automatic_weight import AutoWeight
from floe.jobs.background import BackgroundJob
from floe.privacy import choices
from floe.privacy.gate import CHOSEN, KEPT, Passage
from floe.privacy.wish import find_wish
from floe.records import Message, Sampling
from floe.store.day_requests import add_request
from floe.training.data.dataset import LearningRow
from floe.training.data.learning_choices import LearningChoices, chosen_dataset
from floe.training.fusion_weight import (
    MAX_REQUESTS,
    MOST_ANSWERS,
    OwnAnswer,
    fit_is_due,
    fit_on_answers,
    fit_on_rewritten,
    fitted_on_answers,
    keep_note,
)
from floe.training.process import RunFolder
from floe.training.run_table import TrainingRun

logger = logging.getLogger(__name__)

_READY_SECONDS: Final = 120.0
"""Time that the cloud and the privacy check may take to start."""
_POLL_SECONDS: Final = 0.1
_DETECTION_SECONDS: Final = 10.0
"""The privacy check may take so long here, where nobody waits for it."""
_STREAM_TOKENS: Final = 64
"""A stream is closed where the text leaves it, which nearly always comes sooner."""
_LOCAL: Final = "You chose “Local only” in the chat, and that holds here as well."
_NOTHING: Final = (
    "None of the answers kept aside may be asked about: they are private, kept on this device, or "
    "no longer there."
)


class WeightFitJob:
    """The fit that is going on, if any."""

    def __init__(self, assistant: Assistant, settings: Settings) -> None:
        self._assistant = assistant
        self._store = assistant.store
        self._settings = settings
        self._job = BackgroundJob("weight fit")

    def close(self) -> None:
        """Ask nothing more, and wait for what goes on."""
        self._job.close()

    @property
    def running(self) -> bool:
        """True while the fit goes on."""
        return self._job.running

    def start(self, run: TrainingRun) -> None:
        """Fit anew for what is in use, now that this run has ended; returns at once."""
        self._start(partial(self._fit, run.folder))

    def start_if_due(self) -> None:
        """Fit on what the person rewrote, if that is enough by now.

        Not where whole answers say more, and the person wants them to.
        """
        stays = fitted_on_answers(self._store, self._settings.rule) and self._is_enabled
        if fit_is_due(self._store) and not stays and not self.running:
            self._start(lambda: self._keep(self._fit_on_rewritten()))

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def _start(self, work: Callable[[], None]) -> None:
        self._job.wait()  # the newest adapter is the one to fit for
        self._job.start(work, self._end)

    def _end(self, problem: str) -> None:
        if problem:
            with suppress(FloeError):
                keep_note(
                    self._store, f"It could not be fitted again and stays as it was. {problem}"
                )

    def _fit(self, folder: RunFolder) -> None:
        if self._is_enabled:
            self._fit_on_answers(folder.held_out)
        else:
            self._keep(self._fit_on_rewritten())

    def _fit_on_rewritten(self) -> AutoWeight:
        return fit_on_rewritten(self._store, self._settings.rule, self._assistant.kind_of)

    @staticmethod
    def _keep(auto: AutoWeight) -> None:
        logger.info("the weight was fitted anew: %s", auto.reason)

    def _fit_on_answers(self, held_out: Collection[int]) -> None:
        self._wait_for_cloud()
        options = Preferences.load(self._store).options()
        left = requests_left_today(self._store, replace(options, max_requests=MAX_REQUESTS))
        if left <= 0:
            raise CloudError(
                f"The budget of {options.daily_requests} cloud requests a day is used up."
            )
        answers = self._allowed_answers(held_out)
        if not answers:
            raise DataError(_NOTHING)
        model = self._assistant.model
        shared = self._assistant.cloud.vocabulary == model.vocabulary.fingerprint
        auto = fit_on_answers(
            self._store,
            self._settings.rule,
            model,
            answers,
            partial(self._assistant.score, shared=shared, model=model),
            max_requests=left,
            shared_vocabulary=shared,
            kind_of=self._assistant.kind_of,
        )
        self._keep(auto)

    @property
    def _is_enabled(self) -> bool:
        return LearningChoices.load(self._store).ask_cloud

    def _wait_for_cloud(self) -> None:
        """Wait until the cloud and the privacy check are there.

        Raises:
            CloudError: it takes no part.
            PrivacyError: nothing can be examined.
        """
        if Preferences.load(self._store).mode == "local":
            raise CloudError(_LOCAL)
        cloud, detector = self._assistant.cloud, self._assistant.detector
        if cloud.state.kind == "failed":
            cloud.connect()
        until = time.monotonic() + _READY_SECONDS
        while cloud.state.kind == "starting" or detector.state in ("not loaded", "loading"):
            if time.monotonic() > until or self._job.cancelled.is_set():
                break
            time.sleep(_POLL_SECONDS)
        if not cloud.state.usable:
            raise CloudError(cloud.state.sentence)
        if detector.state != "ready":
            raise PrivacyError(detector.sentence)

    def _allowed_answers(self, held_out: Collection[int]) -> list[OwnAnswer]:
        """Return answers that may be asked about, as they are now; the newest chats first."""
        data = chosen_dataset(self._store, self._settings.system_prompt, with_private=False)
        found: list[OwnAnswer] = []
        for row in data.used:
            if row.message_id not in held_out:
                continue
            with suppress(FloeError):  # one that cannot be examined, or is too long
                found += self._own_answer(row)
            if len(found) == MOST_ANSWERS:
                break
        return found

    def _own_answer(self, row: LearningRow) -> list[OwnAnswer]:
        """Return the answer if the gate lets it go; else nothing."""
        shown = self._store.message(row.message_id)
        assert shown.parent_id is not None  # a row has a question
        path = self._store.path_to(shown.parent_id)
        if path[-1].role != "user" or self._was_kept_local(shown):
            return []
        prompt = self._assistant.prompt(path)
        passage = self._passage(path, prompt.dropped)
        if passage is None or passage.guard is None or passage.guard.kinds_in(row.answer):
            return []
        # A guard looks at what a model writes; this is in the person's own words.
        if find_wish(row.answer) or self._assistant.detector.examine(row.answer).private:
            return []
        passage.guard.seconds = _DETECTION_SECONDS
        requests = CloudRequests(
            self._assistant.cloud,
            passage.messages,
            Sampling(max_tokens=_STREAM_TOKENS),
            message_id=row.message_id,
            purpose="weight",
        )
        opened = passage.guard.around(
            self._stream_opener(requests, row.conversation_id), _ignore_notice
        )
        return [OwnAnswer(prompt, row.answer, opened)]

    def _was_kept_local(self, answer: Message) -> bool:
        """Return whether the answer, or one that it was rewritten from, was kept on this device."""
        reason = answer.route.reason if answer.route is not None else ""
        if reason == CHOSEN or reason.startswith(KEPT):
            return True
        before = answer.edited_from
        return before is not None and self._was_kept_local(self._store.message(before))

    def _passage(self, path: list[Message], dropped: int) -> Passage | None:
        """Decide what may leave; pseudonyms are no way out, because no answer comes back."""
        gate, store = self._assistant.gate, self._store
        chat = path[-1].conversation_id
        local_only = store.conversation(chat).local_only
        # The local model reads what was set for this chat, and the cloud is told the general one.
        own_system = load_chat_settings(store, chat).system_prompt or ""
        if gate.closed("fused", local_only=local_only, path=path) is not None:
            return None
        return gate.examine(
            "fused",
            path[dropped:],
            self._settings.system_prompt,
            policy="local only",
            own_words=choices.own_words(store),
            kept=(choices.about_me(store), choices.personal_context(store), own_system),
        )

    def _stream_opener(self, requests: CloudRequests, conversation_id: int) -> OpenStream:
        """One request after the other, between answers, as long as the person lets it."""

        def opened(text: str) -> CloudStream | None:
            while self._assistant.busy:
                time.sleep(_POLL_SECONDS)
            if not self._is_allowed_still(conversation_id):
                return None
            stream = requests.open(text)
            if isinstance(stream, Stream):
                add_request(self._store)
            elif text:
                return None  # an endpoint that cannot continue answers: their beginnings will do
            return stream

        return opened

    def _is_allowed_still(self, conversation_id: int) -> bool:
        """Return whether the person still wants it, the chat is there, and the budget allows it."""
        with suppress(StoreError):
            kept = Preferences.load(self._store)
            wanted = kept.mode != "local" and self._is_enabled
            here = self._store.conversation(conversation_id).local_only
            # Tests of the endpoint count as well, and one may have been made meanwhile.
            affordable = requests_left_today(self._store, kept.options()) > 0
            return wanted and affordable and not here and not self._job.cancelled.is_set()
        return False


def _ignore_notice(_sentence: str) -> None:
    """Ignore a sentence, because there is no answer to which it belongs."""
