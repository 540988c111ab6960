"""One text, with what was said before it, through all signs; and what follows from them.

Hard identifiers decide by themselves; everything else by the classifier's score, above one
threshold for sure, above a lower one perhaps. Knows nothing of threads, routes or the store.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.abroad import (
    asks_of_world,
    of_world,
    tells_of_self,
    told_of_kin,
    without_words,
)
from floe.privacy.detection.addresses import ADDRESSES
from floe.privacy.detection.affairs import told_by_name
from floe.privacy.detection.classifier import KINDS, Stretch, classify, leans
from floe.privacy.detection.courtesy import core
from floe.privacy.detection.decisive import hard_signs
from floe.privacy.detection.examples import is_example
from floe.privacy.detection.frames import asks_after_somebody, frame_of, is_met, recognise
from floe.privacy.detection.genres import Genre, genre_of, is_program
from floe.privacy.detection.german import is_german, is_noun
from floe.privacy.detection.identifiers import full_name_mails, is_counting
from floe.privacy.detection.likely_names import find_likely_names, without_kin
from floe.privacy.detection.long_runs import without_long_runs
from floe.privacy.detection.names import Name, find_names, lexicon
from floe.privacy.detection.normalise import NormalisedText, normalise
from floe.privacy.detection.own_words import OWN, OwnWords
from floe.privacy.detection.papers import is_paper_of_somebody
from floe.privacy.detection.placed_names import find_placed, speaks_of_own, tells_of_somebody
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
    asks,
    asks_yes_or_no,
    bodily,
    deals_with_somebody,
    introduced,
    is_thanks,
    is_written_to,
    lists_people,
    names_somebody,
    professed,
    treated,
    with_ties,
)
from floe.privacy.detection.surroundings import find_surroundings
from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import (
    SMALL_WORDS,
    is_exercise,
    is_history,
    is_impersonal,
    names_matter,
)
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

KEEP_TOLD: Final = 0.90
"""Probability from which what is asked of the world, or of nobody, is private (others: `KEEP`)."""
KEEP_REPORT: Final = 0.95
"""The same for what newspapers print: all of it has been told to all, firms' affairs as well."""
UNSURE: Final = 0.45
"""Probability from which it may be: it stays, and the person is asked."""
UNSURE_NAMELESS: Final = 0.50
"""The same for an English text that names nobody and tells nothing of the speaker's life, as most
is learnt about those."""
UNSURE_NAMED: Final = 0.20
"""The same for a stretch that names a person: whom it names, no list of words can tell."""
UNSURE_SELF: Final = 0.34
"""The same for a text that opens with the speaker: "I am", "my"."""
UNSURE_SELF_ABROAD: Final = 0.30
"""The same in another language than English, of which less was learnt."""
WEIGHTY: Final = 1.3
"""Logits that some word of a matter adds at least, where a text is private below `KEEP`: that of
one's phone, the red wine and the carpet is only the sum of many frames that fit many matters."""
UNSURE_STRANGE: Final = 0.38
"""The same for a brief text with a word that may be a name, and for each stretch of a long text."""
UNSURE_MATTER: Final = 0.34
"""The same for an English text of the speaker's in which a word of a private matter stands."""
_BRIEF: Final = 120
_LONG: Final = 600
_ENGLISH: Final = regex.compile(
    r"\b(?:the|a|an|to|i|i'm|im|my|is|of|and|for|it|do|how|what|with|you)\b", regex.I
)
_LIVED: Final = regex.compile(
    r"\b(?:i|we) (?:was|were|had|got|did|have been|lost|failed)\b|\b(?:i'm|im|i've|ive|my|mine)\b",
    regex.I,
)
"""What befell the speaker, in English."""
_OF_SELF: Final = regex.compile(
    r"\W*(?:(?:i|we) (?:am|are|have|was|were|had|got|did|work|live|earn|take|lost|failed)|i'm|im|i've|ive|my|our)\b",
    regex.I,
)
"""How an English text opens that tells of the speaker."""
_LEANS: Final = 0.6
_NAME: Final = "name"
_PASSWORD: Final = "password"  # noqa: S105 (a kind)
_WORDS_SHOWN: Final = 3
_FAINT: Final = 0.3
_NAMED: Final = 0.6
_FEW: Final = 3
_CAPITAL: Final = regex.compile(r"(?<=[\p{Ll},] )\p{Lu}\p{Ll}{2,}")
"""A word with a capital in the middle of a sentence."""
_CODE_LIKE: Final = regex.compile(r"\d{3}|\d[ .:/-]?\d[ .:/-]?\d|\d\p{L}|\p{L}\d|[@#]\w|\w[_!$]\w")
_SMALL_WORDS: Final = SMALL_WORDS | listed("first_person")
_ASKS_THE_WORLD: Final = regex.compile(
    r"\W*(?:(?:who|which \w+) (?:sings|sang|sung|said|wrote|plays|played|is|was|were|did|won|founded|invented|directed|voices)"
    r"|(?:in|on|at|for|from|to|by|with|of) (?:which|what) \w+"
    r"|what (?:was|were|is) the (?:\w+ ){0,2}(?:name|date|address|nationality|title|capital) of"
    r"|(?:when|where) (?:did|does|do|was|were|is|are))(?! (?:my|we|our)\b)(?!.*\b(?:my|our) \w)",
    regex.I,
)
"""How questions of general knowledge open; titles of songs in them speak in the first person."""
_WORLDLY: Final = regex.compile(
    r"\W*(?:(?:what|which) \p{Ll}+ \p{Ll}+|who \p{Ll}+|how (?:many|much|old|tall|long|far)|once|in|on|[^.!?]*\b(?:at|in|for|to|of|from|by) (?:what|which) \p{Ll}+(?=\?\s*\Z))(?!\p{L})(?!.*\b(?:i|i'm|me|my|we|our|us|you|your)\b)",
    regex.I | regex.S,
)
"""How others open that are of no one whom the person knows."""
_LETTER: Final = regex.compile(r"\p{L}")
_READ_LETTER: Final = regex.compile(
    r"[[\p{Latin}\p{Cyrillic}\p{Arabic}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー々]&&\p{L}]",
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
_QUIZ: Final = 0.12
"""Probability below which a statement that leads up to a question is taken from a quiz."""
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
        found_names = without_words(plain.text, find_names(plain.text))
        names = of_world(plain.text, recognise(plain.text, with_ties(plain.text, found_names)))
        signs = [*self._own(plain), *hard_signs(plain.text), *introduced(plain.text, names)]
        signs += [*professed(plain.text), *bodily(plain.text), *told_of_kin(plain.text)]
        stretches = [
            stretch
            for stretch in classify(plain.text, names)
            if not _is_code(plain.text, stretch, names)
        ]
        asked = [*asked_for(plain.text, names, before)]
        declined = bool(before) and declines(plain.text)
        harmless = not asked and (
            declined or is_thanks(plain.text) or answers_harmless_question(plain.text, before)
        )
        genre = frame_of(plain.text, names, genre_of(plain.text, names))
        signs += told_by_name(plain.text, names, genre)
        score = 0.0 if harmless else _score(stretches, genre)
        least, enough, certain = _thresholds(plain.text, names, stretches, genre)
        soft = [
            sign
            for stretch in stretches
            if _shifted(stretch.private, self.leniency.shift) >= least
            for sign in _soft_signs(plain.text, stretch, names)
        ]
        together = private_together(plain.text, before, alone=score) if before else False
        unexplained = not soft
        soft = [
            sign
            for sign in soft
            if plain.text[sign.start : sign.end].lower() not in self.leniency.harmless
        ]
        # Words that were called harmless free a text; that no single word speaks for it does not.
        score = _shifted(score, self.leniency.shift) if soft or unexplained else 0.0
        sure = bool(signs or asked) or together or score >= certain
        unknown = [
            name
            for name in names
            if plain.text[name.start : name.end].lower() not in self.leniency.harmless
        ]
        told = self._tells(plain.text, stretches, unknown, genre, harmless=harmless)
        unread = "" if asks_of_world(plain.text) else _unread(plain.text)
        unsure = not sure and (score >= enough or told or bool(unread))
        private = sure or unsure
        found = [*signs, *asked, *(soft if private else ())]
        if private and any(sign.kind in MATTERS or sign.kind == _NAME for sign in found):
            found += treated(plain.text)
        if private:
            found += _names_beside(names, found)
            if any(sign.kind not in MATTERS for sign in found):
                found += find_surroundings(plain.text, found)
        found = without_kin(plain.text, found)
        if private and unread and not found:
            found = [Sign(0, len(plain.text), unread, UNSURE)]
        if private and not found:
            found = [Sign(0, len(plain.text), "private", score)] if plain.text.strip() else []
        marked = [*_spans(plain, found, decides=private)]
        if not private:
            marked = [*_spans(plain, _names_beside(names, ()), decides=False)]
        spans = without_overlap(marked)
        masked = [sign for sign in found if sign.kind not in MATTERS]
        if private:
            of_own = find_likely_names(plain.text, masked)
        else:
            of_own = iter(() if harmless else _of_own(plain.text, names, genre))
        likely = [*_spans(plain, of_own, decides=False)]
        lean = leans(plain.text, names) >= _LEANS if before else False
        return Verdict(private, spans, unsure=unsure, leans=lean, likely=tuple(likely))

    def _tells(
        self,
        text: str,
        stretches: Sequence[Stretch],
        names: Sequence[Name],
        genre: Genre,
        *,
        harmless: bool,
    ) -> bool:
        """Return whether a text tells of a person by name, or is a paper or a list of some."""
        likely = max([stretch.private for stretch in stretches], default=0.0)
        # What books say of somebody is no news of theirs.
        names = [name for name in names if not is_history(text, name)]
        if not harmless:
            told = genre in ("", "passage") and names_somebody(text, names)
            if told and asks(text) and not asks_yes_or_no(text):
                told = likely >= _QUIZ
            if told or self._may_tell(text, stretches, names, genre):
                return True
            if not genre and (deals_with_somebody(text, names) or asks_after_somebody(text, names)):
                return True
        return genre != "exercise" and (
            is_written_to(text, names)
            or lists_people(text, names)
            or is_paper_of_somebody(text, names)
        )

    def _may_tell(
        self, text: str, stretches: Sequence[Stretch], names: Sequence[Name], genre: Genre
    ) -> bool:
        """Return whether a stretch that names a person may be of somebody's life after all."""
        said = text[slice(*core(text))]
        if _asks_the_world(said, text, names) or genre in (
            *("sum", "fiction", "report", "exercise", "work"),
        ):
            return False
        brief = len(said) < _BRIEF
        of_world = len(text) >= _LONG or _WORLDLY.match(said)
        enough = UNSURE_STRANGE if of_world else UNSURE_NAMED
        if is_exercise(text, names):
            enough = UNSURE
        strange = UNSURE_STRANGE
        if genre in ("passage", "look-up"):
            enough = strange = KEEP
        if genre == "look-up" and any(name.form == "full" for name in names):
            enough = UNSURE  # Somebody by first and last name who is not known to all.
        for stretch in stretches:
            likely = _shifted(stretch.private, self.leniency.shift)
            forms = {n.form for n in names if stretch.start <= n.start < stretch.end}
            if likely >= enough and not forms.isdisjoint(("full", "given")):
                return True
            if likely >= strange and brief and "unknown" in forms:
                return True
        return False

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


def _score(stretches: Sequence[Stretch], genre: Genre) -> float:
    """Return the probability of the most private stretch; in fiction those named are nobody's."""
    if genre == "sum":
        return 0.0
    if genre in ("fiction", "exercise", "work"):
        return max([stretch.beyond_names for stretch in stretches], default=0.0)
    return max([stretch.private for stretch in stretches], default=0.0)


def _thresholds(
    text: str, names: Sequence[Name], stretches: Sequence[Stretch], genre: Genre
) -> tuple[float, float, float]:
    """Return the probabilities from which words are shown, a text may be private, and is so."""
    said = text[slice(*core(text))]
    of_self = _OF_SELF.match(said) is not None
    least = UNSURE_SELF if of_self else _least(said)
    impersonal = is_impersonal(text, names)
    certain = KEEP_TOLD if genre == "look-up" or impersonal else KEEP
    if genre == "report":
        certain = KEEP_REPORT
    if impersonal or _asks_the_world(said, text, names) or genre not in ("", "sum"):
        return least, certain, certain
    if _ENGLISH.search(text) is None or any(
        name.form in ("full", "given", "small") for name in names
    ):
        return least, least, certain
    lived = of_self or _LIVED.search(text) is not None
    if lived and len(said) < _LONG and names_matter(said):
        return min(least, UNSURE_MATTER), UNSURE_MATTER, certain
    if not _is_weighty(text, stretches, names):
        return least, UNSURE_NAMELESS, certain
    return least, least if lived else UNSURE_NAMELESS, certain


def _asks_the_world(said: str, text: str, names: Sequence[Name]) -> bool:
    """Return whether a text asks for what books tell, of nobody whom the speaker meets."""
    if _ASKS_THE_WORLD.match(said) is None:
        return False
    return not any(is_met(text, name) for name in names if name.form != "public")


def _is_weighty(text: str, stretches: Sequence[Stretch], names: Sequence[Name]) -> bool:
    """Return whether some word speaks for a matter, or a name may; frames alone are of all matters."""
    if any(name.form != "public" for name in names) or names_matter(text):
        return True
    if _CODE_LIKE.search(text):
        return True  # It may be somebody's number, of a kind that no rule knows.
    known = lexicon()
    strange = (found[0].lower() for found in _CAPITAL.finditer(text))
    if any(word not in known.ordinary and word not in known.entities for word in strange):
        return True
    most = max(stretches, key=lambda stretch: stretch.private, default=None)
    if most is None:
        return False
    kind = 1 + int(most.probabilities[1:].argmax())
    share = most.shares[:, kind] - most.shares[:, 0]
    content = [
        float(share[i])
        for i, (word, _, _) in enumerate(most.tokens)
        if len(word) > _FEW - 1 and word.isalpha() and word not in _SMALL_WORDS
    ]
    return max(content, default=0.0) >= WEIGHTY


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
        if kind == _PASSWORD:
            # What opens a door is no word of the language; "login is" needs no placeholder.
            places = [at for at in places if _may_open(text[slice(*at)])] or places
        for start, end in _joined(text, places[:_WORDS_SHOWN]):
            # Less than any identifier: where both stand, it is the name that has to be masked.
            yield Sign(start, end, kind, min(_FAINT, stretch.private))


def _may_open(word: str) -> bool:
    """Return whether a word may be a secret: it has a digit, or no list has it."""
    return any(map(str.isdigit, word)) or word.lower() not in lexicon().ordinary


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


def _of_own(text: str, names: Sequence[Name], genre: Genre) -> Iterator[Sign]:
    """Yield who is named where a text that is not private places somebody in the speaker's life.

    Under pseudonyms they are masked, as a placeholder costs little; nothing else follows from it.
    """
    if genre not in ("", "look-up") or len(text) >= _LONG or is_exercise(text, names):
        return
    named = _names_beside(names, ())
    places = [(sign.start, sign.end) for sign in named]
    if not speaks_of_own(text):
        return
    kept = without_kin(text, named)
    likely = [*find_likely_names(text, kept)]
    hasty = any(text[sign.start].islower() for sign in likely)
    if hasty or tells_of_somebody(text) or find_placed(text, places):
        yield from sorted([*kept, *likely], key=lambda sign: sign.start)


def _names_beside(names: Sequence[Name], found: Sequence[Sign]) -> list[Sign]:
    """In a private text every person that it names, but the public ones."""
    named = Places((sign.start, sign.end) for sign in found if sign.kind == _NAME)
    return [
        Sign(name.start, name.end, _NAME, _NAMED)
        for name in names
        if name.form in ("full", "given", "small", "ambiguous")
        and not named.touch(name.start, name.end)
    ]


def _least(text: str) -> float:
    """Return the probability from which a text may be private that does not open as English does."""
    abroad = tells_of_self(text) and not _ENGLISH.search(text)
    return UNSURE_SELF_ABROAD if abroad else UNSURE


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
