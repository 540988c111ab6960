"""The `adapter` bench: does an exported adapter say in llama.cpp what it said in torch?

For each model, and each back end that can train it, a short real training run on the example chats
makes an adapter of the default shape. The reference is independent of Floe's own engine and export:
transformers reads the same GGUF in float32 and peft reads the PEFT folder; of Gemma 3, which is
measured where it has been fetched and whose scale of queries transformers passes over, it is the
back end itself in float32. `parity_kl` is that of the back end without an adapter from llama.cpp,
as it is judged before each training; `seconds` and `cpu_seconds` are of the steps. `mean_kl` is
KL(torch || llama.cpp) in nats and `top1_agreement` the share of equal best tokens, over the answers
of chats that were not trained on. `base_kl` is the same without the adapter (what quantised
arithmetic costs by itself), `effect_kl` is KL(with || without) in torch: how much the adapter
matters. `off_exact`: with the adapter off again the logits are bit for bit those from before.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from floe.adapters.architecture import Architecture, read_architecture
from floe.adapters.export import write_gguf, write_peft
from floe.adapters.lora_defaults import DEFAULT_SHAPE
from floe.adapters.lora_factors import Factors
from floe.bench.rows import example_lines
from floe.config import Settings
from floe.llama.runtime import MAX_OUTPUTS, LlamaModel, Logits
from floe.llama.threads import choose_threads
from floe.models.catalog import load_catalog, resolve_model
from floe.records import BackendKind, TrainPlan
from floe.training.backends.opening import build_backend, read_base
from floe.training.backends.parity import measure_parity, read_reference
from floe.training.data.packing import Example
from floe.training.data.tokenisation import Encoder, row_of
from floe.training.planning.plan import EPOCHS, LEARNING_RATE
from floe.training.worker import train

_RUNS: Final[tuple[tuple[str, BackendKind], ...]] = (
    ("smollm2-135m-instruct", "cpu"),
    ("smollm2-135m-instruct", "autograd"),
    ("qwen2.5-coder-0.5b-instruct", "cpu"),
    ("qwen2.5-coder-0.5b-instruct", "autograd"),
    ("gemma-3-270m", "autograd"),
)
_OPTIONAL: Final = frozenset({"gemma-3-270m"})
"""Measured where it is here: its licence is one to be read first."""
_OWN_REFERENCE: Final = frozenset({"gemma3"})
_WRITER: Final = "harbour"
_TRAINED: Final = 8
_MEASURED: Final = 4
_LENGTH: Final = 256


def run() -> dict[str, object]:
    """Measure all; the figures at the top are the worst."""
    settings = Settings.load()
    found: dict[str, dict[str, Any]] = {}
    for name, backend in _RUNS:
        entry = load_catalog()[name]
        if name in _OPTIONAL and not (settings.models_dir / entry.filename).is_file():
            print(f"adapter: {name} is not here and is left out", file=sys.stderr)
            continue
        path = resolve_model(name, settings.models_dir)
        with tempfile.TemporaryDirectory() as folder:
            kind, figures = measure(path, Path(folder), backend)
        found[f"{kind} {backend}"] = figures
        gc.collect()
    return {
        "mean_kl": max(figures["mean_kl"] for figures in found.values()),
        "top1_agreement": min(figures["top1_agreement"] for figures in found.values()),
        "off_exact": all(figures["off_exact"] for figures in found.values()),
        **found,
    }


def measure(path: Path, folder: Path, backend: BackendKind = "cpu") -> tuple[str, dict[str, Any]]:
    """Train, export and compare for one GGUF; its architecture and the figures."""
    print(f"adapter: training on {path.name}, back end {backend}", file=sys.stderr)
    rows = [row_of(line) for line in example_lines(_WRITER)]
    with Encoder(path) as encoder:
        trained = encoder.examples(rows[:_TRAINED], _LENGTH)
        measured = encoder.examples(rows[-_MEASURED:], _LENGTH)
    architecture = read_architecture(path)
    plan = _plan(architecture, backend)
    torch.set_num_threads(plan.threads)
    base = read_base(path, plan)
    parity = measure_parity(build_backend(base, plan, seed=0), read_reference(path, plan.threads))
    began, cpu_began = time.perf_counter(), time.process_time()
    result = train(base, trained, [], plan)
    took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
    del base
    peft_folder, file = folder / "adapter", folder / "adapter.gguf"
    write_peft(peft_folder, result.factors, alpha=result.alpha, base_name=path.stem)
    write_gguf(file, result.factors, alpha=result.alpha, architecture=architecture)
    print(f"adapter: asking llama.cpp ({architecture.kind})", file=sys.stderr)
    with LlamaModel(path, context=2 * _LENGTH) as model:
        before = _llama(model, measured)
        model.use_adapters([(model.load_adapter(file), 1.0)])
        ours = _llama(model, measured)
        model.use_adapters([])
        after = _llama(model, measured)
    print(f"adapter: asking torch ({architecture.kind})", file=sys.stderr)
    if architecture.kind in _OWN_REFERENCE:
        bare, adapted = _own_torch(path, plan, result.factors, measured)
    else:
        bare, adapted = _torch(path, peft_folder, measured)
    return architecture.kind, {
        "mean_kl": round(_kl(adapted, ours), 6),
        "top1_agreement": round(float((adapted.argmax(1) == ours.argmax(1)).mean()), 4),
        "base_kl": round(_kl(bare, before), 6),
        "effect_kl": round(_kl(adapted, bare), 4),
        "off_exact": bool(np.array_equal(before, after)),
        "parity_kl": round(parity, 6),
        "seconds": round(took, 1),
        "cpu_seconds": round(cpu_took, 1),
        "positions": len(ours),
        "model": path.name,
    }


def _plan(architecture: Architecture, backend: BackendKind) -> TrainPlan:
    """Enough to change what the model says, in a minute."""
    return TrainPlan(
        rank=DEFAULT_SHAPE.rank,
        alpha=DEFAULT_SHAPE.alpha,
        modules=DEFAULT_SHAPE.modules,
        layers=DEFAULT_SHAPE.layers(architecture.layers),
        batch_tokens=256,
        sequence_length=_LENGTH,
        checkpointing=False,
        precision="bfloat16",
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        threads=choose_threads()[0],
        rows_tokens=0,
        seconds=0.0,
        peak_mb=0.0,
        reason="the default shape, a few steps",
        backend=backend,
    )


def _llama(model: LlamaModel, examples: Sequence[Example]) -> Logits:
    """Logits at every target of the examples."""
    found = []
    for example in examples:
        model.roll_back(0)
        tokens = example.tokens.tolist()
        for start in range(0, len(tokens), MAX_OUTPUTS):
            part = tokens[start : start + MAX_OUTPUTS]
            logits = model.evaluate(part, outputs=len(part))
            found.append(logits[example.weights[start : start + len(part)] > 0].copy())
    return np.concatenate(found)


def _torch(path: Path, folder: Path, examples: Sequence[Example]) -> tuple[Logits, Logits]:
    """Return the logits of transformers, without and with the adapter that peft loads."""
    from peft import PeftModel  # noqa: PLC0415 - seconds that other benches need not wait
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )

    def logits() -> Logits:
        found = []
        with torch.no_grad():
            for example in examples:
                ids = torch.from_numpy(example.tokens)[None].long()
                found.append(model(input_ids=ids).logits[0][example.weights > 0].numpy())
        return np.concatenate(found)

    bare = logits()
    # peft puts its layers into the model itself.
    PeftModel.from_pretrained(model, folder)
    return bare, logits()


def _own_torch(
    path: Path, plan: TrainPlan, factors: Factors, examples: Sequence[Example]
) -> tuple[Logits, Logits]:
    """Return the logits of the autograd back end in float32, without and with the adapter."""
    exact = replace(plan, precision="float32")
    backend = build_backend(read_base(path, exact), exact, seed=0, start=(factors, plan.alpha))

    def logits() -> Logits:
        found = [
            backend.logits(example.tokens.astype(np.int64))[example.weights > 0]
            for example in examples
        ]
        return np.concatenate(found)

    backend.refresh(0.0)
    bare = logits()
    backend.refresh()
    return bare, logits()


def _kl(p: Logits, q: Logits) -> float:
    """Mean KL(p || q) over the rows, in nats."""
    total = 0.0
    for a, b in zip(p.astype(np.float64), q.astype(np.float64), strict=True):
        log_p = a - a.max() - np.log(np.exp(a - a.max()).sum())
        log_q = b - b.max() - np.log(np.exp(b - b.max()).sum())
        total += float((np.exp(log_p) * (log_p - log_q)).sum())
    return total / len(p)
