"""A disk that is full while something else than an answer is written: no half of it stays."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from floe.adapters.adapter_import import import_adapter
from floe.adapters.architecture import read_architecture
from floe.adapters.export import write_gguf, write_peft
from floe.adapters.merged_model import write_merged_model
from floe.adapters.registry import Adapters, NewAdapter, model_sha256
from floe.chats import importing
from floe.chats.importing import HalfImportError, import_stream
from floe.errors import StoreError, TrainingError
from floe.jobs import chat_import
from floe.jobs.chat_import import ChatImportJob
from floe.store import Store
from floe.store.imports import add_chats, drop_unfinished_imports, list_imports
from tests.faults.small_disk import SmallDisk
from tests.store.chats import chat

CHATS = 600
"""More than are added at once."""
RANK = 4


def file_of_chats() -> bytes:
    lines: list[dict[str, Any]] = [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}? " + "sea " * 40},
                {"role": "assistant", "content": f"Answer {number}. " + "wind " * 60},
            ]
        }
        for number in range(CHATS)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
def store(disk: SmallDisk) -> Iterator[Store]:
    with Store(disk.path / "floe.db") as opened:
        chat(opened, "precious")
        opened.checkpoint()
        yield opened


def fill_within_import(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the disk once the first part of an import is in; what is kept of it needs room to go."""
    add = add_chats

    def fill_after(*args: Any) -> list[int]:
        added = add(*args)
        args[0].checkpoint()
        disk.fill()
        return added

    monkeypatch.setattr(importing, "add_chats", fill_after)


def chats_in(store: Store) -> int:
    return len(store.conversations(10**6))


def test_an_import_that_finds_the_disk_full_is_taken_out_once_there_is_room(
    disk: SmallDisk, store: Store, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_import, "_RETRY_SECONDS", 0.05)
    with monkeypatch.context() as patch:
        fill_within_import(disk, patch)
        job = ChatImportJob(store)
        job.start("chats.jsonl", file_of_chats())
        until(lambda: "The disk is full, so chats.jsonl cannot be added." in job.sentence)
        assert "taken out" in job.sentence
        assert chats_in(store) > 1  # the half that is in
        disk.make_room()
        assert job.wait(60)
    assert job.take_problem() == (
        "The disk was full, so nothing of chats.jsonl was added. Make room for it and import it "
        "again."
    )
    assert chats_in(store) == 1
    assert list_imports(store) == []
    job.start("chats.jsonl", file_of_chats())
    assert job.wait(60)
    assert job.take_problem() == ""
    assert chats_in(store) == 1 + CHATS  # none of them twice


def test_half_an_import_goes_at_the_next_start_that_has_room(
    disk: SmallDisk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_within_import(disk, monkeypatch)
    with pytest.raises(HalfImportError, match=r"disk is full.*half in is taken out once"):
        import_stream(store, io.BytesIO(file_of_chats()), "chats.jsonl")
    drop_unfinished_imports(store)  # still full: the app opens all the same
    assert chats_in(store) > 1
    disk.make_room()
    drop_unfinished_imports(store)
    assert chats_in(store) == 1
    assert store.search("Question") == []


def test_a_finished_import_stays_at_the_next_start(store: Store) -> None:
    import_stream(store, io.BytesIO(file_of_chats()[:2000].rpartition(b"\n")[0]), "chats.jsonl")
    before = chats_in(store)
    drop_unfinished_imports(store)
    assert chats_in(store) == before > 1


@pytest.fixture
def made(tmp_path: Path, smollm_path: Path) -> Path:
    """A folder with an adapter of nearly a megabyte, on a disk with room."""
    architecture = read_architecture(smollm_path)
    rng = np.random.default_rng(0)
    factors = {
        f"model.layers.{layer}.self_attn.q_proj": (
            rng.normal(size=(RANK, 576)).astype(np.float32),
            rng.normal(size=(576, RANK)).astype(np.float32),
        )
        for layer in range(30)
    }
    folder = tmp_path / "made"
    write_peft(folder / "adapter", factors, alpha=8.0, base_name="SmolLM2-135M-Instruct")
    write_gguf(folder / "adapter.gguf", factors, alpha=8.0, architecture=architecture)
    return folder


def files_on(disk: SmallDisk) -> list[str]:
    side = ("filler", "floe.db-wal", "floe.db-shm")
    return sorted(
        str(path.relative_to(disk.path))
        for path in disk.path.rglob("*")
        if path.is_file() and path.name not in side
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.01, 1.6])
def test_an_adapter_that_finds_no_room_leaves_nothing_and_says_so(
    disk: SmallDisk, store: Store, made: Path, smollm_path: Path, share: float
) -> None:
    if not disk.real:
        pytest.skip("needs a disk of its own")
    adapters = Adapters(store, disk.path)
    model_sha256(store, smollm_path)  # kept in the database, which then needs no room
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    before = files_on(disk)
    disk.fill(leave=int(share * size))
    with pytest.raises(TrainingError, match=r"\(the disk is full\)\. Make room"):
        import_adapter(store, adapters, smollm_path, made / "adapter")
    assert adapters.all() == []
    assert files_on(disk) == before
    disk.make_room()
    import_adapter(store, adapters, smollm_path, made / "adapter")
    assert len(adapters.all()) == 1


@pytest.mark.parametrize("leave", [0, 100_000, 300_000])
def test_an_export_that_finds_no_room_leaves_nothing_and_says_so(
    disk: SmallDisk, store: Store, made: Path, smollm_path: Path, leave: int
) -> None:
    if not disk.real:
        pytest.skip("needs a disk of its own")
    adapters = Adapters(store, disk.path)
    sha256 = model_sha256(store, smollm_path)
    kept = adapters.add(NewAdapter("Mine", "personal", made, sha256, RANK))
    before = files_on(disk)
    out = disk.path / "out"
    writes: tuple[Callable[[], object], ...] = (
        lambda: adapters.export_peft(kept.id, out),
        lambda: adapters.export_gguf(kept.id, out),
        lambda: write_merged_model(out, smollm_path, kept.gguf, 1.0, "Mine"),
    )
    for write in writes:
        disk.fill(leave=leave)
        with pytest.raises(TrainingError, match=r"cannot be written \(the disk is full\)"):
            write()
        disk.make_room()
        assert files_on(disk) == before
    adapters.export_gguf(kept.id, out)
    assert out.stat().st_size == kept.gguf.stat().st_size


def test_a_kept_adapter_that_finds_no_room_is_no_row(
    disk: SmallDisk, store: Store, made: Path, smollm_path: Path
) -> None:
    adapters = Adapters(store, disk.path)
    sha256 = model_sha256(store, smollm_path)
    disk.fill(leave=200_000)
    with pytest.raises((TrainingError, StoreError), match=r"disk is full"):
        adapters.add(NewAdapter("Mine", "personal", made, sha256, RANK))
    assert adapters.all() == []
    assert not list(disk.path.glob("adapters/*"))
