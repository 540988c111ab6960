"""Backups: consistent, checked, kept by number; and the way back from them."""

import errno
import io
import json
import os
import shutil
import sqlite3
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils.migrations import Migrations

from floe.data_folder import encryption_switch
from floe.errors import DataFolderInUseError, EncryptionError, StoreError
from floe.federation.group.history import History
from floe.privacy import choices
from floe.store import Store, backup, encryption, schema
from floe.store.backup import BackupSchedule, create_backup, list_backups
from floe.store.data_lock import DataLock
from floe.store.restore import finish_restore, restore_backup
from tests.data_folder.filled import PASSPHRASE, SECRET, contents, fill
from tests.store.chats import chat, rows, texts

DAY = 86_400.0
NOW = 1_795_000_000.0


def names(zip_file: Path) -> set[str]:
    with zipfile.ZipFile(zip_file) as archive:
        return set(archive.namelist())


def altered(source: Path, target: Path, changes: dict[str, bytes | None]) -> Path:
    """A copy of a zip in which some members are others, or gone."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in {*old.namelist(), *changes}:
            content = changes.get(name, old.read(name) if name in old.namelist() else b"")
            if content is not None:
                new.writestr(name, content)
    return target


# Making them


def test_a_backup_is_for_this_user_alone_and_holds_chats_and_adapters(data_dir: Path) -> None:
    fill(data_dir)
    made = create_backup(data_dir)
    assert made.parent == data_dir / "backups"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert names(made) == {
        "floe.db",
        "adapters/1/adapter.gguf",
        "adapters/1/adapter/adapter_config.json",
        "adapters/1/adapter/adapter_model.safetensors",
        "manifest.json",
    }
    assert [each.name for each in made.parent.iterdir()] == [made.name]


def test_a_backup_made_while_others_write_is_one_moment(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir)
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with Store(data_dir / "floe.db") as store:
            while not done.is_set():
                chat(store, "question", "answer")
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [create_backup(data_dir, tmp_path / f"{number}.zip") for number in range(4)]
    finally:
        done.set()
        writer.join()
    assert written
    for each in made:
        with zipfile.ZipFile(each) as archive:
            archive.extract("floe.db", tmp_path)
        assert rows(tmp_path / "floe.db", "PRAGMA integrity_check") == [("ok",)]
        # A conversation is made before its first message, and its answer after that.
        ((chats, messages),) = rows(
            tmp_path / "floe.db",
            "SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM messages)",
        )
        assert 2 * chats - 2 <= messages <= 2 * chats


def test_three_of_each_kind_are_kept_and_those_made_by_hand(data_dir: Path) -> None:
    fill(data_dir)
    (data_dir / "backups").mkdir()
    (data_dir / "backups" / "floe-mine.zip").write_text("not Floe's")
    for number in range(5):
        create_backup(data_dir, kind="daily", now=NOW + number * DAY)
        create_backup(data_dir, kind="manual", now=NOW + number * DAY)
    assert [each.made_at for each in list_backups(data_dir, "daily")] == [
        NOW + number * DAY for number in (4, 3, 2)
    ]
    assert len(list_backups(data_dir, "manual")) == 5
    assert (data_dir / "backups" / "floe-mine.zip").exists()


def test_those_from_before_a_migration_go_after_a_month(data_dir: Path) -> None:
    fill(data_dir)
    old = create_backup(data_dir, kind="migration", now=NOW)
    create_backup(data_dir, kind="daily", now=NOW + 30 * DAY)
    assert old.exists()
    create_backup(data_dir, kind="daily", now=NOW + 31 * DAY)
    assert not old.exists()


def test_a_full_disk_is_a_sentence_and_costs_neither_data_nor_older_backups(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data_dir)
    kept = [create_backup(data_dir, kind="daily", now=NOW + number * DAY) for number in range(3)]
    before = contents(data_dir), [each.read_bytes() for each in kept]
    write = zipfile.ZipFile.write

    def on_a_full_disk(*args: Any, **options: Any) -> None:
        write(*args, **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "write", on_a_full_disk)
    with pytest.raises(StoreError, match=r"No space left.*Make room"):
        create_backup(data_dir, kind="daily", now=NOW + 3 * DAY)
    assert (contents(data_dir), [each.read_bytes() for each in kept]) == before
    assert sorted((data_dir / "backups").iterdir()) == kept


def test_a_copy_that_does_not_read_back_replaces_no_older_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data_dir)
    kept = [create_backup(data_dir, kind="daily", now=NOW + number * DAY) for number in range(3)]
    monkeypatch.setattr(
        backup, "check_database", lambda *_: (_ for _ in ()).throw(StoreError("is damaged"))
    )
    with pytest.raises(StoreError, match="is damaged"):
        create_backup(data_dir, kind="daily", now=NOW + 3 * DAY)
    assert sorted((data_dir / "backups").iterdir()) == kept


def test_a_damaged_database_is_not_backed_up_over_sound_copies(data_dir: Path) -> None:
    with Store(data_dir / "floe.db") as store:
        chat(store, *["some text " * 100] * 100)
    path = data_dir / "floe.db"
    content = path.read_bytes()
    path.write_bytes(content[: 4096 * 8] + b"\xa5" * (len(content) - 4096 * 8))
    with pytest.raises(StoreError, match="damaged"):
        create_backup(data_dir, kind="daily", now=NOW)
    assert list(data_dir.rglob("*.zip")) == []


# Before a migration


def older(path: Path, monkeypatch: pytest.MonkeyPatch, count: int = 3) -> None:
    """A database as an older Floe left it."""
    with monkeypatch.context() as patch, Store(path.with_name("x.db")):
        old = Migrations("floe")
        for migration in schema.MIGRATIONS._migrations[:count]:
            old(name=migration.name)(migration.fn)
        patch.setattr(schema, "MIGRATIONS", old)
        with Store(path) as store, store.writing() as db:
            db.execute(
                "INSERT INTO conversations (title, created_at, updated_at) VALUES (?, 1, 1)",
                ["from the past"],
            )
    for each in path.parent.glob("x.db*"):
        each.unlink()


def test_a_migration_is_preceded_by_a_copy_of_the_old_schema(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_dir / "floe.db"
    older(path, monkeypatch)
    assert list_backups(data_dir) == []
    with Store(path) as store:
        assert [each.title for each in store.conversations()] == ["from the past"]
    (made,) = list_backups(data_dir)
    assert made.kind == "migration"
    with zipfile.ZipFile(made.path) as archive:
        assert json.loads(archive.read("manifest.json"))["schema"][-1] == "0003_privacy"
        archive.extract("floe.db", tmp_path)
    assert rows(tmp_path / "floe.db", "SELECT max(name) FROM _sqlite_migrations")[0] == (
        "0003_privacy",
    )
    with Store(path):
        pass
    assert list_backups(data_dir) == [made]


def test_a_new_database_needs_no_copy(data_dir: Path) -> None:
    with Store(data_dir / "floe.db"):
        pass
    assert not (data_dir / "backups").exists()


def test_without_room_for_the_copy_nothing_is_migrated(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_dir / "floe.db"
    older(path, monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(StoreError, match=r"brought up to date.*nothing has been changed"):
        Store(path)
    assert rows(path, "SELECT max(name) FROM _sqlite_migrations") == [("0003_privacy",)]


# Every day


def test_one_a_day_while_nothing_is_answered(data_dir: Path) -> None:
    fill(data_dir)
    now, busy = NOW, True
    schedule = BackupSchedule(data_dir, lambda: busy, lambda: now)
    assert schedule.check() is None
    busy = False
    assert schedule.check() is not None
    for hour in range(1, 24):
        now = NOW + hour * 3600
        assert schedule.check() is None
    now = NOW + DAY
    busy = True
    assert schedule.check() is None
    busy = False
    assert schedule.check() is not None
    assert [each.made_at for each in list_backups(data_dir, "daily")] == [NOW + DAY, NOW]


def test_a_clock_that_was_set_back_does_not_stop_them(data_dir: Path) -> None:
    fill(data_dir)
    now = NOW
    schedule = BackupSchedule(data_dir, clock=lambda: now)
    assert schedule.check() is not None
    now -= 400 * DAY
    assert schedule.check() is not None


def test_an_empty_folder_is_not_backed_up(data_dir: Path) -> None:
    with Store(data_dir / "floe.db"):
        assert BackupSchedule(data_dir).check() is None
    assert not (data_dir / "backups").exists()


def test_a_failure_is_said_until_it_is_over(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data_dir)
    schedule = BackupSchedule(data_dir)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
        assert schedule.check() is None
        assert "Make room" in schedule.problem
    assert schedule.check() is not None
    assert schedule.problem == ""


def test_the_schedule_runs_by_itself_and_ends(data_dir: Path) -> None:
    fill(data_dir)
    made = threading.Event()
    schedule = BackupSchedule(data_dir)
    check = schedule.check

    def checked() -> Path | None:
        found = check()
        made.set()
        return found

    schedule.check = checked  # type: ignore[method-assign]
    schedule.start()
    assert made.wait(60)
    schedule.close()
    assert len(list_backups(data_dir, "daily")) == 1


# The way back


def test_restore_brings_back_chats_and_adapters_and_keeps_what_was_there(data_dir: Path) -> None:
    fill(data_dir)
    before = contents(data_dir)
    made = create_backup(data_dir)
    with Store(data_dir / "floe.db") as store:
        store.delete_conversation(1)
        chat(store, "written since")
    shutil.rmtree(data_dir / "adapters")
    told = restore_backup(data_dir, made)
    assert contents(data_dir) == before
    with Store(told.replaced / "floe.db") as store:
        assert [each.title for each in store.conversations()] == ["written since"]
    assert not (data_dir / "restore.json").exists()
    assert list(data_dir.glob(".restore-*")) == []


def test_a_restore_opens_no_port_and_joins_no_group(data_dir: Path) -> None:
    fill(data_dir)
    with Store(data_dir / "floe.db") as store:
        store.set_setting("api", True)
        History(store).begin("joined", {}, "Connecting to the group.")
    made = create_backup(data_dir)
    with Store(data_dir / "floe.db") as store:
        store.set_setting("api", False)
    told = restore_backup(data_dir, made)
    assert "The API for other programs is off" in told.sentence
    assert "This device is in no group now" in told.sentence
    with Store(data_dir / "floe.db") as store:
        assert store.setting("api", None) is None
        (group,) = History(store).all()
        assert (group.status, group.pid) == ("left", None)
    # Of what was off already nothing is said.
    quiet = restore_backup(data_dir, create_backup(data_dir))
    assert "API" not in quiet.sentence
    assert "group" not in quiet.sentence


def test_a_restore_lets_nothing_more_be_sent(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir)
    with Store(data_dir / "floe.db") as store:
        store.set_setting("endpoint", {"base_url": "https://other.example/v1"})
        store.set_setting("kind_treatments", {"special matters": "allow"})
        choices.set_policy(store, "pseudonyms")
    made = create_backup(data_dir)
    own = {"base_url": "https://mine.example/v1"}
    with Store(data_dir / "floe.db") as store:
        store.set_setting("endpoint", own)
        store.set_setting("kind_treatments", {})
        choices.set_policy(store, "local only")
    told = restore_backup(data_dir, made)
    assert "not as in the backup: see Cloud and Privacy" in told.sentence
    with Store(data_dir / "floe.db") as store:
        assert store.setting("endpoint", None) == own
        assert choices.policy(store) == "local only"
        assert choices.treatments(store)["special matters"] == "keep"
    assert "see Cloud" not in restore_backup(data_dir, create_backup(data_dir)).sentence
    # Where the database is damaged, all is as at a first start; in a new place as in the backup.
    (data_dir / "floe.db").write_bytes(b"no database at all")
    assert "see Cloud" in restore_backup(data_dir, made).sentence
    with Store(data_dir / "floe.db") as store:
        assert store.setting("endpoint", None) is None
    assert "see Cloud" not in restore_backup(tmp_path / "new", made).sentence
    with Store(tmp_path / "new" / "floe.db") as store:
        assert choices.policy(store) == "pseudonyms"


def test_restore_into_a_new_folder(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir)
    made = create_backup(data_dir, tmp_path / "elsewhere" / "mine.zip")
    restore_backup(tmp_path / "new", made)
    assert contents(tmp_path / "new")["said"] == contents(data_dir)["said"]


def test_restore_takes_a_bare_database_with_its_log(data_dir: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "other.db") as store:
        chat(store, "still in the log")
        restore_backup(data_dir, tmp_path / "other.db")
    with Store(data_dir / "floe.db") as store:
        assert texts(store.open_conversation(1)) == ["still in the log"]


def test_restore_of_an_older_schema_brings_it_up_to_date(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(tmp_path / "old.db", monkeypatch, 1)
    restore_backup(data_dir, tmp_path / "old.db")
    with Store(data_dir / "floe.db") as store:
        assert [each.title for each in store.conversations()] == ["from the past"]
    assert list_backups(data_dir) == []


def test_a_backup_from_before_a_migration_leaves_the_adapters(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(data_dir / "floe.db", monkeypatch, 4)
    (data_dir / "adapters" / "1").mkdir(parents=True)
    (data_dir / "adapters" / "1" / "adapter.gguf").write_text("learnt")
    with Store(data_dir / "floe.db"):
        (made,) = list_backups(data_dir)
    restore_backup(data_dir, made.path)
    assert (data_dir / "adapters" / "1" / "adapter.gguf").read_text() == "learnt"


def test_restore_refuses_while_an_app_has_the_folder(data_dir: Path) -> None:
    fill(data_dir)
    made = create_backup(data_dir)
    before = contents(data_dir)
    with DataLock(data_dir).acquire(), pytest.raises(DataFolderInUseError, match="Close it first"):
        restore_backup(data_dir, made)
    assert contents(data_dir) == before


def test_what_is_no_sound_backup_changes_nothing(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir)
    made = create_backup(data_dir)
    before = contents(data_dir)
    with zipfile.ZipFile(made) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        database = archive.read("floe.db")
    outside = {**manifest, "files": {"../../outside": {"bytes": 1, "sha256": "0"}}}
    absolute = {**manifest, "files": {"/tmp/outside": {"bytes": 1, "sha256": "0"}}}
    endless = {**manifest, "files": {"floe.db": {"bytes": 10**15, "sha256": "0"}}}
    (tmp_path / "text.zip").write_text("These are notes.")
    (tmp_path / "cut.zip").write_bytes(made.read_bytes()[:-500])
    (tmp_path / "other.zip").write_bytes(_zip({"a": b"b"}))
    sqlite3.connect(tmp_path / "theirs.db").executescript("CREATE TABLE theirs (id)")
    candidates = {
        tmp_path / "missing.zip": "no file",
        tmp_path: "no file",
        tmp_path / "text.zip": "not a backup",
        tmp_path / "cut.zip": "not a backup|damaged",
        tmp_path / "other.zip": "not a backup",
        tmp_path / "theirs.db": "another program",
    }
    for number, (change, sentence) in enumerate(
        [
            ({"floe.db": database[:-4096]}, "damaged"),
            ({"floe.db": database[:-1] + b"x"}, "damaged"),
            ({"floe.db": None}, "not a backup"),
            ({"manifest.json": b"[" * 100_000}, "not a backup"),
            ({"manifest.json": b"{}"}, "newer version|not a backup"),
            ({"manifest.json": json.dumps(outside).encode(), "../../outside": b"x"}, "not Floe's"),
            ({"manifest.json": json.dumps(absolute).encode()}, "not Floe's|not a backup"),
            ({"manifest.json": json.dumps(endless).encode()}, "free"),
        ]
    ):
        candidates[altered(made, tmp_path / f"{number}.zip", change)] = sentence  # type: ignore[arg-type]
    for path, sentence in candidates.items():
        with pytest.raises(StoreError, match=sentence):
            restore_backup(data_dir, path)
        assert contents(data_dir) == before, path
        assert list(data_dir.glob(".restore-*")) == [], path
    assert not (tmp_path.parent / "outside").exists()


def _zip(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.mark.parametrize("moves", range(1, 7))
def test_a_restore_killed_between_two_moves_is_finished_at_the_next_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    fill(data_dir)
    wanted = contents(data_dir)
    made = create_backup(data_dir)
    with Store(data_dir / "floe.db") as store:
        chat(store, "written since")
    replace, done = Path.replace, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal done
        if self.suffix != ".part" and not self.name.startswith("floe.db.conv"):
            done += 1
            if done == moves:
                raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        try:
            restore_backup(data_dir, made)
        except KeyboardInterrupt:
            pass
        else:
            assert done < moves  # there were no more
    finish_restore(data_dir)
    assert contents(data_dir) == wanted
    (kept,) = (data_dir / "replaced").iterdir()
    with Store(kept / "floe.db") as store:
        assert len(store.conversations()) == 2


# Encrypted


def test_a_backup_of_an_encrypted_folder_is_encrypted_and_comes_back(
    data_dir: Path, tmp_path: Path
) -> None:
    fill(data_dir)
    encryption_switch.turn_on(data_dir, "passphrase", PASSPHRASE)
    before = contents(data_dir)
    made = create_backup(data_dir, tmp_path / "mine.zip")
    with zipfile.ZipFile(made) as archive:
        for name in archive.namelist():
            assert SECRET.encode() not in archive.read(name), name
    encryption._keys.clear()
    new = tmp_path / "new"
    with pytest.raises(EncryptionError, match="passphrase"):
        restore_backup(new, made)
    with pytest.raises(EncryptionError, match="not the passphrase"):
        restore_backup(new, made, "something else")
    restore_backup(new, made, PASSPHRASE)
    encryption.unlock(new, PASSPHRASE)
    assert contents(new)["said"] == before["said"]
    assert not encryption.is_plain_database(new / "floe.db")


def test_a_restored_backup_is_as_the_folder_is_now(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir)
    plain = create_backup(data_dir, tmp_path / "plain.zip")
    before = contents(data_dir)
    encryption_switch.turn_on(data_dir, "keyring")
    secret = create_backup(data_dir, tmp_path / "secret.zip")
    restore_backup(data_dir, plain)
    assert contents(data_dir) == before | {"files": contents(data_dir)["files"]}
    assert not encryption.is_plain_database(data_dir / "floe.db")
    assert encryption.is_encrypted(data_dir / "adapters" / "1" / "adapter.gguf")
    encryption_switch.turn_off(data_dir)
    restore_backup(data_dir, secret)
    assert encryption.is_plain_database(data_dir / "floe.db")
    assert contents(data_dir)["said"] == before["said"]
