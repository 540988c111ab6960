"""The data folder for a command: locked, prepared, with its log."""

from collections.abc import Iterator
from contextlib import contextmanager

from floe.cli.log import log_to
from floe.config import Settings
from floe.data_folder.maintenance import prepare_data
from floe.store.data_lock import exclusive_access


@contextmanager
def data_folder(settings: Settings) -> Iterator[None]:
    """Have the data folder to oneself while a command works on it.

    Raises:
        DataFolderInUseError: the page is open with it.
        FloeError: it cannot be written or unlocked.
    """
    with exclusive_access(settings.data_dir, "run this again"):
        log_to(settings)
        prepare_data(settings)
        yield
