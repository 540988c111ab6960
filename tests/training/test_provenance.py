"""What leaves the device with an adapter says nothing of the person."""

import json
from pathlib import Path

import pytest

from floe.records import ChatMessage
from floe.training.data.tokenisation import TrainRow
from floe.training.provenance import describe_provenance
from tests.training.tiny import write_tiny

PUBLIC = "You are a helpful assistant."
ABOUT = f"{PUBLIC}\n\nAbout the person you talk to: Ada Quill, 7 Mill Lane."


@pytest.mark.parametrize(
    ("system", "kept", "left_out"),
    [(PUBLIC, PUBLIC, False), (ABOUT, PUBLIC, True), ("", "", False)],
)
def test_what_the_person_says_of_themselves_is_not_in_it(
    tmp_path: Path, system: str, kept: str, left_out: bool
) -> None:
    said = (
        ChatMessage("system", system), ChatMessage("user", "How is Ada?"),
        ChatMessage("assistant", "Ada Quill is well."),
    )  # fmt: skip
    public = PUBLIC if system else ""
    found = describe_provenance(write_tiny(tmp_path / "tiny.gguf"), [TrainRow(said)], public)
    assert (found["system_prompt"], found["system_prompt_left_out"]) == (kept, left_out)
    assert "Quill" not in json.dumps(found)
    assert (found["rows"], found["answers"]) == (1, 1)
