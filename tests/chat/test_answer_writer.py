"""How answers get into the database, on real files with real faults."""

import logging
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from floe.chat import answer_writer, rescue
from floe.chat.answer_writer import AnswerWriter
from floe.chat.turn import Turn
from floe.errors import StoreError
from floe.fusion.decoder import Controls
from floe.records import Route, TokenStep
from floe.store import Store, schema

ROUTE = Route("local", "")


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def steps(*texts: str) -> list[TokenStep]:
    return [
        TokenStep(place, text.encode(), 0.5, None, 0.5, 1.0, "local", 10.0 * place)
        for place, text in enumerate(texts)
    ]


class Desk:
    """A store, its writer, and turns that are written by hand."""

    def __init__(self, folder: Path) -> None:
        self.ended: list[Turn] = []
        self.store = Store(folder / "floe.db")
        self.writer = AnswerWriter(self.store, ended=self.ended.append)

    def turn(self) -> Turn:
        question = self.store.add_message(None, None, "user", "why?")
        answer = self.store.add_message(
            question.conversation_id, question.id, "assistant", "", status="streaming"
        )
        turn = Turn(question.conversation_id, answer.id, ROUTE, Controls(), self.writer.wake)
        self.writer.open(turn)
        return turn


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(answer_writer, "_CLOSING_SECONDS", 0.2)
    made = Desk(tmp_path)
    yield made
    made.writer.close()
    made.store.close()


class Lock:
    """Another program that holds the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.close()


def test_shown_tokens_are_in_the_database(desk: Desk) -> None:
    turn = desk.turn()
    for step in steps("One", " two", " three"):
        turn.add(step)
    turn.notice("The cloud was late.")
    until(lambda: len(turn.view().steps) == 3)
    kept = desk.store.message(turn.message_id)
    assert (kept.content, kept.status) == ("One two three", "streaming")
    assert kept.notices == ("The cloud was late.",)
    assert kept.stats is not None
    assert kept.stats.tokens == 3
    turn.finish("complete")
    assert turn.wait(60)
    kept, view = desk.store.message(turn.message_id), turn.view()
    assert (kept.content, kept.status, kept.stats) == (view.text, "complete", view.stats)
    assert desk.store.token_steps(turn.message_id) == list(view.steps)
    until(lambda: desk.ended == [turn])


def test_adding_never_waits_for_a_locked_database_and_all_is_kept_once_it_is_free(
    desk: Desk,
) -> None:
    turn = desk.turn()
    turn.add(steps("kept")[0])
    until(lambda: turn.view().text == "kept")
    lock = Lock(desk.store.path)
    for step in steps(" not", " kept", " yet"):
        turn.add(step)
    until(lambda: "another program holds the database" in turn.view().unkept)
    assert turn.view().text == "kept not kept yet"
    assert "The last 3 words" in turn.view().unkept
    turn.finish("complete")
    assert turn.view().status == "complete"
    assert not turn.wait(0.3)
    assert desk.store.message(turn.message_id).status == "streaming"
    lock.release()
    assert turn.wait(60)
    kept = desk.store.message(turn.message_id)
    assert (kept.content, kept.status) == ("kept not kept yet", "complete")
    assert len(kept.notices) == 1
    assert "because another program held the database; now it is saved" in kept.notices[0]
    assert turn.view().notices == kept.notices
    assert turn.view().unkept == ""


def test_a_try_that_was_committed_and_reported_as_failed_changes_nothing_when_repeated(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = desk.store.append_tokens
    failed: list[bool] = []

    def commit_and_fail(*args: object, **options: object) -> None:
        append(*args, **options)  # type: ignore[arg-type]
        if not failed:
            failed.append(True)
            raise StoreError("The disk failed.", "unreadable")

    monkeypatch.setattr(desk.store, "append_tokens", commit_and_fail)
    turn = desk.turn()
    turn.add(steps("One")[0])
    until(lambda: failed)
    turn.add(steps(" two")[0])
    turn.finish("stopped")
    assert turn.wait(60)
    assert len(desk.store.token_steps(turn.message_id)) == 2
    assert desk.store.message(turn.message_id).content == "One two"
    assert "the disk could not be read or written" in turn.view().notices[0]


def test_a_bug_in_the_way_to_the_disk_is_tried_again_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = desk.store.append_tokens
    failed: list[bool] = []

    def fail_twice(*args: object, **options: object) -> None:
        if len(failed) < 2:
            failed.append(True)
            raise sqlite3.OperationalError("nobody knows why")
        append(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.store, "append_tokens", fail_twice)
    turn = desk.turn()
    turn.add(steps("One")[0])
    turn.finish("failed")
    assert turn.wait(60)
    assert desk.store.message(turn.message_id).content == "One"


def test_a_deleted_conversation_lets_its_turn_go_and_the_others_be_kept(desk: Desk) -> None:
    doomed, other = desk.turn(), desk.turn()
    doomed.add(steps("One")[0])
    until(lambda: doomed.view().text)
    desk.store.delete_conversation(doomed.conversation_id)
    doomed.add(steps(" two")[0])
    other.add(steps("Other")[0])
    assert doomed.wait(60)
    assert doomed.controls.stopped
    other.finish("complete")
    assert other.wait(60)
    assert desk.store.message(other.message_id).content == "Other"
    until(lambda: {turn.message_id for turn in desk.ended} == {doomed.message_id, other.message_id})


def test_nothing_is_left_behind_once_all_is_kept(desk: Desk) -> None:
    for _ in range(5):
        turn = desk.turn()
        turn.add(steps("One")[0])
        turn.finish("complete")
        assert turn.wait(60)
    until(lambda: len(desk.ended) == 5)
    assert desk.writer._turns == []
    assert desk.writer._delayed == {}


def test_what_cannot_be_kept_at_the_end_is_put_aside_and_taken_in_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(answer_writer, "_CLOSING_SECONDS", 0.1)
    desk = Desk(tmp_path)
    finished, cut = desk.turn(), desk.turn()
    lock = Lock(desk.store.path)
    for turn in (finished, cut):
        for step in steps("One", " café"):
            turn.add(step)
    finished.notice("The cloud was late.")
    finished.finish("length")
    desk.writer.close()
    assert not finished.running
    assert not cut.running
    (aside,) = tmp_path.glob("unsaved-*")
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert "4 words could not be saved" in caplog.text
    assert str(aside) in caplog.text
    assert "café" not in caplog.text
    lock.release()
    desk.store.close()

    with Store(tmp_path / "floe.db") as store:
        store.recover()
        assert store.message(finished.message_id).content == ""
        assert rescue.restore_recovery_files(store) == 2
        kept = store.message(finished.message_id)
        assert (kept.content, kept.status) == ("One café", "length")
        assert kept.notices == ("The cloud was late.",)
        assert kept.stats == finished.stats
        assert store.token_steps(finished.message_id) == steps("One", " café")
        assert store.message(cut.message_id).status == "interrupted"
        assert store.message(cut.message_id).content == "One café"
        assert store.search("café")
        assert rescue.restore_recovery_files(store) == 0
    assert list(tmp_path.glob("unsaved-*")) == []


def test_an_answer_of_another_database_is_not_taken_in_and_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(answer_writer, "_CLOSING_SECONDS", 0.1)
    desk = Desk(tmp_path)
    turn = desk.turn()
    lock = Lock(desk.store.path)
    turn.add(steps("One")[0])
    desk.writer.close()
    lock.release()
    desk.store.close()
    (tmp_path / "floe.db").rename(tmp_path / "old.db")
    with Store(tmp_path / "floe.db") as store:
        assert rescue.restore_recovery_files(store) == 0
    (left,) = tmp_path.glob("unsaved-*.left")
    with Store(left) as aside:
        assert "One" in str(aside.setting("unsaved", None))


def test_a_damaged_file_of_rescued_answers_is_left_and_the_start_goes_on(tmp_path: Path) -> None:
    (tmp_path / "unsaved-3.db").write_bytes(b"no database at all, " * 99)
    with Store(tmp_path / "floe.db") as store:
        assert rescue.restore_recovery_files(store) == 0
    assert (tmp_path / "unsaved-3.db").read_bytes().startswith(b"no database")


def test_where_nothing_can_be_written_the_terminal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(answer_writer, "_CLOSING_SECONDS", 0.1)
    desk = Desk(tmp_path)
    turn = desk.turn()
    lock = Lock(desk.store.path)
    turn.add(steps("One two three")[0])
    (tmp_path / f"unsaved-{turn.message_id}.db").mkdir()  # where the file would go
    desk.writer.close()
    lock.release()
    desk.store.close()
    lost = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "The last 3 words of 1 answers are lost" in lost[-1].getMessage()
    assert not turn.running
