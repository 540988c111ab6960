"""LoRA factors on disk: as a PEFT folder for other programs, as a GGUF adapter for llama.cpp.

Both ways, without torch. Every file is written beside its place and moved there when complete.
"""

import json
import math
from pathlib import Path
from typing import Final

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import GGUF_NAMES, PEFT_CONFIG, PEFT_TENSORS
from floe.adapters.lora_factors import Factors, module_name
from floe.errors import ModelError
from floe.llama.gguf_checks import MAX_ALPHA, check_gguf
from floe.store import encryption

_PREFIX: Final = "base_model.model."
MOST_CONFIG_BYTES: Final = 1_000_000
MOST_TENSOR_BYTES: Final = 4_000_000_000
_BROKEN: Final = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    SafetensorError,
    TypeError,
    ValueError,
)
"""Errors of reading a file that is no adapter, or a broken one."""


def write_peft(folder: Path, factors: Factors, *, alpha: float, base_name: str) -> None:
    """Write a folder that `peft.PeftModel.from_pretrained` reads.

    Args:
        folder: made if missing.
        factors: all of one rank.
        alpha: the product is scaled by alpha / rank.
        base_name: what the base model is called.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (a, b) in factors.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = np.ascontiguousarray(a, np.float32)
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = np.ascontiguousarray(b, np.float32)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank_of(factors),
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted({name.rsplit(".", 1)[1] for name in factors}),
        "layers_to_transform": sorted({int(name.split(".")[2]) for name in factors}),
    }
    encryption.write_bytes(folder / PEFT_TENSORS, save(tensors))
    encryption.write_bytes(folder / PEFT_CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def read_peft(folder: Path) -> tuple[Factors, float]:
    """Factors and alpha of a PEFT folder.

    Raises:
        ModelError: it is missing, broken, or not a plain LoRA adapter.
    """
    try:
        for name, most in ((PEFT_CONFIG, MOST_CONFIG_BYTES), (PEFT_TENSORS, MOST_TENSOR_BYTES)):
            if (folder / name).stat().st_size > most:
                raise ValueError(f"{name} is far too large")
        config = json.loads(encryption.read_bytes(folder / PEFT_CONFIG))
        tensors = load(encryption.read_bytes(folder / PEFT_TENSORS))
        factors: Factors = {}
        for key, a in tensors.items():
            name, found, _ = key.removeprefix(_PREFIX).partition(".lora_A.")
            if found:
                b = tensors[f"{_PREFIX}{name}.lora_B.weight"]
                factors[name] = (a.astype(np.float32), b.astype(np.float32))
        alpha = _strength(config["lora_alpha"])
        rank_of(factors)
    except (OSError, *_BROKEN) as error:
        raise ModelError(
            f"The adapter in {folder.name} cannot be read: it is missing, broken, or of another "
            "kind. Train it again, or choose another."
        ) from error
    return factors, alpha


def write_gguf(path: Path, factors: Factors, *, alpha: float, architecture: Architecture) -> None:
    """Write the adapter as llama.cpp reads it, for a base of this architecture.

    The rows of B for q and k are permuted where the base's own rows are.
    """
    with encryption.writable_file(path) as part:
        writer = gguf.GGUFWriter(str(part), architecture.kind)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_name("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for full, (a, b) in sorted(factors.items()):
            _, _, layer, _, module = full.split(".")
            tensor = f"blk.{layer}.{GGUF_NAMES[module]}.weight"
            heads = architecture.permuted_heads(module)
            writer.add_tensor(f"{tensor}.lora_a", np.ascontiguousarray(a, np.float32))
            rows = permute(b, heads) if heads else b
            writer.add_tensor(f"{tensor}.lora_b", np.ascontiguousarray(rows, np.float32))
        try:
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def read_gguf(path: Path, architecture: Architecture) -> tuple[Factors, float]:
    """Factors and alpha of a GGUF adapter for a base of this architecture.

    Raises:
        ModelError: it is missing, broken, or was made for another kind of base.
    """
    with encryption.readable_file(path) as readable:
        return _read_gguf(path, readable, architecture)


def _read_gguf(path: Path, readable: Path, architecture: Architecture) -> tuple[Factors, float]:
    check_gguf(readable)
    modules = {GGUF_NAMES[module]: module for module in architecture.modules}
    try:
        reader = gguf.GGUFReader(str(readable))
        kind, alpha = (
            reader.fields[key].contents() for key in ("general.architecture", "adapter.lora.alpha")
        )
        halves: dict[str, dict[str, NDArray[np.float32]]] = {}
        for tensor in reader.tensors:
            _, layer, place, _, half = tensor.name.split(".")
            module = modules[place]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            heads = architecture.permuted_heads(module)
            if half == "lora_b" and heads:
                values = unpermute(values, heads)
            halves.setdefault(module_name(int(layer), module), {})[half] = values
        factors = {name: (pair["lora_a"], pair["lora_b"]) for name, pair in halves.items()}
        rank_of(factors if kind == architecture.kind else {})
        alpha = _strength(alpha)
    except _BROKEN as error:
        raise ModelError(
            f"The adapter {path.name} cannot be read: it is broken, or was made for another model."
        ) from error
    return factors, alpha


def _strength(alpha: object) -> float:
    """Return an alpha as a number; ValueError where it is not a number, or out of range."""
    value = float(alpha) if isinstance(alpha, int | float) else math.nan
    if not abs(value) <= MAX_ALPHA:
        raise ValueError("alpha is out of range")
    return value


def rank_of(factors: Factors) -> int:
    """Return the one rank of all factors.

    Raises:
        ValueError: there are none, or they differ.
    """
    ranks = {a.shape[0] for a, _ in factors.values()} | {b.shape[1] for _, b in factors.values()}
    if len(ranks) != 1:
        raise ValueError(f"factors of one rank are needed, not of {sorted(ranks)}")
    return int(ranks.pop())


def permute(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows from transformers' order (halves) to llama.cpp's (pairs side by side)."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(rows.shape)


def unpermute(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo `permute`."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(rows.shape)
