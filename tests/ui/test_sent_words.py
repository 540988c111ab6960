"""What the list of requests shows of each, before it is opened."""

import json
from pathlib import Path

import pytest

from floe.privacy.sent import SentLog
from floe.store import Store
from floe.ui.privacy.privacy_panel import sent_page, words_of


def body(*messages: tuple[str, object]) -> str:
    return json.dumps({"messages": [{"role": role, "content": words} for role, words in messages]})


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (body(("system", "Be kind."), ("user", "Why is\nthe sky blue?")), "Why is the sky blue?"),
        (body(("user", "One?"), ("assistant", "1"), ("user", "Two?")), "Two?"),
        (body(("user", "Two?"), ("assistant", "It is")), "Two? → It is"),
        (body(("user", "Two?"), ("assistant", "a" * 99)), "Two? → …" + "a" * 30),
        (body(("user", "x" * 101)), "x" * 100 + "…"),
        (body(), ""),
        ("", ""),
        ("[]", ""),
        ('{"messages": [{"role": "user"}]}', ""),
        ('{"messages": 3}', ""),
        ('{"prompt": "no chat"}', ""),
    ],
)
def test_a_request_is_known_by_its_words(sent: str, words: str) -> None:
    assert words_of(sent) == words


def test_the_list_tells_the_requests_of_one_answer_apart(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        log = SentLog(store)
        for written in ("", "Because"):
            said = [("user", "Why?"), *([("assistant", written)] if written else [])]
            log.write("http://127.0.0.1:9/v1", "m", "answer", body(*said).encode(), None)
        rows = sent_page(log, "", 0)["rows"]
        assert [row["words"] for row in rows] == ["Why? → Because", "Why?"]
