"""An import beside the page: watched, told when it fails, and taken out when the program ends."""

import json
import threading
from typing import Any

import pytest

from floe.chats import importing
from floe.errors import DataError
from floe.jobs.chat_import import ChatImportJob
from floe.store import Store
from floe.store.imports import list_imports


def lines(count: int) -> bytes:
    said = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    return b"".join(json.dumps({"messages": said}).encode() + b"\n" for _ in range(count))


def test_a_file_comes_in_and_what_is_wrong_is_told_once(store: Store) -> None:
    job = ChatImportJob(store)
    job.start("two.jsonl", lines(2))
    assert job.wait(30)
    assert (job.sentence, job.take_problem()) == ("", "")
    (kept,) = list_imports(store)
    assert (kept.name, kept.chats, kept.sentence) == ("two.jsonl", 2, "2 chats.")
    job.start("none.jsonl", b"nothing")
    assert job.wait(30)
    assert "none.jsonl is not a chat" in job.take_problem()
    assert job.take_problem() == ""
    job.close()


def test_one_at_a_time_and_nothing_half_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ChatImportJob(store)
    monkeypatch.setattr(importing, "_BATCH_MESSAGES", 2)
    reached, go_on = threading.Event(), threading.Event()
    add = importing.add_chats  # type: ignore[attr-defined]

    def slow(*args: Any) -> list[int]:
        made: list[int] = add(*args)
        reached.set()
        go_on.wait(30)
        return made

    monkeypatch.setattr(importing, "add_chats", slow)
    job.start("many.jsonl", lines(50))
    assert reached.wait(30)
    assert job.sentence.startswith("Reading many.jsonl: ")
    with pytest.raises(DataError, match="Another file is still being read"):
        job.start("more.jsonl", lines(1))
    threading.Timer(0.1, go_on.set).start()
    job.close()
    assert store.conversations() == []
    assert list_imports(store) == []
