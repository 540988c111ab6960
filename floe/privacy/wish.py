"""What a person says who wants a text to stay on this device. Knows strings alone."""

import re
from typing import Final

_NOT: Final = r"(?:do\ not|don['\u2019]?t|never|must\ not|may\ not|not\ to)\ (?:ever\ )?"
_THIS: Final = (
    r"(?:all\ |any\ of\ )?(?:this|that|it|these|everything|what\ i\ (?:say|said|tell\ you))"
)
_US: Final = r"(?:between\ (?:us|you\ and\ (?:me|i))|among\ us)"
_HERE: Final = r"(?:this|my)\ (?:device|computer|machine|laptop|pc|phone)"
_WISH: Final = re.compile(
    rf"""
    \b(?: (?:just|strictly|only)\ {_US}
    | between\ you\ and\ me,
    | (?:keep|leave|stays?|remains?)\ (?:{_THIS}\ )?(?:\w+\ )?{_US}
    | keep\ {_THIS}\ (?:\w+\ )?(?:strictly\ )?(?:private|secret|confidential|to\ yourself|quiet
        |here|local(?:ly)?|off\ the\ cloud|(?:on|in|within)\ {_HERE})
    | {_NOT}(?:share|send|upload|forward|leak|disclose|reveal|transmit)\ (?:{_THIS}|my\ \w+)
    | {_NOT}tell\ (?:any(?:one|body)|a\ soul|my\ \w+)
    | {_NOT}(?:use|ask|involve|contact)\ the\ cloud
    | (?:not|never)\ (?:to\ )?leave\ {_HERE}
    | (?:this|that|it)(?:\ is|['\u2019]s)\ (?:strictly\ |highly\ |very\ )?
        (?:confidential|a\ secret|private(?=\s*(?:[.,;:!)]|$)))
    | (?:strictly|highly)\ confidential
    | off\ the\ record
    | for\ your\ (?:eyes|ears)\ only
    )(?!\w)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A person's words for: this stays here. In doubt it is one; the price is a local answer."""


def find_wish(text: str) -> re.Match[str] | None:
    """Find where the writer asks for secrecy; None: nowhere."""
    return _WISH.search(text)
