"""A member of a group: a SuperNode, and this device's own ClientApp behind it.

    python -m floe.federation.group.node --federation ID --data-dir DIR

A SuperNode left to itself runs whatever code the group's host sends. This one is started in
process isolation, so that it runs none: the tasks are taken here, and answered by the ClientApp
that is installed on this device. Ends when its standard input is closed, or upon SIGTERM, and lets
the server know. A SuperNode that ends of its own accord is started anew where this device had been
let in before.
"""

import argparse
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
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

from floe.errors import FederationError, FloeError
from floe.federation.group.history import Federation, History
from floe.federation.group.membership import GroupSettings
from floe.federation.group.supernode import (
    LOG_AUTHENTICATED,
    LOG_ROUND_DESYNC,
    LOG_UNREACHABLE,
    WAITING_STATUS,
    SuperNode,
    refusal_sentence,
    status_from_log_line,
)
from floe.store import Store, encryption

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_METHODS: Final = frozenset({"/flwr.proto.Runtime/AcquireTask"})
_NICENESS: Final = 10
_TRAIN: Final = "train"
_AUTHENTICATED_BY: Final = "group_let_in_by"
_RESTART_SECONDS: Final = 5.0
# A server keeps the place of a device that vanished for two heartbeats of 30 s, and lets nobody
# else have it, the same device included.
_PATIENCE_SECONDS: Final = 90.0


class Executor:
    """Takes the tasks that a SuperNode on this device received, one after another."""

    def __init__(
        self,
        address: str,
        secret: bytes,
        load: Callable[[], ClientApp],
        on_round: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing is asked for yet.

        Args:
            address: of the SuperNode's own API, on loopback.
            secret: shared with it alone.
            load: gives the app that answers; called at the first task, as it may be slow.
            on_round: told why a task was not answered; nothing, where a round's training was.
        """
        self._address, self._load, self._on_round = address, load, on_round
        self._client = _client(
            address,
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=_METHODS),
        )

    def run_next_task(self) -> bool:
        """Work on the next task, if there is one; whether there was.

        A task that cannot be fetched or answered is lost, not the membership: its round may have
        ended meanwhile, with a server that was started again, and what it needs is gone with it; or
        the device slept for so long that the SuperNode gave the task up.
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
            # The heartbeat stops by itself where the SuperNode no longer knows the task.
            if heartbeat.is_running:
                heartbeat.stop()
            client.close()
        return True

    def _work(self, client: RuntimeHttpClient) -> None:
        # The bundle of code that comes with it is neither installed nor run.
        message, context, _, _ = pull_task_input(client)
        status, details = SubStatus.COMPLETED, ""
        try:
            reply = self._load()(message, context)
            if message.metadata.message_type == _TRAIN:
                self._on_round("")
        except Exception as error:
            logger.exception("the task failed")
            # A stranger's error could quote the person's data, and a sentence about this device's
            # files tells where they lie and whose they are: the host gets those on the round alone.
            name = type(error).__name__
            details = str(error) if isinstance(error, FederationError) else name
            self._on_round(str(error) if isinstance(error, FloeError) else name)
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, details)
            status, reply = SubStatus.FAILED, Message(failure, reply_to=message)
        push_message(client, reply, context)
        push_task_output(client=client, context=context, sub_status=status, details=details)


class LogWatcher:
    """Tells the person what the SuperNode says, and what becomes of them when it has ended."""

    def __init__(self, store: Store, row: Federation, until: float) -> None:
        """Nothing is said yet.

        Args:
            store: keeps that this device was let in once.
            row: the membership.
            until: a refusal by a group that has let this device in is final from then on (UTC).
        """
        self._store, self._history, self._id = store, History(store), row.id
        self._address: str = GroupSettings.read(row.settings).address
        self._until = until
        self._round_error = ""

    def set_round_error(self, reason: str) -> None:
        """Keep telling why this device answered a round with an error, until it answers one."""
        self._round_error = reason
        if reason:
            self._history.say(self._id, self._with_reason(WAITING_STATUS))

    def _with_reason(self, sentence: str) -> str:
        if sentence != WAITING_STATUS or not self._round_error:
            return sentence
        return f"{sentence} The last one went on without this device: {self._round_error}."

    def follow_log(self, lines: Iterable[str]) -> None:
        """Tell what is said, until nothing more is, or it should be started anew."""
        before = ""
        for line in lines:
            sys.stdout.write(line)
            sys.stdout.flush()
            if LOG_ROUND_DESYNC in line:
                return
            if LOG_AUTHENTICATED in line:
                self._store.set_setting(_AUTHENTICATED_BY, self._address)
                self._until = math.inf
            if LOG_UNREACHABLE in line:
                # Whoever comes back may need a moment to be believed.
                self._until = max(self._until, time.time() + _PATIENCE_SECONDS)
            sentence = status_from_log_line(line, self._address)
            if sentence and sentence != before:
                self._history.say(self._id, self._with_reason(sentence))
                before = sentence

    def next_deadline(self) -> float | None:
        """Return the `until` of the next SuperNode, or None for a refusal.

        One answer that it did not expect is enough to end it. And a server refuses a device while
        it believes the last connection to be there still.
        """
        known = self._store.setting(_AUTHENTICATED_BY, None) == self._address
        if not known or time.time() > self._until:
            self._history.end(self._id, "failed", refusal_sentence(self._address))
            return None
        self._history.say(
            self._id,
            "The connection to the group broke off; connecting again, which may take a minute.",
        )
        return min(self._until, time.time() + _PATIENCE_SECONDS)


def main() -> None:
    """Run the process; it ends with the app, or when the group does not let this device in."""
    parser = argparse.ArgumentParser(
        prog="python -m floe.federation.group.node", description=__doc__
    )
    parser.add_argument("--federation", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--key-from", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, default=time.time() + _PATIENCE_SECONDS)
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # two lines a second otherwise
    # The chat comes first. (Begun again, it is nice already.)
    os.nice(max(0, _NICENESS - os.nice(0)))
    if flags.key_from is None:
        encryption.receive_key(flags.data_dir, sys.stdin.buffer)
    else:
        with os.fdopen(flags.key_from, "rb") as pipe:
            encryption.receive_key(flags.data_dir, pipe)
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    # Flower's way to say that a task is not wanted any more. The process outlives its tasks.
    signal.signal(signal.SIGINT, lambda *_: logger.warning("the task is not wanted any more"))
    store = Store(flags.data_dir / "floe.db")
    row = History(store).get(flags.federation)
    assert row is not None
    node = SuperNode(GroupSettings.read(row.settings), flags.data_dir / "flower", flags.data_dir)
    watch = LogWatcher(store, row, flags.until)
    threading.Thread(target=_watch_log, args=(node, watch, flags, end), daemon=True).start()
    threading.Thread(target=_signal_end_with_app, args=(end,), daemon=True).start()
    threading.Thread(target=shutdown_on_signal, args=(node, end), daemon=True).start()
    node.wait_ready()
    executor = Executor(node.address, node.secret, _load_client_app, watch.set_round_error)
    while True:
        if not executor.run_next_task():
            time.sleep(_POLL_SECONDS)


def _load_client_app() -> ClientApp:
    from floe.federation.app.client_app import app  # noqa: PLC0415 - it loads torch: not before needed

    return app


def _watch_log(
    node: SuperNode, watch: LogWatcher, flags: argparse.Namespace, end: threading.Event
) -> None:
    try:
        watch.follow_log(node.lines())
        if end.is_set():
            return
        # Without a SuperNode the executor would try for ever.
        until = watch.next_deadline()
    except Exception:
        logger.exception("nobody listens to the SuperNode any more")
        until = None
    if until is None:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    node.end()
    if end.wait(_RESTART_SECONDS):
        return
    # The same process anew: same id, same standard input, which the app holds.
    command = [sys.executable, "-m", "floe.federation.group.node", "--until", str(until)]
    command += ["--federation", str(flags.federation), "--data-dir", str(flags.data_dir)]
    # The app has said the key of an encrypted data folder once, and will not say it again.
    pipe = encryption.key_pipe(flags.data_dir)
    if pipe is not None:
        command += ["--key-from", str(pipe)]
    os.execv(sys.executable, command)  # noqa: S606 - our own words, and no shell is wanted


def _signal_end_with_app(end: threading.Event) -> None:
    sys.stdin.buffer.read()
    end.set()


def shutdown_on_signal(node: SuperNode, end: threading.Event) -> None:
    """End the SuperNode in order and this process with it, once `end` is set."""
    end.wait()
    node.end()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _client(address: str, *interceptors: Any) -> RuntimeHttpClient:
    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,  # loopback, between two processes that share a secret
        root_certificates=None,
        interceptors=list(interceptors),
        retry_invoker=make_simple_http_retry_invoker(),
    )


if __name__ == "__main__":
    main()
