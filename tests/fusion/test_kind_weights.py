"""A weight for each kind of question: fitted where there is evidence, and what it falls back to."""

import pytest

from floe.fusion.scoring.automatic_weight import DEFAULT_WEIGHT, FEWEST_TOKENS
from floe.fusion.scoring.kind_weights import describe_kind_weights, fit_kind_weights
from floe.fusion.scoring.scores import Scores, ScoreSheet
from floe.records import PromptKind


def text(tokens: int, local: float, cloud: float) -> Scores:
    """Tokens to which the two models gave these probabilities."""
    sheet = ScoreSheet()
    for _ in range(tokens):
        sheet.add_pairs([(local, cloud), (1 - local, 1 - cloud)], (local, cloud), 4)
    return sheet.scores()


DEVICE_KNOWS = text(400, 0.9, 0.05)
CLOUD_KNOWS = text(400, 0.05, 0.9)


def test_each_kind_has_the_weight_of_its_own_evidence() -> None:
    found = fit_kind_weights([("own", DEVICE_KNOWS), ("calculation", CLOUD_KNOWS)], "log-linear")
    assert found["own"] == 1.0
    assert found["calculation"] == 0.0


def test_a_kind_with_too_little_takes_the_weight_of_those_like_it() -> None:
    few = text(FEWEST_TOKENS - 1, 0.9, 0.05)
    evidence = [("own", DEVICE_KNOWS), ("general", CLOUD_KNOWS), ("code", few)]
    found = fit_kind_weights(evidence, "linear")  # type: ignore[arg-type]
    assert found["calculation"] == found["code"] < 0.5 < found["own"]


def test_what_one_taught_says_nothing_of_prompts_it_does_not_act_on() -> None:
    found = fit_kind_weights([("own", DEVICE_KNOWS)], "log-linear")
    assert found["own"] == 1.0
    assert found["general"] == DEFAULT_WEIGHT
    assert found["calculation"] == found["code"] == 0.1


@pytest.mark.parametrize("tokens", [0, FEWEST_TOKENS - 1])
def test_too_little_of_anything_is_the_middle_for_all(tokens: int) -> None:
    found = fit_kind_weights([("general", text(tokens, 0.9, 0.05))], "log-linear")
    assert found["own"] == found["general"] == DEFAULT_WEIGHT


@pytest.mark.parametrize("kind", ["calculation", "code"])
def test_what_has_one_right_answer_leans_on_the_cloud(kind: PromptKind) -> None:
    assert fit_kind_weights([], "log-linear")[kind] == 0.1
    shown = fit_kind_weights([(kind, text(400, 0.5, 0.5))], "log-linear")
    assert shown[kind] == DEFAULT_WEIGHT
    better_here = fit_kind_weights([("general", DEVICE_KNOWS)], "log-linear")
    assert better_here[kind] == better_here["general"] == 1.0


@pytest.mark.parametrize("kind", ["calculation", "code"])
def test_where_the_cloud_is_a_little_better_a_right_answer_is_its_own(kind: PromptKind) -> None:
    # Along given texts a mixture is best: each model knows half of the words better.
    sheet = ScoreSheet()
    for local, cloud in [(0.5, 0.3), (0.3, 0.55)] * 100:
        sheet.add_pairs([(local, cloud), (1 - local, 1 - cloud)], (local, cloud), 4)
    found = fit_kind_weights([(kind, sheet.scores()), ("own", sheet.scores())], "linear")
    assert found[kind] == 0.1
    assert found["own"] > 0.2


def test_without_anything_taught_all_kinds_share_the_one_weight() -> None:
    found = fit_kind_weights([("general", CLOUD_KNOWS)], "log-linear")
    assert set(found.values()) == {0.0}


def test_only_weights_that_differ_are_told() -> None:
    weights = fit_kind_weights([("own", DEVICE_KNOWS)], "log-linear")
    assert describe_kind_weights(weights, 1.0) == (
        "By the kind of question: 0.50 for other questions, 0.10 for calculations, 0.10 for code."
    )
    assert describe_kind_weights({"own": 0.5}, 0.5) == ""
