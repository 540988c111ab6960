"""Models as the page shows them: facts, whether they fit, and why not."""

from pathlib import Path

from floe.adapters.personalising import why_not_architecture, why_not_personalised
from floe.application import Application
from floe.extras import installing_command, is_installed
from floe.jobs.hub_search import HubSearchJob
from floe.jobs.model_download import DownloadView
from floe.llama.build import read_build
from floe.llama.free_memory import FreeMemory, free_memory
from floe.llama.runtime import LlamaModel
from floe.models.catalog import ModelFile, load_catalog
from floe.models.device_fit import guess_memory_mb, guess_speed, judge_fit
from floe.models.download import file_size
from floe.models.listing import ListedModel, describe_file, list_models
from floe.ui.models.models_values import (
    HubValue,
    ModelChipValue,
    ModelDownloadValue,
    ModelRowValue,
    ModelsValue,
)
from floe.units import format_bytes


def chip_value(application: Application) -> ModelChipValue:
    """Return the model in use, or the one that is being loaded."""
    switching = application.model_switch.name
    return {
        "name": _short(switching or application.settings.model),
        "loading": bool(switching),
    }


def models_value(application: Application) -> ModelsValue:
    """Return all that the view draws."""
    model, free = application.assistant.model, free_memory()
    download = application.model_download.view()
    switching = application.model_switch.name
    catalog, folder = load_catalog(), application.settings.models_dir
    listed = list_models(catalog, folder)
    if model.path.resolve() not in {each.path.resolve() for each in listed if each.path}:
        listed.insert(0, describe_file(model.path))
    rows = [
        _row(application, each, free, fetching=download is not None and download.file == each.file)
        for each in listed
    ]
    return {
        "in_use": next((row["title"] for row in rows if row["in_use"]), model.name),
        "note": application.model_note,
        "switching": _short(switching),
        "options": [list(each) for each in model.options],
        "build": read_build().sentence,
        "stand_in": f"{application.stand_in.name}: {application.stand_in.reason}",
        "rows": rows,
        "download": None if download is None else _download(download),
        "hub": _hub(application.hub_search, model, free),
    }


def _row(
    application: Application, listed: ListedModel, free: FreeMemory, *, fetching: bool
) -> ModelRowValue:
    model = application.assistant.model
    here = listed.path is not None and not listed.problem
    in_use = listed.path is not None and listed.path.resolve() == model.path.resolve()
    kept = application.why_kept(listed.path) if listed.path is not None else ""
    inside = listed.path is not None and (
        listed.path.absolute().parent.resolve() == application.settings.models_dir.resolve()
    )
    against = why_not_personalised(listed)
    fit = judge_fit(listed.memory_mb, listed.size, free)
    size = format_bytes(listed.size) if listed.size else ""
    parameters = f"{listed.parameters} parameters" if listed.parameters else ""
    licence = listed.licence or "licence not given"
    return {
        "name": listed.name,
        "title": listed.title,
        "role": listed.problem or listed.role,
        "facts": " · ".join(filter(None, [parameters, size, licence])),
        "fit": "unknown" if listed.problem else fit.verdict,
        "memory": "in memory now" if in_use else fit.sentence,
        "speed": _speed(listed.size, model),
        "personal": not against,
        "personal_reason": against,
        "personal_missing": "" if is_installed("train") else installing_command("train"),
        "here": here,
        "in_use": in_use,
        "fetching": fetching,
        "can_fetch": listed.file is not None and not here,
        "can_drop": inside and not kept,
        "kept_reason": "" if in_use else kept,
    }


def _hub(search: HubSearchJob, model: LlamaModel, free: FreeMemory) -> HubValue:
    listing = search.listing
    against = "" if listing is None else why_not_architecture(listing.architecture)
    return {
        "query": search.query,
        "sentence": search.sentence,
        "running": search.running,
        "repositories": [
            {
                "repo": each.repo,
                "facts": " · ".join(
                    filter(
                        None,
                        [
                            each.licence or "licence not given",
                            f"fetched {each.downloads:,} times",
                            "its terms have to be accepted at the hub" if each.gated else "",
                        ],
                    )
                ),
            }
            for each in search.repositories
        ],
        "repo": "" if listing is None else listing.repo,
        "repo_facts": ""
        if listing is None
        else " · ".join(
            filter(None, [listing.licence or "licence not given", listing.architecture, against])
        ),
        "files": []
        if listing is None
        else [_hub_file(file, model, free) for file in listing.files],
        "left_out": [] if listing is None else list(listing.left_out),
    }


def _hub_file(file: ModelFile, model: LlamaModel, free: FreeMemory) -> ModelRowValue:
    fit = judge_fit(guess_memory_mb(file.size), file.size, free)
    return {
        "name": file.id,
        "title": file.filename,
        "role": "",
        "facts": format_bytes(file.size),
        "fit": fit.verdict,
        "memory": fit.sentence,
        "speed": _speed(file.size, model),
        "personal": True,
        "personal_reason": "",
        "personal_missing": "",
        "here": False,
        "in_use": False,
        "fetching": False,
        "can_fetch": True,
        "can_drop": False,
        "kept_reason": "",
    }


def _download(view: DownloadView) -> ModelDownloadValue:
    return {
        "name": view.file.filename,
        "state": view.state,
        "sentence": view.sentence,
        "share": min(view.done / max(view.total, 1), 1.0),
    }


def _speed(size: int, model: LlamaModel) -> str:
    """Guess from the model in use, which was timed when it was loaded."""
    known = file_size(model.path)  # 0: somebody has deleted it meanwhile
    if model.step_seconds is None or not size or not known:
        return ""
    speed = guess_speed(size, known, model.step_seconds)
    return (
        f"about {speed:.2g} tokens a second"
        if speed < 10
        else f"about {speed:,.0f} tokens a second"
    )


def _short(name: str) -> str:
    return Path(name).stem if "/" in name else name
