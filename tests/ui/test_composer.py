"""The message box and what stands around it: files, a chat's own settings, another token."""

import re

import pytest
from playwright.sync_api import FilePayload, Page, expect

from floe.chat.chat_settings import load_chat_settings
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

ME = b"# Me\n\nMy name is Xaver Ziegler and my phone number is +49 170 5551234."
PASTE = """node => {
    const data = new DataTransfer();
    data.items.add(new File(["The meeting is in the green room."], "room.txt"));
    const event = { clipboardData: data, bubbles: true, cancelable: true };
    node.dispatchEvent(new ClipboardEvent("paste", event));
}"""

PASTE_PICTURE = """node => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array([137, 80, 78, 71, 0, 0])], "image.png"));
    const event = { clipboardData: data, bubbles: true, cancelable: true };
    node.dispatchEvent(new ClipboardEvent("paste", event));
}"""
DROP = """() => {
    const data = new DataTransfer();
    data.items.add(new File(["The harbour opens at seven."], "harbour.md"));
    const drop = (name) => {
        const event = { dataTransfer: data, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent(name, event));
    };
    drop("dragover");
    const shown = document.querySelector("#composer").classList.contains("dropping");
    drop("drop");
    return shown;
}"""
HOLD_READING = """() => {
    const read = floe.readFile;
    floe.readFile = (file) => new Promise((resolve) => {
        window.readNow = () => {
            floe.readFile = read;
            resolve(read(file));
        };
    });
}"""


def test_files_go_with_a_message_as_far_as_they_may(page: Page, app: App) -> None:
    person = Person(page, app, length=8)
    page.click(".new-chat")
    waiting = page.get_by_role("list", name="Attached files")
    files = [
        ("me.md", ME),
        ("long.py", b"print('a line that comes again')\n" * 20_000),
        ("picture.txt", b"\x89PNG\0\0"),
    ]
    page.locator("#attach input").set_input_files(
        [FilePayload(name=name, mimeType="text/plain", buffer=data) for name, data in files]
    )
    expect(page.locator(".attach-state")).to_have_text(
        re.compile(r"^picture\.txt is no text\. Text, Markdown, code and PDF can be read")
    )
    expect(waiting.get_by_role("listitem")).to_have_count(2)
    expect(waiting).to_contain_text("the model has no room for more")
    person.come()  # nothing that was shown is lost by a reload
    expect(waiting.get_by_role("listitem")).to_have_count(2)
    page.get_by_label("Take away long.py").click()
    expect(waiting.get_by_role("listitem")).to_have_count(1)
    person.prompt.evaluate(PASTE_PICTURE)
    expect(page.locator(".attach-state")).to_contain_text("image.png is no text.")
    assert page.evaluate(DROP)
    expect(waiting).to_contain_text("harbour.md")
    page.get_by_label("Take away harbour.md").click()
    expect(waiting.get_by_role("listitem")).to_have_count(1)

    # Sent while a file is still being read: it waits for the file.
    page.evaluate(HOLD_READING)
    person.prompt.evaluate(PASTE)
    person.send("What do these two say?")
    expect(page.locator(".attach-state")).to_have_text(
        "Reading room.txt … Your message is sent with it as soon as it has been read."
    )
    expect(person.prompt).to_have_value("What do these two say?")
    page.evaluate("readNow()")
    person.wait_for_the_end()
    expect(waiting).to_be_hidden()
    asked = page.locator("#chat .user-row").last
    expect(asked.locator(".message-text")).to_have_text("What do these two say?")
    files_sent = asked.locator(".attachments .chip")
    expect(files_sent).to_have_text(
        [
            re.compile(r"^me\.md.*words · read on this device alone"),
            re.compile(r"^room\.txt.*7 words · read on this device alone"),
        ]
    )
    files_sent.first.click()
    expect(asked.get_by_label("Text of me.md")).to_contain_text("+49 170 5551234")
    with app.store() as store, store.reading() as db:
        bodies = [body for (body,) in db.execute("SELECT body FROM sent")]
    assert not any("5551234" in body or "green room" in body for body in bodies)

    asked.get_by_label("Edit").click()
    editor = page.get_by_label("Edit your message")
    expect(editor).to_have_value("What do these two say?")
    editor.fill("Say it again.")
    editor.press("Enter")
    person.wait_for_the_end()
    expect(asked.locator(".message-text")).to_have_text("Say it again.")
    expect(files_sent).to_have_count(2)
    page.locator("#context button").click()
    expect(page.locator("#context-sentence")).to_have_text(
        re.compile(r"The chat takes \d+ of the [\d,]+ tokens that this model reads at once\.")
    )

    # A chat that was deleted comes back with what had been begun in it.
    person.prompt.evaluate(PASTE)
    expect(waiting).to_contain_text("room.txt")
    person.prompt.fill("And this one?")
    person.act_on(person.in_list("What do these two say"), "Delete")
    expect(waiting).to_be_hidden()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(person.prompt).to_have_value("And this one?")
    expect(waiting).to_contain_text("room.txt")
    page.get_by_label("Take away room.txt").click()
    person.prompt.fill("")


def test_a_chat_has_settings_of_its_own_and_texts_are_kept_by_name(page: Page, app: App) -> None:
    person = Person(page, app, length=30, mode="local")
    page.click(".new-chat")
    drawer = page.locator("#advanced")
    opener = drawer.locator("summary")
    opener.click()
    drawer.get_by_label("This chat", exact=True).check()
    drawer.get_by_label("System prompt of this chat").fill("You are a sailor. It is {{weekday}}.")
    drawer.get_by_label("Name of the preset").fill("Sailor")
    drawer.get_by_role("button", name="Save as preset").click()
    expect(drawer.get_by_label("Presets")).to_contain_text("Sailor")
    drawer.get_by_label("Longest answer").fill("5")
    drawer.get_by_label("Longest answer").press("Tab")
    expect(drawer).to_contain_text("Set for this chat: Longest answer.")
    drawer.get_by_label("System prompt of this chat").fill("Say it again. " * 1400)
    drawer.get_by_label("System prompt of this chat").press("Tab")
    expect(person.notice).to_contain_text("This is too long")
    page.keyboard.press("Escape")
    # Nothing of a chat that is only begun is lost by a reload.
    person.come()
    expect(opener).to_have_class(re.compile("special"))
    opener.click()
    expect(drawer.get_by_label("System prompt of this chat")).to_have_value(
        "You are a sailor. It is {{weekday}}."
    )
    page.keyboard.press("Escape")
    person.ask("What do you see from up there?")
    expect(person.answer).to_contain_text("Cut off at the longest answer")
    with app.store() as store:
        chat = person.shown_chat
        kept = load_chat_settings(store, chat)
        assert kept.system_prompt == "You are a sailor. It is {{weekday}}."
        assert kept.sampling.chosen == {"max_tokens": 5}

    page.click(".new-chat")
    expect(opener).not_to_have_class(re.compile("special"))
    opener.click()
    expect(drawer.get_by_label("Longest answer")).to_have_value("30")
    drawer.get_by_label("Presets").select_option("Sailor")
    drawer.get_by_role("button", name="Put into the message").click()
    expect(person.prompt).to_have_value(re.compile(r"^You are a sailor\. It is [A-Z]\w+day\.$"))
    person.prompt.fill("")
    person.in_list("What do you see").locator(".title").click()
    expect(opener).to_have_class(re.compile("special"))
    opener.click()
    expect(drawer.get_by_label("Longest answer")).to_have_value("5")
    drawer.get_by_role("button", name="Delete preset").click()
    expect(drawer.get_by_label("Presets")).not_to_contain_text("Sailor")
    drawer.get_by_role("button", name="Use the settings of all chats").click()
    expect(drawer.get_by_label("Longest answer")).to_have_value("30")
    expect(drawer.get_by_label("System prompt of this chat")).to_have_value("")
    drawer.get_by_label("All chats", exact=True).check()
    page.keyboard.press("Escape")


def test_another_token_is_chosen_by_keys_and_the_answer_goes_on_from_it(
    page: Page, app: App
) -> None:
    person = Person(page, app, length=8, mode="local")
    page.click(".new-chat")
    person.ask("Name a colour and say why you like it.")
    expect(person.answer.locator(".floe-token").nth(4)).to_be_attached()
    with app.store() as store:
        first = store.open_conversation(person.shown_chat)[-1]
        steps = store.token_steps(first.id)
    text = person.answer.locator(".message-text")
    text.focus()
    for _ in range(3):
        text.press("ArrowRight")
    card = page.get_by_role("dialog", name="What could have stood here")
    expect(card).to_have_count(0)
    text.press("Enter")
    taken = card.get_by_role("button").first
    expect(taken).to_be_focused()
    page.keyboard.press("Escape")
    expect(text).to_be_focused()
    text.press("Enter")
    expect(taken).to_be_focused()
    other = (taken.text_content() or "").replace("·", " ").replace("↵", "\n")
    page.keyboard.press("Enter")
    expect(person.answer.locator(".switcher")).to_have_text("2/2")
    person.wait_for_the_end()
    with app.store() as store:
        second = store.open_conversation(first.conversation_id)[-1]
        again = store.token_steps(second.id)
    assert second.parent_id == first.parent_id
    assert again[:2] == steps[:2]
    assert again[2].text_bytes == other.encode() != steps[2].text_bytes
    assert len(again) > 3
    person.answer.get_by_label("Earlier version").click()
    expect(person.answer.locator(".switcher")).to_have_text("1/2")


def test_what_was_wrong_with_a_message_is_said_until_the_next_is_typed(
    page: Page, app: App
) -> None:
    person = Person(page, app)
    for _ in range(2):  # said again, though it is the same sentence
        person.prompt.press("Enter")
        expect(person.notice).to_have_text("There is nothing to answer yet: type a question first.")
        person.prompt.press_sequentially("a")
        expect(person.notice).to_have_count(0)
        person.prompt.press("Backspace")
