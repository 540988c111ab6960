"""Adapters of this device: what was learnt, on which base, and which of it is in use.

Each has a folder of its own, `adapters/<id>/` with `adapter/` (as peft keeps it) and
`adapter.gguf` (as llama.cpp reads it), `marks` of what it must not utter to the cloud, which no
export holds, and a row in the database. An adapter never loads onto
another base than the one it was trained on. Knows neither torch nor llama.cpp.
"""

import json
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from sqlite_utils import Database

from floe.adapters.lora_defaults import PEFT_CONFIG
from floe.adapters.model_card import name_base, peft_extras
from floe.disk_errors import describe_os_error
from floe.errors import StoreError, TrainingError
from floe.models.download import ignore_progress, sha256_of
from floe.privacy.training_marks import (
    NO_MARKS,
    TrainingMarks,
    marks_key,
    read_marks,
    write_marks,
)
from floe.records import TrainPlan
from floe.store import Store, encryption
from floe.store.text import one_line

AdapterKind = Literal["personal", "expert"]

PEFT: Final = "adapter"
GGUF: Final = "adapter.gguf"
MARKS: Final = "marks"
LARGEST_SCALE: Final = 2.0
_NAME_LENGTH: Final = 60
_HASHES: Final = "model_hashes"
_GONE: Final = "There is no such adapter; it may have been deleted. Choose another one."
_COLUMNS: Final = (
    "id, name, kind, created_at, folder, base_sha256, rank, scale, in_use, run_id, plan,"
    " data_sha256, metrics"
)


@dataclass(frozen=True, slots=True)
class LearntAdapter:
    """One adapter. `scale` in [0, LARGEST_SCALE]; `metrics` is what its training reported."""

    id: int
    name: str
    kind: AdapterKind
    created_at: float
    folder: Path
    base_sha256: str
    rank: int
    scale: float
    in_use: bool
    run_id: int | None
    plan: TrainPlan | None
    data_sha256: str | None
    metrics: dict[str, Any]

    @property
    def gguf(self) -> Path:
        """The file that llama.cpp loads."""
        return self.folder / GGUF

    @property
    def peft(self) -> Path:
        """The folder that peft loads, and from which training goes on."""
        return self.folder / PEFT

    @property
    def marks(self) -> Path:
        """The file of its marks; none if nothing is marked. See `floe.privacy.training_marks`."""
        return self.folder / MARKS

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class NewAdapter:
    """One that shall be kept. `source` holds `adapter/` and `adapter.gguf`; it is left as it is.

    `marks`: of what it was trained on and the cloud must not have.
    """

    name: str
    kind: AdapterKind
    source: Path
    base_sha256: str
    rank: int
    scale: float = 1.0
    run_id: int | None = None
    plan: TrainPlan | None = None
    data_sha256: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    marks: frozenset[bytes] = frozenset()


class Adapters:
    """The registry; any thread may call any method.

    Raises:
        StoreError: from every method, when the database cannot be used.
        TrainingError: from every method that names one, when the adapter has been deleted.
    """

    def __init__(self, store: Store, data_dir: Path) -> None:
        self._store = store
        self._root = data_dir.resolve()
        self._marks: tuple[Sequence[tuple[Path, int]], TrainingMarks] = (), NO_MARKS

    def all(self, kind: AdapterKind | None = None) -> list[LearntAdapter]:
        """Return them, the newest first."""
        with self._store.reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM adapters WHERE kind = coalesce(?, kind) ORDER BY id DESC",  # noqa: S608
                [kind],
            ).fetchall()
        return [self._adapter(row) for row in rows]

    def get(self, adapter_id: int) -> LearntAdapter:
        """One of them."""
        with self._store.reading() as db:
            return self._found(db, adapter_id)

    def in_use(self, base_sha256: str) -> list[LearntAdapter]:
        """Those switched on that were made for this base."""
        return [a for a in self.all() if a.in_use and a.base_sha256 == base_sha256]

    def add(self, new: NewAdapter) -> LearntAdapter:
        """Copy its files into a folder of their own; it is not in use yet.

        Raises:
            TrainingError: the files are missing, or the disk is full; nothing has changed.
        """
        with self._store.writing() as db:
            return self.add_within(db, new)

    def add_within(self, db: Database, new: NewAdapter) -> LearntAdapter:
        """`add` as part of a transaction: the row is seen only together with what else it does."""
        row_id = db.execute(
            "INSERT INTO adapters (name, kind, created_at, folder, base_sha256, rank, scale,"
            " run_id, plan, data_sha256, metrics) VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?)",
            [
                _name(new.name),
                new.kind,
                time.time(),
                new.base_sha256,
                new.rank,
                _scale(new.scale),
                new.run_id,
                json.dumps(asdict(new.plan)) if new.plan else None,
                new.data_sha256,
                json.dumps(dict(new.metrics)),
            ],
        ).lastrowid
        assert row_id is not None
        folder = Path("adapters") / str(row_id)
        db.execute("UPDATE adapters SET folder = ? WHERE id = ?", [str(folder), row_id])
        _copy(new.source, self._root / folder, new.marks)
        return self._found(db, row_id)

    def rename(self, adapter_id: int, name: str) -> None:
        """Give it another name.

        Raises:
            TrainingError: the name is empty.
        """
        self._set(adapter_id, "name", _name(name))

    def set_scale(self, adapter_id: int, scale: float) -> None:
        """Set how strongly it acts: 1 as it was trained, 0 not at all."""
        self._set(adapter_id, "scale", _scale(scale))

    def set_in_use(self, adapter_id: int, on: bool, base_sha256: str) -> None:
        """Take it into use beside others, or out of use.

        Args:
            adapter_id: which.
            on: whether it shall act.
            base_sha256: of the model that answers now.

        Raises:
            TrainingError: it was made for another base model, or its file has gone.
        """
        adapter = self.get(adapter_id)
        if on:
            if adapter.base_sha256 != base_sha256:
                raise TrainingError(
                    f"“{adapter.name}” was trained on another base model and would only confuse "
                    "this one. Start Floe with that model, or train again with this one."
                )
            self._check_files(adapter)
        self._set(adapter_id, "in_use", int(on))

    def use_only(self, db: Database, adapter_id: int) -> None:
        """Put this personal adapter in the place of all others of its base."""
        adapter = self._found(db, adapter_id)
        db.execute(
            "UPDATE adapters SET in_use = (id = ?) WHERE kind = 'personal' AND base_sha256 = ?",
            [adapter_id, adapter.base_sha256],
        )

    def export_gguf(self, adapter_id: int, path: Path) -> None:
        """Write the file that llama.cpp loads (`--lora`).

        Raises:
            TrainingError: its file has gone, or `path` cannot be written.
        """
        adapter = self.get(adapter_id)
        self._check_files(adapter)
        with _whole_file(path) as part:
            part.write_bytes(encryption.read_bytes(adapter.gguf))

    def export_peft(self, adapter_id: int, path: Path) -> None:
        """Write a zip of the folder that `PeftModel.from_pretrained` loads, with a model card.

        Raises:
            TrainingError: its files have gone, or `path` cannot be written.
        """
        adapter = self.get(adapter_id)
        self._check_files(adapter)
        with _whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(each for each in adapter.peft.rglob("*") if each.is_file()):
                name = file.relative_to(adapter.peft).as_posix()
                content = encryption.read_bytes(file)
                content = name_base(adapter, content) if name == PEFT_CONFIG else content
                archive.writestr(name, content, zipfile.ZIP_DEFLATED)
            for name, text in peft_extras(adapter).items():
                archive.writestr(name, text, zipfile.ZIP_DEFLATED)

    def training_marks(self) -> TrainingMarks:
        """Return the marks of all adapters, in use or not: any may have written an earlier answer.

        Raises:
            StoreError: those of one cannot be read.
        """
        found = [(each, _changed_at(each)) for each in (a.marks for a in self.all())]
        there = [(path, changed) for path, changed in found if changed]
        if there != self._marks[0]:
            marks = frozenset[bytes]().union(*(read_marks(path) for path, _ in there))
            self._marks = there, TrainingMarks(marks_key(self._store), marks)
        return self._marks[1]

    def delete(self, adapter_id: int) -> None:
        """Remove its files, then its row: a crash in between leaves nothing that was learnt.

        Raises:
            TrainingError: the files cannot be removed.
        """
        adapter = self.get(adapter_id)
        try:
            # The run's folder goes too, because answers side by side are words of the person.
            for folder in (adapter.folder, self._root / "runs" / str(adapter.run_id)):
                if folder.exists():
                    shutil.rmtree(folder)
        except OSError as error:
            raise TrainingError(
                f"“{adapter.name}” cannot be deleted: {adapter.folder} {error.strerror}. Allow "
                "writing there and try again."
            ) from error
        with self._store.writing() as db:
            db.execute("DELETE FROM adapters WHERE id = ?", [adapter_id])

    def _set(self, adapter_id: int, column: str, value: object) -> None:
        with self._store.writing() as db:
            self._found(db, adapter_id)
            db.execute(f"UPDATE adapters SET {column} = ? WHERE id = ?", [value, adapter_id])  # noqa: S608

    def _found(self, db: Database, adapter_id: int) -> LearntAdapter:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM adapters WHERE id = ?",  # noqa: S608
            [adapter_id],
        ).fetchone()
        if row is None:
            raise TrainingError(_GONE)
        return self._adapter(row)

    def _adapter(self, row: tuple[Any, ...]) -> LearntAdapter:
        values = list(row)
        values[4] = self._root / row[4]
        values[8] = bool(row[8])
        values[10] = plan_of(row[10]) if row[10] else None
        values[12] = json.loads(row[12]) if row[12] else {}
        return LearntAdapter(*values)

    @staticmethod
    def _check_files(adapter: LearntAdapter) -> None:
        if not (adapter.gguf.is_file() and adapter.peft.is_dir()):
            raise TrainingError(
                f"The files of “{adapter.name}” have gone from {adapter.folder}. Delete it and "
                "train again."
            )


def plan_of(text: str) -> TrainPlan:
    """Read a plan from its JSON."""
    values = json.loads(text)
    return TrainPlan(**{**values, "modules": tuple(values["modules"])})


def model_sha256(store: Store, path: Path) -> str:
    """Hash a model file; the store keeps the hash as long as size and time of change stay.

    Raises:
        TrainingError: it is not there, or cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    stamp = [status.st_size, status.st_mtime_ns]
    known = store.setting(_HASHES, {})
    known = known if isinstance(known, dict) else {}
    kept = known.get(str(path.resolve()))
    if isinstance(kept, list) and len(kept) == 3 and kept[:2] == stamp:
        return str(kept[2])
    try:
        digest = sha256_of(path, ignore_progress)
    except OSError as error:
        raise _unreadable(path, error) from error
    store.set_setting(_HASHES, known | {str(path.resolve()): [*stamp, digest]})
    return digest


def _unreadable(path: Path, error: OSError) -> TrainingError:
    return TrainingError(f"{path} cannot be read ({error.strerror}). Check its name and rights.")


def _name(name: str) -> str:
    name = one_line(name)[:_NAME_LENGTH].strip()
    if not name:
        raise TrainingError("An adapter needs a name: type one and try again.")
    return name


def _scale(scale: float) -> float:
    return min(max(float(scale), 0.0), LARGEST_SCALE)


def _copy(source: Path, target: Path, marks: frozenset[bytes]) -> None:
    """Copy a file or folder; whatever is at `target` is left of a transaction that never ended."""
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        shutil.copytree(source / PEFT, target / PEFT, copy_function=_copy_file)
        if marks:
            write_marks(target / MARKS, marks)
        _copy_file(source / GGUF, target / GGUF)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise TrainingError(
            f"The adapter cannot be kept in {target.parent} ({describe_os_error(error)}). "
            "Make room and try again; what was learnt is still there."
        ) from error


def _changed_at(path: Path) -> int:
    """Return when a file was changed, in nanoseconds; 0: there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}).") from error


def _copy_file(source: str | Path, target: str | Path) -> None:
    """Whatever the source is, the copy is encrypted where the data folder is."""
    encryption.write_bytes(Path(target), encryption.read_bytes(Path(source)))


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainingError(
            f"{path} cannot be written ({describe_os_error(error)}). Make room, or choose another "
            "folder."
        ) from error
