"""Conversations and their branches, answers and their tokens, and what deletion leaves."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floe.errors import StoreError
from floe.records import Alternative, AnswerStats, Route, TokenStep
from floe.store import Store
from tests.store.chats import STEP, chat, rows, streaming, texts

# Conversations and branches


def test_conversations_are_listed_by_last_use(store: Store) -> None:
    first, second, third = (store.create_conversation(name) for name in ("a", "b", "c"))
    store.add_message(first.id, None, "user", "news")
    listed = store.conversations()
    assert [conversation.title for conversation in listed] == ["a", "c", "b"]
    assert listed[0].updated_at > first.updated_at
    assert store.conversations(limit=2) == listed[:2]
    assert store.conversation(second.id) == second
    assert store.conversation(third.id) == third


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("How do I sort a list?\nHere it is: ...", "How do I sort a list?"),
        ("\n\n   \n  late \t start\nmore", "late start"),
        ("x" * 60, "x" * 60),
        ("word " * 20, "word " * 11 + "word…"),
        ("see https://" + "x" * 80, "see https://" + "x" * 47 + "…"),
        ("長" * 80, "長" * 59 + "…"),
        (" \n ", ""),
    ],
)
def test_the_first_question_gives_the_title(store: Store, content: str, title: str) -> None:
    (message,) = chat(store, content)
    assert len(title) <= 60
    assert store.conversation(message.conversation_id).title == title


@pytest.mark.parametrize("greeting", ["Hi!", "hello there", "Guten Tag", "你好", "test"])
def test_a_greeting_names_a_chat_only_until_something_is_asked(store: Store, greeting: str) -> None:
    first, answer = chat(store, greeting, "Hello! How can I help?")
    assert store.conversation(first.conversation_id).title == greeting
    asked = store.add_message(first.conversation_id, answer.id, "user", "How do I prune roses?")
    assert store.conversation(first.conversation_id).title == "How do I prune roses?"
    assert store.search("prune")[0].conversation_id == first.conversation_id
    store.add_message(first.conversation_id, asked.id, "user", "And lilac?")
    assert store.conversation(first.conversation_id).title == "How do I prune roses?"


def test_a_greeting_that_was_chosen_as_a_title_stays(store: Store) -> None:
    first, answer = chat(store, "Write a greeting for a shop window", "Hello!")
    store.rename_conversation(first.conversation_id, "Hello")
    store.add_message(first.conversation_id, answer.id, "user", "Another one")
    assert store.conversation(first.conversation_id).title == "Hello"


def test_a_title_once_given_stays(store: Store) -> None:
    first, _ = chat(store, "first question", "answer")
    store.add_message(first.conversation_id, None, "user", "second question")
    assert store.conversation(first.conversation_id).title == "first question"
    store.rename_conversation(first.conversation_id, "mine")
    assert store.conversation(first.conversation_id).title == "mine"
    named = store.create_conversation("given")
    store.add_message(named.id, None, "system", "be kind")
    store.add_message(named.id, None, "user", "hello")
    assert store.conversation(named.id).title == "given"


def test_a_conversation_opens_on_its_last_message_from_the_root(store: Store) -> None:
    messages = chat(store, "one", "two", "three", "four")
    chat(store, "another conversation")
    assert store.open_conversation(messages[0].conversation_id) == messages
    assert store.path_to(messages[1].id) == messages[:2]
    assert store.message(messages[2].id) == messages[2]
    assert store.open_conversation(store.create_conversation().id) == []


def test_regenerate_and_edit_are_new_children_and_nothing_is_overwritten(store: Store) -> None:
    question, answer, more = chat(store, "question", "answer", "more")
    conversation_id = question.conversation_id
    again = store.add_message(conversation_id, question.id, "assistant", "other answer")
    edited = store.add_message(conversation_id, None, "user", "edited question")
    assert texts(store.open_conversation(conversation_id)) == ["edited question"]
    assert texts(store.path_to(again.id)) == ["question", "other answer"]
    assert texts(store.path_to(more.id)) == ["question", "answer", "more"]
    assert again.siblings == (answer.id, again.id)
    path = store.path_to(more.id)
    assert [message.siblings for message in path] == [
        (question.id, edited.id),
        (answer.id, again.id),
        (more.id,),
    ]


def test_siblings_are_those_of_the_same_conversation(store: Store) -> None:
    (first,) = chat(store, "a")
    (second,) = chat(store, "b")
    assert store.message(first.id).siblings == (first.id,)
    assert store.message(second.id).siblings == (second.id,)


def test_select_branch_goes_down_to_the_newest_leaf(store: Store) -> None:
    question, first, _ = chat(store, "question", "first", "old leaf")
    conversation_id = question.conversation_id
    second = store.add_message(conversation_id, question.id, "assistant", "second")
    leaf = store.add_message(conversation_id, first.id, "user", "new leaf")
    assert store.select_branch(conversation_id, second.id) == second.id
    assert texts(store.open_conversation(conversation_id)) == ["question", "second"]
    assert store.select_branch(conversation_id, question.id) == leaf.id
    assert texts(store.open_conversation(conversation_id)) == ["question", "first", "new leaf"]
    assert store.conversation(conversation_id).leaf_id == leaf.id


def test_a_branch_of_another_conversation_is_refused(store: Store) -> None:
    (mine,) = chat(store, "mine")
    (other,) = chat(store, "other")
    with pytest.raises(StoreError, match="deleted"):
        store.select_branch(mine.conversation_id, other.id)
    with pytest.raises(StoreError, match="deleted"):
        store.add_message(mine.conversation_id, other.id, "assistant", "astray")
    assert store.open_conversation(mine.conversation_id) == [mine]


# Answers and their tokens


def test_an_answer_comes_back_as_it_was_written(store: Store, path: Path) -> None:
    route = Route("fused", "Nothing private was found.", ((0, 3, "name"), (5, 9, "phone")))
    stats = AnswerStats(3, 1.25, 80.5, 2, 1, 40, 0, 45, 3)
    conversation = store.create_conversation()
    answer = store.add_message(
        conversation.id, None, "assistant", "", status="streaming", route=route
    )
    later = replace(STEP, p_local=None, p_cloud=None, source="late", alternatives=())
    store.append_tokens(answer.id, [STEP, later], "caf")
    store.append_tokens(answer.id, [], "caf")
    store.append_tokens(answer.id, [replace(STEP, token_id=-1)], "café 🫠")
    assert store.message(answer.id).content == "café 🫠"
    store.finish_answer(
        answer.id, content="café 🫠.", status="stopped", stats=stats, notices=["Late.", "日本"]
    )
    with Store(path) as reopened:
        assert reopened.token_steps(answer.id) == [STEP, later, replace(STEP, token_id=-1)]
        assert reopened.message(answer.id) == replace(
            answer, content="café 🫠.", status="stopped", stats=stats, notices=("Late.", "日本")
        )
    assert store.conversation(conversation.id).updated_at > conversation.updated_at


probability = st.floats(0, 1)
maybe = st.none() | probability
steps = st.builds(
    TokenStep,
    token_id=st.integers(-1, 2**31),
    text_bytes=st.binary(max_size=12),
    p_local=maybe,
    p_cloud=maybe,
    p_fused=probability,
    weight=probability,
    source=st.sampled_from(["local", "fused", "cloud", "late", "offline"]),
    at_ms=st.floats(0, 1e9),
    alternatives=st.lists(
        st.builds(Alternative, st.binary(max_size=8), maybe, maybe, probability), max_size=4
    ).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(batches=st.lists(st.lists(steps, max_size=4), max_size=3), content=st.text())
def test_any_tokens_and_text_make_an_exact_round_trip(
    store: Store, batches: list[list[TokenStep]], content: str
) -> None:
    answer = streaming(store)
    for batch in batches:
        store.append_tokens(answer.id, batch, content)
    store.append_tokens(answer.id, [], content)
    assert store.token_steps(answer.id) == [step for batch in batches for step in batch]
    assert store.message(answer.id).content == content
    store.delete_conversation(answer.conversation_id)


def test_half_a_surrogate_pair_from_a_browser_does_not_stop_a_chat(store: Store) -> None:
    (message,) = chat(store, "a \ud83d\ude00 b \ud83d c")
    assert message.content == "a 😀 b \ufffd c"
    assert store.open_conversation(message.conversation_id) == [message]
    assert len(store.search("\ud83d c")) == 2  # the title and the message


def test_a_failed_append_leaves_nothing_of_itself(store: Store) -> None:
    answer = streaming(store)
    store.append_tokens(answer.id, [STEP], "one")
    with pytest.raises(sqlite3.IntegrityError):
        store.append_tokens(answer.id, [STEP, replace(STEP, source="nowhere")], "two")  # type: ignore[arg-type]
    assert store.token_steps(answer.id) == [STEP]
    store.append_tokens(answer.id, [STEP], "three")
    assert store.token_steps(answer.id) == [STEP, STEP]


def test_recover_marks_only_what_was_cut_off(store: Store) -> None:
    (whole,) = chat(store, "whole")
    cut = streaming(store)
    store.append_tokens(cut.id, [STEP], "half an answer")
    assert store.search("half") == []
    assert store.recover() == 1
    assert store.recover() == 0
    assert store.message(cut.id) == replace(cut, content="half an answer", status="interrupted")
    assert store.message(whole.id).status == "complete"
    assert [hit.message_id for hit in store.search("half")] == [cut.id]


# Deletion


def test_deleting_removes_every_row_of_that_conversation_alone(store: Store, path: Path) -> None:
    kept = chat(store, "shared word", "kept")
    answer = streaming(store)
    store.append_tokens(answer.id, [STEP], "shared")
    store.finish_answer(
        answer.id, content="shared", status="complete", stats=AnswerStats(), notices=[]
    )
    store.delete_conversation(answer.conversation_id)
    assert [each.id for each in store.conversations()] == [kept[0].conversation_id]
    assert {hit.conversation_id for hit in store.search("shared")} == {kept[0].conversation_id}
    for table, left in [("messages", 2), ("tokens", 0), ("message_search", 2), ("title_search", 1)]:
        assert rows(path, f"SELECT count(*) FROM {table}") == [(left,)], table
    assert rows(path, "PRAGMA foreign_key_check") == []


def test_a_conversation_of_1500_messages_can_be_deleted(store: Store) -> None:
    messages = chat(store, *(f"message {place}" for place in range(1500)))
    assert len(store.open_conversation(messages[0].conversation_id)) == 1500
    store.delete_conversation(messages[0].conversation_id)
    assert store.search("message") == []
    assert store.conversations() == []


def test_deleted_text_is_not_left_in_the_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def of_another_build(path: Path, **options: Any) -> Any:
        connection = connect(path, **options)
        connection.execute("PRAGMA secure_delete = OFF")  # the default of some builds, not all
        return connection

    monkeypatch.setattr(sqlite3, "connect", of_another_build)
    store = Store(path)
    chat(store, "something that stays")
    messages = chat(store, "my pin is xylozimtquark", "xylozimtquark noted")
    answer = store.add_message(messages[0].conversation_id, messages[1].id, "assistant", "")
    secret = replace(STEP, alternatives=(Alternative(b"xylozimtquark", None, None, 1.0),))
    store.append_tokens(answer.id, [secret], "again xylozimtquark")

    def left() -> list[str]:
        # The search index keeps a word as what differs from the one before: look for its end.
        return [each.name for each in path.parent.iterdir() if b"zimtquark" in each.read_bytes()]

    assert left()
    store.delete_conversation(messages[0].conversation_id)
    assert left() == []
    assert len(store.search("stays")) == 2
    store.close()


def test_ids_of_the_deleted_are_not_given_again(store: Store) -> None:
    (old,) = chat(store, "old")
    store.delete_conversation(old.conversation_id)
    (new,) = chat(store, "new")
    assert new.conversation_id > old.conversation_id
    assert new.id > old.id


def test_what_has_been_deleted_in_another_tab_is_a_plain_sentence(store: Store) -> None:
    answer = streaming(store)
    gone = answer.conversation_id
    store.delete_conversation(gone)
    stats = AnswerStats()
    for call in (
        lambda: store.conversation(gone),
        lambda: store.open_conversation(gone),
        lambda: store.rename_conversation(gone, "x"),
        lambda: store.add_message(gone, None, "user", "x"),
        lambda: store.message(answer.id),
        lambda: store.path_to(answer.id),
        lambda: store.append_tokens(answer.id, [STEP], "x"),
        lambda: store.finish_answer(
            answer.id, content="", status="complete", stats=stats, notices=[]
        ),
    ):
        with pytest.raises(StoreError, match=r"has been deleted\. Choose another"):
            call()


def test_a_folder_is_there_while_something_is_in_it(store: Store) -> None:
    first, second = store.create_conversation("One"), store.create_conversation("Two")
    store.move_conversations([first.id, second.id], "  Letters\n to  Anna ")
    assert {each.folder for each in store.conversations()} == {"Letters to Anna"}
    store.move_conversations([first.id], "")
    assert store.conversation(first.id).folder == ""
    assert store.conversation(second.id).folder == "Letters to Anna"
