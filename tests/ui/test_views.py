"""The views beside the chat: privacy, personalise, federate, as a person uses them."""

import json
import re
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from floe.adapters.architecture import read_architecture
from floe.adapters.export import write_peft
from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.group.history import History
from tests.adapters.test_export import random_factors
from tests.training.trained_before import SMALL_PLAN, set_trained_before
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


def test_an_answer_goes_on_while_another_view_is_open(page: Page, app: App) -> None:
    person = Person(page, app, length=200)
    person.send("Tell me a long story about a river.")
    person.wait_for_tokens(3)
    expect(person.go("Privacy")).to_be_visible()
    expect(page.locator("#chat")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", name="Privacy")).to_be_visible()
    person.go("Chat")
    person.wait_for_tokens(10)
    page.click("#stop")
    person.wait_for_the_end()


def test_what_was_sent_is_read_exported_and_cleared(page: Page, app: App) -> None:
    person = Person(page, app, length=12)
    page.click(".new-chat")
    person.ask("Who wrote the play Hamlet?")
    person.go("Privacy")
    page.get_by_label("Search what was sent").fill("play Hamlet")
    requests = page.locator(".sent > li")
    expect(requests.first).to_contain_text("/chat/completions")
    requests.first.locator("summary").click()
    expect(requests.first.locator("pre")).to_contain_text('"Who wrote the play Hamlet?"')
    with page.expect_download() as fetched:
        page.locator("#sentLog").get_by_role("button", name="Export").click()
    lines = Path(fetched.value.path()).read_text().splitlines()
    assert "Who wrote the play Hamlet?" in json.loads(lines[0])["body"]
    page.get_by_label("Search what was sent").fill("nothing like that")
    expect(page.locator("#sentLog")).to_contain_text("Nothing of that kind was sent.")
    page.get_by_label("Search what was sent").fill("")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(requests.first).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#sentLog")).to_contain_text("Nothing has been sent yet.")
    expect(requests).to_have_count(0)


def test_own_words_and_the_policy_are_kept(page: Page, app: App) -> None:
    person = Person(page, app, length=8)
    person.go("Privacy")
    page.get_by_label("Always private").fill("Project Bluebird")
    page.get_by_label("is sent with pseudonyms").check()
    expect(page.locator("#privacyRules")).to_contain_text("The cloud sees PERSON_1")
    work = page.get_by_role("group", name="work", exact=True)
    expect(work.get_by_label("pseudonym")).to_be_checked()
    work.get_by_label("may be sent").check()
    health = page.get_by_role("group", name="special matters")
    health.get_by_label("stay here").check()
    page.reload()
    expect(work.get_by_label("may be sent")).to_be_checked()
    expect(health.get_by_label("stay here")).to_be_checked()
    expect(page.get_by_label("Always private")).to_have_value("Project Bluebird")
    expect(page.get_by_label("is sent with pseudonyms")).to_be_checked()
    page.get_by_label("stays on this device").check()
    expect(page.locator("#privacyRules")).to_contain_text("no connection is opened")
    person.go("Chat")
    page.click(".new-chat")
    person.ask("What should Project Bluebird do first?")
    expect(person.chip).to_contain_text("own words")


def test_a_reply_that_comes_late_does_not_undo_what_was_pressed_after_it(
    page: Page, app: App
) -> None:
    person = Person(page, app, length=8)
    person.go("Privacy")
    rules = page.locator("#privacyRules")
    expect(rules).to_contain_text("no connection is opened")
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if not held and "Project Kestrel" in (route.request.post_data or ""):
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/run/*", hold_the_first)
    page.get_by_label("Always private").fill("Project Kestrel")
    page.get_by_label("is sent with pseudonyms").check()
    expect(rules).to_contain_text("The cloud sees PERSON_1")
    ((route, reply),) = held
    with page.expect_response("**/run/*"):
        route.fulfill(response=reply)
    page.wait_for_timeout(500)  # it would be drawn by now
    expect(rules).to_contain_text("The cloud sees PERSON_1")
    expect(page.get_by_label("Always private")).to_have_value("Project Kestrel")
    page.get_by_label("stays on this device").check()
    expect(rules).to_contain_text("no connection is opened")


def test_an_answer_on_its_way_does_not_undo_what_was_just_chosen(page: Page, app: App) -> None:
    person = Person(page, app, length=8)
    person.go("Privacy")
    shown = page.evaluate(
        """() => {
            const choice = floe.choice("Which?", [["a", "the first"], ["b", "the other"]],
                () => choice.set("a"));
            const toggle = floe.toggle("On?", () => toggle.set(false));
            document.querySelector("#privacyRules").append(choice, toggle);
            const other = choice.querySelectorAll("input")[1];
            other.click();
            toggle.click();
            return [other.checked, toggle.getAttribute("aria-checked")];
        }"""
    )
    assert shown == [True, "true"]
    # The server means it.
    expect(page.get_by_role("radio", name="the first")).to_be_checked()
    expect(page.get_by_role("switch", name="On?")).to_have_attribute("aria-checked", "false")


def test_a_list_that_is_drawn_anew_leaves_alone_what_has_not_changed(page: Page, app: App) -> None:
    Person(page, app)
    made, same, typed, lines = page.evaluate(
        """() => {
          const list = floe.el("ul");
          let made = 0;
          const draw = floe.lines(list, (row) => {
            made += 1;
            return floe.el("li", {}, floe.el("input", { value: `${row.id} ${row.on}` }));
          });
          draw([{ id: 1, on: true }, { id: 2, on: true }, { id: 3, on: true }]);
          const second = list.children[1];
          second.firstChild.value = "a name that is being typed";
          draw([{ id: 4, on: true }, { id: 2, on: true }, { id: 1, on: false }]);
          const lines = [...list.children].map((line) => line.firstChild.value);
          return [made, list.children[1] === second, second.firstChild.value, lines];
        }"""
    )
    assert (made, same, typed) == (5, True, "a name that is being typed")
    assert lines == ["4 true", typed, "1 false"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[App]:
    """An app whose chats are numbered from 1: which of them are set aside goes by their numbers."""
    (tmp_path / "data").mkdir()
    running = App(tmp_path / "data", cloud=False)
    running.start()
    yield running
    running.end(signal.SIGINT)


@pytest.mark.timeout(900)
def test_from_example_chats_to_an_adapter_in_use(page: Page, own: App) -> None:
    with own.store() as store:
        set_trained_before(store)
        others = [each.id for each in store.conversations(1000)]
        store.set_setting("personalise", {"except_chats": others})
    person = Person(page, own, length=8)
    person.go("Personalise")
    page.get_by_role("button", name="Yes", exact=True).click()
    people = page.get_by_role("region", name="Invented people")
    # First, so that they are numbered as when `floe train` brings them in.
    people.get_by_role("button", name="Add the chats of Jon").click()
    expect(person.in_list("taking the boat out")).to_be_visible()
    ana = people.get_by_role("listitem").filter(has_text="Ana, 58, runs a kitchen")
    ana.get_by_role("button", name="Add the chats of Ana").click()
    expect(person.in_list("tomato sauce")).to_have_count(1)
    ana.get_by_role("button", name="Take away the chats of Ana").click()
    expect(person.in_list("tomato sauce")).to_have_count(0)
    chats = page.locator(".chats > li")
    expect(chats.filter(has_text="taking the boat out")).to_be_visible()
    with own.store() as store:
        brought = sorted(each.id for each in store.conversations(1000) if each.id not in others)
        kept = {"except_chats": [*others, *brought[10:]], "with_private": True, **SMALL_PLAN}
        store.set_setting("personalise", kept)
    page.reload()
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled()
    expect(page.locator("#plan .words")).to_contain_text("light touch")
    expect(page.locator("#plan .reason")).to_contain_text("rank", ignore_case=True)

    first = chats.filter(has_text="taking the boat out")
    first.locator("summary").click()
    first.locator(".answers input").first.uncheck()
    expect(first.locator(".answers small").first).to_contain_text("you left it out")
    first.locator(".answers input").first.check()
    expect(first.locator(".answers small").filter(has_text="you left it out")).to_have_count(0)
    expect(train).to_be_enabled()

    train.click()
    expect(page.locator("#run progress")).to_be_visible()
    page.reload()
    run = page.locator("#run")
    expect(run.locator(".state")).to_contain_text(re.compile("being read|general answers|Step"))
    verdict = run.locator(".verdict")
    expect(verdict).not_to_be_empty(timeout=480_000)
    expect(verdict).to_have_text("Worth using: the new adapter is in use.")
    # What both wrote when the adapter was tried out, side by side.
    # Of two questions kept aside, how many sound like Jon is this device's arithmetic.
    expect(run.locator(".state")).to_contain_text(
        re.compile("sound more like you|too few of your own questions", re.IGNORECASE)
    )
    trial = run.locator(".trial tr")
    expect(trial.first).to_contain_text("BeforeWith the new adapter")
    expect(trial.filter(has_text="come to an end")).to_contain_text(re.compile(r"\d+%.*\d+%"))
    expect(run.locator(".chart path").first).to_be_attached()
    expect(run.locator(".sample").first).to_contain_text("With the new adapter")
    question = run.get_by_label("A question of your own")
    # A box like all others, dark if they are.
    expect(question).to_have_css("border-top-style", "solid")
    question.fill("How do I tie up the boat?")
    question.press("Enter")
    asked = run.locator(".own .sample")
    expect(asked.locator(".told")).to_have_count(2, timeout=60_000)
    expect(asked).to_contain_text("is answered with what it learnt")
    question.fill("What is 17 times 23?")
    run.get_by_role("button", name="Ask both").click()
    expect(asked).to_contain_text("is left to the model as it was", timeout=60_000)
    adapter = page.locator(".adapters > li")
    expect(adapter).to_have_count(1)

    name = adapter.get_by_label("Name of the adapter")
    name.fill("Harbour")
    name.press("Enter")
    adapter.get_by_label("How strongly").fill("0.5")
    with page.expect_download() as fetched:
        adapter.get_by_role("button", name="GGUF").click()
    assert fetched.value.suggested_filename == "Harbour.gguf"
    assert Path(fetched.value.path()).read_bytes()[:4] == b"GGUF"
    page.reload()
    expect(name).to_have_value("Harbour")
    expect(adapter.locator("output")).to_have_text("50%")
    adapter.get_by_role("button", name="Delete").click()
    adapter.get_by_role("button", name="Delete", exact=True).click()
    expect(adapter).to_have_count(0)
    assert not list((own.data_dir / "adapters").glob("*/*"))


def test_asking_the_cloud_about_own_answers_is_a_wish_that_is_kept(page: Page, app: App) -> None:
    with app.store() as store:
        store.set_setting("personalise", {})
    person = Person(page, app)
    person.go("Personalise")
    sheet = page.locator("#ownWeight")
    wish = sheet.get_by_role("switch", name="Ask the cloud about a few of the answers set aside")
    expect(wish).to_have_attribute("aria-checked", "false")
    expect(sheet.get_by_role("status")).to_contain_text("the middle way")
    expect(sheet.get_by_role("button", name="Fit it now")).to_be_hidden()
    wish.click()
    expect(sheet.get_by_role("button", name="Fit it now")).to_be_visible()
    page.reload()
    expect(wish).to_have_attribute("aria-checked", "true")
    wish.click()
    expect(sheet.get_by_role("button", name="Fit it now")).to_be_hidden()


def test_an_import_that_does_not_fit_is_a_sentence(page: Page, app: App, tmp_path: Path) -> None:
    broken = tmp_path / "chats.jsonl"
    broken.write_text('{"messages": "none"}\n')
    person = Person(page, app)
    person.go("Personalise")
    # Between the button and the place of the sentence lies more than the window shows.
    page.set_viewport_size({"width": 1280, "height": 420})
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import").click()
    chooser.value.set_files(broken)
    said = page.locator("#personal-notice p")
    expect(said).to_contain_text("chats.jsonl has messages of an")
    expect(page.get_by_role("button", name="Import")).to_be_in_viewport(ratio=1)
    expect(said).to_be_in_viewport(ratio=1)


def test_chats_of_another_program_come_in_turn_round_and_go(
    page: Page, app: App, tmp_path: Path
) -> None:
    text = "26/11/24, 2:04 pm - Anna: Are you coming?\n26/11/24, 2:05 pm - Ben: Größe zählt\n"
    path = tmp_path / "WhatsApp Chat with Anna.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("WhatsApp Chat with Anna.txt", text.encode("utf-16"))
    person = Person(page, app)
    person.go("Personalise")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import").click()
    chooser.value.set_files(path)
    brought = page.locator("#learning .imports > li").filter(has_text="from WhatsApp")
    expect(brought).to_contain_text("Ben is taken as you and Anna as the one who answers")
    expect(page.locator("nav[aria-label=Conversations]")).to_contain_text("Imported from WhatsApp")
    brought.get_by_role("button", name="It is the other way round").click()
    expect(brought).to_contain_text("Turned round since.")
    with app.store() as store:
        chat = next(each for each in store.conversations() if each.source == "WhatsApp")
        said = [(each.role, each.content) for each in store.open_conversation(chat.id)]
    assert said == [("user", "Are you coming?"), ("assistant", "Größe zählt")]
    brought.get_by_role("button", name="Undo").click()
    brought.get_by_role("button", name="Take out").click()
    expect(brought).to_have_count(0)
    expect(page.locator("nav[aria-label=Conversations]")).not_to_contain_text("WhatsApp")


def report(number: int) -> RoundReport:
    clients = tuple(
        ClientLine(f"c{i}", f"device {i}", 4 + 4 * (i % 2), "AB"[i % 2], 10, bytes_in=1000)
        for i in range(4)
    )
    clusters = tuple(
        ClusterLine(label, (f"c{i}", f"c{i + 2}"), 8, 3.0 - number / 10 - i / 5)
        for i, label in enumerate("AB")
    )
    places = tuple((f"c{i}", float(i % 2), i / 3) for i in range(4))
    return RoundReport(number, 2, time.time(), 3.0, clients, clusters, positions=places)


def test_rounds_are_drawn_with_clusters_and_bytes(page: Page, app: App) -> None:
    with app.store() as store:
        history = History(store)
        federation = history.begin("simulated", {}, "Starting.")
        history.add_round(federation, report(1))
        history.add_round(federation, report(2))
        history.end(federation, "complete", "Two clusters were found.")
    person = Person(page, app)
    person.go("Federate")
    rounds = page.locator("#simulation-rounds")
    expect(rounds.locator(".state")).to_have_text("Two clusters were found.")
    expect(rounds.locator(".chart-legend span")).to_have_text(["A", "B"])
    expect(rounds.locator(".scatter .dot")).to_have_count(4)
    expect(rounds.locator(".figures")).to_contain_text("8 kB")
    rounds.locator("summary").click()
    expect(rounds.locator("tbody tr")).to_have_count(2)


def test_joining_with_a_wrong_address_is_a_sentence(page: Page, app: App) -> None:
    person = Person(page, app)
    person.go("Federate")
    expect(page.locator("#group pre")).to_contain_text("ecdsa-sha2-nistp256")
    expect(page.locator("#group")).to_contain_text("at most 30 minutes and 5 epochs")
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator("#federate-notice p")).to_contain_text("certificate is missing")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("view", ["Personalise", "Privacy", "Federate"])
def test_no_view_scrolls_sideways(page: Page, app: App, view: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    person = Person(page, app)
    room = person.go(view)
    expect(room.get_by_role("heading", name=view)).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert room.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_an_adapter_made_elsewhere_is_brought_in_and_leaves_within_its_model(
    page: Page, app: App, smollm_path: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    write_peft(theirs, random_factors(smollm_path, range(2)), alpha=6.0, base_name="else/other")
    Person(page, app).go("Personalise")
    # The view has been drawn: what it draws then would take the place of a notice.
    expect(page.locator("#plan .words")).not_to_have_text("")
    path = page.get_by_label("Made elsewhere")
    path.fill(str(theirs))
    path.press("Enter")
    adapter = page.locator(".adapters > li")
    expect(adapter).to_have_count(1)
    expect(adapter).to_contain_text("made elsewhere")
    expect(page.locator("#personal-notice")).to_contain_text("it was made for else/other")
    use = adapter.get_by_role("switch", name="In use")
    expect(use).to_have_attribute("aria-checked", "false")
    with page.expect_download() as download:
        adapter.get_by_role("button", name="Whole model").click()
    assert read_architecture(Path(download.value.path())).layers == 30
    path.fill(str(tmp_path / "nowhere"))
    page.get_by_role("button", name="Add an adapter").click()
    expect(page.locator("#personal-notice")).to_contain_text("There is nothing at")
    expect(adapter).to_have_count(1)
