"""Streams of clouds as people meet them, for the `fuzz` bench: whatever surrounds it, text is text.

Each case is an answer of known text in a dialect made up at random: how content is cut, which
entries come with it and when, how tokens are spelled, what is thought before, and what stands
between the events. What is read must be the content to the byte; rows may be of any kind.
"""

import base64
import itertools
import json
import math
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final

import httpx2

from floe.cloud.protocol.distributions import TokenReader
from floe.cloud.protocol.events import DataLines
from floe.records import CloudToken

_TOKENS: Final = (
    *("The", " far", "ther", "\n", "\n\n", " ", "  ", "1", ".", " 😀", "東京", " café", "ha", "ha"),
    *(" ▁", "Ġ", "č", "</s>", " <think>", "</think>", " token_id:7", "\\xe2", "\u200d", "�", " a"),
    *(" the", " the", "Once", "é", "[THINK]", '"', "\\", "\t", "\u2028", "data: x", "\r\n", "I"),
)
_NUMBERS: Final[tuple[Any, ...]] = (
    *(None, math.nan, math.inf, -math.inf, -9999.0, 0, 0.7, "x", True, 10**400, [], -1e-9),
)
_BYTES: Final[tuple[Any, ...]] = (None, None, [], [0xEF, 0xBF, 0xBD], [300], "x", 7, [65])
_NOISE: Final = (
    *(b": OPENROUTER PROCESSING", b"data: : PROCESSING", b"data:", b"data: ", b"retry: 10"),
    *(b"id: 3", b"event: ping", b"event: message", b":", b"unknown: x", b"data"),
)
_THOUGHT: Final = ("Let me see", " 1 + 1", "\n", " is 2", "</s>")


def make_stream(dice: random.Random) -> bytes:
    """Make one stream: what it begins with, its text, and the parts in which it arrives."""
    tokens = [dice.choice(_TOKENS) for _ in range(dice.choice((0, 1, 2, 4, 8, 20)))]
    if "".join(tokens).lstrip().startswith(("<", "[")):
        tokens.insert(0, "The")
    partial = "".join(dice.choice(_TOKENS) for _ in range(dice.randrange(6)))
    tagged = dice.choice(("", "", "", "<think>", "<thinking>", "[THINK]"))
    if tagged:  # what stands between thinking and answer belongs to neither
        tokens = ["".join(tokens).lstrip()]
    text = "".join(tokens)
    # A content that begins like a repetition cannot be told from one.
    stem = partial.strip()
    if not stem or stem[0] in "<[" or text.strip().startswith(stem):
        partial = ""
    chunks = [{"choices": [choice]} for choice in _choices(dice, tokens, partial, tagged)]
    body = base64.b64encode(_framed(dice, chunks)).decode()
    return json.dumps({"partial": partial, "text": text, "body": body}).encode()


def _choices(
    dice: random.Random, tokens: Sequence[str], partial: str, tagged: str
) -> list[dict[str, Any]]:
    raw = dice.random() < 0.15
    choices = [_choice(dice, piece, [], raw=raw) for piece in _thoughts(dice, tagged, partial)]
    if not raw and dice.random() < 0.3:
        field = dice.choice(("reasoning_content", "reasoning", "thinking"))
        for piece in _THOUGHT[: dice.randrange(5)]:
            delta = {"content": dice.choice((None, "")), field: piece}
            choices.append({"delta": delta, "logprobs": {"content": [_entry(dice, piece)]}})
    if partial and not tagged and dice.random() < 0.3:
        choices.append({**_choice(dice, partial, [], raw=raw), "logprobs": None})
    pieces = _cut(dice, tokens)
    told = _planned(dice, [own for _, own in pieces])
    for (piece, _), names in zip(pieces, told, strict=True):
        choices.append(_choice(dice, piece, [_entry(dice, name) for name in names], raw=raw))
        if dice.random() < 0.05:
            choices.append({**_choice(dice, " other", [], raw=raw), "index": 1})
    if dice.random() < 0.3:
        choices.append(_choice(dice, "", [_entry(dice, "<|im_end|>")], raw=raw))
    reason = dice.choice(("stop", "length", "eos", None))
    if reason or dice.random() < 0.5:
        choices.append({**_choice(dice, "", [], raw=raw), "finish_reason": reason})
    return choices


def _planned(dice: random.Random, own: list[list[str]]) -> list[list[str]]:
    """Return the tokens whose entries come with each piece of the content."""
    so_far = list(itertools.accumulate(own))
    plans: tuple[Callable[[int], list[str]], ...] = (
        lambda i: own[i],
        lambda i: own[i],
        lambda _: [],
        lambda i: own[i] if dice.random() < 0.5 else [],
        lambda i: so_far[i] if i == len(own) - 1 else [],
        lambda i: so_far[i],
        lambda i: own[i - 1] if i else [],
        lambda i: own[i + 1] if i + 1 < len(own) else [],
        lambda i: own[i] * 2,
        lambda _: [dice.choice(_TOKENS) for _ in range(dice.randrange(3))],
    )
    plan = dice.choice(plans)
    return [plan(i) for i in range(len(own))]


def _thoughts(dice: random.Random, tagged: str, partial: str) -> list[str]:
    """Return a thinking between tags, cut anywhere."""
    if not tagged:
        return []
    closing = tagged.replace("<", "</").replace("[", "[/")
    inside = "".join(_THOUGHT[: dice.randrange(5)])
    before = "" if partial else dice.choice(("", "\n"))
    whole = before + tagged + inside + closing + dice.choice(("", "\n\n"))
    return _sliced(dice, whole)


def _sliced(dice: random.Random, text: str) -> list[str]:
    pieces = []
    while text:
        size = dice.choice((1, 2, 5, 50))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def _cut(dice: random.Random, tokens: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Cut content into pieces, each with the tokens that end in it."""
    way = dice.choice(("tokens", "tokens", "whole", "characters", "pairs"))
    if way == "whole":
        return [("".join(tokens), list(tokens))] if tokens else []
    if way == "characters":
        return [
            (character, [token] if place == len(token) - 1 else [])
            for token in tokens
            for place, character in enumerate(token)
        ]
    step = 2 if way == "pairs" else 1
    return [
        ("".join(tokens[i : i + step]), list(tokens[i : i + step]))
        for i in range(0, len(tokens), step)
    ]


def _choice(dice: random.Random, content: str, entries: list[Any], *, raw: bool) -> dict[str, Any]:
    if raw:
        listed = {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [{entry["token"]: entry["logprob"]} for entry in entries],
        }
        return {"text": content, "logprobs": listed if entries else None}
    shown: Any = content
    if dice.random() < 0.1:
        shown = [{"type": "text", "text": content}, {"type": "thinking", "thinking": []}]
    given: Any = {"content": entries} if entries else dice.choice((None, {}, {"content": None}))
    if not entries and content and dice.random() < 0.05:
        given = -0.25
    return {"index": 0, "delta": {"content": shown}, "logprobs": given, "finish_reason": None}


def _entry(dice: random.Random, token: str) -> dict[str, Any]:
    spelled = dice.choice((token, token, token, _misspell(dice, token)))
    data = list(token.encode()) if dice.random() < 0.6 else dice.choice(_BYTES)
    number = -3 * dice.random() if dice.random() < 0.8 else dice.choice(_NUMBERS)
    plain = {"token": spelled, "logprob": number, "bytes": data}
    others = [
        {"token": dice.choice(_TOKENS), "logprob": dice.choice((-1.0, *_NUMBERS)), "bytes": None}
        for _ in range(dice.randrange(3))
    ]
    return {**plain, "top_logprobs": dice.choice(([], None, [plain, *others], others, "x"))}


def _misspell(dice: random.Random, token: str) -> str:
    return dice.choice(
        (
            token.replace(" ", "▁"),
            token.replace(" ", "Ġ").replace("\n", "Ċ"),
            token.strip(),
            "�",
            "",
            "token_id:9707",
            dice.choice(_TOKENS),
            "bytes:\\xf0\\x9f",
        )
    )


def _framed(dice: random.Random, chunks: list[dict[str, Any]]) -> bytes:
    end = dice.choice((b"\n", b"\n", b"\r\n", b"\r"))
    noisy = dice.random() < 0.5
    body = b"\xef\xbb\xbf" if dice.random() < 0.2 else b""
    for chunk in chunks:
        while noisy and dice.random() < 0.3:
            body += dice.choice(_NOISE) + end * dice.choice((1, 2))
        escaped = dice.random() < 0.5
        data = json.dumps(chunk, ensure_ascii=escaped).encode("utf-8", "replace")
        body += dice.choice((b"data: ", b"data:")) + data + end * 2
    return body + dice.choice((b"data: [DONE]" + end * 2, b""))


def read_stream(data: bytes) -> None:
    """Read a case in pieces of all sizes, and hold its text against the content."""
    case = json.loads(data)
    body = base64.b64decode(case["body"])
    sizes = random.Random(len(body))  # noqa: S311 - how a network cuts
    parts = []
    while body:
        size = sizes.choice((1, 3, 40, 5000))
        parts.append(body[:size])
        body = body[size:]
    lines = _run_at_once(_collect(DataLines(_Parts(parts))))
    rows: list[CloudToken] = []
    reader = TokenReader(case["partial"])
    for event in lines.split(b"\n\n"):
        told = b"\n".join(line[5:] for line in event.split(b"\n") if line.startswith(b"data:"))
        if not told.strip() or told.strip() == b"[DONE]":
            continue
        for choice in json.loads(told)["choices"]:
            rows += reader.read(choice)
    rows += reader.close()
    text = b"".join(row.text_bytes for row in rows)
    assert text == case["text"].encode("utf-8", "replace"), "the text is not the content"
    check_rows(rows)


def check_rows(rows: Sequence[CloudToken]) -> None:
    """See that rows are distributions whose candidates are in order, and nothing after an end."""
    for row in rows:
        logprobs = [each.logprob for each in row.candidates]
        assert logprobs == sorted(logprobs, reverse=True), "candidates are not in order"
        assert all(-math.inf < each <= 0 for each in logprobs), "a log-probability is not one"
        assert sum(map(math.exp, logprobs)) < 1 + 1e-6, "more than all"
        assert all(bool(each.text_bytes) != each.end for each in row.candidates), "an empty token"
        assert any(each.text_bytes == row.text_bytes for each in row.candidates), "none is chosen"
    assert not any(row.end for row in rows[:-1]), "text after the end"


class _Parts(httpx2.AsyncByteStream):
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


async def _collect(stream: httpx2.AsyncByteStream) -> bytes:
    return b"".join([part async for part in stream])


def _run_at_once(work: Coroutine[Any, Any, bytes]) -> bytes:
    """Run what waits for nothing, without the cost of a loop for each case."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: bytes = finished.value
        return result
    raise AssertionError("it waits for something")
