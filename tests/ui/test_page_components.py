"""What Python and the scripts say to each other is declared, and both keep to it."""

import json
import re
from collections.abc import Callable
from typing import Any, cast

import gradio as gr
import pytest

from floe.privacy.sent import SentLog
from floe.ui.layout import lay_out
from floe.ui.page_components import DRAWN_PARTS
from tests.js.declarations import PATH, Declarations, declare_records

_ON_LOAD = re.compile(r"floe\.(\w+)\(\{element, .*\}, (\[.*\])\);")


def search(words: str) -> list[Any]:
    return []


def tokens(request: list[int]) -> dict[str, Any]:
    return {}


def text(message_id: int) -> str:
    return ""


def chats(length: int) -> dict[str, Any]:
    return {}


def window(request: list[int]) -> dict[str, Any]:
    return {}


def rows(conversation_id: int) -> list[Any]:
    return []


def memory(message_id: int) -> list[Any]:
    return []


def key(_: str) -> str:
    return ""


def drawn_parts() -> list[tuple[str, list[str], list[str]]]:
    """Name, events and functions of all drawn parts of the page, as it is laid out."""
    with gr.Blocks(analytics_enabled=False) as page:
        lay_out(
            [search, chats], tokens, text, window, 300.0, cast(SentLog, None), rows, memory, key
        )
    found = []
    for block in page.blocks.values():
        on_load = _ON_LOAD.fullmatch(getattr(block, "js_on_load", None) or "")
        if on_load:
            functions = [each.__name__ for each in getattr(block, "server_fns", [])]
            events = json.loads(on_load[2].replace("'", '"'))
            found.append((on_load[1], events, functions))
    return found


@pytest.mark.usefixtures("loops_closed")
def test_the_page_as_laid_out_is_what_is_declared() -> None:
    found = drawn_parts()
    assert {name for name, _, _ in found} == set(DRAWN_PARTS)
    for name, events, functions in found:
        assert set(events) == set(DRAWN_PARTS[name].events), name
        assert set(functions) == set(DRAWN_PARTS[name].server), name


def test_the_declarations_are_those_of_the_records() -> None:
    assert PATH.read_text(encoding="utf-8") == declare_records(), "run `make records`"


def test_types_are_spelled_as_typescript_spells_them() -> None:
    spelled: Callable[[Any], str] = Declarations().expression
    assert spelled(int | None) == "number | null"
    assert spelled(list[int | None]) == "(number | null)[]"
    assert spelled(tuple[int, str]) == "[number, string]"
    assert spelled(tuple[tuple[int, str], ...]) == "[number, string][]"
