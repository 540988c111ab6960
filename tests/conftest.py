"""What all tests share: the two models of the catalog, loaded once, and a home of their own."""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from floe.cloud.credentials.presets import PRESETS
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.privacy.detector import Detector
from floe.store import Store
from tests.scheduling import WAITING, WaitingApart, give_way
from tests.temporary_in_memory import use_memory
from tests.tiers import FAST_PROFILE, SLOW_IMPORTS, is_slow, is_slow_file

# What is imported while tests are collected stays: looking for garbage in it took a third of the
# time, and again at each full collection afterwards.
gc.disable()

MODELS = Path(__file__).parents[1] / "models"
# The longest files but those in WAITING, longest first: begun last, one would leave the rest of the
# machine idle.
LONG = (
    "ui/test_browser.py",
    "ui/test_views.py",
    "training/test_survival.py",
    "ui/test_own_data.py",
    "llama/test_runtime.py",
    "ui/test_attacks.py",
    "ui/test_training.py",
    "bench/test_soak.py",
    "ui/test_full_disk.py",
    "ui/test_models.py",
    "ui/test_daily.py",
    "ui/test_accessibility.py",
    "ui/test_cloud_panel.py",
    "ui/test_answers.py",
    "memory/test_recall.py",
    "ui/test_settings.py",
    "training/test_plan.py",
    "api/test_clients.py",
    "ui/test_composer.py",
    "adapters/test_export.py",
    "training/test_fusion_weight.py",
    "training/test_worker.py",
    "training/test_pairing.py",
    "llama/test_prompt.py",
    "test_child_environment.py",
    "test_app.py",
    "llama/test_gguf_checks.py",
    "fusion/test_penalties.py",
    "ui/test_hostile.py",
    "cloud/test_foreign.py",
    "ui/test_gradio_names.py",
    "models/catalog/test_fetching.py",
    "fusion/test_picking.py",
    "privacy/test_quiet_app.py",
    "data_folder/test_encryption.py",
    "models/test_sampling_defaults.py",
    "training/test_encrypted.py",
    "federation/test_canary.py",
    "federation/test_strategy.py",
    "federation/test_node.py",
)


_PROCESS_STARTS: Final = frozenset(("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec"))
_fast_test: list[str] = []
"""The fast test that runs at the moment, if one does."""


def _refuse_what_is_slow(event: str, arguments: tuple[Any, ...]) -> None:
    """Keep a test that was taken for fast from what is slow: tests/tiers.py has to learn of it."""
    if not _fast_test:
        return
    if event in _PROCESS_STARTS or (event == "import" and arguments[0] in SLOW_IMPORTS):
        met = " ".join([event, *map(str, arguments[:1])])
        raise AssertionError(
            f"{_fast_test[0]} is taken for fast, but does this: {met}. "
            "tests/tiers.py has to know what in it does so."
        )


sys.addaudithook(_refuse_what_is_slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _fast_test[:] = [] if item.get_closest_marker("slow") else [item.nodeid]
    try:
        return (yield)
    finally:
        _fast_test.clear()


_temporary: list[Path] = []
"""The folder in memory for what tests write, if there is one and this process made it."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of each property where only fast tests are asked for."""
    if _only_fast(config):
        settings.load_profile(FAST_PROFILE)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        _temporary[:] = filter(None, [use_memory()])
    elif config.getoption("waiting_apart"):
        give_way(worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test` has a worker more than cores, and says so."""
    words = "leave the last worker to tests that mostly wait"
    parser.addoption("--waiting-apart", action="store_true", help=words)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give out the files as `make test` wants it, where it asks."""
    return WaitingApart(config, log) if config.getoption("waiting_apart") else None


def pytest_collection_finish() -> None:
    """Collect garbage from here on, in what the tests themselves make."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Close what llama_cpp opens when it is imported and leaves to the end of the process."""
    for folder in _temporary:
        shutil.rmtree(folder, ignore_errors=True)
    opened = sys.modules.get("llama_cpp._utils")
    if opened is not None:
        opened.outnull_file.close()
        opened.errnull_file.close()


def _only_fast(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "not slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file that is slow as a whole unread where only fast tests are asked for."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if _only_fast(config) and is_test and is_slow_file(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; `make test` has them given out in this order.

    What needs a model, a server, a process or a browser is `slow`: `make test-fast` leaves it out.
    """
    here = Path(__file__).parent
    for item in items:
        names = frozenset(getattr(item, "fixturenames", ()))
        fixtures = (each[-1].func for each in _fixtures_of(item).values())
        function = getattr(item, "function", None)
        if is_slow_file(item.path) or is_slow(function, fixtures, names):
            item.add_marker(pytest.mark.slow)
    first = (*(here.parent / name for name in WAITING), *(here / name for name in LONG))
    order = {path: place for place, path in enumerate(first)}
    items.sort(key=lambda item: order.get(item.path, len(first)))


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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    with Store(tmp_path / "floe.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def detector() -> Detector:
    """The real one, with nobody's own words; it takes seconds to load."""
    loaded = Detector()
    loaded.load()
    return loaded


_shared: Final[dict[str, LlamaModel]] = {}
"""Models that tests share, by the name of their fixture."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test that asks for a shared model begin with it bare and empty, whatever ran before.

    What is left of another prompt makes other batches of this one, and these other last digits:
    now and then the greedy text goes another way.
    """
    for name in _shared.keys() & set(getattr(item, "fixturenames", ())):
        _shared[name].use_adapters([])  # which empties the cache as well


@pytest.fixture(scope="session")
def smollm(smollm_path: Path) -> Iterator[LlamaModel]:
    with LlamaModel(smollm_path, context=2048) as model:
        _shared["smollm"] = model
        yield model
        del _shared["smollm"]


@pytest.fixture(scope="session")
def qwen(qwen_path: Path) -> Iterator[LlamaModel]:
    with LlamaModel(qwen_path, context=1024) as model:
        _shared["qwen"] = model
        yield model
        del _shared["qwen"]
