"""The page: which event runs which action.

A turn belongs to the assistant, not to the page. The page only shows it (`stream_answer`), so a
reload, a second window or another conversation in view never stops an answer.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it while it is imported

import gradio as gr

from floe.application import Application
from floe.data_folder.maintenance import Maintenance
from floe.kept_records import RowId
from floe.training.data.learning_choices import chosen_dataset
from floe.ui.chat.chat_actions import ChatActions
from floe.ui.chat.compare_actions import CompareActions
from floe.ui.chat.conversations import conversation_list, find
from floe.ui.chat.deletion_actions import DeletionActions
from floe.ui.chat.listing_actions import ListingActions
from floe.ui.chat.session import Session
from floe.ui.chat.thread import ThreadWindow, thread_page
from floe.ui.chat.tokens import token_page
from floe.ui.cloud.cloud_actions import CloudActions
from floe.ui.cloud.cloud_panel import CloudParts
from floe.ui.federate.federate_actions import FederateActions
from floe.ui.layout import Parts, lay_out
from floe.ui.memory.memory_actions import MemoryActions, memory_uses
from floe.ui.models.models_actions import ModelsActions
from floe.ui.page_events import ListLength, ShortText, ThreadAsked, TokensAsked, answer_page
from floe.ui.page_values import (
    ConversationListValue,
    LearningAnswerValue,
    MemoryUseValue,
    SearchValue,
    TokenPage,
)
from floe.ui.personalise.learning_view import rows_of
from floe.ui.personalise.personal_actions import PersonalActions
from floe.ui.privacy.privacy_actions import PrivacyActions
from floe.ui.settings.data_actions import DataActions
from floe.ui.settings.settings_actions import SettingsActions
from floe.ui.show_errors import Changes

_SILENT: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    # Not even hidden: gradio counts the time of an event for each part that it may change, a frame
    # sixty times a second, and an event of the chat may change thirteen.
    "show_progress_on": [],
    "api_visibility": "private",
}
_CHAT: Final[dict[str, Any]] = {**_SILENT, "concurrency_id": "chat"}
"""For events that draw the chat: one after the other, so that what was asked last is shown last."""
_AT_ONCE: Final[dict[str, Any]] = {**_SILENT, "queue": False}
"""For events that must not wait behind an answer that streams."""
_EACH: Final[dict[str, Any]] = {**_AT_ONCE, "trigger_mode": "multiple"}
"""For events of which none may be lost: by default gradio drops those that come while an earlier
one is being answered."""
_EACH_OF_CHAT: Final[dict[str, Any]] = {**_CHAT, "trigger_mode": "multiple"}
"""For such events that draw what stands with the chat."""
_ONCE_OPENED: Final = "(...given) => floe.whenOpened(...given)"
"""Before an event that is meant for the chat that has just been asked for."""


def build_page(application: Application, maintenance: Maintenance) -> gr.Blocks:
    """Lay out everything a person sees, ready to be given to a `PageServer`."""
    assistant, settings = application.assistant, application.settings

    @answer_page(ShortText, SearchValue(hits=[], more=False))
    def search(words: str) -> SearchValue:
        return find(assistant, words)

    @answer_page(ListLength, ConversationListValue(open=None, rows=[], more=0, version=0))
    def chats(length: int) -> ConversationListValue:
        return conversation_list(assistant, None, length)

    @answer_page(TokensAsked, TokenPage(rows=[], live=False))
    def tokens(request: list[int]) -> TokenPage:
        return token_page(assistant, request)

    @answer_page(RowId, "")
    def text(message_id: int) -> str:
        return assistant.store.message(message_id).content

    @answer_page(ThreadAsked, ThreadWindow(rows=[]))
    def window(request: list[int]) -> ThreadWindow:
        return thread_page(assistant, request)

    @answer_page(RowId, list[LearningAnswerValue]())
    def rows(conversation_id: int) -> list[LearningAnswerValue]:
        return rows_of(chosen_dataset(assistant.store, settings.system_prompt), conversation_id)

    @answer_page(RowId, list[MemoryUseValue]())
    def memory(message_id: int) -> list[MemoryUseValue]:
        return memory_uses(assistant.memory.uses_of(message_id))

    @answer_page(ShortText, "")
    def key(_: str) -> str:
        return application.api_switch.key

    page: gr.Blocks
    with gr.Blocks(title="Floe", analytics_enabled=False, fill_height=True) as page:
        parts = lay_out(
            [search, chats],
            tokens,
            text,
            window,
            settings.deadline_ms,
            assistant.sent,
            rows,
            memory,
            key,
        )
        session, chat = gr.State(Session()), ChatActions(application, parts)
        loaded = _wire(page, parts, session, chat)
        listing, listed = ListingActions(assistant, parts), [parts.listing, parts.notice]
        parts.listing.mark(listing.mark, session, listed, **_EACH_OF_CHAT)
        parts.listing.move(listing.move, session, listed, **_EACH_OF_CHAT)
        deletion = DeletionActions(application, parts, chat)
        _wire_deletion(parts, session, deletion)
        _wire_comparison(loaded, parts, session, CompareActions(application, parts, chat))
        panel = CloudActions(application, parts.panel)
        _wire_panel(page, parts.panel, panel)
        _wire_privacy(parts, PrivacyActions(assistant, parts.privacy, parts.save))
        memory_actions = MemoryActions(application, parts.privacy)
        _wire_memory(parts, memory_actions)
        own_data = DataActions(settings, parts.settings, maintenance, application.backups)
        _wire_own_data(parts, own_data)
        _wire_settings(page, parts, SettingsActions(application, parts.settings, parts.first_run))
        personal = PersonalActions(application, parts.personal, parts.listing, parts.save)
        _wire_personal(parts, personal)
        federate = FederateActions(application, parts.federate)
        _wire_federate(parts, federate)
        models = ModelsActions(application, parts.models, parts.model_chip)
        _wire_models(page, parts, models)
        rooms = (panel.wake_clock, personal.wake_clock, federate.wake_clock, models.wake_clock)
        polls = (chat.refresh_cloud, panel.refresh, memory_actions.poll, models.chip, *rooms)
        chat_polls = (chat.weight.refresh, chat.advanced.refresh, deletion.notice_changes)
        _wire_clock(parts, session, polls, chat_polls)
        parts.noticed.follow(deletion.follow, session, [*_shown(parts), parts.undo], **_CHAT)
    return page


def _shown(parts: Parts) -> list[Any]:
    """Give the parts that change with the conversation in view."""
    return [
        parts.answer_generation,
        parts.listing,
        parts.figures,
        parts.about,
        parts.thread,
        parts.live,
        parts.comparison,
        parts.notice,
        parts.attach,
        parts.context,
        parts.advanced,
        parts.send,
        parts.stop,
    ]


def _wire(page: gr.Blocks, parts: Parts, session: gr.State, actions: ChatActions) -> Any:
    """Connect the chat; returns what happens once it is filled."""
    shown = _shown(parts)
    parts.answer_generation.change(
        actions.stream_answer,
        [session, parts.answer_generation],
        shown,
        concurrency_limit=None,
        trigger_mode="multiple",
        **_SILENT,
    )
    loaded = page.load(
        actions.load,
        [session, parts.views, parts.drafts],
        [*shown, parts.prompt, *parts.controls, parts.cloud, parts.auto, parts.drafts],
        js="(session) => [session, location.hash, floe.unsavedDraft()]",
        **_CHAT,
    )
    begun, turned = [session, parts.prompt], [*shown, parts.prompt]
    parts.listing.new(actions.new, begun, turned, **_CHAT)
    parts.listing.open(actions.open, begun, turned, **_CHAT)
    parts.listing.rename(
        actions.rename, session, [parts.listing, parts.about, parts.notice], **_CHAT
    )

    parts.about.keep(actions.keep_here, session, [parts.about, parts.notice], **_EACH_OF_CHAT)
    parts.about.export(actions.export, session, [parts.save, parts.notice], **_EACH_OF_CHAT)
    parts.about.allow(actions.allow, session, [parts.about, parts.notice], **_EACH_OF_CHAT)

    gr.on(
        [parts.send.click, parts.prompt.submit],
        actions.send,
        [session, parts.prompt, *parts.controls],
        [*shown, parts.prompt],
        js=_ONCE_OPENED,
        **_CHAT,
    )
    # What was wrong with the last message is said until the next one is typed.
    parts.prompt.input(None, None, parts.notice, js="() => ''", **_AT_ONCE)
    parts.thread.edit(actions.edit, [session, *parts.controls], shown, **_CHAT)
    parts.thread.regenerate(actions.regenerate, [session, *parts.controls], shown, **_CHAT)
    parts.thread.release(actions.release, [session, *parts.controls], shown, **_CHAT)
    parts.thread.confirm(actions.confirm, session, [parts.thread, parts.notice], **_EACH_OF_CHAT)
    parts.thread.resume(actions.go_on, [session, *parts.controls], shown, **_CHAT)
    parts.thread.take(actions.take, [session, *parts.controls], shown, **_CHAT)
    parts.thread.rate(actions.rate, session, [parts.thread, parts.notice], **_EACH_OF_CHAT)
    parts.thread.rewrite(actions.rewrite, session, shown, **_CHAT)
    parts.thread.branch(actions.branch, session, shown, **_CHAT)
    parts.attach.read(actions.attach.read, session, parts.attach, **_EACH)
    parts.attach.drop(actions.attach.drop, session, parts.attach, **_EACH)
    parts.stop.click(actions.stop, session, None, js=_ONCE_OPENED, **_AT_ONCE)

    latest: dict[str, Any] = {**_AT_ONCE, "trigger_mode": "always_last"}
    parts.drafts.keep(actions.keep_draft, session, parts.drafts, **_EACH)
    parts.weight.input(actions.weight.set, [session, parts.weight], parts.auto, **latest)
    controls = [parts.auto, parts.weight]
    parts.auto.set(actions.weight.set_auto, session, [*controls, parts.notice], **_EACH)
    parts.mode.input(actions.keep, parts.controls, None, **latest)
    drawer = [parts.advanced, parts.notice]
    parts.advanced.set(actions.advanced.set, session, drawer, **_EACH_OF_CHAT)
    parts.advanced.reset(actions.advanced.reset, session, drawer, **_EACH_OF_CHAT)
    parts.advanced.tell(actions.advanced.tell, session, drawer, **_EACH_OF_CHAT)
    parts.advanced.save(actions.advanced.save, session, drawer, **_EACH_OF_CHAT)
    parts.advanced.drop(actions.advanced.drop, session, drawer, **_EACH_OF_CHAT)
    return loaded


def _wire_deletion(parts: Parts, session: gr.State, actions: DeletionActions) -> None:
    begun, shown = [session, parts.prompt], [*_shown(parts), parts.undo]
    parts.listing.delete(actions.delete, begun, [*shown, parts.prompt], **_CHAT)
    parts.undo.undo(actions.undo, begun, [*shown, parts.prompt], **_CHAT)
    parts.thread.remove(actions.remove, session, shown, **_CHAT)


def _wire_clock(
    parts: Parts,
    session: gr.State,
    polls: Sequence[Callable[[], Changes]],
    chat_polls: Sequence[Callable[[Session], Changes]],
) -> None:
    """Poll all that may have changed, in one request: seven took a fifth of a core.

    What such a poll returns may arrive after what was asked for later. So the chat is not drawn by
    it, but by an event that waits its turn; and a room whose clock was stopped in that way, while
    something moves in it, is set going again.
    """

    def poll(session: Session) -> Changes:
        shown: Changes = {}
        for each in polls:
            shown |= each()
        for other in chat_polls:
            shown |= other(session)
        return shown

    rooms = (parts.panel, parts.personal, parts.federate, parts.models)
    changing = [parts.noticed, parts.auto, parts.weight, parts.advanced, parts.cloud]
    changing += [parts.model_chip, parts.panel.in_use, parts.privacy.memory]
    changing += [each.clock for each in rooms]
    parts.clock.tick(poll, session, changing, **_AT_ONCE)


def _wire_comparison(loaded: Any, parts: Parts, session: gr.State, actions: CompareActions) -> None:
    opened = [parts.comparison, parts.comparison_generation]
    shown = [*_shown(parts), parts.comparison_generation]
    parts.compare.ask(actions.ask, [session, *parts.controls], [*shown, parts.prompt], **_CHAT)
    loaded.then(actions.reopen, session, opened, **_CHAT)
    parts.thread.compare(actions.open, session, [*opened, parts.notice], **_CHAT)
    parts.comparison.choose(actions.choose, session, shown, **_CHAT)
    parts.comparison.close(actions.close, session, shown, **_CHAT)
    parts.stop.click(actions.stop, session, None, js=_ONCE_OPENED, **_AT_ONCE)
    parts.comparison_generation.change(
        actions.stream,
        [session, parts.comparison_generation],
        [parts.comparison, parts.send, parts.stop],
        concurrency_limit=None,
        trigger_mode="multiple",
        **_SILENT,
    )


def _wire_panel(page: gr.Blocks, parts: CloudParts, actions: CloudActions) -> None:
    named = [parts.preset, parts.base_url]
    page.load(actions.load, None, parts.all, **_AT_ONCE)
    parts.preset.input(actions.choose, named, parts.all, **_AT_ONCE)
    keys = [parts.key, parts.where, parts.notice]
    parts.base_url.blur(actions.show_key_place, named, keys, **_AT_ONCE)
    parts.test.click(actions.test, parts.form, parts.all, **_AT_ONCE)
    parts.cancel.click(actions.cancel, None, None, **_AT_ONCE)
    parts.use.click(actions.use, parts.form, parts.all, **_AT_ONCE)
    parts.forget.click(actions.forget, named, parts.all, **_AT_ONCE)
    parts.clock.tick(actions.poll, None, parts.all, **_AT_ONCE)
    gr.on(
        [
            parts.deadline.input,
            parts.fewer_requests.input,
            parts.max_requests.input,
            parts.daily_requests.input,
        ],
        actions.keep,
        parts.limits,
        parts.notice,
        trigger_mode="always_last",
        **_AT_ONCE,
    )


def _wire_privacy(parts: Parts, actions: PrivacyActions) -> None:
    room = parts.privacy
    parts.views.go(actions.on_view_opened, None, [room.rules, room.consent, room.notice], **_EACH)
    room.rules.set(actions.set, None, [room.rules, room.notice], **_EACH)
    room.consent.allow(actions.allow, None, [room.consent, room.notice], **_EACH)
    room.log.clear(actions.clear, None, [room.log, room.notice], **_EACH)
    room.log.export(actions.export, None, [parts.save, room.notice], **_EACH)


def _wire_memory(parts: Parts, actions: MemoryActions) -> None:
    room = parts.privacy
    shown = [room.memory, room.notice]
    parts.views.go(actions.on_view_opened, None, shown, **_EACH)
    room.memory.switch(actions.switch, None, shown, **_EACH)
    room.memory.notes(actions.keep_notes, None, shown, **_EACH)
    room.memory.folder(actions.choose_folder, None, shown, **_EACH)
    room.memory.read(actions.read, None, shown, **_EACH)
    parts.thread.forget(actions.forget, None, shown, **_EACH)


def _wire_own_data(parts: Parts, actions: DataActions) -> None:
    room = parts.settings
    shown = [room.own_data, room.notice]
    parts.views.go(actions.on_view_opened, None, shown, **_EACH)
    room.own_data.backup(actions.backup, None, shown, **_EACH)
    room.own_data.restore(actions.restore, None, shown, **_EACH)
    room.own_data.drop(actions.drop, None, shown, **_EACH)
    room.own_data.encrypt(actions.encrypt, None, shown, **_EACH)
    room.own_data.decrypt(actions.decrypt, None, shown, **_EACH)
    room.own_data.erase(actions.erase, None, shown, **_EACH)


def _wire_settings(page: gr.Blocks, parts: Parts, actions: SettingsActions) -> None:
    room = parts.settings
    shown = [room.api, room.notice]
    parts.views.go(actions.on_view_opened, None, shown, **_EACH)
    slow = [room.past_figures, room.licences, room.notice]
    parts.views.go(actions.load_figures, None, slow, **_EACH)
    room.api.switch(actions.switch, None, shown, **_EACH)
    room.api.renew(actions.renew, None, shown, **_EACH)
    first_steps = [parts.first_run, room.notice]
    page.load(actions.show_first_run, None, parts.first_run, **_AT_ONCE)
    parts.first_run.done(actions.finish_first_run, None, first_steps, **_EACH)
    room.appearance.again(actions.show_first_run_again, None, first_steps, **_EACH)


def _wire_personal(parts: Parts, actions: PersonalActions) -> None:
    room = parts.personal
    parts.views.go(actions.on_view_opened, None, room.all, **_EACH)
    learning = room.learning
    learning.allow(actions.allow, None, room.all, **_EACH)
    learning.choose(actions.choose_chat, None, room.all, **_EACH)
    learning.leave(actions.leave_out_answer, None, room.all, **_EACH)
    learning.privately(actions.set_with_private, None, room.all, **_EACH)
    learning.bring(actions.add_file, None, [*room.all, parts.listing], **_EACH)
    learning.undo(actions.undo_import, None, [*room.all, parts.listing], **_EACH)
    learning.swap(actions.swap_import, None, [*room.all, parts.listing], **_EACH)
    learning.example(actions.add_example, None, [*room.all, parts.listing], **_EACH)
    learning.export(actions.export, None, [parts.save, room.notice], **_EACH)
    room.plan.limit(actions.set_limit, None, room.all, **_EACH)
    room.plan.begin(actions.start_run, None, room.all, **_EACH)
    room.plan.allow(actions.allow, None, room.all, **_EACH)
    room.run.cancel(actions.cancel, None, room.all, **_EACH)
    room.run.resume(actions.resume, None, room.all, **_EACH)
    room.run.compare(actions.compare, None, room.all, **_EACH)
    room.weight.set(actions.set_ask_cloud, None, room.all, **_EACH)
    room.weight.fit(actions.fit_weight, None, room.all, **_EACH)
    room.clock.tick(actions.poll, None, [*room.all, parts.listing], **_AT_ONCE)
    adapters = room.adapters
    adapters.bring(actions.bring_in, None, room.all, **_EACH)
    adapters.rename(actions.rename, None, room.all, **_EACH)
    adapters.switch(actions.switch, None, room.all, **_EACH)
    adapters.strengthen(actions.scale, None, room.all, **_EACH)
    adapters.delete(actions.delete, None, room.all, **_EACH)
    adapters.export(actions.export_adapter, None, [parts.save, room.notice], **_EACH)


def _wire_federate(parts: Parts, actions: FederateActions) -> None:
    room = parts.federate
    parts.views.go(actions.on_view_opened, None, room.all, **_EACH)
    room.group.allow(actions.allow, None, room.all, **_EACH)
    room.group.join(actions.join, None, room.all, **_EACH)
    room.group.leave(actions.leave, None, room.all, **_EACH)
    room.simulation.start(actions.start, None, room.all, **_EACH)
    room.simulation.stop(actions.stop, None, room.all, **_EACH)
    room.experts.switch(actions.switch, None, room.all, **_EACH)
    room.clock.tick(actions.refresh, None, room.all, **_AT_ONCE)


def _wire_models(page: gr.Blocks, parts: Parts, actions: ModelsActions) -> None:
    room = parts.models
    shown = [*room.all, parts.model_chip]
    page.load(actions.chip, None, parts.model_chip, **_AT_ONCE)
    parts.views.go(actions.on_view_opened, None, shown, **_EACH)
    room.models.use(actions.use, None, shown, **_EACH)
    room.models.fetch(actions.fetch, None, shown, **_EACH)
    room.models.pause(actions.pause, None, shown, **_EACH)
    room.models.resume(actions.resume, None, shown, **_EACH)
    room.models.cancel(actions.cancel, None, shown, **_EACH)
    room.models.drop(actions.drop, None, shown, **_EACH)
    room.models.search(actions.search, None, shown, **_EACH)
    room.clock.tick(actions.poll, None, shown, **_AT_ONCE)
