"""What services put on the wire, played back by a real server: the text is the content, always.

The forms are those of public documentation and reports: DeepSeek, OpenRouter, vLLM, SGLang, TGI,
Together, Mistral, llama-server, llama-cpp-python.
"""

import base64
import json
import math
import random
from typing import Any

import pytest

from floe.bench.fuzz_wire import check_rows, make_stream
from floe.cloud.client import Stream
from floe.cloud.protocol.distributions import CONFIDENCE_WITHOUT_LOGPROBS
from floe.records import CloudToken
from tests.cloud.asking import Connect, ask
from tests.cloud.conftest import read_all, text_of
from tests.cloud.scripted import DONE, STOP, ScriptedServer, event, row, row_event, say


def read(
    connect: Connect, *parts: bytes, partial: str = "", max_tokens: int = 50
) -> tuple[list[CloudToken], Stream]:
    """Rows of an answer that a server plays back, without its end."""
    with ScriptedServer(say(*parts)) as server:
        stream = ask(connect(server.url), partial, max_tokens)
        rows = read_all(stream)
    assert stream.error is None, stream.error
    check_rows(rows)
    return [each for each in rows if not each.end], stream


def rows_of(content: str | None, *tokens: str, **choice: Any) -> bytes:
    """A chunk whose entries need not spell its content."""
    return event(content, logprobs={"content": [row(token) for token in tokens]}, **choice)


def shares(token: CloudToken) -> dict[bytes, float]:
    return {each.text_bytes: math.exp(each.logprob) for each in token.candidates}


def is_plain(token: CloudToken) -> bool:
    return shares(token) == pytest.approx({token.text_bytes: CONFIDENCE_WITHOUT_LOGPROBS})


def is_given(token: CloudToken) -> bool:
    """Whether the probability is the server's own (see `row`)."""
    return shares(token)[token.text_bytes] == pytest.approx(math.exp(-0.5))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_in_a_field_of_its_own_is_no_part_of_the_answer(
    connect: Connect, field: str
) -> None:
    thought = [
        event(delta={"content": shown, field: text}, logprobs={"content": [row(text)]})
        for shown, text in ((None, "Hm"), ("", " the"), (None, " end"), (None, "</s>"))
    ]
    rows, _ = read(connect, *thought, rows_of("The", "The"), row_event(" end"), STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"The", b" end"]
    assert all(map(is_given, rows))


def test_thinking_and_answer_in_one_chunk_are_told_apart(connect: Connect) -> None:
    both = event(
        delta={"content": "Hi", "reasoning": " done"},
        logprobs={"content": [row(" done"), row("</think>"), row("Hi")]},
    )
    rows, _ = read(connect, both, row_event(" you"), STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"Hi", b" you"]
    assert all(map(is_given, rows))


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>", "\n", "Hm", "</think>", "\n\n", "Hi", " you"],
        ["\n", "<", "think", ">", "Hm <b>", "</th", "ink>", "Hi", " you"],
        ["<think>Hm</think>\n\n", "Hi", " you"],
        ["[THINK]", "Hm", "[/THINK]", "Hi", " you"],
    ],
)
def test_thinking_in_the_content_is_no_part_of_the_answer(
    connect: Connect, pieces: list[str]
) -> None:
    for chunks in ([row_event(each) for each in pieces], [event(each) for each in pieces]):
        rows, _ = read(connect, *chunks, STOP, DONE)
        assert [token.text_bytes for token in rows] == [b"Hi", b" you"]
        assert all(is_given(token) or is_plain(token) for token in rows)


def test_less_than_sign_is_no_thinking(connect: Connect) -> None:
    rows, _ = read(connect, row_event("<"), row_event("th"), row_event(">x"), STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"<", b"th", b">x"]
    assert all(map(is_given, rows))
    rows, _ = read(connect, row_event("<thi"), STOP, DONE)
    assert text_of(rows) == "<thi"


def test_token_without_text_and_bytes_is_no_end(connect: Connect) -> None:
    nothing = row("", -0.2, bytes=[], top_logprobs=[])
    chunks = [
        row_event("a"),
        event("", logprobs={"content": [nothing]}),
        event("é", logprobs={"content": [nothing]}),
        row_event("b"),
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"a", "é".encode(), b"b"]
    assert shares(rows[1]) == pytest.approx({"é".encode(): math.exp(-0.4)})


def test_lost_space_of_a_word_comes_from_the_content(connect: Connect) -> None:
    near = {"token": "near", "bytes": None, "logprob": -2}
    chunks = [
        event(content, logprobs={"content": [row(token, bytes=None, top_logprobs=[near])]})
        for content, token in (("So", "So"), (" far", "far"), ("ther", "ther"), (" on", "on"))
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert text_of(rows) == "So farther on"
    assert all(map(is_given, rows))
    # Nobody can say whether the candidates had a space.
    assert [len(token.candidates) for token in rows] == [2, 1, 1, 1]


@pytest.mark.parametrize("with_bytes", [True, False])
def test_sentencepiece_marks_are_spaces(connect: Connect, with_bytes: bool) -> None:
    def told(token: str, other: str) -> dict[str, Any]:
        entries = [
            {"token": text, "logprob": number, "bytes": list(text.encode()) if with_bytes else None}
            for text, number in ((token, -0.5), (other, -2.0))
        ]
        return {"content": [{**entries[0], "top_logprobs": entries}]}

    chunks = [
        event("So", logprobs=told("▁So", "▁Then")),
        event(" far", logprobs=told("▁far", "ther")),
        event("ther", logprobs=told("ther", "▁near")),
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    found = [{each.text_bytes for each in token.candidates} for token in rows]
    assert found == [{b"So", b"Then"}, {b" far", b"ther"}, {b"ther", b" near"}]
    assert all(map(is_given, rows))


def test_tokens_as_numbers_get_the_text_that_came_with_them(connect: Connect) -> None:
    def number(identifier: int) -> dict[str, Any]:
        return row(f"token_id:{identifier}", bytes=list(b"token_id:%d" % identifier))

    chunks = [
        event("Hello", logprobs={"content": [number(9707)]}),
        event(" you", logprobs={"content": [number(11)]}),
        event("!", logprobs={"content": [number(0)]}),
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"Hello", b" you", b"!"]
    assert all(map(is_given, rows))


def test_content_without_an_entry_is_kept(connect: Connect) -> None:
    chunks = [
        row_event("a"),
        event("b"),
        rows_of("cd", "d"),
        event(" e", logprobs={}),
        row_event("f"),
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"a", b"b", b"c", b"d", b" e", b"f"]
    assert [is_given(token) for token in rows] == [True, False, False, True, False, True]


def test_entries_of_all_tokens_in_the_last_chunk_double_nothing(connect: Connect) -> None:
    words = ["a", " b", " b", " c"]
    chunks = [event(word) for word in words]
    last = rows_of("", *words, finish_reason="stop")
    assert text_of(read(connect, *chunks, last, DONE)[0]) == "a b b c"
    with_text = rows_of(" d", *words, " d", finish_reason="stop")
    rows, _ = read(connect, *chunks, with_text, DONE)
    assert text_of(rows) == "a b b c d"
    assert is_given(rows[-1])


def test_entries_that_repeat_all_before_them_double_nothing(connect: Connect) -> None:
    words = ["a", " b", " b", " c"]
    chunks = [rows_of(word, *words[: i + 1]) for i, word in enumerate(words)]
    rows, _ = read(connect, *chunks, STOP, DONE, max_tokens=4)
    assert [token.text_bytes for token in rows] == [word.encode() for word in words]
    assert all(map(is_given, rows))


def test_first_piece_of_a_continuation_is_kept(connect: Connect) -> None:
    # It is what the answer ended with, so it might be taken for a repetition.
    rows, _ = read(connect, row_event(" ha"), row_event("!"), STOP, DONE, partial=" ha")
    assert text_of(rows) == " ha!"
    rows, _ = read(connect, event(" and"), row_event(" on"), STOP, DONE, partial="So far")
    assert text_of(rows) == " and on"


@pytest.mark.parametrize("first", ["So far, so ", "So far, so", "So far, so good"])
def test_repeated_beginning_without_entries_is_taken_out(connect: Connect, first: str) -> None:
    after = "" if first.endswith("good") else "good"
    chunks = [event("", role="assistant"), event(first), *([row_event(after)] if after else [])]
    rows, _ = read(connect, *chunks, row_event("."), STOP, DONE, partial="So far, so ")
    assert text_of(rows) == "good."
    assert is_given(rows[-1])


def test_repeated_beginning_and_first_token_in_one_chunk(connect: Connect) -> None:
    rows, _ = read(connect, rows_of("So far.", "."), STOP, DONE, partial="So far")
    assert [token.text_bytes for token in rows] == [b"."]
    assert is_given(rows[0])


def test_content_in_a_list_of_parts_is_read(connect: Connect) -> None:
    def part(kind: str, text: Any) -> dict[str, Any]:
        return {"type": kind, kind: text}

    chunks = [
        event(delta={"content": [part("thinking", [part("text", "Hm")])]}),
        event(delta={"content": [part("text", "Hi"), part("thinking", "")]}),
        event(" you"),
    ]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"Hi", b" you"]


@pytest.mark.parametrize("number", [None, math.nan, "none", 10**400])
def test_probability_that_is_none_leaves_the_text(connect: Connect, number: Any) -> None:
    entry = row("b", logprob=number, top_logprobs=[])
    chunks = [row_event("a"), event("b", logprobs={"content": [entry]}), row_event("c")]
    rows, _ = read(connect, *chunks, STOP, DONE)
    assert [token.text_bytes for token in rows] == [b"a", b"b", b"c"]
    assert [is_plain(token) for token in rows] == [False, True, False]


def test_other_choices_are_left_out(connect: Connect) -> None:
    chunks = [row_event("a"), event("x", index=1), row_event("b")]
    other_end = event(index=1, finish_reason="stop")
    both = json.loads(row_event("c")[6:])
    both["choices"].append({**both["choices"][0], "index": 1})
    together = b"data: " + json.dumps(both).encode() + b"\n\n"
    rows, _ = read(connect, *chunks, other_end, together, STOP, DONE)
    assert text_of(rows) == "abc"


def test_mass_above_one_is_shared_out(connect: Connect) -> None:
    tops = [row("a", -0.1), row("b", -0.2), row("a", -0.3)]
    entry = row("a", -0.1, top_logprobs=tops)
    rows, _ = read(connect, event("a", logprobs={"content": [entry]}), STOP, DONE)
    assert sum(shares(rows[0]).values()) == pytest.approx(1)


NOISE = [
    b"\xef\xbb\xbf",
    b": OPENROUTER PROCESSING\n\n",
    b"data: : OPENROUTER PROCESSING\n\n",
    b"data:\n\n",
    b"data: \n\n",
    b"event: ping\n\n",
    b"event: ping\ndata:\n\n",
    b"id: 1\n\n\n\n",
    b"retry: 3000\n\n",
    b": a\r\n: b\r\n\r\n",
]


@pytest.mark.parametrize("noise", NOISE)
def test_what_stands_between_the_events_is_no_event(connect: Connect, noise: bytes) -> None:
    later = b"" if noise.startswith(b"\xef") else noise
    chunks = [noise, row_event("a"), later, row_event("b"), later, STOP, later, DONE]
    assert text_of(read(connect, *chunks)[0]) == "ab"


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_lines_may_end_in_other_ways(connect: Connect, end: bytes) -> None:
    body = b"".join([row_event("a"), row_event("b"), STOP, DONE]).replace(b"\n", end)
    assert text_of(read(connect, body)[0]) == "ab"


def test_lists_in_a_chat_may_be_of_unequal_length(connect: Connect) -> None:
    listed = {"tokens": ["a", " b"], "token_logprobs": [-0.5], "top_logprobs": None}
    rows, _ = read(connect, event("a b", logprobs=listed), STOP, DONE)
    assert text_of(rows) == "a b"
    assert is_given(rows[0])


def test_usage_without_sense_is_left_out(connect: Connect) -> None:
    chunks = [b"data: " + json.dumps({"usage": u}).encode() + b"\n\n" for u in (7, "x", {"a": 1})]
    rows, stream = read(connect, *chunks, row_event("a"), STOP, DONE)
    assert text_of(rows) == "a"
    assert stream.prompt_tokens == 0


def test_any_stream_is_read_to_the_byte(connect: Connect) -> None:
    """The bench's streams over a real connection; it has many more."""
    dice = random.Random(19)
    cases = [json.loads(make_stream(dice)) for _ in range(80)]
    with ScriptedServer(*[say(base64.b64decode(case["body"])) for case in cases]) as server:
        client = connect(server.url)
        for case in cases:
            stream = ask(client, case["partial"], 500)
            rows = read_all(stream)
            assert b"".join(each.text_bytes for each in rows).decode() == case["text"], case
            check_rows(rows)
            error = str(stream.error or "broke off")
            assert "broke off" in error or "still thinking" in error
