"""The automatic weight in the page: what it says of itself."""

from floe.chat.preferences import Preferences
from floe.records import PoolingRule
from floe.store import Store
from floe.training.fusion_weight import kept_weight
from floe.ui.page_values import AutoWeightValue


def auto_value(store: Store, rule: PoolingRule, weighed: str = "") -> AutoWeightValue:
    """Return what `floe.auto` draws.

    Args:
        store: has the weights and their reasons.
        rule: how the two distributions are pooled.
        weighed: what the answer in the making goes by, where that is another weight than the
            slider's (`AnswerStats.weighed`).
    """
    reason = kept_weight(store, rule).reason
    now = f"This answer: {weighed}. " if weighed else ""
    return {"on": Preferences.load(store).auto, "reason": f"{now}{reason}"}
