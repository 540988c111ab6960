"""A disk that is full, locked, read-only or damaged: nothing that was shown is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from floe.chat import answer_writer
from floe.chat.assistant import Assistant
from floe.chat.turn import Turn, TurnOptions
from floe.errors import PromptError, StoreError
from floe.records import Sampling
from floe.store import Store, schema
from tests.faults.conftest import Open
from tests.faults.small_disk import SmallDisk
from tests.store.chats import STEP, change, chat, rows, streaming

STORY = "Tell me a long story about a ship that sails far to the north."
OPTIONS = TurnOptions("local", 1.0, Sampling(max_tokens=120))
Until = Callable[..., None]


def shown(turn: Turn) -> int:
    return len(turn.view().steps)


def read_all(path: Path) -> None:
    with Store(path) as store:
        for conversation in store.conversations():
            store.open_conversation(conversation.id)


def assert_all_is_kept(assistant: Assistant, turn: Turn) -> None:
    view = turn.view()
    kept = assistant.store.message(turn.message_id)
    assert (kept.content, kept.status) == (view.text, view.status)
    assert (kept.stats, kept.notices) == (view.stats, view.notices)
    assert assistant.store.token_steps(turn.message_id) == list(view.steps)
    assert rows(assistant.store.path, "PRAGMA integrity_check") == [("ok",)]


# Full


def test_on_a_full_disk_the_answer_goes_on_says_so_and_is_whole_once_there_is_room(
    disk: SmallDisk, start: Open, until: Until
) -> None:
    assistant = start(disk.path)
    turn = assistant.ask(None, STORY, OPTIONS)
    until(lambda: shown(turn) > 3)
    disk.fill()
    until(lambda: "the disk is full" in turn.view().unkept)
    told = shown(turn)
    until(lambda: not turn.writing)
    view = turn.view()
    assert len(view.steps) == 120 > told  # the decoder did not wait
    assert view.status == "length"
    assert view.unkept.startswith("The last ")
    assert view.unkept.endswith("make some room.")
    before = len(assistant.store.token_steps(turn.message_id))
    assert before < 120
    assert assistant.store.message(turn.message_id).status == "streaming"
    with pytest.raises(PromptError, match=r"not saved yet.*Your message stays here"):
        assistant.ask(turn.conversation_id, "And then?", OPTIONS)
    disk.make_room()
    assert turn.wait(60)
    assert_all_is_kept(assistant, turn)
    (notice,) = turn.view().notices
    assert "because the disk was full; now it is saved" in notice
    assert assistant.ask(turn.conversation_id, "And then?", OPTIONS).wait(120)


def test_on_a_full_disk_another_turn_waits_its_own_turn_and_both_are_kept(
    disk: SmallDisk, start: Open, until: Until
) -> None:
    assistant = start(disk.path)
    turns = [assistant.ask(None, STORY, OPTIONS), assistant.ask(None, "Name rivers.", OPTIONS)]
    until(lambda: shown(turns[0]) > 3)
    disk.fill()
    until(lambda: not any(turn.writing for turn in turns))
    until(lambda: all("the disk is full" in turn.view().unkept for turn in turns))
    disk.make_room()
    for turn in turns:
        assert turn.wait(60)
        assert_all_is_kept(assistant, turn)


def test_a_program_that_ends_on_a_full_disk_keeps_the_answer_with_the_room_it_held_back(
    disk: SmallDisk, start: Open, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not disk.real:
        pytest.skip("needs a disk of its own")
    monkeypatch.setattr("floe.chat.rescue._MIN_FREE_BYTES", 0)
    monkeypatch.setattr(answer_writer, "_CLOSING_SECONDS", 0.2)
    assistant = start(disk.path)
    turn = assistant.ask(None, STORY, OPTIONS)
    until(lambda: shown(turn) > 3)
    disk.fill()
    until(lambda: "the disk is full" in turn.view().unkept)
    assistant.close()
    assert not turn.running
    view = turn.view()
    disk.make_room()
    with Store(disk.path / "floe.db") as store:
        kept = store.message(turn.message_id)
        assert (kept.content, kept.status) == (view.text, "stopped")
        assert store.recover() == 0
    assert list(disk.path.glob("unsaved-*")) == []


def test_a_question_that_cannot_be_kept_is_not_asked_and_leaves_nothing_behind(
    disk: SmallDisk, start: Open
) -> None:
    assistant = start(disk.path)
    disk.fill()
    for _ in range(2):
        with pytest.raises(StoreError, match="disk is full"):
            assistant.ask(None, STORY * 40, OPTIONS)
    assert not assistant.busy
    disk.make_room()
    assert assistant.store.conversations() == []
    turn = assistant.ask(None, STORY, OPTIONS)
    turn.stop()
    assert turn.wait(60)
    assert len(assistant.store.open_conversation(turn.conversation_id)) == 2


def test_a_question_whose_answer_found_no_room_is_not_doubled_by_asking_again(
    start: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = start(tmp_path)
    first = assistant.ask(None, "Name three rivers.", OPTIONS)
    first.stop()
    assert first.wait(60)
    add = assistant.store.add_message

    def no_room_for_answers(*args: object, **options: object) -> object:
        if args[2] == "assistant":
            raise StoreError("The disk is full.", "full")
        return add(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(assistant.store, "add_message", no_room_for_answers)
        with pytest.raises(StoreError):
            assistant.ask(first.conversation_id, "And three lakes?", OPTIONS)
        with pytest.raises(StoreError):
            assistant.ask(None, "Another chat?", OPTIONS)
    again = assistant.ask(first.conversation_id, "And three lakes?", OPTIONS)
    again.stop()
    assert again.wait(60)
    texts = [m.content for m in assistant.store.open_conversation(first.conversation_id)]
    assert texts.count("And three lakes?") == 1
    assert len(texts) == 4
    assert len(assistant.store.conversations()) == 1


# Locked


def test_a_lock_held_for_long_lets_the_answer_go_on(
    start: Open, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.3)
    assistant = start(tmp_path)
    turn = assistant.ask(None, STORY, OPTIONS)
    until(lambda: shown(turn) > 3)
    other = sqlite3.connect(assistant.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    until(lambda: not turn.writing)
    until(lambda: "another program holds the database" in turn.view().unkept)
    assert shown(turn) == 120
    other.close()
    assert turn.wait(60)
    assert_all_is_kept(assistant, turn)
    assert "another program held the database" in turn.view().notices[0]


# What is found at the start


def test_an_empty_file_is_no_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    path = tmp_path / "floe.db"
    path.touch()
    with pytest.raises(StoreError, match=r"floe\.db is empty.*backup|floe\.db is empty.*copy"):
        Store(path)
    assert path.stat().st_size == 0


@pytest.mark.parametrize("database", ["empty", "missing"])
def test_a_log_without_its_database_is_left_alone(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    path = tmp_path / "floe.db"
    with Store(path) as store:
        chat(store, "precious")
        log = path.with_name("floe.db-wal").read_bytes()
        assert b"precious" in log
        path.unlink()
        if database == "empty":
            path.touch()
        with pytest.raises(StoreError, match=r"floe\.db-wal.*left as"):
            Store(path)
        assert path.with_name("floe.db-wal").read_bytes() == log


def test_a_log_cut_short_loses_what_was_cut_and_nothing_else(tmp_path: Path) -> None:
    path, copy = tmp_path / "floe.db", tmp_path / "copy" / "floe.db"
    with Store(path) as store:
        answer = streaming(store)
        ends = []
        for number in range(30):
            store.append_tokens(answer.id, [STEP], "word " * (number + 1))
            ends.append(path.with_name("floe.db-wal").stat().st_size)
        copy.parent.mkdir()
        for file in (path, path.with_name("floe.db-wal")):
            shutil.copy(file, copy.with_name(file.name))
    log = copy.with_name("floe.db-wal")
    for cut in (ends[20] + 1000, ends[20], ends[10] - 1, 40):
        os.truncate(log, cut)
        content, database = log.read_bytes(), copy.read_bytes()
        whole = sum(end <= cut for end in ends)
        if whole == 0:
            continue
        with Store(copy) as store:
            assert store.message(answer.id).content == "word " * whole
            assert len(store.token_steps(answer.id)) == whole
        assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
        copy.write_bytes(database)
        log.write_bytes(content)


def test_a_log_that_is_none_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    with Store(path) as store:
        chat(store, "precious")
    log = path.with_name("floe.db-wal")
    log.write_bytes(b"these are the notes of somebody, and no log of a database " * 9)
    before = log.read_bytes(), path.read_bytes()
    with pytest.raises(StoreError, match=r"floe\.db-wal is not.*left as it is"):
        Store(path)
    assert (log.read_bytes(), path.read_bytes()) == before


def test_a_database_cut_short_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    with Store(path) as store:
        chat(store, *["some text " * 100] * 40)
    content = path.read_bytes()
    for size in (100, 4096, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(StoreError, match=r"floe\.db is (damaged|not a database)"):
            read_all(path)
        assert path.read_bytes() == content[:size]


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    with Store(path) as store:
        chat(store, "from the future")
    change(path, "INSERT INTO _sqlite_migrations VALUES (99, 'floe', '0999_later', '2099')")
    with pytest.raises(StoreError, match=r"newer version of Floe\. Update Floe"):
        Store(path)


def test_a_folder_in_the_place_of_the_database(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    path.mkdir()
    (path / "a file").touch()
    with pytest.raises(StoreError, match=r"floe\.db cannot be opened"):
        Store(path)
    assert (path / "a file").exists()


def test_a_folder_that_is_missing_is_made_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    with Store(tmp_path / "a" / "b" / "floe.db") as store:
        assert store.conversations() == []
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Choose another data folder"):
        Store(tmp_path / "file" / "floe.db")


STRANGER = """
import os, sys, tempfile
from pathlib import Path
from floe.errors import FloeError
from floe.store import Store
with tempfile.TemporaryDirectory() as other, Store(Path(other) / "floe.db") as store:
    store.recover()  # all is imported: afterwards Python's own files may be out of reach
if os.getuid() == 0:  # root may write anything, so it becomes somebody else here
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
try:
    with Store(Path(sys.argv[1])) as store:
        store.recover()
        store.create_conversation()
except FloeError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("locked", ["file", "folder", "both"])
def test_a_person_who_may_not_write_reads_a_sentence(locked: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "data" / "floe.db"
        with Store(path) as store:
            chat(store, "kept")
        before = path.read_bytes()
        path.parent.chmod(0o777 if locked == "file" else 0o555)
        path.chmod(0o666 if locked == "folder" else 0o444)
        result = subprocess.run(
            [sys.executable, "-c", STRANGER, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=Path(__file__).parents[2],
        )
        path.parent.chmod(0o755)
        assert result.stderr == ""
        assert result.stdout.startswith("StoreError")
        assert "cannot be " in result.stdout
        assert "data folder" in result.stdout
        assert path.read_bytes() == before


def test_a_database_that_becomes_read_only_in_mid_answer(
    start: Open, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = start(tmp_path)
    turn = assistant.ask(None, STORY, OPTIONS)
    until(lambda: shown(turn) > 3)
    connect = schema.connect

    def read_only(path: Path) -> object:
        db = connect(path)
        db.execute("PRAGMA query_only = ON")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(schema, "connect", read_only)
        assistant.store.close()  # those that are idle: the next call opens a new one
        until(lambda: "may not be written" in turn.view().unkept)
        until(lambda: not turn.writing)
        assistant.store.close()
    assistant.store.close()
    assert turn.wait(60)
    assert_all_is_kept(assistant, turn)
