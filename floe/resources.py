"""Files that come with the program: where they lie in a checkout, and where in a package.

In a checkout they stand at its top (`models/catalog.toml`, `data/examples`), where a person looks
for them; an installed package carries the same files in `floe/resources`.
"""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent

IMPORT_ROOT: Final = PACKAGE.parent
"""The folder that holds the package: children are started there, so that they import this Floe."""

CHECKOUT: Final = IMPORT_ROOT if (IMPORT_ROOT / "models" / "catalog.toml").is_file() else None
"""The top of the checkout that this is, or None in an installed package."""


def resource(*parts: str) -> Path:
    """Return the path of a file that comes with the program, as `resource("data", "tasks")`."""
    root = CHECKOUT if CHECKOUT is not None else PACKAGE / "resources"
    return root.joinpath(*parts)


CATALOG: Final = resource("models", "catalog.toml")
EXAMPLES: Final = resource("data", "examples")
"""Chats of four made-up people, one JSONL file each."""
TASK_CHATS: Final = resource("data", "tasks")
"""Questions with answers of four tasks, one JSONL file each."""
GENERAL: Final = resource("data", "general.jsonl")
"""Sentences of general text, by which an adapter is kept from forgetting."""
REPLAY: Final = resource("data", "replay.jsonl")
"""Prompts of nobody in particular; the base's answers to them are learnt along."""
DEFAULT_ANSWERS: Final = resource("data", "default_answers.json")
"""What the default model answers to those and to the next, under the default settings."""
TRIAL: Final = resource("data", "trial.jsonl")
"""Greetings and questions by which a trained model is tried out."""
QUESTIONS: Final = resource("data", "questions.jsonl")
"""Other questions with answers, by which `floe evaluate answers` measures."""
FLOWER_APP: Final = resource("pyproject.toml")
"""The project file, in which Flower finds a group's app and the settings of its runs."""
QUESTION_SETS: Final = resource("data", "questions")
"""Sets with right answers, by which `floe evaluate accuracy` measures."""
