"""LoRA adapters that others made: a PEFT folder, or a GGUF, read for the model in use.

What llama.cpp would compute otherwise than the program that the adapter comes from is refused with
the reason. Knows neither the registry nor the page.
"""

import json
import math
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from floe.adapters.architecture import Architecture
from floe.adapters.export import (
    MOST_CONFIG_BYTES,
    MOST_TENSOR_BYTES,
    unpermute,
)
from floe.adapters.lora_defaults import GGUF_NAMES, PEFT_CONFIG, PEFT_TENSORS
from floe.adapters.lora_factors import Factors, module_name
from floe.errors import ModelError
from floe.llama.gguf_checks import check_gguf

_PICKLED: Final = "adapter_model.bin"
_MOST_RANK: Final = 1024
_MOST_INFLATION: Final = 50
"""Size of a file in a zip over what it takes there: trained numbers hardly get smaller."""
_PEFT_NAME: Final = re.compile(
    r"(?:base_model\.model\.)?(?:model\.)?(?:language_model\.)?(?:model\.)?"
    r"layers\.(\d+)\.(self_attn|mlp)\.(\w+)\.lora_([AB])(?:\.\w+)?\.weight"
)
"""A factor, with or without the names that peft and models of several media put before it."""
_GGUF_NAME: Final = re.compile(r"blk\.(\d+)\.(\w+)\.weight\.lora_([ab])")
_PLAIN_PATTERN: Final = re.compile(r"\^?[\w.]{1,200}")
_ODD_STARTS: Final = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways of starting that change the base, too: the factors alone are not what was learnt."""
_ODD_SETTINGS: Final = {
    "fan_in_fan_out": "its weights lie the other way round",
    "lora_bias": "it changes biases, too",
    "layer_replication": "it repeats layers of its base",
    "trainable_token_indices": "it changes the vectors of single words, too",
    "target_parameters": "it changes weights that are no projections",
    "alora_invocation_tokens": "it is to act only after certain words (aLoRA)",
    "use_qalora": "it was made with QALoRA, which adds up its inputs in groups",
    "use_bdlora": "its factors are block-diagonal (BD-LoRA)",
    "arrow_config": "it chooses among several adapters (Arrow)",
    "kasa_config": "it was made with KaSA, which scales each component",
    "velora_config": "it was made with VeLoRA",
    "monteclora_config": "it draws its factors anew each time (MonteCLoRA)",
}
"""Settings of peft's `LoraConfig` that llama.cpp has nothing for, and what each means."""
_QUANTISED: Final = re.compile(
    r"(ggu?f|awq|gptq|bnb4bit|4bit|8bit|q\d(k?[sml]?|[01])|f16|f32|bf16)$"
)
_BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RecursionError,
    SafetensorError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors of reading a file that is no adapter, or a broken one."""


@dataclass(frozen=True, slots=True, eq=False)
class ForeignAdapter:
    """One that fits a base in its names and shapes.

    The product B A of each module counts `alpha` / `rank`. `base_name`: of the model that it says
    it was made for; empty: it does not say.
    """

    name: str
    factors: Factors
    alpha: float
    rank: int
    base_name: str


def read_foreign_adapter(path: Path, architecture: Architecture) -> ForeignAdapter:
    """Read a PEFT folder, a zip of one, or a GGUF adapter.

    Args:
        path: the folder, a file in it, the zip, or the GGUF.
        architecture: of the model that it shall act on.

    Raises:
        ModelError: it is missing, broken, of a kind that llama.cpp would compute otherwise, or
            made for another model, with the reason.
    """
    if not path.exists():
        raise ModelError(f"There is nothing at {path}. Check the path.")
    if path.suffix.lower() == ".gguf":
        return _read_gguf(path, architecture)
    if path.suffix.lower() == ".zip":
        with _unpacked(path) as folder:
            return _read_peft(folder, path.stem, architecture)
    folder = path if path.is_dir() else path.parent
    return _read_peft(folder, folder.resolve().name, architecture)


def is_made_for(base_name: str, known_names: set[str]) -> bool:
    """Tell whether the name of a base is one of a model's, written in any way."""
    wanted = plain_model_name(base_name)
    return bool(wanted) and wanted in {plain_model_name(name) for name in known_names}


def plain_model_name(name: str) -> str:
    """Return what stays of a model's name without its owner, its spelling and its number format."""
    plain = re.sub(r"[^a-z0-9]", "", name.rstrip("/").rsplit("/", 1)[-1].lower())
    while (shorter := _QUANTISED.sub("", plain)) != plain:
        plain = shorter
    return plain


def _read_peft(folder: Path, name: str, architecture: Architecture) -> ForeignAdapter:
    config = _read_config(folder, name)
    _refuse_odd_config(config, name)
    if not (folder / PEFT_TENSORS).is_file() and (folder / _PICKLED).is_file():
        raise ModelError(
            f"{name} holds its weights as {_PICKLED}, a kind of file that can run programs when it "
            "is opened, so Floe does not. Save it with peft as safetensors."
        )
    try:
        if not (folder / PEFT_TENSORS).is_file():  # a device or a pipe would never end
            raise ValueError(f"{PEFT_TENSORS} is no file")
        if (folder / PEFT_TENSORS).stat().st_size > MOST_TENSOR_BYTES:
            raise ValueError(f"{PEFT_TENSORS} is far too large")
        content = (folder / PEFT_TENSORS).read_bytes()
        tensors = dict(deserialize(content))  # type: ignore[no-untyped-call]
        halves: dict[str, dict[str, NDArray[np.float32]]] = {}
        for key, tensor in tensors.items():
            layer, place, module, half = _parse_peft_name(key, name)
            full = module_name(layer, module)
            if f".{place}.{module}" not in full or module not in architecture.modules:
                raise _other_model(name, key)
            halves.setdefault(full, {})[half] = _to_floats(tensor)
        scales = {full: _peft_scale(config, full, pair) for full, pair in halves.items()}
    except _BROKEN as error:
        raise _unreadable(name) from error
    base_name = config.get("base_model_name_or_path")
    return _build(name, halves, scales, architecture, base_name if base_name else "")


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    file = folder / PEFT_CONFIG
    if not file.is_file():
        raise ModelError(
            f"{name} is no adapter: it has no {PEFT_CONFIG}. Choose the folder that peft saved, "
            "or a GGUF file."
        )
    try:
        large = file.stat().st_size > MOST_CONFIG_BYTES
        config = None if large else json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(name) from error
    if not isinstance(config, dict):
        raise _unreadable(name)
    return config


def _refuse_odd_config(config: Mapping[str, Any], name: str) -> None:
    """See that it is a plain LoRA.

    Raises:
        ModelError: it is not, with the reason.
    """
    kind = str(config.get("peft_type", "")).upper()
    start = str(config.get("init_lora_weights", "")).lower()
    reason = ""
    if kind != "LORA":
        reason = f"it is of the kind “{_quote(kind, 40)}”, not LoRA"
    elif config.get("use_dora"):
        reason = "it was made with DoRA, which scales whole columns of its base"
    elif saved := config.get("modules_to_save"):
        words = saved if isinstance(saved, list) else [saved]
        told = ", ".join(_quote(str(each), 40) for each in words[:5])
        reason = f"it brings whole layers of its own (modules_to_save: {told})"
    elif config.get("bias", "none") != "none":
        reason = "it changes biases, too"
    elif start.startswith(_ODD_STARTS):
        reason = f"it began from “{_quote(start, 40)}”, which changes its base, too"
    else:
        found = (why for key, why in _ODD_SETTINGS.items() if config.get(key))
        reason = next(found, "")
    if reason:
        raise ModelError(
            f"{name} cannot be brought in: {reason}, and llama.cpp has nothing for that. Merge it "
            "into its base with peft, and use that model."
        )


def _parse_peft_name(key: str, name: str) -> tuple[int, str, str, str]:
    """Return layer, part of the layer, module and half ("A", "B")."""
    if found := _PEFT_NAME.fullmatch(key):
        layer, place, module, half = found.groups()
        return int(layer), place, module, half
    if "lora_magnitude_vector" in key:
        reason = "it was made with DoRA, which scales whole columns of its base"
    elif "lora_" not in key:
        reason = f"it brings whole layers of its own ({_quote(key, 80)})"
    else:
        changed = _quote(key.partition(".lora_")[0], 80)
        reason = f"it changes {changed}, which Floe's adapters do not"
    raise ModelError(
        f"{name} cannot be brought in: {reason}. Merge it into its base with peft, and use that "
        "model."
    )


def _to_floats(tensor: Mapping[str, Any]) -> NDArray[np.float32]:
    """Read a tensor of a safetensors file; numpy itself knows no bfloat16."""
    kinds = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "BF16": np.uint16}
    kind = str(tensor["dtype"])
    if kind not in kinds:
        raise ValueError(f"factors are no numbers of the kind {kind}")
    values = np.frombuffer(tensor["data"], kinds[kind]).reshape(tensor["shape"])
    if kind == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def _peft_scale(
    config: Mapping[str, Any], full: str, pair: Mapping[str, NDArray[np.float32]]
) -> float:
    """Return the factor of one module's product, as peft's `LoraLayer.update_layer` computes it.

    Raises:
        ValueError: the configuration is not the one that these factors were saved with.
    """
    rank = _matched(config.get("rank_pattern"), full, config["r"])
    if "A" in pair and rank != len(pair["A"]):
        raise ValueError(f"the rank of {full} is another one than the configuration says")
    alpha = _matched(config.get("alpha_pattern"), full, config["lora_alpha"])
    return float(alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)


def _matched(pattern: object, full: str, usual: Any) -> float:
    """Return the value of the first pattern that fits a module's name, as peft looks for it."""
    patterns = pattern if isinstance(pattern, dict) else {}
    if not all(_PLAIN_PATTERN.fullmatch(each) for each in patterns):
        # A hostile expression can take for ever; those that peft writes are names.
        raise ValueError("a pattern of ranks is no name")
    value = next((v for k, v in patterns.items() if re.match(rf"(.*\.)?({k})$", full)), usual)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("rank and alpha are numbers")
    return float(value)


def _read_gguf(path: Path, architecture: Architecture) -> ForeignAdapter:
    name = path.stem
    header = check_gguf(path)
    kind, lora = header.text("general.architecture"), header.text("adapter.type")
    if lora != "lora":
        raise ModelError(
            f"{path.name} is no LoRA adapter. A whole model is brought in under Models."
        )
    if kind != architecture.kind:
        raise ModelError(
            f"{path.name} was made for a model of the kind “{(kind or '')[:40]}”, and the model in "
            f"use is of the kind {architecture.kind}."
        )
    if any(key.startswith("adapter.alora") for key in header.fields):
        raise ModelError(
            f"{path.name} cannot be brought in: it is to act only after certain words (aLoRA)."
        )
    try:
        if path.stat().st_size > MOST_TENSOR_BYTES:
            raise ValueError("it is far too large")
        reader = gguf.GGUFReader(str(path))
        alpha = float(reader.fields["adapter.lora.alpha"].contents())
        modules = {GGUF_NAMES[module]: module for module in architecture.modules}
        halves: dict[str, dict[str, NDArray[np.float32]]] = {}
        for tensor in reader.tensors:
            found = _GGUF_NAME.fullmatch(tensor.name)
            if not found or found[2] not in modules:
                changed = tensor.name.rpartition(".")[0]
                raise ModelError(
                    f"{path.name} cannot be brought in: it changes {changed[:80]}, which Floe's "
                    "adapters do not."
                )
            module = modules[found[2]]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            heads = architecture.permuted_heads(module)
            if found[3] == "b" and heads:
                values = unpermute(values, heads)
            halves.setdefault(module_name(int(found[1]), module), {})[found[3].upper()] = values
        # llama.cpp takes an alpha of 0 for none: the products then count as they are.
        scales = {
            full: alpha / len(pair["A"]) if alpha else 1.0
            for full, pair in halves.items()
            if "A" in pair
        }
    except _BROKEN as error:
        raise _unreadable(path.name) from error
    base_name = header.text("general.base_model.0.name") or ""
    return _build(name, halves, scales, architecture, base_name)


def _build(
    name: str,
    halves: Mapping[str, Mapping[str, NDArray[np.float32]]],
    scales: Mapping[str, float],
    architecture: Architecture,
    base_name: object,
) -> ForeignAdapter:
    """Check every pair, and bring all of them to one rank and one scale."""
    if not halves:
        raise ModelError(f"{name} is no adapter: it holds no LoRA factors.")
    factors: Factors = {}
    for full, pair in halves.items():
        if set(pair) != {"A", "B"}:
            raise _unreadable(name)
        a, b = pair["A"], pair["B"]
        layer, module = int(full.split(".")[2]), full.rsplit(".", 1)[1]
        if a.ndim != 2 or b.ndim != 2 or layer >= architecture.layers:
            raise _other_model(name, full)
        if (b.shape[0], a.shape[1]) != architecture.module_shape(module):
            raise _other_model(name, full)
        if a.shape[0] != b.shape[1] or not 0 < a.shape[0] <= _MOST_RANK:
            raise _unreadable(name)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ModelError(f"{name} holds values that are not numbers (NaN). Get it again.")
        factors[full] = a, b
    rank = max(a.shape[0] for a, _ in factors.values())
    scale = max(scales.values(), key=abs)
    if not 0 < abs(scale * rank) <= 1e6:
        raise ModelError(f"{name} would act with a strength of {scale:g}, which is out of range.")
    for full, (a, b) in factors.items():
        missing = rank - a.shape[0]
        share = scales[full] / scale
        factors[full] = (
            np.pad(a, ((0, missing), (0, 0))),
            np.pad(b if share == 1 else b * np.float32(share), ((0, 0), (0, missing))),
        )
    return ForeignAdapter(name, factors, scale * rank, rank, _quote(str(base_name), 500))


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Unpack the two files of a PEFT folder out of a zip."""
    with TemporaryDirectory(prefix="floe-adapter-") as name:
        try:
            with zipfile.ZipFile(path) as archive:
                for last, member in _members(archive, path.name).items():
                    if last == _PICKLED:
                        (Path(name) / last).touch()  # it is never opened
                        continue
                    _check_member(member)
                    with archive.open(member) as content, (Path(name) / last).open("wb") as file:
                        shutil.copyfileobj(content, file)
        except (RuntimeError, *_BROKEN) as error:
            raise _unreadable(path.name) from error
        yield Path(name)


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Return what belongs to the one adapter of a zip, by name; that of the folder highest up.

    Raises:
        ModelError: there are several.
    """
    folders: dict[PurePosixPath, dict[str, zipfile.ZipInfo]] = {}
    for member in archive.infolist():
        place = PurePosixPath(member.filename)
        if place.name in (PEFT_CONFIG, PEFT_TENSORS, _PICKLED):
            folders.setdefault(place.parent, {})[place.name] = member
    whole = sorted(
        (folder for folder, files in folders.items() if PEFT_CONFIG in files),
        key=lambda folder: len(folder.parts),
    )
    if not whole:
        return {}
    if len(whole) > 1 and len(whole[0].parts) == len(whole[1].parts):
        raise ModelError(
            f"{name} holds several adapters. Unpack it, and choose one of its folders."
        )
    return folders[whole[0]]


def _check_member(member: zipfile.ZipInfo) -> None:
    """See that a file can be unpacked without filling the disk.

    Raises:
        ValueError: it cannot.
    """
    most = MOST_CONFIG_BYTES if member.filename.endswith(PEFT_CONFIG) else MOST_TENSOR_BYTES
    inflated = member.file_size > max(1, member.compress_size) * _MOST_INFLATION
    if member.file_size > most or (inflated and member.file_size > MOST_CONFIG_BYTES):
        raise ValueError(f"{member.filename} is far too large")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is packed in an unusual way")


def _quote(text: str, length: int) -> str:
    """Return the beginning of what a file says, without what would steer a terminal."""
    return "".join(filter(str.isprintable, text[: 4 * length]))[:length]


def _other_model(name: str, part: str) -> ModelError:
    return ModelError(
        f"{name} was made for another model than the one in use: {part[:120]} has no counterpart "
        "of that shape there. Use the model that it was made for, and bring it in again."
    )


def _unreadable(name: str) -> ModelError:
    return ModelError(f"The adapter {name} cannot be read: it is broken. Get it again.")
