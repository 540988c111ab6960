"""Measures of free answers, on texts that can be counted by hand."""

import pytest

from floe.training.trial.measures import (
    WrittenAnswer,
    is_right,
    longest_loop,
    measure_answers,
    parroted_share,
    split_words,
)


def test_a_loop_is_found_with_its_length_and_a_doubled_word_is_none() -> None:
    assert longest_loop(split_words("it is very, very good")) == 0
    seven = "seven times eight is seven times seven. " * 3
    assert longest_loop(split_words(f"Well, {seven}")) == 21
    assert longest_loop(split_words("no " * 8)) == 8
    # Once more, but not six words of it.
    assert longest_loop(split_words("one two three one two three four")) == 0


def test_distinct_runs_are_counted_within_each_answer() -> None:
    looped = WrittenAnswer("a b c d a b c d", ended=False)  # abcd bcda cdab dabc abcd
    plain = WrittenAnswer("a b c d", ended=True)
    found = measure_answers([looped, plain], [(), ()])
    assert found.distinct4 == pytest.approx(5 / 6)
    assert (found.answers, found.ended, found.asked) == (2, 0.5, 0)


def test_too_short_to_repeat_anything_counts_as_distinct() -> None:
    assert measure_answers([WrittenAnswer("Paris.", ended=True)], [("Paris",)]).distinct4 == 1


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("7 times 8 is 56.", True),
        ("Fifty-six!", True),
        ("It is 560.", False),
        ("It is 5.", False),
        (" ".join(str(i) for i in range(60)), False),  # who counts on meets every number
    ],
)
def test_an_answer_is_right_if_it_says_so_at_its_beginning(text: str, right: bool) -> None:
    assert is_right(text, ("56", "fifty-six")) is right


def test_scripts_without_spaces_count_by_character() -> None:
    assert split_words("今天天气 good") == ["今", "天", "天", "气", "good"]
    assert is_right("日本的首都是东京。", ("东京",))


def test_an_answer_of_the_rows_own_words_is_parroted() -> None:
    row = "then coffee then out glass steady wind south west three and home by six"
    said = "Well: then coffee, then out. Glass steady, wind south west three."
    other = "The bilge is dry and the lines are coiled on the deck today"
    assert parroted_share([said, other, "Yes."], [row]) == 0.5
