"""The file itself: its tables, its owner, settings, and what may be wrong with it."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils.migrations import Migrations

from floe.errors import StoreError
from floe.records import AnswerStats
from floe.store import Store, schema
from tests.store.chats import change, chat, rows, texts

# The file


def test_schema_is_exactly_this(store: Store, path: Path) -> None:
    found = [
        " ".join(sql.split()) + ";"
        for name, sql in rows(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        if sql
        and not name.startswith(
            ("message_search_", "title_search_", "memory_search_", "sqlite_", "_sqlite")
        )
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
        ("floe", "0006_imports"),
        ("floe", "0007_memory"),
        ("floe", "0008_conversation_list"),
        ("floe", "0009_folders"),
        ("floe", "0010_composer"),
        ("floe", "0012_examples"),
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
    change(
        path,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('floe', '0999_later', '2099')",
    )
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
