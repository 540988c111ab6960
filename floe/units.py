"""Sizes, durations and times ago as a person reads them: one spelling for page and code."""

import time
from typing import Final

DAY_SECONDS: Final = 86_400
_AGO: Final = ((DAY_SECONDS, "day"), (3_600, "hour"), (60, "minute"))


def format_bytes(count: float) -> str:
    """Write a size: `60 kB`, `1.23 MB`, `98 MB`, `1,117 MB`; units are powers of ten."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.3g} MB" if count < 1e7 else f"{count / 1e6:,.0f} MB"


def format_gigabytes(megabytes: float) -> str:
    """Write a memory size that is given in 10^6 bytes: `1.3 GB`."""
    return f"{megabytes / 1000:.1f} GB"


def format_duration(seconds: float) -> str:
    """Write a duration: `40 s`, `a minute`, `3 minutes`; at least a second."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def format_time_ago(then: float, now: float | None = None) -> str:
    """Write how long ago it was: `5 minutes ago`, `just now`.

    Both times are in seconds since the epoch; `now` None: the clock's. A time ahead of it, from a
    clock that was wrong, is `just now`.
    """
    seconds = max((time.time() if now is None else now) - then, 0)
    for size, unit in _AGO:
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
