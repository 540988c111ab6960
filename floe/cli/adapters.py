"""`floe adapters`: adapters of this device: list, add, switch, export, merge.

floe adapters list
floe adapters add ~/peft-folder            a PEFT folder, a zip of one, or a GGUF adapter
floe adapters use 3                        or: off 3
floe adapters export 3 mine.zip            as peft reads it; mine.gguf: as llama.cpp does
floe adapters export 3 whole.gguf --merged the model with the adapter in it, one file
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from floe.adapters.adapter_import import import_adapter
from floe.adapters.merged_model import write_merged_model
from floe.adapters.registry import Adapters, LearntAdapter, model_sha256
from floe.cli.arguments import add_model_flags, command_parser, settings_from
from floe.cli.data import data_folder
from floe.command_flags import folder_flags_again
from floe.config import Settings
from floe.errors import TrainingError
from floe.models.catalog import resolve_model
from floe.models.chosen import chosen_model
from floe.store import Store


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or 1 after an error that was explained."""
    parser = command_parser("adapters", __doc__)
    add_model_flags(parser)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    common = [folder_flags_again()]
    listing = actions.add_parser("list", help="all of them", parents=common)
    adding = actions.add_parser("add", help="add one that was made elsewhere", parents=common)
    adding.add_argument("path", type=Path, help="PEFT folder, zip of one, or GGUF adapter")
    adding.add_argument("--name", default="", help="what to call it")
    using = actions.add_parser("use", help="let one act", parents=common)
    ending = actions.add_parser("off", help="switch one off", parents=common)
    exporting = actions.add_parser("export", help="write one to a file", parents=common)
    for each in (using, ending, exporting):
        each.add_argument("id", type=int, help="its number in `floe adapters list`")
    exporting.add_argument("file", type=Path, help=".zip: for peft; .gguf: for llama.cpp")
    exporting.add_argument("--merged", action="store_true", help="the whole model, as one GGUF")
    for each in (listing, adding, using, ending, exporting):
        each.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    settings = settings_from(options)
    with data_folder(settings), Store(settings.database) as store:
        name = chosen_model(settings, store).name
        base = resolve_model(name, settings.models_dir)
        found, sentences = _run(options, store, settings, base)
    sys.stdout.write(json.dumps(found, ensure_ascii=False) if options.json else sentences)
    sys.stdout.write("\n")
    return 0


def _run(
    options: argparse.Namespace, store: Store, settings: Settings, base: Path
) -> tuple[dict[str, Any], str]:
    """Do what was asked; returns what `--json` prints, and the sentences."""
    adapters = Adapters(store, settings.data_dir)
    sha256 = model_sha256(store, base)
    if options.action == "add":
        brought = import_adapter(store, adapters, base, options.path, options.name)
        sentence = f"{brought.sentence} To use it: floe adapters use {brought.adapter.id}"
        return _row(brought.adapter, sha256) | {"sentence": brought.sentence}, sentence
    if options.action in ("use", "off"):
        on = options.action == "use"
        adapters.set_in_use(options.id, on, sha256)
        adapter = adapters.get(options.id)
        told = f"“{adapter.name}” is used from the next answer on." if on else "It is switched off."
        return _row(adapter, sha256), told
    if options.action == "export":
        return _export(options, adapters, sha256, base)
    rows = [_row(each, sha256) for each in adapters.all()]
    lines = [
        f"{row['id']:>4}  {row['name']}  rank {row['rank']}, strength {row['scale']:.2f}"
        f"{', in use' if row['in_use'] else ''}"
        f"{'' if row['fits'] else ', made for another base model'}"
        for row in rows
    ]
    return {"adapters": rows}, "\n".join(lines) or "There are no adapters yet."


def _export(
    options: argparse.Namespace, adapters: Adapters, sha256: str, base: Path
) -> tuple[dict[str, Any], str]:
    path: Path = options.file
    adapter = adapters.get(options.id)
    if options.merged:
        if adapter.base_sha256 != sha256:
            raise TrainingError(
                f"“{adapter.name}” was made for another base model than {base.name}. Name that one "
                "with --model."
            )
        write_merged_model(path, base, adapter.gguf, adapter.scale, adapter.name)
    elif path.suffix == ".gguf":
        adapters.export_gguf(adapter.id, path)
    else:
        adapters.export_peft(adapter.id, path)
    return {"id": adapter.id, "path": str(path), "bytes": path.stat().st_size}, f"{path}"


def _row(adapter: LearntAdapter, sha256: str) -> dict[str, Any]:
    return {
        "id": adapter.id,
        "name": adapter.name,
        "kind": adapter.kind,
        "rank": adapter.rank,
        "scale": adapter.scale,
        "in_use": adapter.in_use,
        "fits": adapter.base_sha256 == sha256,
        "made_here": "brought_in" not in adapter.metrics,
    }
