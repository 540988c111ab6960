"""The verdict by what was written: margins, manner, and what is said of it."""

from dataclasses import replace
from typing import Any

import pytest

from floe.training.comparison import judge, read_trial, verdict_of
from floe.training.interval import AnswerLoss, LossChange, measure_change
from floe.training.trial.manner import MannerClassifier, nearer_share
from floe.training.trial.measures import AnswerMeasures, WrittenAnswer
from floe.training.trial.trial import TrialResult, WrittenPair, find_losses, judge_pairs

BASE = AnswerMeasures(answers=24, ended=0.75, distinct4=0.9, longest_loop=10, right=10, asked=12)
OWN = [
    "oi -- tie the rope. wind sw 3.",
    "aye -- dry the deck. wind w 4.",
    "nay -- wait. glass low.",
]
PLAIN = "The rope should be tied securely, and it is important to dry the deck."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"ended": 17 / 24}, ""),  # one of 24 may be lost
        ({"ended": 16 / 24}, "67% of its answers come to an end (before: 75%)"),
        ({"distinct4": 0.86}, ""),
        ({"distinct4": 0.85}, "repeats itself more"),
        ({"longest_loop": 24}, ""),
        ({"longest_loop": 25}, "over again for 25 words (before: 10)"),
        ({"right": 9}, ""),
        ({"right": 8}, "8 of 12 simple questions right (before: 10)"),
    ],
)
def test_what_is_lost_beyond_a_margin_is_named(changes: dict[str, Any], said: str) -> None:
    losses = find_losses(BASE, replace(BASE, **changes))
    assert len(losses) == bool(said)
    assert said in "".join(losses)


def test_of_many_answers_five_points_may_be_lost() -> None:
    many = replace(BASE, answers=200)
    assert not find_losses(many, replace(many, ended=0.705))
    assert find_losses(many, replace(many, ended=0.69))


def test_the_manner_is_told_by_characters_and_no_answer_is_compared_with_itself() -> None:
    classifier = MannerClassifier(OWN, [PLAIN])
    assert classifier.score("aye -- coil it. wind n 2.") > 0 > classifier.score(PLAIN)
    base = [PLAIN, "It is recommended to check the weather before you leave the harbour."]
    assert nearer_share(OWN, base, ["oi -- rope first. wind n 2.", base[1]]) == 0.5
    assert nearer_share(OWN, [], []) is None


def pair(kind: str, personal: str, *, ended: bool = True) -> WrittenPair:
    return WrittenPair(
        "own" if kind == "own" else "question",
        "?",
        WrittenAnswer(PLAIN, ended=True),
        WrittenAnswer(personal, ended=ended),
        () if kind == "own" else ("rope",),
    )


def test_an_adapter_that_answers_as_before_gains_nothing() -> None:
    for count in (2, 3):
        found = judge_pairs([pair("own", PLAIN)] * count, OWN)
        assert found.manner == 0
        assert found.losses == ("it answers your own questions word for word as before",)
    assert not judge_pairs([pair("own", PLAIN)], OWN).losses
    # Questions that the chat leaves to the model as it was say nothing of the adapter.
    assert not judge_pairs([replace(pair("own", PLAIN), acts=False)] * 2, OWN).losses


def test_an_adapter_that_sounds_no_more_like_its_writer_gains_nothing() -> None:
    longer = f"{PLAIN} It is recommended to wait for fair weather before leaving the harbour."
    found = judge_pairs([pair("own", longer), pair("own", PLAIN), pair("own", PLAIN)], OWN)
    assert found.losses == ("only 33% of its answers sound more like you than before",)
    # Of two answers nobody can tell, and nobody claims it.
    few = judge_pairs([pair("own", longer), pair("own", PLAIN)], OWN)
    assert not few.losses
    few = replace(few, manner=0.0)
    assert "sound more like you" not in few.describe()
    words = verdict_of(outcome(trial=few.to_json())).words
    assert words.startswith("Too few of your own questions were kept aside to tell")


def outcome(**changes: object) -> dict[str, object]:
    """What a trainer reports of a good run."""
    trial = TrialResult(BASE, BASE, 0.875, 0.0, 1.0, ())
    values: dict[str, object] = {
        "held_out_before": 2.5,
        "held_out_start": 2.5,
        "held_out_after": 2.0,
        "strength": 0.8,
        "change": {"fall": 0.5, "low": 0.2, "high": 0.8, "answers": 6},
        "trial": trial.to_json(),
    }
    return values | changes


def test_a_good_adapter_is_taken_and_the_figures_are_said() -> None:
    taken, sentence = judge(outcome())
    assert taken
    assert sentence.endswith(
        "made gentler to spare other text. Tried out: 18 of 24 answers came to an end "
        "(before: 18), 10 of 12 simple questions were answered right (before: 10), 88% of those "
        "to your own questions sound more like you."
    )
    assert read_trial(outcome()) == TrialResult(BASE, BASE, 0.875, 0.0, 1.0, ())


def test_an_adapter_that_loses_what_the_model_could_is_refused_with_the_reason() -> None:
    looping = replace(BASE, distinct4=0.41, right=1)
    losses = find_losses(BASE, looping)
    trial = TrialResult(BASE, looping, 1.0, 0.0, 0.5, losses)
    taken, sentence = judge(outcome(trial=trial.to_json()))
    assert not taken
    assert "this training is not worth using, even at 50% of its strength: " in sentence
    assert "1 of 12 simple questions right (before: 10)" in sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "simple questions as well as before, and it does not repeat itself more."),
        ({"right": 9}, "It answers 9 of 12 simple questions right (before: 10), and it does not"),
        ({"distinct4": 0.87}, "as before, and it hardly repeats itself more."),
        ({"longest_loop": 20}, "as before, and it hardly repeats itself more."),
    ],
)
def test_the_verdict_says_no_more_than_was_found(changes: dict[str, Any], words: str) -> None:
    trial = TrialResult(BASE, replace(BASE, **changes), 0.875, 0.0, 1.0, ())
    verdict = verdict_of(outcome(trial=trial.to_json()))
    assert verdict.good
    assert words in verdict.words


def test_a_verdict_on_what_sounds_like_nobody_does_not_say_that_it_sounds_like_you() -> None:
    losses = ("only 0% of its answers sound more like you than before",)
    trial = TrialResult(BASE, BASE, 0.0, 0.0, 0.5, losses)
    verdict = verdict_of(outcome(trial=trial.to_json()))
    assert verdict.headline == "Not worth using."
    assert verdict.words.startswith("When it was tried out, only 0% of its answers sound more like")
    assert verdict_of(outcome(held_out_after=2.6)).headline == "No change."


def test_a_verdict_on_one_answer_says_that_it_is_too_little() -> None:
    change = {"fall": 0.4, "low": None, "high": None, "answers": 1}
    verdict = verdict_of(outcome(change=change))
    assert not verdict.good
    assert verdict.headline == "Too little to judge by."
    assert verdict.words.startswith("There is one answer kept aside")


def test_a_fall_within_noise_is_no_change() -> None:
    change = {"fall": 0.02, "low": -0.01, "high": 0.05, "answers": 5}
    taken, sentence = judge(outcome(change=change))
    assert not taken
    assert sentence.startswith("No change: loss on the 5 answers kept aside fell by 0.020")


def test_one_answer_is_too_little_to_judge_by() -> None:
    change = {"fall": 0.5, "low": None, "high": None, "answers": 1}
    taken, sentence = judge(outcome(change=change))
    assert not taken
    assert "one answer kept aside, too little to judge by" in sentence


def test_what_the_trainer_itself_refused_is_not_taken() -> None:
    assert judge({"refused": "The answers do not belong."}) == (False, "The answers do not belong.")


def test_the_interval_is_over_answers_not_tokens() -> None:
    before = [AnswerLoss(20.0, 10), AnswerLoss(40.0, 20), AnswerLoss(20.0, 10)]
    # The same fall a token everywhere: nothing varies.
    assert measure_change(
        before, [AnswerLoss(b.nats - b.targets / 2, b.targets) for b in before]
    ) == (LossChange(0.5, 0.5, 0.5, 3))
    # Falls 2, 4, 6 of ten tokens each: mean 0.4, standard error 0.2 / sqrt(3), t = 4.30.
    ten = [AnswerLoss(20.0, 10)] * 3
    found = measure_change(ten, [AnswerLoss(20.0 - fall, 10) for fall in (2, 4, 6)])
    assert found.fall == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - 4.30 * 0.2 / 3**0.5)
    assert not found.is_sure
    assert not measure_change(before[:1], [AnswerLoss(0.0, 10)]).is_sure


def test_of_two_answers_their_passages_are_the_witnesses() -> None:
    before = [AnswerLoss(64.0, 32, (2.0,) * 32)] * 2
    sure = [AnswerLoss(32.0, 32, (1.0,) * 32)] * 2
    assert measure_change(before, sure) == LossChange(1.0, 1.0, 1.0, 2)
    # One passage of four is much better, the others are as before.
    odd = [AnswerLoss(48.0, 32, (1.0,) * 16 + (2.0,) * 16), before[1]]
    found = measure_change(before, odd)
    assert (found.fall, found.answers, found.is_sure) == (0.25, 2, False)
