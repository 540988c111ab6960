"""The choice of the cloud: set from outside (flag, environment, file), or made in the page."""

from dataclasses import asdict, dataclass
from typing import Final

from floe.cloud.credentials.presets import preset_of
from floe.config import Settings
from floe.store import Store

SETTING: Final = "endpoint"
"""Where the store keeps what was chosen in the page; never the key."""


@dataclass(frozen=True, slots=True)
class EndpointChoice:
    """One cloud.

    `base_url` is an address, "stand-in" or "off"; an empty `model` is the first that is listed;
    `preset` is the id that the page shows.
    """

    base_url: str
    model: str = ""
    preset: str = "custom"


def first_choice(settings: Settings, store: Store | None) -> EndpointChoice:
    """Choose the cloud to start with: settings from outside come before what the page remembers."""
    set_outside = "cloud" in settings.model_fields_set
    kept = store.setting(SETTING, None) if store is not None and not set_outside else None
    if kept is not None:
        return EndpointChoice(**kept)
    return EndpointChoice(settings.cloud, settings.cloud_model, preset_of(settings.cloud).id)


def keep_choice(store: Store, choice: EndpointChoice) -> None:
    """Remember it for the next start."""
    store.set_setting(SETTING, asdict(choice))
