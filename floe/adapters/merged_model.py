"""A model and an adapter as one GGUF, for programs that load models alone.

W + scale alpha / rank B A takes the place of each W that the adapter changes. It is written in
8 bits a number (Q8_0), whatever W was in: a step of 4 bits is larger than most of what an adapter
changes, so that rounding would take the adapter out again. All else stays as it is in the file.
"""

from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from numpy.typing import NDArray

from floe.adapters.architecture import Architecture, read_architecture
from floe.adapters.export import permute, rank_of, read_gguf
from floe.adapters.lora_defaults import GGUF_NAMES
from floe.disk_errors import describe_os_error
from floe.errors import ModelError, TrainingError
from floe.llama.dequantise import dequantise_into
from floe.store import encryption

_Q8_BLOCK: Final = 32
_Q8_BYTES: Final = 34
_FROM_LIBRARY: Final = ("GGUF.", "general.architecture", "general.name")


def write_merged_model(
    path: Path, base: Path, adapter: Path, scale: float, adapter_name: str
) -> None:
    """Write `base` with `adapter` in it.

    Args:
        path: the GGUF to write.
        base: the GGUF that the adapter was made for.
        adapter: the adapter's own GGUF.
        scale: how strongly it acts; 1: as it was trained.
        adapter_name: what it is called; it becomes part of the model's name.

    Raises:
        ModelError: base or adapter cannot be read, or do not belong together.
        TrainingError: `path` cannot be written, or is the base itself.
    """
    if path.exists() and path.samefile(base):
        raise TrainingError(f"{path} is the model itself. Choose another name for the merged one.")
    architecture = read_architecture(base)
    changes = _changes(adapter, architecture, scale)
    reader = gguf.GGUFReader(str(base))
    missing = sorted(set(changes) - {tensor.name for tensor in reader.tensors})
    if missing:
        raise ModelError(f"The adapter was made for another model: this one has no {missing[0]}.")
    try:
        with encryption.writable_file(path) as part:
            _write(part, reader, architecture.kind, changes, adapter_name)
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({describe_os_error(error)}). Make room, or choose another "
            "folder."
        ) from error


def _changes(
    adapter: Path, architecture: Architecture, scale: float
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return A and B by tensor, rows in the file's own order, the whole factor in B."""
    factors, alpha = read_gguf(adapter, architecture)
    share = np.float32(scale * alpha / rank_of(factors))
    found = {}
    for full, (a, b) in factors.items():
        _, _, layer, _, module = full.split(".")
        heads = architecture.permuted_heads(module)
        found[f"blk.{layer}.{GGUF_NAMES[module]}.weight"] = (
            a,
            (permute(b, heads) if heads else b) * share,
        )
    return found


def _write(
    path: Path,
    reader: gguf.GGUFReader,
    kind: str,
    changes: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    adapter_name: str,
) -> None:
    """Write one tensor after the other: two models would not fit into memory."""
    writer = gguf.GGUFWriter(str(path), kind)
    try:
        name = reader.get_field("general.name")
        writer.add_name(f"{name.contents() if name else 'Model'} with {adapter_name}")
        alignment = reader.get_field("general.alignment")
        if alignment is not None:
            writer.data_alignment = int(alignment.contents())
        for field in reader.fields.values():
            # A list of nothing is left out: the library cannot write it, and llama.cpp misses none.
            if not field.name.startswith(_FROM_LIBRARY) and field.data:
                within = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(field.name, _value_of(field), field.types[0], within)
        for tensor in reader.tensors:
            shape, data_type, size, raw = _layout(tensor, changed=tensor.name in changes)
            writer.add_tensor_info(tensor.name, shape, data_type, size, raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            change = changes.get(tensor.name)
            writer.write_tensor_data(tensor.data if change is None else _merge(tensor, *change))
    finally:
        writer.close()


def _value_of(field: gguf.ReaderField) -> Any:
    """Return a field's value; texts as bytes, for those of a vocabulary need not be UTF-8."""
    if field.types[-1] != gguf.GGUFValueType.STRING:
        return field.contents()
    texts = [field.parts[place].tobytes() for place in field.data]
    return texts if field.types[0] == gguf.GGUFValueType.ARRAY else texts[0]


def _layout(
    tensor: gguf.ReaderTensor, *, changed: bool
) -> tuple[tuple[int, ...], Any, int, gguf.GGMLQuantizationType]:
    """Return shape (in bytes where packed), type, bytes and kind of what is written."""
    if not changed:
        return tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type
    rows, columns = _shape(tensor)
    if columns % _Q8_BLOCK:
        size = rows * columns * 2
        return (rows, columns), np.dtype(np.float16), size, gguf.GGMLQuantizationType.F16
    packed = columns // _Q8_BLOCK * _Q8_BYTES
    kind = gguf.GGMLQuantizationType.Q8_0
    return (rows, packed), np.dtype(np.uint8), rows * packed, kind


def _merge(
    tensor: gguf.ReaderTensor, a: NDArray[np.float32], b: NDArray[np.float32]
) -> NDArray[Any]:
    weights = np.empty(_shape(tensor), np.float32)
    dequantise_into(tensor.data, tensor.tensor_type, weights)
    if weights.shape != (b.shape[0], a.shape[1]):
        raise ModelError(
            f"The adapter was made for another model: {tensor.name} is of another size."
        )
    weights += b @ a
    if weights.shape[1] % _Q8_BLOCK:
        return weights.astype(np.float16)
    found: NDArray[Any] = gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q8_0)
    return found


def _shape(tensor: gguf.ReaderTensor) -> tuple[int, int]:
    rows, columns = (int(n) for n in reversed(tensor.shape))
    return rows, columns
