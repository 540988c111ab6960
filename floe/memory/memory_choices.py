"""What the person has set about memory; kept in the store, read anew for each turn."""

from pathlib import Path
from typing import Final

from floe.errors import DataError
from floe.store import Store
from floe.store.text import clean

_ON: Final = "memory_on"
_FOLDER: Final = "memory_folder"
_NOTES: Final = "memory_notes"
MAX_NOTES: Final = 1_000_000
"""Characters of the notes; more belongs into files."""


def memory_on(store: Store, usual: bool) -> bool:
    """Whether earlier chats, notes and files may be used; `usual` until the page says otherwise."""
    said = store.setting(_ON, None)
    return said if isinstance(said, bool) else usual


def set_memory_on(store: Store, on: bool) -> None:
    """From the next turn on."""
    store.set_setting(_ON, on)


def memory_folder(store: Store, usual: Path | None) -> Path | None:
    """Return the folder whose files are read; None: none. `usual` until the page says otherwise."""
    said = store.setting(_FOLDER, None)
    if not isinstance(said, str):
        return usual
    return Path(said) if said else None


def set_memory_folder(store: Store, folder: str) -> None:
    """Keep it; empty: no folder."""
    store.set_setting(_FOLDER, clean(folder).strip())


def notes(store: Store) -> str:
    """Return what the person has typed into the box for notes."""
    return str(store.setting(_NOTES, ""))


def set_notes(store: Store, text: str) -> None:
    """Keep them; empty: none.

    Raises:
        DataError: they are too long; those of before stay.
    """
    if len(text) > MAX_NOTES:
        raise DataError(
            f"Your notes are longer than {MAX_NOTES:,} characters. Put them into files of a folder."
        )
    store.set_setting(_NOTES, clean(text).strip())
