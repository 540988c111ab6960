"""Prompts of nobody in particular, written for Floe: to keep what a model can, and to try it by."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.errors import DataError
from floe.resources import REPLAY, TRIAL

_LEAST_SHARE: Final = 0.1
"""Share of somebody's texts from which on a language is one of theirs."""
_SCRIPTS: Final = {"zh": re.compile(r"[㐀-鿿]")}
_STOP_WORDS: Final = {
    "en": "the and you is to of it for that with what are have this not do how my",
    "de": "der die das und ist nicht ich du ein eine zu mit auf den wie",
    "fr": "le la les et est vous je pas une un des que pour dans qui",
    "es": "el los las y es no que una un por con para del como está cuál qué cuántos cuántas tiene",
    "it": "il gli che di è non una un per con della sono come del si quanti quante ha",
    "pt": "o os as e é não que uma um por com para do da em",
}
_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class PublicPrompt:
    """A prompt; `expected`: words, one of which a right answer has; empty: any answer will do."""

    prompt: str
    expected: tuple[str, ...] = ()
    language: str = "en"


def read_prompts(path: Path) -> list[PublicPrompt]:
    """Read a JSON Lines file of `prompt` and, if there are such, `answers` and `language`.

    Raises:
        DataError: the file cannot be read, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        values = [json.loads(line) for line in lines if line.strip()]
        return [
            PublicPrompt(
                str(value["prompt"]),
                tuple(str(each) for each in value.get("answers", ())),
                str(value.get("language", "en")),
            )
            for value in values
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path.name} cannot be read as questions. Expected is {{"prompt": "...", "answers": '
            '["..."]} on each line.'
        ) from error


def replay_prompts(languages: Iterable[str]) -> list[PublicPrompt]:
    """Return the prompts whose answers are learnt along with a person's own, in these languages."""
    wanted = {"en", *languages}
    return [each for each in read_prompts(REPLAY) if each.language in wanted]


def trial_prompts(languages: Iterable[str]) -> list[PublicPrompt]:
    """Return the greetings and questions that a trained model answers, in these languages."""
    wanted = {"en", *languages}
    return [each for each in read_prompts(TRIAL) if each.language in wanted]


def languages_of(texts: Sequence[str]) -> list[str]:
    """Return the languages that at least a tenth of the texts are in, of those we have prompts in.

    A text is in the language most of whose frequent words it has.
    """
    found = Counter(language for text in texts if (language := language_of(text)))
    return sorted(each for each, count in found.items() if count >= _LEAST_SHARE * len(texts))


def language_of(text: str) -> str:
    """Return the language of a text, as in `replay.jsonl`; empty if it cannot be told."""
    for language, script in _SCRIPTS.items():
        if len(script.findall(text)) * 4 > len(text):
            return language
    words = _WORD.findall(text.casefold())
    counts = {
        language: sum(word in stops for word in words)
        for language, known in _STOP_WORDS.items()
        if (stops := set(known.split()))
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ""
