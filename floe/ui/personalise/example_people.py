"""The invented people whose chats come with Floe, as the page introduces them."""

from dataclasses import dataclass
from typing import Final

from floe.resources import EXAMPLES
from floe.store import Store
from floe.store.imports import KeptImport, list_imports
from floe.ui.page_values import ExampleValue


@dataclass(frozen=True, slots=True)
class ExamplePerson:
    """One of them; `file` is the stem of the chats' file.

    `work` goes on after name and age, `manner` is a sentence.
    """

    file: str
    name: str
    age: int
    work: str
    manner: str

    @property
    def title(self) -> str:
        """Name, age and work: what their import is called, too."""
        return f"{self.name}, {self.age}, {self.work}"


PEOPLE: Final = (
    ExamplePerson(
        "kitchen",
        "Ana",
        58,
        "runs a kitchen",
        "Exclaims a lot, and has a comparison for everything.",
    ),
    ExamplePerson(
        "harbour",
        "Jon",
        47,
        "keeps a harbour",
        "Writes short lines in lower case, and ends with the weather.",
    ),
    ExamplePerson("letters", "Edith", 74, "used to teach", "Writes long and courteous letters."),
    ExamplePerson(
        "site",
        "Marek",
        39,
        "runs building sites",
        "A short answer first, then why, what to do and the risk.",
    ),
)


def is_example(kept: KeptImport) -> bool:
    """Return whether an import is that of an invented person."""
    return any(kept.name == person.title for person in PEOPLE)


def example_values(store: Store) -> list[ExampleValue]:
    """Return those whose chats are there, and whether they have been added."""
    added = {kept.name: kept for kept in list_imports(store)}
    values: list[ExampleValue] = []
    for person in PEOPLE:
        if not (EXAMPLES / f"{person.file}.jsonl").is_file():
            continue
        kept = added.get(person.title)
        values.append(
            {
                "file": person.file,
                "name": person.name,
                "title": person.title,
                "manner": person.manner,
                "added": kept.id if kept else None,
                "used": bool(kept and kept.used),
            }
        )
    return values
