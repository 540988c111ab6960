"""`floe import`: add the chats of a file, one {"messages": [...]} a line.

floe import chats.jsonl
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from floe.chats.jsonl import import_chats
from floe.cli.arguments import command_parser, settings_from
from floe.cli.data import data_folder
from floe.store import Store


def main(arguments: Sequence[str]) -> int:
    """Import, and say how much came in."""
    parser = command_parser("import", __doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    settings = settings_from(options)
    with data_folder(settings), Store(settings.database) as store:
        made = import_chats(store, options.file)
        messages = [message for chat in made for message in store.open_conversation(chat)]
    answers = sum(message.role == "assistant" for message in messages)
    if options.json:
        found = {"format": "jsonl", "chats": len(made), "answers": answers, "left_out": []}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(f"{len(made)} chats with {answers} answers were added.\n")
    return 0
