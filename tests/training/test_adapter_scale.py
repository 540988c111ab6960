"""An adapter is left as strong as other text bears, and never so weak that it learned nothing."""

from floe.training.adapter_scale import CANDIDATE_SCALES, ScaleChoice, choose_adapter_scale


def general(scale: float) -> float:
    """Nothing is lost up to 0.6, then it goes up steeply."""
    return 2.0 + max(0.0, scale - 0.6)


def test_the_strongest_that_general_text_bears_is_kept() -> None:
    found = choose_adapter_scale(general, lambda scale: 3.0 - scale, 3.0)
    assert found == ScaleChoice(0.6, 2.0, 2.0, 2.4)


def test_what_costs_nothing_elsewhere_stays_whole() -> None:
    found = choose_adapter_scale(lambda _: 2.0, lambda scale: 3.0 - scale, 3.0)
    assert found == ScaleChoice(1.0, 2.0, 2.0, 2.0)


def test_what_costs_the_person_nothing_is_given_unasked() -> None:
    # Flat from 0.7 on, half a per cent up at 0.6, one at 0.5.
    found = choose_adapter_scale(
        lambda _: 2.0, lambda scale: 1.0 + 0.05 * max(0.0, 0.7 - scale), 3.0
    )
    assert (found.scale, found.held_out) == (0.6, 1.005)


def test_where_no_scale_is_gentle_enough_the_gentlest_is_taken() -> None:
    assert choose_adapter_scale(lambda scale: 1.0 + scale, None, None).scale == CANDIDATE_SCALES[-1]


def test_what_was_learned_is_never_given_up() -> None:
    # Below 0.75 the held-out rows are as badly off as before training.
    found = choose_adapter_scale(lambda scale: 1.0 + scale, lambda scale: 2.75 - scale, 2.0)
    assert (found.scale, round(found.held_out or 0, 2)) == (0.8, 1.95)


def test_without_held_out_rows_general_text_alone_decides() -> None:
    assert choose_adapter_scale(general, None, None) == ScaleChoice(0.6, 2.0, 2.0, None)


def test_general_text_is_read_only_where_it_decides() -> None:
    asked: list[float] = []

    def counted(scale: float) -> float:
        asked.append(scale)
        return general(scale)

    # Flat from 0.7 on: what is stronger than 0.6 is out, whatever general text says.
    found = choose_adapter_scale(counted, lambda scale: 1.0 + 0.05 * max(0.0, 0.7 - scale), 3.0)
    assert (found.scale, found.general_after) == (0.6, 2.0)
    assert asked == [0.0, 0.6]
