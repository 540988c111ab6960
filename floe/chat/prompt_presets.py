"""System prompts and beginnings of messages that a person has kept by name, with variables.

`{{date}}`, `{{time}}` and `{{weekday}}` are filled in when a question is asked; `{{selection}}`,
what is marked in the page, by the page when a preset is taken.
"""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field, TypeAdapter, ValidationError

from floe.errors import PromptError
from floe.store import Store
from floe.store.text import clean, one_line

LONGEST_PROMPT: Final = 20_000
"""Characters of a system prompt or preset."""
_LONGEST_NAME: Final = 60
_MOST: Final = 100
_KEY: Final = "prompt_presets"
_VARIABLE: Final = re.compile(r"\{\{\s*(date|time|weekday)\s*\}\}")


@dataclass(frozen=True, slots=True)
class PromptPreset:
    """A text under a name; `own`: the person has written it."""

    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_PROMPT)]
    own: bool = True


GIVEN: Final = (
    PromptPreset(
        "Plain words",
        "You explain in plain words and short sentences, as to a curious neighbour. "
        "Today is {{weekday}}, {{date}}.",
        own=False,
    ),
    PromptPreset(
        "Translator",
        "You translate what you are given into English and answer with the translation alone.",
        own=False,
    ),
    PromptPreset(
        "Code reviewer",
        "You review code. Name each fault with its line, and show the line mended.",
        own=False,
    ),
    PromptPreset(
        "About a passage",
        "You answer questions about this passage, and say so where it does not tell:\n\n"
        "{{selection}}",
        own=False,
    ),
    PromptPreset("Shorten", "Say this in half as many words:\n\n{{selection}}", own=False),
)
"""Presets to begin with."""

_KEPT: Final[TypeAdapter[list[PromptPreset]]] = TypeAdapter(list[PromptPreset])


def presets(store: Store) -> list[PromptPreset]:
    """Return the given ones, then the person's own by name."""
    return [*GIVEN, *_own(store)]


def save_preset(store: Store, name: str, text: str) -> None:
    """Keep a text under a name, in place of an own one of that name.

    Raises:
        PromptError: there is no name or no text, or the name is that of a given one.
    """
    name, text = one_line(clean(name))[:_LONGEST_NAME], clean(text).strip()[:LONGEST_PROMPT]
    if not name or not text:
        raise PromptError("A preset needs a name and a text: write both, then save it.")
    if any(each.name == name for each in GIVEN):
        raise PromptError(f"{name} is the name of a preset of Floe's. Choose another one.")
    others = [each for each in _own(store) if each.name != name]
    if len(others) >= _MOST:
        raise PromptError(f"There are {_MOST} presets already. Delete one first.")
    kept = sorted([*others, PromptPreset(name, text)], key=lambda each: each.name.casefold())
    store.set_setting(_KEY, [asdict(each) for each in kept])


def delete_preset(store: Store, name: str) -> None:
    """Let an own one go."""
    store.set_setting(_KEY, [asdict(each) for each in _own(store) if each.name != name])


def fill_variables(text: str, now: datetime) -> str:
    """Write date, time and weekday into a system prompt."""
    values = {
        "date": f"{now.day} {now:%B %Y}",
        "time": f"{now:%H:%M}",
        "weekday": f"{now:%A}",
    }
    return _VARIABLE.sub(lambda found: values[found[1]], text)


def _own(store: Store) -> list[PromptPreset]:
    try:
        return _KEPT.validate_python(store.setting(_KEY, []))
    except ValidationError:
        return []
