"""Names that are nobody's: of a brand, of a form's specimen, of an office, of a route, of data.

By what stands beside a name, and only where it tells nothing of the speaker, of kin or of a private
matter; that is for the caller to know. Knows words and names, neither the classifier nor the verdict.
"""

from typing import Final

import regex

from floe.privacy.detection.names import Name

_NEAR: Final = 40
_SPECIMEN: Final = regex.compile(
    r"(?:john|jane|joe|j) (?:doe|roe|bloggs|public|appleseed)|(?:max|erika|lieschen) (?:mustermann|musterfrau|müller)|(?:jean|jeanne) dupont|fulano de tal|mario rossi|juan pérez|jan (?:kowalski|jansen modaal)|\p{L}+ (?:example|sample|test|specimen|mustermann|musterfrau|placeholder)",
    regex.I,
)
"""Names that forms are filled in with to show how."""
_TRADE: Final = regex.compile(
    r"\b(?:vegan|vegetarian|gluten|organic|ice cream|rice|sauce|flavou?rs?|chocolate|bourbon|whiske?y|beer|wine|tea|coffee|baking powder|boots|shoes|jeans|trainers|sneakers|guitars?|amps?|watch(?:es)?|toys?|furniture|cosmetics|shampoo|make-?up"
    r"|brands?|sells?|selling|stock(?:s|ed)?|cheaper|expensive|price[sd]?|worth (?:it|the money|buying)|buy|discontinued|made in|shops?|stores?|supermarkets?|outlets?|branches|open on|opening hours|warranty|refunds?|alternatives? to|better than|owned by|who owns|market share|logo|slogan)\b",
    regex.I,
)
"""What is bought and sold, and where."""
_ELLIPTIC: Final = regex.compile(
    r"'s?(?=\s?[?.,;:!]|\s?\Z|\s(?:an?|in|on|at|or|and|still|open|closed|cheaper|better|worth|sells?|stocks?|vegan|really|ever)\b)"
)
"""A genitive with nothing after it: "Is Wendy's open"."""
_TITLE: Final = regex.compile(
    r"(?<!\b(?:my|our|his|her|their|to|dear)\s)\b(?:dr|uncle|aunt|mr|mrs|papa|captain)\.? \Z",
    regex.I,
)
_CHOICE: Final = regex.compile(r"\ban? (?:\p{L}+ (?:or|and|vs\.?) an? )?\Z")
"""Of one's make: "a Fender or a Gibson"."""
_OFFICE: Final = regex.compile(
    r"\b(?:mayor|lord mayor|minister|prime minister|secretary|(?:local |city |town |county )?councillor|councilman|councilwoman|senator|congressman|congresswoman|governor|president|chancellor|ambassador|commissioner|(?:fire|police) chief|chief constable|sheriff|attorney general|archbishop|bishop|spokes(?:man|woman|person)|mp|mep|pm"
    r"|bürgermeister(?:in)?|minister(?:in)?|maire|ministre|alcalde(?:sa)?|ministr[oa]|burgemeester|borgmester|sindaco)(?: [\p{Ll}]+)? \Z",
    regex.I,
)
_OFFICE_AFTER: Final = regex.compile(
    r",? (?:the )?(?:mayor|minister|councillor|senator|governor|ambassador|bishop|sheriff)\b"
)
_NAMED: Final = regex.compile(
    r"\b(?:navnet|namnet|navn|(?:der|den|dem) (?:vor|nach|familien)?namen?|(?:le |du )?(?:prénom|nom)|(?:el |del )?(?:nombre|apellido)|(?:il |del )?(?:nome|cognome)|imię|nazwisko|de (?:achter|voor)?naam|the (?:sur)?name|namens|genannt|nommée?|appelée?|llamad[oa]|chiamat[oa]|chamad[oa]|genaamd|ved navn|vid namn|der hedder|som heter|"
    r"(?:im stil|à la manière|al estilo|nello stile|in de stijl|i stil)) (?:von|de|di|van|af)? ?\Z",
    regex.I,
)
"""Before what is spoken of as a name, or was given to somebody in a tale."""
_CODE: Final = regex.compile(
    r"\b(?:def|function|fn|func|class|const|let|var|public|private)\s+\w+\s*[=({:]|=>|->|\w+\s*=\s*[\[{]|\b(?:select\s.+\sfrom|insert into|update \w+ set)\s|\b(?:print|console\.log|printf|println|echo)\s?\(|</?\w+>|\b(?:sed|awk|grep|perl|regex|vim)\b",
    regex.I,
)
_ROUTE: Final = regex.compile(
    r"\W*(?:(?:the )?(?:quickest|fastest|shortest|cheapest|best) )?(?:directions|route|way|train|trains|bus|buses|flights?|ferry|ferries|tube|tram|distance|walk|drive|how (?:far|long|do i get|to get))\b",
    regex.I,
)
_FROM: Final = regex.compile(r"\s(?:from|to)\s\p{Lu}")
_SAME_PAIR: Final = regex.compile(r"\b(\p{Lu}\p{Ll}+) & \1\b")
"""A firm of two of one name: "Johnson & Johnson"."""
_EPONYM: Final = regex.compile(
    r"'s? (?:first |second |third )?(?:laws?|theorem|paradox|equation|principle|conjecture|lemma|algorithm|constant|razor|dilemma|demon|inequality|hypothesis)\b(?! (?:exam|school|degree|firm|course|suit))"
)
"""What science or a saying has of somebody: "Murphy's law"."""
_STATION: Final = regex.compile(r"\b(?:from|to|between|and|via)\s\Z", regex.I)


def is_specimen(name: str) -> bool:
    """Return whether a name is one that forms are filled in with to show how."""
    return _SPECIMEN.fullmatch(name) is not None


def is_in_office(text: str, name: Name) -> bool:
    """Return whether a public office stands before a name: what is said of it is news."""
    before = text[max(0, name.start - _NEAR) : name.start]
    return _OFFICE.search(before) is not None or _OFFICE_AFTER.match(text, name.end) is not None


def is_nobodys(text: str, name: Name, *, opening: str) -> bool:
    """Return whether a name is of a brand, a word that is spoken of, a station, or data of a program.

    opening: the text without the greeting before it. That nothing in it is of anybody's life is
    known to the caller.
    """
    before = text[max(0, name.start - _NEAR) : name.start]
    if _NAMED.search(before):
        return True
    genitive = text[name.end : name.end + 1] == "'"
    on_way = _STATION.search(before) or _FROM.match(text, name.end)
    if _ROUTE.match(opening) and on_way and not genitive:
        return True
    if name.form in ("given", "ambiguous", "small") and _CODE.search(text):
        return True
    return _EPONYM.match(text, name.end) is not None


def is_of_same_pair(text: str, name: Name) -> bool:
    """Return whether a name is one of two that are the same: "Johnson & Johnson"."""
    near = text[max(0, name.start - _NEAR) : name.end + _NEAR]
    return any(found[1] == text[name.start : name.end] for found in _SAME_PAIR.finditer(near))


def is_brand(text: str, name: Name) -> bool:
    """Return whether a name is of a firm's form, in a text of what is bought and sold."""
    before = text[max(0, name.start - _NEAR) : name.start]
    made = _TITLE.search(before) or _ELLIPTIC.match(text, name.end) or _CHOICE.search(before)
    return (made is not None or _is_of_pair(text, name, before)) and _TRADE.search(text) is not None


def _is_of_pair(text: str, name: Name, before: str) -> bool:
    """Return whether a name is one of two that "&" joins and a genitive ends: "Ben & Jerry's"."""
    first = regex.match(r" ?& ?\p{Lu}[\p{L}-]+'s?(?!\w)", text[name.end : name.end + _NEAR])
    second = regex.search(r"\p{Lu}[\p{L}.-]* ?& ?\Z", before)
    return first is not None or (second is not None and text[name.end : name.end + 1] == "'")
