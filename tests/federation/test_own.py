"""Which of a person's chats a group may learn from."""

from dataclasses import asdict
from pathlib import Path

import pytest

from floe.errors import FederationError
from floe.federation.group.history import History
from floe.federation.group.member_device import load_member_device
from floe.federation.group.membership import GroupSettings
from floe.privacy.consent import Consent, give_consent, set_conversation_consent
from floe.privacy.gate import CHOSEN
from floe.records import Role, Route
from floe.store import Store

SETTINGS = GroupSettings("here:1", "ca.crt", "device.key", "base.gguf", "b" * 64, rank=4)
CHATS = {
    "egg": ("How do I boil an egg?", "Seven minutes in simmering water."),
    "tool": ("Name a sharp tool.", "A chisel, if it is looked after."),
    "bird": ("Where do swallows go in winter?", "Far south, across the sea."),
    "mail": ("Whom do I ask?", "Write to jane.miller@posteo.net about it."),
    "secret": ("What shall I plant?", "Beans, as soon as the soil is warm."),
    "home": ("How high is the hedge?", "As high as the fence, more or less."),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "floe.db")
    for name, (question, answer) in CHATS.items():
        chat = made.create_conversation(name)
        asked = made.add_message(chat.id, None, "user", question)
        made.add_message(chat.id, asked.id, "assistant", answer)
        if name == "secret":
            set_conversation_consent(made, chat.id, train=None, federate=False)
        if name == "home":
            with made.writing() as db:
                db.execute("UPDATE conversations SET local_only = 1 WHERE id = ?", [chat.id])
    give_consent(made, Consent(train=True, federate=True))
    History(made).begin("joined", asdict(SETTINGS), "")
    return made


def answers(folder: Path) -> set[str]:
    device = load_member_device(folder)
    rows = [*device.train, *device.held_out]
    return {message.content for row in rows for message in row.messages[1:]}


def test_only_what_may_be_shared_and_is_not_private_is_learnt_from(
    store: Store, tmp_path: Path
) -> None:
    assert answers(tmp_path) == {CHATS[name][1] for name in ("egg", "tool", "bird")}


def test_all_that_an_answer_is_learnt_with_is_looked_at(store: Store, tmp_path: Path) -> None:
    for title, before in (
        ("told", [("system", "You talk to Jane Miller, jane.miller@posteo.net.")]),
        ("twice", [("user", "My number is 0171 5550123."), ("user", "How tall is an oak?")]),
        ("wish", [("user", "Keep this between us: how tall is a birch?")]),
    ):
        chat = store.create_conversation(title)
        above: int | None = None
        roles: list[tuple[Role, str]] = [*before]  # type: ignore[list-item]
        if roles[-1][0] == "system":
            roles.append(("user", "How tall is an ash?"))
        for role, text in roles:
            above = store.add_message(chat.id, above, role, text).id
        store.add_message(chat.id, above, "assistant", f"It is as tall as it gets, {title}.")
    assert answers(tmp_path) == {CHATS[name][1] for name in ("egg", "tool", "bird")}


def test_an_answer_that_others_may_not_be_told_is_not_learnt_from(
    store: Store, tmp_path: Path
) -> None:
    matter = "I was diagnosed with bipolar disorder last spring, and my wife has left me."
    told = {
        "own": (matter, None),
        "had": ("Alders bear wet ground.", Route("fused", "nothing private found")),
        "chosen": ("Poplars prefer dry banks.", Route("local", CHOSEN)),
        "offline": ("Oaks grow for a long time.", Route("local", "the cloud is switched off")),
    }
    for name, (answer, route) in told.items():
        chat = store.create_conversation(name)
        asked = store.add_message(chat.id, None, "user", f"What of trees, {name}?")
        store.add_message(chat.id, asked.id, "assistant", answer, route=route)
    with store.writing() as db:  # looked at, as answers are: for identifiers
        db.execute("UPDATE messages SET private = '[]' WHERE conversation_id > ?", [len(CHATS)])
    expected = {CHATS[name][1] for name in ("egg", "tool", "bird")}
    assert answers(tmp_path) == {*expected, told["had"][0], told["offline"][0]}


def test_consent_taken_back_counts_from_the_next_round(store: Store, tmp_path: Path) -> None:
    with store.writing() as db:
        db.execute("UPDATE messages SET private = '[]'")
        db.execute("UPDATE conversations SET federate = 0 WHERE title != 'egg' AND title != 'tool'")
    assert answers(tmp_path) == {CHATS[name][1] for name in ("egg", "tool")}
    give_consent(store, Consent(train=False, federate=True))
    with pytest.raises(FederationError, match="too few answers"):
        load_member_device(tmp_path)


def test_a_device_that_has_left_takes_no_part(store: Store, tmp_path: Path) -> None:
    history = History(store)
    history.end(history.all("joined")[0].id, "left", "You left.")
    with pytest.raises(FederationError, match="left the group"):
        load_member_device(tmp_path)
