"""`floe import`: add the chats of a file, as most programs export them.

floe import conversations.zip
floe import "WhatsApp Chat with Anna.txt" --me Ben
floe import --undo 3
"""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from floe.chats.importing import import_file
from floe.cli.arguments import command_parser, settings_from
from floe.cli.data import data_folder
from floe.cli.terminal import write_foreign
from floe.store import Store
from floe.store.imports import delete_import


def main(arguments: Sequence[str]) -> int:
    """Import, and say how much came in."""
    parser = command_parser("import", __doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, nargs="?", help="JSON, lines of JSON, text, CSV, or a zip")
    what.add_argument("--undo", type=int, metavar="ID", help="take out all chats of an import")
    parser.add_argument(
        "--me", default="", metavar="NAME", help="which of the people in the chat you are"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    settings = settings_from(options)
    with data_folder(settings), Store(settings.database) as store:
        if options.undo is not None:
            delete_import(store, options.undo)
            found = {"undone": options.undo}
            sentence = f"Import {options.undo} was undone."
        else:
            found, sentence = add_file(store, options)
    write_foreign(sys.stdout, f"{json.dumps(found) if options.json else sentence}\n")
    return 0


def add_file(store: Store, options: Namespace) -> tuple[dict[str, object], str]:
    """Import a file with a bar on stderr; returns what `--json` prints, and the sentence.

    Raises:
        FloeError: nothing of it could be read, or the store cannot be written.
    """
    with tqdm(desc="import", unit="B", unit_scale=True, delay=0.5, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = import_file(store, options.file, user=options.me, progress=show)
    found = {
        "format": report.format,
        "chats": len(report.conversations),
        "answers": report.answers,
        "left_out": [asdict(each) for each in report.left_out],
        "parts": report.parts,
        "import_id": report.import_id,
        "sentence": report.sentence,
    }
    return found, f"{report.sentence} To undo it: floe import --undo {report.import_id}"
