"""Names of the records in a message, and readings that trust nothing about them.

train          down  config, [start]                 up  update, metrics, device
evaluate       down  config, expert, centroids       up  metrics
query.closing  down  config, experts/…, centroids    up  nothing
"""

import math
from typing import Final

from flwr.app import RecordDict

from floe.words import one_line

CONFIG: Final = "config"
START: Final = "start"
EXPERT: Final = "expert"
EXPERTS: Final = "experts/"
CENTROIDS: Final = "centroids"
UPDATE: Final = "update"
METRICS: Final = "metrics"
DEVICE: Final = "device"

_NAME_LENGTH: Final = 40


def number(content: RecordDict, key: str) -> float | None:
    """A finite number that a device reports of itself, or None."""
    record = content.metric_records.get(METRICS)
    value = record.get(key) if record is not None else None
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def own_name(content: RecordDict, otherwise: str) -> str:
    """What a device wishes to be called."""
    record = content.config_records.get(DEVICE)
    value = record.get("name") if record is not None else None
    return one_line(value)[:_NAME_LENGTH] if isinstance(value, str) and value else otherwise
