"""The store on real files: other threads, other processes, kill -9, broken files."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils.migrations import Migrations

from floe import schema
from floe.errors import StoreError
from floe.records import Alternative, AnswerStats, Message, Route, TokenStep
from floe.store import Store
from floe.words import segment

STEP = TokenStep(
    token_id=7,
    text_bytes=b" caf\xc3",  # half of an e with an acute accent
    p_local=0.1,
    p_cloud=1 / 3,
    p_fused=2e-308,
    weight=0.6,
    source="fused",
    at_ms=12.5,
    alternatives=(
        Alternative(b"\xff\x00\"'\\\n", 0.1 + 0.2, None, 0.25),
        Alternative(b" the", None, 1.0, 0.0),
    ),
)
REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "floe.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What is in the file, past the store."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(sql)
    finally:
        connection.close()


def chat(store: Store, *texts: str) -> list[Message]:
    """A new conversation of one branch, user and assistant in turn."""
    conversation = store.create_conversation()
    messages: list[Message] = []
    for place, text in enumerate(texts):
        parent = messages[-1].id if messages else None
        role = "assistant" if place % 2 else "user"
        messages.append(store.add_message(conversation.id, parent, role, text))  # type: ignore[arg-type]
    return messages


def streaming(store: Store) -> Message:
    """An answer under way."""
    (question,) = chat(store, "why?")
    return store.add_message(
        question.conversation_id, question.id, "assistant", "", status="streaming"
    )


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


# The file


def test_schema_is_exactly_this(store: Store, path: Path) -> None:
    found = [
        " ".join(sql.split()) + ";"
        for name, sql in rows(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        if sql and not name.startswith(("message_search_", "title_search_", "sqlite_", "_sqlite"))
    ]
    expected = Path(__file__).with_name("schema.sql").read_text().splitlines()
    assert [line for line in found if "_sqlite_migrations" not in line] == expected
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]


def test_cloud_requests_are_added_up_from_a_moment_on(store: Store) -> None:
    assert store.cloud_requests_since(0) == 0
    conversation = store.create_conversation()
    moments = []
    for requests in (3, 4):
        answer = store.add_message(conversation.id, None, "assistant", "", status="streaming")
        stats = AnswerStats(tokens=9, cloud_requests=requests)
        store.finish_answer(answer.id, content="x", status="complete", stats=stats, notices=())
        moments.append(answer.created_at)
    assert store.cloud_requests_since(0) == 7
    assert store.cloud_requests_since(moments[1]) == 4
    assert store.cloud_requests_since(moments[1] + 60) == 0


def test_migrations_are_applied_once_and_reopening_changes_nothing(path: Path) -> None:
    with Store(path) as store:
        chat(store, "kept")
    before = path.read_bytes()
    with Store(path) as store:
        assert texts(store.open_conversation(1)) == ["kept"]
    assert path.read_bytes() == before
    assert rows(path, "SELECT migration_set, name FROM _sqlite_migrations") == [
        ("floe", "0001_chats"),
        ("floe", "0002_endpoints"),
        ("floe", "0003_privacy"),
        ("floe", "0004_personal"),
        ("floe", "0005_federation"),
    ]


def test_a_failing_migration_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Migrations("floe")
    broken(name="0001_chats")(lambda db: db.executescript("CREATE TABLE half (id); CREATE oops;"))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", broken)
        with pytest.raises(sqlite3.OperationalError, match="syntax"):
            Store(path)
    assert rows(path, "SELECT name FROM sqlite_master") == []
    with Store(path) as store:
        assert store.conversations() == []


def test_the_file_is_for_its_owner_alone(store: Store, path: Path) -> None:
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert {file.name for file in path.parent.iterdir()} >= {"floe.db", "floe.db-wal"}


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


# Search


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Sorting a list in Python", "python"),
        ("Sorting a list in Python", "list sort"),
        ("Ein Mädchen aß Crème brûlée", "madchen creme brul"),
        ("I don't know foo.bar(x)", "don't foo.bar"),
        ("C++ and C#", "c++"),
        ("我在东京图书馆看书", "图书"),
        ("我在东京图书馆看书", "馆"),
        ("Pythonで検索する", "python 検索"),
        ("서울에서 만나요", "서울"),
        ("ภาษาไทยสวยงาม", "ไทย"),
        ("a\x00b zero", "zero"),
    ],
)
def test_search_finds(store: Store, text: str, query: str) -> None:
    _, answer = chat(store, "?", text)
    chat(store, "?", "nothing of the kind, 別の話")
    assert [hit.message_id for hit in store.search(query)] == [answer.id]


@pytest.mark.parametrize("query", ["sort apple", "orting", "京東", "图馆", "NOT sorting", "NEAR"])
def test_search_does_not_find(store: Store, query: str) -> None:
    chat(store, "?", "sorting a list 东京图书馆 東京")
    assert store.search(query) == []


def test_search_shows_the_place_on_one_plain_line(store: Store) -> None:
    filler = "filler text\n" * 40
    _, answer = chat(store, "Title here", f"{filler}the <b>needle</b> 在东京图书馆\nend {filler}")
    for query in ("needle", "东京"):
        (hit,) = store.search(query)
        assert hit.message_id == answer.id
        assert hit.title == "Title here"
        assert "the <b>needle</b> 在东京图书馆 end" in hit.snippet
        assert hit.snippet.startswith("…")
        assert len(hit.snippet) < 300


def test_search_looks_at_titles_first_and_follows_a_rename(store: Store) -> None:
    first, _ = chat(store, "alpha", "beta")
    chat(store, "gamma", "alpha alpha alpha")
    conversation_id = first.conversation_id
    assert store.search("alpha")[0].message_id is None
    assert len(store.search("alpha")) == 3
    assert len(store.search("alpha", limit=2)) == 2
    store.rename_conversation(conversation_id, "旅行 delta")
    (hit,) = store.search("delt")
    assert (hit.conversation_id, hit.message_id) == (conversation_id, None)
    assert hit.snippet == hit.title == "旅行 delta"
    assert len(store.search("旅")) == 1
    assert None not in [hit.message_id for hit in store.search("alpha")]


def test_search_leaves_out_system_prompts_and_finds_other_branches(store: Store) -> None:
    conversation = store.create_conversation("t")
    store.add_message(conversation.id, None, "system", "prompt word")
    left = store.add_message(conversation.id, None, "user", "hidden word")
    store.add_message(conversation.id, None, "user", "in view")
    assert [hit.message_id for hit in store.search("word")] == [left.id]


@pytest.mark.parametrize("query", ["", "  \n", '"', '""', "*", "- + ( ) : ^", "\0", "…"])
def test_a_query_without_words_finds_nothing(store: Store, query: str) -> None:
    chat(store, 'anything * " - at all')
    assert store.search(query) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=st.text() | st.text("\"'*^:(){}+-AND ORNEAR东é\0\x1f", max_size=30))
def test_any_text_is_a_query(store: Store, query: str) -> None:
    if not store.conversations():
        chat(store, "AND OR NOT NEAR 东京")
    assert store.search(query) is not None


@given(text=st.text() | st.text("a東京ไ한 \n"))
def test_segmenting_only_adds_separators(text: str) -> None:
    assert segment(text).replace("\x1f", "") == text.replace("\x1f", "")


# Settings


def test_settings_keep_any_json_value(store: Store, path: Path) -> None:
    assert store.setting("weight", 0.6) == 0.6
    for value in (0.25, None, False, "日本 \ud83d", {"a": [1, None]}):
        store.set_setting("weight", value)
        with Store(path) as other:
            assert other.setting("weight", "default") == value


# Errors


def test_a_folder_that_cannot_be_made_is_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"File exists\. Choose another data folder"):
        Store(tmp_path / "file" / "floe.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)


def test_a_database_that_may_only_be_read_is_a_plain_sentence(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def read_only(path: Path, **options: Any) -> Any:
        return connect(f"file:{path}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with Store(path) as other:
        assert other.conversations() == []
        with pytest.raises(StoreError, match=r"cannot be written. Allow writing"):
            other.create_conversation()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"these are not the bytes of a database, " * 40, "is not a database"),
        (b"SQLite format 3\0" + b"\0" * 2000, "is not a database|is damaged"),
    ],
)
def test_another_kind_of_file_is_left_alone(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "floe.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=sentence) as raised:
        Store(path)
    assert str(path) in str(raised.value)
    assert "left as it is" in str(raised.value)
    assert path.read_bytes() == content


def test_a_damaged_database_is_named_and_left_alone(path: Path) -> None:
    with Store(path) as store:
        chat(store, *["some text " * 100] * 100)
    content = path.read_bytes()
    damaged = content[: 4096 * 8] + b"\xa5" * (len(content) - 4096 * 8)
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"floe\.db is damaged"), Store(path) as store:
        store.path_to(100)
    assert path.read_bytes() == damaged


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    change(path, "CREATE TABLE theirs (id)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="database of another program"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_floe_is_left_alone(path: Path) -> None:
    with Store(path) as store:
        chat(store, "from the future")
    change(path, "INSERT INTO _sqlite_migrations VALUES (9, 'floe', '0999_later', '2099')")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer version of Floe\. Update Floe"):
        Store(path)
    assert path.read_bytes() == before


def test_a_full_disk_is_a_plain_sentence_and_what_was_there_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as store:
        (message,) = chat(store, "before")
    connect = sqlite3.connect

    def on_a_small_disk(path: Path, **options: Any) -> Any:
        connection = connect(path, **options)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite then stays at its present size
        return connection

    monkeypatch.setattr(sqlite3, "connect", on_a_small_disk)
    with Store(path) as store:
        with pytest.raises(StoreError, match=r"disk is full.*Make room"):
            store.add_message(message.conversation_id, message.id, "user", "x" * 100_000)
        assert store.open_conversation(message.conversation_id) == [message]
        store.add_message(message.conversation_id, message.id, "user", "short enough")


def test_a_lock_held_for_too_long_is_a_plain_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    with Store(path) as store:
        (message,) = chat(store, "before")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"in use by another program"):
            store.create_conversation()
        assert store.open_conversation(message.conversation_id) == [message]
        other.close()
        store.create_conversation()


def test_a_bug_keeps_its_own_name(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        store.add_message(store.create_conversation().id, None, "robot", "x")  # type: ignore[arg-type]


# Threads, processes, kill -9

WRITER = """
import sys
import time
from pathlib import Path
from floe.records import TokenStep
from floe.store import Store

store = Store(Path(sys.argv[1]))
conversation = store.create_conversation("killed")
answer = store.add_message(conversation.id, None, "assistant", "", status="streaming")
print(answer.id, flush=True)
text = b""
for number in range(10_000):
    steps = [TokenStep(number, f"{number}.{part} ".encode(), None, None, 1.0, 1.0, "local", 0.0)
             for part in range(10)]
    text += b"".join(step.text_bytes for step in steps)
    store.append_tokens(answer.id, steps, text.decode())
    print(number, flush=True)
    time.sleep(float(sys.argv[2]))
"""

READER = """
import sys
from pathlib import Path
from floe.store import Store

with Store(Path(sys.argv[1])) as store:
    seen = 0
    while (count := len(store.token_steps(int(sys.argv[2])))) < int(sys.argv[3]):
        assert count % 7 == 0 and count >= seen, (seen, count)
        seen = count
    print(store.message(int(sys.argv[2])).content == "x" * count)
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("pause", [0.05, 0.0])
def test_kill_9_in_mid_answer_loses_nothing_that_was_acknowledged(path: Path, pause: float) -> None:
    with child(WRITER, path, pause) as process:
        assert process.stdout is not None
        answer_id = int(process.stdout.readline())
        for _ in range(12):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    acknowledged = 10 * (1 + max([11, *map(int, rest.split())]))

    with Store(path) as store:
        steps = store.token_steps(answer_id)
        assert acknowledged <= len(steps) <= acknowledged + 10
        assert len(steps) % 10 == 0
        assert [step.token_id for step in steps] == [place // 10 for place in range(len(steps))]
        assert store.recover() == 1
        message = store.message(answer_id)
        assert message.status == "interrupted"
        assert message.content.encode() == b"".join(step.text_bytes for step in steps)
        assert store.open_conversation(message.conversation_id) == [message]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_readers_in_threads_and_in_another_process_see_whole_transactions(
    store: Store, path: Path
) -> None:
    answer = streaming(store)
    batches = 150
    written = threading.Event()

    def read() -> list[int]:
        counts = []
        while not written.is_set():
            counts.append(len(store.token_steps(answer.id)))
            assert store.search("why")[-1].message_id == answer.parent_id
            assert store.open_conversation(answer.conversation_id)[-1].id == answer.id
        return counts

    with child(READER, path, answer.id, 7 * batches) as process, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(1, batches + 1):
                store.append_tokens(answer.id, [STEP] * 7, "x" * 7 * number)
        finally:
            written.set()
        output, errors = process.communicate()
    assert (output, errors) == ("True\n", "")
    for reader in readers:
        counts = reader.result()
        assert counts == sorted(counts)
        assert all(count % 7 == 0 for count in counts)


def test_all_reads_of_a_call_see_the_same_moment(store: Store, path: Path) -> None:
    chat(store, "before")
    with store.reading() as db, Store(path) as other:
        assert db["messages"].count == 1
        chat(other, "meanwhile")
        assert db["messages"].count == 1
    assert len(store.conversations()) == 2


def test_threads_of_one_process_write_in_turn(store: Store) -> None:
    conversation = store.create_conversation("t")

    def write(number: int) -> int:
        return store.add_message(conversation.id, None, "user", f"number {number}").id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(write, range(200)))
    assert len(ids) == 200
    assert set(store.message(min(ids)).siblings) == ids


NEWCOMER = """
import sys
from pathlib import Path
from floe.records import TokenStep
from floe.store import Store

print("ready", flush=True)
sys.stdin.readline()
with Store(Path(sys.argv[1])) as store:
    for number in range(30):
        conversation = store.create_conversation()
        question = store.add_message(conversation.id, None, "user", f"{sys.argv[2]} {number}")
        step = TokenStep(number, b"", None, None, 1.0, 1.0, "local", 0.0)
        store.append_tokens(question.id, [step], question.content)
"""


def test_processes_that_start_together_share_a_new_database(path: Path) -> None:
    newcomers = [child(NEWCOMER, path, number) for number in range(4)]
    for newcomer in newcomers:
        assert newcomer.stdout is not None
        assert newcomer.stdout.readline() == "ready\n"
    for newcomer in newcomers:
        assert newcomer.stdin is not None
        newcomer.stdin.write("\n")
        newcomer.stdin.flush()
    assert [newcomer.communicate() for newcomer in newcomers] == [("", "")] * 4
    with Store(path) as store:
        assert {each.title for each in store.conversations()} == {
            f"{number} {place}" for number in range(4) for place in range(30)
        }


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_of_two_that_start_together_one_makes_the_tables(path: Path, journal: str) -> None:
    path.parent.mkdir()
    with schema.connect(path) as first:
        first.execute(f"PRAGMA journal_mode = {journal}")
        first.execute("BEGIN IMMEDIATE")
        schema.MIGRATIONS.apply(first)
        commit = threading.Timer(0.3, first.commit)
        commit.start()
        with Store(path) as store:
            assert store.conversations() == []
        commit.join()
