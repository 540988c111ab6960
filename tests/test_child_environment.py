"""No process that Floe starts inherits a secret: by the code, and by what the system shows."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from floe.child_environment import NETWORK, child_environment, is_secret_name
from floe.cloud.stand_in.process import StandIn
from floe.federation import flower_environment
from floe.federation.group.child import Child
from floe.models.wheels import proxy_and_cert
from floe.training.planning.hardware import measure_hardware
from floe.training.process import RunFolder, TrainerProcess, environment

ROOT = Path(__file__).parents[1]
CANARY = "canary-f81d4fae7dec"
SECRETS = (
    *("FLOE_CLOUD_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY", "OPENAI_ORG_ID", "HF_TOKEN"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GITHUB_TOKEN", "PGPASSWORD"),
    *("DATABASE_URL", "MY_SERVICE", "SSH_AUTH_SOCK", "NPM_CONFIG__AUTH", "SOMETHING_NEW"),
    *("FLOE_OTHER_TOKEN", "FLWR_API_KEY", "TORCH_HUB_SECRET", "XDG_PASSWORD", "CUDA_CREDENTIALS"),
    *("PIP_PASSWORD", "floe_cloud_key", "PYTHON_KEYRING_PASSPHRASE"),
)
NEEDED = {
    "PATH": "/usr/bin",
    "HOME": "/home/somebody",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",
    "PYTHONPATH": "/somewhere",
    "OMP_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "passive",
    "CUDA_VISIBLE_DEVICES": "0",
    "LD_LIBRARY_PATH": "/lib",
    "FLOE_MODELS_DIR": "/models",
    "FLOE_THREADS": "2",
    "GLIBC_TUNABLES": "x",
    "SYSTEMROOT": "C:\\Windows",
}


def test_torch_is_promised_no_threads_that_it_does_not_get() -> None:
    assert child_environment(source={"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}) == {
        "OMP_NUM_THREADS": "1"
    }


def test_a_child_gets_what_it_needs_and_no_secret() -> None:
    source = NEEDED | dict.fromkeys(SECRETS, CANARY)
    assert child_environment(source=source) == NEEDED
    assert child_environment(("*",), source | {"OTHER": "1"}) == NEEDED | {
        "OTHER": "1",
        **{name: CANARY for name in SECRETS if not is_secret_name(name)},
    }


@pytest.mark.parametrize(
    "name", ["FLOE_PORT", "PYTHONHASHSEED", "FLOE_MODEL", "MONKEY", "KEYBOARD"]
)
def test_names_of_no_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_the_way_to_the_network_is_for_those_who_need_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NETWORK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/own.pem")
    monkeypatch.setenv("no_proxy", "intranet")
    assert not {"https_proxy", "SSL_CERT_FILE"} & environment().keys()
    flower = flower_environment(tmp_path)
    assert flower["https_proxy"] == "http://proxy:3128"
    assert flower["SSL_CERT_FILE"] == "/own.pem"
    # Its programs speak to each other on loopback.
    assert flower["no_proxy"] == "intranet,127.0.0.1,localhost,::1"
    assert flower["NO_PROXY"] == "127.0.0.1,localhost,::1"


STARTERS = re.compile(
    r"subprocess\.\w+|os\.(system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)|pty\.\w+"
    r"|asyncio\.create_subprocess_\w+|multiprocessing\..*|webbrowser\.\w+|psutil\.Popen"
)
NO_STARTERS = re.compile(
    r"subprocess\.(PIPE|DEVNULL|STDOUT|TimeoutExpired|SubprocessError|CalledProcessError|Completed.*)"
)
BUILDERS = frozenset({"child_environment", "environment", "flower_environment"})
EXEMPT = {
    # The sandbox for programs of a model has an empty one.
    ("floe/evaluate/accuracy/sandbox.py", "subprocess.Popen"),
    # The browser: it inherits this process's own environment, from which the keys are taken out.
    ("floe/cli/run.py", "webbrowser.open"),
    ("floe/data_folder/maintenance.py", "webbrowser.open"),
    # The same process anew, which was started with a clean environment.
    ("floe/federation/group/node.py", "os.execv"),
}


def _built(value: ast.expr | None) -> bool:
    """Whether an `env=` is made by one of the builders, or handed in from one."""
    if isinstance(value, ast.Name):
        return value.id in BUILDERS
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    if value.func.id == "dict":
        return _built(value.args[0])
    return value.func.id in BUILDERS


def _starts(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if STARTERS.fullmatch(name) and not NO_STARTERS.fullmatch(name):
                yield node, name


def test_every_process_is_started_with_a_built_environment() -> None:
    found = 0
    for path in (ROOT / "app.py", *(ROOT / "floe").rglob("*.py")):
        place = str(path.relative_to(ROOT))
        text = path.read_text("utf-8")
        # Imported whole, so that each use can be seen; and never with an environment of its own.
        for hidden in (
            r"from (subprocess|multiprocessing|os|pty|webbrowser) import",
            r"ProcessPoolExecutor",
            r"import multiprocessing",
            r"shell=True",
        ):
            assert not re.search(hidden, text), (place, hidden)
        for call, name in _starts(path):
            found += 1
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            ours = _built(given.get("env")) or (place, name) in EXEMPT
            assert ours, f"{place}:{call.lineno} starts a process with the environment of this one"
    assert found >= 10


# What the system shows


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, CANARY)


def shown(pid: int) -> bytes:
    """All that another process of this user can read of one: its words and its environment."""
    folder = Path(f"/proc/{pid}")
    return (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()


_started: list[tuple[str, object]] = []
_hooks: list[object] = []


def _note(event: str, args: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        _started.append((str(args[1]), args[3]))


@pytest.fixture
def started() -> list[tuple[str, object]]:
    """The command line and environment of each process that is started from here on."""
    if not _hooks:  # one that was added stays for good
        sys.addaudithook(_note)
        _hooks.append(_note)
    _started.clear()
    return _started


@pytest.mark.usefixtures("canaries")
def test_children_that_live_on_show_no_secret(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    folder = RunFolder(tmp_path / "run")
    folder.make()
    trainer = TrainerProcess.start(sleep, folder)
    flower = Child("http.server", ["0"], flower_environment(tmp_path), tmp_path / "child.log")
    stand_in = StandIn(tmp_path / "none.gguf")
    stand_in.start()
    assert stand_in.pid is not None
    try:
        for pid in (trainer.pid, flower.pid, stand_in.pid):
            # Between fork and exec a child still shows what its parent has.
            for _ in range(200):
                if b"-c\0" in shown(pid) or b"-m\0" in shown(pid):
                    break
                time.sleep(0.01)
            text = shown(pid)
            assert b"PATH=" in text
            assert CANARY.encode() not in text
    finally:
        trainer.kill()
        while trainer.alive:
            time.sleep(0.01)
        flower.end()
        stand_in.stop()


@pytest.mark.usefixtures("canaries")
def test_children_that_are_waited_for_get_no_secret(started: list[tuple[str, object]]) -> None:
    measure_hardware()
    proxy_and_cert()
    assert len(started) >= 2
    for command, given in started:
        assert given is not None, command
        assert CANARY not in str(given), command


def test_no_child_of_the_running_app_has_a_secret(tmp_path: Path, smollm_path: Path) -> None:
    """The app is started with secrets; its stand-in is up by the time the page is."""
    environment = {**os.environ, **dict.fromkeys(SECRETS, CANARY)}
    command = [sys.executable, "app.py", "--no-browser", "--port", "0"]
    command += ["--data-dir", str(tmp_path / "data"), "--stand-in-model", str(smollm_path)]
    with (tmp_path / "terminal.log").open("w") as log:
        app = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert app.stdout is not None
        for line in app.stdout:
            if "Floe is open at" in line:
                break
        else:
            raise AssertionError((tmp_path / "terminal.log").read_text())
        children = psutil.Process(app.pid).children(recursive=True)
        stand_ins = 0
        for child in children:
            with suppress(psutil.Error, FileNotFoundError):
                stand_ins += "floe.cloud.stand_in.server" in child.cmdline()
                assert CANARY.encode() not in shown(child.pid), child.cmdline()
        assert stand_ins == 1
    finally:
        app.send_signal(signal.SIGINT)
        app.wait(60)
        assert app.stdout is not None
        app.stdout.close()
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert CANARY.encode() not in path.read_bytes(), path
