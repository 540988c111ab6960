"""A process of Floe's own with all that it starts, which ends with the app or when told to.

It has a process group to itself: Flower's programs leave children behind when only they are ended.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from floe.resources import IMPORT_ROOT
from floe.store import encryption

_PATIENCE_SECONDS: Final = 5.0


class Child:
    """`python -m MODULE`; its standard input stays open as long as the app lives."""

    def __init__(
        self, module: str, args: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        """Start it; what it says goes to `log`, readable by the person alone."""
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = encryption.key_line(encryption.data_folder_of(log))
        with open(log, "wb", opener=_private) as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *args],
                cwd=IMPORT_ROOT,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if key:
            assert self._process.stdin is not None
            # A pipe, because arguments and environments can be read by others.
            with suppress(OSError):
                self._process.stdin.write(key)
                self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Id of the process and of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it and all that it started, and wait for it."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        # Not the group: the process ends what it started as befits it, if there is time.
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_SECONDS)
        # The group may outlive its leader.
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
