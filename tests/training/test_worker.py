"""The trainer's process and its folder, on hand-sized models that llama.cpp can serve."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import floe
from floe.adapters.export import read_peft
from floe.adapters.lora_factors import Factors
from floe.errors import ModelError
from floe.records import Sampling
from floe.resources import GENERAL
from floe.training.adapter_scale import CANDIDATE_SCALES, MAX_GENERAL_RISE
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.comparison import judge
from floe.training.data.tokenisation import Encoder, RowsError, read_rows
from floe.training.memory_limit import release_freed_memory, rss_mb
from floe.training.planning.plan import workload_of
from floe.training.process import RunFolder, TrainingStage
from floe.training.training_loop import GeneralText, LoopStep, learning_rate_share
from floe.training.trial import base_answers
from floe.training.worker import WorkerRun, build_training_loop, run_folder, train
from tests.training.runs_of_tiny import ANSWERS, plan, result_of, rows, write_run
from tests.training.tiny import TEMPLATE, write_tiny


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
    known = result["provenance"]
    assert known["origin"]["file"] == base.name
    assert known["chat_template"] == TEMPLATE
    assert known["rows"] + known["rows_held_out"] == len(read_rows(folder / "rows.jsonl"))
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
    assert not RunFolder(halves).stepping  # the app may end it at any time
    (halves / "stop").unlink()

    def stop_later(step: LoopStep) -> None:
        assert RunFolder(halves).stepping
        if step.step == 5:
            (halves / "stop").touch()

    run = WorkerRun(halves)
    run.work(stop_later)
    (halves / "stop").unlink()
    assert run_folder(halves) == 0
    assert result_of(halves)["best_step"] == result_of(whole)["best_step"]
    assert same(read_peft(halves / "adapter")[0], read_peft(whole / "adapter")[0])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError("4608 requested and 4088 written"),  # numpy, in the midst of an array
    ],
)
def test_an_adapter_that_finds_no_room_is_said_to_and_is_written_later(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    folder = write_run(tmp_path / "run", base, epochs=1)

    def full(*_args: object, **_options: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("floe.training.worker.write_gguf", full)
        assert run_folder(folder) == 1
    result = result_of(folder)
    assert (result["status"], result["code"]) == ("failed", "disk")
    assert result["sentence"].startswith("The disk is full.")
    assert not (folder / "adapter.gguf").exists()
    assert run_folder(folder) == 0
    assert result_of(folder)["status"] == "complete"


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
    # What a first run loads, or earlier tests have freed, is none of what is measured here.
    assert run_folder(write_run(tmp_path / "before", base, epochs=1)) == 0
    release_freed_memory()
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


def test_general_text_that_is_left_to_the_base_costs_nothing(base: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows()))
    with Encoder(base) as encoder:
        some = read_rows(tmp_path / "rows.jsonl")
        learned = encoder.examples([row for row in some if not row.held_out], 128)
        held_out = encoder.examples([row for row in some if row.held_out], 128)
        other = encoder.examples(read_rows(GENERAL)[:2], 128)
    found = {}
    for name, text in {
        "taken": GeneralText(taken=other),
        "left": GeneralText(left=other),
        "both": GeneralText(taken=other[:1], left=other[1:]),
    }.items():
        loop, _ = build_training_loop(
            read_base_weights(base, torch.float32),
            learned,
            held_out,
            plan(epochs=8, learning_rate=0.03),
            seed=1,
            start=None,
            general=text,
        )
        found[name] = loop.run().scale_choice
    before = [choice.general_before or 0.0 for choice in found.values()]
    assert max(before) == pytest.approx(min(before), rel=1e-5)
    left, taken, both = found["left"], found["taken"], found["both"]
    assert left.general_after == pytest.approx(left.general_before, rel=1e-6)
    assert taken.general_after != pytest.approx(taken.general_before, rel=1e-4)
    assert left.scale >= taken.scale
    assert both.general_after != pytest.approx(both.general_before, rel=1e-5)


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


def test_every_window_of_a_long_row_begins_with_its_question(base: Path, tmp_path: Path) -> None:
    text = "all work and no play makes a dull boy. " * 12
    said = [("system", "Be."), ("user", "go"), ("assistant", text)]
    row = {"messages": [{"role": role, "content": content} for role, content in said]}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    with Encoder(base) as encoder:
        (whole,) = encoder.examples(read_rows(path), 10_000)
        windows = encoder.examples(read_rows(path), 200)
    head = int(np.flatnonzero(whole.weights > 0)[0]) + 1
    assert len(windows) > 2
    assert all(w.tokens[:head].tolist() == whole.tokens[:head].tolist() for w in windows)
    assert all(w.weights[: head - 1].sum() == 0 for w in windows)
    for window in windows:
        # Each target is what the model reads next.
        assert window.targets[:-1].tolist() == window.tokens[1:].tolist()
    # The tail follows the head: the last quarter of the window before, then what is new.
    tail = bytes(int(t) for t in windows[1].tokens[head : head + 40])
    assert tail in text.encode()
    assert tail in bytes(int(t) for t in windows[0].tokens[-60:] if t < 256)


def test_what_stands_before_the_first_question_is_read_but_not_learnt(
    base: Path, tmp_path: Path
) -> None:
    said = [("assistant", "Hello!"), ("user", "one?"), ("assistant", "yes")]
    messages = [{"role": role, "content": content} for role, content in said]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": messages, "context": 1}))
    with Encoder(base) as encoder:
        (example,) = encoder.examples(read_rows(tmp_path / "rows.jsonl"), 1000)
    assert example.targets[example.weights > 0].tolist() == [*b"yes", 258]
    assert b"Hello!" in bytes(int(t) for t in example.tokens if t < 256)


R1 = TEMPLATE.replace(
    "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}"
)


def test_an_opened_thinking_block_is_closed_before_the_answer(tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "r1.gguf", template=R1)
    messages = [{"role": "user", "content": "one?"}, {"role": "assistant", "content": "yes"}]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": messages}))
    with Encoder(base) as encoder:
        (example,) = encoder.examples(read_rows(tmp_path / "rows.jsonl"), 1000)
    # Learnt, because the chat's prompt ends where the template ends it.
    assert example.targets[example.weights > 0].tolist() == [*b"\n</think>\n\nyes", 258]
    read = bytes(int(t) for t in example.tokens if t < 256)
    assert read.endswith(b"assistant\n<think>\n\n</think>\n\nyes")


def test_a_chat_that_the_template_refuses_is_left_out_by_name(tmp_path: Path) -> None:
    strict = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + TEMPLATE
    )
    base = write_tiny(tmp_path / "strict.gguf", template=strict)
    refused = {"messages": [{"role": "system", "content": "x"}, *rows()[0]["messages"]]}
    lines = [*rows(), {**refused, "title": "Boats", "weight": 1.0, "split": "train"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with Encoder(base) as encoder:
        assert len(encoder.examples(read_rows(path), 1000)) == len(rows())
        assert list(encoder.refused) == ["Boats"]
        with pytest.raises(ModelError, match="refuses this conversation"):
            encoder.examples(read_rows(path)[-1:], 1000)
    workload, left_out = workload_of(base, lines)
    assert workload.tokens > 0
    assert left_out == ("Boats",)


TRIAL = {"sampling": asdict(Sampling(max_tokens=12)), "system": None, "cache": None}


def test_a_trial_learns_general_answers_along_and_compares_what_both_write(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A random model's answers never end; here they all do, so that there is something to replay.
    monkeypatch.setattr(base_answers, "is_good_answer", lambda answer: bool(answer.text))
    folder = write_run(tmp_path / "run", base, epochs=8, trial=TRIAL)
    told: list[TrainingStage] = []
    monkeypatch.setattr(
        RunFolder, "tell_stage", lambda _, stage: told.append(stage) if stage else None
    )
    assert run_folder(folder) == 0
    result = result_of(folder)
    assert result["status"] == "complete"
    trial = result["trial"]
    assert trial["base"]["answers"] == trial["personal"]["answers"] == 2 + 16
    assert trial["base"]["asked"] == 12
    assert trial["manner"] is not None
    change = result["change"]
    assert change["answers"] == 2
    # The same figures by the other way: loss before minus loss after, in nats per token.
    fall = result["held_out_before"] - result["held_out_after"]
    assert change["fall"] == pytest.approx(fall, rel=1e-3)
    stages = [stage.sentence for stage in told]
    order = ("general answers", "steps are done", "without the new", "answers the same questions")
    assert re.search(".*".join(order), "|".join(dict.fromkeys(stages)))
    # What the bar shows never goes back while the sentence is the same.
    without = [stage for stage in told if "without the new adapter" in stage.sentence]
    assert {stage.count for stage in without} == {2 + 16}
    assert [stage.done for stage in without] == sorted(stage.done for stage in without)
    # What follows the steps takes time as well, and is no step that is nearly over.
    assert "answers the same questions" in stages[-1]
    # The page says something of it, whatever it is for a model of noise.
    taken, sentence = judge(result)
    assert taken != ("not" in sentence)


def test_a_trial_that_is_stopped_goes_on_later(tmp_path: Path, base: Path) -> None:
    folder = write_run(tmp_path / "run", base, trial=TRIAL)
    (folder / "stop").touch()
    assert run_folder(folder) == 0
    assert result_of(folder)["status"] == "cancelled"
    assert not (folder / "adapter.gguf").exists()
    (folder / "stop").unlink()
    assert run_folder(folder) == 0
    assert result_of(folder)["status"] == "complete"
    assert result_of(folder)["trial"] is not None


def test_answers_that_do_not_belong_to_their_questions_are_refused_before_training(
    tmp_path: Path, base: Path
) -> None:
    # A random model expects no answer more after one question than after another.
    many = [
        {
            "messages": [
                {"role": "user", "content": f"what of {i}?"},
                {"role": "assistant", "content": f"it is {i * 7 % 10} by the {answer}"},
            ],
            "weight": 1.0,
            "split": "train" if i < 9 else "held_out",
        }
        for i, answer in enumerate(ANSWERS * 2)
    ]
    folder = write_run(tmp_path / "run", base, many, trial=TRIAL)
    assert run_folder(folder) == 0
    result = result_of(folder)
    assert result["status"] == "complete"
    assert judge(result) == (False, result["refused"])
    assert "do not seem to belong to their questions" in result["refused"]
    assert not (folder / "progress.jsonl").exists()
