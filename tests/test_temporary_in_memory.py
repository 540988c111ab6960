"""What tests write is in memory where there is room, and goes with the run that wrote it."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import temporary_in_memory
from tests.temporary_in_memory import use_memory


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(temporary_in_memory, "_MEMORY", tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)  # as it was, afterwards
    monkeypatch.setenv("TMPDIR", "set, so that it comes back")
    monkeypatch.delenv("TMPDIR")
    room = SimpleNamespace(f_bavail=5_000_000, f_frsize=1000)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    monkeypatch.setattr(os, "sysconf", lambda _: 1 << 20)
    return tmp_path


def test_temporary_files_go_there_and_what_a_killed_run_left_is_deleted(memory: Path) -> None:
    (memory / "floe-tests-999999999" / "old").mkdir(parents=True)
    (memory / f"floe-tests-{os.getppid()}").mkdir()
    (memory / "another program's").mkdir()
    folder = use_memory()
    assert folder is not None
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder)
    assert folder.stat().st_mode & 0o077 == 0
    left = {each.name for each in memory.iterdir()}
    assert left == {folder.name, f"floe-tests-{os.getppid()}", "another program's"}


def test_a_folder_of_the_persons_choice_stays(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert use_memory() is None
    assert os.environ["TMPDIR"] == "/somewhere"


@pytest.mark.parametrize("lacking", ["shared memory", "room in it", "memory"])
def test_without_room_they_stay_on_the_disk(
    memory: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    def without(_: object) -> SimpleNamespace:
        if lacking == "shared memory":
            raise FileNotFoundError
        return SimpleNamespace(f_bavail=10, f_frsize=1000)

    if lacking == "memory":
        monkeypatch.setattr(os, "sysconf", lambda _: 1 << 16)
    else:
        monkeypatch.setattr(os, "statvfs", without)
    assert use_memory() is None
    assert "TMPDIR" not in os.environ
    assert list(memory.iterdir()) == []
