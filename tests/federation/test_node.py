"""The executor of a device's tasks, beside a SuperNode that answers as told."""

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError

from floe.federation import node
from floe.federation.node import Executor


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
        def __init__(self, beat: object) -> None:
            pass

        start = stop = lambda self: server.said.append("beat")

    monkeypatch.setattr(node, "_client", server)
    monkeypatch.setattr(node, "HeartbeatSender", Heart)
    monkeypatch.setattr(node, "make_task_heartbeat_fn_http", lambda client: None)
    monkeypatch.setattr(node, "pull_task_input", lambda client: ("message", "context", 0, 0))
    monkeypatch.setattr(node, "push_message", lambda client, reply, context: None)
    monkeypatch.setattr(node, "push_task_output", ended)
    executor = Executor("127.0.0.1:1", b"secret", lambda: lambda message, context: "reply")  # type: ignore[arg-type, return-value]
    with monkeypatch.context() as once:
        once.setattr(node, broken, lost)
        assert executor.take()
    assert "the task is lost" in caplog.text
    assert server.said == ["beat", "beat", "closed"]
    assert executor.take()
    assert server.said[3:] == ["beat", "completed", "beat", "closed"]
    assert not executor.take()
