"""The `store` bench: a real database of 10,000 messages, opened, searched and appended to.

The text is Python's own reference (`pydoc_data`): real words, code and punctuation that every
machine has. Knows nothing of the command line; `floe.bench` runs it and prints the figures.
"""

import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from pydoc_data.topics import topics

from floe.records import Alternative, AnswerStats, Role, TokenStep
from floe.store import Store, encryption

_CONVERSATIONS = 50
_MESSAGES = 200
_TOKENS = 300
_QUERIES = ("metaclass", "the", "object method", "descript", "東京", "注意 検索")
"""Rare, common, two words, an unfinished one, and a script without spaces once and twice."""

_ENGLISH = re.split(r"(?<=[.:])\s+", "\n".join(topics.values()))
_JAPANESE = (
    "東京の図書館で検索する。",
    "大文字と小文字は区別されません。",
    "次の例に注意してください。",
    "関数は値を返します。",
    "今日は天気がいいですね。",
    "辞書のキーは一意でなければならない。",
)


def run() -> dict[str, object]:
    """Build, measure, throw away, in clear and (under `encrypted`) through SQLCipher.

    `encrypted` is missing where sqlcipher3 is not installed. Milliseconds are medians.

    `open_ms`: a new Store and one conversation of 200 messages; `append_ms`: ten tokens with
    20 alternatives each, committed; `search_ms`: over all queries, each of which is in
    `searches` by itself.
    """
    figures = _measured(encrypted=False)
    if encryption.sqlcipher is not None:
        figures["encrypted"] = _measured(encrypted=True)
    return figures


def _measured(*, encrypted: bool) -> dict[str, object]:
    dice = random.Random(14)  # noqa: S311 (reproducible, not secret)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "floe.db"
        if encrypted:
            header, key = encryption.make_key("passphrase", "of no use to anybody")
            header.write(path.parent)
            encryption.remember_key(path.parent, key)
        started = time.perf_counter()
        with Store(path) as store:
            for number in range(1, _CONVERSATIONS + 1):
                answer_id = _fill(store, dice)
                print(f"store: {number * _MESSAGES:,} messages", end="\r", file=sys.stderr)
        print(f"\nstore: filled in {time.perf_counter() - started:.1f} s", file=sys.stderr)

        some = range(1, _CONVERSATIONS + 1, 7)
        opened = [_milliseconds(partial(_open, path, id_)) for id_ in some]
        with Store(path) as store:
            steps = steps_of(dice, 10)
            text = _text(dice, 20)
            append = partial(store.append_tokens, answer_id, steps, text)
            appended = [_milliseconds(append) for _ in range(50)]
            searches = {query: _search(store, query) for query in _QUERIES}
        return {
            "messages": _CONVERSATIONS * _MESSAGES,
            "open_ms": round(statistics.median(opened), 2),
            "append_ms": round(statistics.median(appended), 2),
            "search_ms": round(statistics.median(ms for ms, _ in searches.values()), 2),
            "searches": {
                query: {"ms": round(ms, 2), "hits": hits} for query, (ms, hits) in searches.items()
            },
            "file_mb": round(path.stat().st_size / 1e6, 1),
        }


def _fill(store: Store, dice: random.Random) -> int:
    """One conversation; its last answer has tokens. Returns the id of that answer."""
    conversation = store.create_conversation()
    parent: int | None = None
    for place in range(_MESSAGES - 1):
        role: Role = "assistant" if place % 2 else "user"
        content = _text(dice, 6 if place % 2 else 2)
        parent = store.add_message(conversation.id, parent, role, content).id
    answer = store.add_message(conversation.id, parent, "assistant", "", status="streaming")
    text = _text(dice, 6)
    store.append_tokens(answer.id, steps_of(dice, _TOKENS), text)
    store.finish_answer(
        answer.id, content=text, status="complete", stats=AnswerStats(_TOKENS, 9.5), notices=[]
    )
    return answer.id


def _text(dice: random.Random, sentences: int) -> str:
    """Sentences of the reference; one text in ten is Japanese."""
    source = _JAPANESE if dice.random() < 0.1 else _ENGLISH
    return " ".join(dice.choices(source, k=dice.randint(1, 2 * sentences)))


def steps_of(dice: random.Random, count: int) -> list[TokenStep]:
    """Tokens of an answer, each with 20 alternatives."""
    words = dice.choices(" ".join(_ENGLISH).split(), k=count * 20)
    return [
        TokenStep(
            token_id=dice.randrange(49_152),
            text_bytes=f" {words[20 * place]}".encode(),
            p_local=dice.random(),
            p_cloud=dice.random(),
            p_fused=dice.random(),
            weight=0.5,
            source="fused",
            at_ms=40.0 * place,
            alternatives=tuple(
                Alternative(f" {word}".encode(), dice.random(), dice.random(), dice.random())
                for word in words[20 * place : 20 * place + 20]
            ),
        )
        for place in range(count)
    ]


def _open(path: Path, conversation_id: int) -> None:
    with Store(path) as store:
        assert len(store.open_conversation(conversation_id)) == _MESSAGES


def _search(store: Store, query: str) -> tuple[float, int]:
    """Median milliseconds and number of hits."""
    times = [_milliseconds(partial(store.search, query)) for _ in range(9)]
    return statistics.median(times), len(store.search(query))


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3
