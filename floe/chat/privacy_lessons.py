"""What a person teaches the privacy check: this was not private, this always is.

Learnt on this device; what is surely private (a number, a password) is never unlearnt.
"""

from collections.abc import Sequence
from dataclasses import replace

from floe.errors import PromptError
from floe.privacy import choices
from floe.privacy.detector import Detector
from floe.privacy.gate import Gate
from floe.records import Message
from floe.store import Store


class PrivacyLessons:
    """The answers of a person to the check's unsure verdicts, and their own words.

    Args:
        store: where they are kept.
        detector: what is taught.
        gate: is told which message may leave after all.
        released: ids of questions that the person has let go; this object adds to them.
    """

    def __init__(self, store: Store, detector: Detector, gate: Gate, released: set[int]) -> None:
        self._store = store
        self._detector = detector
        self._gate = gate
        self._released = released
        self._detector.learn_leniency(choices.leniency(store))

    def unsure_answers(self, message_id: int) -> tuple[Message, list[Message]]:
        """Return a question and those of its answers that stayed here only perhaps rightly."""
        question = self._store.message(message_id)
        answers = [
            answer
            for answer in self._store.answers_to(message_id)
            if answer.route is not None and answer.route.unsure
        ]
        if not answers:
            raise PromptError("The privacy check was sure about this message, or you answered it.")
        return question, answers

    def release(self, question: Message, answers: Sequence[Message]) -> None:
        """Learn that a question is not private: names and rare words in it keep no text here.

        Any text must look a little more private from now on to be kept.
        """
        route = answers[0].route
        assert route is not None
        # Of a file that goes along nothing is learnt: whose names are in it, nobody has read here.
        own = question.words
        spans = tuple(each for each in route.spans if each[1] <= len(own))
        words = self._detector.telling_words(own, spans)
        choices.add_lesson(self._store, words)
        self._detector.learn_leniency(choices.leniency(self._store))
        self._gate.release(self._store.path_to(question.id), route)
        self._settle(answers)
        self._released.add(question.id)

    def confirm(self, message_id: int) -> tuple[str, ...]:
        """Keep what made a message private here wherever it stands: the check was right.

        Learnt on this device: names and rare words become the person's own words, or else the
        phrase from the first to the last word that decided; and texts are kept a little sooner.

        Returns:
            All words that are kept here now.

        Raises:
            PromptError: the check was sure.
        """
        question, answers = self.unsure_answers(message_id)
        route = answers[0].route
        assert route is not None
        text = question.content
        words = self._detector.telling_words(text, route.spans)
        if not words and route.spans:
            first, last = min(each[0] for each in route.spans), max(each[1] for each in route.spans)
            words = (text[first:last],)
        choices.add_confirmation(self._store)
        self._detector.learn_leniency(choices.leniency(self._store))
        kept = self.set_own_words([*choices.own_words(self._store), *words])
        self._settle(answers)
        return kept

    def forget(self) -> None:
        """Undo what unsure messages have taught; the person's own words stay."""
        choices.forget_lessons(self._store)
        self._released.clear()
        self._detector.learn_leniency(choices.leniency(self._store))

    def set_own_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Keep what the person calls private anywhere, from now on; returns what is kept."""
        kept = choices.set_own_words(self._store, words)
        self._detector.learn_words(kept)
        return kept

    def _settle(self, answers: Sequence[Message]) -> None:
        """Keep that the person was asked about these and has answered."""
        for answer in answers:
            if answer.route is not None:
                self._store.set_route(answer.id, replace(answer.route, unsure=False))
