"""The automatic weight in the page: what it says of itself."""

from typing import Any

from floe.personal.weight import kept_weight
from floe.preferences import Preferences
from floe.records import Rule
from floe.store import Store


def auto_value(store: Store, rule: Rule) -> dict[str, Any]:
    """What `floe.auto` draws."""
    return {"on": Preferences.load(store).auto, "reason": kept_weight(store, rule).reason}
