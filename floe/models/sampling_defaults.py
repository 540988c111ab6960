"""The settings of sampling that hold until a person chooses others, and where they come from.

Floe's own < what the model's authors recommend (the catalog, else the file itself) < `floe.toml`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final, NamedTuple

from pydantic import ValidationError

from floe.config import Settings
from floe.models.catalog import load_catalog
from floe.records import Sampling
from floe.sampling_choices import SamplingChoices

GENERAL: Final = Sampling(
    repeat_penalty=1.05, dry_multiplier=0.8, dry_allowed_length=5, dry_breakers=()
)
"""Of a model of which nothing is known: greedy, with penalties that end loops (measured in
docs/sampling.md). No breakers, because small models loop over whole lines; so passages count from
six tokens on, since lists and code repeat shorter ones rightly."""

_IN_FILE: Final = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_k": "top_k",
    "general.sampling.top_p": "top_p",
    "general.sampling.min_p": "min_p",
    "general.sampling.penalty_repeat": "repeat_penalty",
    "general.sampling.penalty_last_n": "penalty_last_n",
}
"""What converters write into a GGUF of the authors' generation_config.json."""


class SamplingDefaults(NamedTuple):
    """Settings and the reason for them, a sentence that is shown."""

    sampling: Sampling
    reason: str


def sampling_defaults(settings: Settings, metadata: Mapping[str, str]) -> SamplingDefaults:
    """Choose for the model that the settings name.

    Args:
        settings: the model, and the person's own choices in `floe.toml`.
        metadata: of the model's file.
    """
    entry = load_catalog().find(settings.model)
    if entry is not None and entry.sampling is not None:
        sampling, reason = entry.sampling.settings.over(GENERAL), entry.sampling.reason
    elif recommended := _in_file(metadata):
        sampling = SamplingChoices(**recommended).over(GENERAL)
        reason = "The model's file recommends these settings."
    else:
        sampling = GENERAL
        reason = "Nothing is known of what this model needs, so these are Floe's own settings."
    own = settings.sampling.chosen
    if own:
        names = ", ".join(name.replace("_", " ") for name in own)
        return SamplingDefaults(replace(sampling, **own), f"{reason} From your settings: {names}.")
    return SamplingDefaults(sampling, reason)


def _in_file(metadata: Mapping[str, str]) -> dict[str, float]:
    """Return what a GGUF says, as far as it can be meant."""
    found: dict[str, float] = {}
    for key, name in _IN_FILE.items():
        with suppress(ValueError, ValidationError):
            value = float(metadata[key]) if key in metadata else None
            if value is not None:
                checked = SamplingChoices.model_validate({name: value}).chosen
                found |= checked
    return found
