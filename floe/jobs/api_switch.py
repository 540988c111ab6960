"""The endpoint for other programs, switched on and off while the page is open.

Knows nothing of the protocol: whoever starts the page says how the endpoint is opened.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from floe.errors import FloeError
from floe.store import Store

logger = logging.getLogger(__name__)

_SETTING: Final = "api"


class OpenEndpoint(Protocol):
    """An endpoint that answers; `address` is the base URL for clients."""

    address: str

    def close(self) -> None:
        """Answer nobody any more."""


class ApiSwitch:
    """Whether programs on this device are answered. Any thread may call any method.

    Attributes:
        problem: why it could not be switched on at the start, as a sentence; empty if it could.
    """

    def __init__(self, store: Store) -> None:
        """Answer nobody yet, and have no way to: see `connect`."""
        self._store = store
        self._lock = threading.Lock()
        self._open: Callable[[str], OpenEndpoint] | None = None
        self._key: Callable[[bool], str] | None = None
        self._endpoint: OpenEndpoint | None = None
        self.problem = ""

    def connect(
        self, open_endpoint: Callable[[str], OpenEndpoint], key: Callable[[bool], str]
    ) -> None:
        """Say how it is done, and switch it on if it was on when Floe ended.

        Args:
            open_endpoint: opens the endpoint for those who show this key.
            key: gives the key; True: a new one, in the place of the one before.
        """
        self._open, self._key = open_endpoint, key
        if not self._store.setting(_SETTING, False):
            return
        try:
            self.switch(True)
        except FloeError as error:
            self.problem = str(error)
            logger.warning("programs are not answered: %s", error)

    @property
    def address(self) -> str:
        """The base URL for clients; empty while it is off."""
        endpoint = self._endpoint
        return endpoint.address if endpoint else ""

    @property
    def key(self) -> str:
        """The secret that programs show; empty while it is off."""
        return self._key(False) if self._endpoint and self._key else ""

    def switch(self, on: bool) -> None:
        """Start or stop answering programs; kept for the next start.

        Raises:
            FloeError: the port is taken, or this start of Floe has no endpoint.
        """
        with self._lock:
            self.problem = ""
            if on and self._endpoint is None:
                if self._open is None or self._key is None:
                    raise FloeError("This start of Floe has no API. Start it with: floe run")
                self._endpoint = self._open(self._key(False))
            elif not on:
                self._end()
            self._store.set_setting(_SETTING, on)

    def renew_key(self) -> None:
        """Make another key; programs that show the one before are refused from now on.

        Raises:
            FloeError: it cannot be kept, or the endpoint cannot be opened again.
        """
        with self._lock:
            if self._key is None or self._open is None:
                return
            key = self._key(True)
            if self._endpoint is not None:
                self._end()
                self._endpoint = self._open(key)

    def close(self) -> None:
        """Answer nobody any more; it is on again at the next start if it was."""
        with self._lock:
            self._open = None  # a page that is still open must not open it again
            self._end()

    def _end(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.close()
