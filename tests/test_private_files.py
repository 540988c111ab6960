"""Folder and log are this user's alone, whatever the umask and whatever was there before."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe.cli.log import log_to
from floe.config import Settings
from floe.private_files import MAX_LOG_BYTES, PrivateLogFile, make_private_folder
from floe.store import Store


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    handlers = logging.getLogger().handlers[:]
    yield
    os.umask(before)
    for each in logging.getLogger().handlers[:]:
        if each not in handlers:
            logging.getLogger().removeHandler(each)
            each.close()


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_log_and_folder_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    data = tmp_path / "data"
    log_to(Settings.load(data_dir=data))
    logging.getLogger("floe").warning("hello")
    with Store(data / "floe.db"):
        assert rights(data) == 0o700
        for name in ("floe.log", "floe.db", "floe.db-wal"):
            assert rights(data / name) == 0o600


def test_what_was_open_before_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    for name in ("floe.log", "floe.log.1"):
        (data / name).touch(mode=0o644)
    Store(data / "floe.db").close()
    (data / "floe.db").chmod(0o644)
    data.chmod(0o777)
    log_to(Settings.load(data_dir=data))
    Store(data / "floe.db").close()
    assert rights(data) == 0o700
    assert {rights(path) for path in data.iterdir()} == {0o600}


def test_a_folder_that_is_shared_on_purpose_stays_so(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    make_private_folder(shared)
    assert rights(shared) == 0o1777


def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    handler = PrivateLogFile(tmp_path / "floe.log")
    for _ in range(25):
        handler.emit(logging.makeLogRecord({"msg": "x" * 1_000_000}))
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["floe.log", "floe.log.1", "floe.log.2"]
    assert all(path.stat().st_size <= MAX_LOG_BYTES for path in files)
    assert {rights(path) for path in files} == {0o600}
