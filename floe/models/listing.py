"""The models at hand: the catalog, and other files of the models folder, each with its facts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.errors import FloeError
from floe.llama.cache_size import cache_bytes_per_token
from floe.llama.gguf_checks import check_model
from floe.llama.load_options import USUAL_CONTEXT
from floe.models.catalog import Catalog, CatalogEntry, ModelFile
from floe.models.device_fit import BUFFER_MB
from floe.models.download import file_size
from floe.store.text import one_line

_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that can be used or fetched.

    Attributes:
        name: what the settings call it: a catalog id, or a path.
        title: for a person.
        role: what it is for, a sentence, or empty.
        licence: its licence; empty: not known.
        size: of the file, bytes.
        memory_mb: what it needs at 4,096 tokens, 10^6 bytes.
        architecture: the GGUF's name of its kind.
        parameters: how many, in words; empty: not known.
        path: of its file, if it is on this device.
        file: how it is fetched, if it can be.
        problem: why it cannot be used, or empty.
    """

    name: str
    title: str
    role: str
    licence: str
    size: int
    memory_mb: float
    architecture: str
    parameters: str
    path: Path | None
    file: ModelFile | None
    problem: str = ""


def list_models(catalog: Catalog, models_dir: Path) -> list[ListedModel]:
    """Return the catalog in its order, then other files of the folder; no file is hashed."""
    known = {entry.filename for entry in catalog.models}
    listed = [_from_catalog(entry, models_dir) for entry in catalog.models]
    others = sorted(models_dir.glob("*.gguf")) if models_dir.is_dir() else []
    return listed + [describe_file(path) for path in others if path.name not in known]


def describe_file(path: Path) -> ListedModel:
    """Say what a GGUF file holds; what is wrong with it becomes its problem."""
    name = str(path.expanduser().absolute())
    try:
        header = check_model(path.expanduser())
    except FloeError as error:
        size = path.stat().st_size if path.is_file() else 0
        return ListedModel(name, path.name, "", "", size, 0, "", "", path, None, str(error))
    size = path.expanduser().stat().st_size
    cache_mb = cache_bytes_per_token(header) * USUAL_CONTEXT / 1e6
    licence = header.text("general.license") or header.text("general.license.name") or ""
    return ListedModel(
        name=name,
        title=one_line(header.text("general.name") or path.stem)[:_LONGEST] or path.stem,
        role="",
        licence=one_line(licence)[:_LONGEST],
        size=size,
        memory_mb=size / 1e6 + cache_mb + BUFFER_MB,
        architecture=header.text("general.architecture") or "",
        parameters=one_line(header.text("general.size_label") or "")[:20],
        path=path.expanduser(),
        file=None,
    )


def _from_catalog(entry: CatalogEntry, models_dir: Path) -> ListedModel:
    path = models_dir / entry.filename
    size = file_size(path)
    problem = ""
    if size and size != entry.size:
        problem = (
            f"{path.name} has {size:,} bytes instead of {entry.size:,}. "
            "Delete it, then download it again."
        )
    return ListedModel(
        name=entry.id,
        title=entry.title,
        role=entry.role,
        licence=entry.licence,
        size=entry.size,
        memory_mb=entry.memory_mb,
        architecture=entry.architecture,
        parameters=entry.parameters,
        path=path if size else None,
        file=entry,
        problem=problem,
    )
