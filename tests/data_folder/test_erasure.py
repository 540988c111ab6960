"""“Delete all my data”: nothing of Floe's is left, and nothing of anybody else's is touched."""

import subprocess
import sys
from pathlib import Path

import pytest

from floe.cloud.credentials.keys import Keys
from floe.data_folder import encryption_switch
from floe.data_folder.erasure import MARK, erase, finish_erasure
from floe.data_folder.maintenance import main
from floe.errors import StoreError
from floe.federation.group.host import superlink_command
from floe.store import Store
from floe.store.backup import create_backup
from floe.store.data_lock import LOCK
from floe.store.restore import restore_backup
from tests.data_folder.filled import PASSPHRASE, SECRET, contents, fill, holding

OTHERS = ("README.md", "examples/site.jsonl", "notes.txt", "adapters/mine.txt", "runs/todo.md")


def littered(data_dir: Path) -> None:
    """All that Floe leaves in the course of time, and files that others put there."""
    fill(data_dir)
    create_backup(data_dir, kind="daily")
    restore_backup(data_dir, create_backup(data_dir))
    for name in (
        "floe.log",
        "unsaved-7.db",
        "unsaved-7.db.left",
        "reserve.bin",
        "address.json",
        "open.html",
        "access-token",
        "api-key",
        "base_answers/0a1b.json",
        "flower/device.key",
        "flower/node.log",
        "flower/host/superlink.db",
        "flower/expert-x/adapter/adapter_model.safetensors",
        "runs/.lock",
        ".restore-abc/floe.db",
        "backups/.copy-abc/floe.db",
        ".export-x.gguf",
        "tmpab12_x_z/chats.jsonl",
        "floe.db.converted",
        *OTHERS,
    ):
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "somebody else's" if name in OTHERS else f"words: {SECRET}"
        path.write_text(text)


def listing(data_dir: Path) -> set[str]:
    files = (each for each in data_dir.rglob("*") if not each.is_dir() or each.is_symlink())
    return {each.relative_to(data_dir).as_posix() for each in files}


def test_nothing_of_floes_is_left_and_all_of_the_others(data_dir: Path) -> None:
    littered(data_dir)
    assert len(holding(data_dir)) > 15
    left = erase(data_dir)
    assert listing(data_dir) == {*OTHERS, LOCK}
    assert {each.name for each in left} - {LOCK} == {
        "README.md",
        "examples",
        "notes.txt",
        "adapters",
        "runs",
    }
    assert holding(data_dir) == []


def test_links_lead_out_of_the_folder_for_nobody(data_dir: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "1").mkdir(parents=True)
    (outside / "1" / "photo.jpg").write_text("a picture")
    (outside / "floe.db").write_text("another database")
    (data_dir / "adapters").symlink_to(outside)
    (data_dir / "flower").symlink_to(outside)
    (data_dir / "floe.db").symlink_to(outside / "floe.db")
    (data_dir / "runs" / "1").mkdir(parents=True)
    (data_dir / "runs" / "2").symlink_to(outside / "1")
    (data_dir / "runs" / "1" / "rows.jsonl").symlink_to(outside / "floe.db")
    erase(data_dir)
    assert listing(data_dir) == set()
    assert (outside / "1" / "photo.jpg").read_text() == "a picture"
    assert (outside / "floe.db").read_text() == "another database"


def test_keys_leave_the_keyring(data_dir: Path, kept_keys: dict[tuple[str, str], str]) -> None:
    from pydantic import SecretStr

    with Store(data_dir / "floe.db") as store:
        store.save_endpoint("https://llm.example/v1", "m", {})
        store.set_setting("endpoint", {"base_url": "https://other.example/v1", "model": "m"})
    for url in ("https://llm.example/v1", "https://other.example/v1", "https://api.openai.com/v1"):
        Keys().save(url, SecretStr("sk-test"))
    kept_keys["another program", "https://llm.example"] = "theirs"
    encryption_switch.turn_on(data_dir, "keyring")
    assert len(kept_keys) == 5
    erase(data_dir)
    assert kept_keys == {("another program", "https://llm.example"): "theirs"}


def test_an_encrypted_folder_without_its_passphrase_can_be_deleted(data_dir: Path) -> None:
    from floe.store import encryption

    fill(data_dir)
    encryption_switch.turn_on(data_dir, "passphrase", PASSPHRASE)
    encryption._keys.clear()
    erase(data_dir)
    assert listing(data_dir) == set()


def test_one_that_was_killed_is_finished_at_the_next_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    littered(data_dir)
    unlink, left = Path.unlink, 3

    def killed(self: Path, missing_ok: bool = False) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(data_dir)
    assert (data_dir / MARK).exists()
    finish_erasure(data_dir)
    assert listing(data_dir) == {*OTHERS, LOCK}


def test_a_trainer_ends_and_a_host_is_asked_about(data_dir: Path) -> None:
    fill(data_dir)
    before = contents(data_dir)
    wait = "import time; time.sleep(600)"

    def started(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", wait, *words, str(data_dir.resolve() / "x")])

    # The words of the very command that hosts a group.
    with started(*superlink_command(data_dir / "flower", "127.0.0.1")[2:]) as host:
        try:
            with pytest.raises(StoreError, match="still hosted"):
                erase(data_dir)
            assert contents(data_dir) == before
        finally:
            host.kill()
    with started("floe.training.worker", "--folder") as trainer:
        try:
            erase(data_dir)
            trainer.wait(30)
        finally:
            trainer.kill()
    assert listing(data_dir) == set()


def test_the_command_asks_first(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    littered(data_dir)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(["erase", "--data-dir", str(data_dir)]) == 1
    assert "--yes" in capsys.readouterr().err
    assert (data_dir / "floe.db").exists()
    assert main(["erase", "--data-dir", str(data_dir), "--yes"]) == 0
    assert "notes.txt" in capsys.readouterr().out
    assert listing(data_dir) == {*OTHERS, LOCK}
