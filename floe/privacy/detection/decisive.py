"""Signs that decide by themselves: identifiers, contacts, addresses and secrets of every module.

What a firm prints, what is reserved and when somebody known was born is taken out. Knows neither
the classifier nor the verdict.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

import regex

from floe.privacy.detection.addresses import ADDRESSES
from floe.privacy.detection.codes import find_codes
from floe.privacy.detection.contact import CONTACT
from floe.privacy.detection.identifiers import find_identifiers, is_reserved_phone
from floe.privacy.detection.labels import find_labelled
from floe.privacy.detection.names import find_names
from floe.privacy.detection.numbers import NUMBERS
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.secrets import Secrets
from floe.privacy.detection.spelled_codes import find_spelled_codes

_TOLL_FREE: Final = regex.compile(
    r"\+?1?(?:800|888|877|866|855|844|833)\d{7}|0?0?800\d{4,9}|\+?\d{2}800\d{5,8}"
)
_ADVERTISED: Final = regex.compile(
    r"\b(?:call|contact|phone|ring|visit|reach|text) us\b[^.?!\n]{0,30}\Z", regex.I
)
_SHOP: Final = regex.compile(
    r"\b(?:our (?:website|store|shop|showroom|menu)|visit us|quote|customers?|opening hours|appointments?|specializ\w+|services?|discounts?|delivery|reservations?)\b",
    regex.I,
)
"""With a number to call "us", this is a firm that wants to be called."""
_TOWN: Final = regex.compile(
    r",?\s*(?:[A-Z]{1,2}-)?(?:\d{4,6}|\d{2}-\d{3}|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})\s+\p{Lu}[\p{L}-]+"
    r"|,?\s+\p{Lu}[\p{L}-]+(?:,\s*[A-Z]{2})?,?\s+(?:\d{5}|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})\b"
)
_BORN_OF_NOBODY: Final = regex.compile(
    r"\b(?:who|which|what|famous|celebrit\w+|someone|people|anyone|when do you|when does)\b",
    regex.I,
)


@cache
def _secrets() -> Secrets:
    return Secrets()


def hard_signs(text: str) -> list[Sign]:
    """Return identifiers, contacts, addresses and secrets that decide by themselves."""
    found: list[Sign] = []
    for sign in _all_signs(text):
        value = text[sign.start : sign.end]
        if sign.kind == "phone":
            digits = regex.sub(r"\D", "", value)
            if is_reserved_phone(digits) or _TOLL_FREE.fullmatch(digits):
                continue
            if _ADVERTISED.search(text[max(0, sign.start - 40) : sign.start]) and _SHOP.search(
                text
            ):
                continue
        if sign.kind == "birth date" and _is_born_in_public(text, sign.start):
            continue
        found.append(_with_town(text, sign) if sign.kind == "address" else sign)
    return found


def _is_born_in_public(text: str, start: int) -> bool:
    """Return whether a birth date is asked for of anybody, or stands beside a public person."""
    if _BORN_OF_NOBODY.search(text[:start]):
        return True
    before = text[max(0, start - 120) : start]
    return any(name.form == "public" for name in find_names(before))


def _with_town(text: str, sign: Sign) -> Sign:
    """Return a street together with the postcode and the town after it."""
    town = _TOWN.match(text, sign.end)
    return sign._replace(end=town.end()) if town else sign


def _all_signs(text: str) -> Iterator[Sign]:
    yield from find_identifiers(text)
    yield from find_codes(text)
    yield from find_spelled_codes(text)
    yield from find_labelled(text)
    yield from CONTACT.find(text)
    yield from ADDRESSES.find(text)
    yield from NUMBERS.find(text)
    yield from _secrets().find(text)
