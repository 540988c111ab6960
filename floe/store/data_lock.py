"""One app to a data folder: a lock of the kernel's, and the address of the page beside it.

The lock goes with its process, however that ends. Trainers and members of a group share the folder
as the app's children; they take no lock. Knows nothing of the database or the page.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil
from filelock import FileLock, Timeout

from floe.errors import DataFolderInUseError, StoreError

LOCK: Final = "floe.lock"
ADDRESS: Final = "address.json"
_STARTING_SECONDS: Final = 20.0
"""How long a second start waits for the first one's page: a model is being loaded."""
_POLL_SECONDS: Final = 0.2
_CONTEST_SECONDS: Final = 0.3
"""Longer than `is_open` of another process holds the lock to see whether it is free."""


_PROGRAMS: Final = ("floe.training.worker", "floe.federation.", "flower-super")


class DataLock:
    """The right to be the app of this data folder, from `acquire` to `release`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        # The file stays after release: a lock on a file that others may delete is none.
        self._lock = FileLock(
            data_dir / LOCK, timeout=_CONTEST_SECONDS, mode=0o600, thread_local=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def acquire(self) -> Self:
        """Take the lock, at once or not at all; the folder is made when missing.

        Raises:
            DataFolderInUseError: another app has it.
            StoreError: the folder cannot be written, or its disk knows no locks.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
        except Timeout:
            raise DataFolderInUseError(
                f"Floe is already open with the data folder {self.data_dir}. Close it first, or "
                "choose another with --data-dir."
            ) from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or "its disk knows no locks"
            raise StoreError(
                f"The data folder {self.data_dir} cannot be written: {reason}. "
                "Choose another with --data-dir."
            ) from error
        self._address.unlink(missing_ok=True)  # of an app that was killed
        return self

    def release(self) -> None:
        """Let another app have the folder."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._address.unlink(missing_ok=True)
            self._lock.release()

    def publish(self, address: str, opener: str = "") -> None:
        """Write where the page is, for a second start, readable by this user alone.

        Args:
            address: what a person opens; it may hold a token.
            opener: what to hand a browser in its place, whose command line everybody can read;
                empty: the address.

        Raises:
            StoreError: it cannot be written.
        """
        part = self._address.with_name(f".{ADDRESS}.part")
        try:
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"address": address, "opener": opener or address}, file)
            part.replace(self._address)
        except OSError as error:
            raise StoreError(
                f"The data folder {self.data_dir} cannot be written: {error.strerror}. Make room, "
                "or choose another with --data-dir."
            ) from error

    @property
    def _address(self) -> Path:
        return self.data_dir / ADDRESS


def is_open(data_dir: Path) -> bool:
    """Return whether an app has this data folder now; changes nothing."""
    if not (data_dir / LOCK).exists():
        return False
    lock = FileLock(data_dir / LOCK, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    lock.release()
    return False


@dataclass(frozen=True, slots=True)
class OpenPage:
    """The place of an app's page, as it was published; see `DataLock.publish`."""

    address: str
    opener: str


def open_page(data_dir: Path, patience: float = _STARTING_SECONDS) -> OpenPage | None:
    """Find the page of the app that has the folder, as it was published.

    Args:
        data_dir: the folder.
        patience: seconds to wait for an app that is starting.

    Returns:
        The address; None: the app has not opened its page in that time, or has ended.
    """
    deadline = time.monotonic() + patience
    while True:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((data_dir / ADDRESS).read_text(encoding="utf-8"))
            return OpenPage(str(found["address"]), str(found["opener"]))
        if time.monotonic() > deadline or not is_open(data_dir):
            return None
        time.sleep(_POLL_SECONDS)


def child_processes(data_dir: Path) -> list[psutil.Process]:
    """Find trainers, members and hosts of a group, simulations: all that work here but apps.

    Known by their command lines, as some outlive the app that started them.
    """
    folder, found = str(data_dir.resolve()), []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            ours = any(name in word for word in words for name in _PROGRAMS)
            if ours and any(folder in word for word in words) and process.pid != os.getpid():
                found.append(process)
    return found


@contextmanager
def exclusive_access(data_dir: Path, what: str) -> Iterator[None]:
    """Keep every app away from the folder while a command works on it.

    Args:
        data_dir: the folder.
        what: the command as a person calls it, for the sentence.

    Raises:
        DataFolderInUseError: an app has the folder.
        StoreError: the folder cannot be written.
    """
    lock = DataLock(data_dir)
    try:
        lock.acquire()
    except DataFolderInUseError:
        page = open_page(data_dir, 0.0)
        # The address ends with the port, because a token may follow and terminals keep logs.
        where = f" at {'/'.join(page.address.split('/')[:3])}" if page else ""
        raise DataFolderInUseError(
            f"Floe is open{where} with the data folder {data_dir}. Close it first, then {what}."
        ) from None
    with lock:
        yield


def refuse_children(data_dir: Path) -> None:
    """See that no trainer and no member of a group works in the folder.

    Raises:
        StoreError: one does.
    """
    if child_processes(data_dir):
        raise StoreError(
            "A training or a group is still at work in the data folder. Wait for it or end it, "
            "then try again."
        )


def refuse_training(data_dir: Path) -> None:
    """See that no trainer works in the folder: what else does, ends with the app.

    Raises:
        StoreError: one does.
    """
    words = [" ".join(process.cmdline()) for process in child_processes(data_dir)]
    if any("floe.training.worker" in each for each in words):
        raise StoreError("A training is running. Wait for it or cancel it, then try again.")
