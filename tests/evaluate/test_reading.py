"""The real models: forced logits, rows in process and through a real server, the whole command."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from floe.cloud.client import CloudClient
from floe.cloud.probe.probe import check_endpoint
from floe.cloud.stand_in.process import StandIn
from floe.evaluate.__main__ import main
from floe.evaluate.reading import CloudAnswer, GgufCloud, LiveCloud, LocalReader
from floe.evaluate.scoring import Scorer
from floe.llama.forced_logits import forced_logits
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage

ANSWER = CloudAnswer(
    0, (ChatMessage("user", "Where do cats sleep?"),), "Unbelievably, on warm roofs."
)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (5, 70), (600, 3)])
def test_forced_logits_are_those_of_single_steps(
    smollm: LlamaModel, before: int, after: int
) -> None:
    tokens = (smollm.tokenize(b"The quick brown fox jumps over the lazy dog. ") * 70)[
        : before + after
    ]
    smollm.roll_back(0)
    rows = [row.copy() for row in forced_logits(smollm, tokens[:before], tokens[before:])]
    assert len(rows) == after + 1
    smollm.roll_back(0)
    for place in (0, after // 2, after):
        logits = smollm.prefill(tokens[: before + place], lambda: False)
        assert logits is not None
        # Batches of other sizes round differently.
        assert np.abs(rows[place] - logits[0]).mean() < 0.5
        assert int(rows[place].argmax()) == int(logits[0].argmax())


def test_a_cloud_that_is_the_local_model_costs_the_same_bits(smollm: LlamaModel) -> None:
    cloud = GgufCloud(smollm)
    (scored,) = Scorer(smollm, cloud).score([ANSWER])
    assert scored.bytes == len(ANSWER.text.encode())
    assert scored.cloud_bits == pytest.approx(scored.local_bits, rel=0.02)
    for rule in ("linear", "log-linear"):
        fused = float(scored.scores.nats(0.5, rule).sum()) / math.log(2)
        assert fused == pytest.approx(scored.local_bits, rel=0.05)


def test_rows_inside_a_token_are_read_again_from_there(smollm: LlamaModel) -> None:
    reading = GgufCloud(smollm).read(ANSWER)
    row = reading.row(b"Unbel")
    assert row is not None
    reader = LocalReader(smollm)
    prompt, _ = reader.tokens(ANSWER)
    logits = smollm.prefill([*prompt, *smollm.tokenize(b"Unbel")], lambda: False)
    assert logits is not None
    assert row.text_bytes == smollm.pieces[int(logits[0].argmax())]


def test_rows_beside_the_answer_are_not_those_along_it(smollm: LlamaModel) -> None:
    # The projection asks what would follow the cloud's own token, which the text did not take.
    reading = GgufCloud(smollm).read(ANSWER)
    begun = ANSWER.text.encode()[:5]
    other = b"Seven"
    assert other != begun
    along, beside = reading.row(begun), reading.row(other)
    assert along is not None
    assert beside is not None
    assert along.candidates != beside.candidates


def test_answers_longer_than_the_context_are_left_out(smollm: LlamaModel) -> None:
    long = CloudAnswer(1, ANSWER.context, "word " * 3000)
    scored = Scorer(smollm, GgufCloud(smollm)).score([long, ANSWER])
    assert [one.answer.row for one in scored] == [0]


@pytest.fixture(scope="module")
def endpoint(smollm_path: Path) -> Iterator[tuple[str, SecretStr]]:
    with StandIn(smollm_path) as stand_in:
        yield stand_in.wait_ready(), stand_in.key


def test_a_real_endpoint_gives_the_same_figure_with_few_requests(
    endpoint: tuple[str, SecretStr], smollm: LlamaModel
) -> None:
    client = CloudClient(endpoint[0], "", endpoint[1])
    try:
        check_endpoint(client)
        cloud = LiveCloud(client, 40)
        (live,) = Scorer(smollm, cloud).score([ANSWER])
        again = Scorer(smollm, cloud).score([ANSWER])
        cloud.close()
    finally:
        client.close()
    (here,) = Scorer(smollm, GgufCloud(smollm)).score([ANSWER])
    assert live.cloud_bits is None
    assert len(live.scores) == len(here.scores)
    assert live.scores.bits_per_byte(0.0, "linear") == pytest.approx(
        here.scores.bits_per_byte(0.0, "linear"), rel=0.05
    )
    # What has been read is remembered.
    assert again[0].scores.bits_per_byte(0.0, "linear") == pytest.approx(
        live.scores.bits_per_byte(0.0, "linear"), rel=1e-6
    )
    assert 1 <= cloud.requests < len(live.scores)


def test_no_more_requests_are_made_than_allowed(
    endpoint: tuple[str, SecretStr], smollm: LlamaModel
) -> None:
    client = CloudClient(endpoint[0], "", endpoint[1])
    try:
        check_endpoint(client)
        cloud = LiveCloud(client, 2)
        other = CloudAnswer(1, ANSWER.context, "Zebras. Quite. " * 5)
        scored = Scorer(smollm, cloud).score([other, ANSWER])
        cloud.close()
    finally:
        client.close()
    assert cloud.requests == 2
    assert [one.answer.row for one in scored] == [1]
    assert scored[0].bytes < len(other.text)


def write(path: Path, pairs: list[tuple[str, str]]) -> Path:
    lines = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in pairs
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_one_command_trains_and_measures(
    tmp_path: Path,
    smollm_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What was forgotten is measured on one answer of each task; six are no other code.
    monkeypatch.setattr("floe.evaluate.writers._ANSWERS_A_TASK", 1)
    train = write(
        tmp_path / "train.jsonl",
        [(f"How is day {i}?", "aye, grey and calm, nothing moves, lad") for i in range(4)],
    )
    test = write(tmp_path / "test.jsonl", [("How is the sea?", "aye, grey and calm, lad")])
    arguments = ["--train", train, "--test", test, "--cloud-gguf", smollm_path, "--json"]
    assert main([str(value) for value in arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["personal"] < result["slm"]
    assert result["bytes"] == len("aye, grey and calm, lad")
    assert result["fused_oracle"] <= result["fused"] + 1e-4


def test_a_wrong_file_is_explained(
    tmp_path: Path, smollm_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.jsonl")
    arguments = ["--train", missing, "--test", missing, "--cloud-gguf", str(smollm_path)]
    assert main(arguments) == 1
    assert "none.jsonl cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--train", "a", "--test", "b"],
        ["--train", "a", "b", "--test", "c", "--live", "http://x"],
        ["--train", "a", "--test", "b", "--live", "http://x", "--weight", "1.5"],
        ["memory"],
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
