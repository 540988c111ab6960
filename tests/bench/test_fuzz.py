"""A short form of the `fuzz` bench, what a million cases have found, and whether it would find."""

import json
import math
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord

from floe.bench import fuzz
from floe.bench.fuzz import FuzzTarget, fuzz_parser, fuzz_targets
from floe.bench.fuzz_seeds import GGUF_ADAPTER, GGUF_MODEL
from floe.cloud.protocol.distributions import TokenReader
from floe.errors import FederationError, ModelError
from floe.federation.app.array_records import from_record
from floe.llama.gguf_checks import check_adapter_header, check_model, check_model_header
from floe.llama.gguf_header import parse_gguf_header
from floe.records import CloudToken
from tests.llama.gguf_edits import Edited, F
from tests.training.tiny import write_tiny

CASES = 4_000


@pytest.mark.parametrize("target", fuzz_targets(), ids=lambda target: target.name)
def test_no_case_crashes_a_parser(target: FuzzTarget) -> None:
    report = fuzz_parser(target, round(CASES * target.share), seed=20)
    assert report.crashes == []
    # Most cases are near enough to the truth to get somewhere, and some get through.
    assert report.accepted > report.cases / 50


def test_the_seeds_themselves_are_good() -> None:
    model = parse_gguf_header(GGUF_MODEL)
    check_model_header(model)
    check_adapter_header(parse_gguf_header(GGUF_ADAPTER), model)


def test_a_crash_and_a_hang_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.05)
    monkeypatch.setattr(fuzz, "_WAIT_SECONDS", 0.3)

    def parse(data: bytes) -> None:
        if data == b"crash":
            raise IndexError("out of range")
        if data == b"hang":
            with suppress(Exception):  # a parser that swallows what it can
                time.sleep(5)
        if data == b"busy":
            with suppress(Exception):
                while True:
                    pass

    made = iter([b"", b"fine", b"crash", b"declared", b"hang", b"busy"])
    target = FuzzTarget("toy", 1.0, lambda dice: next(made), parse, (KeyError,))
    report = fuzz_parser(target, 5, seed=1)
    assert report.cases == 5
    assert report.accepted == 2
    assert [crash["error"] for crash in report.crashes] == [
        "IndexError: out of range",
        "HangError: more than 0.05 s of the processor, or 0.3 s",
        "HangError: more than 0.05 s of the processor, or 0.3 s",
    ]
    assert report.crashes[0]["input_base64"] == "Y3Jhc2g="


def test_the_same_seed_makes_the_same_cases() -> None:
    for target in fuzz_targets():
        kept: list[list[bytes]] = []
        for _ in range(2):
            made: list[bytes] = []
            same = FuzzTarget(target.name, 1.0, target.make, made.append, ())
            fuzz_parser(same, 50, seed=3)
            kept.append(made)
        assert kept[0] == kept[1]


def test_the_report_counts_every_parser() -> None:
    result = fuzz.run(cases=600, seed=2)
    counts = result["cases"]
    assert isinstance(counts, dict)
    assert result["total"] == sum(counts.values()) >= 590
    assert result["crashes"] == []
    assert {"gguf_header", "chat_file", "cloud_chunks", "cloud_text", "settings"} <= set(counts)
    json.dumps(result)


# What was found.


@pytest.mark.parametrize("length", [[float("inf")], [float("nan"), 1.0]])
def test_sizes_in_reals_are_a_sentence(tmp_path: Path, length: list[float]) -> None:
    model = Edited(write_tiny(tmp_path / "good.gguf"))
    model.set("llama.feed_forward_length", F.ARRAY, F.FLOAT32, length)
    with pytest.raises(ModelError, match="feed_forward_length in whole numbers"):
        check_model(model.write(tmp_path / "bad.gguf"))


def read_entry(**fields: object) -> CloudToken:
    entry = {"token": " far", "logprob": -0.5, "bytes": None, **fields}
    choice = {"delta": {"content": " far"}, "logprobs": {"content": [entry]}}
    (row,) = TokenReader("x").read(choice)
    assert row.text_bytes == b" far"
    return row


@pytest.mark.parametrize("given", [10**10, 10**30, "far", {"a": 1}, True])
def test_a_number_for_the_bytes_of_a_token_makes_no_zeros(given: object) -> None:
    assert [each.text_bytes for each in read_entry(bytes=given).candidates] == [b" far"]


@pytest.mark.parametrize("given", [math.nan, -math.inf, math.inf, 2.5, 10**400, None])
def test_a_probability_that_is_none_stays_out_of_the_candidates(given: object) -> None:
    top = [{"token": " near", "logprob": given, "bytes": None}]
    row = read_entry(logprob=given, top_logprobs=top)
    assert all(-30 <= each.logprob <= 0 for each in row.candidates)


def test_an_array_whose_header_is_no_python_is_refused() -> None:
    data = b"\x93NUMPY\x01\x00\x16\x00{'shape': ((((, 'f4'" + b"\n" * 40 + np.ones(3).tobytes()
    record = ArrayRecord({"a": Array("float32", (3,), "numpy.ndarray", data)})
    with pytest.raises(FederationError, match="not what it says it is"):
        from_record(record, 1 << 16, 8)
