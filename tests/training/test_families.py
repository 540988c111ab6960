"""Every kind of model trains, and its adapter says in llama.cpp what it said in training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from floe.adapters.architecture import read_architecture
from floe.adapters.export import read_gguf, read_peft, write_gguf, write_peft
from floe.adapters.families import FAMILIES
from floe.adapters.lora_defaults import MODULES
from floe.errors import ModelError
from floe.llama.runtime import LlamaModel
from floe.records import TrainPlan
from floe.training.backends.backend import TrainingBackend
from floe.training.backends.opening import build_backend, read_base
from floe.training.backends.parity import measure_parity, read_reference, require_parity
from floe.training.planning.parity_check import ParityError
from floe.training.training_loop import TrainingLoop
from tests.training.random_rows import examples
from tests.training.runs_of_tiny import plan
from tests.training.tiny_families import FamilyWriter, write_family

LENGTHS = (30, 21, 44, 12)
TOKENS = np.random.default_rng(7).integers(0, 256, 48)
DEVICES = [
    "cpu",
    *(["cuda"] if torch.cuda.is_available() else []),
    *(["mps"] if torch.backends.mps.is_available() else []),
    *(["xpu"] if torch.xpu.is_available() else []),
]
"""What needs a graphics card is tested where there is one."""


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    """Mean KL in nats of logits (n, vocabulary)."""
    p, q = (torch.from_numpy(each).double().log_softmax(-1) for each in (wanted, found))
    return float((p.exp() * (p - q)).sum(-1).mean())


def trained(path: Path, chosen: TrainPlan) -> TrainingBackend:
    """A back end after a few steps, with what it learnt in place."""
    backend = build_backend(read_base(path, chosen), chosen, seed=3)
    result = TrainingLoop(backend, examples(LENGTHS), (), chosen, seed=3).run()
    assert result.complete
    assert not backend.is_zero()
    return backend


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", FAMILIES)
def test_an_adapter_of_every_kind_says_in_llama_cpp_what_it_said_in_training(
    kind: str, device: str, tmp_path: Path
) -> None:
    path = write_family(tmp_path / "tiny.gguf", kind)
    chosen = plan(backend="autograd", device=device, modules=MODULES, layers=2, batch_tokens=64)
    backend = trained(path, chosen)
    assert measure_parity(backend, read_reference(path)) < 1e-4
    # A few steps teach next to nothing: with more on top of them a fault of the export would show.
    random = np.random.default_rng(4)
    backend.load(
        {
            name: (a, b + random.normal(scale=1.0, size=b.shape).astype(np.float32))
            for name, (a, b) in backend.factors().items()
        }
    )
    file = tmp_path / "adapter.gguf"
    write_gguf(file, backend.factors(), alpha=backend.alpha, architecture=backend.architecture)
    write_peft(tmp_path / "peft", backend.factors(), alpha=backend.alpha, base_name="tiny")
    with LlamaModel(path, context=256) as model:
        bare = model.evaluate(TOKENS.tolist(), len(TOKENS)).copy()
        model.use_adapters([(model.load_adapter(file), 1.0)])
        model.roll_back(0)
        adapted = model.evaluate(TOKENS.tolist(), len(TOKENS)).copy()
    effect = divergence(adapted, bare)
    assert effect > 0.001
    assert divergence(adapted, backend.logits(TOKENS)) < 0.01 * effect
    for factors, _ in (read_gguf(file, backend.architecture), read_peft(tmp_path / "peft")):
        assert set(factors) == set(backend.factors())
        for name, (a, b) in backend.factors().items():
            assert np.allclose(factors[name][0], a)
            assert np.allclose(factors[name][1], b)


def test_before_its_first_step_an_adapter_says_what_it_says_after_it(tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", "gemma3")
    chosen = plan(backend="autograd", modules=MODULES, layers=2)
    before = trained(path, chosen)
    start = (before.factors(), before.alpha)
    going_on = build_backend(read_base(path, chosen), chosen, seed=3, start=start)
    assert np.allclose(going_on.logits(TOKENS), before.logits(TOKENS), atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_hand_written_gradient_is_that_of_autograd(kind: str, tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", kind)
    some = examples(LENGTHS)
    found = []
    for name in ("cpu", "autograd"):
        chosen = plan(backend=name, rank=3, modules=("q_proj", "v_proj", "up_proj", "down_proj"))
        backend = build_backend(read_base(path, chosen), chosen, seed=1)
        random = np.random.default_rng(2)
        backend.load(
            {
                key: (a, random.normal(scale=0.1, size=b.shape).astype(np.float32))
                for key, (a, b) in backend.factors().items()
            }
        )
        rows = backend.prepare_rows(some)
        loss = backend.step(rows, (((0, 1), (2,), (3,)),), dropout=0.0, checkpointing=True, seed=0)
        backend.parameters.copy_(backend.gradient)
        found.append((loss, rows.loss(), backend.factors()))
    (loss, mean, ours), (other_loss, other_mean, theirs) = found
    assert loss == pytest.approx(other_loss, rel=1e-5)
    assert set(ours) == set(theirs)
    for name, pair in ours.items():
        for ours_half, theirs_half in zip(pair, theirs[name], strict=True):
            assert np.allclose(ours_half, theirs_half, rtol=1e-3, atol=1e-6)
    assert mean > 0
    assert other_mean > 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_as_much(precision: str, tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", "qwen3")
    losses = []
    for each in ("float32", precision):
        chosen = plan(backend="autograd", precision=each, epochs=4, batch_tokens=64)
        backend = build_backend(read_base(path, chosen), chosen, seed=3)
        rows = backend.prepare_rows(examples(LENGTHS))
        before = rows.loss()
        TrainingLoop(backend, examples(LENGTHS), (), chosen, seed=3).run()
        losses.append((before, rows.loss()))
    (before, after), (low_before, low_after) = losses
    assert after < 0.98 * before
    assert low_before == pytest.approx(before, rel=0.01)
    assert low_after == pytest.approx(after, rel=0.02)


@pytest.mark.parametrize("kind", ["granite", "gemma3", "phi3"])
def test_weights_that_stay_in_their_blocks_give_the_same_gradient(
    kind: str, tmp_path: Path
) -> None:
    path = write_family(tmp_path / "tiny.gguf", kind, quantised=True)
    gradients = []
    for blocks in (False, True):
        chosen = plan(backend="autograd", blocks=blocks)
        backend = build_backend(read_base(path, chosen), chosen, seed=1)
        rows = backend.prepare_rows(examples(LENGTHS))
        backend.step(rows, (((0, 1, 2, 3),),), dropout=0.0, checkpointing=blocks, seed=0)
        gradients.append(backend.gradient.clone())
        assert measure_parity(backend, read_reference(path)) < 0.01
    assert gradients[0].norm() > 0
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_stopped_and_resumed_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", "qwen3")
    chosen = plan(backend="autograd", batch_tokens=32, checkpointing=True)
    base = read_base(path, chosen)

    def loop() -> TrainingLoop:
        backend = build_backend(base, chosen, seed=3)
        return TrainingLoop(backend, examples(LENGTHS), (), chosen, seed=3)

    whole = loop().run()
    half = loop()
    done: list[object] = []
    half.run(done.append, lambda: len(done) == 3)
    state = half.state()
    again = loop()
    again.load_state(state)
    rest = again.run()
    for name, (a, b) in whole.factors.items():
        assert np.array_equal(a, rest.factors[name][0])
        assert np.array_equal(b, rest.factors[name][1])


def test_a_back_end_that_computes_another_model_is_refused(tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", "qwen3")
    other = write_family(tmp_path / "other.gguf", "qwen3", seed=1)
    chosen = plan(backend="autograd")
    backend = build_backend(read_base(other, chosen), chosen, seed=1)
    with pytest.raises(ParityError, match="would compute it otherwise"):
        require_parity(backend, read_reference(path), "autograd")


def test_the_first_token_alone_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = write_family(tmp_path / "tiny.gguf", "qwen3")
    chosen = plan(backend="autograd")
    backend = build_backend(read_base(path, chosen), chosen, seed=1)
    tokens, logits = read_reference(path)
    logits[0] = 9 * np.random.default_rng(0).normal(size=logits.shape[1])
    require_parity(backend, (tokens, logits), "autograd")
    logits[1] = logits[0]
    with pytest.raises(ParityError, match="would compute it otherwise"):
        require_parity(backend, (tokens, logits), "autograd")


def with_extra(path: Path, name: str, *shape: int) -> Path:
    """A llama file with one more tensor in each layer."""

    class Extra(FamilyWriter):
        def _layer(self, at: str) -> None:
            super()._layer(at)
            self.add(f"{at}.{name}", *shape)

    return Extra(path, "llama").write()


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("ffn_gate_inp.weight", (4, 64), "mixture of experts"),
        ("attn_q.bias", (64,), "adds a bias"),
        ("attn_sub_norm.weight", (64,), "parts that training does not know"),
    ],
)
def test_a_header_is_enough_to_refuse_what_cannot_be_trained(
    name: str, shape: tuple[int, ...], sentence: str, tmp_path: Path
) -> None:
    path = with_extra(tmp_path / "odd.gguf", name, *shape)
    with pytest.raises(ModelError, match=rf"odd\.gguf .*{sentence}"):
        read_architecture(path)
