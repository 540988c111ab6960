"""The flags of every subcommand: where chats and models are kept."""

import argparse
import os
from pathlib import Path


def add_folder_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--data-dir` and `--models-dir`."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where chats are kept")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where models are kept")


def folder_flags_again() -> argparse.ArgumentParser:
    """Return a parent for the sub-commands of a parser with `add_folder_flags`.

    So the folders may be named after a sub-command as well as before it; the later one counts.
    """
    again = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    add_folder_flags(again)
    return again


def use_folders(options: argparse.Namespace) -> None:
    """Let `Settings.load` find these folders wherever this process and its children call it."""
    for flag in ("data_dir", "models_dir"):
        folder: Path | None = getattr(options, flag)
        if folder is not None:
            os.environ[f"FLOE_{flag.upper()}"] = str(folder.resolve())
