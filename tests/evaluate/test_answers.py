"""`floe evaluate answers`, on a hand-sized model: the whole way, and what it says."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from floe.evaluate import answers, learning
from floe.evaluate.__main__ import main
from floe.models.sampling_defaults import SamplingDefaults
from floe.records import ChatMessage, Sampling
from tests.training.runs_of_tiny import ANSWERS
from tests.training.tiny import write_tiny


def test_both_models_answer_own_and_known_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOE_MODEL", str(write_tiny(tmp_path / "tiny.gguf")))
    monkeypatch.setenv("FLOE_DATA_DIR", str(tmp_path / "data"))
    short = SamplingDefaults(Sampling(max_tokens=8), "short")
    monkeypatch.setattr(answers, "sampling_defaults", lambda *_: short)
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"how is it, {i}?"},
                {"role": "assistant", "content": answer},
            ]
        }
        for i, answer in enumerate(ANSWERS)
    ]
    chats, questions = tmp_path / "chats.jsonl", tmp_path / "questions.jsonl"
    chats.write_text("\n".join(json.dumps(line) for line in lines))
    questions.write_text('{"prompt": "What is 2 plus 2?", "answers": ["4"]}\n{"prompt": "Hello!"}')
    words = ["answers", "--train", str(chats), "--questions", str(questions), "--json"]
    words += ["--keep", str(tmp_path / "kept")]
    assert main(words) == 0
    assert (tmp_path / "kept" / "result.json").exists()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    for side in ("base", "personal"):
        measured = found[side]
        # Two chats of six are kept aside, and there is one question with an answer.
        assert (measured["answers"], measured["asked"]) == (4, 1)
        assert 0 <= measured["ended"] <= 1
        assert 0 < measured["distinct4"] <= 1
        assert measured["right"] in (0, 1)
    assert found["manner"] is not None
    assert 0 <= found["parroted"] <= 1
    assert isinstance(found["adopted"], bool)
    assert found["reason"].endswith(".")
    assert [each["prompt"] for each in found["written"]][2:] == ["What is 2 plus 2?", "Hello!"]
    # What the base wrote is kept for the next training.
    assert list((tmp_path / "data" / "base_answers").iterdir())


def test_a_training_that_was_kept_is_made_once_for_the_same_chats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    ran = []

    def run(*_: object, **__: object) -> None:
        """Do no more than a trainer's end: say over how many rows it ran."""
        ran.append(len((kept / "rows.jsonl").read_text().splitlines()))
        result = {"status": "complete", "best_step": 1, "rows": ran[-1]}
        (kept / "result.json").write_text(json.dumps(result))

    monkeypatch.setattr(learning, "subprocess", SimpleNamespace(run=run))
    base = write_tiny(tmp_path / "tiny.gguf")
    chats = [[ChatMessage("user", f"{i}?"), ChatMessage("assistant", "yes")] for i in range(4)]

    def learnt(count: int) -> int:
        trained = learning.learn(base, chats[1:count], chats[:1], kept)
        return int(trained.result["rows"])

    assert [learnt(3), learnt(3)] == [3, 3]
    assert ran == [3]
    assert learnt(4) == 4
    assert ran == [3, 4]


def test_questions_of_another_format_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.jsonl").write_text("[]")
    words = ["answers", "--train", "none.jsonl", "--questions", str(tmp_path / "q.jsonl")]
    assert main(words) == 1
    assert "Expected is" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["answers"])
