"""The `decode` bench: what Floe's loop costs beside llama.cpp's own, and what an adapter costs.

`local_tok_s` is the decoder at local weight 1, token records and alternatives included;
`raw_tok_s` is nothing but `llama_decode` over the same tokens at the same positions. Both run in
turn, and the ratios are medians over the pairs, so that a machine whose speed drifts does not
decide.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import gguf
import numpy as np
from llama_cpp import llama_cpp as lib

from floe.adapters.architecture import read_architecture
from floe.adapters.export import write_gguf
from floe.adapters.lora_defaults import DEFAULT_SHAPE
from floe.adapters.lora_factors import Factors, module_name
from floe.config import Settings
from floe.fusion.decoder import Controls, Decoder
from floe.llama.gguf_header import read_gguf_header
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.models.sampling_defaults import GENERAL
from floe.records import ChatMessage

_TOKENS: Final = 128
_ROUNDS: Final = 16
_SAMPLING: Final = replace(GENERAL, max_tokens=_TOKENS)
"""With the penalties of the default page, which are part of the cost."""
_QUESTION: Final = "Tell me a long story about a lighthouse keeper and the sea."


def run() -> dict[str, object]:
    """Measure with the default model; tokens per second are medians."""
    settings = Settings.load()
    with LlamaModel(
        resolve_model(settings.model, settings.models_dir), threads=settings.threads
    ) as model:
        prompt = PromptBuilder(model).build([ChatMessage("user", _QUESTION)]).tokens
        answer = _floe(model, prompt)
        tokens = list(answer)
        local: list[float] = []
        raw: list[float] = []
        for i in range(_ROUNDS):
            print(f"decode: round {i + 1} of {_ROUNDS}", file=sys.stderr)
            both = [
                (local, lambda: len(_floe(model, prompt))),
                (raw, lambda: _raw(model, tokens)),
            ]
            # Each comes first as often as second: what the one leaves behind is the other's too.
            for rates, work in both if i % 2 else reversed(both):
                rates.append(_rate(work, model, prompt))
        adapted, bare = _with_and_without_adapter(model, prompt, tokens)
        return {
            "local_tok_s": round(statistics.median(local), 1),
            "raw_tok_s": round(statistics.median(raw), 1),
            "ratio": round(_ratio(local, raw), 4),
            "adapter_ratio": round(_ratio(adapted, bare), 4),
            "adapter_rank": DEFAULT_SHAPE.rank,
            "adapter_modules": len(DEFAULT_SHAPE.modules),
            "adapter_layer_share": DEFAULT_SHAPE.layer_share,
            "tokens": len(tokens),
            "threads": model.threads,
            "model": model.path.name,
        }


def _ratio(ours: list[float], reference: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, reference, strict=True))


def _rate(work: Callable[[], int], model: LlamaModel, prompt: list[int]) -> float:
    """Tokens per second of `work`, the prompt already read."""
    model.prefill(prompt, lambda: False)
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def _floe(model: LlamaModel, prompt: list[int]) -> list[int]:
    logits = model.prefill(prompt, lambda: False)
    assert logits is not None
    decoder = Decoder(model, Controls(weight=1.0))
    return [step.token_id for step in decoder.run(logits, _SAMPLING)]


def _raw(model: LlamaModel, tokens: list[int]) -> int:
    """Decode as many single tokens as the answer has.

    One for the prompt's last token, and one for each but the last, whose successor nobody wants.
    """
    memory = lib.llama_get_memory(model.context)
    position = len(model.tokens) - 1
    lib.llama_memory_seq_rm(memory, 0, position, -1)
    batch = lib.llama_batch_init(1, 0, 1)
    try:
        batch.n_tokens = batch.n_seq_id[0] = 1
        batch.seq_id[0][0] = 0
        batch.logits[0] = 1
        for i, token in enumerate([model.tokens[-1], *tokens[:-1]]):
            batch.token[0] = token
            batch.pos[0] = position + i
            if lib.llama_decode(model.context, batch) != 0:
                raise RuntimeError("llama_decode failed")
    finally:
        lib.llama_batch_free(batch)
    lib.llama_memory_seq_rm(memory, 0, position + 1, -1)
    return len(tokens)


def _with_and_without_adapter(
    model: LlamaModel, prompt: list[int], tokens: list[int]
) -> tuple[list[float], list[float]]:
    """Rates of the raw loop with an adapter of the default plan's shape, and without."""
    adapted: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "default.gguf"
        _write_default_adapter(model.path, path)
        adapter = model.load_adapter(path)
        for i in range(_ROUNDS):
            print(f"adapter: round {i + 1} of {_ROUNDS}", file=sys.stderr)
            model.use_adapters([(adapter, 1.0)])
            adapted.append(_rate(lambda: _raw(model, tokens), model, prompt))
            model.use_adapters([])
            bare.append(_rate(lambda: _raw(model, tokens), model, prompt))
    return adapted, bare


def _write_default_adapter(base: Path, path: Path) -> None:
    """Small random numbers in the shape that the default plan trains."""
    random = np.random.default_rng(0)
    architecture = read_architecture(base)
    rank = DEFAULT_SHAPE.rank
    factors: Factors = {}
    for layer in range(architecture.layers)[-DEFAULT_SHAPE.layers(architecture.layers) :]:
        for module in DEFAULT_SHAPE.modules:
            outputs, inputs = architecture.module_shape(module)
            a, b = (
                random.normal(scale=0.01, size=size).astype(np.float32)
                for size in ((rank, inputs), (outputs, rank))
            )
            factors[module_name(layer, module)] = (a, b)
    write_gguf(path, factors, alpha=DEFAULT_SHAPE.alpha, architecture=architecture)


def write_random_adapter(model: LlamaModel, path: Path, rank: int) -> None:
    """Write a GGUF adapter of small random numbers on every projection of every layer."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), model.metadata["general.architecture"])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for tensor in read_gguf_header(model.path).tensors.values():
        if len(tensor.shape) == 2 and tensor.name.startswith("blk."):
            inputs, outputs = tensor.shape
            for suffix, shape in (("lora_a", (rank, inputs)), ("lora_b", (outputs, rank))):
                values = random.normal(scale=0.01, size=shape).astype(np.float32)
                writer.add_tensor(f"{tensor.name}.{suffix}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
