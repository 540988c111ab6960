"""Import of an adapter that others made: checked against the model in use, copied, listed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from floe.adapters.architecture import read_architecture
from floe.adapters.export import write_gguf, write_peft
from floe.adapters.foreign_adapter import is_made_for, read_foreign_adapter
from floe.adapters.registry import (
    GGUF,
    PEFT,
    Adapters,
    LearntAdapter,
    NewAdapter,
    model_sha256,
)
from floe.disk_errors import describe_os_error
from floe.errors import TrainingError
from floe.llama.gguf_checks import check_adapter
from floe.models.model_origin import find_model_origin, names_of_model
from floe.store import Store
from floe.store.encryption import readable_file, temporary_parent


@dataclass(frozen=True, slots=True)
class ImportedAdapter:
    """An adapter in the list, switched off, and what a person should know of it, a sentence."""

    adapter: LearntAdapter
    sentence: str


def import_adapter(
    store: Store, adapters: Adapters, base: Path, path: Path, name: str = ""
) -> ImportedAdapter:
    """Read a foreign adapter, see that it fits, and keep a copy; it is not in use yet.

    Args:
        store: of the data folder.
        adapters: the list.
        base: the GGUF of the model in use.
        path: a PEFT folder, a zip of one, or a GGUF adapter.
        name: for the list; empty: the file's own.

    Raises:
        ModelError: it cannot be read, does not fit, or could not act as it was meant to.
        TrainingError: `base` cannot be read, or the copy cannot be kept; nothing of it is left.
    """
    architecture = read_architecture(base)
    foreign = read_foreign_adapter(path.expanduser(), architecture)
    sha256 = model_sha256(store, base)
    origin = find_model_origin(base, sha256)
    with _no_room(), TemporaryDirectory(dir=temporary_parent(store.path.parent)) as made:
        folder = Path(made)
        base_name = foreign.base_name or origin.base_repo or base.stem
        write_peft(folder / PEFT, foreign.factors, alpha=foreign.alpha, base_name=base_name)
        write_gguf(folder / GGUF, foreign.factors, alpha=foreign.alpha, architecture=architecture)
        with readable_file(folder / GGUF) as readable:
            check_adapter(readable, base, path.name)
        adapter = adapters.add(
            NewAdapter(
                name or foreign.name,
                "personal",
                folder,
                sha256,
                foreign.rank,
                metrics={"brought_in": {"from": path.name, "made_for": foreign.base_name}},
            )
        )
    modules = sorted({full.rsplit(".", 1)[1].removesuffix("_proj") for full in foreign.factors})
    sentence = (
        f"“{adapter.name}” is in the list, switched off: rank {foreign.rank}, "
        f"{len(foreign.factors)} projections ({', '.join(modules)})."
    )
    if not foreign.base_name:
        sentence += " It does not say which model it was made for; its shapes fit this one."
    elif not is_made_for(foreign.base_name, names_of_model(base, origin)):
        sentence += (
            f" Take care: it says that it was made for {foreign.base_name[:120]}. Its shapes fit "
            f"{origin.title}, but on another model of the same shape it would only confuse."
        )
    return ImportedAdapter(adapter, sentence)


@contextmanager
def _no_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"The adapter cannot be copied into the data folder ({describe_os_error(error)}). Make "
            "room and try again."
        ) from error
