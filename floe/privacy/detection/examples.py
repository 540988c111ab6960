"""Values that writers of manuals and tests use: numbers of no card, streets that everybody knows.

Knows values only, not where they stand.
"""

from typing import Final

import regex

_NUMBERS: Final = frozenset(
    [
        "4111111111111111",
        "4242424242424242",
        "4012888888881881",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "30569309025904",
        "38520000023237",
        "3530111333300000",
        "3566002020360505",
        "123456789",
        "987654321",
        "078051120",
        "219099999",
        "457555462",
        "1234567890",
        "0123456789",
    ]
)
"""Test cards of payment firms, invalid social security numbers."""

_PUBLIC_STREETS: Final = regex.compile(
    r"(?:1600 (?:amphitheatre|pennsylvania)|1 infinite loop|1 apple park|(?:one|1) microsoft way|10 downing"
    r"|221 ?b baker|742 evergreen|350 (?:5th|fifth) ave|4 privet|12 grimmauld|11 wall st|405 lexington)",
    regex.I,
)
_EXAMPLE_STREETS: Final = regex.compile(
    r"(?:1|12|123|1234|12345|100|456|789) (?:main|any|example|sample|fake|first|elm|oak)\b"
    r"|muster(?:stra(?:ß|ss)e|str\.|weg|allee)|(?:ul\. |ulica )?przykładowa|rue de l'exemple|calle (?:falsa|ejemplo)"
    r"|via (?:esempio|dell'esempio)|voorbeeldstraat|exempelgatan|rua (?:exemplo|do exemplo)|mintautca|minta utca",
    regex.I,
)


def is_example(value: str) -> bool:
    """Return whether a value stands in manuals, or is a street that everybody knows."""
    return (
        regex.sub(r"[\W_]", "", value) in _NUMBERS
        or _PUBLIC_STREETS.match(value) is not None
        or _EXAMPLE_STREETS.match(value) is not None
    )
