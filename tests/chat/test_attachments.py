"""Files in a message: what is read of them, where it stands, and what is left out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from floe.chat.assistant import Assistant
from floe.chat.attachments import (
    MOST_FILES,
    AttachedFile,
    WaitingFiles,
    attach_files,
    cut_to_tokens,
    reword,
)
from floe.chat.privacy_lessons import PrivacyLessons
from floe.chat.turn import TurnOptions
from floe.chat.turn_prompts import TurnPrompts
from floe.errors import DataError, PromptError
from floe.memory.memory import Memory
from floe.privacy import choices
from floe.records import ChatMessage, Route
from floe.store import Store


def words(text: str) -> int:
    return len(text.split())


def test_files_stand_after_the_words_each_within_its_share() -> None:
    short = AttachedFile(1, "a.txt", "one two three")
    long = AttachedFile(2, "b.py", "word " * 300)
    content, placed = attach_files("Compare them.", [long, short], 82, words)
    assert content.startswith("Compare them.\n\n[b.py]\nword word")
    first, second = placed
    assert content[: first.start] == "Compare them."
    count = content[first.start : first.end].count("word")
    assert 35 < count <= 40
    assert first.left_out == len(long.text) - 5 * count + 1
    assert content[second.start : second.end] == "\n\n[a.txt]\none two three"
    assert second.left_out == 0
    assert second.end == len(content)
    # What one file does not need is left for those after it.
    assert attach_files("", [short, long], 82, words)[1][1].left_out < first.left_out
    assert attach_files("", [long], 4, words)[1][0].left_out == len(long.text)


def test_a_cut_never_has_more_tokens_than_there_is_room_for() -> None:
    for text in ("x" * 5000, "ab cd\n" * 900, "é " * 3000):
        cut, used = cut_to_tokens(text, 100, lambda part: len(part.encode()) // 3)
        assert text.startswith(cut)
        assert 60 < used <= 100


def test_files_wait_where_they_were_attached_and_nothing_is_opened_by_a_name() -> None:
    waiting = WaitingFiles()
    waiting.read(None, "../../etc/passwd", b"root is not here")
    waiting.read(7, "note\u202egpj.md\n", "Grüße".encode())
    assert [each.text for each in waiting.of(None)] == ["root is not here"]
    assert [each.name for each in waiting.of(7)] == ["notegpj.md"]
    for name, data, said in (
        ("x.png", b"\x89PNG\0\0", "pictures, sound and office documents cannot"),
        ("empty.txt", b"  \n", "has no text. It is empty"),
        ("large.txt", b"a" * 2_000_001, "at most 2 MB are read of a text"),
    ):
        with pytest.raises(DataError, match=said):
            waiting.read(7, name, data)
    sent = waiting.of(7)
    waiting.read(7, "later.txt", b"later")
    waiting.clear(7, sent)
    assert [each.name for each in waiting.of(7)] == ["later.txt"]
    waiting.drop(7, waiting.of(7)[0].number)
    assert waiting.of(7) == ()
    for number in range(MOST_FILES):
        waiting.read(9, f"{number}.txt", b"text")
    with pytest.raises(DataError, match="at most 8 files"):
        waiting.read(9, "one more.txt", b"text")


def test_a_message_keeps_its_files_when_it_is_reworded_and_memory_reads_its_words_alone(
    tmp_path: Path,
) -> None:
    file = AttachedFile(1, "cv.txt", "I was born in Quorzheim, and my dog is called Zafrin.")
    with Store(tmp_path / "floe.db") as store:
        content, placed = attach_files("My cat is called Mollux. 🐈", [file], 100, words)
        kept = store.add_message(None, None, "user", content, attachments=placed)
        assert store.message(kept.id).attachments == tuple(placed)
        assert store.message(kept.id).words == "My cat is called Mollux. 🐈"
        other, moved = reword(kept, "Shorter.")
        assert other == "Shorter.\n\n[cv.txt]\n" + file.text
        assert other[moved[0].start : moved[0].end] == content[placed[0].start : placed[0].end]
        # A file may be about anybody: "my dog" in it is not the person's dog.
        memory = Memory(store, on=True, folder=None)
        found = [
            each.text for each in memory.recall("What are my dog and my cat called?", None).passages
        ]
        assert found
        assert all("Zafrin" not in text for text in found)


def refuse_long(text: str, _chat: int | None) -> None:
    if not text or len(text) > 100:
        raise PromptError("It does not fit.")


@pytest.mark.parametrize("said", ["x" * 60, " "])
def test_an_edit_that_does_not_fit_beside_its_files_is_refused_before_it_is_kept(
    tmp_path: Path, said: str
) -> None:
    with Store(tmp_path / "floe.db") as store:
        content, placed = attach_files("Why?", [AttachedFile(1, "a.txt", "w " * 30)], 99, words)
        asked = store.add_message(None, None, "user", content, attachments=placed)
        assistant: Any = SimpleNamespace(store=store, _check=refuse_long)
        with pytest.raises(PromptError, match="does not fit"):
            Assistant.edit(assistant, asked.id, said, TurnOptions())
        assert store.open_conversation(asked.conversation_id) == [store.message(asked.id)]
        assert store.message(asked.id).siblings == (asked.id,)


def test_names_of_files_that_leave_no_room_are_refused_before_anything_is_kept() -> None:
    def build(messages: list[ChatMessage]) -> Any:
        refuse_long(messages[-1].content, None)
        return SimpleNamespace(tokens=[0] * 90)

    prompts = TurnPrompts.__new__(TurnPrompts)
    prompts.system_prompt = ""
    tools: dict[str, Any] = {
        "builder": SimpleNamespace(build=build),
        "_model": SimpleNamespace(context_size=120, tokenize=lambda data: [*data]),
        "system_message": lambda told: ChatMessage("system", told),
    }
    vars(prompts).update(tools)
    files = [AttachedFile(n, f"{n}{'n' * 40}.txt", "text") for n in range(3)]
    assert len(prompts.place("?", files)[1]) == 3  # to be shown
    with pytest.raises(PromptError, match="does not fit"):
        prompts.attach("?", files)


def test_that_a_message_is_not_private_teaches_nothing_of_a_file_in_it(tmp_path: Path) -> None:
    asked: list[tuple[str, tuple[tuple[int, int, str], ...]]] = []

    def telling_words(text: str, spans: tuple[tuple[int, int, str], ...]) -> tuple[str, ...]:
        asked.append((text, spans))
        return tuple(text[start:end] for start, end, _ in spans)

    detector: Any = SimpleNamespace(telling_words=telling_words, learn_leniency=lambda _: None)
    gate: Any = SimpleNamespace(release=lambda *_: None)
    with Store(tmp_path / "floe.db") as store:
        content, placed = attach_files(
            "Ask Rosa.", [AttachedFile(1, "a.txt", "Dear Olga")], 99, words
        )
        question = store.add_message(None, None, "user", content, attachments=placed)
        olga = content.index("Olga")
        spans = ((4, 8, "name"), (olga, olga + 4, "name"))
        route = Route("local", "a name", spans, unsure=True)
        answer = store.add_message(
            question.conversation_id, question.id, "assistant", "Yes.", route=route
        )
        lessons = PrivacyLessons(store, detector, gate, set())
        lessons.release(store.message(question.id), [store.message(answer.id)])
        assert asked == [("Ask Rosa.", spans[:1])]
        assert [lesson.words for lesson in choices.lessons(store)] == [("rosa",)]
