"""Every setting has a range, and what does not fit is one sentence wherever it comes from."""

from pathlib import Path

import pytest

from floe.config import Settings
from floe.errors import FloeError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("context = 100000000000000000000", "context: "),
        ("context = 255", "context: "),
        ("context = " + "9" * 900_000, "cannot be read"),
        ("deadline_ms = inf", "deadline_ms: "),
        ("deadline_ms = nan", "deadline_ms: "),
        ("deadline_ms = 1e300", "deadline_ms: "),
        ("threads = 100000", "threads: "),
        ("threads = -1", "threads: "),
        ("port = 65536", "port: "),
        ("port = -1", "port: "),
        ('model = "a\\u0000b"', "model: "),
        ('data_dir = "a\\u0000b"', "data_dir: "),
        (f'model = "{"a" * 5000}"', "model: "),
        (f'system_prompt = "{"a" * 100_001}"', "system_prompt: "),
        ('stand_in_args = "--delay \'"', "stand_in_args: "),
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("a = " + "{a = " * 50_000, "nested too deeply"),
        ('port = "x', "floe.toml cannot be read: Unterminated"),
        ("# " + "a" * 1_000_000, "far too large"),
    ],
)
def test_a_file_with_a_setting_that_cannot_be(text: str, said: str) -> None:
    Path("floe.toml").write_text(text)
    with pytest.raises(FloeError) as error:
        Settings.load()
    assert said in str(error.value)
    assert len(str(error.value)) < 1000


def test_flags_and_environment_have_the_same_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FloeError, match="deadline_ms: Input should be a finite number"):
        Settings.load(["--deadline-ms", "inf"])
    monkeypatch.setenv("FLOE_CONTEXT", "100000000000000000000")
    with pytest.raises(FloeError, match="context: "):
        Settings.load()


def test_a_file_that_is_no_text_or_cannot_be_read() -> None:
    Path("floe.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FloeError, match="cannot be read"):
        Settings.load()
