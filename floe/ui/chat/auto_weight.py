"""The automatic weight in the page: what it says of itself."""

from floe.chat.preferences import Preferences
from floe.records import PoolingRule
from floe.store import Store
from floe.training.fusion_weight import kept_weight
from floe.ui.page_values import AutoWeightValue


def auto_value(store: Store, rule: PoolingRule) -> AutoWeightValue:
    """Return what `floe.auto` draws."""
    return {"on": Preferences.load(store).auto, "reason": kept_weight(store, rule).reason}
