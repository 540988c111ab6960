"""`floe run`: fetch what is missing, open the page, and keep it open until Ctrl-C.

floe run                          the page, with the stand-in cloud
floe run --cloud off --port 0     this device alone, on a free port
"""

import os
import signal
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Final
from urllib.parse import urlsplit

# Before gradio is imported, which reads them then.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from floe.application import Application
from floe.cli.log import log_to
from floe.config import KEY_FLAG, Settings
from floe.data_folder.maintenance import Maintenance, point_to_open_app, prepare_data
from floe.errors import DataFolderInUseError, FloeError, UsageError
from floe.store.data_lock import DataLock
from floe.ui.serving.temporary import temporary_files

KEY_WARNING: Final = (
    f"The key was given with {KEY_FLAG}: while Floe runs, every user of this machine can read it "
    "in the list of processes. Use FLOE_CLOUD_KEY, floe.toml or the page instead."
)


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C; 1 if a person can mend what is in the way, 2 after wrong words."""
    # A service manager's way to say Ctrl-C: what runs is ended in order, and kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.load(arguments)
        try:
            lock = DataLock(settings.data_dir).acquire()
        except DataFolderInUseError:
            sys.stdout.write(f"\n{point_to_open_app(settings)}\n")
            return 0
        with lock:
            log_to(settings)
            if any(word.startswith(KEY_FLAG) for word in arguments):
                sys.stderr.write(f"{KEY_WARNING}\n")
            prepare_data(settings)
            run_sessions(settings, lock)
    except UsageError as error:
        sys.stderr.write(f"floe run: {error}\n")
        return 2
    except FloeError as error:
        sys.stderr.write(f"\nFloe cannot start. {error}\n")
        return 1
    return 0


def run_sessions(settings: Settings, lock: DataLock) -> None:
    """Serve until Ctrl-C; what the page asks to have done while all is closed is done between."""
    maintenance = Maintenance(settings.data_dir, lambda: log_to(settings))
    while True:
        with Application.open(settings) as application:
            port = serve_page(application, lock, maintenance)
        if not maintenance.run():
            return
        # The tab that asked finds the new session where it is.
        settings = settings.model_copy(update={"port": port, "browser": False})
        prepare_data(settings)


def connect_api(application: Application) -> None:
    """Let the settings of the page switch the endpoint for other programs."""
    from floe.api.server import ApiServer, load_key, renew_key  # noqa: PLC0415

    settings = application.settings
    application.api_switch.connect(
        lambda key: ApiServer(application, key, settings.api_port, flag="--api-port"),
        lambda new: (renew_key if new else load_key)(settings.data_dir),
    )


def serve_page(application: Application, lock: DataLock, maintenance: Maintenance) -> int:
    """Open the page and keep it open; returns its port.

    The imports are here because gradio takes seconds that errors need not wait for.
    """
    settings = application.settings
    application.join_job.resume()
    with ExitStack() as opened:
        opened.enter_context(temporary_files(settings.data_dir))
        from floe.ui.page import build_page  # noqa: PLC0415
        from floe.ui.serving.page_server import PageServer  # noqa: PLC0415

        connect_api(application)
        page = build_page(application, maintenance)
        # Tabs are cut off last: what was written until then is in the page.
        opened.callback(application.assistant.stop)
        server = PageServer(page, settings)
        opened.callback(server.close)
        lock.publish(server.address, server.opener.as_uri())
        application.backups.start()
        sys.stdout.write(f"\nFloe is open at {server.address}  (Ctrl-C ends it)\n")
        sys.stdout.flush()
        if settings.browser:
            webbrowser.open(server.opener.as_uri())
        # The page's own way to wait for this closes the page in its own way.
        with suppress(KeyboardInterrupt):
            maintenance.wait()
        return urlsplit(server.address).port or settings.port
