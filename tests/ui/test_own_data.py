"""All data at once, with the real app: two of them, backups, encryption, “Delete all my data”."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from floe.errors import DataFolderInUseError
from floe.store import Store, encryption
from floe.store.backup import list_backups
from floe.store.restore import restore_backup
from tests.data_folder.filled import PASSPHRASE, holding
from tests.ui.conftest import REPOSITORY, App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

SECRET = "xylozimtquark"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[App]:
    """An app for one test."""
    (tmp_path / "data").mkdir()
    running = App(tmp_path / "data", cloud=False)
    running.start()
    yield running
    encryption._keys.clear()
    running.end(signal.SIGINT)


def second(data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Another start on the same data folder."""
    command = [sys.executable, "app.py", "--port", "0", "--no-browser", "--data-dir", str(data_dir)]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )


def answered(person: Person, text: str) -> None:
    """Send, and wait until the answer is whole, whatever stands in the box."""
    person.send(text)
    expect(person.page.locator("#chat .user-row").last).to_contain_text(text)
    expect(person.answer.locator(".message-text")).to_have_text(re.compile(r"\w"))
    expect(person.page.locator("#chat .message-row.live")).to_have_count(0)


def test_a_second_start_leads_to_the_first_unless_that_was_killed(page: Page, own: App) -> None:
    # The second start may take longer than the answer: nothing here waits for them to overlap.
    person = Person(page, own, length=400, mode="local")
    person.send("Tell me a long story about a ship that sails far to the north.")
    person.wait_for_tokens(5)
    shown = person.answer_text
    log = (own.data_dir / "floe.log").read_bytes()
    other = second(own.data_dir)
    assert other.returncode == 0
    assert f"Floe is already open at {own.url}" in other.stdout
    assert "Traceback" not in other.stderr
    assert (own.data_dir / "floe.log").read_bytes() == log
    with own.store() as store:
        (chat,) = store.conversations()
        status = store.open_conversation(chat.id)[-1].status
    assert status not in ("interrupted", "failed", "stopped"), "the second start cut the answer off"
    with pytest.raises(DataFolderInUseError, match="Close it first"):
        restore_backup(own.data_dir, own.data_dir / "floe.db")
    person.wait_for_the_end()
    assert person.answer_text.startswith(shown)
    assert len(person.answer_text) > len(shown)

    own.end(signal.SIGKILL)
    assert (own.data_dir / "address.json").exists()
    own.start()
    assert f'"{own.url}' in (own.data_dir / "address.json").read_text()


def test_backups_encryption_and_deletion_from_the_page(page: Page, own: App) -> None:
    person = Person(page, own, length=8, mode="local")
    answered(person, f"My word is {SECRET}.")
    person.go("Settings")
    data = page.locator("#ownData")
    data.get_by_role("button", name="Back up now").click()
    expect(data).to_contain_text(re.compile(r"The backup is /.*manual\.zip"))
    assert len(list_backups(own.data_dir, "manual")) == 1
    assert len(holding(own.data_dir)) >= 2

    # Encrypted with a passphrase: the app closes, does it, and is there again.
    data.get_by_label("nowhere: Floe asks").check()
    data.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    data.get_by_label("Once more").fill("something else")
    data.get_by_role("button", name="Encrypt everything").click()
    data.get_by_role("button", name="Encrypt", exact=True).click()
    expect(page.locator("#settings-notice")).to_contain_text("differ")
    data.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    data.get_by_label("Once more").fill(PASSPHRASE)
    data.get_by_role("button", name="Encrypt everything").click()
    data.get_by_role("button", name="Encrypt", exact=True).click()
    expect(data).to_contain_text("On. The key is made of your passphrase.")
    expect(data).to_contain_text("Everything in the data folder is encrypted now")
    assert holding(own.data_dir) == []
    person.go("Chat")
    page.locator("#conversations nav button").first.click()
    expect(page.locator("#chat .user-row").last).to_contain_text(SECRET)
    answered(person, "And what is yours?")
    assert holding(own.data_dir) == []
    encryption.unlock(own.data_dir, PASSPHRASE)
    with own.store() as store:
        assert store.search(SECRET)

    # In clear again.
    person.go("Settings")
    data.get_by_role("button", name="Stop encrypting").click()
    data.get_by_role("button", name="Decrypt").click()
    expect(data).to_contain_text("Off. The files in the data folder are not encrypted")
    assert len(holding(own.data_dir)) >= 2
    encryption._keys.clear()

    # Gone.
    (own.data_dir / "notes.txt").write_text("not Floe's")
    data.get_by_role("button", name="Delete all my data").click()
    data.get_by_role("button", name="Keep", exact=True).click()
    data.get_by_role("button", name="Delete all my data").click()
    data.get_by_role("button", name="Delete everything").click()
    expect(data).to_contain_text("Everything has been deleted. This is a new, empty Floe.")
    person.go("Chat")
    expect(page.locator("#conversations nav button")).to_have_count(0)
    assert holding(own.data_dir) == []
    assert (own.data_dir / "notes.txt").read_text() == "not Floe's"
    assert list_backups(own.data_dir) == []
    left = {each.name for each in own.data_dir.iterdir()}
    assert left - {"terminal.log", "notes.txt", "access-token", "open.html"} == {
        "floe.db",
        "floe.db-wal",
        "floe.db-shm",
        "floe.lock",
        "floe.log",
        "address.json",
        "reserve.bin",
        "runs",
        "temporary",
    }
    answered(person, "Is this a new beginning?")
    with Store(own.data_dir / "floe.db") as store:
        assert len(store.conversations()) == 1


def test_a_headless_start_takes_the_passphrase_from_a_file(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    app = App(data_dir, cloud=False)
    (tmp_path / "secret").write_text(f"{PASSPHRASE}\n")
    command = [sys.executable, "-m", "floe", "encrypt", "--data-dir", str(data_dir)]
    command += ["--passphrase-file", str(tmp_path / "secret")]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdin=subprocess.DEVNULL)
    refused = second(data_dir)
    assert refused.returncode == 1
    assert "encrypted with a passphrase" in refused.stderr
    app.start("--passphrase-file", str(tmp_path / "secret"))
    app.end(signal.SIGINT)
