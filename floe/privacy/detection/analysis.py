"""One text, with what was said before it, through all signs; and what follows from them.

Hard identifiers decide by themselves; everything else by the classifier's score, above one
threshold for sure, above a lower one perhaps. Knows nothing of threads, routes or the store.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import regex

from floe.privacy.detection.abroad import (
    asks_of_world,
    told_of_kin,
    without_words,
)
from floe.privacy.detection.addresses import ADDRESSES
from floe.privacy.detection.classifier import KINDS, Stretch, classify, leans
from floe.privacy.detection.decisive import hard_signs
from floe.privacy.detection.encoder import (
    EncodedStretch,
    Floats,
    encoder,
    is_latin,
    named_at,
    named_words,
)
from floe.privacy.detection.examples import is_example
from floe.privacy.detection.fame import is_known_at
from floe.privacy.detection.german import is_german, is_noun
from floe.privacy.detection.glossed_reading import chances_in_gloss, read_glossed
from floe.privacy.detection.glossing import Glossed, gloss, language_of, without_known_words
from floe.privacy.detection.identifiers import full_name_mails, is_counting
from floe.privacy.detection.leftovers import find_leftovers
from floe.privacy.detection.likely_names import (
    find_likely_names,
    is_of_firm,
    names_illness,
    stands_as_place,
    without_kin,
)
from floe.privacy.detection.long_runs import without_long_runs
from floe.privacy.detection.names import Name, find_names, lexicon
from floe.privacy.detection.normalise import NormalisedText, normalise
from floe.privacy.detection.on_file import asks_after_somebody
from floe.privacy.detection.own_words import OWN, OwnWords
from floe.privacy.detection.papers import is_paper_of_somebody
from floe.privacy.detection.programs import is_program
from floe.privacy.detection.replies import (
    KEEP,
    MATTERS,
    answers_harmless_question,
    asked_for,
    declines,
    private_together,
)
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.statements import (
    bodily,
    deals_with_somebody,
    introduced,
    is_thanks,
    is_written_to,
    lists_people,
    names_somebody,
    professed,
    sets_task_later,
    treated,
    with_ties,
)
from floe.privacy.detection.surroundings import find_surroundings
from floe.privacy.places import Places
from floe.privacy.verdict import (
    UNREAD,
    UNREAD_LANGUAGE,
    Leniency,
    Span,
    Verdict,
    without_overlap,
)
from floe.records import ChatMessage

UNSURE_READ: Final = 0.40
"""Probability from which a text that the encoder can read may be private: the person is asked."""
UNSURE_GLOSSED: Final = 0.45
"""The same of a text in another language, read word by word in English: of 8,370 messages, each read
by models that had not learnt it, 0.92 of the private ones and 0.07 of the others have more."""
SURE_READ: Final = 0.95
"""Probability from which such a text is private for sure. Of what is kept for nothing most
has less."""
TOLD: Final = 0.0118
"""The same where somebody is told of by name, where it is asked for what is on somebody's file, or
where it is a paper or a list of some. Of what is nobody's one in fourteen has less."""
UNSURE: Final = 0.20
"""Probability of the linear model from which a text that the encoder cannot read may be private: of
3,695 kept aside 0.90 of the private ones and 0.13 of the others have more."""
DOUBTABLE: Final = 0.0145
"""Probability below which the encoder has ruled out that a text is private."""
DOUBTED: Final = 0.70
"""Probability of the linear model from which it may doubt the encoder."""
NAMED: Final = 0.2
"""Probability from which a word is masked as a name, if anything is. Of 2,300 harmless prompts 25
have such a word."""
BESIDE_NAMED: Final = 0.05
"""The same for a word beside one that is masked: a first name that is a word, a second surname."""
NEVER_NAMED: Final = 0.012
"""Probability below which a word is no name, whatever stands around it."""
NEVER_TOLD: Final = 0.001
"""The same where somebody is told of by name: of persons whom nobody knows some have little more."""
NEVER_TOLD_BESIDE_TASK: Final = 0.003
"""The same in a text that sets a task besides."""
_ENGLISH: Final = regex.compile(
    r"\b(?:the|a|an|to|i|i'm|im|my|is|of|and|for|it|do|how|what|with|you)\b", regex.I
)
_LEANS: Final = 0.6
_NAME: Final = "name"
_PASSWORD: Final = "password"  # noqa: S105 (a kind)
_WORDS_SHOWN: Final = 3
_FAINT: Final = 0.3
_NAMED: Final = 0.6
_FEW: Final = 3
_SHORTEST_PIN: Final = 4
_LETTER: Final = regex.compile(r"\p{L}")
_WORD: Final = regex.compile(r"\p{L}[\p{L}\p{M}]+")
_READ_LETTER: Final = regex.compile(
    r"[[\p{Latin}\p{Cyrillic}\p{Greek}\p{Arabic}\p{Hebrew}\p{Devanagari}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー々]&&\p{L}]",
    regex.V1,
)
_LATIN_WORD: Final = regex.compile(
    r"(?<![\w@/.#-])\p{Latin}[\p{Ll}\p{M}]+(?:'\p{Ll}+)?(?![\w@/#-]|\.\w)"
)
_CODE_MARK: Final = regex.compile(r"[{}();=<>_/\\|#\d]")
_SENTENCE: Final = 4
_PROSE: Final = 12
"""Characters for each mark of code, at least, in what is a text of words."""
_KNOWN: Final = 0.45
"""Share of words on lists (English and fourteen languages) below which a language is unknown: of
harmless English prompts none had less than 0.6, of Finnish, Hungarian, Czech, Vietnamese,
Romanian sentences few more than 0.43."""
_ANSWER_KINDS: Final = frozenset(
    {
        "password",
        "private key",
        "API key",
        "card number",
        "bank account",
        "social security number",
        "identity number",
        "e-mail",
        "phone",
        "address",
    }
)
"""What closes the cloud's part in what a model writes, whoever it may belong to."""


class Analysis:
    """All rules and the trained weights; one text at a time."""

    def __init__(self, own_words: Sequence[str], leniency: Leniency | None = None) -> None:
        self.learn_words(own_words)
        self.leniency = leniency or Leniency()
        self.examine("The first text is slower than all that follow.")

    def learn_words(self, own_words: Sequence[str]) -> None:
        """Replace the person's own words."""
        self._own_words = OwnWords(own_words)

    def examine(self, text: str, before: Sequence[ChatMessage] = ()) -> Verdict:
        """Judge what a person wrote; `before`: the messages it follows, the latest last.

        Raises TimeoutError if a rule is too slow on this text.
        """
        plain = without_long_runs(normalise(text))
        names, glossed, readings, unread = _read(plain.text)
        named = None
        if readings is not None and is_latin(plain.text):  # it knows names in no other script
            named = named_at(plain.text, readings)
        stretches = [
            stretch
            for stretch in classify(plain.text, names, readings)
            if not _is_code(plain.text, stretch, names)
        ]
        signs = [*self._own(plain), *hard_signs(plain.text), *introduced(plain.text, names)]
        signs += [*professed(plain.text), *bodily(plain.text), *told_of_kin(plain.text)]
        asked = [*asked_for(plain.text, names, before)]
        harmless = not asked and (
            (bool(before) and declines(plain.text))
            or is_thanks(plain.text)
            or answers_harmless_question(plain.text, before)
        )
        likely = max([stretch.private for stretch in stretches], default=0.0)
        score = 0.0 if harmless else likely
        enough = UNSURE if readings is None else UNSURE_GLOSSED if glossed else UNSURE_READ
        soft = [
            sign
            for stretch in stretches
            if _shifted(stretch.private, self.leniency.shift) >= enough
            for sign in _soft_signs(plain.text, stretch, names)
        ]
        together = private_together(plain.text, before, alone=score) if before else False
        unexplained = not soft
        soft = [sign for sign in soft if self._counts(plain.text, sign)]
        # Words that were called harmless free a text; that no single word speaks for it does not.
        score = _shifted(score, self.leniency.shift) if soft or unexplained else 0.0
        certain = SURE_READ if readings is not None else KEEP
        sure = bool(signs or asked) or together or (score >= certain and not unread)
        unknown = [name for name in names if self._counts(plain.text, name)]
        told = not (sure or harmless) and _tells(plain.text, unknown, named, likely, glossed)
        if not (told or sure or harmless or glossed) and len(unknown) == len(names):
            told = named is not None and _both_doubt(plain.text, names, likely)
        unsure = not sure and (score >= enough or told or bool(unread))
        private = sure or unsure
        found = [*signs, *asked, *(soft if private else ())]
        if private:
            found = _completed(plain.text, names, found)
        if private and unread and not found:
            found = [Sign(0, len(plain.text), unread, DOUBTED)]
        if private and not found:
            found = [Sign(0, len(plain.text), "private", score)] if plain.text.strip() else []
        marked = found if private else _names_beside(names, ())
        spans = without_overlap([*_spans(plain, marked, decides=private)])
        masked = [sign for sign in found if sign.kind not in MATTERS] if private else []
        people = [] if harmless else _people(plain.text, named, masked, private=private)
        if private:
            people += find_leftovers(plain.text, [*masked, *people])
        more = tuple(sorted(_spans(plain, people, decides=False), key=lambda span: span.start))
        lean = leans(plain.text, names) >= _LEANS if before else False
        return Verdict(private, spans, unsure=unsure, leans=lean, likely=more)

    def _counts(self, text: str, place: Sign | Name) -> bool:
        """Return whether the person has not called the words of a place harmless."""
        return text[place.start : place.end].lower() not in self.leniency.harmless

    def examine_answer(self, text: str) -> Verdict:
        """Judge what a model wrote: hard identifiers and own words decide, full names are marked."""
        plain = without_long_runs(normalise(text))
        signs = [
            sign
            for sign in hard_signs(plain.text)
            if sign.kind in _ANSWER_KINDS and not _is_invented(plain.text, sign)
        ]
        signs += full_name_mails(plain.text)
        towns = [sign for sign in ADDRESSES.find(plain.text) if sign.kind == "postcode"]
        streets = [sign for sign in signs if sign.kind == "address"]
        alone = [s for s in streets if all(abs(t.start - s.end) >= 40 for t in towns)]
        signs = [sign for sign in signs if sign not in alone]
        signs += self._own(plain)
        people = [
            Sign(name.start, name.end, _NAME, 0.5)
            for name in find_names(plain.text)
            if name.form == "full"
        ]
        # Beside a number that is somebody's, a name is that somebody's.
        found = [
            *_spans(plain, signs, decides=True),
            *_spans(plain, [*people, *alone], decides=bool(signs)),
        ]
        return Verdict(bool(signs), without_overlap(found))

    def _own(self, plain: NormalisedText) -> list[Sign]:
        return [Sign(start, end, OWN, 1.0) for start, end in self._own_words.find(plain.text)]


class _Reading(NamedTuple):
    """Who is named in a text, and how it is read.

    glossed: its English words, if it is in another language. readings: those of the encoder; None
    if the linear models have to read it. unread: what it is called if nothing can.
    """

    names: Sequence[Name]
    glossed: Glossed | None = None
    readings: Sequence[EncodedStretch] | None = None
    unread: str = ""


def _read(text: str) -> _Reading:
    written = find_names(text)
    names = with_ties(text, without_words(text, written))
    unread = "" if asks_of_world(text) else _unread(text)
    language = "" if unread == UNREAD else language_of(text)
    if language:
        names = without_known_words(text, names, language)
        written = without_known_words(text, written, language)
        glossed = gloss(text, written, language)
        readings = read_glossed(glossed, text, written)
        if glossed.english >= _FEW and is_latin(text):  # sentences that are English as they stand
            readings += encoder().read(text, written)
        return _Reading(names, glossed, readings)
    if unread or not is_latin(text):
        return _Reading(names, unread=unread)
    return _Reading(names, readings=encoder().read(text, written))


def _tells(
    text: str,
    names: Sequence[Name],
    named: Floats | None,
    likely: float,
    glossed: Glossed | None,
) -> bool:
    """Return whether a text tells or asks of a person by name, or is a paper or a list of some.

    likely: the probability that it is private at all. glossed: the text in English words, if it is
    in another language.
    """
    if named is not None and likely < TOLD:
        return False
    if _asks_or_lists(text, names):
        return True
    if glossed is not None:
        text, names = glossed.text, glossed.moved(names)
        named = None if named is None else chances_in_gloss(glossed, named)
        if _asks_or_lists(text, names):
            return True
    if named is not None:
        # Who has little of a private person stays only if nothing is to be done with them.
        least = NEVER_TOLD_BESIDE_TASK if sets_task_later(text) else NEVER_TOLD
        names = [
            name
            for name in names
            if named[name.start : name.end].max() >= least
            and not is_known_at(text, name.start, name.end)
        ]
    return names_somebody(text, names) or deals_with_somebody(text, names)


def _asks_or_lists(text: str, names: Sequence[Name]) -> bool:
    return (
        asks_after_somebody(text, names)
        or is_written_to(text, names)
        or lists_people(text, names)
        or is_paper_of_somebody(text, names)
    )


def _both_doubt(text: str, names: Sequence[Name], likely: float) -> bool:
    """Return whether the linear model takes for private what the encoder does not rule out.

    Asked in other languages than English alone, of which the encoder has learnt less.
    """
    if likely < DOUBTABLE or _ENGLISH.search(text) or asks_of_world(text):
        return False
    if len(_WORD.findall(text)) < _FEW:  # of which language is "3... 2... 1... lift-off!"?
        return False
    return max(each.private for each in classify(text, names)) >= DOUBTED


def _people(
    text: str, named: Floats | None, masked: Sequence[Sign], *, private: bool
) -> list[Sign]:
    """Return who else a text names: of a private one by all signs, of another by the encoder alone.

    Under pseudonyms they are masked, as a placeholder costs little; nothing else follows from it.
    """
    if named is None:
        return [*find_likely_names(text, masked)] if private else []
    if not private:
        return [Sign(*place, _NAME, _FAINT) for place in named_words(text, named, NAMED)]
    english = _ENGLISH.search(text) is not None
    likely = [
        sign
        for sign in find_likely_names(text, masked)
        if not english or named[sign.start : sign.end].max() >= NEVER_NAMED
    ]
    known = Places((sign.start, sign.end) for sign in (*masked, *likely) if sign.kind == _NAME)
    likely += [
        Sign(*place, _NAME, _FAINT)
        for place in named_words(text, named, NAMED, BESIDE_NAMED)
        if not (known.touch(*place) or _is_place(text, *place) or is_of_firm(text, *place))
    ]
    return _without_illnesses(text, sorted(likely, key=lambda sign: sign.start))


def _is_place(text: str, start: int, end: int) -> bool:
    """Return whether some words stand where a place does and are on no list of first names."""
    return stands_as_place(text, start) and text[start:end].lower() not in lexicon().given


def _completed(text: str, names: Sequence[Name], found: Sequence[Sign]) -> list[Sign]:
    """Return what was found in a private text, with all that is to be masked beside it."""
    found = [*found]
    if any(sign.kind in MATTERS or sign.kind == _NAME for sign in found):
        found += treated(text)
    found += _names_beside(names, found)
    if any(sign.kind not in MATTERS for sign in found):
        found += find_surroundings(text, found)
    return _without_illnesses(text, without_kin(text, found))


def _without_illnesses(text: str, signs: Sequence[Sign]) -> list[Sign]:
    """Return signs less the names of those after whom an illness is called."""
    return [s for s in signs if s.kind != _NAME or not names_illness(text, s.start, s.end)]


def _is_code(text: str, stretch: Stretch, names: Sequence[Name]) -> bool:
    """Return whether a stretch is source code that names nobody."""
    named = any(
        stretch.start <= name.start < stretch.end and name.form in ("full", "given", "small")
        for name in names
    )
    return not named and is_program(text[stretch.start : stretch.end])


def _is_invented(text: str, sign: Sign) -> bool:
    """Whether a phone number counts up, as those that a model makes up do, or a manual has it."""
    value = text[sign.start : sign.end]
    counting = sign.kind == "phone" and is_counting(regex.sub(r"\D", "", value))
    return counting or is_example(value)


def _soft_signs(text: str, stretch: Stretch, names: Sequence[Name]) -> Iterator[Sign]:
    """Yield the kinds of a private stretch, each with the words that speak most for it."""
    chance = stretch.probabilities
    others = chance / max(1e-9, 1.0 - float(chance[KINDS.index(_NAME)]))
    kinds = [
        kind
        for kind, p, beside in zip(KINDS, chance, others, strict=True)
        if kind != "-" and (p >= 0.2 or (kind != _NAME and beside >= 0.5))
    ]
    kinds = kinds or [KINDS[1 + int(chance[1:].argmax())]]
    for kind in kinds:
        if kind == _NAME:
            inside = [
                n for n in names if stretch.start <= n.start < stretch.end and n.form != "public"
            ]
            # Beside a name that is one, a strange word with a capital is rather a noun.
            inside = [n for n in inside if n.form != "unknown"] or inside
            for name in inside:
                # A German noun that no list has is rather no name; alone it still decides.
                noun = name.form == "unknown" and is_german(text)
                yield Sign(
                    name.start, name.end, kind, min(_FAINT if noun else _NAMED, stretch.private)
                )
            if inside:
                continue
        places = stretch.words_for(kind)
        if kind in (_PASSWORD, _NAME):
            # What opens a door or is somebody's is no word of the language: "login is" and "from"
            # need no placeholder.
            fits = _may_open if kind == _PASSWORD else _may_be_called
            places = [at for at in places if fits(text[slice(*at)])]
            if not places and len(kinds) == 1:
                yield Sign(stretch.start, stretch.end, "private", min(_FAINT, stretch.private))
        for start, end in _joined(text, places[:_WORDS_SHOWN]):
            # Less than any identifier: where both stand, it is the name that has to be masked.
            yield Sign(start, end, kind, min(_FAINT, stretch.private))


def _may_open(word: str) -> bool:
    """Return whether a word may be a secret: it has a digit, and is no short number as times are."""
    return any(map(str.isdigit, word)) and (not word.isdigit() or len(word) >= _SHORTEST_PIN)


def _may_be_called(word: str) -> bool:
    """Return whether a word that no list has as a name may be one: it is no word of the language."""
    return word.lower() not in lexicon().ordinary


def _joined(text: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Words side by side as one place."""
    start = end = -1
    for a, b in sorted(places):
        if not any(map(str.isalnum, text[a:b])):
            continue
        if start >= 0 and text[end:a].strip() == "":
            end = b
            continue
        if start >= 0:
            yield start, end
        start, end = a, b
    if start >= 0:
        yield start, end


def _names_beside(names: Sequence[Name], found: Sequence[Sign]) -> list[Sign]:
    """In a private text every person that it names, but the public ones."""
    named = Places((sign.start, sign.end) for sign in found if sign.kind == _NAME)
    return [
        Sign(name.start, name.end, _NAME, _NAMED)
        for name in names
        if name.form in ("full", "given", "small", "ambiguous")
        and not named.touch(name.start, name.end)
    ]


def _shifted(probability: float, shift: float) -> float:
    """Lower a probability by so many logits."""
    odds = probability / max(1e-9, 1.0 - probability) / math.exp(shift)
    return odds / (1.0 + odds)


def _unread(text: str) -> str:
    """Return the kind of a text that the classifier cannot read; empty if it can.

    Most of its letters are of a script that it has not learnt, or most of its words are of a
    language in Latin letters of which no list has them.
    """
    letters = len(_LETTER.findall(text))
    strange = letters - len(_READ_LETTER.findall(text))
    if strange >= _FEW and 2 * strange > letters:
        return UNREAD
    words = [word.lower() for word in _LATIN_WORD.findall(text)]
    if len(words) < _SENTENCE or len(_CODE_MARK.findall(text)) * _PROSE > len(text):
        return ""
    known = lexicon()
    german = is_german(text)
    read = sum(
        w in known.ordinary or w in known.given or w in known.family or (german and is_noun(w))
        for w in words
    )
    return UNREAD_LANGUAGE if read < _KNOWN * len(words) else ""


def _spans(plain: NormalisedText, signs: Iterable[Sign], *, decides: bool) -> Iterator[Span]:
    for sign in signs:
        start, end = plain.original(sign.start, sign.end)
        if start < end:
            yield Span(start, end, sign.kind, float(sign.score), decides)
