"""What was set for one chat alone, and texts that are kept by name."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from floe.chat.chat_settings import ChatSettings, load_chat_settings, save_chat_settings
from floe.chat.prompt_presets import (
    GIVEN,
    delete_preset,
    fill_variables,
    presets,
    save_preset,
)
from floe.config import Settings
from floe.errors import PageError, PromptError, StoreError
from floe.jobs.weight_fit import WeightFitJob
from floe.records import Sampling
from floe.store import Store


def test_a_chat_keeps_what_was_set_for_it_until_all_is_as_in_general(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        chat = store.create_conversation("one").id
        assert load_chat_settings(store, chat).empty
        settings = ChatSettings().with_sampling("top_p", 0.9).with_system_prompt("  Be brief. ")
        settings = settings.with_sampling("seed", 7)
        save_chat_settings(store, chat, settings)
        kept = load_chat_settings(store, chat)
        assert kept == settings
        assert kept.system_prompt == "Be brief."
        assert kept.sampling.over(Sampling(top_k=3)) == Sampling(top_p=0.9, seed=7, top_k=3)
        assert kept.with_sampling("seed", None).sampling.chosen == {"top_p": 0.9}
        assert kept.with_system_prompt(" ").system_prompt is None
        save_chat_settings(store, chat, ChatSettings())
        assert load_chat_settings(store, chat).empty
        store.delete_conversation(chat)
        with pytest.raises(StoreError, match="has been deleted"):
            save_chat_settings(store, chat, settings)


@pytest.mark.parametrize(("name", "value"), [("top_p", 2), ("system", "x"), ("stop", [""])])
def test_what_no_setting_can_be_changes_nothing(name: str, value: object) -> None:
    with pytest.raises(PageError):
        ChatSettings().with_sampling(name, value)


def test_settings_of_another_floe_are_as_in_general(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        chat = store.create_conversation("one").id
        for kept in ('{"top_p": 5}', '{"unheard": 1}', "no json"):
            with store.writing() as db:
                db.execute(
                    "INSERT OR REPLACE INTO chat_settings VALUES (?, 'Hi.', ?)", [chat, kept]
                )
            assert load_chat_settings(store, chat) == ChatSettings("Hi.")


def test_texts_are_kept_by_name_beside_the_given_ones(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        assert presets(store) == list(GIVEN)
        save_preset(store, " Sailor\n", "You are a sailor.")
        save_preset(store, "cook", "You cook.")
        save_preset(store, "Sailor", "You sail.")
        own = [(each.name, each.text) for each in presets(store) if each.own]
        assert own == [("cook", "You cook."), ("Sailor", "You sail.")]
        for name, text, said in (
            ("", "x", "needs a name"),
            ("x", " ", "needs a name and a text"),
            (GIVEN[0].name, "x", "a preset of Floe's"),
        ):
            with pytest.raises(PromptError, match=said):
                save_preset(store, name, text)
        delete_preset(store, "cook")
        delete_preset(store, GIVEN[0].name)
        assert [each.name for each in presets(store)] == [*(g.name for g in GIVEN), "Sailor"]
        store.set_setting("prompt_presets", [{"name": 3}])
        assert presets(store) == list(GIVEN)


def test_date_time_and_weekday_are_filled_in_and_nothing_else() -> None:
    now = datetime(2026, 11, 5, 9, 4)
    text = "{{weekday}}, {{ date }}, {{time}}: {{selection}} {{unknown}} {date}"
    assert fill_variables(text, now) == (
        "Thursday, 5 November 2026, 09:04: {{selection}} {{unknown}} {date}"
    )


def test_a_fit_of_the_weight_keeps_the_system_prompt_of_a_chat_from_the_cloud(
    tmp_path: Path,
) -> None:
    with Store(tmp_path / "floe.db") as store:
        asked = store.add_message(None, None, "user", "Who are you?")
        settings = ChatSettings("You are the gardener of the old mill.")
        save_chat_settings(store, asked.conversation_id, settings)
        seen: dict[str, Any] = {}
        gate = SimpleNamespace(
            closed=lambda *_, **__: None,
            examine=lambda _mode, _path, system, **rest: seen.update(rest, system=system),
        )
        assistant: Any = SimpleNamespace(store=store, gate=gate)
        job = WeightFitJob(assistant, Settings.load(data_dir=tmp_path))
        job._passage([asked], 0)
        assert settings.system_prompt in seen["kept"]
        assert settings.system_prompt not in seen["system"]
