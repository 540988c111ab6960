"""A training as a person goes through it in the page, on the real model, with all that may happen.

What must happen in the midst of it is done while the trainer is held (suspended), so that nothing
depends on how quick this machine is.
"""

import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from floe.privacy.consent import Consent, give_consent
from floe.training.process import RunFolder
from tests.training.trained_before import SMALLEST_PLAN, set_trained_before
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LONG_MS = 480_000
STOPPED = "You stopped the training. It can go on from where it was."
FOREIGN = [
    ("Wie wird das Wetter?", "Größtenteils schön, später Böen aus Südwest, fünf Stärken."),
    ("今天天气怎么样?", "今天晴天,气温二十五度,风从西边来。"),
    ("كيف الطقس اليوم؟", "الجو مشمس والبحر هادئ اليوم."),
    ("Say it in pictures.", "🌤️ 🌊 ⛵ 👩‍🚀 🇩🇪 👍🏽"),
]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[App]:
    """An app that this test may end, on a device that has trained before."""
    data = tmp_path / "data"
    data.mkdir()
    own = App(data, cloud=False)
    with own.store() as store:
        set_trained_before(store)
        give_consent(store, Consent(train=True))
        store.set_setting("personalise", {**SMALLEST_PLAN, "with_private": True, "afresh": True})
    own.start()
    yield own
    own.end(signal.SIGKILL)


def until(condition: Callable[[], object], seconds: float = LONG_MS / 1000) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def newest_run(app: App) -> tuple[RunFolder, int | None]:
    """Its folder and the trainer's process id."""
    with app.store() as store, store.reading() as db:
        row = db.execute("SELECT folder, pid FROM training_runs ORDER BY id DESC").fetchone()
    return RunFolder(app.data_dir / row[0]), row[1]


def held(app: App) -> psutil.Process:
    """The trainer, suspended in the midst of its steps, when there is a checkpoint."""
    folder, pid = newest_run(app)
    assert pid is not None
    before = len(folder.read_steps(0)[0])
    until(lambda: len(folder.read_steps(0)[0]) > before)
    until((folder.path / "checkpoint" / "state.pt").exists)
    process = psutil.Process(pid)
    process.suspend()
    assert folder.result() is None, "it was too quick to be held"
    return process


def personalise(page: Page, app: App) -> tuple[Person, Locator, Locator]:
    """The view, its button "Train" once it can be pressed, and what is said of the run."""
    person = Person(page, app, length=8)
    person.go("Personalise")
    train = page.get_by_role("button", name="Train", exact=True)
    return person, train, page.locator("#run .state")


def come_again(own: App, person: Person, state: Locator) -> None:
    """Start the app once more, and see that the training goes on."""
    own.start()
    person.come()
    person.go("Personalise")
    expect(state).to_contain_text("Step")


def test_one_training_survives_all_that_may_happen_and_loses_nothing(
    page: Page, own: App, tmp_path: Path
) -> None:
    person, train, state = personalise(page, own)

    # No row, one row, and rows of every script and length.
    reason = page.locator("#plan .words")
    expect(reason).to_contain_text("There is no answer to learn from yet")
    expect(train).to_be_disabled()
    bring(page, tmp_path / "one.jsonl", FOREIGN[:1])
    expect(reason).to_contain_text("There is only one answer, and it takes at least two")
    expect(train).to_be_disabled()
    sea = "The sea was calm, then it was not, and then it was calm again. "
    long = [("Tell it all.", sea * 80), (sea * 80 + "What of it?", "Nothing new.")]
    bring(page, tmp_path / "all.jsonl", [*FOREIGN[1:], *long])
    expect(page.locator("#learning [role=status]").first).to_contain_text("6 answers")
    expect(train).to_be_enabled()

    # Of two windows one trains.
    window = page.context.new_page()
    _, other_train, _ = personalise(window, own)
    expect(other_train).to_be_enabled()
    train.click()
    expect(state).to_contain_text(re.compile("being read|general answers|Step"))
    other_train.click()
    expect(window.locator("#personal-notice p")).to_contain_text("already running")
    window.close()
    trainer = held(own)
    expect(state).to_contain_text("Step")

    # Ctrl-C ends everything but the training.
    person.go("Federate")
    page.get_by_role("button", name="Simulate", exact=True).click()
    until(
        lambda: any("floe.federation.simulation.simulate" in p.cmdline() for p in own.processes())
    )
    assert own.leave(signal.SIGINT) == 0
    assert [process.pid for process in own.processes()] == [trainer.pid]
    for log in ("floe.log", "terminal.log"):
        assert "Traceback" not in (own.data_dir / log).read_text()
    with sqlite3.connect(own.data_dir / "floe.db") as db:
        assert db.execute("SELECT sentence FROM federations").fetchall() == [("Stopped.",)]
    come_again(own, person, state)
    # The figures of an answer from before the training are not said to be slowed by it.
    expect(page.locator("#figures dt").first).to_have_text("tokens/s")

    # So does kill; who comes again may cancel it, and go on.
    own.leave(signal.SIGKILL)
    assert trainer.is_running()
    come_again(own, person, state)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(state).to_contain_text("It stops after the current step.")
    trainer.resume()
    expect(state).to_have_text(STOPPED, timeout=LONG_MS)
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(state).to_contain_text(re.compile("being read|general answers|Step"))
    # So few steps teach too little; what they teach is this device's arithmetic.
    verdict = page.locator("#run .verdict")
    expect(verdict).not_to_be_empty(timeout=LONG_MS)
    expect(verdict).to_have_text(
        re.compile("^(Worth using|Not worth using|No change|Too little to judge by)")
    )
    worth_using = verdict.inner_text().startswith("Worth")
    expect(page.locator(".adapters > li")).to_have_count(1 if worth_using else 0)


def bring(page: Page, path: Path, chats: list[tuple[str, str]]) -> None:
    roles = ("user", "assistant")
    lines = [
        {"messages": [{"role": r, "content": c} for r, c in zip(roles, chat, strict=True)]}
        for chat in chats
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import").click()
    chooser.value.set_files(path)
