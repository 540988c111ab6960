"""`floe models`: models of the catalog and of a hub: list, search, fetch, verify.

floe models list                    all of the catalog, and what lies in the models folder
floe models search granite 4        repositories of the hub with GGUF files
floe models search owner/name       what one of them has, with size and sha256
floe models fetch qwen3-0.6b        of the catalog
floe models fetch owner/name:Q4_K_M of the hub, checked against the hub's own sha256
floe models verify                  hash every byte of what is here

What a fetch has received is kept when it ends early; the same command goes on from there.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from floe.adapters.personalising import why_not_personalised
from floe.cli.arguments import command_parser, settings_from
from floe.errors import FetchError, FloeError, ModelError
from floe.extras import installing_command, is_installed
from floe.llama.free_memory import free_memory
from floe.models.catalog import (
    Catalog,
    CatalogEntry,
    ModelFile,
    fetch_with_bar,
    load_catalog,
    progress_bar,
    verify,
)
from floe.models.device_fit import judge_fit
from floe.models.hub import list_hub_files, parse_hub_address, search_hub
from floe.models.listing import ListedModel, list_models
from floe.units import format_bytes

INTERRUPTED: Final = 130
"""Exit status of a command that Ctrl-C ended."""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        Exit status: 0, 1 after an error that was explained, 130 after Ctrl-C.
    """
    parser = command_parser("models", __doc__)
    parser.add_argument("command", choices=("list", "search", "fetch", "verify"))
    parser.add_argument("words", nargs="*", metavar="ID", help="ids, an address, or words")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.command == "fetch" and not options.words:
        parser.error("fetch needs at least one ID; `floe models list` shows them")
    if options.command == "search" and not options.words:
        parser.error("search needs words to search for; `floe models list` shows what is known")
    try:
        values = _run(options, settings_from(options).models_dir)
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "Stopped. What has arrived is kept; the same command goes on from there.",
            file=sys.stderr,
        )
        return INTERRUPTED
    if options.json:
        print(json.dumps(values, ensure_ascii=False))
    return 0


def _run(options: argparse.Namespace, models_dir: Path) -> dict[str, Any]:
    """Do what was asked; sentences go to stdout unless it is kept for JSON."""
    told = sys.stderr if options.json else sys.stdout
    catalog = load_catalog()
    if options.command == "list":
        rows = [_listed(model) for model in list_models(catalog, models_dir)]
        if not options.json:
            _print_list(list_models(catalog, models_dir), rows)
        return {"models": rows}
    if options.command == "search":
        return _search(" ".join(options.words), quiet=options.json)
    if options.command == "verify":
        return {"verified": _verify_all(catalog, options.words, models_dir, told)}
    files = [_wanted(word, catalog) for word in options.words]
    fetched = []
    for file in files:
        path = fetch_with_bar(file, models_dir)
        print(f"{file.id}: {path}", file=told)
        fetched.append({"id": file.id, "path": str(path), "sha256": file.sha256})
    return {"fetched": fetched}


def _listed(model: ListedModel) -> dict[str, Any]:
    fit = judge_fit(model.memory_mb, model.size, free_memory())
    against = why_not_personalised(model)
    return {
        "id": model.name,
        "title": model.title,
        "licence": model.licence or None,
        "size": model.size,
        "memory_mb": round(model.memory_mb),
        "fit": fit.verdict,
        "fit_reason": fit.sentence,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "here": model.path is not None and not model.problem,
        "path": None if model.path is None else str(model.path),
        "personalised": not against,
        "personalised_reason": against,
        "problem": model.problem,
    }


def _print_list(models: Sequence[ListedModel], rows: Sequence[dict[str, Any]]) -> None:
    for model, row in zip(models, rows, strict=True):
        print(f"{model.name}  {'(on this device)' if row['here'] else ''}".rstrip())
        print(f"    {model.title}. {model.role}".rstrip())
        known = [model.parameters and f"{model.parameters} parameters", model.architecture]
        facts = ", ".join(filter(None, [*known, model.licence]))
        print(
            f"    {facts}; file {format_bytes(model.size)}, memory {model.memory_mb:,.0f} MB: "
            f"{row['fit']}"
        )
        if row["problem"] or row["personalised_reason"]:
            print(f"    {row['problem'] or row['personalised_reason']}")
    if not is_installed("train"):
        print(f"To personalise one of them, install more: {installing_command('train')}")


def _search(words: str, *, quiet: bool) -> dict[str, Any]:
    address = parse_hub_address(words)
    if address is None:
        found = search_hub(words)
        if not quiet:
            for each in found:
                gated = ", terms to accept" if each.gated else ""
                licence = each.licence or "licence not given"
                print(f"{each.repo}  {licence}, fetched {each.downloads:,} times{gated}")
            if not found:
                print("The hub has no GGUF repository with these words.")
        rows = [
            {
                "repo": each.repo,
                "licence": each.licence or None,
                "downloads": each.downloads,
                "gated": each.gated,
            }
            for each in found
        ]
        return {"repositories": rows}
    listing = list_hub_files(address)
    if not quiet:
        print(f"{listing.repo}  {listing.licence or 'licence not given'} {listing.architecture}")
        for file in listing.files:
            print(f"    {file.id}  {format_bytes(file.size)}  sha256 {file.sha256}")
        for sentence in listing.left_out:
            print(f"    {sentence}")
    return {
        "repo": listing.repo,
        "licence": listing.licence or None,
        "architecture": listing.architecture or None,
        "files": [
            {"id": file.id, "size": file.size, "sha256": file.sha256} for file in listing.files
        ],
        "left_out": list(listing.left_out),
    }


def _wanted(word: str, catalog: Catalog) -> ModelFile:
    """Return the file of a catalog id or of a hub's address.

    Raises:
        FetchError: the address fits no file, or several.
        ModelError: there is no such id.
    """
    if "/" not in word:
        return catalog[word]
    head, _, name = word.partition("/")
    repo, _, file = name.partition("/")
    address = parse_hub_address(f"{head}/{repo}" if file and "://" not in word else word)
    if address is None:
        raise FetchError(f"{word} is no repository of the hub: it should be owner/name.")
    files = list_hub_files(address).files
    chosen = [each for each in files if each.id == word] or list(files)
    if len(chosen) > 1:
        names = ", ".join(each.filename for each in chosen[:12])
        raise FetchError(
            f"{address.repo} has several files: {names}. Say which, as in "
            f"`floe models fetch {chosen[0].id}`."
        )
    return chosen[0]


def _verify_all(catalog: Catalog, ids: Sequence[str], models_dir: Path, told: Any) -> list[str]:
    """Hash every file; the bad ones are named only after all have been hashed."""
    entries: list[CatalogEntry] = [catalog[model_id] for model_id in ids]
    present = [each for each in catalog.models if (models_dir / each.filename).exists()]
    good, bad = [], []
    for entry in entries or present:
        try:
            with progress_bar(entry.id) as progress:
                verify(entry, models_dir, progress, fresh=True)
            print(f"{entry.id}: as it should be", file=told)
            good.append(entry.id)
        except ModelError as error:
            bad.append(str(error))
    if bad:
        raise ModelError("\n".join(bad))
    return good
