"""The program as it is started: what stands in its way is one sentence, and never a trace."""

import io
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from floe.cli import main

ROOT = Path(__file__).parents[1]


def start(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `app.py` where it must refuse to start."""
    return subprocess.run(
        [sys.executable, "app.py", "--no-browser", "--data-dir", str(tmp_path / "data"), *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def start_here(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """As `start`, in this process: for what is refused before anything is opened."""
    said, told = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stdout(said), redirect_stderr(told):
            code = main(["--no-browser", "--data-dir", str(tmp_path / "data"), *flags])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "data").exists()
    return subprocess.CompletedProcess(flags, code, said.getvalue(), told.getvalue())


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Floe cannot start." in result.stderr
    for word in words:
        assert word in result.stderr


def test_a_port_that_is_taken(tmp_path: Path, taken: int) -> None:
    refused(
        start(tmp_path, "--cloud", "off", "--port", str(taken)), f"Port {taken} is taken", "--port"
    )


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    refused(start(tmp_path, "--model", "/nowhere/model.gguf"), "no file /nowhere/model.gguf")
    refused(start(tmp_path, "--model", "gpt-17"), "gpt-17", "smollm2-135m-instruct")


def test_a_model_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("These are notes.")
    refused(start(tmp_path, "--cloud", "off", "--model", str(path)), "not a GGUF")


def test_a_model_of_the_catalog_that_was_altered(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF and then something else")
    refused(
        start(tmp_path, "--cloud", "off", "--models-dir", str(models)),
        "smollm2-135m-instruct",
        "fetch",
    )


def test_a_data_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    refused(start(tmp_path), "data folder", "--data-dir")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "floe.db"
    database.write_text("These are notes, and longer than one would think. " * 100)
    refused(start(tmp_path, "--cloud", "off"), "floe.db")
    assert database.read_text().startswith("These are notes")


def test_flags_that_do_not_fit(tmp_path: Path) -> None:
    refused(start_here(tmp_path, "--port", "many"), "port")
    unknown = start_here(tmp_path, "--colour", "red")
    assert unknown.returncode == 2
    assert "--colour" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    secret = start_here(tmp_path, "--cloud-key", "sk-very-secret", "--port", "99999")
    refused(secret, "port")
    assert "sk-very-secret" not in secret.stderr + secret.stdout


def test_a_key_as_a_flag_is_advised_against_and_not_repeated(tmp_path: Path) -> None:
    flags = ("--cloud", "https://example.net/v1", "--cloud-key", "sk-very-secret")
    result = start(tmp_path, *flags, "--model", "/nowhere/model.gguf")
    refused(result, "list of processes", "FLOE_CLOUD_KEY", "no file /nowhere/model.gguf")
    assert "sk-very-secret" not in result.stderr + result.stdout
    assert b"sk-very-secret" not in (tmp_path / "data" / "floe.log").read_bytes()


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        ("javascript:alert(1)", "must begin with http"),
        ("https://user:sekrit@example.net/v1", "name and password"),
        ("https://example.net/v1?key=sekrit", "question mark"),
        ("http://2130706433/v1", "IPv4"),
    ],
)
def test_an_address_that_is_none(tmp_path: Path, cloud: str, words: str) -> None:
    result = start_here(tmp_path, "--cloud", cloud)
    refused(result, "cloud: The cloud's address", words)
    assert "sekrit" not in result.stderr + result.stdout
