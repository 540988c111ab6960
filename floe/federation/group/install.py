"""Experts from a group become adapters of this device, all of a message together or none."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlite_utils import Database

from floe.adapters.architecture import read_architecture
from floe.adapters.export import rank_of, write_gguf, write_peft
from floe.adapters.registry import Adapters, NewAdapter
from floe.adapters.router import PromptRegion
from floe.federation.app.update import UpdateFactors
from floe.federation.app.validation import file_within, read_label
from floe.store import Store


@dataclass(frozen=True, slots=True)
class ReceivedExpert:
    """One cluster's adapter, with scale 1, and where its prompts lie, where that is known.

    `samples`: prompts of this device that belong to it, to show to the person.
    """

    cluster: str
    factors: Mapping[str, UpdateFactors]
    region: PromptRegion | None
    samples: Sequence[str] = ()


def install_experts(
    data_dir: Path,
    federation_id: int,
    base: Path,
    base_sha256: str,
    experts: Sequence[ReceivedExpert],
) -> list[int]:
    """Write, register and switch on experts, in place of those of the same group and cluster.

    Returns:
        Ids of the new adapters.

    Raises:
        FederationError: a cluster's name is invalid.
        TrainingError: the files cannot be written; the earlier experts stay.
        StoreError: the database cannot be written; likewise.
    """
    for expert in experts:
        read_label(expert.cluster)
    store = Store(data_dir / "floe.db")
    adapters = Adapters(store, data_dir)
    architecture = read_architecture(base)
    old: list[Path] = []
    made: list[int] = []
    with tempfile.TemporaryDirectory(dir=_folder(data_dir), prefix="expert-") as folder:
        sources = {expert.cluster: file_within(Path(folder), expert.cluster) for expert in experts}
        for expert in experts:
            source, factors = sources[expert.cluster], dict(expert.factors)
            alpha = float(rank_of(factors))
            write_peft(source / "adapter", factors, alpha=alpha, base_name=base.stem)
            write_gguf(source / "adapter.gguf", factors, alpha=alpha, architecture=architecture)
        # Seen all at once, when the transaction is kept. Files of one that is not are overwritten
        # by the next adapter of that number.
        with store.writing() as db:
            for expert in experts:
                new = NewAdapter(
                    name=f"Expert {expert.cluster}",
                    kind="expert",
                    source=sources[expert.cluster],
                    base_sha256=base_sha256,
                    rank=rank_of(dict(expert.factors)),
                )
                number, replaced = _register(db, adapters, federation_id, expert, new)
                made.append(number)
                old += [data_dir / each for each in replaced]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return made


def _register(
    db: Database, adapters: Adapters, federation_id: int, expert: ReceivedExpert, new: NewAdapter
) -> tuple[int, list[str]]:
    """Add an expert in place of those of its group and cluster, at their scale and switch.

    Returns:
        Id of the new adapter, and the folders of those that it replaces.
    """
    rows = db.execute(
        "SELECT adapter_id, folder, samples, in_use, scale FROM experts"
        " JOIN adapters ON adapters.id = adapter_id"
        " WHERE federation_id = ? AND cluster = ?",
        [federation_id, expert.cluster],
    ).fetchall()
    added = adapters.add_within(db, replace(new, scale=rows[0][4]) if rows else new)
    samples = list(expert.samples) or (json.loads(rows[0][2]) if rows else [])
    region = expert.region or PromptRegion(np.zeros(0, np.float32), 0.0)
    db.execute(
        "INSERT INTO experts (adapter_id, federation_id, cluster, centroid, radius, samples)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            added.id,
            federation_id,
            expert.cluster,
            region.centroid.astype("<f4").tobytes(),
            region.radius,
            json.dumps(samples),
        ],
    )
    db.execute("UPDATE adapters SET in_use = ? WHERE id = ?", [rows[0][3] if rows else 1, added.id])
    for row in rows:
        db.execute("DELETE FROM adapters WHERE id = ?", [row[0]])
    return added.id, [row[1] for row in rows]


def _folder(data_dir: Path) -> Path:
    """On the same disk as the adapters, so that a full one shows before anything is changed."""
    folder = data_dir / "flower"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
