"""Names of persons in a text, by lexicon, spelling and company; not whether they are private.

A token is a given name, a family name, both, an ordinary word, a known place or brand, or unknown.
Runs of them with capital letters become names, full or single; public persons are told apart by a
list. Knows neither the classifier nor the verdict.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import regex

from floe.privacy.detection.cases import is_cyrillic, nominatives
from floe.privacy.detection.vocabulary import listed
from floe.privacy.lexicon import ALSO_WORDS, is_month

Form = Literal["full", "given", "small", "ambiguous", "unknown", "public"]
"""`full`: two words or more, or a title and one; `given`: one that is nothing else; `small`: the
same without a capital; `ambiguous`: a given name that is also a word; `unknown`: one capital word
that no list has; `public`: somebody everybody knows."""

_PACKAGE: Final = "floe.privacy.detection"
_WORD: Final = regex.compile(r"\p{L}[\p{L}\p{M}]*(?:['-]\p{L}[\p{L}\p{M}]*)*")
_KIN: Final = listed("kin")
_NEVER: Final = listed("never_names")
_SPEAKER: Final = frozenset(("i'm", "i've", "i'll", "i'd"))
_FRAMES: Final = regex.compile(r"\s(?:class|course|test|exam|project|homework|book|trip|holiday)\b")
_PARTICLES: Final = listed("particles")
_TITLES: Final = listed("titles")
_AFTER_PLACE: Final = regex.compile(
    r"(?:\b(?:in|at|near|from|to|via|around|outside|visit(?:ing|ed)?|of|for|en|à|nach|aus|bei|em|w|do|nad|naar|uit|i|till|в|из|на|на|near the|the|a|an|los|las|el|la|der|die|das|den|dem|des|ein|eine|einen|einem|le|les)\s(?:the\s)?|[\w]@|#|/)\Z",
    regex.I,
)
_WRITES_TO: Final = regex.compile(
    r"\b(?:(?:scrivi|rispondi|manda|telefona|chiedi|di'|dillo|napisz|odpisz|zadzwoń|powiedz|escr[íi]be(?:le)?|dile|écris|réponds|dis|envoie|escreve|diz|fala|schrijf|mail|app|schreib|sag|antworte)"
    r"(?:\s(?:una|un|une|eine|einen|a|an|uma|um|list|maila|brief|carta|lettre|lettera|mail|email|note|mensaje|mensagem|message|sms))*\s(?:a|à|do|an|aan|pra|para|al)"
    r"|(?:write|reply|text|email|mail|message|thanks?)(?:\s(?:an?|letter|mail|email|note|message|text|card))*\sto)\s\Z",
    regex.I,
)
"""After this comes whom it goes to, whatever lists say: towns are not written to."""
_ORDERS: Final = listed("asks") | listed("tasks")
_ORGANISED: Final = listed("organised")
_SAINTS: Final = listed("saints")
_BARE_TITLES: Final = listed("bare_titles")
_ADDRESSING: Final = listed("addressing")
_EPONYMS: Final = listed("eponyms")
_ILLNESS: Final = regex.compile(
    r"(?:'s)?[ -](?:disease|syndrome|palsy|lymphoma|sarcoma|dementia|krankheit)\b"
)
_SHORTEST_PLURAL: Final = 5
_BIDS: Final = regex.compile(r"\p{Cyrillic}{3,}(?:[йиь](?:те)?|й(?:те)?сь|йся|ись)\Z")
"""How a verb ends that bids somebody, before whom it names: "Позови Марину"."""
_ACTION: Final = regex.compile(r"\p{Cyrillic}{2,}(?:[йиь](?:те)?|сь|ть(?:ся)?|ите|ём|ем)\Z")
"""How a Russian or Ukrainian verb ends that opens a sentence: "Напиши", "Придумать"."""
_OF_KIN: Final = regex.compile(
    r"\b(?:my|our|his|her|their|your|mein\w*|unser\w*|mon|ma|mi|mio|mia|meu|minha|mijn|min)\s(?:\p{Ll}+\s)?(?P<kin>\p{Ll}+)\s\Z",
    regex.I,
)
_MINE: Final = regex.compile(r",? (?:my|our) (?P<kin>\p{Ll}+)")
_ACTS: Final = regex.compile(
    r"\s(?:is|was|has|had|did|\p{L}{2,}(?:s|ed))\b|\s?[,.!?;:]|\Z", regex.I
)
_TOLD: Final = regex.compile(
    r"\b(?:tell|ask|call|text|email|invite|dear|hi|mr|mrs|ms|dr)\.? \Z", regex.I
)
_OPENS: Final = regex.compile(r"(?:\A|[.!?:\n\"(•*-]\s*|\n)\Z")
_HAN_NAME: Final = regex.compile(
    r"(?<=(?:我叫|我是|名叫|叫做|名字是|姓名[:： ]?|给|告诉|联系|同事|老板|朋友|医生|老师|房东|邻居|前男友|前女友|男朋友|女朋友|先生|女士|女儿|儿子|姐姐|妹妹|哥哥|弟弟|小姐|和|跟|与|请|找|问|写给|致|亲爱的|你好[,，]?)\s?)"
    r"(?P<x>[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文]\p{Han}{1,2})"
    r"(?=[^\p{Han}]|写|的|说|发|打|在|是|住|和|跟|先生|女士|老师|医生|经理|不|没|有|欠|给|要|很|会|对|从|让|今|明|昨|因|为|已|刚|总|又|也|都|就|还|被|把|\Z)"
)
_KANA_NAME: Final = regex.compile(
    r"(?P<x>[\p{Han}々]{2,4}|\p{Katakana}[\p{Katakana}ー・]{1,12}|[\p{Hiragana}]{2,4})(?=\s?(?:さん|くん|君|ちゃん|様|さま|先生|氏)(?![\p{Han}]))"
)
_KANA_SAID: Final = regex.compile(
    r"(?<=(?:名前は|と申します。?|氏名[:：]?\s?|私は)\s?)(?P<x>[\p{Han}々]{3,5}|[\p{Katakana}ー・]{3,14})(?=です|と|。|、|\Z)"
)
_HANGUL_NAME: Final = regex.compile(
    r"(?<!\p{Hangul})(?P<x>[김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국][\p{Hangul}]{2})(?=\s?(?:씨|님|선생|과장|부장|대리|팀장|에게|한테|이고|이에요|입니다|라고|이라고|의\s|가\s|는\s|이\s|은\s|와\s|과\s))"
)
_NOT_KANA: Final = listed("not_kana")


@dataclass(frozen=True, slots=True)
class Name:
    """Characters start to end (half open) of a normalised text that name a person."""

    start: int
    end: int
    form: Form


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    word: str
    small: str
    tall: bool
    given: bool
    family: bool
    ordinary: bool
    entity: bool


@dataclass(frozen=True, slots=True)
class NameLexicon:
    """Words in small letters: given and family names, ordinary words, places and brands."""

    given: frozenset[str]
    family: frozenset[str]
    ordinary: frozenset[str]
    entities: frozenset[str]


@cache
def lexicon() -> NameLexicon:
    """Read the lists beside this module, once."""
    data = gzip.decompress(files(_PACKAGE).joinpath("lexicon.txt.gz").read_bytes()).decode("utf-8")
    sections = [frozenset(section.split()) for section in data.split("\n\n")]
    return NameLexicon(*sections[:4])


def public_names() -> list[str]:
    """Public persons as the list writes them; a star: the last word is enough."""
    text = files(_PACKAGE).joinpath("well_known.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [name.strip() for line in lines for name in line.split(",") if name.strip()]


@cache
def _public() -> frozenset[str]:
    """Full names of public persons, and last words that are enough, in small letters."""
    names = public_names()
    last = (name.rstrip("*").split()[-1] for name in names if name.endswith("*"))
    return frozenset(name.rstrip("*").lower() for name in names) | frozenset(map(str.lower, last))


def is_public(name: str) -> bool:
    """Whether everybody means the same person by this name."""
    plain = " ".join(regex.sub(r"'s?\Z", "", name.lower()).replace(".", "").split())
    return plain in _public() or " ".join(name.lower().split()) in _public()


def find_names(text: str) -> list[Name]:
    """All names in a normalised text, sorted, without overlap."""
    tokens = [*_tokens(text)]
    found = [*_runs(text, tokens), *_small(text, tokens)]
    for pattern in (_HAN_NAME, _KANA_NAME, _KANA_SAID, _HANGUL_NAME):
        for match in pattern.finditer(text, timeout=1.0):
            if match["x"] not in _NOT_KANA and not is_public(match["x"]):
                found.append(Name(match.start("x"), match.end("x"), "full"))
    result: list[Name] = []
    for name in sorted(found, key=lambda name: (name.start, -name.end)):
        if not result or name.start >= result[-1].end:
            result.append(name)
    return result


def _tokens(text: str) -> Iterator[_Token]:
    known = lexicon()
    for match in _WORD.finditer(text):
        start, end = match.span()
        word = match[0]
        if word.endswith(("'s", "'S")):
            word, end = word[:-2], end - 2
        small = word.lower()
        if small in _EPONYMS and (end < match.end() or _ILLNESS.match(text, end)):
            # Whoever has Parkinson's is not called Parkinson.
            yield _Token(start, end, word, small, word[0].isupper(), False, False, True, True)
            continue
        parts = small.split("-")
        ordinary = small in _ORDERS or small in known.ordinary
        contracted = small.split("'")[0] in known.ordinary and small not in known.family
        ordinary = ordinary or contracted
        if is_cyrillic(small) and word[0].isupper() and small not in known.given:
            forms = {small, *nominatives(small)}
            given, family = (not forms.isdisjoint(each) for each in (known.given, known.family))
            place = small in known.entities or not forms.isdisjoint(known.entities)
            if (
                (given or family)
                and not place
                and not (ordinary and _OPENS.search(text[:start][-3:]))
            ):
                yield _Token(start, end, word, small, True, given, family, False, False)
                continue
        yield _Token(
            start,
            end,
            word,
            small,
            word[0].isupper() and small not in _SPEAKER,
            (small not in _NEVER and (small in known.given))
            or (len(parts) > 1 and all(part in known.given for part in parts)),
            (small in known.family and small not in _NEVER)
            or (len(parts) > 1 and all(part in known.family for part in parts)),
            ordinary,
            small in known.entities
            or small in _ORGANISED
            or small in _NEVER
            or (len(small) > _SHORTEST_PLURAL and small.removesuffix("s") in known.entities),
        )


def _runs(text: str, tokens: Sequence[_Token]) -> Iterator[Name]:
    """Capital words in a row (initials and particles between them), as names."""
    shouted = text.isupper()
    at = 0
    while at < len(tokens):
        if not _may_begin(tokens[at], shouted=shouted):
            at += 1
            continue
        last = at
        while last + 1 < len(tokens):
            step = _next(text, tokens, last)
            if not step:
                break
            last += step
        yield from _judge(text, tokens, at, last)
        at = last + 1


def _may_begin(token: _Token, *, shouted: bool) -> bool:
    return (
        token.tall
        and not shouted
        and len(token.word) > 1
        and not (token.word.isupper() and len(token.word) < 4 and not token.given)
    )


def _next(text: str, tokens: Sequence[_Token], last: int) -> int:
    """Count the tokens by which the run goes on; 0: it ends here."""
    for step in (1, 2, 3):
        if last + step >= len(tokens):
            return 0
        gap = text[tokens[last + step - 1].end : tokens[last + step].start]
        token = tokens[last + step]
        if (
            gap.strip(" .")
            or "\n" in gap
            or (step == 1 and "." in gap and len(tokens[last].word) > 2)
        ):
            return 0
        if token.tall and (len(token.word) > 1 or step < 3):
            initial = len(token.word) == 1
            follows = last + step + 1 < len(tokens) and tokens[last + step + 1].tall
            return step if not initial or follows else 0
        if token.small not in _PARTICLES:
            return 0
    return 0


def _judge(text: str, tokens: Sequence[_Token], first: int, last: int) -> Iterator[Name]:
    """Yield a run as a name, without the words at its ends that belong to the sentence."""
    whole = tokens[first : last + 1]
    if any(token.small in _ORGANISED and not token.given for token in whole[1:]) or (
        len(whole) > 1 and whole[0].small in _SAINTS
    ):
        return
    titled = False
    while first < last and (tokens[first].small in _TITLES or tokens[first].small in _KIN):
        # "Meine Nachbarin Frau Fuchs": who she is to the speaker is no part of her name.
        titled = titled or tokens[first].small in _TITLES
        first += 1
    of_kin = _is_of_kin(text, tokens[first].start)
    while first < last and not of_kin and _is_opener(tokens[first], tokens[first + 1]):
        first += 1
    while last > first and _is_sentence_word(tokens, first, last):
        last -= 1
    run = tokens[first : last + 1]
    start, end = run[0].start, run[-1].end
    before = tokens[first - 1] if first else None
    if (
        before is not None
        and before.small in _TITLES
        and text[before.end : start].strip(" .") == ""
    ):
        titled = True
    if is_public(text[start:end]) or (before is not None and is_public(text[before.start : end])):
        mine = _MINE.match(text, end)
        yield Name(start, end, "full" if mine and mine["kin"].lower() in _KIN else "public")
        return
    form = _form(text, run, titled=titled)
    if form is not None:
        yield Name(start, end, form)


def _form(text: str, run: Sequence[_Token], *, titled: bool) -> Form | None:
    full = [token for token in run if len(token.word) > 1 and token.small not in _PARTICLES]
    named = [token for token in full if token.given or token.family]
    plain = [token for token in full if token.ordinary or token.entity]
    strange = [token for token in full if not (token.ordinary or token.entity)]
    if not full or len(full) > 5:
        return None
    if titled and (named or len(plain) < len(full) or run[0].small in _PARTICLES):
        return "full"
    if len(full) > 1:
        if full[0].given and (len(strange) > 0 or len(named) == len(full)):
            return "full"
        if named and len(plain) < len(full) and len(strange) >= len(full) - 1:
            return "full"
        return "full" if len(strange) == len(full) and len(full) < 4 else None
    return _single(text, full[0])


def _single(text: str, token: _Token) -> Form | None:
    if token.small in _TITLES:
        return None
    if is_month(text, token.start, token.end):
        return None
    if _is_of_kin(text, token.start) and not _FRAMES.match(text, token.end):
        return "given"
    if _is_written_to(text, token):
        return "given"
    return _alone(text, token)


def _is_of_kin(text: str, start: int) -> bool:
    """Return whether "my daughter" or the like stands just before a place."""
    kin = _OF_KIN.search(text[max(0, start - 40) : start])
    return kin is not None and kin["kin"].lower() in _KIN


def _is_titled(text: str, before: _Token, token: _Token) -> bool:
    """Return whether a title that is nothing else stands before a word: "mrs. okonjo"."""
    gap = text[before.end : token.start]
    return before.small in _BARE_TITLES and gap in (" ", ". ")


def _is_kin_called(text: str, token: _Token) -> bool:
    """Return whether a word can only be the name of "my friend" before it: "my bf will says"."""
    return _is_of_kin(text, token.start) and _ACTS.match(text, token.end) is not None


def _is_written_to(text: str, token: _Token) -> bool:
    """Return whether a word with a capital is whom something is to be written to."""
    if token.word.isupper() or (token.ordinary and not token.given):
        return False
    return _WRITES_TO.search(text[max(0, token.start - 40) : token.start]) is not None


def _is_sentence_word(tokens: Sequence[_Token], first: int, last: int) -> bool:
    """Return whether the last word of a run is a word of the sentence and no surname.

    After a particle, or right after what can only be a first name, a word is a surname too: "van
    der Meer", "Lucia Castellano"; a place, a day or a language is not: "Anna Monday".
    """
    token = tokens[last]
    if not token.ordinary or token.given or token.family:
        return False
    if tokens[last - 1].small in _PARTICLES:
        return False
    given = tokens[first].given and not tokens[first].ordinary
    return not (given and last == first + 1 and not token.entity)


def _alone(text: str, token: _Token) -> Form | None:
    """One capital word, of which nothing but itself and its place is known."""
    opens = bool(_OPENS.search(text[: token.start][-3:]))
    after_place = bool(_AFTER_PLACE.search(text[max(0, token.start - 14) : token.start]))
    plain = token.ordinary or token.entity
    if token.given and (not plain or not after_place):
        return "ambiguous" if plain else "given"
    if plain or after_place or len(token.word) < 3 or token.word.isupper():
        return None
    if token.family and not opens:
        return "given"
    if opens and _ACTION.match(token.small):
        return None
    return "unknown" if not regex.search(r"\p{Ll}\p{Lu}|\d", token.word) else None


def _is_opener(token: _Token, following: _Token) -> bool:
    """Return whether a word before a name has its capital because it opens a sentence."""
    if token.tall and token.small in _ADDRESSING:
        return True
    if _BIDS.match(token.small) and not (token.given or token.family):
        return following.given
    if not token.tall or (token.given and not token.ordinary):
        return False
    if not (token.ordinary or token.entity):
        return False
    if token.given or token.family:
        # "Will Smith", "Grace Lee" are names, "Will Anna come" is none.
        return following.given and not following.ordinary and not following.family
    return True


def _small(text: str, tokens: Sequence[_Token]) -> Iterator[Name]:
    """Given names without a capital, where they are no word, and what follows them."""
    shouted = text.isupper()
    for place, token in enumerate(tokens):
        known_word = token.ordinary or token.entity or token.small in ALSO_WORDS
        if (token.tall and not shouted) or len(token.word) < 3:
            continue
        if known_word and not (token.given and _is_kin_called(text, token)):
            continue
        titled = place > 0 and _is_titled(text, tokens[place - 1], token)
        if not (token.given or titled or _is_of_kin(text, token.start)) and not (
            token.family and _TOLD.search(text[: token.start][-10:])
        ):
            continue
        if text[token.start - 1 : token.start] in ("@", "/", ".", "_", "-", "#") or text[
            token.end : token.end + 1
        ] in ("@", "/", "_", "("):
            continue
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        end = token.end
        if (
            following is not None
            and text[token.end : following.start] == " "
            and not following.ordinary
            and (following.family or not following.given)
            and not following.entity
        ):
            end = following.end
        if is_public(text[token.start : end]):
            yield Name(token.start, end, "public")
        else:
            whole = titled or end != token.end
            yield Name(token.start, end, "full" if whole else "small")
