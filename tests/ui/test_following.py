"""A running answer as the page follows it: in order, and never over what was opened since."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from floe.chat.chat_settings import load_chat_settings
from floe.chat.drafts import Drafts
from floe.chat.turn import Turn, TurnOptions
from floe.config import Settings
from floe.errors import StoreError
from floe.fusion.decoder import Controls
from floe.jobs.comparison_job import ComparisonJob
from floe.models.sampling_defaults import SamplingDefaults
from floe.privacy.choices import set_local_only
from floe.records import Attachment, Message, Route, Sampling, TokenStep
from floe.store import Store
from floe.ui.chat.chat_actions import ChatActions
from floe.ui.chat.compare_actions import CompareActions
from floe.ui.chat.comparison import compare_answers
from floe.ui.chat.deletion_actions import DeletionActions
from floe.ui.chat.draft_actions import keep_unsaved
from floe.ui.chat.session import Session
from floe.ui.page_events import read_address, read_unsaved_draft

STEP = TokenStep(7, b" word", 0.5, None, 0.5, 1.0, "local", 12.0)
PARTS = (
    "answer_generation",
    "listing",
    "figures",
    "about",
    "thread",
    "live",
    "comparison",
    "notice",
    "attach",
    "context",
    "advanced",
    "send",
    "stop",
    "undo",
    "prompt",
    "comparison_generation",
    "noticed",
    "drafts",
)


class Room:
    """The actions of a page, over a store and one turn that is written by hand."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "floe.db")
        self.ahead = 0
        self.sent: list[str] = []
        self.asked: int | None = None
        question = self.store.add_message(None, None, "user", "why?")
        answer = self.store.add_message(
            question.conversation_id, question.id, "assistant", "", status="streaming"
        )
        self.other = self.store.add_message(None, None, "user", "another chat").conversation_id
        self.turn = Turn(question.conversation_id, answer.id, Route("local", ""), Controls())
        turns = {question.conversation_id: self.turn}
        assistant: Any = SimpleNamespace(
            store=self.store,
            model=SimpleNamespace(context_size=4096, forget_prompts=lambda: None),
            fit_files=lambda files: [Attachment(each.name, 0, 0) for each in files],
            ask=self._ask,
            check_told=lambda _told: None,
            set_local_only=lambda chat, on: set_local_only(self.store, chat, on),
            sampling=SamplingDefaults(Sampling(), ""),
            ahead_of=lambda _turn: self.ahead,
            running=lambda id_: turns[id_] if id_ in turns and turns[id_].running else None,
        )
        parts: Any = SimpleNamespace(**{name: name for name in PARTS})
        application: Any = SimpleNamespace(
            assistant=assistant,
            store=self.store,
            settings=Settings.load(data_dir=folder),
            weight_fit=None,
            training=False,
        )
        self.actions = ChatActions(application, parts)
        application.comparison = ComparisonJob(assistant)
        self.comparing = CompareActions(application, parts, self.actions)
        self.deleting = DeletionActions(application, parts, self.actions)
        self.session = Session()
        self.session.view_generation = 1
        self.session.conversation = question.conversation_id

    def _ask(self, chat: int | None, _text: str, _options: Any, files: Any) -> Turn:
        self.asked = chat
        self.sent = [each.name for each in files]
        return self.turn

    def write(self, status: Any = None) -> None:
        self.turn.add(STEP)
        if status:
            self.turn.finish(status)
        portion = self.turn.unsaved_part()
        assert portion is not None
        self.turn.mark_saved(portion)


def test_a_frame_says_what_it_belongs_to_and_none_follows_what_was_opened(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.write()
    frames = room.actions.stream_answer(room.session, 1)
    assert next(frames)["live"]["generation"] == 1
    opened = room.actions.show(room.session, room.other)
    assert opened["thread"]["generation"] == 2
    room.write()
    assert [list(changes) for changes in frames] == [["figures"]]  # changes nothing


def test_what_is_not_kept_is_told_while_it_lasts_and_the_end_releases_the_box(
    tmp_path: Path,
) -> None:
    room = Room(tmp_path)
    room.write()
    frames = room.actions.stream_answer(room.session, 1)
    first = next(frames)["live"]["row"]
    assert "word" in "".join(first["blocks"])
    assert first["notices"] == []
    room.turn.add(STEP)
    room.turn.report_trouble("the disk is full.")
    (notice,) = next(frames)["live"]["row"]["notices"]
    assert notice == "The last word is not saved yet: the disk is full."
    room.turn.finish("complete")
    ended = next(frames)
    assert ended["live"]["row"]["live"] is False
    assert ended["send"]["visible"] is True
    assert ended["stop"]["visible"] is False
    portion = room.turn.unsaved_part()
    assert portion is not None
    room.turn.mark_saved(portion)
    last = next(frames)  # what the store has
    assert last["answer_generation"] is None


def test_a_disk_that_is_full_keeps_nobody_from_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path)

    def no_room(*_: object) -> None:
        raise StoreError("The disk is full.", "full")

    monkeypatch.setattr(room.store, "set_setting", no_room)
    shown = room.actions.show(room.session, room.other)
    assert "another chat" in "".join(shown["thread"]["rows"][0]["blocks"])
    assert room.session.conversation == room.other


def test_an_answer_stays_where_the_store_fails_at_its_end_and_is_drawn_once_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path)
    chat = room.session.conversation
    room.write("complete")

    def refuse(_chat: int) -> None:
        raise StoreError("The database could not be read.", "unreadable")

    with monkeypatch.context() as failing:
        failing.setattr(room.store, "open_conversation", refuse)
        *_, last = room.actions.stream_answer(room.session, 1)
    assert last == {"notice": "The database could not be read."}
    assert room.session.conversation == chat
    assert room.actions.has_changed(room.session)
    assert room.actions.follow(room.session)["stop"]["visible"] is False


def test_an_answer_that_waits_says_so_until_its_turn_comes(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.ahead = 2
    frames = room.actions.stream_answer(room.session, 1)
    waiting = "Waiting: 2 other answers are written first."
    assert next(frames)["live"]["row"]["notices"] == [waiting]
    room.ahead = 1
    assert next(frames)["live"]["row"]["notices"] == ["Waiting: one other answer is written first."]
    room.ahead = 0
    assert next(frames)["live"]["row"]["notices"] == []


def test_what_another_page_changed_is_followed_and_nothing_else(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.turn.finish("complete")
    portion = room.turn.unsaved_part()
    assert portion is not None
    room.turn.mark_saved(portion)
    here, there = room.session, Session()
    for session in (here, there):
        room.actions.show(session, room.other)
    assert list(room.actions.follow(here)) == ["figures"]  # changes nothing
    assert room.deleting.notice_changes(here) == {}
    last = room.store.open_conversation(room.other)[-1]
    room.store.add_message(room.other, last.id, "assistant", "an answer from there")
    assert room.deleting.notice_changes(here) == {"noticed": 1}
    assert room.deleting.notice_changes(here) == {"noticed": 2}  # it has not been followed yet
    followed = room.actions.follow(here)
    assert "an answer from there" in "".join(followed["thread"]["rows"][-1]["blocks"])
    assert followed["thread"]["calm"] is True
    assert "notice" not in followed
    assert list(room.actions.follow(here)) == ["figures"]
    assert room.deleting.notice_changes(here) == {}
    room.store.rename_conversation(room.turn.conversation_id, "Another name")
    assert room.deleting.notice_changes(here) == {"noticed": 3}
    assert list(room.actions.follow(here)) == ["listing"]
    there.comparing = last.id
    room.store.delete_conversation(room.other)
    assert room.deleting.notice_changes(there) == {"noticed": 1}
    gone = room.actions.follow(there)
    assert gone["comparison"] is None
    assert gone["thread"]["total"] == 0
    assert "deleted in another window" in gone["notice"]
    assert there.conversation is None


def test_a_look_in_the_midst_of_sending_takes_no_answer_from_the_page(tmp_path: Path) -> None:
    """It had put the new chat away again, and the answer was shown when it was whole."""
    room = Room(tmp_path)
    page, looks = Session(), []
    room.actions.show(page, None)
    messages = room.actions._messages

    def interrupted(conversation_id: int | None) -> list[Message]:
        room.actions._messages = messages  # type: ignore[method-assign]
        looks.append(pool.submit(room.actions.follow, page))
        wait(looks, timeout=0.2)
        return messages(conversation_id)

    room.actions._messages = interrupted  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        shown = room.actions.show(page, room.turn.conversation_id)
    assert list(looks[0].result()) == ["figures"]  # changes nothing
    assert page.conversation == room.turn.conversation_id
    assert shown["answer_generation"] == shown["thread"]["generation"] == page.view_generation
    assert "live" in next(iter(room.actions.stream_answer(page, page.view_generation)))
    # Gradio may tell twice that there is an answer to follow.
    assert [*room.actions.stream_answer(page, page.view_generation)] == [{"figures": gr.skip()}]


def test_the_offer_to_undo_goes_when_another_page_has_deleted_since(tmp_path: Path) -> None:
    room = Room(tmp_path)
    here, there = Session(), Session()
    message = room.store.open_conversation(room.other)[0]
    room.deleting.remove(there, told(id=message.id))
    assert room.deleting.follow(here).get("undo") is None
    assert "undo" not in room.deleting.follow(there)
    room.deleting.delete(here, "", told(ids=[room.other]))
    follows = {"number": 2, "sentence": "The chat is deleted."}
    assert room.deleting.follow(there)["undo"] == follows
    assert "undo" not in room.deleting.follow(there)


def test_what_was_begun_in_a_deleted_chat_comes_back_with_it(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page = Session()
    room.actions.show(page, room.other)
    data = base64.b64encode(b"Private.").decode()
    for number, name in enumerate(["one.txt", "two.txt"], 1):
        room.actions.attach.read(page, told(name=name, data=data, chat=None, number=number))
    gone = room.deleting.delete(page, "What do they say?", told(ids=[room.other]))
    assert gone["attach"]["files"] == []
    assert room.actions.attach.waiting.of(room.other) == ()
    back = room.deleting.undo(page, "", told(id=gone["undo"]["number"]))
    assert back["prompt"] == "What do they say?"
    assert [each["name"] for each in back["attach"]["files"]] == ["one.txt", "two.txt"]
    assert back["attach"]["read"] == 2
    room.actions.attach.drop(page, told(id=back["attach"]["files"][0]["id"]))
    room.actions.ask(page, "What does it say?", TurnOptions())
    assert room.sent == ["two.txt"]


def test_a_file_that_is_handed_over_again_or_comes_too_late_is_read_once(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page = Session()
    data = base64.b64encode(b"Words.").decode()

    def read(name: str, number: int, data: str = data) -> list[str]:
        asked = told(name=name, data=data, chat=None, number=number)
        value = room.actions.attach.read(page, asked)["attach"]
        return [each["name"] for each in value["files"]]

    assert read("one.txt", 1) == ["one.txt"]
    assert read("one.txt", 1) == ["one.txt"]  # its answer was lost
    assert read("two.txt", 2, "no base64") == ["one.txt"]
    assert read("two.txt", 2) == ["one.txt", "two.txt"]  # and here the sentence was
    assert read("four.txt", 4) == ["one.txt", "two.txt", "four.txt"]
    assert read("three.txt", 3) == ["one.txt", "two.txt", "four.txt"]  # it had been left out


def test_an_address_names_a_chat_or_none() -> None:
    new, chat = read_address("#/chat/new"), read_address("#/chat/12")
    assert new is not None
    assert new.id is None
    assert chat is not None
    assert chat.id == 12
    for other in (
        "",
        "#/privacy",
        "#/chat/0",
        "#/chat/-1",
        "#/chat/1x",
        "#/chat/" + "9" * 40,
        None,
    ):
        assert read_address(other) is None


def told(**data: Any) -> Any:
    return SimpleNamespace(**data)


def test_a_draft_belongs_to_the_chat_in_which_it_was_typed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    here, there = room.session.conversation, room.other
    drafts = room.actions.drafts
    drafts.keep(there, "of there")
    # The page shows `there` already when what was typed here comes, in the wrong order.
    room.session.conversation = there
    room.actions.keep_draft(room.session, told(chat=here, text="whole", number=2))
    room.actions.keep_draft(room.session, told(chat=here, text="who", number=1))
    assert (drafts.text(here), drafts.text(there)) == ("whole", "of there")
    # The beginning of what has been sent, told late, is none any more; another one is.
    room.session.sent = "whole sentence"
    drafts.keep(here, "")
    room.actions.keep_draft(room.session, told(chat=here, text="whole sen", number=3))
    assert drafts.text(here) == ""
    room.actions.keep_draft(room.session, told(chat=here, text="another", number=4))
    assert drafts.text(here) == "another"
    # A click that was on its way longer than the last word takes nothing back.
    room.session.conversation = here
    room.actions.open(room.session, "anoth", told(id=there, message=None))
    assert drafts.text(here) == "another"
    # Typed before the next chat was in view, and sent there: it is begun nowhere any more.
    room.session.conversation = there
    room.actions.forget_draft(room.session, "another")
    assert drafts.text(here) == ""
    # Nor is anything kept of a chat that is gone.
    drafts.keep(there, "of there")
    room.store.delete_conversation(there)
    room.actions.keep_draft(room.session, told(chat=there, text="late", number=5))
    assert drafts.text(there) == "of there"


def test_what_is_sent_while_its_draft_is_being_kept_is_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path)
    here, drafts = room.session.conversation, room.actions.drafts
    sending = threading.Thread(target=room.actions.forget_draft, args=(room.session, "whole"))

    def look_up_slowly(_store: Store, _chat: int) -> None:
        sending.start()
        sending.join(0.3)  # it waits; once it did not, and the draft was kept after it

    monkeypatch.setattr(Store, "conversation", look_up_slowly)
    room.actions.keep_draft(room.session, told(chat=here, text="whole", number=1))
    sending.join()
    assert drafts.text(here) == ""


def test_a_draft_that_rests_is_saved_and_only_then_called_so(tmp_path: Path) -> None:
    room = Room(tmp_path)
    here, part = room.session.conversation, room.actions.parts.drafts
    keep = room.actions.keep_draft
    assert "number" not in keep(room.session, told(chat=here, text="who", number=1))[part]
    assert room.store.setting("drafts", {}) == {}
    whole = keep(room.session, told(chat=here, text="whole", number=2, save=True))
    assert whole[part] == {"number": 2}
    assert room.store.setting("drafts", {}) == {str(here): "whole"}


def test_what_was_typed_while_the_app_was_away_comes_back_unless_it_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path)
    here, drafts = room.session.conversation, room.actions.drafts

    def draft_of(chat: int | None, text: str) -> str:
        unsaved = read_unsaved_draft(json.dumps({"chat": chat, "text": text}))
        keep_unsaved(room.store, drafts, unsaved)
        return Drafts(room.store).text(chat)

    assert draft_of(here, "typed meanwhile") == "typed meanwhile"
    # What the store did not take, the page does not forget.
    unsaved = read_unsaved_draft(json.dumps({"chat": here, "text": "typed meanwhile, too"}))

    def refuse(*_: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as full:
        full.setattr(Store, "set_setting", refuse)
        assert not keep_unsaved(room.store, drafts, unsaved)
    assert keep_unsaved(room.store, drafts, unsaved)
    assert keep_unsaved(room.store, drafts, None)
    assert draft_of(None, "for a new chat") == "for a new chat"
    assert draft_of(here, "") == ""  # it was emptied meanwhile
    assert draft_of(None, "") == ""
    # Sent just before the app went away: it is no draft.
    assert draft_of(here, "why?") == ""
    assert draft_of(None, "another chat") == ""
    assert draft_of(here, "wh") == "wh"
    assert draft_of(10**6, "of one that is gone") == ""
    for strange in ("{", "[]", "[" * 100_000, '{"chat": "1", "text": 2}', 7, None, ""):
        assert read_unsaved_draft(strange) is None


def test_a_file_goes_with_what_is_asked_where_it_is_shown(tmp_path: Path) -> None:
    room = Room(tmp_path)
    attach, waiting = room.actions.attach, room.actions.attach.waiting
    here, there = Session(), Session()  # two windows, with a new chat each
    for session in (here, there):
        room.actions.show(session, None)
    data = base64.b64encode(b"Private.").decode()
    attach.read(here, told(name="mine.txt", data=data, chat=None))
    assert attach.shown(there) == []
    room.actions.ask(there, "Hello", TurnOptions())
    assert room.sent == []  # nobody has seen it there
    followed = room.actions.follow(there)
    assert [each["name"] for each in followed["attach"]["files"]] == ["mine.txt"]
    room.actions.ask(there, "Hello", TurnOptions())
    assert room.sent == ["mine.txt"]
    assert room.actions.follow(here)["attach"]["files"] == []
    assert list(room.actions.follow(here)) == ["figures"]
    # Another chat was opened while the browser read a file.
    here.conversation = room.other
    attach.read(here, told(name="late.txt", data=data, chat=room.turn.conversation_id))
    assert [each.name for each in waiting.of(room.turn.conversation_id)] == ["late.txt"]
    assert waiting.of(room.other) == ()


def test_an_example_that_is_compared_takes_nothing_from_the_box(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page, drafts = Session(), room.actions.drafts
    room.actions.show(page, None)
    room.actions.keep_draft(page, told(chat=None, text="begun", number=1))
    data = base64.b64encode(b"Private.").decode()
    room.actions.attach.read(page, told(name="mine.txt", data=data, chat=None))
    asked = {"by": "mode", "weights": [0.2, 0.8], "text": "Why is the sky blue?"}
    shown = room.comparing.ask(page, "fused", 0.5, told(**asked, typed=False))
    assert shown["comparison"]["running"]
    assert (room.sent, drafts.text(None)) == ([], "begun")
    room.comparing.stop(page)
    room.actions.show(page, None)
    room.comparing.ask(page, "fused", 0.5, told(**asked, typed=True))
    assert (room.sent, drafts.text(None)) == (["mine.txt"], "")
    room.comparing.stop(page)


def test_no_frame_of_answers_side_by_side_stays_over_another_chat(tmp_path: Path) -> None:
    room = Room(tmp_path)
    answer = room.store.message(room.turn.message_id)
    assert answer.parent_id is not None
    room.session.comparing = answer.parent_id
    frames = room.comparing.stream(room.session, 1.0)
    assert next(frames)["comparison"]["question"] == answer.parent_id
    room.actions.show(room.session, room.other)
    assert list(frames) == [{"comparison": None}]


def test_a_question_side_by_side_is_drawn_without_its_files(tmp_path: Path) -> None:
    with Store(tmp_path / "files.db") as store:
        asked = store.add_message(
            None, None, "user", "Why?\n\n[a.txt]\nsecret", attachments=[Attachment("a.txt", 4, 20)]
        )
        assert "secret" not in "".join(compare_answers(asked, [], None)["blocks"])


def test_a_system_prompt_belongs_to_the_chat_in_which_it_was_typed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page, there = Session(), room.turn.conversation_id
    room.actions.show(page, room.other)  # opened before the other one's box was told
    shown = room.actions.advanced.tell(page, told(chat=there, text="Be brief."))
    assert load_chat_settings(room.store, there).system_prompt == "Be brief."
    assert load_chat_settings(room.store, room.other).empty
    assert shown["advanced"]["system"] == ""
    room.actions.show(page, None)
    shown = room.actions.advanced.tell(page, told(chat=None, text="Be kind."))
    assert shown["advanced"]["system"] == "Be kind."


def test_what_is_chosen_before_the_first_question_outlives_a_reload(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page = Session()
    room.actions.show(page, None)
    room.actions.advanced.tell(page, told(chat=None, text="Be kind."))
    room.actions.advanced.set(page, told(scope="chat", name="max_tokens", value=5))
    room.actions.keep_here(page, told(on=True))
    again = Session()
    shown = room.actions.show(again, None)
    assert shown["about"]["local_only"] is True
    assert shown["advanced"]["system"] == "Be kind."
    assert shown["advanced"]["chat"]["max_tokens"] == 5
    room.actions.ask(again, "Hello", TurnOptions())
    assert room.asked is not None
    kept = load_chat_settings(room.store, room.asked)
    assert (kept.system_prompt, kept.sampling.chosen) == ("Be kind.", {"max_tokens": 5})
    assert room.store.conversation(room.asked).local_only
    assert room.actions.show(Session(), None)["about"]["local_only"] is False  # the chat's own now
    # In a window that shows another chat, what is begun for a new one stays as it was set.
    room.actions.show(again, None)
    room.actions.keep_here(again, told(on=True))
    room.actions.keep_draft(again, told(chat=None, text="A secret", number=1))
    other = Session()
    room.actions.show(other, room.other)
    shown = room.actions.new(other, "")
    assert (shown["prompt"], shown["about"]["local_only"]) == ("A secret", True)
    # What nobody can read any more keeps all of it here.
    room.store.set_setting("new_chat", "?")
    assert room.actions.show(Session(), None)["about"]["local_only"] is True


def test_a_new_chat_that_was_begun_for_this_device_alone_stays_so(tmp_path: Path) -> None:
    room = Room(tmp_path)
    page = Session()
    room.actions.show(page, None)
    room.actions.keep_here(page, told(on=True))
    room.actions.keep_draft(page, told(chat=None, text="My secret", number=1))
    # In another chat the switch is that chat's.
    room.actions.open(page, "My secret", told(id=room.other, message=None))
    room.actions.keep_here(page, told(on=False))
    shown = room.actions.new(page, "")
    assert shown["prompt"] == "My secret"
    assert shown["about"]["local_only"] is True
    room.actions.ask(page, "My secret", TurnOptions())
    assert room.asked is not None
    assert room.store.conversation(room.asked).local_only
    room.actions.forget_draft(page, "My secret")
    # The next one begins with nothing, and as all do.
    assert room.actions.new(page, "")["about"]["local_only"] is False
    room.actions.keep_here(page, told(on=True))
    assert room.actions.new(page, "")["about"]["local_only"] is False
