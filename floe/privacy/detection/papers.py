"""Whether a text is a paper of somebody's own: a letter, a mail, a chat, minutes, a CV.

Whatever is asked about such a text, it was pasted from somebody's life, and whom it names did not
agree. It may be made up, so that this never decides alone that a text is private, but that the
person is asked. Knows names and layout, neither the classifier nor what follows.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import regex

from floe.privacy.detection.names import Name

_LONG: Final = 160
_TASK: Final = 80
"""Characters at either end of a text in which it says that it is made up, or is to be."""
_SEVERAL: Final = 2
_TIMEOUT: Final = 1.0
_INVENTED: Final = regex.compile(
    r"\b(?:stor(?:y|ies)|poem|novel|characters?|scene|screenplay|script|sketch|sitcom|movie|film|episode|fiction\w*|fictional"
    r"|role-?play|act as|pretend|imagine|template|sample|placeholder|joke|theatre|(?:a|the|this) play|premise|hypothesis)\b",
    regex.I,
)
_TITLE: Final = (
    r"(?:(?:mr|mrs|ms|miss|dr|prof|professor|herrn?|frau|madame|monsieur|m|mme|señora?|sra?"
    r"|signora?|dott|meneer|mevrouw|pan[ai]?|aunt|uncle|mr and mrs)\b\.?\s)?"
)
_GREETS: Final = regex.compile(
    rf"(?:^|[:\"'“>]|[.!?]\s)[^\S\n]*(?:my )?(?:dearest|dear|hi|hello|hey|good (?:morning|evening|afternoon)|hallo|liebe[rs]?|sehr geehrte[rs]?"
    rf"|guten tag|ch[eè]re?|bonjour|estimad[oa]|querid[oa]|hola|car[oa]|gentile|ciao|prezad[oa]|olá|beste|geachte|droga?i?|szanown\w+)\s"
    rf"(?P<title>{_TITLE})(?P<x>\p{{L}}[\p{{L}}'-]+)",
    regex.I | regex.M,
)
_CLOSES: Final = regex.compile(
    r"\b(?:(?:best|kind|warm(?:est)?|many)\s(?:regards|wishes|thanks)|regards|sincerely|faithfully|respectfully|yours(?: truly)?|best|cheers|love|hugs|thanks"
    r"|thank you|lg|vg|mfg|mit freundlichen grüßen|(?:viele|liebe|beste) grüße|cordialement|bien à vous|amitiés|bises|un saludo|saludos|un abrazo"
    r"|cordiali saluti|un saluto|atenciosamente|groet(?:en|jes)?|pozdrawiam)"
    r"[\s,.!–-]{1,6}(?P<x>\p{L}[\p{L}'-]+)",
    regex.I,
)
_HEADER: Final = regex.compile(
    r"(?:^|\s)>?\s?(?P<x>from|to|cc|subject|sent|date|re|von|an|betreff|gesendet|de|à|objet|envoyé|para|asunto|enviado)\s?:\s\S",
    regex.I,
)
_QUOTED: Final = regex.compile(
    r"\bwrote\s?:|\bschrieb[^\n:]{0,60}:|\ba écrit\s?:|^>\s?\p{L}+(?:[ ,]+\p{L}+){2}",
    regex.I | regex.M,
)
_SPEAKS: Final = regex.compile(
    r"(?:^|[.!?…\"]\s{1,3}|\]\s?|-\s)(?P<x>\p{L}[\p{L}'.-]*(?:\s\p{Lu}[\p{L}'.-]*)?)\s?:\s?(?=\S)",
    regex.M,
)
_MINUTES: Final = regex.compile(
    r"\b(?:attendees|present|apologies|absent|participants|minutes|in the room|on the call|action items|actions|anwesend|teilnehmer\w*"
    r"|présents|asistentes|presenti)\b[^\n:]{0,24}:",
    regex.I,
)
_OWN_PAPER: Final = regex.compile(
    r"\b(?:resume|résumé|cv|curriculum vitae|lebenslauf|cover letter|motivation letter|personal statement|statement of purpose|recommendation|reference (?:letter|for)"
    r"|testimonial|eulogy|obituary|performance review|appraisal|linkedin (?:profile|summary|about|bio|headline|post|page)|(?-i:visa)|embassy|affidavit|tenancy|lease|agreement|contract|power of attorney"
    r"|last will|testament|medical report|discharge letter|school report|bewerbung|zeugnis|vertrag)\b",
    regex.I,
)
_MY_PAPER: Final = regex.compile(
    r"\b(?:my|our|mein\w*|mon|ma|mi|mio|mia|meu|minha|mijn)\s(?:[\w-]+\s){0,2}(?:resume|résumé|cv|lebenslauf|cover letter|statement|visa|application|profile|linkedin"
    r"|bio|biography|scholarship|bewerbung|candidature|demande|solicitud|candidatura)\b",
    regex.I,
)
_THIS: Final = regex.compile(
    r"\b(?:this|following|attached|below|enclosed|my|our|mein\w*|mon|ma|mi|mio|mia|meu|minha|mijn)\s(?:[\w-]+\s){0,2}\Z",
    regex.I,
)
_LIFE: Final = regex.compile(
    r"\b(?P<x>born|raised|grew up|studied|graduated|degree|diploma|worked|work(?:ing)? (?:at|for|as)|employed|married|divorced|children|years? (?:of|as|in|at)"
    r"|geboren|studiert|gearbeitet|arbeite|né|née|étudié|travaillé|nacido|nacida|estudié|trabajé|trabajo)\b",
    regex.I,
)
_HEADING: Final = regex.compile(
    r"^\W{0,4}(?P<x>(?:work |professional )?experience|employment(?: history)?|work history|education|training|skills|languages|references|profile|certifications?"
    r"|berufserfahrung|ausbildung|kenntnisse|formation|expérience|experiencia|formación)\b[^\n]{0,12}(?:\n|:)",
    regex.I | regex.M,
)
_YEAR: Final = regex.compile(r"\b(?:19|20)\d\d\b")


def is_paper_of_somebody(text: str, names: Sequence[Name]) -> bool:
    """Return whether a text looks like somebody's own paper and names a person who is not public."""
    if _is_cv(text) or _tells_a_life(text):
        return True
    people = [name for name in names if name.form in ("full", "given", "small", "ambiguous")]
    if not people or _INVENTED.search(text[:_TASK]) or _INVENTED.search(text[_TASK:][-_TASK:]):
        return False
    names = sorted(names, key=lambda name: name.start)
    people.sort(key=lambda name: name.start)
    full = any(name.form == "full" for name in people)
    if full and any(_is_what_it_is(text, found) for found in _OWN_PAPER.finditer(text)):
        return True
    return (
        _is_letter(text, names)
        or _is_mail(text)
        or _is_chat(text, names)
        or any(_stands_after(match.end(), people) for match in _MINUTES.finditer(text))
    )


def _is_what_it_is(text: str, found: "regex.Match[str]") -> bool:
    """Whether a word names the text itself: at its head or end, or beside "my" or "this".

    Deep in a long text somebody's contract or visa is a part of what is told.
    """
    near = min(found.start(), len(text) - found.end()) <= _LONG
    return near or _THIS.search(text[max(0, found.start() - 40) : found.start()]) is not None


def _is_cv(text: str) -> bool:
    """Two headings of a curriculum vitae, and two years: whose it is, its head may not say."""
    headings = {found["x"].lower() for found in _HEADING.finditer(text, timeout=_TIMEOUT)}
    return len(headings) >= _SEVERAL and len(_YEAR.findall(text)) >= _SEVERAL


def _tells_a_life(text: str) -> bool:
    """Two stations of a life, one of them dated, for a paper that the person calls their own."""
    if not _MY_PAPER.search(text) or not _YEAR.search(text):
        return False
    stations = {found["x"].lower() for found in _LIFE.finditer(text, timeout=_TIMEOUT)}
    return len(stations) >= _SEVERAL


def _is_letter(text: str, names: Sequence[Name]) -> bool:
    """Whether a text greets and closes by name, or does one of them and is of some length."""
    greets = any(
        _is_name(found, names) or bool(found["title"])
        for found in _GREETS.finditer(text, timeout=_TIMEOUT)
    )
    closes = any(_is_name(found, names) for found in _CLOSES.finditer(text, timeout=_TIMEOUT))
    return (greets and closes) or ((greets or closes) and len(text) >= _LONG)


def _is_mail(text: str) -> bool:
    """Two lines of a mail's head, or what somebody wrote before."""
    heads = {found["x"].lower() for found in _HEADER.finditer(text, timeout=_TIMEOUT)}
    return len(heads) >= _SEVERAL or (
        _QUOTED.search(text, timeout=_TIMEOUT) is not None and len(text) >= _LONG
    )


def _is_chat(text: str, names: Sequence[Name]) -> bool:
    """Two that speak in turns, or one beside the person ("Me:"), by names that may be such."""
    speakers: dict[str, bool] = {}
    for found in _SPEAKS.finditer(text, timeout=_TIMEOUT):
        spoken = found["x"].lower()
        if spoken in ("me", "ich", "moi", "yo"):
            speakers[spoken] = True
        elif _is_name(found, names):
            form = _name_at(found, names).form
            speakers[spoken] = speakers.get(spoken, False) or form in ("full", "given", "small")
    # "Asia:", "Africa:" are words too; of two that take turns one is a name and nothing else.
    return len(speakers) >= _SEVERAL and any(speakers.values())


def _is_name(found: "regex.Match[str]", names: Sequence[Name]) -> bool:
    """Whether a name that is not public stands where a pattern has one; names in their order."""
    at = _place_of(found, names)
    return at >= 0 and names[at].end > found.start("x") and names[at].form != "public"


def _name_at(found: "regex.Match[str]", names: Sequence[Name]) -> Name:
    """Return the name that `_is_name` has found."""
    return names[_place_of(found, names)]


def _place_of(found: "regex.Match[str]", names: Sequence[Name]) -> int:
    """Return the index of the last name that begins before a match ends; -1: there is none."""
    return bisect_left(names, found.end("x"), key=lambda name: name.start) - 1


def _stands_after(place: int, people: Sequence[Name]) -> bool:
    """Whether the first person of a list stands right behind its heading."""
    at = bisect_left(people, place, key=lambda name: name.start)
    return at < len(people) and people[at].start <= place + _LONG // 2
