"""Under the answers: liking, rewriting; over them: what stays here and what a chat is used for."""

import re

import pytest
from playwright.sync_api import Page, expect

from floe.privacy import choices
from floe.privacy.detector import Detector
from floe.privacy.gate import RELEASED
from floe.privacy.sent import SentLog
from floe.records import Message
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


def answered(app: App, title: str) -> Message:
    """A conversation with one answer, as if it had been written here."""
    with app.store() as store:
        conversation = store.create_conversation(title)
        question = store.add_message(conversation.id, None, "user", "Where is the pump?")
        return store.add_message(conversation.id, question.id, "assistant", "In the shed.")


def kept(app: App, message: Message) -> Message:
    with app.store() as store:
        return store.message(message.id)


def test_an_answer_is_liked_and_the_like_taken_back(page: Page, app: App) -> None:
    message = answered(app, "Pump, liked")
    person = Person(page, app)
    person.in_list("Pump, liked").locator(".title").click()
    like = person.answer.get_by_label("A good answer")
    dislike = person.answer.get_by_label("A bad answer")
    like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    assert kept(app, message).rating == 1
    person.come()
    expect(like).to_have_attribute("aria-pressed", "true")
    dislike.click()
    expect(dislike).to_have_attribute("aria-pressed", "true")
    expect(like).to_have_attribute("aria-pressed", "false")
    dislike.click()
    expect(dislike).to_have_attribute("aria-pressed", "false")
    assert kept(app, message).rating == 0


def test_a_rewritten_answer_is_a_branch_in_the_persons_words(page: Page, app: App) -> None:
    message = answered(app, "Pump, rewritten")
    person = Person(page, app)
    person.in_list("Pump, rewritten").locator(".title").click()
    person.answer.get_by_label("Rewrite in your own words").click()
    editor = person.answer.locator(".editor textarea")
    expect(editor).to_have_value("In the shed.")
    editor.fill(" ")
    page.get_by_role("button", name="Keep this wording").click()
    expect(person.notice).to_contain_text("cannot be empty")
    editor.fill("Behind the boathouse, under the tarp.")
    page.get_by_role("button", name="Keep this wording").click()
    expect(person.answer.locator(".message-text")).to_have_text(
        "Behind the boathouse, under the tarp."
    )
    expect(person.answer.locator(".summary")).to_have_text("rewritten by you")
    expect(person.answer.locator(".switcher")).to_have_text("2/2")
    with app.store() as store:
        shown = store.open_conversation(message.conversation_id)[-1]
    assert shown.edited_from == message.id
    person.answer.get_by_label("Earlier version").click()
    expect(person.answer.locator(".message-text")).to_have_text("In the shed.")


def test_a_chat_kept_here_asks_no_cloud_though_fused_is_chosen(page: Page, app: App) -> None:
    person = Person(page, app, length=12)
    page.click(".new-chat")
    keep = page.get_by_role("switch", name="Keep on this device")
    keep.click()
    expect(keep).to_have_attribute("aria-checked", "true")
    with app.store() as store:
        before = {each.id for each in store.conversations()}
    person.ask("Name a colour of the rainbow.")
    expect(person.chip).to_contain_text("kept on this device")
    expect(page.locator(".tokens .floe-token.local").first).to_be_attached()
    with app.store() as store:
        answer = store.open_conversation(person.shown_chat)[-1]
        conversation = store.conversation(person.shown_chat)
    assert conversation.id not in before
    assert conversation.local_only
    assert answer.stats is not None
    assert answer.stats.cloud_requests == 0
    keep.click()
    expect(keep).to_have_attribute("aria-checked", "false")
    # "Name another one." would refer to a turn that the cloud has not seen, and stay here.
    person.ask("Why is the sky blue?")
    expect(page.locator(".tokens .floe-token.fused").first).to_be_attached()


def test_a_private_prompt_stays_here_and_shows_why(page: Page, app: App) -> None:
    person = Person(page, app, length=12)
    page.click(".new-chat")
    person.ask("😀 Draft a mail to my doctor Anna Weber, 0171 5550123, about my test results")
    expect(person.chip).to_contain_text(re.compile("kept on this device: .*name.*phone"))
    person.chip.click()
    marks = page.locator("#chat .user-row").last.locator(".marked mark")
    expect(marks.filter(has_text="Anna Weber")).to_have_count(1)
    expect(marks.filter(has_text="0171 5550123")).to_have_count(1)
    with app.store() as store:
        answer = store.open_conversation(person.shown_chat)[-1]
    assert answer.stats is not None
    assert answer.stats.cloud_requests == 0


UNSURE = (
    "Oswald Penhaligon invented the folding chair.",
    "Tilda Brackwell designed the bridge.",
    "Kellan Voss runs the marathon in two hours.",
    "Ingrid Falkner scored twice in the cup final.",
    "Edmund Farrow married twice.",
    "Leopold Vance sold his house in May.",
    "Magnus Thorne broke his leg on Sunday.",
)
"""The gate is to be unsure about two of these at least, whatever its weights."""


def press_by_keyboard(person: Person, name: str) -> None:
    """Reach a press beside the chip with Tab, from the chip, and press it with Enter."""
    person.chip.focus()
    button = person.page.get_by_role("button", name=name)
    for _ in range(3):
        person.page.keyboard.press("Tab")
        if button.evaluate("node => node === document.activeElement"):
            break
    expect(button).to_be_focused()
    person.page.keyboard.press("Enter")


def test_where_the_gate_is_unsure_one_press_settles_it_and_is_undone(
    page: Page, app: App, detector: Detector
) -> None:
    first, second = [text for text in UNSURE if detector.examine(text).unsure][:2]
    person = Person(page, app, length=8)
    page.click(".new-chat")
    person.ask(first)
    expect(person.chip).to_contain_text("kept on this device: name")
    press_by_keyboard(person, "Not private: ask the cloud too")
    expect(page.locator(".tokens .floe-token.fused").first).to_be_attached()
    person.wait_for_the_end()
    expect(person.chip).to_have_count(0)
    expect(person.answer.locator(".switcher")).to_have_text("2/2")
    with app.store() as store:
        question, answer = store.open_conversation(person.shown_chat)
        assert answer.route is not None
        assert (answer.route.kind, answer.route.reason) == ("fused", RELEASED)
        sent = SentLog(store).page(first, limit=5)
        assert sent
        assert all(each.message_id == answer.id for each in sent)
        former = store.answers_to(question.id)[0]
        assert former.route is not None
        assert not former.route.unsure
    rules = person.go("Privacy")
    expect(rules.get_by_text("called not private: 1; private: 0.")).to_be_visible()
    rules.get_by_role("button", name="Undo what was learnt").click()
    expect(rules.get_by_text("called not private: 0; private: 0.")).to_be_visible()

    person.go("Chat")
    page.click(".new-chat")
    person.ask(second)
    press_by_keyboard(person, "Always private")
    expect(page.get_by_role("group", name="Is this message private?")).to_have_count(0)
    expect(person.chip).to_contain_text("kept on this device: name")
    name = " ".join(second.split()[:2])
    person.ask(f"Write a limerick about {name}.")
    expect(person.chip).to_contain_text("own words")
    rules = person.go("Privacy")
    words = rules.get_by_label("Always private")
    expect(words).to_have_value(re.compile(name))
    words.fill("")
    words.blur()
    rules.get_by_role("button", name="Undo what was learnt").click()
    expect(rules.get_by_text("called not private: 0; private: 0.")).to_be_visible()
    with app.store() as store:
        assert not SentLog(store).page(name, limit=5)
        assert choices.own_words(store) == ()


def test_the_menu_of_a_chat_overrides_what_holds_in_general(page: Page, app: App) -> None:
    message = answered(app, "Pump, for no training")
    person = Person(page, app)
    person.in_list("Pump, for no training").locator(".title").click()
    page.get_by_label("More about this chat").click()
    training = page.get_by_role("group", name="May this chat be used for training?")
    expect(training.get_by_label("Same as for all chats")).to_be_checked()
    training.get_by_label("No", exact=True).check()
    page.keyboard.press("Escape")
    expect(training).to_be_hidden()
    page.reload()
    page.get_by_label("More about this chat").click()
    expect(training.get_by_label("No", exact=True)).to_be_checked()
    with app.store() as store:
        assert store.conversation(message.conversation_id).train is False


def test_the_automatic_weight_says_why_and_yields_to_the_hand(page: Page, app: App) -> None:
    Person(page, app)
    auto = page.get_by_role("switch", name="Automatic weight")
    auto.click()
    # What it rests on depends on the tests before.
    expect(page.locator("#auto p")).to_contain_text("the middle way: ")
    page.locator("#weight input[type=range]").press("ArrowRight")
    expect(auto).to_have_attribute("aria-checked", "false")
    expect(page.locator("#auto p")).to_be_hidden()
