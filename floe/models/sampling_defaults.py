"""The settings of sampling that hold until a person chooses others, and where they come from."""

from collections.abc import Mapping
from typing import NamedTuple

from floe.config import Settings
from floe.records import Sampling


class SamplingDefaults(NamedTuple):
    """Settings and the reason for them, a sentence that is shown."""

    sampling: Sampling
    reason: str


def sampling_defaults(settings: Settings, metadata: Mapping[str, str]) -> SamplingDefaults:
    """Choose for the model that the settings name.

    Args:
        settings: the model.
        metadata: of the model's file.
    """
    del settings, metadata
    return SamplingDefaults(Sampling(), "Always the likeliest token.")
