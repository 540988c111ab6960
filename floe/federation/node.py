"""A member of a group: a SuperNode, and this device's own ClientApp behind it.

    python -m floe.federation.node --federation ID --data-dir DIR

A SuperNode left to itself runs whatever code the group's host sends. This one is started in
process isolation, so that it runs none: the tasks are taken here, and answered by the ClientApp
that is installed on this device. Ends when its standard input is closed.
"""

import argparse
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flwr.app import Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from floe.errors import FloeError
from floe.federation import flower_environment
from floe.federation.history import History
from floe.federation.membership import GroupSettings
from floe.store import Store

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_METHODS: Final = frozenset({"/flwr.proto.Runtime/AcquireTask"})
_NICENESS: Final = 10


class Executor:
    """Takes the tasks that a SuperNode on this device received, one after another."""

    def __init__(self, address: str, secret: bytes, load: Callable[[], ClientApp]) -> None:
        """Nothing is asked for yet.

        Args:
            address: of the SuperNode's own API, on loopback.
            secret: shared with it alone.
            load: gives the app that answers; called at the first task, as it may be slow.
        """
        self._address, self._load = address, load
        self._client = _client(
            address,
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=_METHODS),
        )

    def take(self) -> bool:
        """Work on the next task, if there is one; whether there was.

        A task that cannot be fetched or answered is lost, not the membership: its round may have
        ended meanwhile, with a server that was started again, and what it needs is gone with it.
        """
        wanted = AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
        found = self._client.AcquireTask(wanted)
        if not (found.HasField("task") and found.token):
            return False
        client = _client(
            self._address,
            RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"),
            RuntimeTokenHttpInterceptor(found.token),
        )
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
        heartbeat.start()
        try:
            self._work(client)
        except Exception:
            logger.exception("the task is lost; the next one will do")
        finally:
            heartbeat.stop()
            client.close()
        return True

    def _work(self, client: RuntimeHttpClient) -> None:
        # The bundle of code that comes with it is neither installed nor run.
        message, context, _, _ = pull_task_input(client)
        status, details = SubStatus.COMPLETED, ""
        try:
            reply = self._load()(message, context)
        except Exception as error:
            logger.exception("the task failed")
            # A stranger's error could quote the person's data; ours are sentences.
            details = str(error) if isinstance(error, FloeError) else type(error).__name__
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, details)
            status, reply = SubStatus.FAILED, Message(failure, reply_to=message)
        push_message(client, reply, context)
        push_task_output(client=client, context=context, sub_status=status, details=details)


class SuperNode:
    """`flower-supernode` as a child, and what it says about the connection."""

    def __init__(self, settings: GroupSettings, folder: Path, data_dir: Path) -> None:
        """Start it."""
        self.secret = secrets.token_bytes(32)
        path = folder / "executor.secret"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(self.secret)
        port = _free_port()
        self._port, self.address = port, f"127.0.0.1:{port}"
        command = [str(Path(sys.executable).with_name("flower-supernode"))]
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
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until it can be asked for tasks, or has ended."""
        while self.alive:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)

    def lines(self) -> Any:
        """What it says, line by line, until it ends."""
        assert self._process.stdout is not None
        return self._process.stdout


def standing(line: str, address: str) -> str | None:
    """What a line of the SuperNode's log means to the person; None: nothing new."""
    said = {
        "Connection attempt failed": f"The group's server at {address} cannot be reached, or "
        "its certificate is not the group's. Floe keeps trying; chatting goes on as ever.",
        "Connection successful": "Connected to the group again.",
        "SuperNode ID": "Joined the group; waiting for the next round.",
        "Receiving:": "A round is going on: this device is training.",
        "Sent successfully": "Joined the group; waiting for the next round.",
    }
    return next((sentence for mark, sentence in said.items() if mark in line), None)


def refused(address: str) -> str:
    """Why a SuperNode ends of its own accord."""
    return (
        f"The group's server at {address} did not let this device in. Check the certificate, and "
        "ask the host to admit this device's public key; then join again."
    )


def main() -> None:
    """The process; it ends with its SuperNode, or with the app."""
    parser = argparse.ArgumentParser(prog="python -m floe.federation.node", description=__doc__)
    parser.add_argument("--federation", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # two lines a second otherwise
    # The chat comes first.
    os.nice(_NICENESS)
    store = Store(flags.data_dir / "floe.db")
    history = History(store)
    row = history.get(flags.federation)
    assert row is not None
    settings = GroupSettings.read(row.settings)
    node = SuperNode(settings, flags.data_dir / "flower", flags.data_dir)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(
        target=_listen, args=(node, history, row.id, settings.address), daemon=True
    ).start()
    node.wait_ready()
    executor = Executor(node.address, node.secret, _own_app)
    while True:
        if not executor.take():
            time.sleep(_POLL_SECONDS)


def _own_app() -> ClientApp:
    from floe.federation.client_app import app  # noqa: PLC0415 - it loads torch: not before needed

    return app


def _listen(node: SuperNode, history: History, federation_id: int, address: str) -> None:
    before = None
    for line in node.lines():
        sys.stdout.write(line)
        sys.stdout.flush()
        sentence = standing(line, address)
        if sentence and sentence != before:
            history.say(federation_id, sentence)
            before = sentence
    # The SuperNode has ended of its own accord. Without it the executor would try for ever.
    history.end(federation_id, "failed", refused(address))
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _client(address: str, *interceptors: Any) -> RuntimeHttpClient:
    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,  # loopback, between two processes that share a secret
        root_certificates=None,
        interceptors=list(interceptors),
        retry_invoker=make_simple_http_retry_invoker(),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
