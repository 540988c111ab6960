"""A device in a group, beside a SuperNode that answers as told."""

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError

from floe.errors import FederationError, StoreError
from floe.federation.group import node
from floe.federation.group.history import Federation, History
from floe.federation.group.membership import GroupSettings
from floe.federation.group.node import Executor, LogWatcher
from floe.federation.group.supernode import WAITING_STATUS, status_from_log_line
from floe.store import Store

MESSAGE = SimpleNamespace(metadata=SimpleNamespace(message_type="train"))


class SuperNodeOf:
    """Hands out so many tasks, and counts what becomes of them."""

    def __init__(self, tasks: int) -> None:
        self.left = tasks
        self.said: list[str] = []

    def __call__(self, address: str, *interceptors: Any) -> "SuperNodeOf":
        return self

    def AcquireTask(self, wanted: object) -> Any:
        self.left -= 1
        there = self.left >= 0
        return SimpleNamespace(HasField=lambda name: there, token="token")

    def close(self) -> None:
        self.said.append("closed")


@pytest.mark.parametrize("broken", ["pull_task_input", "push_message"])
def test_a_task_that_cannot_be_fetched_or_answered_does_not_end_the_membership(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    server = SuperNodeOf(2)

    def lost(*_: object) -> None:
        raise ObjectPushError("object", 1, "session")

    def ended(**values: Any) -> None:
        server.said.append(values["sub_status"])

    class Heart:
        is_running = True

        def __init__(self, beat: object) -> None:
            pass

        start = stop = lambda self: server.said.append("beat")

    monkeypatch.setattr(node, "_client", server)
    monkeypatch.setattr(node, "HeartbeatSender", Heart)
    monkeypatch.setattr(node, "make_task_heartbeat_fn_http", lambda client: None)
    monkeypatch.setattr(node, "pull_task_input", lambda client: (MESSAGE, "context", 0, 0))
    monkeypatch.setattr(node, "push_message", lambda client, reply, context: None)
    monkeypatch.setattr(node, "push_task_output", ended)
    executor = Executor("127.0.0.1:1", b"secret", lambda: lambda message, context: "reply")  # type: ignore[arg-type, return-value]
    with monkeypatch.context() as once:
        once.setattr(node, broken, lost)
        assert executor.run_next_task()
    assert "the task is lost" in caplog.text
    assert server.said == ["beat", "beat", "closed"]
    assert executor.run_next_task()
    assert server.said[3:] == ["beat", "completed", "beat", "closed"]
    # Its heart has stopped of itself: the SuperNode did not know the task any more.
    server.left, Heart.is_running = 1, False
    assert executor.run_next_task()
    assert server.said[7:] == ["beat", "completed", "closed"]
    assert not executor.run_next_task()


CONNECTED = [
    "Connection successful after 1.68 seconds and 3 tries.",
    "Received successfully",
    "Sent successfully",
    "Run ID 16076099807843908342 is not in `RUNNING` status. Ignoring reply message 52fd.",
    "Run transitioned to a non-`RUNNING` status while receiving a message. Ignoring the message.",
    "Failed to send message 52fd: Client error '404 Not Found'",
    "Failed to receive message 52fd: the object is gone",
]


@pytest.mark.parametrize("line", CONNECTED)
def test_whatever_the_server_answers_ends_the_sentence_that_it_cannot_be_reached(line: str) -> None:
    lost = status_from_log_line(
        "WARNING :   Connection attempt failed, retrying in 0.77 seconds", "here:1"
    )
    assert lost is not None
    assert "here:1 cannot be reached" in lost
    back = status_from_log_line(f"INFO :      {line}", "here:1")
    assert back is not None
    assert "cannot be reached" not in back
    assert status_from_log_line("INFO :      Starting Flower SuperNode", "here:1") is None


SUPERNODES = {
    "lost its group": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "lost a thread": "threading.Thread(target=lambda: 1 / 0).start(); time.sleep(600)",
}


@pytest.mark.parametrize("does", SUPERNODES.values(), ids=SUPERNODES.keys())
def test_a_supernode_that_lost_its_group_or_its_heart_does_not_stay(does: str) -> None:
    program = (
        "import threading, time; from flwr.supernode import cli; from floe.federation.group import "
        f"supernode\ndef run():\n    {does}\ncli.flower_supernode = run; supernode.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=250, check=False
    )
    assert ended.returncode == 1
    assert ("ZeroDivisionError" in ended.stderr) == ("1 / 0" in does)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "floe.db")


def joined(store: Store, address: str = "here:1") -> Federation:
    settings = GroupSettings(address, "ca.crt", "device.key", "base.gguf", "0" * 64, 4, "device")
    history = History(store)
    row = history.get(history.begin("joined", asdict(settings), "Connecting to the group."))
    assert row is not None
    return row


def now(store: Store, row: Federation) -> Federation:
    found = History(store).get(row.id)
    assert found is not None
    return found


def test_a_device_that_was_never_let_in_is_refused_at_once(store: Store) -> None:
    row = joined(store)
    watch = LogWatcher(store, row, until=time.time() + 90)
    watch.follow_log(["INFO :      Starting Flower SuperNode", "ERROR :     Exit Code: 305"])
    assert watch.next_deadline() is None
    assert now(store, row).status == "failed"
    assert "here:1 did not let this device in" in now(store, row).sentence


def test_a_device_that_was_let_in_may_knock_for_a_while(store: Store) -> None:
    row = joined(store)
    watch = LogWatcher(store, row, until=time.time() - 1)
    watch.follow_log(["INFO :      SuperNode ID: 16672527873955469472"])
    assert "waiting for the next round" in now(store, row).sentence
    until = watch.next_deadline()
    assert until is not None
    assert now(store, row).status == "running"
    assert "connecting again" in now(store, row).sentence

    # The server believes the last connection to be there still.
    refusal = ["ERROR :     Exit Code: 305"]
    again = LogWatcher(store, row, until)
    again.follow_log(refusal)
    assert again.next_deadline() == until
    # A server that was away for long: the device is not to blame.
    away = LogWatcher(store, row, until=time.time() - 1)
    away.follow_log(["WARNING :   Connection attempt failed, retrying in 12.50 seconds", *refusal])
    assert away.next_deadline() is not None
    late = LogWatcher(store, row, until=time.time() - 1)
    late.follow_log(refusal)
    assert late.next_deadline() is None
    assert now(store, row).status == "failed"

    elsewhere = joined(store, "there:1")
    other = LogWatcher(store, elsewhere, until=time.time() + 90)
    other.follow_log(refusal)
    assert other.next_deadline() is None


def test_why_a_round_was_refused_stays_on_the_page_until_one_is_answered(store: Store) -> None:
    row = joined(store)
    watch = LogWatcher(store, row, until=time.time() + 90)
    reason = "the group's server asks for epochs 5000; this device takes part with at most 5"
    watch.follow_log(["INFO :      SuperNode ID: 16672527873955469472"])
    watch.set_round_error(reason)
    told = f"went on without this device: {reason}."
    assert told in now(store, row).sentence
    watch.follow_log(["INFO :      Sending: reply", "INFO :      Sent successfully"])
    assert told in now(store, row).sentence
    watch.follow_log(["INFO :      Receiving: evaluate message"])
    assert "is training" in now(store, row).sentence
    watch.follow_log(["INFO :      Sent successfully"])
    assert told in now(store, row).sentence
    watch.set_round_error("")
    watch.follow_log(["INFO :      Receiving: train message", "INFO :      Sent successfully"])
    assert now(store, row).sentence == WAITING_STATUS


def test_the_page_is_told_of_a_task_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FederationError("the group's server asks for too much")

    reasons: list[str] = []
    monkeypatch.setattr(node, "pull_task_input", lambda client: (MESSAGE, "context", 0, 0))
    monkeypatch.setattr(node, "push_message", lambda client, reply, context: None)
    monkeypatch.setattr(node, "push_task_output", lambda **values: None)
    monkeypatch.setattr(node, "Message", lambda failure, reply_to: failure)
    app: Any = refuse
    Executor("127.0.0.1:1", b"secret", lambda: app, reasons.append)._work(SuperNodeOf(0))  # type: ignore[arg-type]
    app = lambda message, context: "reply"  # noqa: E731
    Executor("127.0.0.1:1", b"secret", lambda: app, reasons.append)._work(SuperNodeOf(0))  # type: ignore[arg-type]
    assert reasons == ["the group's server asks for too much", ""]


def test_the_host_is_not_told_where_a_member_keeps_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("/home/jane/floe/floe.db cannot be written: the disk is full.")

    reasons: list[str] = []
    told: list[str] = []
    monkeypatch.setattr(node, "pull_task_input", lambda client: (MESSAGE, "context", 0, 0))
    monkeypatch.setattr(node, "push_message", lambda client, reply, context: told.append(reply))
    monkeypatch.setattr(node, "push_task_output", lambda **values: told.append(values["details"]))
    monkeypatch.setattr(node, "Message", lambda failure, reply_to: failure.reason)
    app: Any = fail
    Executor("127.0.0.1:1", b"secret", lambda: app, reasons.append)._work(SuperNodeOf(0))  # type: ignore[arg-type]
    assert told == ["StoreError", "StoreError"]
    assert reasons == ["/home/jane/floe/floe.db cannot be written: the disk is full."]


def test_a_supernode_that_is_out_of_step_with_its_rounds_is_started_anew(store: Store) -> None:
    row = joined(store)
    watch = LogWatcher(store, row, until=time.time() - 1)
    left = iter(
        [
            "INFO :      SuperNode ID: 16672527873955469472",
            "INFO :      Run ID 160 is not in `RUNNING` status. Ignoring reply message 52fd.",
            "INFO :      Run ID 160 is not in `RUNNING` status. Ignoring message 33e8.",
            "INFO :      never heard",
        ]
    )
    watch.follow_log(left)
    assert [*left] == ["INFO :      never heard"]
    assert watch.next_deadline() is not None
    assert now(store, row).status == "running"
