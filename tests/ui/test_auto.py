from pathlib import Path

from floe.store import Store
from floe.ui.auto import auto_value, fit_soon
from floe.ui.preferences import Preferences


def test_the_weight_says_that_nothing_was_rewritten_yet(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        Preferences.update(store, auto=True)
        value = auto_value(store, "log-linear")
        assert value["on"] is True
        assert "not rewritten" in value["reason"]


def test_one_rewritten_answer_is_no_reason_for_another_fit(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        conversation = store.create_conversation()
        question = store.add_message(conversation.id, None, "user", "Why?")
        answer = store.add_message(conversation.id, question.id, "assistant", "Because.")
        store.rewrite_answer(answer.id, "For a reason.")
        fit_soon(store, "log-linear")
        assert store.setting("auto_weight", None) is None
