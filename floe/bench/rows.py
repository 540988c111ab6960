"""The example chats, and the plan that the page would train them with here."""

import json
from typing import Any

from floe.errors import DataError
from floe.resources import EXAMPLES


def example_lines(writer: str | None = None) -> list[dict[str, Any]]:
    """Return the chats of one example writer, or of all, as lines of a rows file.

    Raises:
        DataError: the examples are not there.
    """
    paths = sorted(EXAMPLES.glob("*.jsonl" if writer is None else f"{writer}.jsonl"))
    if not paths:
        raise DataError(f"The example chats are missing from {EXAMPLES}.")
    return [
        {**json.loads(line), "weight": 1.0, "split": "train"}
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
