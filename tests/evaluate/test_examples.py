"""`floe evaluate examples`, with the real default model and no training."""

import json
from pathlib import Path

import pytest

from floe.evaluate import examples
from floe.evaluate.__main__ import main
from floe.evaluate.learning import TrainedWriter

TEXTS = {
    "How do I keep the bilge of my boat dry?": "short list --\n- sponge, twice.\n- look again.",
    "Which rope do I take for the mooring?": "short list --\n- the thick one.\n- the other.",
    "How often is the boat painted?": "short list --\n- the hull, each spring.\n- the deck, never.",
}
ASKED = {"How do I clean the deck of the boat?": "short list --\n- bucket.\n- brush, twice."}


def write_chats(path: Path, chats: dict[str, str]) -> str:
    roles = ("user", "assistant")
    lines = [
        [{"role": role, "content": text} for role, text in zip(roles, pair, strict=True)]
        for pair in chats.items()
    ]
    path.write_text("\n".join(json.dumps({"messages": line}) for line in lines))
    return str(path)


def test_own_texts_in_the_prompt_make_their_writers_answers_likelier(
    tmp_path: Path,
    smollm_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FLOE_MODEL", str(smollm_path))
    monkeypatch.setattr(
        examples, "learn", lambda *_, **__: TrainedWriter(None, {"strength": None, "steps": 0})
    )
    monkeypatch.setattr(examples, "judge", lambda _: (False, "Nothing was learnt."))
    train = write_chats(tmp_path / "train.jsonl", TEXTS)
    test = write_chats(tmp_path / "test.jsonl", ASKED)
    assert main(["examples", "--train", train, "--test", test, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answers"], found["texts_in_prompt"]) == (1, 1)
    assert found["adapter"] == found["base"]
    assert found["both"] == found["texts"] < 0.9 * found["base"]
    assert found["change"]["adapter"] == 0
    assert "own texts before 1 of them" in examples.describe_examples(found)


def test_many_texts_are_refused_in_words(
    tmp_path: Path, smollm_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_chats(tmp_path / "train.jsonl", {f"Which rope, {i}?": "thick." for i in range(9)})
    assert main(["examples", "--train", train, "--test", train]) == 1
    assert "--train needs 1 to 8 answers" in capsys.readouterr().err
