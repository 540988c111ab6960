from pathlib import Path

from floe.chat.preferences import Preferences
from floe.store import Store
from floe.ui.chat.auto_weight import auto_value


def test_the_weight_says_that_nothing_was_rewritten_yet(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        Preferences.update(store, auto=True)
        value = auto_value(store, "log-linear")
        assert value["on"] is True
        assert "not rewritten" in value["reason"]


def test_the_weight_of_the_answer_in_the_making_stands_first(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        reason = auto_value(store, "log-linear", "weight 0.42 for code")["reason"]
    assert reason.startswith("This answer: weight 0.42 for code. 0.50, the middle way")
