"""The log of a command: beside the database, and what went wrong to the terminal as well."""

import logging
from typing import Final

from floe.config import Settings
from floe.errors import FloeError
from floe.private_files import PrivateLogFile, make_private_folder
from floe.redaction import KNOWN_SECRETS, RedactingFormatter

_CHATTY: Final = ("httpx", "httpcore", "openai", "httpx2", "httpcore2")
"""They log every request of every page and of the cloud at the level of our own lines."""


def log_to(settings: Settings) -> None:
    """Write the log into the data folder; errors are also shown in the terminal.

    Nobody else on this computer may read either.

    Raises:
        FloeError: the data folder cannot be written.
    """
    try:
        make_private_folder(settings.data_dir)
        file = PrivateLogFile(settings.data_dir / "floe.log")
    except OSError as error:
        raise FloeError(
            f"The data folder {settings.data_dir} cannot be written: {error.strerror}. "
            "Choose another with --data-dir."
        ) from error
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.ERROR)
    KNOWN_SECRETS.add(settings.cloud_key.get_secret_value())
    for handler in (file, terminal):
        handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[file, terminal], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
