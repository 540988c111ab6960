"""What all tests share: the two models of the catalog, loaded once, and a home of their own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floe.cloud.credentials.presets import PRESETS
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.privacy.detector import Detector
from tests.tiers import is_slow

MODELS = Path(__file__).parents[1] / "models"
# Over a minute each. Begun last, one of them would leave the other half of the machine idle.
LONG = (
    "federation/test_deployment.py",
    "ui/test_training.py",
    "ui/test_browser.py",
    "ui/test_views.py",
    "training/test_survival.py",
    "llama/test_runtime.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; `make test` has them given out in this order.

    What needs a model, a server, a process or a browser is `slow`: `make test-fast` leaves it out.
    """
    here = Path(__file__).parent
    for item in items:
        names = frozenset(getattr(item, "fixturenames", ()))
        fixtures = (each[-1].func for each in _fixtures_of(item).values())
        if is_slow(getattr(item, "function", None), fixtures, names):
            item.add_marker(pytest.mark.slow)
    order = {here / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(LONG)))


def _fixtures_of(item: pytest.Item) -> dict[str, Any]:
    """Return the definitions of the fixtures that a test asks for, by name."""
    info = getattr(item, "_fixtureinfo", None)
    return dict(info.name2fixturedefs) if info is not None else {}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the developer's environment nor their key decides a test."""
    for name in [*os.environ]:
        if name.startswith("FLOE_"):
            monkeypatch.delenv(name)
    for preset in PRESETS:
        monkeypatch.delenv(preset.key_variable, raising=False)


@pytest.fixture(scope="session")
def smollm_path() -> Path:
    return resolve_model("smollm2-135m-instruct", MODELS)


@pytest.fixture(scope="session")
def qwen_path() -> Path:
    return resolve_model("qwen2.5-coder-0.5b-instruct", MODELS)


@pytest.fixture(scope="session")
def detector() -> Detector:
    """The real one, with nobody's own words; it takes seconds to load."""
    loaded = Detector()
    loaded.load()
    return loaded


@pytest.fixture(scope="session")
def smollm(smollm_path: Path) -> Iterator[LlamaModel]:
    with LlamaModel(smollm_path, context=2048) as model:
        yield model


@pytest.fixture(scope="session")
def qwen(qwen_path: Path) -> Iterator[LlamaModel]:
    with LlamaModel(qwen_path, context=1024) as model:
        yield model
