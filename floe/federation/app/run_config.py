"""Settings of a run by the group's host, read from Flower's run configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from floe.adapters.architecture import read_architecture
from floe.errors import FederationError
from floe.federation.app.recipe import Recipe, module_shapes
from floe.federation.maths.aggregate import AggregationRule
from floe.federation.maths.noise import Noise
from floe.models.download import ignore_progress, sha256_of


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Settings of a run by the group's host.

    `shapes`: (outputs, inputs) of each module. `devices` must be there for a round to begin,
    for which it waits `patience` seconds at most. `clusters` 0: as many as the data show.
    `embedding`: numbers in a centroid; 0: as many as most devices of a cluster send.
    """

    recipe: Recipe
    shapes: Mapping[str, tuple[int, int]]
    base_sha256: str
    rounds: int
    devices: int = 2
    patience: float = 600.0
    max_rank: int = 64
    embedding: int = 0
    clusters: int = 0
    rule: AggregationRule = "rank_aware"
    noise: Noise = field(default_factory=Noise)


def read_run_config(config: Mapping[str, Any], base: Path) -> RunConfig:
    """Read the host's settings from a run's configuration and the base model's file.

    Raises:
        FederationError: a number is out of its range, or noise is asked for without a clip norm.
        ModelError: the base model cannot be read.
    """
    recipe = Recipe.read(config)
    check_ranges(config)
    multiplier, limit = float(config["noise-multiplier"]), float(config["clip-norm"])
    noise = Noise(multiplier, limit if limit > 0 else Noise().clip, float(config["delta"]))
    architecture = read_architecture(base)
    return RunConfig(
        recipe=recipe,
        shapes=module_shapes(architecture, recipe),
        base_sha256=base_hash(base),
        rounds=int(config["rounds"]),
        devices=int(config["min-devices"]),
        patience=float(config["patience"]),
        clusters=int(config["clusters"]),
        rule="exact" if config["rule"] == "exact" else "rank_aware",
        noise=noise,
        embedding=architecture.hidden,
    )


def check_ranges(config: Mapping[str, Any]) -> None:
    """Check the numbers of a run's configuration; what is not in it is not looked at.

    A noise below 0 would otherwise be no noise, without a word.

    Raises:
        FederationError: a number is out of its range, or noise is asked for without a clip norm.
    """
    for name, (least, most) in _RANGES.items():
        if name in config and not least <= float(config[name]) <= most:
            raise FederationError(
                f"{name} is {config[name]}; it must be from {least:g} to {most:g}."
            )
    if float(config.get("noise-multiplier", 0)) > 0 and not float(config.get("clip-norm", 0)) > 0:
        raise FederationError("Noise needs a clip-norm above 0: it is measured in units of it.")


def base_hash(path: Path) -> str:
    """Return the hash that tells one base model from another."""
    stamp = (path.resolve(), path.stat().st_size, path.stat().st_mtime_ns)
    if stamp not in _HASHES:
        _HASHES[stamp] = sha256_of(path, ignore_progress)
    return _HASHES[stamp]


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "rounds": (1, 10_000),
    "min-devices": (1, 100_000),
    "patience": (0, 1e6),
    "round-timeout": (0, 1e6),
    "clusters": (0, 1_000),
    "noise-multiplier": (0, 1e6),
    "clip-norm": (0, 1e6),
    "delta": (0, 0.1),
}
"""Least and most of each number; not a number at all is out of every range."""

_HASHES: Final[dict[tuple[Path, int, int], str]] = {}
