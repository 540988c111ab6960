"""A store of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from floe.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "floe.db") as opened:
        yield opened
