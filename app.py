"""Floe's front door: read the settings, fetch what is missing, open the page on this device."""

import logging
import os
import signal
import sys
import time
import webbrowser
from contextlib import ExitStack, suppress

# Before gradio is imported, which reads them then.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from floe.chat import Assistant
from floe.cloud.link import CloudLink
from floe.config import STAND_IN, Settings
from floe.edge.catalog import fetch_missing, resolve_model
from floe.edge.device import choose_threads
from floe.edge.runtime import LlamaModel
from floe.errors import FloeError
from floe.privacy.choices import own_words
from floe.privacy.detector import Detector
from floe.store import Store
from floe.ui.temporary import temporary_files

logger = logging.getLogger("floe")


def main() -> int:
    """Run until Ctrl-C; 1 if something that a person can mend stands in the way."""
    # A service manager's way to say Ctrl-C: what runs is ended in order, and kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.load(sys.argv[1:])
        log_to(settings)
        serve(settings)
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
    )
    # Every request of every page and of the cloud, at the level where our own words are.
    for chatty in ("httpx", "httpcore", "openai", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def serve(settings: Settings) -> None:
    """Put the house together, and keep the page open until Ctrl-C."""
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
    try:
        show(assistant, settings)
    finally:
        assistant.close()


def show(assistant: Assistant, settings: Settings) -> None:
    """Open the page; the import is here because gradio takes seconds that errors need not wait."""
    with ExitStack() as opened:
        opened.enter_context(temporary_files(settings.data_dir))
        from floe.ui.page import build_page  # noqa: PLC0415
        from floe.ui.serving import PageServer  # noqa: PLC0415

        page = build_page(assistant, settings, opened)
        # The rest may wait for an answer, so answers end first.
        opened.callback(assistant.stop)
        server = PageServer(page, settings)
        opened.callback(server.close)
        print(f"\nFloe is open at {server.address}  (Ctrl-C ends it)", flush=True)
        if settings.browser:
            webbrowser.open(server.opener.as_uri())
        # The page's own way to wait for this closes the page in its own way.
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
