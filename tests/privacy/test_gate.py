"""What may leave, turn by turn, and before every reopened stream; the detector is hand-made."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from floe.fusion.follower import Follower
from floe.privacy import choices
from floe.privacy.choices import Policy
from floe.privacy.detector import Detector
from floe.privacy.gate import CHOSEN, KEPT, WISH, Gate, Passage
from floe.privacy.guard import Guard
from floe.privacy.pseudonyms import EXPLANATION, Pseudonyms
from floe.privacy.verdict import Verdict
from floe.records import ChatMessage, Message, Role, Route
from floe.store import Store
from tests.fusion.fakes import FakeClock, FakeCloud, peaked
from tests.privacy.fakes import FakeExaminer

SYSTEM = "You are a helpful assistant."
PRIVATE = "Write to my doctor Anna Weber, 0171 5550123, in Paris."
PLAIN = "Who wrote Hamlet?"
WORDS = {"Anna Weber": "name", "0171 5550123": "phone", "Paris": "place", "Tom": "name"}


class Chat:
    """A conversation, and a gate that looks at it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.examiner = FakeExaminer().find(WORDS)
        self.gate = Gate(store, self.examiner)
        self.id = store.create_conversation().id
        self.leaf: int | None = None

    def say(self, text: str, role: Role = "user", route: Route | None = None) -> Message:
        message = self.store.add_message(self.id, self.leaf, role, text, route=route)
        self.leaf = message.id
        return message

    def ask(
        self, text: str, policy: Policy = "local only", *, system: str = SYSTEM, **rest: object
    ) -> Passage:
        self.say(text)
        assert self.leaf is not None
        path = self.store.path_to(self.leaf)
        local_only = self.store.conversation(self.id).local_only
        closed = self.gate.closed("fused", local_only=local_only, path=path)
        if closed is not None:
            return Passage(closed)
        return self.gate.examine("fused", path, system, policy=policy, **rest)  # type: ignore[arg-type]

    def kinds(self) -> list[tuple[str, ...] | None]:
        assert self.leaf is not None
        return [message.private for message in self.store.path_to(self.leaf)]


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    return Chat(Store(tmp_path / "floe.db"))


def shown(passage: Passage) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in passage.messages]


def test_a_private_message_stays_here_and_the_reason_names_the_kinds(chat: Chat) -> None:
    passage = chat.ask(PRIVATE)
    assert passage.route.kind == "local"
    assert passage.route.reason == f"{KEPT}: name, phone"
    assert [(PRIVATE[a:b], kind) for a, b, kind in passage.route.spans] == [
        ("Anna Weber", "name"),
        ("0171 5550123", "phone"),
    ]
    assert passage.messages == ()
    assert passage.guard is None
    assert chat.kinds() == [("name", "phone")]


def test_a_plain_message_may_leave_with_the_system_prompt(chat: Chat) -> None:
    passage = chat.ask(PLAIN)
    assert passage.route == Route("fused", "nothing private found")
    assert shown(passage) == [("system", SYSTEM), ("user", PLAIN)]
    assert chat.kinds() == [()]


def test_earlier_private_turns_are_left_out_with_their_answers(chat: Chat) -> None:
    chat.say("Hello!")
    chat.say("Hi!", "assistant")
    chat.say(PRIVATE)
    chat.say("Dear doctor, ...", "assistant")
    passage = chat.ask(PLAIN)
    assert shown(passage)[1:] == [("user", "Hello!"), ("assistant", "Hi!"), ("user", PLAIN)]
    assert passage.route.kind == "fused"
    assert passage.route.reason == f"earlier messages {KEPT}: 2"


def test_a_turn_whose_answer_is_private_is_left_out_too(chat: Chat) -> None:
    chat.say("Whom do I know?")
    chat.say("You know Anna Weber.", "assistant")
    passage = chat.ask(PLAIN)
    assert shown(passage)[1:] == [("user", PLAIN)]
    assert chat.kinds() == [(), ("name",), ()]


def test_a_turn_of_local_only_is_left_out_though_nothing_is_found_in_it(chat: Chat) -> None:
    chat.say("I want to leave my job.")
    chat.say("I see.", "assistant", Route("local", CHOSEN))
    assert shown(chat.ask(PLAIN))[1:] == [("user", PLAIN)]


def test_what_was_private_once_is_recognised_where_the_detector_misses_it(chat: Chat) -> None:
    chat.say("what does weber do?")
    chat.say("Who knows.", "assistant")
    chat.ask(PRIVATE)
    chat.say("Dear doctor, ...", "assistant")
    passage = chat.ask(PLAIN)
    assert shown(passage)[1:] == [("user", PLAIN)], "found in an earlier message, after the fact"
    passage = chat.ask("and what does ANNA say?")
    assert passage.route.reason == f"{KEPT}: name"
    assert passage.route.spans == ((14, 18, "name"),)


def test_earlier_messages_are_examined_once(chat: Chat) -> None:
    chat.ask("First question.")
    chat.say("First answer.", "assistant")
    chat.ask(PLAIN)
    before = len(chat.examiner.examined)
    chat.say("Shakespeare.", "assistant")
    chat.ask("And when?")
    assert set(chat.examiner.examined[before:]) == {"And when?", "Shakespeare.", SYSTEM}


def test_the_persons_own_words_count_in_messages_that_were_examined_before(chat: Chat) -> None:
    chat.ask("How is Nordlicht going?")
    chat.say("Well.", "assistant")
    passage = chat.ask(PLAIN, own_words=("Nordlicht",))
    assert shown(passage)[1:] == [("user", PLAIN)]


def test_a_private_system_prompt_is_left_out(chat: Chat) -> None:
    system = "You work for Anna Weber in the old mill by the river."
    passage = chat.ask(PLAIN, system=system)
    assert shown(passage) == [("user", PLAIN)]
    # Nor do its words leave by way of the answer, which the local model writes having read them.
    guard, _, _ = guard_of(chat, system=system)
    assert guard.outgoing("You are in the old mill by the river, ") is None


@pytest.mark.parametrize("state", ["not loaded", "loading", "failed"])
def test_without_a_detector_nothing_leaves(chat: Chat, state: str) -> None:
    chat.examiner.state = state
    passage = chat.ask(PLAIN)
    assert passage.route == Route("local", chat.examiner.sentence)
    assert passage.guard is None
    assert chat.kinds() == [None]


def test_an_error_of_the_detector_keeps_the_turn_here(chat: Chat) -> None:
    chat.examiner.fails = True
    passage = chat.ask(PLAIN)
    assert passage.route.kind == "local"
    assert "failed" in passage.route.reason
    assert chat.kinds() == [None]


@pytest.mark.parametrize(
    "text",
    [
        "Keep this between us: who wrote Hamlet?",
        "Who wrote Hamlet? Please don't share this.",
        "who wrote hamlet, but DON\u2019T SHARE THIS with anyone",
        "Let's keep it strictly between you and me.",
        "Between you and me, I do not like Hamlet.",
        "This stays between us. Who wrote Hamlet?",
        "Please keep this conversation private.",
        "Keep this on my device. Who wrote Hamlet?",
        "Do not send this to the cloud. Who wrote Hamlet?",
        "Never use the cloud for this: who wrote Hamlet?",
        "Don't tell anyone, but I like Hamlet.",
        "This is confidential. Who wrote Hamlet?",
        "Off the record: who wrote Hamlet?",
        "My diary must not leave this computer.",
        "Do not share my words.",
    ],
)
def test_a_sentence_of_the_person_always_wins(chat: Chat, text: str) -> None:
    chat.examiner.state = "not loaded"  # no detector is needed
    passage = chat.ask(text, "pseudonyms")
    assert passage.route.kind == "local"
    assert passage.route.reason == f"{KEPT}: you ask for it"
    assert passage.route.spans[0][2] == WISH
    assert chat.kinds() == [(WISH,)]
    later = chat.ask(PLAIN, "pseudonyms")
    assert later.route.kind == "local"
    assert "asked for it earlier" in later.route.reason


@pytest.mark.parametrize(
    "text",
    [
        "What is the difference between us and them?",
        "Keep this short.",
        "Don't tell me the answer, give me a hint.",
        "How do I share files in Python?",
        "What does a private method do?",
        "Explain the secret ballot.",
        "Is this private or public by default in Java?",
        "What lies between you and the sun?",
        "Keep it simple, and keep the code here readable.",
    ],
)
def test_words_that_sound_alike_are_no_wish(chat: Chat, text: str) -> None:
    assert chat.ask(text).route.kind == "fused"


def test_the_switch_of_a_conversation_wins_and_needs_no_look(chat: Chat) -> None:
    choices.set_local_only(chat.store, chat.id, True)
    passage = chat.ask(PLAIN, "pseudonyms")
    assert passage.route.kind == "local"
    assert chat.examiner.examined == []
    choices.set_local_only(chat.store, chat.id, False)
    assert chat.ask(PLAIN).route.kind == "fused"


def test_local_only_mode_needs_no_look(chat: Chat) -> None:
    message = chat.say(PRIVATE)
    assert chat.gate.closed("local", local_only=False, path=[message]) == Route("local", CHOSEN)
    assert chat.examiner.examined == []


# Pseudonyms


def test_under_pseudonyms_all_that_leaves_has_placeholders(chat: Chat) -> None:
    chat.say(PRIVATE)
    chat.say("Dear Dr. Weber, ...", "assistant")
    passage = chat.ask("Make it shorter, Anna is busy.", "pseudonyms", system="Help Tom.")
    assert passage.route.kind == "fused"
    assert passage.route.reason == "pseudonyms stand for: name"
    assert shown(passage) == [
        ("system", f"Help PERSON_2.\n\n{EXPLANATION}"),
        ("user", "Write to my doctor PERSON_1, PHONE_1, in Paris."),
        ("assistant", "Dear Dr. PERSON_1C, ..."),
        ("user", "Make it shorter, PERSON_1B is busy."),
    ]


def test_under_pseudonyms_a_plain_turn_is_sent_as_it_is(chat: Chat) -> None:
    assert shown(chat.ask(PLAIN, "pseudonyms")) == [("system", SYSTEM), ("user", PLAIN)]


def test_what_pseudonyms_cannot_hide_stays_here(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Doctor Anna Weber comes late today"
    monkeypatch.setattr(chat.gate, "_examiner", Stubborn())
    passage = chat.ask(text, "pseudonyms")
    assert passage.route.kind == "local"
    assert "cannot hide" in passage.route.reason


class Stubborn(FakeExaminer):
    """Whatever is taken out, the word before it shows through."""

    def examine(
        self, text: str, timeout: float = 2.0, *, before: Sequence[ChatMessage] = ()
    ) -> Verdict:
        self.words = {[word for word in text.split() if "_" not in word][-1]: "name"}
        return super().examine(text, timeout)


# Rows to learn from


def test_messages_that_nobody_has_looked_at_are_examined_on_demand(chat: Chat) -> None:
    chat.say(PRIVATE)
    chat.say("All right.", "assistant")
    chat.say("Keep this between us.")
    assert chat.leaf is not None
    looked = chat.gate.look_at(chat.store.path_to(chat.leaf))
    assert [message.private for message in looked] == [("name", "phone"), (), (WISH,)]
    assert chat.kinds() == [("name", "phone"), (), (WISH,)]


# Before every reopened stream


def guard_of(
    chat: Chat,
    policy: Policy = "local only",
    question: str = PLAIN,
    kept: tuple[str, ...] = (),
    system: str = SYSTEM,
) -> tuple[Guard, list[str], FakeCloud]:
    """The guard of a turn, around a cloud that goes on with "x y z"."""
    passage = chat.ask(question, policy, kept=kept, system=system)
    assert passage.guard is not None
    cloud = FakeCloud(peaked([b" x", b" y", b" z"], "guard"), FakeClock(), length=3)
    said: list[str] = []
    passage.guard.around(cloud.open, said.append)
    return passage.guard, said, cloud


def test_an_answer_that_has_become_private_is_sent_no_more(chat: Chat) -> None:
    guard, said, cloud = guard_of(chat)
    open_stream = guard.around(cloud.open, said.append)
    assert open_stream("") is not None
    assert open_stream("It was written by ") is not None
    assert open_stream("It was written by Anna Weber, ") is None
    assert open_stream("It was written by Anna Weber, I think.") is None
    assert cloud.opened == ["", "It was written by "]
    assert len(said) == 1
    assert "private (name)" in said[0]


def test_under_pseudonyms_it_is_sent_with_placeholders(chat: Chat) -> None:
    guard, said, _ = guard_of(chat, "pseudonyms")
    assert guard.outgoing("By Anna Weber and ") == "By PERSON_1 and "
    assert guard.outgoing("By Anna Weber and Tom, or Weber alone") == (
        "By PERSON_1 and PERSON_2, or PERSON_1B alone"
    )
    assert said == []


def test_a_value_that_is_being_written_waits_until_it_is_whole(chat: Chat) -> None:
    chat.ask(PRIVATE)
    guard, said, _ = guard_of(chat, "pseudonyms")
    for tail in (
        *("Ann", "Anna", "Anna We", "017", "0171 55", "0171 5550123"),
        *("2999", "a@b", "DE8", "sk1x", "12 Elm", "12 Elm Str"),
    ):
        assert guard.outgoing(f"Ask {tail}") is None, tail
    assert guard.outgoing("Ask Anna Weber, ") == "Ask PERSON_1, "
    assert guard.outgoing("Ask Anna Weber, 0171 5550123, ") == "Ask PERSON_1, PHONE_1, "
    assert not guard.closed
    assert said == []


def test_only_what_is_new_is_examined(chat: Chat) -> None:
    guard, _, _ = guard_of(chat)
    text = ""
    for i in range(40):
        text += f"Sentence number {i} has some words in it. "
        assert guard.outgoing(text) == text
    assert max(map(len, chat.examiner.examined)) < 400


def test_what_the_cloud_has_said_itself_is_no_secret(chat: Chat) -> None:
    guard, _, _ = guard_of(chat)
    cloud = FakeCloud(lambda _text: {b" Tom": 0.9, b"": 0.1}, FakeClock(), length=1)
    stream = guard.around(cloud.open, lambda _sentence: None)("")
    assert stream is not None
    stream.poll()
    assert guard.outgoing("A dog named Tom ") == "A dog named Tom "
    assert guard.kinds_in("A dog named Tom.") == ()
    assert guard.outgoing("A dog named Tom and Anna Weber ") is None
    assert guard.kinds_in("A dog named Tom and Anna Weber.") == ("name",)


def test_what_is_known_to_be_private_is_a_secret_whoever_says_it(chat: Chat) -> None:
    chat.ask("I am Tom.")
    guard, _, _ = guard_of(chat)
    cloud = FakeCloud(lambda _text: {b" Tom": 0.9, b"": 0.1}, FakeClock(), length=1)
    stream = guard.around(cloud.open, lambda _sentence: None)("")
    assert stream is not None
    stream.poll()
    assert guard.outgoing("A dog named Tom ") is None


def test_words_of_a_text_that_is_kept_here_are_not_repeated(chat: Chat) -> None:
    about = "I keep three goats and a parrot in the old mill."
    guard, said, _ = guard_of(chat, "pseudonyms", kept=(about,))
    assert guard.outgoing("You have goats and ") is not None
    assert guard.outgoing("You keep three goats and a parrot, ") is None
    assert "words that stay on this device" in said[0]


def test_an_earlier_answer_that_repeats_what_is_kept_here_stays_here(chat: Chat) -> None:
    about = "I keep three goats and a parrot in the old mill."
    for route in (Route("local", "this device, beside other answers"), Route("fused", "")):
        chat.say("What do I own?")
        chat.say("You keep three goats and a parrot.", "assistant", route)
    passage = chat.ask(PLAIN, kept=(about,))
    assert shown(passage)[1:] == [("user", PLAIN)]
    assert passage.route.reason == f"earlier messages {KEPT}: 4"
    # So does one that repeats a system prompt of which the cloud is not told.
    told = "You speak as the gardener of Tom, who grows blue tulips on the roof."
    chat.say("Who are you?")
    chat.say("The gardener who grows blue tulips on the roof.", "assistant")
    passage = chat.ask(PLAIN, system=told)
    assert "tulips" not in str(shown(passage))
    # What the person asks with now is no secret.
    asked = "I keep three goats and a parrot. What do they eat?"
    assert "three goats" in str(shown(chat.ask(asked, kept=(about,)))[1:-1])


def test_what_about_me_names_is_private_in_the_question_and_the_answer(chat: Chat) -> None:
    about = ("My name is Anna Weber.",)
    assert chat.ask("What does anna mean?", kept=about).route.reason == f"{KEPT}: name"
    guard, _, _ = guard_of(chat, kept=about)
    assert guard.outgoing("Dear Anna, ") is None


def test_a_detector_that_fails_in_mid_answer_closes_the_guard(chat: Chat) -> None:
    guard, said, _ = guard_of(chat)
    chat.examiner.fails = True
    assert guard.outgoing("Shakespeare ") is None
    assert guard.closed
    assert "failed" in said[0]
    chat.examiner.fails = False
    assert guard.outgoing("Shakespeare wrote ") is None


def test_a_detector_that_is_slow_now_and_then_is_asked_again(chat: Chat) -> None:
    guard, said, _ = guard_of(chat)
    for _ in range(2):
        chat.examiner.takes = 0.6
        assert guard.outgoing("Shakespeare ") is None
        assert guard.outgoing("Shakespeare wrote ") is None
        chat.examiner.takes = 0.0
        assert guard.outgoing("Shakespeare wrote it ") == "Shakespeare wrote it "
    assert not said
    chat.examiner.takes = 0.6
    for text in ("Shakespeare wrote it in ", "Shakespeare wrote it in London ") * 2:
        assert guard.outgoing(text) is None
    assert guard.closed
    assert len(said) == 1
    assert "too long" in said[0]

    patient, _, _ = guard_of(chat)
    patient.seconds = 1.0
    assert patient.outgoing("Shakespeare ") == "Shakespeare "


def test_the_finished_answer_is_remembered_with_its_kinds(chat: Chat) -> None:
    guard, _, _ = guard_of(chat, "pseudonyms")
    answer = chat.say("Ask Anna Weber.", "assistant")
    chat.gate.remember(answer.id, answer.content, guard)
    assert chat.kinds() == [(), ("name",)]
    chat.examiner.fails = True
    other = chat.say("Ask Tom.", "assistant")
    chat.gate.remember(other.id, other.content, guard)
    assert chat.kinds()[-1] is None


def test_a_request_that_may_not_leave_is_none_of_the_budget(clock: FakeClock) -> None:
    cloud = FakeCloud(peaked([b"a", b"b"], "held"), clock)
    allowed = False
    follower = Follower(
        lambda partial: cloud.open(partial) if allowed else None, lambda _sentence: None
    )
    before = clock.now
    assert follower.next_distribution(1.0) is None
    assert follower.absence == "local"
    assert follower.requests == 0
    assert clock.now == before, "nothing is waited for"
    follower.advance(b"a")
    allowed = True
    assert follower.next_distribution(1.0) is not None
    assert cloud.opened == ["a"]


def test_values_are_known_after_the_guard_has_met_them(chat: Chat) -> None:
    guard, _, _ = guard_of(chat)
    assert guard.outgoing("Ask Anna Weber, ") is None
    assert Pseudonyms(chat.store, chat.id).lexicon.find("weber")


def test_a_question_that_memory_finds_again_says_no_more_than_before(
    tmp_path: Path, detector: Detector
) -> None:
    asked = "Write a limerick about a baker called Doris"
    chat = Chat(Store(tmp_path / "floe.db"))
    chat.gate = Gate(chat.store, detector)
    assert chat.ask(asked, memory=[asked]).route.kind == "fused"
    told = "Doris from the bakery has left her husband"
    assert chat.ask(asked, memory=[asked, told]).route.kind == "local"
