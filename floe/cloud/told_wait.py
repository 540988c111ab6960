"""How long a server that has had enough requests says that it wants to be left alone.

Some say it in a header, Google in the body of the error (`RetryInfo`), OpenRouter there too, in the
headers that a host behind it has sent, and others in the sentence alone.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

_LONGEST_WAIT: Final = 86_400.0
"""Seconds that a server may ask to be left alone; what is more is no answer to the question."""
_DEEPEST: Final = 6
_WIDEST: Final = 8
"""Entries of a list that are looked at."""
_IN_WORDS: Final = re.compile(
    r"(?:try again|retry) (?:in|after) "
    r"(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?) ?(ms|s(?:ec(?:ond)?s?)?)\b)?",
    re.IGNORECASE,
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_MILLISECONDS_OF_AN_EPOCH: Final = 1e12


def told_wait(headers: httpx2.Headers, body: object, words: str) -> float | None:
    """Read how many seconds a server wants to be left alone; None if it does not say.

    Args:
        headers: of its answer.
        body: of the error, as it came.
        words: its message.
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return _bounded(seconds / 1000)
    told = _retry_after(headers)
    if told is None:
        told = _duration(_find(body, "retryDelay"))
    if told is None:
        told = _in_words(words)
    if told is None:
        told = _until(_find(body, "X-RateLimit-Reset"))
    return _bounded(told) if told is not None else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _number(value: object) -> float | None:
    """Read a number that is finite; None: it is none."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Read `Retry-After`: a number of seconds, or a date by the server's own clock."""
    text = headers.get("retry-after", "")
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        then = parsedate_to_datetime(text)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return (then - now).total_seconds()
    # No date, one that no calendar has, or one with a time zone and one without.
    except (ValueError, TypeError, OverflowError):
        return None


def _duration(value: object) -> float | None:
    """Read seconds as Google writes them: "34.07s"."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return _number(found[1]) if found else None


def _in_words(words: str) -> float | None:
    """Read "try again in 1m26.4s" (OpenAI, Groq) or "retry after 26 seconds" (Azure)."""
    found = _IN_WORDS.search(words)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, count, unit = found.groups()
    seconds = _number(count or 0) or 0.0
    if unit and unit.lower() == "ms":
        seconds /= 1000
    return 3600 * (_number(hours or 0) or 0.0) + 60 * (_number(minutes or 0) or 0.0) + seconds


def _until(value: object) -> float | None:
    """Read the seconds until a moment that is told in milliseconds since 1970."""
    moment = _number(value)
    if moment is None or moment < _MILLISECONDS_OF_AN_EPOCH:
        return None
    return moment / 1000 - datetime.now(UTC).timestamp()


def _find(body: object, name: str, depth: int = 0) -> object:
    """Find a field anywhere in the body of an error; None if there is none."""
    if depth > _DEEPEST:
        return None
    if isinstance(body, Mapping):
        if name in body:
            return body[name]
        parts = list(body.values())[:_WIDEST]
    elif isinstance(body, list):
        parts = body[:_WIDEST]
    else:
        return None
    return next((found for each in parts if (found := _find(each, name, depth + 1))), None)
