"""Group messages made up to hurt: what a server says to a member, and a member to its host.

    python -c "from floe.bench.fuzz_group import fuzz; print(fuzz(100_000, seed=1))"

Each case is an honest message with something wrong, or bytes with no sense, given to the code that
takes it in. It may be accepted or refused with one of our sentences; anything else is a fault.
"""

import json
import math
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from flwr.proto.fleet_pb2 import PushMessagesRequest

from floe.adapters.lora_defaults import MODULES
from floe.errors import FederationError
from floe.federation.app.array_records import from_record, to_record
from floe.federation.app.limits import LIMITS
from floe.federation.app.messages import CENTROIDS, CONFIG, EXPERT, EXPERTS, START
from floe.federation.app.recipe import Recipe
from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.app.update import Update, to_arrays
from floe.federation.app.update_filter import SeenUpdates, UpdateRules, admit_update
from floe.federation.app.validation import (
    file_within,
    read_closing_task,
    read_expert_task,
    read_factors,
    read_regions,
    read_train_task,
)
from floe.federation.group.gateway import Refusal, check_reply

_SHAPES: Final = {"model.layers.0.self_attn.q_proj": (6, 5), "model.layers.1.mlp.up_proj": (7, 5)}
_BASE: Final = "f" * 64
_RANK: Final = 3
_PATHS: Final = (
    *("../../x", "/etc/passwd", "..", ".", "a/../../b", "a\0b", "C:\\x", "\\\\host\\share"),
    *("group-1/", "group-1\n", "GROUP-1", "a" * 33, "", " ", "nul", "\u2025", "\ud800", "~", "-"),
)
_ENDLESS: Final = "a whole number of 5,001 digits"
_ODD_VALUES: Final[tuple[Any, ...]] = (
    *(-1, 0, 1, 2, 5000, 2**31, 2**63, -(2**63), 10**400, _ENDLESS, True, False, b"", b"\xff" * 9),
    *(0.0, -0.0, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf, 3e-3, 1.0),
    *("", "1", "nan", "q_proj", "q_proj,q_proj", "[" * 3000, "{}", "x" * 300, "\x1b[2J", "\u202e"),
    *([], [1, 2], ["a"], [math.nan]),
)


def fuzz(cases: int, seed: int) -> int:
    """Try so many messages; the same seed makes the same ones.

    Returns:
        How many were tried.

    Raises:
        AssertionError: one was answered with something other than a sentence, or accepted beyond
            the limits. Its number and seed are in the text, its cause is the cause.
    """
    numpy = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for case in range(cases):
            rng = random.Random(f"{seed}-{case}")  # noqa: S311 - cases, no secrets
            target = _TARGETS[case % len(_TARGETS)]
            try:
                target(rng, numpy, folder)
            except (FederationError, Refusal):
                continue
            except Exception as error:
                raise AssertionError(f"case {case} of seed {seed}: {error!r}") from error
    return cases


def fuzz_label(rng: random.Random) -> Any:
    """Make a label that a server may give a cluster."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(_PATHS)
    if kind == 1:
        return rng.choice(_ODD_VALUES)
    if kind == 2:
        return "".join(rng.choices("ab1-./\\\0~\n \u00e9\u2044%:", k=rng.randrange(1, 40)))
    return f"group-{rng.randrange(99)}" + rng.choice(("", "", "/..", "\0", "/"))


def _mostly_honest_label(rng: random.Random) -> Any:
    return f"group-{rng.randrange(9)}" if rng.random() < 0.8 else fuzz_label(rng)


def _task(rng: random.Random, numpy: np.random.Generator, _: Path) -> None:
    config: dict[str, Any] = {
        **{"round": 1, "rounds": 2, "base": _BASE, "clip": 1e6, "cluster": "group-1"},
        "report": _report(rng),
        **Recipe().write(),
    }
    if rng.random() < 0.7:
        _twist(rng, config)
    content = RecordDict({CONFIG: ConfigRecord(config), START: _record(rng, _factors(numpy))})
    task = read_train_task(_twist_records(rng, content))
    recipe = task.recipe
    assert LIMITS.epochs[0] <= recipe.epochs <= LIMITS.epochs[1]
    assert 0 < recipe.learning_rate <= LIMITS.learning_rate
    assert set(recipe.modules) <= set(MODULES)
    if task.report is not None:
        assert RoundReport.from_json(task.report.to_json()) == task.report
    if task.start is not None:
        _check_factors(read_factors(task.start, _SHAPES))


def _expert(rng: random.Random, numpy: np.random.Generator, folder: Path) -> None:
    label = _mostly_honest_label(rng)
    config: dict[str, Any] = {"round": 1, "cluster": label}
    if rng.random() < 0.3:
        _twist(rng, config)
    content = RecordDict(
        {
            CONFIG: ConfigRecord(config),
            EXPERT: _record(rng, _factors(numpy)),
            CENTROIDS: _record(rng, {str(label): np.ones(5, np.float32)}),
        }
    )
    task = read_expert_task(_twist_records(rng, content))
    assert file_within(folder, task.cluster).parent == folder
    _check_factors(read_factors(task.expert, _SHAPES))
    read_regions(task.centroids, {task.cluster})


def _closing(rng: random.Random, numpy: np.random.Generator, folder: Path) -> None:
    content = RecordDict({CONFIG: ConfigRecord({"report": _report(rng)})})
    labels = {str(_mostly_honest_label(rng)) for _ in range(rng.randrange(4))}
    content[CENTROIDS] = _record(rng, {label: np.ones(5, np.float32) for label in labels})
    for label in labels:
        content[EXPERTS + label] = _record(rng, _factors(numpy))
    task = read_closing_task(_twist_records(rng, content))
    for label, record in task.experts.items():
        assert file_within(folder, label).parent == folder
        _check_factors(read_factors(record, _SHAPES))
    read_regions(task.centroids, set(task.experts))


def _label(rng: random.Random, _: np.random.Generator, folder: Path) -> None:
    path = file_within(folder, fuzz_label(rng))
    assert path.parent == folder


def _update(rng: random.Random, numpy: np.random.Generator, _: Path) -> None:
    update = Update("id", "7", 1, _BASE, _RANK, 3.0, 5, _pairs(numpy), np.ones(5, np.float32), 1.0)
    record = hostile_record(rng, to_arrays(update))
    found = admit_update(
        from_record(record, 65_536, 2 * len(_SHAPES) + 2),
        UpdateRules(_SHAPES, _BASE, 1, max_rank=8, centroid_size=5),
        SeenUpdates(),
        set(),
    )
    if isinstance(found, Update):
        assert 1 <= found.rank <= 8
        assert 1 <= found.examples <= 10_000
        _check_factors(found.factors)


def hostile_record(rng: random.Random, arrays: dict[str, Any]) -> ArrayRecord:
    """Make an update as a hostile device would: its header, an array or its bytes are off."""
    header = json.loads(arrays["header"].tobytes())
    if rng.random() < 0.6:
        _twist(rng, header)
        arrays["header"] = np.frombuffer(_json(header).encode(), np.uint8)
    if rng.random() < 0.3:
        name = rng.choice(list(arrays))
        array = arrays.pop(name)
        arrays[rng.choice((name, name + "x", fuzz_text(rng)))] = rng.choice(
            (array, array[:1], array.T, array[..., None], array.astype(np.float32) * np.nan)
        )
    return _record(rng, arrays)


def _answer(rng: random.Random, _: np.random.Generator, __: Path) -> None:
    request = PushMessagesRequest()
    for _case in range(rng.choice((1, 1, 1, 1, 1, 0, 2))):
        told = request.messages_list.add().metadata
        told.src_node_id = rng.choice((7, 7, 8, 1, 0))
        told.dst_node_id = rng.choice((1, 1, 7, 9))
        told.reply_to_message_id = rng.choice(("m" * 64, "m" * 64, ""))
        told.message_id = rng.choice(("a" * 64, "b" * 64))
        request.message_object_trees.add().object_id = "a" * 64
    body = request.SerializeToString()
    if rng.random() < 0.4:
        body = _scramble(rng, body)
    check_reply(body, 7)
    (message,) = PushMessagesRequest.FromString(body).messages_list
    assert message.metadata.src_node_id == 7
    assert message.metadata.dst_node_id == 1
    assert message.metadata.reply_to_message_id


_TARGETS: Final[tuple[Callable[[random.Random, np.random.Generator, Path], None], ...]] = (
    *(_task, _expert, _closing, _label, _update, _answer),
)


def fuzz_text(rng: random.Random) -> str:
    """Make a text that nobody expects."""
    return "".join(rng.choices("abc.\0\n\x1b\u202e/\U0001f600", k=rng.randrange(0, 260)))


def _twist(rng: random.Random, values: dict[str, Any]) -> None:
    """One value is strange, or gone, or one too many."""
    name = rng.choice(list(values))
    kind = rng.randrange(8)
    if kind == 0:
        del values[name]
    elif kind == 1:
        values[fuzz_text(rng)] = rng.choice(_ODD_VALUES)
    elif kind < 7:
        values[name] = rng.choice(_ODD_VALUES)


def _twist_records(rng: random.Random, content: RecordDict) -> RecordDict:
    kind = rng.randrange(12)
    name = rng.choice(list(content))
    if kind == 0:
        del content[name]
    elif kind == 1:
        del content[name]
        content[name] = ConfigRecord({"a": 1})
    elif kind == 2:
        content[fuzz_text(rng)] = ArrayRecord()
    return content


def _record(rng: random.Random, arrays: Mapping[str, Any]) -> ArrayRecord:
    """Make a record as it travels, now and then with bytes that are no array."""
    record = to_record(arrays)
    if record and rng.random() < 0.3:
        name = rng.choice(list(record))
        data = record[name].data
        shape, kind = rng.choice(((3, 5), (10**6, 10**6), (-1,))), rng.choice(("float32", "object"))
        claimed = rng.choice(("numpy.ndarray", "numpy.ndarray", "pickle"))
        record[name] = Array(dtype=kind, shape=shape, stype=claimed, data=_scramble(rng, data))
    return record


def _scramble(rng: random.Random, data: bytes) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return data
    if kind == 1:
        return data[: rng.randrange(len(data) + 1)]
    if kind == 2:
        return data + rng.randbytes(rng.randrange(1, 40))
    if kind == 3:
        return rng.randbytes(rng.randrange(200))
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        if changed:
            changed[rng.randrange(min(len(changed), 140))] = rng.randrange(256)
    return bytes(changed)


def _pairs(numpy: np.random.Generator) -> dict[str, tuple[Any, Any]]:
    values = numpy.standard_normal((len(_SHAPES), 2, 7 * _RANK)).astype(np.float32)
    return {
        module: (
            values[i, 0, : _RANK * k].reshape(_RANK, k),
            values[i, 1, : d * _RANK].reshape(d, _RANK),
        )
        for i, (module, (d, k)) in enumerate(_SHAPES.items())
    }


def _factors(numpy: np.random.Generator) -> dict[str, Any]:
    arrays = {}
    for module, (a, b) in _pairs(numpy).items():
        arrays[module + ".lora_A"], arrays[module + ".lora_B"] = a, b
    return arrays


def _report(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return ""
    line = ClientLine("7", "a device", 3, "group-1", 5, 2.0, 2.0, 1.0, 1.0, 9, 9)
    report = RoundReport(1, 2, 1.0, 1.0, (line,), (ClusterLine("group-1", ("7",), 3, 1.0),))
    text = report.to_json()
    if rng.random() < 0.6:
        return text
    values = json.loads(text)
    inner = rng.choice((values, values["clients"][0], values["clusters"][0]))
    _twist(rng, inner)
    return _json(values)


def _json(values: Mapping[str, Any]) -> str:
    """Write JSON, whole numbers included that Python would not write."""
    text = json.dumps(values, default=lambda _: "bytes", skipkeys=True)
    return text.replace(json.dumps(_ENDLESS), "1" + "0" * 5000)


def _check_factors(factors: Mapping[str, tuple[Any, Any]]) -> None:
    assert factors.keys() == _SHAPES.keys()
    for module, (d, k) in _SHAPES.items():
        a, b = factors[module]
        assert a.dtype == b.dtype == np.float32
        assert a.shape == (len(a), k)
        assert b.shape == (d, len(a))
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()
