"""One app to a data folder, whatever becomes of it."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from floe.errors import DataFolderInUseError, StoreError
from floe.store import Store
from floe.store.data_lock import DataLock, child_processes, exclusive_access, is_open, open_page

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from floe.store.data_lock import DataLock
lock = DataLock(Path(sys.argv[1])).acquire()
lock.publish("http://127.0.0.1:1/?token=geheim", "file:///opener")
print("held", flush=True)
time.sleep(600)
"""


def holder(data_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_and_a_kill_lets_go(data_dir: Path) -> None:
    with holder(data_dir) as process:
        try:
            assert is_open(data_dir)
            with pytest.raises(DataFolderInUseError, match="already open"):
                DataLock(data_dir).acquire()
            page = open_page(data_dir)
            assert page is not None
            assert page.address == "http://127.0.0.1:1/?token=geheim"
            assert page.opener == "file:///opener"
        finally:
            process.send_signal(signal.SIGKILL)
    assert not is_open(data_dir)
    assert open_page(data_dir, 0) is not None  # left behind, and taken away by the next one
    with DataLock(data_dir).acquire() as lock:
        assert open_page(data_dir, 0) is None
        lock.publish("http://127.0.0.1:2")
    assert open_page(data_dir, 0) is None


def test_lock_and_address_are_for_this_user_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with DataLock(data_dir).acquire() as lock:
        lock.publish("http://127.0.0.1:1")
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        for path in data_dir.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_command_that_writes_is_told_where_the_app_is_but_no_token(data_dir: Path) -> None:
    with DataLock(data_dir).acquire() as lock:
        lock.publish("http://127.0.0.1:7860/?token=geheim")
        with pytest.raises(DataFolderInUseError) as raised:
            exclusive_access(data_dir, "import again").__enter__()
    assert "at http://127.0.0.1:7860 with" in str(raised.value)
    assert "then import again" in str(raised.value)
    assert "geheim" not in str(raised.value)
    with exclusive_access(data_dir, "import again"):
        assert is_open(data_dir)


def test_who_only_reads_needs_no_lock(data_dir: Path) -> None:
    with DataLock(data_dir).acquire(), Store(data_dir / "floe.db") as store:
        assert store.conversations() == []


def test_looking_whether_it_is_open_stands_in_nobodys_way(data_dir: Path) -> None:
    for _ in range(30):
        assert not is_open(data_dir)
        with DataLock(data_dir).acquire():
            assert is_open(data_dir)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        DataLock(tmp_path / "file" / "data").acquire()


def test_a_trainer_is_found_by_its_folder_and_is_no_app(data_dir: Path) -> None:
    assert child_processes(data_dir) == []
    # Its words are a trainer's; what it does is wait.
    wait = "import time; time.sleep(600)"
    words = [sys.executable, "-c", wait, "floe.training.worker", "--folder"]
    with subprocess.Popen([*words, str(data_dir.resolve() / "runs" / "1")]) as process:
        try:
            assert [each.pid for each in child_processes(data_dir)] == [process.pid]
            assert child_processes(data_dir.parent / "other") == []
            assert not is_open(data_dir)
        finally:
            process.kill()
