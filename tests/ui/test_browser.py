"""The page in Chromium, on the real models: what a person does, and what they then see."""

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from floe.chat.preferences import Preferences
from floe.records import Message, TokenStep
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

LONG_QUESTION = "Tell me a long story about a ship that sails far to the north."

RICH = r"""Some **bold** words, `<code>` and \(E = mc^2\), for $5 or $10 but $a<b$.

$$\int_0^1 x^2\,dx = \frac{1}{3}$$

```python
def a_function_with_a_long_name(argument_one, argument_two, argument_three, argument_four):
    return argument_one + argument_two + argument_three + argument_four  # wider than a phone
```

| one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve |
|---|---|---|---|---|---|---|---|---|---|---|---|
| 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 |

<script>document.title = "taken"</script> <img src="https://example.com/a.png">
![picture](https://example.com/b.png)
"""


def newest(app: App) -> tuple[Message, list[TokenStep]]:
    """The last message of the chat that was last written in, with its tokens."""
    with app.store() as store:
        chat = max(store.conversations(1000), key=lambda each: each.updated_at)
        message = store.open_conversation(chat.id)[-1]
        return message, store.token_steps(message.id)


def add_rich_conversation(app: App, title: str) -> None:
    with app.store() as store:
        conversation = store.create_conversation(title)
        question = store.add_message(conversation.id, None, "user", "Show me everything")
        store.add_message(conversation.id, question.id, "assistant", RICH)


def test_a_typed_question_streams_an_answer_fused_with_the_cloud(page: Page, app: App) -> None:
    person = Person(page, app)
    person.send("Why is the sky blue?")
    person.wait_for_tokens(3)
    expect(person.answer.locator(".message-text")).to_have_text(re.compile(r"\w"))
    person.wait_for_the_end()
    message, steps = newest(app)
    assert person.answer_text.split()[0] in message.content
    expect(person.tokens).to_have_count(len(steps))
    assert page.locator(".tokens .floe-token.fused").count() > 0
    figures = page.locator("#figures dl > div")
    share = figures.filter(has_text="with the cloud").locator("dd").inner_text()
    assert int(share.rstrip("%")) > 0
    assert int(figures.filter(has_text="cloud requests").locator("dd").inner_text()) > 0


def test_the_slider_moved_in_mid_answer_changes_the_next_tokens(page: Page, app: App) -> None:
    person = Person(page, app, length=400)
    person.send(LONG_QUESTION)
    expect(page.locator(".tokens .floe-token.fused").nth(4)).to_be_attached()
    page.locator("#weight input[type=range]").press("End")
    expect(page.locator(".tokens .floe-token.local").nth(4)).to_be_attached()
    page.click("#stop")
    person.wait_for_the_end()
    _, steps = newest(app)
    fused = [number for number, step in enumerate(steps) if step.source == "fused"]
    local = [number for number, step in enumerate(steps) if step.source == "local"]
    assert {steps[number].weight for number in fused} == {0.5}
    assert {steps[number].weight for number in local} == {1.0}
    assert max(fused) < min(local)


def test_stop_keeps_what_is_there(page: Page, app: App) -> None:
    person = Person(page, app, length=400)
    person.send(LONG_QUESTION)
    person.wait_for_tokens(5)
    page.click("#stop")
    person.wait_for_the_end()
    expect(person.answer).to_contain_text("Stopped by you")
    kept = person.answer_text
    message, steps = newest(app)
    assert message.status == "stopped"
    assert 5 <= len(steps) < 400
    assert kept.split()[0] in message.content
    page.reload()
    expect(person.tokens).to_have_count(len(steps))
    assert person.answer_text == kept


def test_a_reload_in_mid_answer_comes_back_to_it(page: Page, app: App) -> None:
    person = Person(page, app, length=200)
    person.send(LONG_QUESTION)
    person.wait_for_tokens(5)
    person.come()
    person.wait_for_tokens(8)
    page.click("#stop")
    person.wait_for_the_end()
    expect(person.tokens).to_have_count(len(newest(app)[1]))


def test_another_conversation_can_be_opened_while_one_is_written(page: Page, app: App) -> None:
    person = Person(page, app, length=400)
    person.send("Tell me a long story about a lighthouse and its keeper.")
    person.wait_for_tokens(3)
    page.click(".new-chat")
    expect(page.locator("#chat .message-row")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    seen = len(newest(app)[1])
    assert newest(app)[0].status == "streaming"
    person.in_list("lighthouse").first.locator(".title").click()
    person.wait_for_tokens(seen + 3)
    page.click("#stop")
    person.wait_for_the_end()
    assert newest(app)[0].status == "stopped"


def test_a_restart_finds_the_conversation_and_its_tokens(page: Page, tmp_path: Path) -> None:
    own = App(tmp_path)
    own.start()
    try:
        person = Person(page, own, length=400)
        person.send(LONG_QUESTION)
        expect(page.locator(".tokens .floe-token.fused").nth(29)).to_be_attached()
        own.end(signal.SIGKILL)
        own.cloud = False
        shown = newest(own)[1]
        assert shown
        for ended_by in (signal.SIGINT, signal.SIGTERM):
            own.start()
            person.come()
            expect(person.tokens).to_have_count(len(shown))
            expect(person.answer).to_contain_text("Floe ended in the middle of this answer")
            assert page.locator(".tokens .floe-token.fused").count() > 0
            own.end(ended_by)
    finally:
        own.end(signal.SIGKILL)


def test_regenerate_makes_a_branch_and_the_switch_goes_back(page: Page, app: App) -> None:
    person = Person(page, app, length=16)
    person.ask("Name three rivers.")
    page.get_by_label("Local only").check()
    person.answer.get_by_label("Answer again").click()
    expect(person.answer.locator(".switcher")).to_have_text("2/2")
    person.wait_for_the_end()
    assert {step.source for step in newest(app)[1]} == {"local"}
    expect(page.locator(".tokens .floe-token.local").first).to_be_attached()
    person.answer.get_by_label("Earlier version").click()
    expect(person.answer.locator(".switcher")).to_have_text("1/2")
    expect(page.locator(".tokens .floe-token.fused").first).to_be_attached()
    assert "fused" in {step.source for step in newest(app)[1]}


def test_an_edited_question_is_a_branch_of_its_own(page: Page, app: App) -> None:
    person = Person(page, app, length=16)
    person.ask("How many legs has a horse?")
    question = page.locator("#chat .user-row")
    question.get_by_label("Edit", exact=True).click()
    editor = question.locator(".editor textarea")
    expect(editor).to_have_value("How many legs has a horse?")
    editor.fill("  ")
    editor.press("Enter")
    expect(person.notice).to_contain_text("nothing to answer")
    editor.fill("How many legs has a spider?")
    editor.press("Enter")
    expect(question.locator(".message")).to_have_text("How many legs has a spider?")
    expect(question.locator(".switcher")).to_have_text("2/2")
    person.wait_for_the_end()
    question.get_by_label("Earlier version").click()
    expect(question.locator(".message")).to_have_text("How many legs has a horse?")


def test_rename_search_and_delete(page: Page, app: App) -> None:
    add_rich_conversation(app, "An old chat about everything")
    person = Person(page, app)
    row = person.in_list("An old chat about everything")
    person.act_on(row, "Rename")
    page.locator("#conversations .renaming input").fill("Cabbages and kings")
    page.keyboard.press("Enter")
    expect(person.in_list("Cabbages and kings")).to_have_count(1)

    page.get_by_label("Search all chats").fill("cabb")
    expect(page.locator("#conversations .hit")).to_have_count(1)
    expect(page.locator("#conversations mark")).to_have_text("Cabb")
    page.locator("#conversations .hit").click()
    expect(page.locator("#chat .user-row")).to_contain_text("Show me everything")
    page.get_by_label("Search all chats").fill("")

    row = person.in_list("Cabbages and kings")
    person.act_on(row, "Delete")
    expect(row).to_have_count(0)
    expect(page.locator("#chat .message-row")).to_have_count(0)
    with app.store() as store:
        assert "Cabbages and kings" not in {each.title for each in store.conversations()}


def test_characters_of_many_bytes_come_out_whole(page: Page, app: App) -> None:
    person = Person(page, app, length=24, mode="cloud")
    question = "Repeat exactly: 你好世界 🙂🎉 नमस्ते"
    person.ask(question)
    expect(page.locator("#chat .user-row .message")).to_have_text(question)
    content = newest(app)[0].content
    assert "你好" in content
    emoji = re.compile("[\U0001f300-\U0001faff]")
    assert emoji.search(content)
    assert "\ufffd" not in content
    assert "你好" in person.answer_text
    drawn = person.tokens.all_text_contents()
    assert emoji.search("".join(drawn))
    assert any("\u2039F0" in text for text in drawn)


def test_the_text_itself_tells_who_carried_each_token(page: Page, app: App) -> None:
    person = Person(page, app, length=24)
    person.ask("Name a colour, and say why you like it.")
    card = page.locator("#token-card")
    text = person.answer.locator(".message-text")
    # The answer stands once: its tokens one by one are folded away.
    expect(person.tokens.first).to_be_hidden()
    shades = """() => Object.fromEntries([...CSS.highlights].map(([name, ranges]) =>
        [name, [...ranges].map(range => range.startContainer.data.slice(
            range.startOffset, range.endOffset)).join("|")]))"""
    coloured = page.evaluate(shades)
    both = "".join(words for name, words in coloured.items() if name.startswith("floe-both"))
    assert len(re.sub(r"[\s|]", "", both)) > 0.9 * len(re.sub(r"\s", "", person.answer_text))

    box = text.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 12)
    expect(card).to_be_visible()
    expect(card.locator("thead")).to_have_text(re.compile("device.*cloud.*fused"))
    expect(card.locator("tbody tr.chosen td.cloud")).to_have_text(re.compile(r"\d %"))
    assert card.locator("tbody tr").count() > 1
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()
    text.focus()
    page.keyboard.press("ArrowRight")
    expect(card).to_be_visible()
    first = card.locator("header b").inner_text()
    page.keyboard.press("ArrowRight")
    expect(card.locator("header b")).not_to_have_text(first)
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()

    person.answer.get_by_text("Token by token").click()
    person.tokens.first.focus()
    page.keyboard.press("ArrowRight")
    expect(person.tokens.nth(1)).to_be_focused()
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    person.answer.get_by_role("button", name="Tokens").click()
    assert set(page.evaluate(shades).values()) == {""}
    person.answer.get_by_role("button", name="Tokens").click()
    page.wait_for_function("() => [...CSS.highlights.values()].some(ranges => ranges.size)")


def test_markdown_code_and_formulas_are_drawn_and_html_is_not(page: Page, app: App) -> None:
    add_rich_conversation(app, "Rich")
    person = Person(page, app)
    person.in_list("Rich").first.locator(".title").click()
    answer = person.answer
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator("pre code")).to_contain_text("def a_function")
    expect(answer.locator("pre code .k").first).to_have_text("def")
    expect(answer.locator(".formula math")).to_have_count(1)
    expect(answer.locator("math")).to_have_count(3)
    expect(answer).to_contain_text("for $5 or $10 but")
    expect(answer).to_contain_text('<script>document.title = "taken"</script>')
    assert answer.locator("script, img").count() == 0
    assert page.title() == "Floe"
    assert answer.locator("[href], [src]").count() == 0
    answer.get_by_label("Copy", exact=True).click()
    page.wait_for_function(
        "async (text) => await navigator.clipboard.readText() === text", arg=RICH
    )


def test_an_empty_prompt_gives_a_sentence(page: Page, app: App) -> None:
    person = Person(page, app, length=8)
    person.send("   ")
    expect(person.notice).to_contain_text("type a question")
    person.ask("Say yes.")
    expect(person.notice).to_have_count(0)


def test_100_kb_pasted_give_a_sentence_and_the_app_goes_on(page: Page, app: App) -> None:
    person = Person(page, app, length=8)
    person.send("word " * 20_000)
    sentence = page.locator("#notice p, #chat .aside")
    expect(sentence.first).to_have_text(re.compile("context|long", re.IGNORECASE))
    page.click(".new-chat")
    expect(page.locator("#chat .message-row")).to_have_count(0)
    person.ask("Say yes.")
    assert person.answer_text


def test_controls_are_found_again(page: Page, app: App) -> None:
    person = Person(page, app)
    page.locator("#weight input[type=range]").press("ArrowRight")
    page.get_by_label("Cloud only").check()
    page.wait_for_timeout(300)
    person.come()
    expect(page.locator("#weight input[type=number]")).to_have_value("0.51")
    expect(page.locator("#mode .selected")).to_have_text("Cloud only")


def test_advanced_settings_are_set_by_keyboard_and_hold(page: Page, app: App) -> None:
    person = Person(page, app, mode="local")
    drawer = page.locator("#advanced details")
    page.locator("#advanced summary").focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("group", name="How tokens are picked")
    expect(sheet).to_be_visible()
    temperature = page.get_by_label("Temperature")
    expect(temperature).to_have_value("0")
    page.keyboard.press("Tab")
    expect(sheet.get_by_label("All chats", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(temperature).to_be_focused()
    page.keyboard.type("99")
    page.keyboard.press("Tab")
    expect(temperature).to_have_value("5")
    expect(page.get_by_label("Top-p")).to_be_focused()
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Seed").fill("7")
    # The default model says "... Paris." of its own accord.
    page.get_by_label("Stop before").fill("Paris")
    page.get_by_label("DRY penalty").focus()
    expect(sheet.locator("p[role=status]")).to_contain_text("Set by you: Temperature")
    expect(sheet.locator("p[role=status]")).to_contain_text("Seed, Stop before")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.locator("#advanced summary")).to_be_focused()
    person.ask("What is the capital of France?")
    assert "Paris" not in person.answer_text
    assert "capital" in person.answer_text

    person.come()
    page.locator("#advanced summary").click()
    expect(page.get_by_label("Seed")).to_have_value("7")
    page.set_viewport_size({"width": 390, "height": 844})
    box = sheet.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 390
    sheet.get_by_role("button", name="As recommended").press("Enter")
    expect(page.get_by_label("Seed")).to_have_value("")
    expect(page.get_by_label("Stop before")).to_have_value("")
    expect(sheet.get_by_role("button", name="As recommended")).to_be_hidden()
    expect(drawer).to_have_attribute("open", "")
    with app.store() as store:
        assert Preferences.load(store).sampling == {}


def test_dark_follows_the_system_until_the_person_chooses(page: Page, app: App) -> None:
    page.emulate_media(color_scheme="dark")
    Person(page, app)
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    expect(page.locator("#chat")).to_have_css("color-scheme", "dark")  # so are its scrollbars
    expect(page.locator("#top")).to_have_css("color", "rgb(230, 234, 240)")
    page.get_by_label("Light or dark").click()
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))
    page.reload()
    expect(page.locator("#prompt")).to_be_visible()
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))


@pytest.mark.parametrize("width", [390, 1280])
def test_everything_is_at_hand_without_scrolling_sideways(page: Page, app: App, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    add_rich_conversation(app, "Wide")
    person = Person(page, app)
    if width < 860:
        expect(page.locator("#drawer")).to_be_hidden()
        page.click("#open-drawer")
    person.in_list("Wide").first.locator(".title").click()
    expect(person.answer.locator(".formula math")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    log = page.locator("#chat [role=log]")
    assert log.evaluate("node => node.scrollWidth <= node.clientWidth")
    for part in ("#weight", "#mode", "#advanced", "#prompt", "#send", "#figures"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 844
    # Head and dock take at most a third of a phone, and the cloud's panel leaves room to read.
    height = "node => node.getBoundingClientRect().height"
    around = [page.locator(part).evaluate(height) for part in ("#top", "#about", "#dock")]
    assert sum(around) <= 844 / 3 if width < 860 else sum(around) <= 250
    if width > 860:
        page.set_viewport_size({"width": width, "height": 600})
        page.click("#open-cloud")
        expect(page.locator("#panel")).to_be_visible()
        assert log.evaluate(height) >= 120
