"""Flags that the parsers of several subcommands share."""

import argparse
from typing import Any

from floe.command_flags import add_folder_flags
from floe.config import Settings


def command_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for `floe NAME` whose help is the module's docstring, examples included."""
    parser = argparse.ArgumentParser(
        prog=f"floe {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_flags(parser)
    return parser


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that load the models."""
    parser.add_argument("--model", help="catalog id or path of a GGUF")
    parser.add_argument("--threads", type=int, help="0: chosen for this device")


def add_cloud_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that may ask the cloud."""
    parser.add_argument("--cloud", help="'stand-in', 'off' or an OpenAI-compatible base URL")
    parser.add_argument("--cloud-model", help="empty: the first model that the endpoint lists")


def settings_from(options: argparse.Namespace) -> Settings:
    """Read the settings, with those flags of the command that are settings too.

    Raises:
        FloeError: a value does not fit.
    """
    known = Settings.model_fields
    given: dict[str, Any] = {name: value for name, value in vars(options).items() if name in known}
    return Settings.load(**given)
