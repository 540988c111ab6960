"""Under the answers: liking, rewriting; over them: what stays here and what a chat is used for."""

import re

import pytest
from playwright.sync_api import Page, expect

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
        before = store.conversations()[0].id
    person.ask("Name a colour of the rainbow.")
    expect(person.chip).to_contain_text("kept on this device")
    expect(page.locator(".tokens .floe-token.local").first).to_be_attached()
    with app.store() as store:
        conversation = store.conversations()[0]
        answer = store.open_conversation(conversation.id)[-1]
    assert conversation.id != before
    assert conversation.local_only
    assert answer.stats is not None
    assert answer.stats.cloud_requests == 0
    keep.click()
    expect(keep).to_have_attribute("aria-checked", "false")
    person.ask("Name another one.")
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
        answer = store.open_conversation(store.conversations()[0].id)[-1]
    assert answer.stats is not None
    assert answer.stats.cloud_requests == 0


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
