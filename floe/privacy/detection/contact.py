"""Phone numbers of any country, e-mail addresses that hide their sign.

A phone number is told from other digits by how it is grouped and by the words before it.
"""

import re

import regex

from floe.privacy.detection.rules import Rule, RuleSet, compiled

_DIGITS = compiled(
    r"""
    (?<! [\w@#$€£] | [\w] [.:/-] | \d , | \d \s )
    (?P<x>
      (?: \+ | 00 )? [\s.-]? \(? \+? \d (?: [\s.()/–-]{0,3} \d ){5,16}
      (?: [\s,]* (?: x | ext(?:ension)?\.? | durchwahl | poste ) [\s.:#]* \d{1,6} )?
    )
    (?! \w | [.,:]\d | \s?[%°$€£] )
    """
)

_SPOKEN_OF = compiled(
    r"""
    \b (?: phones? | tele(?:ph|f)\w* | tel | tlf | fon | handy\w* | mobil\w* | m[oó]vil | cell\w*
      | fax | whats\s?app | signal | sms | pager | hotline | landline | voicemail | portable
      | call(?:s|ed|ing)? | calls | dial\w* | ring | rang | texted | texts? (?=\s+(?:me|him|her|us))
      | messages? | answering | answers | reach(?:ed|able|ing)? | contact\w* | registered
      | anruf\w* | ruf\w* | nummer | num[eé]ro | n[uú]mero | ll[aá]m\w+ | appel\w+ | joindre
      | (?: my | his | her | their | your | our | whose | new | old | work | home | office
          | 's | s' ) \s (?:\w+\s)? numbers? | number \s (?: is | was ) | numbers?: )
    (?! \w )
    """
)
_LEADS_TO = compiled(
    r"(?: \b(?: at | to | on | unter | auf | au | al | sur | en | under | try | text"
    r" | block ) | :) \s* \Z"
)
_QUANTITY_BEFORE = re.compile(
    r"\b(?:what(?:'s| is| are)|how (?:much|many) is|about|approximately|around|roughly|nearly"
    r"|almost|over|than|times|plus|minus|divided by|multiplied by|equals?|sum of"
    r"|population(?: of| is)?|exactly|total(?: of)?|factors? of|root of|cost|price|worth"
    r"|paid)\s*\Z",
    re.I,
)
_QUANTITY_AFTER = re.compile(
    r"\s*(?:[*+/=×÷^²³]|(?:m/s|km|kg|mm|cm|m|g|l|ft|miles?|years?|people|inhabitants|dollars?"
    r"|euros?|pounds?|usd|eur|gbp|bytes?|bits?|times|plus|minus|divided|in words|\w{4,}s)\b)",
    re.I,
)
_DATE = re.compile(
    r"(?:\d{4}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?\d{1,2}"
    r"|\d{1,2}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?(?:\d{4}|\d\d))"
    r"(?!\d)(?![-.]\d)"
)
_YEARS = re.compile(r"[12]\d{3}\s?[-–/ ]\s?[12]\d{3}")
_MEASURED = re.compile(
    r"\(?\s*\d*\.\d{2,}(?:[\s,–-]+\d*\.\d{2,})+\s*\)?"  # 0.307 to 0.588
    r"|\(?\d+\.\d\s?[-–]\s?\d+\.\d\)?"
    r"|[1-9]\d{3,5}\s?[-–]\s?[1-9]\d{3,5}(?<=000)"  # 20000-30000
    r"|.*\((?:1[5-9]|20)\d\d\)?|\(?(?:1[5-9]|20)\d\d\)?\s?\(.*"  # 323 U.S. 214 (1944)
)
"""Two measured values, a span of round amounts, or a year in brackets."""
_ERA = re.compile(
    r"(?:\b(?:ad|bc|ce|bce|c\.|ca\.|circa)|dynasty|period|empire|kingdom)\s*\(?\s*\Z", re.I
)
_ERA_YEARS = re.compile(r"\d{3,4}\s?[-–]\s?\d{3,4}")
_EXTENSION = re.compile(r"[\s,]*[a-z].*", re.I)
_OTHER_NUMBER = re.compile(
    r"\b(?:isbn|issn|doi|arxiv|rfc|iso|version|build|order|invoice|patent|equation|digits?|pi|prime"
    r"|ean|barcode|sku)\b\W*(?:(?:number|no|nr|is|of|the)\b\W*){0,2}\Z",
    re.I,
)


def _is_phone(match: regex.Match[str]) -> bool:
    """Whether digits are grouped as a phone number, or named as one."""
    text = _EXTENSION.sub("", match["x"]).strip()
    before = match.string[max(0, match.start("x") - 60) : match.start("x")]
    digits = re.sub(r"\D", "", text)
    one_digit = len(set(digits)) == 1
    if not 7 <= len(digits) <= 15 or one_digit or _is_something_else(text, before):
        return False
    if text.startswith(("+", "00", "(+")) and len(digits) >= 8:
        return True
    if _SPOKEN_OF.search(before):
        return True
    quantity = _QUANTITY_AFTER.match(match.string, match.end("x")) or _QUANTITY_BEFORE.search(
        before
    )
    return not quantity and _is_grouped(text, digits, before)


def _is_something_else(text: str, before: str) -> bool:
    """Return whether it is a date, two years, an ISBN and the like."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", text) or _MEASURED.fullmatch(text) or "\n" in text:
        return True
    if _ERA.search(before) and _ERA_YEARS.fullmatch(text.strip(" ()")):
        return True
    dated = _DATE.match(text) or _YEARS.fullmatch(text.strip(" ()"))
    return bool(dated or _OTHER_NUMBER.search(before))


def _is_grouped(text: str, digits: str, before: str) -> bool:
    """Whether the grouping alone, with nothing said of a phone, speaks for one."""
    groups = [group for group in re.split(r"\D+", text) if group]
    lengths = [len(group) for group in groups]
    if "(" in text and ")" in text:
        return lengths[0] <= 5
    if digits[0] == "0":
        long_enough = 9 if len(groups) == 1 else 8
        return len(digits) >= long_enough and max(lengths) <= 11 and "." not in text[:2]
    listing = len(groups) > 5 and max(lengths) <= 2 and "-" not in text
    if len(groups) == 1 or "," in text or listing or _is_book(digits):
        return False
    if _is_amount_or_series(text, groups):
        return bool(_LEADS_TO.search(before)) and not digits.endswith("000")
    if len(groups) == 2:
        return tuple(lengths) in _PAIRS and "." not in text
    return lengths.count(1) <= 1 and len(digits) / len(groups) >= 2 and max(lengths) <= 6


_PAIRS = {(3, 4), (4, 4), (3, 6), (2, 6), (2, 7), (5, 5), (4, 6), (3, 7), (5, 6)}


def _is_book(digits: str) -> bool:
    """Return whether it is an ISBN."""
    return len(digits) == 13 and digits[:3] in {"978", "979"}


def _is_amount_or_series(text: str, groups: list[str]) -> bool:
    """1 234 567, 36 000 000, or 10 20 30 40."""
    if "-" in text:
        return False
    lengths = [len(group) for group in groups]
    numbers = [int(group) for group in groups]
    rising = len(groups) > 3 and numbers == sorted(numbers)
    thousands = lengths[0] == 1 and all(length == 3 for length in lengths[1:])
    return rising or thousands or groups[-1].endswith("000")


_HIDDEN_MAIL = compiled(
    r"""
    (?<! [\w.+-] ) [\w.+-]++ \s? (?: \(at\) | \[at\] | \{at\} | \s at \s ) \s?
    [\w-]+ (?: \s? (?: \(dot\) | \[dot\] | \s dot \s ) \s? [\w-]+ )+ \b
    """
)

CONTACT = RuleSet(
    [
        Rule("phone", _DIGITS, 0.8, _is_phone),
        Rule("e-mail", _HIDDEN_MAIL, 0.8),
    ],
)
