"""Names of the records in a message, and readings that trust nothing about them.

train          down  config, [start]                 up  update, metrics, device
evaluate       down  config, expert, centroids       up  metrics
query.closing  down  config, experts/…, centroids    up  nothing
"""

import math
from typing import Final

from flwr.app import RecordDict

from floe.store.text import one_line

CONFIG: Final = "config"
START: Final = "start"
EXPERT: Final = "expert"
EXPERTS: Final = "experts/"
CENTROIDS: Final = "centroids"
UPDATE: Final = "update"
METRICS: Final = "metrics"
DEVICE: Final = "device"

_NAME_LENGTH: Final = 40
_LARGEST: Final = 1e15


def number(content: RecordDict, key: str) -> float | None:
    """Read a finite number that a device reports of itself, or None."""
    record = content.metric_records.get(METRICS)
    value = record.get(key) if record is not None else None
    # A whole number may be beyond any float, and no loss is.
    if isinstance(value, int | float) and abs(value) < _LARGEST and math.isfinite(value):
        return float(value)
    return None


def own_name(content: RecordDict, otherwise: str) -> str:
    """Read the name that a device wishes to have."""
    record = content.config_records.get(DEVICE)
    value = record.get("name") if record is not None else None
    name = plain_text(value, _NAME_LENGTH) if isinstance(value, str) else ""
    return name or otherwise


def plain_text(text: str, length: int) -> str:
    """Reduce a stranger's words to one line that moves no terminal's cursor and turns no text."""
    return "".join(filter(str.isprintable, one_line(text[: 4 * length])))[:length]
