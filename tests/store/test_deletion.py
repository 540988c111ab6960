"""What is deleted is gone from the file, and comes back whole while it can."""

from dataclasses import replace
from pathlib import Path

import pytest

from floe.chat.undo import UNDO_SECONDS, UndoableDeletions, UnsentMessage
from floe.errors import StoreError
from floe.memory.memory import Memory
from floe.records import AnswerStats
from floe.store import Store
from floe.store.day_requests import requests_today
from floe.store.deletion import delete_branch, delete_chats, restore_rows
from tests.store.chats import STEP, chat, rows, streaming, texts

EVERYTHING = "SELECT * FROM {} ORDER BY 1, 2"
TABLES = (
    *("conversations", "messages", "tokens", "attachments", "pseudonyms", "chat_settings"),
    *("memory_sources", "memory_passages", "memory_uses"),
    *("message_search_content", "title_search_content", "memory_search_content"),
)


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that belongs to chats, as it stands in the file."""
    found = {table: rows(path, EVERYTHING.format(table)) for table in TABLES}
    found["memory_sources"] = [row for row in found["memory_sources"] if row[1] == "chat"]
    return found


def fill(store: Store) -> tuple[int, int]:
    """Two chats with tokens, memory, a use of it and a pseudonym; returns their ids."""
    first, answer = chat(store, "My sister Xylona lives in Quorzheim by the sea.", "Noted.")[:2]
    store.append_tokens(answer.id, [STEP, replace(STEP, token_id=8)], "Noted.")
    Memory(store, on=True, folder=None).update(lambda: False)
    second = chat(store, "Where does Xylona live?", "In Quorzheim.")
    with store.writing() as db:
        (passage,) = db.execute("SELECT min(id) FROM memory_passages").fetchone()
        db.execute("INSERT INTO memory_uses VALUES (?, ?)", [second[1].id, passage])
        db.execute("INSERT INTO attachments VALUES (?, 0, 'Xylona.txt', 5, 9, 0)", [second[0].id])
        db.execute(
            "INSERT INTO chat_settings VALUES (?, 'Talk to Xylona.', '{}')",
            [first.conversation_id],
        )
        db.execute(
            "INSERT INTO pseudonyms VALUES (?, 'Person 1', 'name', 'Xylona')",
            [first.conversation_id],
        )
    return first.conversation_id, second[0].conversation_id


def test_deleted_chats_leave_no_word_in_the_file_and_come_back_whole(
    store: Store, path: Path
) -> None:
    first, second = fill(store)
    before = everything(path)
    gone = delete_chats(store, [first, second])
    store.checkpoint()
    assert {table: found for table, found in everything(path).items() if found} == {}
    for file in path.parent.glob(f"{path.name}*"):
        assert b"Xylona" not in file.read_bytes()
    restore_rows(store, gone)
    assert everything(path) == before
    assert {hit.conversation_id for hit in store.search("quorzheim")} == {first, second}
    with pytest.raises(Exception, match="UNIQUE"):
        restore_rows(store, gone)  # it is there already, and stays as it is
    assert everything(path) == before


def test_a_use_of_what_was_deleted_meanwhile_does_not_come_back(store: Store, path: Path) -> None:
    first, second = fill(store)
    gone = delete_chats(store, [second])
    delete_chats(store, [first])
    restore_rows(store, gone)
    assert rows(path, "SELECT count(*) FROM memory_uses") == [(0,)]
    assert texts(store.open_conversation(second)) == ["Where does Xylona live?", "In Quorzheim."]


def test_a_deleted_message_takes_what_follows_and_another_version_comes_into_view(
    store: Store, path: Path
) -> None:
    question, answer, more, _ = chat(store, "one", "two", "three", "four")
    other = store.add_message(question.conversation_id, question.id, "assistant", "two b")
    store.select_branch(question.conversation_id, answer.id)
    before = everything(path)
    gone = delete_branch(store, answer.id)
    assert [row[4] for row in gone.tables["messages"]] == ["two", "three", "four"]
    assert texts(store.open_conversation(question.conversation_id)) == ["one", "two b"]
    assert store.message(other.id).siblings == (other.id,)
    with pytest.raises(StoreError):
        delete_branch(store, more.id)
    restore_rows(store, gone)
    assert everything(path) == before
    delete_branch(store, question.id)
    assert store.open_conversation(question.conversation_id) == []


def test_a_message_out_of_view_is_deleted_without_a_change_of_view(store: Store) -> None:
    question, answer = chat(store, "one", "two")
    store.add_message(question.conversation_id, question.id, "assistant", "two b")
    delete_branch(store, answer.id)
    assert texts(store.open_conversation(question.conversation_id)) == ["one", "two b"]


def test_a_message_cannot_come_back_into_a_chat_that_is_gone(store: Store) -> None:
    question, answer = chat(store, "one", "two")
    gone = delete_branch(store, answer.id)
    store.delete_conversation(question.conversation_id)
    with pytest.raises(StoreError):
        restore_rows(store, gone)
    assert store.conversations() == []


def test_only_the_last_deletion_can_be_undone_and_only_for_a_while(store: Store) -> None:
    first, second = chat(store, "one")[0], chat(store, "two")[0]
    now = [0.0]
    deletions = UndoableDeletions(store, lambda: now[0])
    begun = UnsentMessage(first.conversation_id, "begun")
    deletions.delete_chats([first.conversation_id], [begun])
    earlier = deletions.last
    assert earlier is not None
    assert earlier.unsent == (begun,)
    deletions.delete_chats([second.conversation_id])
    with pytest.raises(StoreError, match="too late"):
        deletions.undo(earlier.number)
    assert deletions.undo(earlier.number + 1).conversation_id == second.conversation_id
    with pytest.raises(StoreError, match="too late"):
        deletions.undo(earlier.number + 1)
    deletions.delete_message(second.id, second.conversation_id)
    last = deletions.last
    assert last is not None
    assert last.sentence == "The message is deleted."
    now[0] = UNDO_SECONDS + 1
    with pytest.raises(StoreError, match="too late"):
        deletions.undo(last.number)


def test_pinned_chats_stand_first_and_marks_leave_the_rest_as_it_is(store: Store) -> None:
    first, second, third = (chat(store, text)[0].conversation_id for text in ("a", "b", "c"))
    store.mark_conversations([first], pinned=True)
    store.mark_conversations([first, second], archived=True)
    listed = store.conversations()
    assert [(each.id, each.pinned, each.archived) for each in listed] == [
        (first, True, True),
        (third, False, False),
        (second, False, True),
    ]
    store.mark_conversations([first], archived=False)
    assert (store.conversation(first).pinned, store.conversation(first).archived) == (True, False)


def test_search_of_chats_gives_one_hit_a_chat_with_all_its_places(store: Store) -> None:
    many = chat(store, *["the river Nile"] * 30)
    one = chat(store, "lakes", "a river, a lake, a pond")
    (titled,) = chat(store, "River of words")
    streaming(store)
    hits = {hit.conversation_id: hit for hit in store.search_chats("river", limit=3)}
    assert set(hits) == {many[0].conversation_id, one[0].conversation_id, titled.conversation_id}
    assert set(hits[many[0].conversation_id].messages) == {each.id for each in many}
    found = hits[one[0].conversation_id]
    assert found.messages == (one[1].id,)
    assert found.snippet == "a river, a lake, a pond"
    assert hits[titled.conversation_id].messages == (titled.id,)
    assert store.search_chats("?") == []
    store.rename_conversation(one[0].conversation_id, "Ponds")
    (hit,) = store.search_chats("ponds")
    assert (hit.messages, hit.snippet) == ((), "Ponds")
    assert len(store.search_chats("river", limit=1)) == 1


def test_the_answers_kept_figures_come_back(store: Store) -> None:
    answer = streaming(store)
    stats = AnswerStats(tokens=3, cloud_requests=2)
    store.finish_answer(answer.id, content="x", status="complete", stats=stats, notices=("a",))
    restore_rows(store, delete_branch(store, answer.id))
    assert store.message(answer.id).stats == stats


def test_what_deleted_answers_asked_stays_in_the_budget_of_the_day(store: Store) -> None:
    answer = streaming(store)
    stats = AnswerStats(cloud_requests=3)
    store.finish_answer(answer.id, content="x", status="complete", stats=stats, notices=())
    forgotten: list[bool] = []
    deletions = UndoableDeletions(store, on_deleted=lambda: forgotten.append(True))

    def spent() -> int:
        return requests_today(store)

    assert spent() == 3
    deletions.delete_message(answer.id, answer.conversation_id)
    assert spent() == 3
    last = deletions.last
    assert last is not None
    deletions.undo(last.number)
    assert spent() == 3
    deletions.delete_chats([answer.conversation_id])
    assert spent() == 3
    assert forgotten == [True, True]  # what the model keeps of prompts goes with each
