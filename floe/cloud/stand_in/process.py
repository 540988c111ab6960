"""The stand-in as a child process that never outlives its parent."""

import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from pydantic import SecretStr

from floe.child_environment import child_environment
from floe.errors import CloudError
from floe.redaction import Redactor
from floe.resources import IMPORT_ROOT

_READY: Final = "listening on "
_LAST_LINES: Final = 8
_STOP_SECONDS: Final = 3.0


class StandIn:
    """Starts `floe.cloud.stand_in.server` and ends it: by `stop`, or with this process."""

    def __init__(self, model: Path, extra_args: Sequence[str] = ()) -> None:
        """Start nothing yet.

        Args:
            model: a GGUF file.
            extra_args: more flags of `python -m floe.cloud.stand_in.server`.
        """
        self._command = [sys.executable, "-m", "floe.cloud.stand_in.server", "--with-parent"]
        self._command += ["--model", str(model.resolve()), *extra_args]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._base_url = ""
        self._silent = False
        self._key = SecretStr("")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`; empty until it is ready."""
        return self._base_url

    @property
    def key(self) -> SecretStr:
        """The key it wants to be shown; another one at each start, known to these two alone."""
        return self._key

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """True if the child runs, ready or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the child and return at once."""
        self._key = SecretStr(secrets.token_urlsafe(32))
        # A session of its own: Ctrl-C in the terminal is for the parent, which then stops it.
        self._process = subprocess.Popen(
            self._command,
            cwd=IMPORT_ROOT,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stdin is not None
        # Through the pipe: a command line is seen by all users, an environment by its children.
        with suppress(OSError):  # it has ended already; its last words say why
            self._process.stdin.write(f"{self._key.get_secret_value()}\n")
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, name="stand-in", daemon=True)
        self._reader.start()

    def wait_ready(self, timeout: float = 60.0) -> str:
        """Wait until it listens.

        Args:
            timeout: seconds; a large model takes a while to load from a slow disk.

        Returns:
            The base URL.

        Raises:
            CloudError: it ended or is not ready in time, with its own last words.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._base_url or self._silent, timeout)
            words = Redactor([self._key.get_secret_value()]).redact(" ".join(self._lines))
            ended = self._silent
        if self._base_url and not ended:
            return self._base_url
        if ended:
            raise CloudError(f"The stand-in cloud has ended: {words or 'it gave no reason'}")
        raise CloudError(
            f"The stand-in cloud was not ready after {timeout:g} seconds. "
            f"Its model may be too large for this device. {words}".rstrip()
        )

    def stop(self) -> None:
        """End the child and wait for it."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                if line.startswith(_READY):
                    self._base_url = line.removeprefix(_READY).strip()
                else:
                    self._lines.append(line.strip())
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()
