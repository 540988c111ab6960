"""The trainer's process and its folder, on hand-sized models that llama.cpp can serve."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import floe
from floe.adapters.export import read_peft
from floe.adapters.lora_factors import Factors
from floe.training.adapter_scale import CANDIDATE_SCALES, MAX_GENERAL_RISE
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.data.tokenisation import Encoder, RowsError, read_rows
from floe.training.memory_limit import rss_mb
from floe.training.training_loop import LoopStep, learning_rate_share
from floe.training.worker import WorkerRun, build_training_loop, run_folder, train
from tests.training.runs_of_tiny import plan, result_of, rows, write_run
from tests.training.tiny import write_tiny


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf")


def progress(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]


def same(first: Factors, second: Factors) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(a, second[name][0]) and np.array_equal(b, second[name][1])
        for name, (a, b) in first.items()
    )


def test_a_run_lowers_the_held_out_loss_and_leaves_an_adapter(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base, epochs=8)
    assert run_folder(folder) == 0
    result = result_of(folder)
    assert result["status"] == "complete"
    assert result["held_out_after"] < result["held_out_before"]
    assert result["bits_per_byte_after"] < result["bits_per_byte_before"]
    assert result["held_out_bytes"] == len("mind the third step" + "the harbour is calm again")
    assert (folder / "adapter.gguf").exists()
    factors, alpha = read_peft(folder / "adapter")
    assert alpha == 4.0
    assert {name.split(".")[2] for name in factors} == {"2", "3"}
    lines = progress(folder)
    assert [line["step"] for line in lines] == list(range(1, result["steps"] + 1))
    assert lines[-1]["held_out_loss"] is not None
    assert all(line["seconds_left"] >= 0 for line in lines)


def test_the_adapter_is_left_as_strong_as_general_text_bears(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base, epochs=8, learning_rate=0.03)
    assert run_folder(folder) == 0
    result = result_of(folder)
    assert result["general_before"] > 0
    gentle = result["general_after"] <= (1 + MAX_GENERAL_RISE) * result["general_before"]
    assert gentle or result["strength"] == CANDIDATE_SCALES[-1]
    again = write_run(tmp_path / "again", base, epochs=1, continue_from=str(folder / "adapter"))
    assert run_folder(again) == 0
    # What was exported is what was measured.
    assert result_of(again)["held_out_start"] == pytest.approx(result["held_out_after"], rel=1e-5)


def test_stopped_and_resumed_is_the_same_as_uninterrupted(tmp_path: Path, base: Path) -> None:
    whole = write_run(tmp_path / "whole", base, batch_tokens=60, precision="bfloat16")
    assert run_folder(whole) == 0
    halves = write_run(tmp_path / "halves", base, batch_tokens=60, precision="bfloat16")
    (halves / "stop").touch()
    assert run_folder(halves) == 0
    assert result_of(halves)["status"] == "cancelled"
    (halves / "stop").unlink()

    def stop_later(step: LoopStep) -> None:
        if step.step == 5:
            (halves / "stop").touch()

    run = WorkerRun(halves)
    run.work(stop_later)
    (halves / "stop").unlink()
    assert run_folder(halves) == 0
    assert result_of(halves)["best_step"] == result_of(whole)["best_step"]
    assert same(read_peft(halves / "adapter")[0], read_peft(whole / "adapter")[0])


def test_killed_in_the_middle_it_goes_on_from_the_checkpoint(tmp_path: Path, base: Path) -> None:
    whole = write_run(tmp_path / "whole", base, epochs=60)
    assert run_folder(whole) == 0
    folder = write_run(tmp_path / "run", base, epochs=60)
    command = [sys.executable, "-m", "floe.training.worker", "--folder", str(folder)]
    process = subprocess.Popen(command, cwd=Path(floe.__file__).parents[1])
    try:
        wait_for(folder / "checkpoint" / "state.pt", process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = len(progress(folder))
    assert before >= 1
    assert not (folder / "result.json").exists()
    assert run_folder(folder) == 0
    lines = progress(folder)
    # What follows the checkpoint is done again; nothing before it is.
    assert lines[before]["step"] > 1
    assert result_of(folder)["status"] == "complete"
    assert same(read_peft(folder / "adapter")[0], read_peft(whole / "adapter")[0])


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "the trainer ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_on_another_base_it_does_not_go_on(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base)
    WorkerRun(folder).work()
    write_tiny(base, seed=1)
    assert run_folder(folder) == 1
    assert result_of(folder)["code"] == "base"
    assert "not the one" in result_of(folder)["sentence"]


def test_with_other_rows_it_starts_anew(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base)
    assert run_folder(folder) == 0
    write_run(folder, base, rows()[:2])
    (folder / "progress.jsonl").unlink()
    assert run_folder(folder) == 0
    assert progress(folder)[0]["step"] == 1


@pytest.mark.parametrize(
    ("some_rows", "code"),
    [
        ([], "rows"),
        ([{"messages": [{"role": "user", "content": "hi"}]}], "rows"),
        ([{"nothing": 1}], "rows"),
    ],
)
def test_without_rows_it_fails_in_words(
    tmp_path: Path, base: Path, some_rows: list[dict[str, Any]], code: str
) -> None:
    folder = write_run(tmp_path / "run", base, some_rows)
    assert run_folder(folder) == 1
    assert result_of(folder)["code"] == code
    assert result_of(folder)["sentence"].endswith(".")


def test_a_missing_base_fails_in_words(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", tmp_path / "gone.gguf")
    assert run_folder(folder) == 1
    assert result_of(folder)["code"] == "base"


def test_the_memory_limit_ends_it_before_it_is_passed(tmp_path: Path, base: Path) -> None:
    text = "all work and no play makes a dull boy. " * 25
    messages = [{"role": "user", "content": "go"}, {"role": "assistant", "content": text}]
    limit = rss_mb() + 40
    folder = write_run(
        tmp_path / "run",
        base,
        [{"messages": messages}],
        memory_limit_mb=limit,
        layers=4,
        sequence_length=1024,
    )
    assert run_folder(folder) == 1
    result = result_of(folder)
    assert result["code"] == "memory"
    assert "smaller plan" in result["sentence"]
    assert rss_mb() < limit


def test_a_full_disk_fails_in_words_and_is_survived(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run", base)
    with monkeypatch.context() as patch:

        def full(descriptor: int) -> None:
            raise OSError(28, os.strerror(28))

        patch.setattr(os, "fsync", full)
        assert run_folder(folder) == 1
    assert result_of(folder)["code"] == "disk"
    assert run_folder(folder) == 0
    assert result_of(folder)["status"] == "complete"


def test_one_row_and_none_held_out_trains_to_the_end(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base, rows()[:1])
    assert run_folder(folder) == 0
    result = result_of(folder)
    assert result["status"] == "complete"
    assert result["held_out_before"] is None
    assert result["best_step"] == result["steps"] == 3


def test_rows_that_are_not_english_train(tmp_path: Path, base: Path) -> None:
    some: list[dict[str, Any]] = [
        {
            "messages": [
                {"role": "user", "content": "天気は"},
                {"role": "assistant", "content": "晴れです。🌤️"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Wie ist es?"},
                {"role": "assistant", "content": "Größer als gedacht."},
            ],
            "split": "held_out",
        },
    ]
    folder = write_run(tmp_path / "run", base, some)
    assert run_folder(folder) == 0
    assert result_of(folder)["held_out_bytes"] == len("Größer als gedacht.".encode())


def test_a_row_longer_than_the_sequence_is_learnt_in_windows_each_token_once(base: Path) -> None:
    text = "all work and no play makes a dull boy. " * 12
    row = {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": text}]}
    path = base.with_name("rows.jsonl")
    path.write_text(json.dumps(row), encoding="utf-8")
    with Encoder(base) as encoder:
        (whole,) = encoder.examples(read_rows(path), 10_000)
        windows = encoder.examples(read_rows(path), 100)
        end = encoder.vocabulary.end_ids
    assert all(len(window) <= 100 for window in windows)
    learnt = [int(t) for w in windows for t in w.targets[w.weights > 0]]
    assert learnt == whole.targets[whole.weights > 0].tolist()
    assert bytes(learnt[:-1]) == text.encode()
    assert learnt[-1] in end
    assert sum(window.text_bytes for window in windows) == pytest.approx(len(text), abs=3)


def test_only_answers_are_learnt_with_the_chats_own_tokens(base: Path, tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one?"},
        {"role": "assistant", "content": "yes <|im_end|>"},
        {"role": "user", "content": "two?"},
        {"role": "assistant", "content": "no"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": messages, "weight": 2}), encoding="utf-8")
    with Encoder(base) as encoder:
        (example,) = encoder.examples(read_rows(path), 1000)
    end = 258
    learnt = example.targets[example.weights > 0].tolist()
    # A control token spelled out in a text is text; the one that ends the turn is the token.
    assert learnt == [*b"yes <|im_end|>", end, *b"no", end]
    assert set(example.weights.tolist()) == {0.0, 2.0}
    assert example.text_bytes == len("yes <|im_end|>no")


def test_training_goes_on_from_factors_of_any_rank(base: Path, tmp_path: Path) -> None:
    model = read_base_weights(base, torch.float32)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows()))
    with Encoder(base) as encoder:
        some = read_rows(tmp_path / "rows.jsonl")
        learned = encoder.examples([row for row in some if not row.held_out], 128)
        held_out = encoder.examples([row for row in some if row.held_out], 128)
    first = train(model, learned, held_out, plan(epochs=6))
    start = (first.factors, first.alpha)
    # The same adapter in a larger rank, and with another alpha, says the same at the start.
    loop, _ = build_training_loop(
        model, learned, held_out, plan(rank=4, alpha=32.0, epochs=0), seed=1, start=start
    )
    again = loop.run()
    assert again.held_out_start == pytest.approx(first.trained.held_out_after, rel=1e-5)
    assert again.held_out_before == pytest.approx(first.trained.held_out_before, rel=1e-5)
    lower = train(model, learned, held_out, plan(rank=1, alpha=1.0), start=start)
    assert all(a.shape[0] == 1 for a, _ in lower.factors.values())


def test_the_best_step_is_kept_and_overfitting_ends_the_run(base: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", base, epochs=200, learning_rate=0.3)
    assert run_folder(folder) == 0
    result = result_of(folder)
    looks = [line for line in progress(folder) if line["held_out_loss"] is not None]
    best = min([result["held_out_before"], *(line["held_out_loss"] for line in looks)])
    at_best = [line["held_out_loss"] for line in looks if line["step"] == result["best_step"]]
    assert at_best == [best]
    assert result["held_out_after"] < result["held_out_before"]
    assert result["steps"] < looks[-1]["steps"]


def test_nothing_to_learn_from_is_an_error_in_process_too(base: Path) -> None:
    with pytest.raises(RowsError):
        train(read_base_weights(base, torch.float32), [], [], plan())


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [learning_rate_share(step, 100) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.1
