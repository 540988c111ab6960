"""Flower's SuperNode as a child process, and what it says in a person's words.

Run as a program, it is that process: `flower-supernode`, which really ends when it has lost its
group, or the thread that keeps its place there. Left to itself it logs the error, signs off, and
stays for the sake of another thread; or stays in its place until the server believes it to be gone.
"""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from floe.federation import flower_environment
from floe.federation.app.limits import LIMITS, TOO_LARGE
from floe.federation.group.membership import GroupSettings

LOG_AUTHENTICATED: Final = "SuperNode ID"
LOG_UNREACHABLE: Final = "Connection attempt failed"
# Logged when a run ended while its task was being fetched. The task stays with the SuperNode
# all the same, so that it is worked on; and from then on each round is answered with what the
# round before it should have had.
LOG_ROUND_DESYNC: Final = "Ignoring message"

WAITING_STATUS: Final = "Joined the group; waiting for the next round."

_POLL_SECONDS: Final = 0.5
SHUTDOWN_SECONDS: Final = 3.0


class SuperNode:
    """`flower-supernode`, in process isolation: it runs nothing, and asks who has its secret to."""

    def __init__(self, settings: GroupSettings, folder: Path, data_dir: Path) -> None:
        """Start it."""
        self.secret = secrets.token_bytes(32)
        path = folder / "executor.secret"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(self.secret)
        port = _free_port()
        self._port, self.address = port, f"127.0.0.1:{port}"
        command = [sys.executable, "-m", "floe.federation.group.supernode"]
        command += ["--superlink", settings.address]
        command += ["--root-certificates", settings.certificate]
        command += ["--auth-supernode-private-key", settings.key]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--isolation", "process", "--superexec-auth-secret-file", str(path)]
        command += ["--node-config", settings.node_config(data_dir)]
        self._process = subprocess.Popen(
            command,
            env=flower_environment(data_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """Have it take its leave of the server: otherwise its place is held there for a minute."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SHUTDOWN_SECONDS)

    def wait_ready(self) -> None:
        """Wait until it can be asked for tasks, or has ended."""
        while self.alive:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)

    def lines(self) -> Iterator[str]:
        """Yield its log, line by line, until it ends."""
        assert self._process.stdout is not None
        return self._process.stdout


def status_from_log_line(line: str, address: str) -> str | None:
    """Translate a line of the SuperNode's log for the person; None: nothing new.

    A connection that is back is not always said to be: a server that was started again may answer
    that it no longer knows the round, and all that follows is silence.
    """
    waiting = WAITING_STATUS
    training = "A round is going on: this device is training."
    said = {
        TOO_LARGE: f"{WAITING_STATUS} The last one was refused: its server sent {TOO_LARGE}.",
        LOG_UNREACHABLE: f"The group's server at {address} cannot be reached, or "
        "its certificate is not the group's. Floe keeps trying; chatting goes on as ever.",
        "Connection successful": "Connected to the group again.",
        LOG_AUTHENTICATED: waiting,
        "Receiving:": training,
        "Received successfully": training,
        "Sent successfully": waiting,
        "`RUNNING` status": waiting,
        "Failed to receive message": waiting,
        "Failed to send message": waiting,
    }
    return next((sentence for mark, sentence in said.items() if mark in line), None)


def refusal_sentence(address: str) -> str:
    """Explain why a device that the group does not know, or knows no longer, is out of it."""
    return (
        f"The group's server at {address} did not let this device in. Check the certificate, and "
        "ask the host to admit this device's public key; then join again."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Run the process."""
    from flwr.supernode.cli import flower_supernode  # noqa: PLC0415 - a second, for the child only

    from floe.federation.group.bounded_client import bound_clients  # noqa: PLC0415

    bound_clients(LIMITS.message_bytes)
    # The bundle of code that comes with a run could be packed to any size, and nobody here needs
    # the settings in it.
    internals: Any = import_module("flwr.supernode.start_client_internal")
    internals.get_fused_config_from_fab = lambda *_: {}
    # One odd answer ends the thread of the heartbeats: that a server is shutting down, say.
    threading.excepthook = _exit_with_thread
    try:
        flower_supernode()
    except Exception:
        traceback.print_exc()
    finally:
        _exit()


def _exit_with_thread(failed: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(failed)
    _exit()


def _exit() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
