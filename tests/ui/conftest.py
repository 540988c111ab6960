"""The real app in a process of its own, and a browser that sees nothing but it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from floe.adapters.registry import Adapters
from floe.privacy.choices import set_policy
from floe.store import Store

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = next(
    filter(os.path.exists, ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")), None
)
"""Debian's browser; None: Playwright's. The shell is the same engine without what is around a
page that nobody looks at, which takes a quarter of the work of opening one."""
LEFT_OUT = (
    # Lists under Chromium's own address bar, which nobody sees: two processes more for each tab.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    # What Playwright leaves out: its list is replaced by this one.
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "AimEnabled"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades"),
    *("LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints"),
    *("PaintHolding", "PreconnectToSearch", "TcpPortRandomizationWin"),
    "ThirdPartyStoragePartitioning",
)
WAIT = 60_000
"""Milliseconds that a model on a busy machine may take; nothing passes or fails by speed."""

expect.set_options(timeout=WAIT)

_KEPT = "http://127.0.0.1:9/kept"
"""Address of the tab that no test uses; nobody listens there."""


class App:
    """`app.py` with a data folder of its own; it can be ended and started again.

    `cloud`: whether the stand-in takes part, a process and a model more at each start.
    """

    def __init__(self, data_dir: Path, *, cloud: bool = True, **preferences: Any) -> None:
        self.data_dir = data_dir
        self.cloud = cloud
        with self.store() as store:
            store.set_setting("page", preferences)
            store.set_setting("first_steps", True)
        self.url = ""
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def store(self) -> Store:
        """The app's database, seen from outside."""
        return Store(self.data_dir / "floe.db")

    def empty(self) -> None:
        """Leave no chat, adapter or policy to the next test, also where this one failed midway."""
        with self.store() as store:
            set_policy(store, "local only")
            for chat in store.conversations(1000):
                store.delete_conversation(chat.id)
            adapters = Adapters(store, self.data_dir)
            for adapter in adapters.all():
                adapters.delete(adapter.id)

    def start(self, *flags: str) -> None:
        command = [sys.executable, "app.py", "--port", str(self.port), "--no-browser"]
        command += [] if self.cloud else ["--cloud", "off"]
        with (self.data_dir / "terminal.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self.data_dir), *flags],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*", line):
                self.url = found.group()
                return
        raise AssertionError((self.data_dir / "terminal.log").read_text())

    def leave(self, with_signal: signal.Signals) -> int:
        """Send the signal to the app alone and wait for its exit code; others go on as they do."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(with_signal)
        code = self._process.wait(30)
        self._process.stdout.close()
        return code

    def processes(self) -> list[psutil.Process]:
        """All that work on this data folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(str(self.data_dir) in word for word in process.cmdline()):
                    found.append(process)
        return found

    def end(self, with_signal: signal.Signals) -> None:
        """Send the signal to the app alone, then see to it that nothing of it is left."""
        try:
            self.leave(with_signal)
        finally:
            self._end_group()

    def _end_group(self) -> None:
        assert self._process is not None
        # A training run outlives its app on purpose, in a group of its own.
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()


_shared: list[App] = []
"""The app of all tests that need not restart it, once it runs."""


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One app for all tests that need not restart it; `page` finds it empty."""
    running = App(tmp_path_factory.mktemp("data"))
    running.start()
    _shared.append(running)
    yield running
    _shared.clear()
    running.end(signal.SIGINT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        flags += [f"--disable-features={','.join(LEFT_OUT)}", "--process-per-site"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """What all tabs have in common: what the browser has read and compiled, it need not again."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(WAIT)
    # It stays, and with it the process of all tabs: what one has compiled, the next need not.
    kept = context.new_page()
    kept.route(_KEPT, lambda route: route.fulfill(body="", content_type="text/html"))
    kept.goto(_KEPT)
    yield context
    context.close()


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    """An empty tab; at the end, it must have met no script error and no other host.

    No tab, cookie or kept choice of an earlier test is there, no chat or adapter in the shared app.
    """
    for running in _shared:
        running.empty()
    tab = profile.new_page()
    errors: list[str] = []
    origins: set[str] = set()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: origins.add("://".join(urlsplit(request.url)[:2])))
    yield tab
    forget(profile, origins)
    assert errors == []
    hosts = {urlsplit(origin).hostname for origin in origins}
    assert hosts - {None} == {"127.0.0.1"}


def forget(profile: BrowserContext, origins: set[str]) -> None:
    """Close all tabs, and delete what pages of these origins have kept in the browser."""
    last = profile.new_page()
    for each in profile.pages:
        if each != last and each.url != _KEPT:
            each.close()
    storage = profile.new_cdp_session(last)
    for origin in origins:
        if origin.startswith("http"):
            wanted = {"origin": origin, "storageTypes": "all"}
            storage.send("Storage.clearDataForOrigin", wanted)
    profile.clear_cookies()
    last.close()


@pytest.fixture
def loops_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the event loops that gradio makes, and forgets, for each lock outside of one."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_and_note() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", make_and_note)
    yield
    asyncio.set_event_loop(None)
    for loop in made:
        loop.close()
