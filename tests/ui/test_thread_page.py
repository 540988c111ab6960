"""The thread in Chromium: scrolling that obeys, rows near the view, links that ask."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from floe.chat.turn import TurnView
from floe.records import AnswerStats, Route
from tests.ui.bare_page import BarePage, conversation

pytestmark = pytest.mark.browser

LINES = "A line that is long enough to be one.\n\n"


@pytest.fixture
def bare(page: Page) -> Iterator[BarePage]:
    thread = BarePage(page)
    yield thread
    assert thread.requests == []


def view_of(thread: BarePage, text: str) -> TurnView:
    message = thread.messages[-1].id
    return TurnView(message, text, (), AnswerStats(tokens=1), (), "streaming", Route("local", ""))


def stream(thread: BarePage, count: int, have: int = 0) -> int:
    """Frames of a growing answer; returns how many lines it has."""
    for number in range(have + 1, have + count + 1):
        thread.frame(view_of(thread, LINES * number))
        thread.settle()
    return have + count


def begin_answer(thread: BarePage) -> None:
    thread.messages = conversation(4, lambda n: LINES * 10)
    thread.messages[-1] = replace(thread.messages[-1], content="", status="streaming")
    thread.show(live=view_of(thread, ""))
    thread.settle()


def test_the_end_stays_in_view_while_an_answer_grows(bare: BarePage) -> None:
    begin_answer(bare)
    for have in range(0, 40, 10):
        stream(bare, 10, have)
        assert bare.from_end < 2


def test_the_first_notch_up_stays_up_while_the_answer_goes_on(bare: BarePage) -> None:
    begin_answer(bare)
    lines = stream(bare, 20)
    bare.log.hover()
    bare.page.mouse.wheel(0, -100)
    top = None
    for _ in range(12):
        lines = stream(bare, 1, lines)
        bare.page.wait_for_timeout(40)
        now = bare.log.evaluate("node => node.scrollTop")
        assert top is None or now <= top
        top = now
    assert bare.from_end > 300
    expect(bare.page.get_by_label("Go to the end")).to_be_visible()
    bare.page.mouse.wheel(0, 20_000)
    bare.page.wait_for_function(
        "() => { const n = document.querySelector('#chat .log'); "
        "return n.scrollHeight - n.clientHeight - n.scrollTop < 4 }"
    )
    bare.page.wait_for_timeout(150)
    lines = stream(bare, 5, lines)
    assert bare.from_end < 2


@pytest.mark.parametrize("key", ["PageUp", "Home", "ArrowUp"])
def test_keys_leave_the_end_too_and_a_button_goes_back(bare: BarePage, key: str) -> None:
    begin_answer(bare)
    lines = stream(bare, 20)
    bare.log.focus()
    bare.page.keyboard.press(key)
    bare.page.wait_for_timeout(300)
    lines = stream(bare, 10, lines)
    assert bare.from_end > 200
    bare.page.get_by_label("Go to the end").click()
    stream(bare, 3, lines)
    assert bare.from_end < 2


def test_a_frame_of_another_view_is_too_late(bare: BarePage) -> None:
    begin_answer(bare)
    bare.frame(view_of(bare, "In time."))
    bare.frame(view_of(bare, "Too late."), generation=99)
    expect(bare.rows.last.locator(".message-text")).to_have_text("In time.")


def test_only_what_changed_is_redrawn(bare: BarePage) -> None:
    begin_answer(bare)
    bare.frame(view_of(bare, "One.\n\nTwo.\n\nThr"))
    bare.page.evaluate(
        "() => document.querySelectorAll('.message-text > *, .around').forEach(n => { n.mine = 1 })"
    )
    bare.frame(view_of(bare, "One.\n\nTwo.\n\nThree.\n\nFour"))
    bare.settle()
    kept = bare.page.evaluate(
        "() => [...document.querySelectorAll('.message-row:last-child .message-text > *')]"
        ".map(n => n.mine === 1)"
    )
    assert kept == [True, True, False, False]
    others = bare.page.evaluate(
        "() => [...document.querySelectorAll('.message-row:not(:last-child) :is(.message-text > *,"
        " .around)')].every(n => n.mine === 1)"
    )
    assert others


def test_of_2000_messages_those_near_the_view_are_in_the_document(bare: BarePage) -> None:
    bare.messages = conversation(2000, lambda n: f"Message {n}. " + LINES * 3)
    bare.show()
    bare.settle()
    expect(bare.rows.last).to_contain_text("Message 1999.")
    assert bare.rows.count() <= 120
    assert bare.page.evaluate("document.querySelectorAll('*').length") < 4000
    assert bare.from_end < 2
    for wanted in (1900, 1850, 1700):
        row = bare.rows.filter(has_text=f"Message {wanted}.")
        for _ in range(200):
            if row.count() and row.first.evaluate("n => n.getBoundingClientRect().bottom > 0"):
                break
            bare.log.hover()
            bare.page.mouse.wheel(0, -700)
            bare.page.wait_for_timeout(30)
        expect(row).to_be_in_viewport()
        assert bare.rows.count() <= 240
    numbers = [int(text.split(".")[0].split()[1]) for text in bare.rows.all_text_contents()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    bare.page.get_by_label("Go to the end").click()
    expect(bare.rows.last).to_contain_text("Message 1999.")
    bare.settle()
    assert bare.from_end < 2


def test_rows_that_come_above_do_not_move_what_is_read(bare: BarePage) -> None:
    bare.messages = conversation(300, lambda n: f"Message {n}. " + LINES * (1 + n % 5))
    bare.show()
    bare.settle()
    bare.log.hover()
    for _ in range(60):
        before = len(bare.asked)
        places = bare.page.evaluate(PLACES)
        bare.page.mouse.wheel(0, -200)
        bare.page.wait_for_timeout(60)
        after = bare.page.evaluate(PLACES)
        moved = [after[text] - places[text] for text in places if text in after]
        if len(bare.asked) > before:
            assert moved
            assert max(moved) - min(moved) < 4
            assert -20 < moved[0] < 420
    assert len(bare.asked) >= 2


PLACES = """() => Object.fromEntries([...document.querySelectorAll(".message-row")]
    .map(n => [n.textContent.split(".")[0], n.getBoundingClientRect()])
    .filter(([, box]) => box.bottom > 0 && box.top < innerHeight)
    .map(([text, box]) => [text, box.top]))"""


def test_a_message_that_was_found_is_in_the_middle_of_what_is_around_it(bare: BarePage) -> None:
    bare.messages = conversation(2000, lambda n: f"Message {n}. " + LINES)
    bare.show(around=701)
    found = bare.rows.filter(has_text="Message 700.")
    expect(found).to_be_in_viewport()
    expect(found).to_have_class("message-row user-row found")
    assert bare.from_end > 500
    for _ in range(40):
        bare.log.hover()
        bare.page.mouse.wheel(0, 900)
        bare.page.wait_for_timeout(30)
    numbers = [int(text.split(".")[0].split()[1]) for text in bare.rows.all_text_contents()]
    assert max(numbers) > 740
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_another_branch_takes_the_place_of_what_followed(bare: BarePage) -> None:
    bare.messages = conversation(100)
    bare.show()
    first = bare.page.evaluate("document.querySelector('.message-row')")
    assert first is not None
    fresh = replace(bare.messages[-1], id=500, content="Another answer", siblings=(100, 500))
    bare.messages[-1] = fresh
    bare.show()
    expect(bare.rows.last).to_contain_text("Another answer")
    expect(bare.rows.last.locator(".switcher")).to_have_text("2/2")
    bare.messages = []
    bare.show()
    expect(bare.rows).to_have_count(0)
    expect(bare.page.locator(".welcome")).to_be_visible()


def test_a_link_shows_its_address_before_it_opens(bare: BarePage) -> None:
    text = "[bank.example](https://evil.example/login?a=1) and [here](https://\u0435xample.com/x)"
    bare.messages = [*conversation(1), replace(conversation(2)[1], content=text)]
    bare.show()
    opened: list[str] = []
    bare.page.context.on("page", lambda other: opened.append(other.url))
    link = bare.page.get_by_role("link", name="bank.example")
    link.click()
    link.click(button="middle")
    link.click(modifiers=["Control"])
    card = bare.page.get_by_role("dialog", name="Link")
    expect(card).to_contain_text("https://evil.example/login?a=1")
    expect(card).to_contain_text("The text says bank.example; the link leads to evil.example.")
    assert opened == []
    out = card.get_by_role("link", name="Open")
    expect(out).to_have_attribute("href", "https://evil.example/login?a=1")
    expect(out).to_have_attribute("rel", "noopener noreferrer")
    expect(out).to_have_attribute("target", "_blank")
    card.get_by_role("button", name="Copy").click()
    assert bare.page.evaluate("navigator.clipboard.readText()") == "https://evil.example/login?a=1"
    bare.page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    other = bare.page.get_by_role("link", name="here")
    other.focus()
    bare.page.keyboard.press("Enter")
    expect(card).to_contain_text("xn--xample-2of.com")
    expect(card).to_contain_text("letters that may look like others")
    expect(card.get_by_role("link", name="Open")).to_be_focused()
    bare.page.keyboard.press("Escape")
    expect(other).to_be_focused()


def test_code_is_copied_as_it_is_and_its_button_covers_none_of_it(bare: BarePage) -> None:
    code = "if x:\n    print('<b>', 1 << 2)  # é\n"
    bare.messages = [*conversation(1), replace(conversation(2)[1], content=f"```python\n{code}```")]
    bare.show()
    button = bare.page.get_by_label("Copy code")
    button.click()
    assert bare.page.evaluate("navigator.clipboard.readText()") == code
    pre = bare.page.get_by_role("region", name="Code, python")
    of_button, of_code = button.bounding_box(), pre.bounding_box()
    assert of_button is not None
    assert of_code is not None
    assert of_button["y"] + of_button["height"] <= of_code["y"]
    pre.focus()
    expect(pre).to_be_focused()


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_tables_and_code_scroll_within_themselves(bare: BarePage, width: int) -> None:
    bare.page.set_viewport_size({"width": width, "height": 800})
    words = "| " + " | ".join(f"heading {n}" for n in range(12)) + " |\n"
    table = words + "|---" * 12 + "|\n" + words
    text = f"{table}\n```\n{'x' * 400}\n```\n\n$$" + "x + " * 200 + "x$$\n\n" + "W" * 3000
    bare.messages = [*conversation(1), replace(conversation(2)[1], content=text)]
    bare.show()
    bare.settle()
    assert bare.log.evaluate("node => node.scrollWidth <= node.clientWidth")
    for name in ("Table", "Code", "Formula"):
        region = bare.page.get_by_role("region", name=name)
        assert region.evaluate("node => node.scrollWidth > node.clientWidth"), name
        region.focus()
        bare.page.keyboard.press("ArrowRight")
        bare.page.wait_for_function(
            "name => document.querySelector(`[aria-label=${name}]`).scrollLeft > 0", arg=name
        )
    cell = bare.page.locator("td").first
    assert cell.evaluate("node => node.clientHeight < 60")  # no word is broken in its middle


def test_text_that_runs_from_right_to_left_is_set_so(bare: BarePage) -> None:
    text = "שלום עולם\n\nHello\n\n- שלום"
    bare.messages = [*conversation(1), replace(conversation(2)[1], content=text)]
    bare.show()
    directions = bare.rows.last.locator(".message-text > *").evaluate_all(
        "nodes => nodes.map(node => getComputedStyle(node).direction)"
    )
    assert directions == ["rtl", "ltr", "rtl"]
