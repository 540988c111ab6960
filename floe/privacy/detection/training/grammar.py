"""Texts out of small grammars: `[a|b]` is a choice, `{slot}` a word of a list, sections are kinds.

The grammars are in `data/privacy`. Deterministic for a given `random.Random`.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.privacy.detection.names import lexicon, public_names
from floe.privacy.detection.vocabulary import listed

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_SLOT: Final = re.compile(r"\{(\w+)\}")
_SURNAMES_ZH: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN_ZH: Final = "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀霞平刚桂英华建国志文婷欣怡子涵浩宇"
_FULL_JA: Final = [
    "田中太郎",
    "佐藤花子",
    "鈴木一郎",
    "高橋健太",
    "渡辺美咲",
    "伊藤翔",
    "山本陽子",
    "中村大輔",
    "小林由美",
    "加藤直樹",
    "吉田彩",
    "山田次郎",
    "佐々木愛",
    "山口誠",
    "松本恵",
]
_GIVEN_JA: Final = ["太郎", "花子", "健太", "美咲", "翔", "陽子", "大輔", "由美", "直樹", "彩"]
_FULL_KO: Final = [
    "김민수",
    "이지은",
    "박서준",
    "최유진",
    "정하늘",
    "강민호",
    "조은영",
    "윤성민",
    "장미란",
    "임재현",
    "한소희",
    "오지훈",
]
_ONSETS: Final = (
    *"bcdfghjklmnprstvwyz",
    "br",
    "ch",
    "dr",
    "fr",
    "gr",
    "kr",
    "ph",
    "sh",
    "st",
    "th",
)
_VOWELS: Final = ("a", "a", "e", "e", "i", "i", "o", "u", "ai", "ea", "ia", "ui", "ei", "y")
_CODAS: Final = ("", "", "d", "dh", "l", "lyn", "n", "r", "s", "sh", "th", "v", "x", "nka", "mir")
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz"
_TAILS: Final = (
    "",
    "",
    "",
    "",
    " thanks",
    " pls help",
    " any advice?",
    " what do i do",
    " idk",
    " help",
    "?",
    "...",
    " :(",
    " thx in advance",
    " asap",
)
_LEADS: Final = (
    "",
    "",
    "",
    "",
    "",
    "",
    "hi, ",
    "hey ",
    "ok so ",
    "so ",
    "quick question: ",
    "hello! ",
    "um ",
    "please help, ",
    "pls ",
    "honestly ",
    "basically ",
    "not sure who to ask but ",
    "question - ",
    "ok ",
    "yo ",
    "good morning, ",
    "btw ",
)
_GREETINGS: Final = (
    "",
    "",
    "Hi there! ",
    "Hello! ",
    "Hello, ",
    "Hi, ",
    "Good evening. ",
    "Dear assistant, ",
    "Hey there, ",
    "Sorry to bother you. ",
    "I need some help. ",
    "I have a question. ",
    "Thank you for your help. ",
)
_THANKS: Final = (
    "",
    "",
    " Thank you so much.",
    " Thanks in advance!",
    " Many thanks.",
    " Thank you!",
    " Any help is appreciated.",
    " Please advise.",
    " What do you think?",
    " Have a nice day.",
    " Thanks a lot for reading.",
)
_TASKS: Final = (
    "write a short email: ",
    "make this sound better: ",
    "fix the spelling: ",
    "translate to german: ",
    "draft a message saying ",
    "how do i put this nicely: ",
    "rewrite formally: ",
    "put this in a letter: ",
    "summarise: ",
    "turn this into a text message: ",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One production: its language (empty: English), its kind, the text with choices and slots."""

    language: str
    kind: str
    text: str


def read_lines(path: Path) -> list[Line]:
    """All productions of a file; a section line is `= kind` or `= language kind`."""
    lines, language, kind = [], "", "-"
    for raw in path.read_text("utf-8").splitlines():
        if raw.startswith("# ") or not raw.strip():
            continue
        if raw.startswith("= "):
            words = raw[2:].split(" ", 1)
            language = words[0] if len(words[0]) == 2 else ""
            kind = (words[1] if len(words) > 1 else "-") if language else raw[2:]
            continue
        lines.append(Line(language, kind, raw))
    return lines


class Generator:
    """Draws texts; `slots` maps a slot to its values; `wrap` is how a person's name is written."""

    def __init__(self, folder: Path, dice: random.Random, wrap: str = "{}") -> None:
        self._dice = dice
        self.slots: dict[str, Sequence[str]] = {}
        name = ""
        for raw in (folder / "slots.txt").read_text("utf-8").splitlines():
            if raw.startswith("= "):
                name = raw[2:].strip()
            elif raw and not raw.startswith("#"):
                self.slots[name] = [value.strip() for value in raw.split("|")]
        known = lexicon()
        latin = re.compile(r"[a-zà-öø-ÿšžčćńłśźżąęőűäöüß'-]{3,14}")
        self._given = sorted(
            word for word in known.given if latin.fullmatch(word) and word not in known.ordinary
        )
        self._words = sorted(
            word for word in known.given if word in known.ordinary and word in _WORD_NAMES
        )
        self._family = sorted(word for word in known.family if latin.fullmatch(word))
        self._russian = sorted(word for word in known.given if re.fullmatch(r"[а-яё]{3,12}", word))
        self._russian_family = sorted(
            word for word in known.family if re.fullmatch(r"[а-яё]{4,14}", word)
        )
        self._famous = sorted(name.rstrip("*") for name in public_names())
        self._made: Mapping[str, Callable[[str], str]] = {
            "given": lambda language: wrap.format(self._a_given(language)),
            "full": lambda language: wrap.format(self._a_full(language)),
            "last": lambda language: wrap.format(self._a_last(language)),
            "title": lambda _l: self._dice.choice(
                ["Mr.", "Mrs.", "Ms", "Dr.", "Prof.", "Mr", "Miss"]
            ),
            "n": lambda _l: str(self._dice.randrange(2, 90)),
            "digits": lambda _l: str(self._dice.randrange(1000, 999999)),
            "word": lambda _l: "".join(self._dice.choices(_LETTERS, k=7)),
            "secret": lambda _l: self._a_secret(),
            "seed": lambda _l: " ".join(self._dice.sample(sorted(w for w in _SEED_WORDS), 12)),
            "strange": lambda _l: self._a_strange(),
            "famous": lambda _l: self._dice.choice(self._famous),
        }

    def expand(self, line: Line) -> str:
        """One text of a production."""
        text = line.text
        while found := _CHOICE.search(text):
            text = (
                text[: found.start()] + self._dice.choice(found[1].split("|")) + text[found.end() :]
            )
        while found := _SLOT.search(text):
            name = found[1]
            value = (
                self._made[name](line.language)
                if name in self._made
                else self._dice.choice(self.slots[name])
            )
            text = text[: found.start()] + value + text[found.end() :]
        return re.sub(" {2,}", " ", text).replace("\\n", "\n").strip()

    def styled(self, text: str, *, english: bool) -> str:
        """Return the same as another person would type it."""
        dice = self._dice
        if english and dice.random() < 0.3:
            text = dice.choice(_LEADS) + text
        if english and dice.random() < 0.12:
            text = dice.choice(_TASKS) + text
        if english and dice.random() < 0.25:
            text = text.rstrip(".?! ") + dice.choice(_TAILS)
        way = dice.random()
        if english and way < 0.3:
            text = _proper(text)
            if dice.random() < 0.8 and text[-1:].isalnum():
                text += dice.choice(".?.!.")
        elif way < 0.34:
            text = text.upper() if dice.random() < 0.3 else text
        elif way < 0.45:
            text = text.lower()
        if dice.random() < 0.12:
            text = _typo(text, dice)
        return text

    def polite(self, text: str) -> str:
        """Return the same with a greeting and thanks around it, which say nothing of what it is."""
        end = "." if text[-1:].isalnum() else ""
        return self._dice.choice(_GREETINGS) + text + end + self._dice.choice(_THANKS)

    def _a_given(self, language: str) -> str:
        if language in ("ru", "uk"):
            return self._dice.choice(self._russian).capitalize()
        if language == "zh":
            return self._dice.choice("小") + self._dice.choice(_GIVEN_ZH)
        if language == "ja":
            return self._dice.choice(_GIVEN_JA)
        if language == "ko":
            return self._dice.choice(_FULL_KO)[1:]
        name = self._dice.choice(self._words if self._dice.random() < 0.06 else self._given)
        return "-".join(part.capitalize() for part in name.split("-"))

    def _a_strange(self) -> str:
        """Return a word with a capital that no list has, as many names and products are."""
        known = lexicon()
        while True:
            word = "".join(
                self._dice.choice(_ONSETS) + self._dice.choice(_VOWELS)
                for _ in range(self._dice.choice((2, 2, 3)))
            ) + self._dice.choice(_CODAS)
            lists = (known.given, known.family, known.ordinary, known.entities)
            if not any(word in each for each in lists):
                return word.capitalize()

    def _a_last(self, language: str) -> str:
        if language in ("ru", "uk"):
            return self._dice.choice(self._russian_family).capitalize()
        return "-".join(part.capitalize() for part in self._dice.choice(self._family).split("-"))

    def _a_full(self, language: str) -> str:
        if language == "zh":
            return self._dice.choice(_SURNAMES_ZH) + "".join(
                self._dice.choices(_GIVEN_ZH, k=self._dice.choice((1, 2)))
            )
        if language == "ja":
            return self._dice.choice(_FULL_JA)
        if language == "ko":
            return self._dice.choice(_FULL_KO)
        initial = f" {self._dice.choice('ABCDEFGHJKLMNPRST')}." if self._dice.random() < 0.1 else ""
        return f"{self._a_given(language)}{initial} {self._a_last(language)}"

    def _a_secret(self) -> str:
        word = self._dice.choice(self._given)
        return (
            word.capitalize()
            + str(self._dice.randrange(10, 2030))
            + self._dice.choice(["!", "", "#", "$", "_x"])
        )


def _proper(text: str) -> str:
    """With capitals and apostrophes where school wants them."""
    text = re.sub(r"\bi\b", "I", text)
    for bad, good in (
        ("im", "I'm"),
        ("ive", "I've"),
        ("dont", "don't"),
        ("cant", "can't"),
        ("doesnt", "doesn't"),
        ("isnt", "isn't"),
        ("wont", "won't"),
        ("didnt", "didn't"),
        ("shes", "she's"),
        ("hes", "he's"),
        ("thats", "that's"),
        ("whats", "what's"),
    ):
        text = re.sub(rf"\b{bad}\b", good, text)
    return text[:1].upper() + text[1:]


def _typo(text: str, dice: random.Random) -> str:
    if len(text) < 8:
        return text
    at = dice.randrange(2, len(text) - 2)
    way = dice.random()
    if way < 0.4:
        return text[:at] + text[at + 1 :]
    if way < 0.7:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


_WORD_NAMES: Final = listed("word_names")
_SEED_WORDS: Final = listed("seed_words")
