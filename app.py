"""Floe's front door: read the settings, fetch what is missing, open the page on this device."""

import logging
import os
import signal
import sys
import webbrowser
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

# Before gradio is imported, which reads them then.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from floe.backup import BackupSchedule
from floe.chat import Assistant
from floe.cloud.link import CloudLink
from floe.config import STAND_IN, Settings
from floe.data_lock import DataLock
from floe.edge.catalog import fetch_missing, resolve_model
from floe.edge.device import choose_threads
from floe.edge.runtime import LlamaModel
from floe.errors import DataFolderInUseError, FloeError
from floe.maintenance import Maintenance, point_to_open_app, prepare_data
from floe.privacy.choices import own_words
from floe.privacy.detector import Detector
from floe.store import Store

if TYPE_CHECKING:
    from gradio import Blocks

logger = logging.getLogger("floe")


def main() -> int:
    """Run until Ctrl-C; 1 if something that a person can mend stands in the way."""
    # A service manager's way to say Ctrl-C: what runs is ended in order, and kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.load(sys.argv[1:])
        try:
            lock = DataLock(settings.data_dir).acquire()
        except DataFolderInUseError:
            print(f"\n{point_to_open_app(settings)}", flush=True)
            return 0
        with lock:
            log_to(settings)
            prepare_data(settings)
            run_sessions(settings, lock)
    except FloeError as error:
        print(f"\nFloe cannot start. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def log_to(settings: Settings) -> None:
    """Write the log beside the database; what goes wrong is also shown in the terminal."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(settings.data_dir / "floe.log", encoding="utf-8")
    except OSError as error:
        raise FloeError(
            f"The data folder {settings.data_dir} cannot be written: {error.strerror}. "
            "Choose another with --data-dir."
        ) from error
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.ERROR)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        level=logging.INFO,
        handlers=[file, terminal],
        force=True,
    )
    # Every request of every page and of the cloud, at the level where our own words are.
    for chatty in ("httpx", "httpcore", "openai", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def run_sessions(settings: Settings, lock: DataLock) -> None:
    """Serve until Ctrl-C; what the page asks to have done while all is closed is done between."""
    maintenance = Maintenance(settings.data_dir, lambda: log_to(settings))
    while True:
        port = serve(settings, lock, maintenance)
        if not maintenance.run():
            return
        # The tab that asked finds the new session where it is.
        settings = settings.model_copy(update={"port": port, "browser": False})
        prepare_data(settings)


def serve(settings: Settings, lock: DataLock, maintenance: Maintenance) -> int:
    """Put the house together, and keep the page open until Ctrl-C; returns the page's port."""
    store = Store(settings.database)
    store.recover()
    cloud = CloudLink(settings, store)
    stand_in = cloud.choice.base_url == STAND_IN
    wanted = [settings.model, *([settings.stand_in_model] if stand_in else [])]
    fetch_missing(wanted, settings.models_dir)
    threads, reason = choose_threads(settings.threads, shared=stand_in)
    logger.info("%d threads for the local model: %s", threads, reason)
    # Starts loading its model in a process of its own while this one loads and imports.
    cloud.connect()
    detector = Detector(own_words(store))
    detector.load_in_background()
    model = LlamaModel(
        resolve_model(settings.model, settings.models_dir),
        context=settings.context,
        threads=threads,
    )
    assistant = Assistant(settings, store, model, cloud, detector)
    backups = BackupSchedule(settings.data_dir, lambda: assistant.busy)
    try:
        return show(assistant, settings, lock, maintenance, backups)
    finally:
        backups.close()
        assistant.close()


def show(
    assistant: Assistant,
    settings: Settings,
    lock: DataLock,
    maintenance: Maintenance,
    backups: BackupSchedule,
) -> int:
    """Open the page; the import is here because gradio takes seconds that errors need not wait."""
    from floe.ui.page import build_page, launch_options  # noqa: PLC0415

    with ExitStack() as opened:
        page = build_page(assistant, settings, opened, maintenance, backups)
        # The rest may wait for an answer, so answers end first.
        opened.callback(assistant.stop)
        try:
            _, url, _ = page.launch(prevent_thread_lock=True, **launch_options(settings))
        except OSError as error:
            raise FloeError(
                f"Port {settings.port} is taken. Choose another with --port, or 0 for a free one."
            ) from error
        opened.callback(close, page)
        lock.publish(url)
        backups.start()
        print(f"\nFloe is open at {url}  (Ctrl-C ends it)", flush=True)
        if settings.browser:
            webbrowser.open(url)
        # The page's own way to wait for this closes the page in its own way.
        with suppress(KeyboardInterrupt):
            maintenance.wait()
        return urlsplit(url).port or settings.port


def close(page: "Blocks") -> None:
    """Without waiting for the tabs that show it: each keeps a connection open for good."""
    page.server.force_exit = True
    # It has a trace printed for each connection that is cut.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
