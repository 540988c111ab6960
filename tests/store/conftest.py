"""An empty store in a folder that is not there yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from floe.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "floe.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened
