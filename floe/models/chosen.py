"""Which models a start uses: the person's own choice in the page, and the stand-in cloud's."""

from pathlib import Path
from typing import Final, NamedTuple

from floe.config import Settings
from floe.llama.free_memory import FreeMemory
from floe.models.catalog import load_catalog
from floe.models.download import file_size
from floe.store import Store
from floe.units import format_gigabytes

STRONGER_STAND_IN: Final = "qwen2.5-coder-1.5b-instruct"
_SETTING: Final = "model"
_GENEROUS: Final = 3.0
"""The stronger stand-in is used where so many times what it needs is free: the local model, a
training and the person's other programs want some of it too."""


class ModelChoice(NamedTuple):
    """A model, and why it is this one, in words; empty where nothing is to be said."""

    name: str
    reason: str = ""


def chosen_model(settings: Settings, store: Store) -> ModelChoice:
    """Return the model to start with: the settings' own, else the one last chosen in the page.

    A chosen one that is not there any more is not fetched: that is never done without being asked.
    """
    kept = store.setting(_SETTING, "")
    if not isinstance(kept, str) or not kept or kept == settings.model:
        return ModelChoice(settings.model)
    if "model" in settings.model_fields_set:
        return ModelChoice(
            settings.model,
            f"Flags, environment or floe.toml name {settings.model}, so that this start uses it in "
            f"place of {kept}, which you chose here.",
        )
    entry = load_catalog().find(kept)
    there = (
        file_size(settings.models_dir / entry.filename) == entry.size
        if entry is not None
        else Path(kept).is_file()
    )
    if not there:
        return ModelChoice(
            settings.model, f"{kept}, which you chose, is not there any more, so this is used."
        )
    return ModelChoice(kept)


def keep_chosen_model(store: Store, name: str) -> None:
    """Use this model at the next start, too."""
    store.set_setting(_SETTING, name)


def chosen_stand_in(settings: Settings, free: FreeMemory) -> ModelChoice:
    """Return the model of the stand-in cloud: the stronger one if it is here and memory allows."""
    usual = settings.stand_in_model
    if "stand_in_model" in settings.model_fields_set:
        return ModelChoice(usual, "set by you")
    entry = load_catalog().find(STRONGER_STAND_IN)
    if entry is None or file_size(settings.models_dir / entry.filename) != entry.size:
        return ModelChoice(usual, f"{STRONGER_STAND_IN} is stronger, and has not been fetched")
    there = format_gigabytes(free.bytes / 1e6)
    if free.limit or free.bytes < _GENEROUS * entry.memory_mb * 1e6:
        return ModelChoice(usual, f"for the stronger {entry.id}, {there} of free memory are little")
    return ModelChoice(entry.id, f"the stronger one is here, and {there} of memory are free")
