"""Whatever a page sends ends in a sentence, and changes nothing that it should not."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from pydantic import BaseModel

from floe.chat.preferences import Preferences
from floe.errors import PageError, StoreError
from floe.kept_records import RowId
from floe.privacy import choices
from floe.privacy.consent import Consent, consent
from floe.store import Store
from floe.training.data.learning_choices import LearningChoices
from floe.ui import page_events as asked
from floe.ui.chat.chat_actions import ChatActions
from floe.ui.page_events import (
    SentAsked,
    TokensAsked,
    answer_page,
    read_asked,
    read_text,
)

NAN, INF = float("nan"), float("inf")
OUT_OF_RANGE: list[Any] = [NAN, INF, -INF, -1, 10**400, 10**9 + 1, "x", [], {"a": 1}, "\ud800"]
NO_MODES: list[Any] = ["everyone", 1, None, []]
NO_CHOICES: list[Any] = [[], "x", 7, None, [[1]]]
JUNK: list[Any] = [
    None,
    0,
    -1,
    1.5,
    2**64,
    10**400,
    NAN,
    INF,
    "",
    "1",
    "x" * 20_000,
    "\ud800",
    [],
    [1],
    {},
    {"id": {"id": 1}},
    True,
    b"1",
]


def event(data: Any) -> gr.EventData:
    return SimpleNamespace(_data=data)  # type: ignore[return-value]


def kinds() -> list[type[BaseModel]]:
    found = vars(asked).values()
    return [
        each
        for each in found
        if isinstance(each, type) and issubclass(each, asked._Asked) and each is not asked._Asked
    ]


@pytest.mark.parametrize("kind", kinds())
def test_an_event_is_what_it_must_be_or_a_sentence(kind: type[BaseModel]) -> None:
    for junk in JUNK:
        for data in (junk, dict.fromkeys(kind.model_fields, junk)):
            try:
                found = read_asked(event(data), kind)
            except PageError:
                continue
            for value in vars(found).values():
                assert not isinstance(value, float) or 0 <= value <= 10
                assert not isinstance(value, int) or 0 <= value < 2**63 or kind is asked.LimitAsked
                assert not isinstance(value, str) or value.encode() is not None


def test_no_handler_reads_an_event_by_hand() -> None:
    folder = Path(inspect.getfile(asked)).parent
    by_hand = [
        path.name
        for path in folder.rglob("*.py")
        if "event._data" in path.read_text("utf-8") and path.name != "page_events.py"
    ]
    assert by_hand == []


def test_the_controls_keep_within_their_ranges(store: Store) -> None:
    for name in ("weight", "temperature", "max_tokens", "top_p", "deadline_ms", "max_requests"):
        for junk in OUT_OF_RANGE:
            with pytest.raises(PageError):
                Preferences.update(store, **{name: junk})
    for junk in NO_MODES:
        with pytest.raises(PageError):
            Preferences.update(store, mode=junk)
    with pytest.raises(PageError):
        Preferences.update(store, unknown=1)
    assert Preferences.load(store) == Preferences()
    assert Preferences.update(store, weight=0.25, max_tokens=8).options().sampling.max_tokens == 8


def test_this_device_only_holds_for_what_is_being_written(store: Store) -> None:
    kept: list[str] = []
    assistant = SimpleNamespace(keep_all_here=lambda: kept.append("here"))
    page: Any = SimpleNamespace(_store=store, _assistant=assistant)
    for mode in ("fused", "cloud", "local"):
        ChatActions.keep(page, mode, 0.5)
        assert Preferences.load(store).mode == mode
    assert kept == ["here"]


def test_what_stands_in_the_store_keeps_within_its_ranges(store: Store) -> None:
    fitting: dict[str, Any] = {"weight": 0.25, "auto": True}
    store.set_setting(
        "page",
        fitting | {"temperature": INF, "max_tokens": 10**9, "top_p": NAN, "mode": "x", "old": 1},
    )
    assert Preferences.load(store) == Preferences(**fitting)
    store.set_setting("personalise", {"without": "abc", "except_chats": [3, 4], "deadline_s": -1})
    assert LearningChoices.load(store) == LearningChoices(except_chats=(3, 4))
    for junk in NO_CHOICES:
        store.set_setting("page", junk)
        store.set_setting("personalise", junk)
        assert Preferences.load(store) == Preferences()
        assert LearningChoices.load(store) == LearningChoices()


@pytest.mark.parametrize("junk", ["no", "yes", 1, [False], {"a": 1}])
def test_only_a_true_yes_is_consent(store: Store, junk: Any) -> None:
    store.set_setting("consent_train", junk)
    store.set_setting("consent_federate", junk)
    store.set_setting("own_words", junk)
    assert consent(store) == Consent(None, None)
    assert choices.own_words(store) == ()


def test_what_the_browser_asks_by_itself_has_an_answer() -> None:
    @answer_page(RowId, "none")
    def text(message_id: int) -> str:
        if message_id == 9:
            raise StoreError("It has been deleted.")
        return str(message_id)

    assert [text(each) for each in (5, 9, "5", None, 2**63, NAN, [5])] == ["5", *["none"] * 6]

    @answer_page(TokensAsked, 0)
    def tokens(request: list[int]) -> int:
        return len(request)

    assert [tokens(each) for each in ([1, 2, 0], [1, 2], [1, 2, "x"], "abc", None)] == [3, *[0] * 4]

    @answer_page(SentAsked, "none")
    def sent(request: tuple[str, int]) -> str:
        return f"{request[0]}{request[1]}"

    assert [sent(each) for each in (["a", 3], ["a"], ["a", -1], 7)] == ["a3", *["none"] * 3]


def test_a_message_of_any_length_is_a_text_or_a_sentence() -> None:
    assert read_text("a\ud800") == "a\ufffd"
    for junk in (None, 1, ["a"], "x" * 10_000_001):
        with pytest.raises(Exception, match="far too long"):
            read_text(junk)
