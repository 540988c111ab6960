import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from floe.chat.assistant import Assistant
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.store import Store
from tests.faults.small_disk import SmallDisk, small_disk

Open = Callable[..., Assistant]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", monkeypatch) as mounted:
        yield mounted


@pytest.fixture
def start(smollm_path: Path, detector: Detector) -> Iterator[Open]:
    """The program behind the page, on a data folder; closed at the end."""
    opened: list[Assistant] = []

    def assistant(folder: Path, **settings: Any) -> Assistant:
        loaded = Settings.load(**{"cloud": OFF, "data_dir": folder, **settings})
        store = Store(loaded.database)
        store.recover()
        model = LlamaModel(smollm_path, context=1024, threads=1)
        link = CloudLink(loaded, store)
        opened.append(Assistant(loaded, store, model, link, detector))
        return opened[-1]

    yield assistant
    for each in opened:
        each.close()


@pytest.fixture
def until() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
