import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from floe.chat.assistant import Assistant
from floe.chat.preferences import Preferences
from floe.records import Conversation
from floe.store import Store
from floe.store.imports import NewChat, add_chats, begin_import, finish_import
from floe.ui.chat.conversations import age, conversation_list, find

NOON = time.mktime((2026, 3, 10, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("hours", "heading"),
    [
        (0, "Today"),
        (11.9, "Today"),
        (12.1, "Yesterday"),
        (37, "Last 7 days"),
        (24 * 6, "Last 7 days"),
        (24 * 7, "Earlier"),
        (-1, "Today"),
    ],
)
def test_headings_follow_the_calendar(hours: float, heading: str) -> None:
    conversation = Conversation(1, "", 0.0, NOON - hours * 3600)
    assert age(conversation, NOON) == heading


def test_the_list_names_what_is_open_and_what_is_running(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        first = store.create_conversation("Rivers")
        second = store.create_conversation()
        running = {first.id: object()}
        assistant = cast(Assistant, SimpleNamespace(store=store, running=running.get))
        drawn = conversation_list(assistant, first.id)
        assert drawn["open"] == first.id
        assert [(row["id"], row["title"], row["running"]) for row in drawn["rows"]] == [
            (second.id, "New chat", False),
            (first.id, "Rivers", True),
        ]
        found = find(assistant, "river")
        (hit,) = found["hits"]
        assert not found["more"]
        assert (hit["id"], hit["messages"], hit["title"]) == (first.id, [], "Rivers")
        store.mark_conversations([first.id], pinned=True)
        listed = conversation_list(assistant, None)["rows"]
        assert [(row["id"], row["when"]) for row in listed] == [
            (first.id, "Pinned"),
            (second.id, "Today"),
        ]


def test_of_many_chats_the_newest_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        ids = [store.create_conversation(f"Chat {number}").id for number in range(450)]
        imported = begin_import(store, "old.json")
        add_chats(store, imported, [NewChat("Imported", 1.0, 2.0, [("user", "Hm?", 1.0, True)])])
        finish_import(store, imported, "ChatGPT", "1 chat.", {})
        store.mark_conversations(ids[0:1], pinned=True)
        store.move_conversations(ids[1:2], "Old ones")
        store.mark_conversations(ids[2:4], archived=True)
        assistant = cast(Assistant, SimpleNamespace(store=store, running=lambda _: None))
        value = conversation_list(assistant, None)
        # Whatever has a place of its own is there, however old it is.
        assert [row["id"] for row in value["rows"]] == [
            ids[0],
            *ids[449:249:-1],
            *ids[3:0:-1],
        ]
        assert value["more"] == 450 + 1 - 204
        # A page that shows more of them is to hear of a change there.
        store.rename_conversation(ids[10], "An old one")
        renamed = conversation_list(assistant, None)
        assert renamed["rows"] == value["rows"]
        assert renamed["version"] != value["version"]
        whole = conversation_list(assistant, None, 10_000)
        assert [row["id"] for row in whole["rows"]] == [
            each.id for each in store.conversations(10_000)
        ]
        assert (whole["more"], len(whole["rows"])) == (0, 451)
        found = find(assistant, "chat")
        assert (len(found["hits"]), found["more"]) == (40, True)


def test_preferences_survive_and_ignore_what_they_do_not_know(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        assert Preferences.load(store) == Preferences()
        Preferences.update(store, weight=0.25, mode="cloud")
        Preferences.update(store, conversation=7)
        kept = Preferences.load(store)
        assert (kept.weight, kept.mode, kept.conversation) == (0.25, "cloud", 7)
        assert kept.options().weight == 0.25
        store.set_setting("page", {"max_tokens": 8, "colour": "red"})
        assert Preferences.load(store) == Preferences(max_tokens=8)


def test_limits_on_the_cloud_reach_the_turn(tmp_path: Path) -> None:
    plain = Preferences().options()
    assert (plain.deadline, plain.tolerance) == (None, 0.0)
    assert (plain.max_requests, plain.daily_requests) == (100, None)
    with Store(tmp_path / "floe.db") as store:
        Preferences.update(
            store, deadline_ms=250, fewer_requests=True, max_requests=7, daily_requests=50
        )
        options = Preferences.load(store, weight=0.75).options()
        assert (options.deadline, options.tolerance) == (0.25, 0.1)
        assert (options.max_requests, options.daily_requests) == (7, 50)
        assert options.weight == 0.75
        assert Preferences.load(store).weight == 0.5
