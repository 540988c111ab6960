"""The endpoint on a port of loopback, and the key that it asks for."""

import re
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Final, Self

import uvicorn

from floe.api.endpoint import ApiEndpoint, build_api
from floe.application import Application
from floe.cloud.protocol.answering import LOOPBACK
from floe.errors import FloeError
from floe.private_files import read_private, write_private
from floe.redaction import KNOWN_SECRETS
from floe.request_checks import LARGEST_HEADERS

KEY_FILE: Final = "api-key"
_KEY: Final = re.compile(r"[!-~]{16,512}")
_START_SECONDS: Final = 30.0
_LAST_SECONDS: Final = 2
"""Time that answers have to end in when the server does."""


def load_key(folder: Path, given: str | None = None) -> str:
    """Give the key of this data folder: the one given, which is kept, or the kept or a new one.

    Raises:
        FloeError: the key given is too weak, or the folder cannot be written.
    """
    if given is not None and not _KEY.fullmatch(given):
        raise FloeError(
            "This key will not do: it has at least 16 letters, digits or signs, and no spaces."
        )
    path = folder / KEY_FILE
    kept = read_private(path)
    if given is None and _KEY.fullmatch(kept):
        return kept
    key = given or f"floe-{secrets.token_urlsafe(32)}"
    if key != kept:
        try:
            write_private(path, key)
        except OSError as error:
            raise FloeError(
                f"The file {path}, which holds the key, cannot be written: {error.strerror}. "
                "Choose another folder with --data-dir."
            ) from error
    return key


def renew_key(folder: Path) -> str:
    """Make another key for this data folder; the one before opens nothing any more.

    Raises:
        FloeError: the folder cannot be written.
    """
    return load_key(folder, f"floe-{secrets.token_urlsafe(32)}")


class ApiServer:
    """The endpoint, served from a thread of its own until it is closed.

    Attributes:
        address: base URL for clients.
    """

    def __init__(
        self, application: Application, key: str, port: int, *, flag: str = "--port"
    ) -> None:
        """Listen at once; 0 picks a free port, `flag` is what chooses one.

        Raises:
            FloeError: the port is taken.
        """
        try:
            self._listener = socket.create_server((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise FloeError(
                f"Port {port} cannot be used. Choose another with {flag}, or 0 for a free one."
            ) from error
        KNOWN_SECRETS.add(key)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"http://{LOOPBACK}:{self.port}/v1"
        self._endpoint = ApiEndpoint(application)
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_api(self._endpoint, key, self.port),
                # Unlike httptools it bounds the headers, and refuses a request with two hosts.
                http="h11",
                h11_max_incomplete_event_size=2 * LARGEST_HEADERS,
                ws="none",
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                log_level="error",
                timeout_graceful_shutdown=_LAST_SECONDS,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="api", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.close()
                raise FloeError("The endpoint cannot be opened. The log says why.")
            time.sleep(0.001)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the answers, tell their clients, and stop listening."""
        self._endpoint.stop()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
