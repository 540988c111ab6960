"""The privacy view: what stays here, the person's own words, consent, what was sent.

Drawn by `privacy.js`; what it does is in `privacy_actions`.
"""

import json
from dataclasses import dataclass
from typing import Final

import gradio as gr

from floe.kept_records import RowId
from floe.privacy.sent import SentLog
from floe.ui.js_component import js_component
from floe.ui.page_events import SentAsked, answer_page
from floe.ui.page_values import SentPage

PAGE: Final = 30
"""Requests that the browser reads at a time."""
_LONGEST_WORDS: Final = 100
_TAIL: Final = 30
"""Characters of a question, and of an answer that is gone on with, in the list."""


@dataclass(frozen=True, slots=True)
class PrivacyParts:
    """Every component of the view that an event reads or writes; all take JSON."""

    notice: gr.HTML
    rules: gr.HTML
    memory: gr.HTML
    consent: gr.HTML
    log: gr.HTML


def lay_out_privacy(log: SentLog) -> PrivacyParts:
    """Build the view inside the current `gr.Blocks`; the browser reads the log by itself."""

    @answer_page(SentAsked, SentPage(found=0, size=0, rows=[]))
    def sent(request: tuple[str, int]) -> SentPage:
        return sent_page(log, request[0], request[1])

    @answer_page(RowId, "")
    def body(sent_id: int) -> str:
        return sent_body(log, sent_id)

    with gr.Column(elem_id="privacy", elem_classes="room", min_width=0):
        rules = js_component("privacyRules", "set")
        memory = js_component("memory", "switch", "notes", "folder", "read")
        notice = js_component("notice", elem_id="privacy-notice", elem_classes="notice")
        consent = js_component("consent", "allow")
        sent_log = js_component("sentLog", "clear", "export", server=[sent, body])
    return PrivacyParts(notice, rules, memory, consent, sent_log)


def sent_page(log: SentLog, words: str, before: int) -> SentPage:
    """Return some requests in which the words occur, older than that id (0: the newest)."""
    found, size = log.count(words)
    rows = log.page(words, before=before or None, limit=PAGE)
    return {
        "found": found,
        "size": size,
        "rows": [
            {
                "id": each.id,
                "at": each.sent_at,
                "endpoint": each.endpoint,
                "model": each.model,
                "purpose": each.purpose,
                "size": each.size,
                "words": words_of(each.body),
            }
            for each in rows
        ],
    }


def words_of(body: str) -> str:
    """Return on one line what a request is about; empty where it holds no words of a chat."""
    try:
        messages = json.loads(body)["messages"]
        said = [(each["role"], " ".join(str(each["content"]).split())) for each in messages]
    except (ValueError, LookupError, TypeError):
        return ""
    asked = next((words for role, words in reversed(said) if role == "user"), "")
    if len(asked) > _LONGEST_WORDS:
        asked = asked[:_LONGEST_WORDS].rstrip() + "…"
    if said and said[-1][0] == "assistant":
        written = said[-1][1]
        return f"{asked} → {written if len(written) <= _TAIL else '…' + written[-_TAIL:]}"
    return asked


def sent_body(log: SentLog, sent_id: int) -> str:
    """Return a request word for word; empty if the log has been cleared since."""
    found = log.page(before=sent_id + 1, limit=1)
    return found[0].body if found and found[0].id == sent_id else ""
