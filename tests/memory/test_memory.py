"""Own words: what is kept of chats, notes and files, what is found, and what is let go of."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from floe.data_folder.encryption_switch import turn_on
from floe.errors import DataError
from floe.memory import files
from floe.memory.files import read_bytes
from floe.memory.memory import Memory
from floe.memory.passages import PASSAGE_CHARACTERS, own_statements, split_passages
from floe.memory.prompt_text import fitting_passages, question_with_memory
from floe.memory.question_forms import asks_about_self
from floe.privacy.consent import set_conversation_consent
from floe.privacy.gate import WISH
from floe.privacy.kept_words import KeptWords
from floe.store import Store
from tests.memory.facts import DEVELOPMENT, OTHER_WORDS, REPORTED, REPORTED_LATER

FACT = "My sister's name is Ilvara."
QUESTION = "What is my sister called?"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data" / "floe.db") as store:
        yield store


@pytest.fixture
def memory(store: Store) -> Memory:
    return Memory(store)


def say(store: Store, *texts: str) -> int:
    """Say things in a new chat, the other side's words in every second place."""
    conversation = parent = None
    for place, text in enumerate(texts):
        role = "assistant" if place % 2 else "user"
        message = store.add_message(conversation, parent, role, text)  # type: ignore[arg-type]
        conversation, parent = message.conversation_id, message.id
    assert conversation is not None
    return conversation


def recalled(memory: Memory, question: str = QUESTION, here: int | None = None) -> list[str]:
    return [each.text for each in memory.recall(question, here).passages]


def bytes_of(store: Store) -> bytes:
    return b"".join(p.read_bytes() for p in store.path.parent.glob("floe.db*"))


def pdf(path: Path, text: str, password: str = "") -> Path:
    """Write a PDF of one page with one line of text."""
    writer = PdfWriter()
    page = writer.add_blank_page(width=300, height=200)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    with path.open("wb") as file:
        writer.write(file)
    return path


# Passages


def test_a_paragraph_is_a_passage_and_a_long_one_shares_a_sentence_with_the_next() -> None:
    assert split_passages("One. Two.\n\nThree.") == ["One. Two.", "Three."]
    sentences = [f"Sentence {n} is about {'x' * 80}." for n in range(8)]
    passages = split_passages(" ".join(sentences))
    assert len(passages) > 1
    assert all(len(each) <= PASSAGE_CHARACTERS for each in passages)
    for before, after in pairwise(passages):
        assert before.endswith(after.partition(".")[0] + ".")
    assert max(map(len, split_passages("y" * 5000))) == PASSAGE_CHARACTERS
    assert split_passages(" \n\n ") == []


def test_a_short_list_is_one_passage_with_the_line_before_it() -> None:
    told = "My allergies:\n- nuts\n- bees\n\nI live in Deal.\n- a\n- b"
    assert split_passages(told) == ["My allergies: - nuts - bees", "I live in Deal.", "- a", "- b"]
    long = split_passages("Towns:\n" + "\n".join(f"- {'x' * 60}{i}" for i in range(6)))
    assert max(map(len, long)) <= 200
    assert len(long) > 1


def test_questions_are_left_out_of_what_was_told() -> None:
    assert own_statements("Where is Oslo? My brother lives there.") == "My brother lives there."
    assert own_statements("what is my sister called") == ""
    assert own_statements("Which day of the week is my piano lesson on, and when?") == ""
    assert own_statements("How do I keep the bilge of my boat dry?") == ""
    assert own_statements("Can you translate this letter for me into French today?") == ""
    assert own_statements("Dr. Holt is my dentist. Is she good?") == "Dr. Holt is my dentist."
    assert own_statements("Can I freeze the bread that I baked?") == ""


@pytest.mark.parametrize(
    "question",
    [
        "What can I cook for my niece Orla, who cannot have nuts?",
        "How far is it from my flat in Deal to Dover?",
        "Is it normal that my cat Moth sleeps all day?",
        "What helps against the pain I have since I fell off the roof?",
        "Which exercises would be good for my left ankle after a sprain?",
        "Could you write to my landlord about the lift that does not work since May?",
        "Which tyres fit my Lada Niva?",
        "Kannst du mir einen Brief an meinen Vermieter wegen der Heizung schreiben?",
    ],
)
def test_what_a_question_tells_by_the_way_is_kept(question: str) -> None:
    assert own_statements(question) == question


@pytest.mark.parametrize(
    ("question", "about_self"),
    [
        ("What is my sister called?", True),
        ("Where do I live?", True),
        ("Which medicine must I not take?", True),
        ("How do I patch a sail?", False),
        ("Can I freeze bread?", False),
        ("Tell me about Oslo.", False),
        ("Why is the sky blue?", False),
    ],
)
def test_a_question_is_about_oneself_or_not(question: str, about_self: bool) -> None:
    assert asks_about_self(question) is about_self


# Finding


def test_a_fact_of_an_earlier_chat_is_found_in_another_and_not_in_its_own(
    store: Store, memory: Memory
) -> None:
    told = say(store, f"{FACT} Is that a rare name?", "It is.")
    say(store, "What is my sister's name?", "I do not know.")
    assert recalled(memory) == [FACT]
    assert recalled(memory, here=told) == []
    found = memory.recall(QUESTION, None).passages[0]
    assert (found.kind, found.conversation_id) == ("chat", told)
    assert found.source == store.conversation(told).title
    assert recalled(memory, "What is 7 times 8?") == []
    assert recalled(memory, "?") == []
    assert recalled(memory, 'NEAR("a" OR *) AND "') == []


def test_what_the_prompt_of_a_chat_left_out_is_found_in_it_and_nothing_else_of_it(
    store: Store, memory: Memory
) -> None:
    here = say(store, "My sister's name is Ann.", "I see.", "Why is the sky blue?", "It scatters.")
    told = store.open_conversation(here)[0]
    later = store.add_message(here, None, "user", FACT)  # its first message in other words
    cut = [told.id]
    assert [each.text for each in memory.recall(QUESTION, here, left_out=cut).passages] == [
        told.content
    ]
    assert memory.recall(QUESTION, here).passages == []
    assert [each.text for each in memory.recall(QUESTION, here, left_out=[later.id]).passages] == [
        FACT
    ]
    # A chat that is kept out of all others, or was told in confidence, knows its own words.
    set_conversation_consent(store, here, train=False, federate=None)
    with store.writing() as db:
        db.execute("UPDATE messages SET private = json_array(?)", [WISH])
    assert memory.recall(QUESTION, here, (here,), cut).passages[0].text == told.content
    assert recalled(memory) == []
    other = say(store, "Hello.")
    assert memory.recall(QUESTION, other, left_out=[told.id]).passages == []


def test_the_right_passage_is_among_five_of_several_hundred(store: Store, memory: Memory) -> None:
    # Figures of the search: tests/memory/facts.py says on which pairs it was tuned.
    all_pairs = (DEVELOPMENT, REPORTED, OTHER_WORDS, REPORTED_LATER)
    for fact, _, _ in chain(*all_pairs):
        say(store, fact)
    for number in range(300):
        say(store, f"Write a short text about theme {number} and my work, our home or the school.")
    shares = []
    for pairs in all_pairs:
        found = [fact in recalled(memory, asked)[:5] for fact, asked, _ in pairs]
        shares.append(sum(found) / len(found))
    assert shares[0] >= 0.9, shares
    assert shares[1] >= 0.9, shares
    assert shares[2] >= 0.6, shares
    assert shares[3] >= 0.7, shares


def test_a_word_is_found_in_its_other_forms(store: Store, memory: Memory) -> None:
    say(store, "I dance with Wilma every Friday.")
    assert recalled(memory, "With whom do I go dancing?") == ["I dance with Wilma every Friday."]


def test_a_short_reply_is_kept_with_the_question_that_it_answers(
    store: Store, memory: Memory
) -> None:
    say(store, "Hello!", "Hi. What is your sister called?", "Ilvara")
    assert recalled(memory) == ["What is your sister called? Ilvara"]


def test_a_short_reply_is_kept_with_what_it_goes_on_from(store: Store, memory: Memory) -> None:
    friend, gone = "I often think of my friend Rosalind.", "She moved to Tasmania."
    train, later = "Our train to Basel leaves at nine.", "Correction, it leaves at ten."
    say(store, friend, "What became of her?", gone)
    say(store, train, "Noted.", later)
    assert recalled(memory, "Where did my friend Rosalind move to?")[0].endswith(gone)
    assert f"{train} {later}" in recalled(memory, "When does our train to Basel leave?")


@pytest.mark.parametrize(
    ("reply", "joined"),
    [
        ("The oboe, on Wednesdays with Mrs. Holt.", True),
        ("An oboe, we call it Fritz.", True),
        ("I also bought a lamp.", False),
        ("On Sunday, I bought a lamp.", False),
        ("Translate this into Polish.", False),
    ],
)
def test_a_reply_that_names_nobody_is_kept_with_what_was_told_before_it(
    store: Store, memory: Memory, reply: str, joined: bool
) -> None:
    told = "I am learning an instrument now."
    say(store, told, "I see.", reply)
    found = recalled(memory, "Which instrument am I learning?")
    assert (f"{told} {reply}" in found) is joined


def test_what_a_reply_goes_on_from_is_not_told_once_rewritten_or_kept_back(
    store: Store, memory: Memory
) -> None:
    said = store.add_message(None, None, "user", "My sister's name is Ann.")
    here = said.conversation_id
    answer = store.add_message(here, said.id, "assistant", "I see.")
    store.add_message(here, answer.id, "user", "She flies planes.")
    kept = store.add_message(None, None, "user", "Tell nobody: my sister's name is Wilma.")
    with store.writing() as db:
        db.execute("UPDATE messages SET private = json_array(?) WHERE id = ?", [WISH, kept.id])
    answer = store.add_message(kept.conversation_id, kept.id, "assistant", "I see.")
    store.add_message(kept.conversation_id, answer.id, "user", "She is older than me.")
    ann = "My sister's name is Ann."
    assert recalled(memory) == [f"{ann} She flies planes."]
    store.add_message(here, None, "user", FACT)
    assert recalled(memory) == [FACT]


def test_what_was_edited_since_is_not_found(store: Store, memory: Memory) -> None:
    first = store.add_message(None, None, "user", "My sister's name is Ann.")
    store.add_message(first.conversation_id, None, "user", FACT)
    assert recalled(memory) == [FACT]


def test_chats_that_are_kept_out_are_not_found(store: Store, memory: Memory) -> None:
    told = say(store, FACT)
    assert memory.recall(QUESTION, None, without=(told,)).passages == []
    set_conversation_consent(store, told, train=False, federate=None)
    assert recalled(memory) == []
    set_conversation_consent(store, told, train=None, federate=None)
    assert recalled(memory) == [FACT]
    with store.writing() as db:
        db.execute("UPDATE messages SET private = json_array(?)", [WISH])
    assert recalled(memory) == []


def test_off_is_off_and_the_page_has_the_last_word(store: Store) -> None:
    say(store, FACT)
    assert recalled(Memory(store, on=False)) == []
    Memory(store, on=False).set_on(True)
    assert recalled(Memory(store, on=False)) == [FACT]
    Memory(store).set_on(False)
    assert recalled(Memory(store)) == []


# Letting go


def test_a_deleted_chat_leaves_nothing_in_the_file(store: Store, memory: Memory) -> None:
    told = say(store, "My sister's name is Zyxomma.")
    answer = store.add_message(say(store, "Hi"), None, "assistant", "Hello")
    memory.keep_uses(answer.id, memory.recall(QUESTION, None).passages)
    assert len(memory.uses_of(answer.id)) == 1
    store.delete_conversation(told)
    assert recalled(memory) == []
    assert memory.uses_of(answer.id) == []
    assert b"yxomma" not in bytes_of(store)


def test_what_is_forgotten_does_not_come_back(store: Store, memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    file = tmp_path / "notes" / "family.md"
    file.write_text(f"{FACT}\n\nMy brother is called Corwin.")
    memory.set_folder(str(tmp_path / "notes"))
    memory.update(lambda: False)
    (found,) = memory.recall(QUESTION, None).passages
    memory.forget(found.id)
    memory.forget(found.id)
    assert recalled(memory) == []
    file.write_text(f"{FACT}\n\nMy brother is called Corwin, as ever.")
    memory.update(lambda: False)
    assert recalled(memory) == []
    assert recalled(memory, "What is my brother called?") == [
        "My brother is called Corwin, as ever."
    ]
    say(store, "My sister's name is Zyxomma.")
    memory.forget(memory.recall(QUESTION, None).passages[0].id)
    with store.reading() as db:
        assert (
            db.execute("SELECT count(*) FROM memory_passages WHERE text LIKE '%yxom%'").fetchone()[
                0
            ]
            == 0
        )


def test_a_note_that_is_forgotten_goes_from_the_box(memory: Memory) -> None:
    memory.set_notes(f"{FACT}\n\nMy brother is called Corwin.")
    memory.forget(memory.recall(QUESTION, None).passages[0].id)
    assert memory.state().notes == "My brother is called Corwin."
    long = f"I have a lot to say. {'My boat is small. ' * 60}".strip()
    memory.set_notes(f"{long}\n\n- {FACT}\n- My brother is called Corwin.\n\nLast one.")
    memory.forget(memory.recall(QUESTION, None).passages[0].id)
    left = f"{long}\n\n- My brother is called Corwin.\n\nLast one."
    assert memory.state().notes == left
    with pytest.raises(DataError, match="longer than"):
        memory.set_notes("x" * 1_000_001)
    assert memory.state().notes == left
    memory.set_notes("")
    assert memory.state().passages == 0


# Files


def test_no_process_is_called_by_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    run = subprocess.run

    def note(command: Sequence[str], **rest: Any) -> Any:
        started.append(command)
        return run(command, **rest)

    monkeypatch.setattr(subprocess, "run", note)
    path = pdf(tmp_path / "biopsy.pdf", "All is well.")
    found = files.FoundFile(path, 0.0, path.stat().st_size)
    assert "All is well." in files.read_text(found)
    assert started
    assert "biopsy" not in str(started)


def test_a_folder_of_text_markdown_and_pdf_is_read(memory: Memory, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("My sister's name is Ilvara.")
    (folder / "deep" / "b.MD").write_bytes("# Car\n\nMy car is an Octavia.".encode("utf-8-sig"))
    pdf(folder / "c.pdf", "My dentist is Dr. Pelletier.")
    (folder / ".hidden.txt").write_text("My sister's name is Hidden.")
    (folder / "d.docx").write_text("My sister's name is Docx.")
    outside = tmp_path / "outside.txt"
    outside.write_text("My sister's name is Outside.")
    (folder / "link.txt").symlink_to(outside)
    memory.set_folder(str(folder))
    memory.update(lambda: False)
    assert memory.state().problems == ()
    assert memory.state().files == 3
    assert recalled(memory) == ["My sister's name is Ilvara."]
    assert recalled(memory, "What car do I drive?") == ["Car: My car is an Octavia."]
    found = memory.recall("Who is my dentist?", None).passages[0]
    assert found.text == "My dentist is Dr. Pelletier."
    assert found.source == str(folder / "c.pdf")
    (folder / "a.txt").unlink()
    memory.update(lambda: False)
    assert recalled(memory) == []
    memory.set_folder("")
    assert memory.state().files == 0


def test_files_that_cannot_be_read_say_why_and_stop_nothing(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 100)
    (tmp_path / "large.txt").write_text("x" * 101)
    (tmp_path / "binary.txt").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< garbage")
    pdf(tmp_path / "locked.pdf", "secret", password="x")
    (tmp_path / "good.txt").write_text(FACT)
    memory.set_folder(str(tmp_path))
    memory.update(lambda: False)
    assert recalled(memory) == [FACT]
    said = " ".join(memory.state().problems)
    assert "large.txt has" in said
    assert "are read of one file" in said
    assert "binary.txt is no text" in said
    assert "broken.pdf is damaged" in said
    assert "locked.pdf is encrypted" in said
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    for folder, sentence in (("gone", "whole path"), (str(tmp_path / "gone"), "no folder")):
        with pytest.raises(DataError, match=sentence):
            memory.set_folder(folder)


def test_a_file_that_is_handed_over_is_told_by_its_bytes(tmp_path: Path) -> None:
    made = pdf(tmp_path / "a.pdf", "My dentist is Dr. Pelletier.").read_bytes()
    assert "Pelletier" in read_bytes("letter.txt", made)
    assert read_bytes("plan.pdf", b"no PDF at all") == "no PDF at all"
    for data, sentence in (
        (b"%PDF-1.7\n1 0 obj\n<< garbage", "is damaged"),
        (pdf(tmp_path / "b.pdf", "secret", password="x").read_bytes(), "is encrypted"),
        (pdf(tmp_path / "c.pdf", "").read_bytes(), "It may be a scan"),
    ):
        with pytest.raises(DataError, match=sentence):
            read_bytes("x.pdf", data)


def test_an_unchanged_file_is_not_read_again(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text(FACT)
    memory.set_folder(str(tmp_path))
    memory.update(lambda: False)
    monkeypatch.setattr(files, "read_text", lambda _: pytest.fail("read again"))
    memory.update(lambda: False)
    assert recalled(memory) == [FACT]


# The prompt, and what must not leave


def test_passages_fit_the_room_and_the_best_stands_next_to_the_question(
    store: Store, memory: Memory
) -> None:
    say(store, FACT)
    say(store, "They called my sister a pilot.")
    passages = memory.recall(QUESTION, None).passages
    assert len(passages) == 2
    assert fitting_passages(passages, 1000, lambda text: len(text.split())) == passages
    assert fitting_passages(passages, 1000, lambda _: 300) == []
    assert fitting_passages(passages, 39, lambda _: 1) == []
    text = question_with_memory(QUESTION, passages)
    assert text.endswith(QUESTION)
    assert text.index(passages[1].text) < text.index(passages[0].text)


def test_words_that_are_kept_are_found_in_any_form_and_as_they_begin() -> None:
    kept = KeptWords(["I am allergic to peanuts, code 7731."], ["What should I eat?"])
    assert kept.found_in("Avoid peanut butter.")
    assert kept.found_in("Your allergy!")
    assert kept.found_in("7731")
    assert not kept.found_in("What should you eat? I do not know.")
    assert not kept.found_in("Avoid peanut butter.", known="Peanuts")
    assert kept.may_begin("Avoid pea")
    assert not kept.may_begin("Avoid pea ")
    assert not kept.may_begin("Avoid sea")
    assert not KeptWords([]).found_in("anything")
    kept = KeptWords(["We met in Málaga, at Zoe's."])
    assert kept.found_in("In Malaga.")
    assert kept.found_in("At Zoë's.")
    assert kept.may_begin("In Mala")
    assert kept.found_in("In Ma\u200bla\u00adga.")
    assert kept.may_begin("In Mal\u200b")


def test_memory_is_encrypted_with_the_chats_and_found_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    with Store(folder / "floe.db") as store:
        say(store, "My sister's name is Zyxomma.")
        assert len(recalled(Memory(store))) == 1
    assert b"yxomma" in b"".join(p.read_bytes() for p in folder.glob("floe.db*"))
    turn_on(folder, "passphrase", "correct horse battery staple")
    with Store(folder / "floe.db") as store:
        assert recalled(Memory(store)) == ["My sister's name is Zyxomma."]
        Memory(store).set_notes("My aunt's name is Zyxommeta.")
        assert recalled(Memory(store), "What is my aunt called?") == [
            "My aunt's name is Zyxommeta."
        ]
        assert b"yxomm" not in bytes_of(store)
