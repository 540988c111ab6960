from pathlib import Path

from floe.privacy.consent import Consent, give_consent, set_conversation_consent
from floe.store import Store
from floe.training.data.learning_choices import LearningChoices, chosen_dataset, toggled
from floe.training.process import TrainingStep
from floe.ui.personalise.learning_view import learning_value, rows_of
from floe.ui.personalise.training_view import thinned


def chats(store: Store, count: int) -> list[int]:
    made = []
    for number in range(count):
        conversation = store.create_conversation(f"Chat {number}")
        question = store.add_message(conversation.id, None, "user", f"What is {number}?")
        store.add_message(
            conversation.id, question.id, "assistant", f"It is number {number} of {'x' * number}."
        )
        made.append(conversation.id)
    return made


def test_without_consent_nothing_is_learnt_from(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        chats(store, 3)
        value = learning_value(store, chosen_dataset(store, ""))
        assert value["consent"] is None
        assert value["sentence"] == "Nothing is learnt from these chats until you say Yes."
        assert {chat["facts"] for chat in value["chats"]} == {"waits for your Yes"}


def test_what_was_refused_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        refused, allowed, _ = chats(store, 3)
        set_conversation_consent(store, refused, train=False, federate=None)
        set_conversation_consent(store, allowed, train=True, federate=None)
        value = learning_value(store, chosen_dataset(store, ""))
        assert value["sentence"].startswith("1 answer")
        assert [chat["facts"] for chat in sorted(value["chats"], key=lambda chat: chat["id"])] == [
            "left out: you did not allow learning from this chat",
            "1 answer",
            "waits for your Yes",
        ]
        give_consent(store, Consent(train=False))
        value = learning_value(store, chosen_dataset(store, ""))
        assert sum("did not allow" in chat["facts"] for chat in value["chats"]) == 2


def test_chats_and_answers_can_be_left_out_and_taken_in_again(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        give_consent(store, Consent(train=True))
        first, second, third = chats(store, 3)
        LearningChoices.update(store, except_chats=(first,))
        data = chosen_dataset(store, "")
        value = learning_value(store, data)
        assert {chat["id"]: chat["chosen"] for chat in value["chats"]} == {
            first: False,
            second: True,
            third: True,
        }
        assert rows_of(data, first) == []
        (row,) = rows_of(data, second)
        LearningChoices.update(store, without=(row["message"],))
        (row,) = rows_of(chosen_dataset(store, ""), second)
        assert (row["left_out"], row["by_hand"]) == ("you left it out", True)


def test_how_many_answers_are_left_out_as_private_is_said_beside_the_switch(
    tmp_path: Path,
) -> None:
    with Store(tmp_path / "floe.db") as store:
        give_consent(store, Consent(train=True))
        first, _, _ = chats(store, 3)
        answer = store.open_conversation(first)[-1]
        with store.writing() as db:
            db.execute("UPDATE messages SET private = '[\"name\"]' WHERE id = ?", [answer.id])
        value = learning_value(store, chosen_dataset(store, ""))
        assert value["sentence"].endswith("; 1 left out (1 private).")
        assert value["private"].startswith("1 answer is left out, because it")
        LearningChoices.update(store, with_private=True)
        value = learning_value(store, chosen_dataset(store, ""))
        assert "left out" not in value["sentence"]
        assert "may repeat them" in value["private"]


def test_toggled_ids_are_sets_in_order() -> None:
    assert toggled((3, 1), 2, True) == (1, 2, 3)
    assert toggled((3, 1), 3, False) == (1,)
    assert toggled((), 3, False) == ()


def test_a_curve_of_many_steps_keeps_its_last_point() -> None:
    steps = [TrainingStep(i, 1000, 0.0, 1.0 / i, None, None) for i in range(1, 1001)]
    points = thinned([(step.step, step.train_loss) for step in steps])
    assert len(points) <= 301
    assert points[-1] == [1000.0, 0.001]
    assert thinned([(1, None), (2, 0.5)]) == [[2.0, 0.5]]
    assert thinned([]) == []
