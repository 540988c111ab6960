"""The shipped weights are those that the repository's texts and script give."""

from pathlib import Path

import numpy as np
import pytest

from floe.privacy.detection.training import train
from floe.privacy.detection.training.train import WEIGHTS, differences, inputs_digest


def test_the_shipped_weights_were_made_from_what_is_in_the_repository() -> None:
    with np.load(WEIGHTS) as shipped:
        made_from = str(shipped["inputs"])
    assert made_from == inputs_digest(), "run `make weights`, measure anew, ship what it writes"


def test_a_text_or_a_rule_that_changes_is_noticed_and_a_comment_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lines.txt").write_text("my knee hurts")
    monkeypatch.setattr(train, "FOLDER", tmp_path)
    monkeypatch.setattr(train, "WEIGHTS", tmp_path / "weights.npz")
    monkeypatch.setattr(train, "_SOURCES", ("rule.py",))
    rule = tmp_path / "rule.py"
    rule.write_text("limit = 3\n")
    first = inputs_digest()
    rule.write_text('"""Why."""\nlimit = 3  # because\n')
    assert inputs_digest() == first
    rule.write_text("limit = 4\n")
    second = inputs_digest()
    (tmp_path / "lines.txt").write_text("my knees hurt")
    assert len({first, second, inputs_digest()}) == 3


def test_weights_that_differ_in_more_than_rounding_are_told_apart() -> None:
    table = np.arange(4000, dtype=np.int32).reshape(1000, 4)
    shipped = {"private_table": table, "inputs": np.array("abc")}
    assert differences(shipped, shipped) == []
    rounded = {**shipped, "private_table": table + (np.arange(4000) == 7).reshape(1000, 4)}
    assert differences(rounded, shipped) == []
    assert len(differences({**shipped, "private_table": table[::-1]}, shipped)) == 1
    assert len(differences({**shipped, "inputs": np.array("other")}, shipped)) == 1
    assert differences({"inputs": np.array("abc")}, shipped) == ["They hold other arrays."]
