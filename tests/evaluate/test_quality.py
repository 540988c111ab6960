"""Figures of a writer from scores made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from floe.errors import DataError
from floe.evaluate.figures import draw_latency, draw_weights
from floe.evaluate.quality import EvaluationSet, measure, summary
from floe.evaluate.reading import CloudAnswer, answers_of
from floe.evaluate.scoring import LN2, ScoredAnswer
from floe.evaluate.tables import quality_table
from floe.fusion.scoring.scores import ScoreSheet
from floe.records import ChatMessage


def scored(seed: int, truth: float, cloud_bits: float | None = 50.0) -> ScoredAnswer:
    """An answer of 30 tokens of 2 bytes, drawn from the log-linear pool at weight `truth`."""
    random = np.random.default_rng(seed)
    sheet = ScoreSheet()
    for _ in range(30):
        p, q = (random.dirichlet(np.full(5, 0.8)) + 1e-4 for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        r = p**truth * q ** (1 - truth)
        token = int(random.choice(5, p=r / r.sum()))
        pairs = list(zip(p.tolist(), q.tolist(), strict=True))
        sheet.add_pairs(pairs, (float(p[token]), float(q[token])), 2)
    scores = sheet.scores()
    bits = float(scores.nats(1.0, "linear").sum()) / LN2
    return ScoredAnswer(CloudAnswer(seed, (), "x"), scores, bits, cloud_bits)


def material(truth: float = 0.6, cloud_bits: float | None = 50.0) -> EvaluationSet:
    test = [scored(i, truth, cloud_bits) for i in range(12)]
    own = [scored(100 + i, truth, cloud_bits) for i in range(12)]
    return EvaluationSet("anna", test, test, own)


def test_every_figure_of_the_contract_is_there_and_is_json() -> None:
    one = material()
    result = summary([one], [measure(one, 0.5, "log-linear")], 0.5, "log-linear")
    names = "slm personal cloud fused fused_auto weight_auto fused_oracle weight_oracle bytes"
    assert not [name for name in names.split() if name not in result]
    assert json.loads(json.dumps(result)) == result
    assert result["bytes"] == 12 * 30 * 2
    assert result["cloud"] == pytest.approx(50 * 12 / result["bytes"], abs=1e-4)
    assert "anna: 12 answers, 720 bytes" in quality_table(result)


def test_fused_at_weight_one_is_the_personal_model() -> None:
    one = material()
    figures = measure(one, 1.0, "log-linear")
    assert figures["fused"] == pytest.approx(figures["personal"], abs=1e-4)


def test_the_oracle_is_the_best_of_the_grid_and_the_automatic_weight_is_near_it() -> None:
    figures = measure(material(), 0.5, "log-linear")
    assert figures["fused_oracle"] <= min(figures["by_weight"]["log-linear"]) + 1e-4
    assert figures["fused_oracle"] <= figures["fused_auto"] <= figures["fused_oracle"] * 1.02
    assert figures["weight_auto"] == pytest.approx(0.6, abs=0.15)


def test_intervals_hold_their_figure_and_need_three_answers() -> None:
    figures = measure(material(), 0.5, "log-linear")
    for name, interval in figures["intervals"].items():
        assert interval[0] <= figures[name] <= interval[1]
    few = material()
    figures = measure(EvaluationSet("anna", few.base[:2], few.test[:2], few.own), 0.5, "linear")
    assert figures["intervals"]["fused"] is None
    assert figures["gain"]["interval"] is None


def test_an_endpoint_that_shows_no_whole_vocabulary_is_measured_as_projected() -> None:
    one = material(cloud_bits=None)
    result = summary([one], [measure(one, 0.5, "linear")], 0.5, "linear")
    assert result["cloud"] is None
    assert result["better"] in ("personal", "cloud_projected")
    assert "by its own tokens" not in quality_table(result)


def test_several_writers_are_added_up_by_bytes() -> None:
    both = [material(0.3), material(0.9)]
    reports = [measure(one, 0.5, "log-linear") for one in both]
    expected = np.mean([report["fused_auto"] for report in reports])  # of equal size
    result = summary(both, reports, 0.5, "log-linear")
    assert result["fused_auto"] == pytest.approx(expected, abs=1e-4)
    assert len(result["weight_auto"]) == len(result["writers"]) == 2
    assert "all writers: 24 answers" in quality_table(result)


def test_nothing_to_measure_is_said_in_a_sentence() -> None:
    with pytest.raises(DataError, match="no answer could be read"):
        measure(EvaluationSet("anna", [], [], []), 0.5, "linear")


def test_all_answers_of_a_chat_are_measured_each_after_what_was_said_before() -> None:
    chat = [
        ChatMessage("user", "a"),
        ChatMessage("assistant", "b"),
        ChatMessage("user", "c"),
        ChatMessage("assistant", " "),
        ChatMessage("assistant", "d"),
    ]
    answers = answers_of([chat, [ChatMessage("assistant", "first")]])
    assert [(answer.text, len(answer.context)) for answer in answers] == [("b", 1), ("d", 4)]


def test_the_same_figures_make_the_same_plots(tmp_path: Path) -> None:
    one = material()
    result = summary([one], [measure(one, 0.5, "log-linear")], 0.5, "log-linear")
    row = {"tok_s": 30.0, "agreement": 0.9, "deadline_ms": 50}
    latency = {
        "scenarios": [row | {"rtt_ms": 0}, row | {"rtt_ms": 500, "tok_s": 20.0}],
        "local": row,
    }
    for name in ("one", "two"):
        draw_weights(result, tmp_path / f"{name}.svg")
        draw_latency(latency, tmp_path / f"{name}.l.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.l.svg").read_bytes() == (tmp_path / "two.l.svg").read_bytes()
    assert "local weight" in (tmp_path / "one.svg").read_text()
