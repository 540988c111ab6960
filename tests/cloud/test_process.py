import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from floe.cloud.stand_in.process import StandIn
from floe.errors import CloudError
from tests.cloud.conftest import MODEL, bearer

PARENT = """
import sys, time
from pathlib import Path
from floe.cloud.stand_in.process import StandIn
stand_in = StandIn(Path(sys.argv[1]), ("--context", "256"))
stand_in.start()
if sys.argv[2] == "ready":
    stand_in.wait_ready()
print(stand_in.pid, flush=True)
time.sleep(60)
"""


def test_start_stop_and_nothing_left() -> None:
    stand_in = StandIn(MODEL, ("--context", "256"))
    stand_in.start()
    assert stand_in.alive
    assert (pid := stand_in.pid) is not None
    url = stand_in.wait_ready()
    assert url == stand_in.base_url
    shown = bearer(stand_in.key.get_secret_value())
    assert httpx2.get(f"{url}/models", headers=shown, trust_env=False).status_code == 200
    stand_in.stop()
    assert not psutil.pid_exists(pid)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/models", trust_env=False)
    stand_in.stop()
    with pytest.raises(CloudError, match="has ended"):
        stand_in.wait_ready()


def test_not_ready_in_time() -> None:
    with StandIn(MODEL) as stand_in, pytest.raises(CloudError, match="not ready after 0 seconds"):
        stand_in.wait_ready(0)


def test_missing_model_is_told(tmp_path: Path) -> None:
    with (
        StandIn(tmp_path / "none.gguf") as stand_in,
        pytest.raises(CloudError, match=r"cannot start: .*none\.gguf"),
    ):
        stand_in.wait_ready()


def test_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with (
            StandIn(MODEL, ("--port", port)) as stand_in,
            pytest.raises(CloudError, match="in use"),
        ):
            stand_in.wait_ready()


@pytest.mark.parametrize("when", ["starting", "ready"])
def test_stand_in_is_gone_after_its_parent_was_killed(when: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(MODEL), when], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the stand-in outlived its parent"
        time.sleep(0.05)
