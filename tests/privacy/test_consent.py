"""What may be learned from: nothing before the person was asked, and each chat can differ."""

from pathlib import Path

import pytest

from floe.errors import StoreError
from floe.privacy import choices
from floe.privacy.consent import (
    Consent,
    consent,
    give_consent,
    may_federate,
    may_train,
    set_conversation_consent,
)
from floe.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "floe.db")


def test_nothing_is_allowed_before_the_person_was_asked(store: Store) -> None:
    conversation = store.create_conversation()
    assert consent(store) == Consent(None, None)
    assert may_train(consent(store), conversation).yes is False
    assert "not been asked" in may_federate(consent(store), conversation).reason


@pytest.mark.parametrize(
    ("general", "own", "trains", "federates"),
    [
        ((True, True), (None, None), True, True),
        ((True, False), (None, None), True, False),
        ((True, True), (None, False), True, False),
        ((True, True), (False, None), False, False),
        ((True, True), (False, True), False, False),
        ((False, False), (True, None), True, False),
        ((False, False), (True, True), True, True),
        ((None, None), (True, True), True, True),
    ],
)
def test_a_conversation_says_it_for_itself(
    store: Store,
    general: tuple[bool | None, bool | None],
    own: tuple[bool | None, bool | None],
    trains: bool,
    federates: bool,
) -> None:
    given = Consent(*general)
    give_consent(store, given)
    conversation_id = store.create_conversation().id
    set_conversation_consent(store, conversation_id, train=own[0], federate=own[1])
    conversation = store.conversation(conversation_id)
    assert consent(store) == given
    assert may_train(given, conversation).yes is trains
    assert may_federate(given, conversation).yes is federates


def test_what_is_kept_local_may_be_learned_from_here_and_nowhere_else(store: Store) -> None:
    conversation_id = store.create_conversation().id
    choices.set_local_only(store, conversation_id, True)
    conversation = store.conversation(conversation_id)
    assert conversation.local_only
    assert may_train(Consent(True, True), conversation).yes
    assert "kept on this device" in may_federate(Consent(True, True), conversation).reason


def test_a_conversation_that_is_gone_is_told(store: Store) -> None:
    with pytest.raises(StoreError, match="deleted"):
        choices.set_local_only(store, 9, True)
    with pytest.raises(StoreError, match="deleted"):
        set_conversation_consent(store, 9, train=True, federate=None)


def test_choices_are_kept(store: Store) -> None:
    assert choices.policy(store) == "local only"
    choices.set_policy(store, "pseudonyms")
    choices.set_about_me(store, "  I am a nurse. ")
    choices.set_personal_context(store, "The garden project.")
    assert choices.set_own_words(store, ["Anna", " ", "Anna", "x", "Projekt  Nordlicht "]) == (
        "Anna",
        "Projekt Nordlicht",
    )
    again = Store(store.path)
    assert choices.policy(again) == "pseudonyms"
    assert choices.about_me(again) == "I am a nurse."
    assert choices.personal_context(again) == "The garden project."
    assert choices.own_words(again) == ("Anna", "Projekt Nordlicht")
