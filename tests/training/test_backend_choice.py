"""Back end, device and precision of a training are chosen with a reason, or refused with one."""

import dataclasses

import pytest

from floe.adapters.architecture import Architecture
from floe.errors import TrainingError
from floe.training.planning.backend_choice import BackendWish, choose_backend
from floe.training.planning.cost import Workload
from floe.training.planning.hardware import Hardware
from floe.training.planning.parity_check import ParityError, judge_parity
from floe.training.planning.plan import choose_plan, smaller_plan

DEVICE = Hardware(2, 180.0, 750.0, 1.3, 0.0)
CARD = dataclasses.replace(
    DEVICE, gpu="Card", gpu_kind="cuda", gpu_memory_mb=8000.0, gpu_gflops=20_000.0
)
LLAMA = Architecture("llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, 1e5, 1e-5)
QWEN3 = dataclasses.replace(LLAMA, kind="qwen3", slow_reason="there are no passes for “qwen3”")
THREE_B = Architecture(
    "qwen3", 36, 2048, 16, 4, 128, 11008, 128256, 8192, 1e6, 1e-6, 1_900_000_000, "no passes"
)
WORK = Workload(3200, 2600, 900, 750, 250)


def test_hand_written_passes_are_taken_where_they_can_be() -> None:
    assert choose_backend(DEVICE, LLAMA).backend == "cpu"
    other = choose_backend(DEVICE, QWEN3)
    assert (other.backend, other.device) == ("autograd", "cpu")
    assert "because there are no passes for “qwen3”" in other.reason
    assert choose_backend(DEVICE, LLAMA, BackendWish("autograd")).backend == "autograd"


def test_a_graphics_card_is_used_in_the_precision_that_it_has() -> None:
    found = choose_backend(CARD, LLAMA)
    assert (found.backend, found.device, found.precision) == ("autograd", "cuda", "float16")
    newer = dataclasses.replace(CARD, gpu_bfloat16=True)
    assert choose_backend(newer, LLAMA).precision == "bfloat16"
    assert choose_backend(CARD, LLAMA, BackendWish("cpu")).device == "cpu"
    plan = choose_plan(CARD, LLAMA, WORK)
    assert (plan.device, plan.precision) == ("cuda", "float16")
    assert plan.peak_mb < 8000
    assert "on the graphics card (Card)" in plan.reason


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (BackendWish("cpu"), "cannot be used: there are no passes"),
        (BackendWish(None, "cuda"), "no device of the kind “cuda”"),
        (BackendWish("cpu", "mps"), "no device of the kind “mps”"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(wish: BackendWish, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        choose_backend(DEVICE, QWEN3, wish)


def test_little_memory_keeps_the_weights_in_their_blocks() -> None:
    plenty = choose_plan(DEVICE, THREE_B, WORK, memory_limit_mb=16_000, deadline_s=1e9)
    little = choose_plan(DEVICE, THREE_B, WORK, memory_limit_mb=4500, deadline_s=1e9)
    assert not plenty.blocks
    assert little.blocks
    assert little.peak_mb <= 4500


def test_blocks_are_taken_where_the_quicker_way_needs_too_much_memory() -> None:
    large = dataclasses.replace(THREE_B, kind="llama", slow_reason="")
    plenty = choose_plan(DEVICE, large, WORK, memory_limit_mb=40_000, deadline_s=1e9)
    little = choose_plan(DEVICE, large, WORK, memory_limit_mb=4500, deadline_s=1e9)
    assert plenty.backend == "cpu"
    assert (little.backend, little.device, little.blocks) == ("autograd", "cpu", True)
    assert "the quicker way needs" in little.backend_reason
    with pytest.raises(TrainingError, match="needs at least"):
        choose_plan(
            DEVICE, large, WORK, memory_limit_mb=4500, deadline_s=1e9, wish=BackendWish("cpu")
        )


def test_a_plan_that_outgrew_the_memory_gives_way_to_blocks() -> None:
    large = dataclasses.replace(THREE_B, kind="llama", slow_reason="")
    failed = choose_plan(DEVICE, large, WORK, memory_limit_mb=40_000, deadline_s=1e9)
    found = smaller_plan(DEVICE, large, failed, 4500)
    assert found is not None
    assert (found.backend, found.blocks) == ("autograd", True)
    assert found.peak_mb <= 4500
    again = smaller_plan(DEVICE, large, found, 0.5 * found.peak_mb)
    assert again is None
    assert smaller_plan(DEVICE, large, failed, 4500, BackendWish("cpu")) is None


def test_a_back_end_that_is_off_is_refused() -> None:
    judge_parity(0.019, "autograd")
    for kl in (0.021, float("nan")):
        with pytest.raises(ParityError, match="would compute it otherwise"):
            judge_parity(kl, "autograd")
