"""Encryption at rest: on and off without loss, killed at every step, no plain byte on disk."""

import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from floe.data_folder.encryption_switch import finish_switch, turn_off, turn_on
from floe.errors import EncryptionError, StoreError
from floe.store import Store, encryption
from floe.store.backup import create_backup
from floe.store.encryption import read_bytes, readable_file, writable_file, write_bytes
from floe.store.restore import restore_backup
from tests.data_folder.filled import PASSPHRASE, SECRET, contents, fill, holding
from tests.store.chats import chat, rows, texts

ROOT = Path(__file__).parents[2]


def backed_up(data_dir: Path) -> None:
    """A folder with backups and what a restore has replaced."""
    fill(data_dir)
    create_backup(data_dir, kind="daily")
    restore_backup(data_dir, create_backup(data_dir))


# Files


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_any_file_comes_back_as_it_was(data_dir: Path, size: int) -> None:
    header, _key = encryption.make_key("keyring")
    header.write(data_dir)
    content = secrets.token_bytes(size)
    path = data_dir / "runs" / "rows.jsonl"
    path.parent.mkdir()
    write_bytes(path, content)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert encryption.is_encrypted(path)
    assert content[:1000] not in path.read_bytes() or size == 0 or size < 8
    assert read_bytes(path) == content
    with readable_file(path) as readable:
        assert readable.read_bytes() == content
        assert not str(readable).startswith(str(data_dir))
    with writable_file(path) as name:
        name.write_bytes(content[::-1])
    assert read_bytes(path) == content[::-1]


def test_every_change_of_a_file_is_noticed(data_dir: Path) -> None:
    header, _ = encryption.make_key("keyring")
    header.write(data_dir)
    path = data_dir / "x"
    write_bytes(path, b"a" * (2**20 + 50))
    whole = path.read_bytes()
    chunk = 2**20 + 16
    for bad in (
        whole[:-1],
        whole[: 15 + chunk],  # the last chunk is gone
        whole + b"x",
        whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        whole[:10] + bytes([whole[10] ^ 1]) + whole[11:],
        whole[:15] + whole[15 + chunk :] + whole[15 : 15 + chunk],
    ):
        path.write_bytes(bad)
        with pytest.raises(EncryptionError, match="damaged"):
            read_bytes(path)


def test_a_file_in_clear_is_read_as_it_is(data_dir: Path) -> None:
    (data_dir / "x").write_bytes(b"plain")
    assert read_bytes(data_dir / "x") == b"plain"
    with readable_file(data_dir / "x") as readable:
        assert readable == data_dir / "x"


# The key


def test_only_the_passphrase_opens_it(data_dir: Path) -> None:
    fill(data_dir)
    before = contents(data_dir)
    turn_on(data_dir, "passphrase", PASSPHRASE)
    assert PASSPHRASE.encode() not in b"".join(
        each.read_bytes() for each in data_dir.rglob("*") if each.is_file()
    )
    encryption._keys.clear()
    with pytest.raises(EncryptionError, match=r"passphrase.*--passphrase-file"):
        Store(data_dir / "floe.db")
    with pytest.raises(EncryptionError, match="not the passphrase"):
        encryption.unlock(data_dir, PASSPHRASE + "x")
    encryption.unlock(data_dir, PASSPHRASE)
    assert contents(data_dir) == before


def test_the_keyring_opens_it_by_itself(
    data_dir: Path, kept_keys: dict[tuple[str, str], str]
) -> None:
    fill(data_dir)
    before = contents(data_dir)
    turn_on(data_dir, "keyring")
    encryption._keys.clear()
    assert contents(data_dir) == before
    encryption._keys.clear()
    kept_keys.clear()
    with pytest.raises(EncryptionError, match="keyring"):
        Store(data_dir / "floe.db")


def test_what_cannot_be_encrypted_is_a_sentence_and_changes_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data_dir)
    before = contents(data_dir)
    with pytest.raises(EncryptionError, match="at least 8"):
        turn_on(data_dir, "passphrase", "short")
    with monkeypatch.context() as patch:
        patch.setattr(encryption, "sqlcipher", None)
        with pytest.raises(EncryptionError, match="pip install sqlcipher3"):
            turn_on(data_dir, "passphrase", PASSPHRASE)
    import keyring
    from keyring.backends.null import Keyring

    keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(EncryptionError, match=r"no keyring.*passphrase instead"):
        turn_on(data_dir, "keyring")
    assert encryption.read_header(data_dir) is None
    assert contents(data_dir) == before


def test_a_header_from_elsewhere_cannot_make_this_machine_work_for_ever(data_dir: Path) -> None:
    turn_on_empty(data_dir)
    path = data_dir / encryption.HEADER
    for bad in (
        path.read_text().replace(f'"n": {2**10}', f'"n": {2**40}'),
        path.read_text().replace('"kind": "passphrase"', '"kind": "clear"'),
        "{}",
        "[" * 100_000,
        "",
    ):
        path.write_text(bad)
        with pytest.raises(EncryptionError, match="cannot be read"):
            encryption.read_header(data_dir)


def turn_on_empty(data_dir: Path) -> None:
    with Store(data_dir / "floe.db"):
        pass
    turn_on(data_dir, "passphrase", PASSPHRASE)


# On and off


def test_no_file_of_an_encrypted_folder_holds_a_plain_byte_of_a_chat(data_dir: Path) -> None:
    backed_up(data_dir)
    before = contents(data_dir)
    assert len(holding(data_dir)) > 10
    turn_on(data_dir, "passphrase", PASSPHRASE)
    assert holding(data_dir) == []
    assert contents(data_dir) == before
    with Store(data_dir / "floe.db") as store:
        chat(store, f"new words: {SECRET}")
        assert holding(data_dir) == []  # in the log beside the database neither
        create_backup(data_dir)
    assert holding(data_dir) == []
    turn_off(data_dir)
    assert contents(data_dir)["files"] == before["files"]
    assert rows(data_dir / "floe.db", "PRAGMA integrity_check") == [("ok",)]
    assert not (data_dir / encryption.HEADER).exists()
    assert not any(each.is_file() and encryption.is_encrypted(each) for each in data_dir.rglob("*"))


def test_backups_from_before_can_be_restored_after_and_the_other_way_round(
    data_dir: Path,
) -> None:
    fill(data_dir)
    before = contents(data_dir)["said"]
    made = create_backup(data_dir)
    turn_on(data_dir, "passphrase", PASSPHRASE)
    restore_backup(data_dir, made)
    assert contents(data_dir)["said"] == before
    turn_off(data_dir)
    restore_backup(data_dir, made)
    assert contents(data_dir)["said"] == before


def test_a_damaged_file_stops_nothing_else_from_being_kept(data_dir: Path) -> None:
    fill(data_dir)
    bad = create_backup(data_dir)
    bad.write_bytes(bad.read_bytes()[:-200])
    turn_on(data_dir, "passphrase", PASSPHRASE)
    assert holding(data_dir) == []
    assert not bad.exists()


def test_a_trainer_at_work_is_waited_for(data_dir: Path) -> None:
    fill(data_dir)
    wait = "import time; time.sleep(600)"
    words = [sys.executable, "-c", wait, "floe.training.worker", "--folder"]
    with subprocess.Popen([*words, str(data_dir.resolve() / "runs" / "1")]) as trainer:
        try:
            with pytest.raises(StoreError, match="still at work"):
                turn_on(data_dir, "passphrase", PASSPHRASE)
        finally:
            trainer.kill()
    assert encryption.read_header(data_dir) is None


def switched(data_dir: Path, direction: str, number: int) -> int | None:
    """Switch in a process that is killed before that step; the number of steps if there are fewer.

    Forked, because an interpreter for each of some fifty steps would take minutes.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        taken = 0

        def step(_name: str) -> None:
            nonlocal taken
            taken += 1
            if taken == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            if direction == "on":
                turn_on(data_dir, "passphrase", PASSPHRASE, step)
            else:
                encryption.unlock(data_dir, PASSPHRASE)
                turn_off(data_dir, step)
            os.write(writer, str(taken).encode())
        finally:
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        steps = said.read()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    return int(steps)


def killed_everywhere(prepare: Callable[[Path], None], parent: Path, direction: str) -> int:
    """Kill before each step in turn, look, go on; returns the number of steps."""
    number, steps = 0, None
    whole = parent / "whole"
    whole.mkdir()
    prepare(whole)
    while steps is None:
        number += 1
        # Copied, because it takes longer to make than to switch.
        data_dir = shutil.copytree(whole, parent / str(number))
        encryption._keys.clear()
        if encryption.read_header(data_dir) is not None:
            encryption.unlock(data_dir, PASSPHRASE)
        before = contents(data_dir)
        encryption._keys.clear()
        steps = switched(data_dir, direction, number)
        # Half way: everything is there, and can be written to.
        encryption.unlock(data_dir, PASSPHRASE)
        assert contents(data_dir) == before, number
        finish_switch(data_dir)
        assert contents(data_dir) == before, number
        if encryption.read_header(data_dir) is None:
            assert rows(data_dir / "floe.db", "PRAGMA integrity_check") == [("ok",)]
            assert direction == "off" or number == 1
        else:
            assert holding(data_dir) == [], number
        assert list(data_dir.rglob("*.converted*")) == []
        assert list(data_dir.rglob(".copy-*")) == []
    return number


def test_killed_before_every_step_of_turning_it_on(tmp_path: Path) -> None:
    assert killed_everywhere(backed_up, tmp_path, "on") > 20


def test_killed_before_every_step_of_turning_it_off(tmp_path: Path) -> None:
    def encrypted(data_dir: Path) -> None:
        backed_up(data_dir)
        turn_on(data_dir, "passphrase", PASSPHRASE)

    assert killed_everywhere(encrypted, tmp_path, "off") > 20


# Other processes


CHILD = """
import sys
from pathlib import Path
from floe.store import encryption
from floe.store import Store
encryption.receive_key(Path(sys.argv[1]), sys.stdin.buffer)
with Store(Path(sys.argv[1]) / "floe.db") as store:
    print(store.open_conversation(1)[0].content, sys.stdin.read())
"""


def test_a_child_gets_the_key_through_its_standard_input_alone(data_dir: Path) -> None:
    fill(data_dir)
    turn_on(data_dir, "passphrase", PASSPHRASE)
    line = encryption.key_line(data_dir)
    command = [sys.executable, "-c", CHILD, str(data_dir)]
    done = subprocess.run(command, cwd=ROOT, input=line + b"more", capture_output=True, check=True)
    assert done.stdout.decode().split() == ["my", "word", "is", SECRET, "more"]
    assert line.strip().decode() not in repr([*command, *os.environ.items()])
    turn_off(data_dir)
    assert encryption.key_line(data_dir) == b""


def test_a_log_that_a_kill_left_is_read_by_the_next(data_dir: Path) -> None:
    with Store(data_dir / "floe.db"):
        pass
    turn_on(data_dir, "passphrase", PASSPHRASE)
    killed = """
import os, signal, sys
from pathlib import Path
from floe.store import encryption
from floe.store import Store
encryption.unlock(Path(sys.argv[1]), sys.argv[2])
store = Store(Path(sys.argv[1]) / "floe.db")
conversation = store.create_conversation()
store.add_message(conversation.id, None, "user", "written just before")
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", killed, str(data_dir), PASSPHRASE]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert b"written just before" not in (data_dir / "floe.db-wal").read_bytes()
    with Store(data_dir / "floe.db") as store:
        assert texts(store.open_conversation(1)) == ["written just before"]


def test_no_connection_opens_the_database_beside_those_that_hold_its_locks(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing that descriptor would drop the locks of all connections of this process."""
    looked: list[Path] = []
    look = encryption.is_plain_database

    def noted(path: Path) -> bool:
        looked.append(path)
        return look(path)

    monkeypatch.setattr(encryption, "is_plain_database", noted)
    with Store(data_dir / "floe.db") as store, Store(data_dir / "floe.db"):
        chat(store, "in clear")
    assert looked == []
    turn_on(data_dir, "passphrase", PASSPHRASE)
    looked.clear()
    with Store(data_dir / "floe.db") as store, Store(data_dir / "floe.db") as other:  # noqa: SIM117
        with store.reading(), store.reading(), other.reading():
            pass
    assert len(looked) <= 1
