"""The command `floe`, also `python -m floe`: one front door, a subcommand for each thing to do.

Results go to stdout (with `--json`: one JSON object as the last line), progress and sentences to
stderr. Exit status: 0, 1 after an error that was explained, 2 after a usage that does not fit,
130 after Ctrl-C. What a subcommand needs is imported when it is called.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from floe import __version__
from floe.cli.terminal import shown_plainly, write_foreign
from floe.disk_errors import DISK_FULL, is_disk_full
from floe.errors import FloeError

Command = Callable[[Sequence[str]], int]

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("floe.cli.run", "open the page on this device"),
    "ask": ("floe.cli.ask", "answer one question, streamed to the terminal"),
    "serve": ("floe.cli.serve", "answer other programs, over the OpenAI protocol"),
    "train": ("floe.cli.train_adapter", "train a personal adapter, as the button in the page does"),
    "import": ("floe.cli.import_chats", "add the chats of a file"),
    "adapters": ("floe.cli.adapters", "list, add, switch, export or merge adapters"),
    "models": ("floe.cli.models", "list the models Floe knows, search a hub, fetch or verify"),
    "group": ("floe.cli.group", "host or join a group that shares adapters, not chats"),
    "simulate": (
        "floe.federation.simulation.simulate",
        "try a group of eight devices on this machine",
    ),
    "backup": ("floe.data_folder.maintenance", "copy chats and adapters into a zip"),
    "restore": ("floe.data_folder.maintenance", "replace the data with a backup"),
    "encrypt": ("floe.data_folder.maintenance", "encrypt everything at rest"),
    "decrypt": ("floe.data_folder.maintenance", "turn encryption at rest off"),
    "erase": ("floe.data_folder.maintenance", "delete all my data"),
    "private": ("floe.privacy.command", "print the privacy gate's verdict on each line of a file"),
    "evaluate": ("floe.evaluate.__main__", "measure whether adapter and fusion help"),
    "bench": ("floe.bench.__main__", "measure speed"),
}
"""Subcommand: the module whose `main(arguments)` it is, and what it does."""

_WITH_NAME: Final = frozenset({"floe.data_folder.maintenance"})
"""Modules of several commands, which are told the name."""

HELP: Final = """usage: floe COMMAND [options]

A small language model on this device, fused token by token with one in the cloud.

{commands}

`floe COMMAND --help` shows the options, with an example. Without a command the page opens.
`floe --version` tells the version.
Example: floe ask "Why is the sky blue?" --mode local
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    with shown_plainly():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _TOLD:
        sys.stdout.write(_TOLD[words[0]]())
        return 0
    # `app.py --port 0` and a bare `floe` open the page.
    name = words.pop(0) if words and not words[0].startswith("-") else "run"
    if name not in COMMANDS:
        sys.stderr.write(f"There is no command {name!r}.\n\n{help_text()}")
        return 2
    module = COMMANDS[name][0]
    command: Command = import_module(module).main
    try:
        return command([name, *words] if module in _WITH_NAME else words)
    except FloeError as error:
        write_foreign(sys.stderr, f"{error}\n")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `floe models list | head`: nobody reads on, and Python would complain while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not is_disk_full(error):
            raise
        sys.stderr.write(f"{DISK_FULL}\n")
    return 1


def help_text() -> str:
    """Return the overview of all commands."""
    lines = [f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items()]
    return HELP.format(commands="\n".join(lines))


_TOLD: Final[dict[str, Callable[[], str]]] = {
    **dict.fromkeys(("-h", "--help", "help"), help_text),
    **dict.fromkeys(("-V", "--version"), lambda: f"floe {__version__}\n"),
}
"""What is said at once, by the word that asks for it."""
