"""Work on a data folder that nobody has open: before an app opens it, and between two.

The app's page cannot erase, encrypt or restore what it stands on. So it says what it wants
(`Maintenance`), everything is closed, the work is done, and the app opens again in the same
process. The same work from a terminal:

    floe backup [FILE]
    floe restore FILE
    floe encrypt [--keyring]
    floe decrypt
    floe erase
"""

import argparse
import getpass
import json
import logging
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from floe.command_flags import add_folder_flags
from floe.config import Settings
from floe.data_folder import encryption_switch, erasure
from floe.errors import EncryptionError, FloeError
from floe.store import backup, encryption
from floe.store.data_lock import LOCK, exclusive_access, open_page
from floe.store.encryption import EncryptionKind
from floe.store.restore import finish_restore, restore_backup, restore_within_lock

logger = logging.getLogger(__name__)

_TRIES: Final = 3
OPEN_AFTER_ERASURE: Final = ("access-token", "open.html")
"""The door's own, which a page that is open needs to come back to the empty app."""

Work = Callable[[], str]
"""Something done between two sessions; returns a sentence for the person."""


class Maintenance:
    """The page's wish to have something done while everything is closed; any thread may call.

    `sentence` is what came of the last one, for the page that opens next.
    """

    def __init__(self, data_dir: Path, reopen_log: Callable[[], None]) -> None:
        """Nothing is asked for yet; `reopen_log` begins a new log after an erasure."""
        self._data_dir = data_dir
        self._reopen_log = reopen_log
        self._asked = threading.Event()
        self._work: Work | None = None
        self.sentence = ""

    def ask(self, work: Work) -> None:
        """Close the app, do this, open it again."""
        self._work = work
        self._asked.set()

    def ask_to_erase(self) -> None:
        """Delete all data; the app that opens next is empty."""
        self.ask(self._erase)

    def ask_to_encrypt(self, kind: EncryptionKind, passphrase: str) -> None:
        """Encrypt the data folder."""
        self.ask(lambda: encryption_switch.turn_on(self._data_dir, kind, passphrase))

    def ask_to_decrypt(self) -> None:
        """Turn that off."""
        self.ask(lambda: encryption_switch.turn_off(self._data_dir))

    def ask_to_restore(self, file: Path) -> None:
        """Put a backup in the place of the data."""
        self.ask(lambda: restore_within_lock(self._data_dir, file).sentence)

    def wait(self) -> None:
        """Wait until something is asked for."""
        while not self._asked.wait(3600):
            pass

    def run(self) -> bool:
        """Do what was asked for; whether anything was, so that the app opens again."""
        work, self._work = self._work, None
        self._asked.clear()
        if work is None:
            return False
        try:
            self.sentence = work()
        except FloeError as error:
            self.sentence = str(error)
        except Exception:
            logger.exception("maintenance failed")
            self.sentence = "That did not succeed; the log has the details. Nothing was lost."
        return True

    def _erase(self) -> str:
        """Erase with the log closed meanwhile, and what the open page needs kept."""
        _close_log(self._data_dir)
        try:
            erasure.erase(self._data_dir, keep=OPEN_AFTER_ERASURE)
        finally:
            self._reopen_log()
        return "Everything has been deleted. This is a new, empty Floe."


def point_to_open_app(settings: Settings) -> str:
    """Open the page of the app that has the folder; returns what to tell the person."""
    page = open_page(settings.data_dir)
    if page is None:
        return (
            f"Floe is starting or ending with the data folder {settings.data_dir}. Wait a moment, "
            "then try again."
        )
    if settings.browser:
        webbrowser.open(page.opener)
    return f"Floe is already open at {page.address}"


def prepare_data(settings: Settings) -> None:
    """Finish what a kill has left, and open the folder if it is encrypted. The lock is held.

    Raises:
        FloeError: the key is missing, or something cannot be finished.
    """
    erasure.finish_erasure(settings.data_dir)
    finish_restore(settings.data_dir)
    open_folder(settings.data_dir, settings.passphrase_file)
    encryption_switch.finish_switch(settings.data_dir)


def open_folder(data_dir: Path, passphrase_file: Path | None = None) -> None:
    """Unlock a folder: with the keyring, a file, or by asking in the terminal.

    Raises:
        EncryptionError: none of them has the key.
    """
    if not encryption.needs_passphrase(data_dir):
        encryption.unlock(data_dir)
        return
    if passphrase_file is not None:
        encryption.unlock(data_dir, _first_line(passphrase_file))
        return
    if not sys.stdin.isatty():
        encryption.unlock(data_dir)  # says what to do
        return
    for left in reversed(range(_TRIES)):
        try:
            encryption.unlock(data_dir, getpass.getpass("Passphrase of the data folder: "))
        except EncryptionError as error:
            if not left:
                raise
            sys.stderr.write(f"{error}\n")
        else:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after an error that was explained."""
    flags = _parser().parse_args(arguments)
    data_dir = Settings.load(data_dir=flags.data_dir).data_dir
    passphrase_file: Path | None = flags.passphrase_file
    try:
        sentence = _run(flags, data_dir, passphrase_file)
    except FloeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    told = json.dumps({"command": flags.command, "sentence": sentence})
    sys.stdout.write(f"{told if flags.json else sentence}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    folder = argparse.ArgumentParser(add_help=False)
    add_folder_flags(folder)
    folder.add_argument("--json", action="store_true", help="one JSON object on stdout")
    folder.add_argument("--passphrase-file", type=Path, help="its first line is the passphrase")
    parser = argparse.ArgumentParser(
        prog="floe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, does: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            parents=[folder],
            help=does,
            description=f"{does[:1].upper()}{does[1:]}.",
            epilog=f"Example: floe {example}",
        )

    made = add("backup", "copy chats and adapters into a zip", "backup floe-backup.zip")
    made.add_argument("file", type=Path, nargs="?", help="without one it goes to backups/")
    restored = add("restore", "replace the data with a backup", "restore floe-backup.zip")
    restored.add_argument("file", type=Path)
    encrypted = add("encrypt", "encrypt everything at rest", "encrypt --keyring")
    encrypted.add_argument(
        "--keyring", action="store_true", help="keep the key in the system's keyring"
    )
    add("decrypt", "turn encryption at rest off", "decrypt")
    erased = add("erase", "delete all my data", "erase --yes")
    erased.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _run(flags: argparse.Namespace, data_dir: Path, passphrase_file: Path | None) -> str:
    if flags.command == "backup":
        open_folder(data_dir, passphrase_file)
        return f"The backup is {backup.create_backup(data_dir, flags.file)}"
    if flags.command == "restore":
        return _restore(data_dir, flags.file, passphrase_file)
    if flags.command == "erase":
        return _erase(data_dir, agreed=flags.yes)
    with exclusive_access(data_dir, f"{flags.command} again"):
        open_folder(data_dir, passphrase_file)
        encryption_switch.finish_switch(data_dir)
        if flags.command == "decrypt":
            return encryption_switch.turn_off(data_dir)
        kind: EncryptionKind = "keyring" if flags.keyring else "passphrase"
        passphrase = "" if flags.keyring else _new_passphrase(passphrase_file)
        return encryption_switch.turn_on(data_dir, kind, passphrase)


def _erase(data_dir: Path, *, agreed: bool) -> str:
    if not agreed and not _confirm(erasure.QUESTION):
        return "Nothing was deleted."
    with exclusive_access(data_dir, "delete again"):
        left = erasure.erase(data_dir)
    others = sorted(each.name for each in left if each.name != LOCK)
    stays = f" What is not Floe's stays: {', '.join(others)}." if others else ""
    return f"Everything that Floe kept in {data_dir} is deleted.{stays}"


def _restore(data_dir: Path, file: Path, passphrase_file: Path | None) -> str:
    passphrase = _first_line(passphrase_file) if passphrase_file else None
    try:
        return restore_backup(data_dir, file, passphrase).sentence
    except EncryptionError:
        if passphrase is not None or not sys.stdin.isatty():
            raise
    passphrase = getpass.getpass("Passphrase of the backup: ")
    return restore_backup(data_dir, file, passphrase).sentence


def _new_passphrase(file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    if not sys.stdin.isatty():
        raise EncryptionError(
            "Start this in a terminal, which asks for a passphrase, or name a file that holds one "
            "with --passphrase-file, or use --keyring."
        )
    sys.stderr.write(f"{encryption_switch.LOST}\n")
    first = getpass.getpass("New passphrase: ")
    if getpass.getpass("Once more: ") != first:
        raise EncryptionError("The two passphrases differ. Nothing has been changed.")
    return first


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptionError(
            f"The passphrase cannot be read from {file}. Check the name and its rights."
        ) from error


def _confirm(question: str) -> bool:
    if not sys.stdin.isatty():
        raise FloeError("There is no terminal to ask in. Use --yes to delete without being asked.")
    sys.stderr.write(f"{question}\nType “delete” to go on: ")
    return sys.stdin.readline().strip().lower() == "delete"


def _close_log(data_dir: Path) -> None:
    path = str((data_dir / erasure.LOG).resolve())
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler) and handler.baseFilename == path:
            logging.getLogger().removeHandler(handler)
            handler.close()
