"""A message in its place: after a question, after a withheld turn; and an answer as an answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from floe.privacy import choices
from floe.privacy.detection.names import find_names
from floe.privacy.detector import Detector
from floe.privacy.gate import KEPT, RELEASED
from floe.privacy.lexicon import Found
from floe.privacy.pseudonyms import Pseudonyms
from floe.privacy.verdict import UNREAD, Leniency
from floe.records import ChatMessage
from floe.store import Store
from tests.privacy.test_gate import PLAIN, PRIVATE, Chat


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    return Chat(Store(tmp_path / "floe.db"))


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Sure. Passport number?", "C01X00T47"),
        ("Which password should it have?", "Pumuckl99"),
        ("What is the diagnosis?", "lupus"),
        ("Your date of birth?", "3 april 1987"),
        ("What is your monthly income?", "2840"),
        ("Wie lautet Ihre Steuernummer?", "93815/08152"),
        ("Names of the couple?", "Rosalind and Kofi"),
    ],
)
def test_a_reply_is_of_the_kind_that_was_asked_for(
    detector: Detector, question: str, reply: str
) -> None:
    before = [ChatMessage("user", "help me with a form"), ChatMessage("assistant", question)]
    assert detector.examine(reply, before=before).private
    harmless = [before[0], ChatMessage("assistant", "What is the main character's name?")]
    assert not detector.examine("Zora", before=harmless).private


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ("Hello! How are you feeling today?", "Name three rivers."),
        ("Hello! How are you feeling today?", "ok. Explain black holes simply"),
        ("Hi there! What's on your mind?", "the French revolution"),
        ("What are you working on?", "a sorting algorithm"),
        ("Where do you live?", "Name three rivers."),
    ],
)
def test_small_talk_asks_for_nothing_and_a_task_answers_nothing(
    detector: Detector, said: str, task: str
) -> None:
    before = [ChatMessage("user", "Hi!"), ChatMessage("assistant", said)]
    assert not detector.examine(task, before=before).private


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("How are you feeling today?", "Depressed."),
        ("What's on your mind?", "my wife cheated on me"),
        ("What illness should I write?", "Put migraine"),
        ("Who is the card for?", "my neighbour Ottilie"),
        ("Where do you live?", "Name a pub on Mill Lane, I'm above it"),
    ],
)
def test_what_is_told_in_small_talk_is_heard(detector: Detector, question: str, reply: str) -> None:
    before = [ChatMessage("user", "Hi!"), ChatMessage("assistant", question)]
    assert detector.examine(reply, before=before).private


def test_a_statement_asks_for_nothing(detector: Detector) -> None:
    before = [ChatMessage("user", "write a haiku"), ChatMessage("assistant", "Done.")]
    assert not detector.examine("Make it shorter and more cheerful", before=before).private


def test_only_the_last_sentence_of_a_statement_asks(detector: Detector) -> None:
    said = (
        "Bread rises because it's made from flour, water, and yeast. The yeast is a type of fungus "
        "that helps the dough rise. The flour is the main ingredient in bread, and the water is "
        "used to create the dough. The yeast is also used to make bread, but it's not the only "
        "ingredient."
    )
    before = [ChatMessage("user", "What makes bread rise?"), ChatMessage("assistant", said)]
    found = detector.examine("My dentist Dr. Amsel found an abscess.", before=before)
    assert found.private
    assert "password" not in found.kinds
    assert not detector.examine("Which flour is best", before=before).private
    asked = [before[0], ChatMessage("assistant", "I can do that. Please tell me your passcode.")]
    assert detector.examine("plumtree", before=asked).private


def test_a_pattern_in_an_answer_is_no_password(detector: Detector) -> None:
    said = r"Use r'[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}' for addresses."
    assert not detector.examine_answer(said).private


def test_what_leans_on_a_withheld_turn_stays_with_it(chat: Chat) -> None:
    chat.examiner.leaning = {"Make that shorter, please."}
    chat.ask(PRIVATE)
    chat.say("Dear doctor, ...", "assistant")
    passage = chat.ask("Make that shorter, please.")
    assert passage.route.kind == "local"
    assert passage.route.reason.startswith(KEPT)
    chat.say("Dear D.", "assistant")
    assert chat.ask(PLAIN).route.kind == "fused"


def test_the_detector_tells_a_follow_up_from_a_new_question(detector: Detector) -> None:
    before = [ChatMessage("user", "my wife has lupus"), ChatMessage("assistant", "I am sorry.")]
    assert detector.examine("Make that shorter, please.", before=before).leans
    assert not detector.examine("Who wrote Hamlet?", before=before).leans


def test_an_answer_may_invent_a_name_but_not_utter_a_number(detector: Detector) -> None:
    story = "Once there was a baker called Agnes Holm. She loved her husband, who had a cold."
    assert not detector.examine_answer(story).private
    assert detector.examine_answer("Your IBAN is DE89 3704 0044 0532 0130 00.").private
    assert not detector.examine_answer("Call (555) 123-4567 or write to info@company.com.").private


def test_kinds_a_person_allows_may_leave_and_others_stay(chat: Chat) -> None:
    chat.examiner.words = {"Tom": "name", "0171 5550123": "phone"}
    said = chat.ask("Ask Tom", treatments={"names": "allow"})
    assert said.route.kind == "fused"
    said = chat.ask("Ask Tom, 0171 5550123", treatments={"names": "allow"})
    assert said.route.reason == f"{KEPT}: phone"


def test_under_pseudonyms_a_matter_stays_and_its_person_is_masked(chat: Chat) -> None:
    chat.examiner.words = {"Tom": "name", "lupus": "health"}
    passage = chat.ask("Tom has lupus", "pseudonyms")
    assert passage.messages[-1].content == "PERSON_1 has lupus"


def test_choices_about_kinds_and_lessons_are_kept_and_undone(tmp_path: Path) -> None:
    store = Store(tmp_path / "floe.db")
    assert set(choices.treatments(store).values()) == {"keep"}
    choices.set_treatment(store, "names", "allow")
    assert choices.treatments(store)["names"] == "allow"
    choices.set_treatment(store, "names", None)
    assert choices.treatments(store)["names"] == "keep"
    choices.add_lesson(store, ["Chess Club"])
    assert choices.leniency(store) == Leniency(0.25, frozenset({"chess club"}))
    choices.add_confirmation(store)
    choices.add_confirmation(store)
    assert choices.leniency(store).shift == -0.25
    choices.forget_lessons(store)
    assert choices.leniency(store) == Leniency()


def test_a_lesson_frees_what_is_unsure_and_no_number(detector: Detector) -> None:
    taught = Detector()
    taught.load()
    taught.learn_leniency(Leniency(shift=50.0))
    assert detector.examine("my wife has postpartum psychosis").private
    assert not taught.examine("my wife has postpartum psychosis").private
    assert taught.examine("my card 4929 7136 2208 1475").private


def test_released_messages_leave_unless_they_hold_an_identifier(chat: Chat) -> None:
    chat.examiner.words = {"lupus": "health", "0171 5550123": "phone"}
    assert chat.ask("lupus?", released=True).route.kind == "fused"
    assert chat.ask("lupus, 0171 5550123", released=True).route.kind == "local"


def test_the_person_is_asked_only_where_their_word_can_change_it(chat: Chat) -> None:
    chat.examiner.words = {"Tom": "name", "0171 5550123": "phone"}
    chat.examiner.unsure = {"Tom likes tea", "Tom: 0171 5550123", "And sugar?"}
    assert chat.ask("Tom likes tea").route.unsure
    assert not chat.ask("Tom: 0171 5550123").route.unsure
    chat.say("Noted.", "assistant")
    chat.examiner.leaning = {"And sugar?"}
    # Without the turn that stays here the cloud could make nothing of it.
    assert not chat.ask("And sugar?").route.unsure


def test_a_name_that_is_called_not_private_is_forgotten_but_where_it_stood_before(
    chat: Chat,
) -> None:
    chat.examiner.words = {"Tom": "name"}
    chat.examiner.unsure = {"Tom likes tea"}
    kept = chat.ask("Tom likes tea").route
    path = chat.store.path_to(chat.leaf or 0)
    chat.gate.release(path, kept)
    asked = chat.gate.examine("fused", path, "", policy="local only", released=True)
    assert (asked.route.kind, asked.route.reason) == ("fused", RELEASED)
    assert asked.messages[-1].content == "Tom likes tea"
    assert "Tom likes tea" in [message.content for message in chat.ask(PLAIN).messages]
    # A Tom of an earlier message is not released by it.
    chat.say("Ask Tom, he has lupus")
    chat.leaf = chat.say("I see.", "assistant").id
    again = chat.ask("Tom likes tea").route
    path = chat.store.path_to(chat.leaf)
    chat.gate.release(path, again)
    asked = chat.gate.examine("fused", path, "", policy="local only", released=True)
    assert (asked.route.kind, asked.route.unsure) == ("local", False)


@pytest.mark.parametrize(
    "text", ["დედაჩემს კიბო აქვს და არავინ იცის", "அம்மாவுக்கு புற்றுநோய்", "แม่ของฉันเป็นมะเร็ง"]
)
def test_a_script_that_is_read_badly_stays_here_and_the_person_is_asked(
    detector: Detector, text: str
) -> None:
    verdict = detector.examine(text)
    assert verdict.private
    assert verdict.unsure
    assert verdict.kinds == (UNREAD,)
    assert not detector.examine(f"what does {text.split(maxsplit=1)[0]} mean in english").private


@pytest.mark.parametrize(
    "text",
    [
        "Vaimollani on rintasyöpä enkä tiedä miten kerron lapsille",
        "Ég er ólétt og enginn veit það",
        "Esmu stāvoklī un neviens to nezina",
    ],
)
def test_a_language_that_no_list_knows_stays_here_and_the_person_is_asked(
    detector: Detector, text: str
) -> None:
    verdict = detector.examine(text)
    assert verdict.private
    assert verdict.unsure
    assert not detector.examine("cargo build --release; rustc fmt clippy tokio serde").private


def test_what_is_read_badly_is_never_masked_and_can_be_released(chat: Chat) -> None:
    text = "η μητέρα μου έχει καρκίνο"
    chat.examiner.words = {text: UNREAD}
    chat.examiner.unsure = {text}
    assert chat.ask(text, "pseudonyms").route.unsure
    assert chat.ask(text, "pseudonyms", released=True).route.kind == "fused"


@pytest.mark.parametrize(
    "name",
    ["Lucia Castellano", "Sanne van der Meer", "my daughter Paris Okafor", "Mr. van der Meer"],
)
def test_a_surname_that_is_also_a_word_belongs_to_the_name(name: str) -> None:
    text = f"I met {name} at work."
    (found,) = find_names(text)
    shown = name.removeprefix("my daughter ").removeprefix("Mr. ")
    assert text[found.start : found.end] == shown
    day = find_names("Tell Anna Monday works.")
    assert [(each.start, each.end) for each in day] == [(5, 9)]


def test_only_names_and_rare_words_are_learnt(detector: Detector) -> None:
    text = "my boss calls our plan Zibbelkorn, and Will hates it"
    spans = [(0, 7, "company secret"), (18, 33, "company secret"), (39, 43, "name")]
    assert detector.telling_words(text, spans) == ("Zibbelkorn", "Will")


def test_a_name_called_harmless_keeps_no_statement_here(detector: Detector) -> None:
    taught = Detector()
    taught.load()
    taught.learn_leniency(Leniency(harmless=frozenset({"anna"})))
    assert detector.examine("Anna likes tea").private
    assert not taught.examine("Anna likes tea").private
    assert taught.examine("Clara likes tea").private


def test_every_form_of_a_known_name_is_masked(tmp_path: Path) -> None:
    store = Store(tmp_path / "floe.db")
    known = Pseudonyms(store, store.create_conversation().id)
    text = "José Weber"
    known.learn(text, [Found(0, len(text), "name")])
    said = "Jose Weber, the Webers, jose.weber@x.de, joseweber77; a weber grill"
    masked = known.mask(said)
    assert "ose" not in masked
    assert known.unmask(masked) == said
    assert known.unmask("person_1 and PERSON 1, person-1") == f"{text} and {text}, {text}"


def test_handles_and_a_street_alone_are_forms_of_what_is_known(tmp_path: Path) -> None:
    store = Store(tmp_path / "floe.db")
    known = Pseudonyms(store, store.create_conversation().id)
    name, street = "Agnieszka Kowalski", "12 Orchard Lane, Bristol BS6 5QA"
    known.learn(name, [Found(0, len(name), "name")])
    known.learn(street, [Found(0, len(street), "address")])
    said = "akowalski, kowalski88 and @a_kowalski; near 12 orchard lane; an orchard, kowalskite"
    masked = known.mask(said)
    assert known.unmask(masked) == said
    assert masked.lower().count("kowalski") == 1
    assert "12 orchard" not in masked
    assert masked.endswith("an orchard, kowalskite")


def test_the_command_judges_each_line_in_its_place(tmp_path: Path) -> None:
    lines = [
        {"text": "who wrote hamlet"},
        {"text": "My wife Anna Weber has lupus, write to Dr. Meier"},
        {
            "messages": [
                {"role": "user", "content": "fill in a form"},
                {"role": "assistant", "content": "Passport number?"},
                {"role": "user", "content": "C01X00T47"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "tell me a story"},
                {"role": "assistant", "content": "Agnes Holm baked bread."},
            ]
        },
    ]
    path = tmp_path / "l.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    command = [sys.executable, "-m", "floe.privacy", str(path), "--policy", "pseudonyms"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["private"] for row in rows] == [False, True, True, False]
    assert rows[1]["sent"][-1]["content"] == "My wife PERSON_1 has lupus, write to Dr. PERSON_2"
    assert rows[0]["sent"] == [{"role": "user", "content": "who wrote hamlet"}]
