"""The automatic weight in the page: what it says of itself."""

from typing import Any

from floe.chat.preferences import Preferences
from floe.records import PoolingRule
from floe.store import Store
from floe.training.fusion_weight import kept_weight


def auto_value(store: Store, rule: PoolingRule) -> dict[str, Any]:
    """Return what `floe.auto` draws."""
    return {"on": Preferences.load(store).auto, "reason": kept_weight(store, rule).reason}
