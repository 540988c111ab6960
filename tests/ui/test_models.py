"""Models in the page: seen, searched, fetched, paused, used, and deleted again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.models.file_server import FileServer, Reply, serve_files
from tests.models.hub_server import file_path, publish_repository
from tests.training.tiny import write_tiny
from tests.ui.conftest import App

pytestmark = pytest.mark.browser

REPO = "someone/tiny-GGUF"
PATH = file_path(REPO, "tiny.gguf")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    tiny = write_tiny(tmp_path / "tiny.gguf").read_bytes()
    with serve_files() as server:
        publish_repository(server, REPO, {"tiny.gguf": tiny}, licence="mit")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.fixture
def own_app(hub: FileServer, smollm_path: Path, tmp_path: Path) -> Iterator[App]:
    """An app of its own: it changes its model and its models folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(smollm_path, folder)
    data = tmp_path / "data"
    data.mkdir()
    app = App(data, cloud=False, mode="local", weight=1.0, max_tokens=12)
    app.start("--models-dir", str(folder))
    yield app
    app._end_group()


def line(page: Page, text: str) -> Locator:
    """The line of a model in the list."""
    return page.locator("#models li", has_text=text)


def ask(page: Page, text: str, answers: int) -> None:
    page.locator("#views").get_by_role("button", name="Chat", exact=True).click()
    page.locator("#prompt textarea").fill(text)
    page.locator("#prompt textarea").press("Enter")
    expect(page.locator("#chat .bot-row:not(.live)")).to_have_count(answers)
    expect(page.locator("#send")).to_be_visible()


def test_a_model_is_found_fetched_used_and_deleted(
    page: Page, own_app: App, hub: FileServer
) -> None:
    page.goto(own_app.url)
    chip = page.locator("#open-models")
    expect(chip).to_have_text("smollm2-135m-instruct")
    ask(page, "Good morning!", 1)
    chip.click()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(line(page, "SmolLM2 135M Instruct")).to_contain_text("in use")
    other = line(page, "SmolLM2 360M Instruct")
    expect(other).to_contain_text("386 MB · Apache-2.0")
    expect(other).to_contain_text("needs about 0.7 GB")
    expect(other).to_contain_text("tokens a second")
    expect(other).to_contain_text("Can be personalised.")
    page.get_by_text("How it runs, and why").click()
    expect(page.locator(".model-options")).to_contain_text("Layers on the graphics card")

    # Found on the hub, with its size before it is fetched.
    page.get_by_role("searchbox", name="On the hub").fill("tiny")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("button", name=f"Show files of {REPO}").click()
    hub.replies[PATH].append(Reply(cut=30_000, stall=True))
    page.get_by_role("button", name="Download tiny.gguf").click()

    # It stalls, is paused, and goes on where it was.
    download = page.get_by_role("region", name="Download", exact=True)
    expect(download.get_by_role("status")).to_contain_text("30 kB of")
    download.get_by_role("button", name="Pause").click()
    expect(download.get_by_role("status")).to_contain_text("Paused")
    hub.go_on.set()
    download.get_by_role("button", name="Resume").click()
    expect(download).to_be_hidden()
    assert hub.spans(PATH) == ["bytes=0-", "bytes=30000-"]

    # Used without a restart, after a trial in a process of its own; and kept for the next start.
    tiny = page.locator("#models li").filter(has=page.get_by_role("button", name="Use tiny"))
    expect(tiny).to_contain_text("on this device")
    page.get_by_role("button", name="Use tiny").click()
    expect(chip).to_have_text("tiny")
    expect(page.locator("#models li", has_text="in use")).to_contain_text("tiny")
    ask(page, "And who are you?", 2)
    page.reload()
    expect(chip).to_have_text("tiny")
    with own_app.store() as store:
        assert store.setting("model", "").endswith("/tiny.gguf")

    # A file that is no model leaves all as it is.
    chip.click()
    page.get_by_role("textbox", name="On this device").fill("/there/is/no.gguf")
    page.get_by_role("button", name="Use this file").click()
    expect(page.locator("#models-notice")).to_contain_text("There is no file /there/is/no.gguf")
    expect(chip).to_have_text("tiny")

    # And back, after which the other one may be deleted.
    page.get_by_role("button", name="Use SmolLM2 135M Instruct").click()
    expect(chip).to_have_text("smollm2-135m-instruct")
    page.get_by_role("button", name="Delete tiny").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name="Use tiny")).to_have_count(0)
    ask(page, "Are you back?", 3)
