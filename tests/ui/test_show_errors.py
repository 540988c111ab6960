"""Replies that overtake each other: which of them knows more is told by their numbers."""

import errno
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from floe.disk_errors import DISK_FULL
from floe.jobs.background import BackgroundJob
from floe.privacy import choices
from floe.store import Store
from floe.ui.privacy.privacy_actions import PrivacyActions
from floe.ui.show_errors import Changes, numbered, show_errors


def press(name: str, value: str) -> gr.EventData:
    return gr.EventData(None, {"name": name, "value": value})


def test_the_reply_that_knows_of_both_presses_has_the_higher_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: Any = SimpleNamespace(rules="rules", notice="notice")
    has_read, may_go_on = threading.Event(), threading.Event()
    read = choices.policy

    def read_slowly(store: Store) -> Any:
        found = read(store)
        if threading.current_thread() is first:
            has_read.set()
            may_go_on.wait(60)
        return found

    with Store(tmp_path / "floe.db") as store:
        assistant: Any = SimpleNamespace(
            store=store, sent=None, detector=SimpleNamespace(sentence="")
        )
        actions = PrivacyActions(assistant, parts, "save")  # type: ignore[arg-type]
        replies: list[Changes] = []
        first = threading.Thread(
            target=lambda: replies.append(actions.set(press("treatment", "work=allow")))
        )
        monkeypatch.setattr(choices, "policy", read_slowly)
        first.start()
        assert has_read.wait(60)
        later = actions.set(press("policy", "pseudonyms"))["rules"]
        may_go_on.set()
        first.join(60)
    (early,) = (each["rules"] for each in replies)
    assert (early["policy"], later["policy"]) == ("local only", "pseudonyms")
    assert later["treatments"]["work"] == "allow"
    assert early["sequence"] < later["sequence"]


def test_only_what_our_scripts_draw_is_numbered_and_what_is_numbered_stays_so() -> None:
    skipped, moved = gr.skip(), gr.update(active=True)

    @numbered
    def read() -> Changes:
        return {"part": {"n": 1}, "notice": "", "form": moved, "other": skipped}

    @numbered
    def read_more() -> Changes:
        return {**read(), "more": {"n": 2}}

    shown = read_more()
    assert shown["part"]["sequence"] > shown["more"]["sequence"] > 0
    assert (shown["notice"], shown["form"], shown["other"]) == ("", moved, skipped)
    assert read()["part"]["sequence"] > shown["part"]["sequence"]


class Writing:
    """Handlers of a press that writes a file."""

    def __init__(self, error: OSError) -> None:
        self.parts: Any = SimpleNamespace(notice="notice")
        self._error = error

    @show_errors
    def save(self) -> Changes:
        raise self._error


def test_a_full_disk_is_told_wherever_it_is_found() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")
    assert Writing(full).save() == {"notice": DISK_FULL}
    with pytest.raises(PermissionError):
        Writing(PermissionError(errno.EACCES, "Permission denied")).save()
    job = BackgroundJob("writing")

    def write() -> None:
        raise full

    job.start(write)
    assert job.wait(60)
    assert job.problem == DISK_FULL
