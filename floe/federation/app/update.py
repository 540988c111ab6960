"""Message of one device in one round: the factors of its adapter, and who, when, on what base.

An update travels as named arrays (for an npz file or an ArrayRecord alike): a header of JSON,
two factors a module, and perhaps the centroid of its prompts. Knows nothing of how it travels,
of torch, or of whether the update is to be trusted: that is the guard's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from floe.errors import FederationError

Matrix: TypeAlias = NDArray[np.float32]

UpdateFactors: TypeAlias = tuple[Matrix, Matrix]
"""(A, B) of one module, A of r x k, B of d x r, float32; with scale 1 the update is B A."""

HEADER: Final = "header"
CENTROID: Final = "centroid"
_A: Final = ".lora_A"
_B: Final = ".lora_B"
_HEADER_BYTES: Final = 4096
_LARGEST: Final = 1e15


@dataclass(frozen=True, slots=True)
class Update:
    """One device's adapter after its training in one round.

    `update_id` is a nonce, new for each update. `factors` maps a module's name in the base model
    (`model.layers.0.self_attn.q_proj`) to (A, B), in which (alpha / rank) B A is the change of
    its weights; once received, the scale is folded into B and alpha equals rank. `examples` is
    the number of training rows. `centroid` (e,) float32 and `radius` place its prompts in the
    base model's embedding space, where the device chose to tell.
    """

    update_id: str
    client_id: str
    round: int
    base_sha256: str
    rank: int
    alpha: float
    examples: int
    factors: Mapping[str, UpdateFactors]
    centroid: Matrix | None = None
    radius: float = 0.0


def to_arrays(update: Update) -> dict[str, NDArray[Any]]:
    """Return the update as named arrays, as it leaves a device."""
    header = {
        "update_id": update.update_id,
        "client_id": update.client_id,
        "round": update.round,
        "base_sha256": update.base_sha256,
        "rank": update.rank,
        "alpha": update.alpha,
        "examples": update.examples,
        "radius": update.radius,
    }
    arrays: dict[str, NDArray[Any]] = {
        HEADER: np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    }
    for module, (a, b) in update.factors.items():
        arrays[module + _A] = a
        arrays[module + _B] = b
    if update.centroid is not None:
        arrays[CENTROID] = update.centroid
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Update:
    """Read a received update, with the scale folded into B (so `alpha` equals `rank`).

    Values and shapes are left as they are: whether they are fit to use is the guard's to say.

    Raises:
        FederationError: the header cannot be read, or an array belongs to no module's pair.
    """
    header = _header(arrays)
    rank, alpha = header["rank"], header["alpha"]
    scale = np.float32(alpha / rank)
    factors: dict[str, UpdateFactors] = {}
    names = [name for name in arrays if name not in (HEADER, CENTROID)]
    for name in names:
        module = name.removesuffix(_A)
        if module == name:
            if name.endswith(_B) and name.removesuffix(_B) + _A in arrays:
                continue
            raise FederationError(f"The update holds {name!r}, which is not half of a pair.")
        if module + _B not in arrays:
            raise FederationError(f"The update holds {name!r} without its other half.")
        a, b = arrays[name], arrays[module + _B]
        if a.dtype != np.float32 or b.dtype != np.float32:
            raise FederationError(f"{module} came as {a.dtype}, not float32.")
        with np.errstate(over="ignore", invalid="ignore"):  # the guard finds what is not finite
            factors[module] = (a, b if scale == 1 else b * scale)
    return Update(
        update_id=header["update_id"],
        client_id=header["client_id"],
        round=header["round"],
        base_sha256=header["base_sha256"],
        rank=rank,
        alpha=float(rank),
        examples=header["examples"],
        factors=factors,
        centroid=arrays.get(CENTROID),
        radius=header["radius"],
    )


def size_of(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Bytes of all arrays, as they travel."""
    return sum(array.nbytes for array in arrays.values())


_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "update_id": (str,),
    "client_id": (str,),
    "round": (int,),
    "base_sha256": (str,),
    "rank": (int,),
    "alpha": (int, float),
    "examples": (int,),
    "radius": (int, float),
}


def _header(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    raw = arrays.get(HEADER)
    if raw is None or raw.dtype != np.uint8 or raw.nbytes > _HEADER_BYTES:
        raise FederationError("The update has no readable header.")
    try:
        header = json.loads(raw.tobytes())
        kinds = {name: type(header[name]) for name in _FIELDS}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FederationError("The update has no readable header.") from error
    for name, allowed in _FIELDS.items():
        if kinds[name] not in allowed:
            raise FederationError(f"The update's header gives no proper {name}.")
        # Whole numbers in JSON may be beyond any float.
        if str not in allowed and not abs(header[name]) < _LARGEST:
            raise FederationError(f"The update's header gives no proper {name}.")
    if header["rank"] < 1:
        raise FederationError("The update's header gives no proper rank or scale.")
    return {name: header[name] for name in _FIELDS}
