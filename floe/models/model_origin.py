"""Where a model file comes from: the repository of its weights, and names it goes by."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from floe.llama.gguf_checks import check_model
from floe.llama.gguf_header import GgufHeader
from floe.models.catalog import HubSource, load_catalog

_REPO: Final = re.compile(r"(?:https://huggingface\.co/)?([\w.-]{1,100}/[\w.-]{1,100})/?")
_BASE_REPO: Final = "general.base_model.0.repo_url"


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """What is known of a GGUF file; what is not known is empty.

    Attributes:
        file: its name.
        sha256: its hash.
        title: for a person.
        base_repo: the hub's repository (owner/name) of the weights it was made from.
        base_revision: their commit; conversions do not say it, so it is seldom known.
        file_repo: the hub's repository that has this very file.
        file_revision: its commit.
        licence: of the model.
    """

    file: str
    sha256: str
    title: str
    base_repo: str = ""
    base_revision: str = ""
    file_repo: str = ""
    file_revision: str = ""
    licence: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def find_model_origin(path: Path, sha256: str) -> ModelOrigin:
    """Say where a model file comes from: by its hash in the catalog, else by its own header.

    Raises:
        ModelError: it is no GGUF, or broken.
    """
    header = check_model(path)
    title = header.text("general.name") or path.stem
    licence = header.text("general.license") or ""
    entry = next((each for each in load_catalog().models if each.sha256 == sha256), None)
    if entry is None:
        found = _REPO.fullmatch(header.text(_BASE_REPO) or header.text("general.repo_url") or "")
        repo = found[1] if found else ""
        return ModelOrigin(path.name, sha256, title, repo, licence=licence)
    hub = next((each for each in entry.sources if isinstance(each, HubSource)), None)
    return ModelOrigin(
        path.name,
        sha256,
        entry.title,
        entry.base_repo,
        file_repo=hub.repo if hub else "",
        file_revision=hub.revision if hub else "",
        licence=entry.licence,
    )


def names_of_model(path: Path, origin: ModelOrigin) -> set[str]:
    """Return the names that an adapter for this model may give its base.

    Raises:
        ModelError: it is no GGUF, or broken.
    """
    header = check_model(path)
    known = {origin.base_repo, origin.file_repo, path.stem, *_own_names(header)}
    return known - {""}


def _own_names(header: GgufHeader) -> set[str]:
    parts = [header.text(f"general.{key}") or "" for key in ("basename", "size_label", "finetune")]
    return {header.text("general.name") or "", "-".join(filter(None, parts))}
