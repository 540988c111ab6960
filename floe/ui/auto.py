"""The automatic weight in the page: what it says of itself, and when it is fitted anew."""

import logging
import threading
from typing import Any

from floe.errors import FloeError
from floe.personal.weight import fit_is_due, fit_on_rewritten, fitted_on_answers, kept_weight
from floe.records import Rule
from floe.store import Store
from floe.ui.learning import LearningChoices
from floe.ui.preferences import Preferences

logger = logging.getLogger(__name__)


def auto_value(store: Store, rule: Rule) -> dict[str, Any]:
    """What `floe.auto` draws."""
    return {"on": Preferences.load(store).auto, "reason": kept_weight(store, rule).reason}


def fit_soon(store: Store, rule: Rule) -> None:
    """Fit in a thread of its own, if enough has been rewritten since the last time.

    Not where whole answers say more, and the person wants them to.
    """
    stays = fitted_on_answers(store, rule) and LearningChoices.load(store).ask_cloud
    if fit_is_due(store) and not stays:
        threading.Thread(target=_fit, args=[store, rule], name="weight", daemon=True).start()


def _fit(store: Store, rule: Rule) -> None:
    try:
        logger.info("the weight was fitted anew: %s", fit_on_rewritten(store, rule).reason)
    except FloeError as error:
        logger.warning("the weight stays as it was: %s", error)
