"""How a model is loaded: chosen by the build, the model and the memory, with reasons."""

from pathlib import Path

import pytest

from floe.errors import ModelError
from floe.llama import load_options
from floe.llama.build import GraphicsDevice, LlamaBuild, read_build
from floe.llama.free_memory import FreeMemory
from floe.llama.gguf_checks import check_model
from floe.llama.load_options import LlamaOptions, LoadPlan, plan_load
from floe.llama.runtime import LlamaModel
from tests.training.tiny import LAYERS, write_tiny

CPU = LlamaBuild("1", False, ())


def card(free: float) -> LlamaBuild:
    return LlamaBuild("1", True, (GraphicsDevice("Card", int(free), 8_000_000_000),))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def plan(tiny: Path, options: LlamaOptions = LlamaOptions(), build: LlamaBuild = CPU) -> LoadPlan:  # noqa: B008
    return plan_load(tiny, check_model(tiny), options, build)


def reason(made: LoadPlan, name: str) -> str:
    return next(each.reason for each in made.shown if each.name == name)


def test_the_installed_build_is_asked() -> None:
    build = read_build()
    assert build.offload == bool(build.devices) or "finds none here" in build.sentence
    assert build.version in build.sentence


@pytest.mark.parametrize("amx", [True, False])
def test_a_build_that_uses_amx_does_without(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, amx: bool
) -> None:
    told = b"CPU : SSE3 = 1 | AMX_INT8 = 1 | LLAMAFILE = 1" if amx else b"CPU : SSE3 = 1"
    monkeypatch.setattr("floe.llama.build.lib.llama_print_system_info", lambda: told)
    caplog.set_level("INFO", "floe.llama.runtime")
    with LlamaModel(tiny, context=64):
        pass
    laid_out = next(each for each in caplog.messages if each.startswith("weights laid out"))
    assert ("AMX" in laid_out) is amx
    assert not amx or "False" in laid_out


def test_layers_follow_the_memory_of_the_card(tiny: Path) -> None:
    layers = "Layers on the graphics card"
    none = plan(tiny)
    assert (none.gpu_layers, reason(none, layers)) == (
        0,
        "this build of llama.cpp is for the processor alone",
    )
    assert plan(tiny, build=LlamaBuild("1", True, ())).gpu_layers == 0
    whole = plan(tiny, build=card(1e9))
    assert whole.gpu_layers == LAYERS + 1
    assert "all of them fit on Card" in reason(whole, layers)
    # The file and the cache of 1,024 tokens: 4 layers, 2 heads of keys and values, 8 numbers each.
    needed = tiny.stat().st_size + 1024 * 4 * 2 * (8 + 8) * 2
    part = plan(tiny, build=card(500e6 + 0.5 * needed))
    assert part.gpu_layers == 2
    assert "as many of 5 as fit" in reason(part, layers)
    assert plan(tiny, build=card(100e6)).gpu_layers == 0
    # Metal does not always say how much there is.
    unknown = LlamaBuild("1", True, (GraphicsDevice("Card", 0, 0),))
    assert plan(tiny, build=unknown).gpu_layers == LAYERS + 1
    assert plan(tiny, LlamaOptions(gpu_layers=3), card(1e9)).gpu_layers == 3
    assert plan(tiny, LlamaOptions(gpu_layers=0), card(1e9)).gpu_layers == 0
    with pytest.raises(ModelError, match="no code for graphics cards"):
        plan(tiny, LlamaOptions(gpu_layers=3))


def test_a_small_cache_needs_flash_attention(tiny: Path) -> None:
    assert plan(tiny).flash_attention is None
    small = plan(tiny, LlamaOptions(cache_type="q8_0"))
    assert (small.flash_attention, small.cache_type) == (True, "q8_0")
    with pytest.raises(ModelError, match="q8_0 needs flash attention"):
        plan(tiny, LlamaOptions(cache_type="q8_0", flash_attention="off"))


def test_the_context_follows_training_and_memory(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan(tiny).context == 1024
    assert reason(plan(tiny), "Context") == "the model was trained on no more"
    assert plan(tiny, LlamaOptions(context=300)).context == 300
    cut = plan(tiny, LlamaOptions(context=5000))
    assert cut.context == 1024
    assert "you set 5,000" in reason(cut, "Context")
    # Half of what is free beside the weights holds the cache of 512 tokens.
    monkeypatch.setattr(load_options, "_SHORTEST", 256)
    room = tiny.stat().st_size + 2 * 512 * 4 * 2 * (8 + 8) * 2
    monkeypatch.setattr(load_options, "free_memory", lambda: FreeMemory(room, ""))
    assert plan(tiny).context == 512
    assert "as many as fit" in reason(plan(tiny), "Context")
