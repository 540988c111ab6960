"""All that a group's server says is checked here, before a member believes a word of it.

The host may run a server that lies. What comes from it is a message of records; out of here go
values of known types within `LIMITS`, which are the member's own and shown before it joins, or a
`FederationError` with a sentence. Nothing a server says becomes the name of a file by another way
than `file_within`. Knows nothing of training, nor of where the values go.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from flwr.app import ArrayRecord, RecordDict

from floe.adapters.lora_defaults import MODULES
from floe.adapters.router import PromptRegion
from floe.errors import FederationError
from floe.federation.app.array_records import from_record, record_size
from floe.federation.app.limits import LIMITS, MemberLimits
from floe.federation.app.messages import CENTROIDS, CONFIG, EXPERT, EXPERTS, START, plain_text
from floe.federation.app.recipe import Recipe
from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.app.update import UpdateFactors
from floe.federation.app.update_filter import norm

_T = TypeVar("_T")

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_REPORT_BYTES: Final = 256 * 1024
_SENTENCE_LENGTH: Final = 400
_LARGEST_PLACE: Final = 65_536
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}
)
"""Not names of files on Windows."""


@dataclass(frozen=True, slots=True)
class TrainTask:
    """Task of a member in a round. `start`: where to begin, undecoded; None: not sent along.

    `report` is of the round before, None in the first one; `cluster` empty: it has none yet.
    """

    recipe: Recipe
    round: int
    rounds: int
    base_sha256: str
    clip: float
    cluster: str
    report: RoundReport | None
    start: ArrayRecord | None


@dataclass(frozen=True, slots=True)
class ExpertTask:
    """A cluster's expert to take over and measure; the arrays are undecoded."""

    cluster: str
    expert: ArrayRecord
    centroids: ArrayRecord


@dataclass(frozen=True, slots=True)
class ClosingTask:
    """All experts after the last round, by their cluster, and its report; undecoded."""

    report: RoundReport | None
    experts: Mapping[str, ArrayRecord]
    centroids: ArrayRecord


def read_train_task(content: RecordDict, limits: MemberLimits = LIMITS) -> TrainTask:
    """Read a message of the kind `train`.

    Raises:
        FederationError: it says something else, or asks for more than `limits` allow.
    """
    _check_size(content, limits)
    _check_keys(content, {CONFIG}, {START})
    config = _config(
        content,
        {"round", "rounds", "base", "clip", "cluster", "report", *Recipe().write()},
    )
    recipe = _recipe(config, limits)
    cluster = config["cluster"]
    rounds = _whole(config, "rounds", 1, limits.rounds)
    return TrainTask(
        recipe=recipe,
        round=_whole(config, "round", 1, rounds),
        rounds=rounds,
        base_sha256=_text(config, "base", _SHA256),
        clip=_number(config, "clip", 0.0, 1e9),
        cluster="" if cluster == "" else read_label(cluster),
        report=_report(config["report"]),
        start=_arrays(content, START) if START in content else None,
    )


def read_expert_task(content: RecordDict, limits: MemberLimits = LIMITS) -> ExpertTask:
    """Read a message of the kind `evaluate`.

    Raises:
        FederationError: it says something else, or is too large.
    """
    _check_size(content, limits)
    _check_keys(content, {CONFIG, EXPERT, CENTROIDS}, set())
    config = _config(content, {"round", "cluster"})
    _whole(config, "round", 1, limits.rounds)
    label = read_label(config["cluster"])
    return ExpertTask(label, _arrays(content, EXPERT), _arrays(content, CENTROIDS))


def read_closing_task(content: RecordDict, limits: MemberLimits = LIMITS) -> ClosingTask:
    """Read a message of the kind `query.closing`.

    Raises:
        FederationError: it says something else, or is too large.
    """
    _check_size(content, limits)
    names = [name for name in content if isinstance(name, str) and name.startswith(EXPERTS)]
    if len(names) > limits.experts:
        raise _wrong(f"it brings {len(names)} experts, at most {limits.experts} are taken")
    _check_keys(content, {CONFIG, CENTROIDS}, set(names))
    experts = {read_label(name.removeprefix(EXPERTS)): _arrays(content, name) for name in names}
    report = _report(_config(content, {"report"})["report"])
    return ClosingTask(report, experts, _arrays(content, CENTROIDS))


def read_label(value: object) -> str:
    """Check a cluster's name: lower-case letters, digits and hyphens, at most 32 of them.

    Raises:
        FederationError: it is something else.
    """
    if not isinstance(value, str) or not _LABEL.fullmatch(value) or value in _RESERVED:
        raise _wrong("it names a cluster in a way that no cluster is named")
    return value


def file_within(folder: Path, label: object) -> Path:
    """Return the path of a cluster's files: in `folder`, whatever the label would like.

    Raises:
        FederationError: the label is invalid, or something is there that leads out of the folder.
    """
    root = folder.resolve()
    path = root / read_label(label)
    if path.is_symlink() or path.resolve() != path or path.parent != root:
        raise _wrong("its files would not lie in this device's folder")
    return path


def read_factors(
    record: ArrayRecord, shapes: Mapping[str, tuple[int, int]], limits: MemberLimits = LIMITS
) -> dict[str, UpdateFactors]:
    """Read an expert of any rank: float32 of shapes (r, k) and (d, r) for each module.

    Raises:
        FederationError: it does not fit the model, is too large, or holds what is no number.
    """
    numbers = sum(d + k for d, k in shapes.values())
    most = min(4 * numbers * limits.rank + 65_536, limits.message_bytes)
    arrays = from_record(record, most, 2 * len(shapes))
    found: dict[str, UpdateFactors] = {}
    for module, (d, k) in shapes.items():
        a, b = arrays.get(module + ".lora_A"), arrays.get(module + ".lora_B")
        if not _are_factors(a, b, d, k, limits.rank):
            raise FederationError("the expert that came does not fit this model")
        assert a is not None
        assert b is not None
        found[module] = (a, b)
    if len(arrays) != 2 * len(found):
        raise FederationError("the expert that came does not fit this model")
    if norm(found) > limits.norm:
        raise FederationError(
            f"the expert that came would change the model beyond recognition (its norm is above "
            f"{limits.norm:,.0f})"
        )
    return found


def read_regions(record: ArrayRecord, labels: set[str]) -> dict[str, PromptRegion]:
    """Read the regions of clusters; each record is a centroid and, last, its radius.

    Raises:
        FederationError: it is of a cluster that was not sent, or not a row of numbers.
    """
    regions = {}
    for label, numbers in from_record(record, 1 << 20, len(labels)).items():
        fits = (
            label in labels
            and numbers.dtype == np.float32
            and numbers.ndim == 1
            and 1 < len(numbers) <= _LARGEST_PLACE
            and bool(np.isfinite(numbers).all())
            and numbers[-1] >= 0
        )
        if not fits:
            raise _wrong("it places a cluster where none can be")
        regions[label] = PromptRegion(numbers[:-1], float(numbers[-1]))
    return regions


def _wrong(what: str) -> FederationError:
    return FederationError(f"the group's server sent what this device does not take: {what}")


def _too_much(what: str, asked: object, most: str) -> FederationError:
    # Python writes no whole number of more than some thousand digits.
    endless = isinstance(asked, int) and abs(asked) > 10**18
    told = "more than can be told" if endless else plain_text(str(asked), 40)
    return FederationError(
        f"the group's server asks for {what} {told}; this device takes part with {most}"
    )


def _check_size(content: RecordDict, limits: MemberLimits) -> None:
    size = sum(record_size(record) for record in content.array_records.values())
    if size > limits.message_bytes:
        raise _wrong(f"{size:,} bytes, where at most {limits.message_bytes:,} are taken")


def _check_keys(content: RecordDict, needed: set[str], allowed: set[str]) -> None:
    if not needed <= set(content) <= needed | allowed:
        raise _wrong("a record is missing, or there is one too many")


def _config(content: RecordDict, keys: set[str]) -> dict[str, Any]:
    record = content.config_records.get(CONFIG)
    if record is None or set(record) != keys:
        raise _wrong("a setting is missing, or there is one too many")
    return dict(record)


def _arrays(content: RecordDict, name: str) -> ArrayRecord:
    record = content.array_records.get(name)
    if record is None:
        raise _wrong("there are no arrays where some belong")
    return record


def _recipe(config: Mapping[str, Any], limits: MemberLimits) -> Recipe:
    text = config["modules"]
    modules = tuple(text.split(",")) if isinstance(text, str) and len(text) < 200 else ()
    if not modules or len(set(modules)) != len(modules) or not set(modules) <= set(MODULES):
        raise _too_much("an adapter on", text, f"some of {', '.join(MODULES)}")
    return Recipe(
        modules=modules,
        layers=_limited(config, "layers", limits.layers, "1 to {} layers"),
        epochs=_limited(config, "local-epochs", limits.epochs, "at most {} epochs a round"),
        batch_tokens=_limited(
            config, "batch-tokens", limits.batch_tokens, "at most {} tokens a step"
        ),
        sequence_length=_limited(
            config, "sequence-length", limits.sequence_length, "at most {} tokens a row"
        ),
        learning_rate=_rate(config, limits),
    )


def _limited(config: Mapping[str, Any], key: str, limit: tuple[int, int], words: str) -> int:
    value, (least, most) = config[key], limit
    if type(value) is not int or not least <= value <= most:
        what = key.removeprefix("local-").replace("-", " ")
        raise _too_much(what, value, words.format(f"{most:,}"))
    return value


def _rate(config: Mapping[str, Any], limits: MemberLimits) -> float:
    value = config["learning-rate"]
    # A host's settings may say 1 where they mean 1.0; that it is too much is the point then.
    if type(value) not in (int, float) or not 0 < value <= limits.learning_rate:
        most = f"one of at most {limits.learning_rate:g}"
        raise _too_much("a learning rate of", value, most)
    return float(value)


def _whole(config: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = config[key]
    if type(value) is not int or not least <= value <= most:
        raise _too_much(key, value, f"{least} to {most}")
    return value


def _number(config: Mapping[str, Any], key: str, above: float, most: float) -> float:
    value = config[key]
    if type(value) not in (int, float) or not above < value <= most:
        raise _wrong(f"its {key} is no number above {above:g}")
    return float(value)


def _text(config: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = config[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _wrong(f"its {key} is missing or invalid")
    return value


def _are_factors(a: Any, b: Any, d: int, k: int, largest_rank: int) -> bool:
    """Check that they are finite float32 of shapes (r, k) and (d, r)."""
    if a is None or b is None or a.dtype != np.float32 or b.dtype != np.float32:
        return False
    rank = len(a) if a.ndim == 2 else 0
    fits = 0 < rank <= largest_rank and a.shape == (rank, k) and b.shape == (d, rank)
    return fits and bool(np.isfinite(a).all() and np.isfinite(b).all())


def _report(value: object) -> RoundReport | None:
    """Read the host's account of a round as the page shows it; None: an empty one."""
    if value == "":
        return None
    if not isinstance(value, str) or len(value) > _REPORT_BYTES:
        raise _wrong("its report cannot be read")
    try:
        data = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _wrong("its report cannot be read") from error
    return _read(RoundReport, data, _REPORT)


def _read(kind: type[_T], data: object, readers: Mapping[str, Callable[[Any], Any]]) -> _T:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(data, dict) or set(data) != set(names):
        raise _wrong("its report cannot be read")
    return kind(**{name: readers[name](data[name]) for name in names})


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise _wrong("its report counts what cannot be counted")
    return value


def _real(value: object) -> float:
    if type(value) not in (int, float) or not -1e15 < value < 1e15:  # type: ignore[operator]
        raise _wrong("its report holds what is no number")
    return float(value)  # type: ignore[arg-type]


def _maybe_real(value: object) -> float | None:
    return None if value is None else _real(value)


def _sentence(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong("its report says what is no text")
    return plain_text(value, _SENTENCE_LENGTH)


def _node(value: object) -> str:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise _wrong("its report names a device in a way that no device is named")
    return value


def _maybe_label(value: object) -> str:
    return "" if value == "" else read_label(value)


def _several(value: object, most: int, read: Callable[[Any], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise _wrong("its report is too long")
    return tuple(read(each) for each in value)


def _position(value: object) -> tuple[str, float, float]:
    if not isinstance(value, list) or len(value) != 3:
        raise _wrong("its report holds what is no place")
    return _node(value[0]), _real(value[1]), _real(value[2])


_CLIENT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "client": _node,
    "name": _sentence,
    "rank": _count,
    "cluster": _maybe_label,
    "examples": _count,
    "loss_base": _maybe_real,
    "loss_before": _maybe_real,
    "loss_own": _maybe_real,
    "loss_expert": _maybe_real,
    "bytes_in": _count,
    "bytes_out": _count,
    "dropped": _sentence,
}
_CLUSTER: Final[Mapping[str, Callable[[Any], Any]]] = {
    "label": read_label,
    "clients": lambda value: _several(value, 1000, _node),
    "rank": _count,
    "loss": _maybe_real,
}
_REPORT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "round": _count,
    "rounds": _count,
    "at": _real,
    "seconds": _real,
    "clients": lambda value: _several(value, 100, lambda each: _read(ClientLine, each, _CLIENT)),
    "clusters": lambda value: _several(value, 64, lambda each: _read(ClusterLine, each, _CLUSTER)),
    "clustering": _sentence,
    "epsilon": _maybe_real,
    "delta": _maybe_real,
    "privacy": _sentence,
    "positions": lambda value: _several(value, 1000, _position),
}
