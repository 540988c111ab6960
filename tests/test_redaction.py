"""Random keys in every form that a server may repeat them in: none comes through."""

import base64
import html
import json
import logging
import random
import string
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.redaction import KNOWN_SECRETS, MASK, RedactingFormatter, Redactor, SecretScanner
from tests.tiers import examples

KEYS = st.text(string.ascii_letters + string.digits + "-_.~+/=", min_size=16, max_size=80).filter(
    lambda key: sum(map(str.isalnum, key)) >= 12
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=60)


def split_by(separator: str) -> Callable[[str], str]:
    return separator.join


def escape(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(pattern % ord(character) for character in text)


FORMS: dict[str, Callable[[str], str]] = {
    "clear": str,
    "upper": str.upper,
    "lower": str.lower,
    "reversed": lambda key: key[::-1],
    "a header": lambda key: f"Authorization: Bearer {key}",
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "hex with colons": lambda key: key.encode().hex(":"),
    "hex with blanks": lambda key: key.encode().hex(" "),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after one": lambda key: base64.b64encode(b"a" + key.encode() + b"z").decode(),
    "base64 after two": lambda key: base64.b64encode(b"ab" + key.encode() + b"yz").decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64url": lambda key: base64.urlsafe_b64encode(b":" + key.encode()).decode().rstrip("="),
    "base64 in lines": lambda key: base64.encodebytes(b"x" * 40 + key.encode()).decode(),
    "base64 in a URL": lambda key: urllib.parse.quote(
        base64.b64encode(key.encode()).decode(), safe=""
    ),
    "base64 in JSON": lambda key: (
        base64.b64encode(key.encode()).decode().replace("/", "\\/").replace("+", "\\u002b")
    ),
    "percent": escape("%%%02X"),
    "percent twice": lambda key: urllib.parse.quote(escape("%%%02x")(key)),
    "percent where needed": lambda key: urllib.parse.quote(key, safe=""),
    "JSON escapes": escape("\\u%04x"),
    "JSON in JSON": lambda key: json.dumps(json.dumps(escape("\\u%04x")(key))),
    "Python escapes": escape("\\x%02x"),
    "HTML escapes": escape("&#%d;"),
    "HTML hex escapes": escape("&#x%X;"),
    "HTML": html.escape,
    "blanks": split_by(" "),
    "line breaks": split_by("\r\n"),
    "escaped line breaks": split_by("\\n"),
    "soft hyphens": split_by("\u00ad"),
    "zero width": split_by("\u200b"),
    "dashes": split_by("-"),
}


def pieces(key: str) -> set[str]:
    """What must not be read in what is left: pieces of twelve letters of the key."""
    letters = "".join(filter(str.isalnum, key)).lower()
    return {letters[i : i + 12] for i in range(len(letters) - 11)}


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=examples(60))
@given(key=KEYS, before=WORDS, after=WORDS)
def test_no_form_of_a_key_comes_through(form: str, key: str, before: str, after: str) -> None:
    redactor = Redactor([key])
    written = FORMS[form](key)
    text = f"{before} {written} {after}"
    assert redactor.holds(text)
    clean = redactor.redact(text, 10_000)
    assert MASK in clean
    assert written not in clean
    assert not redactor.holds(clean.replace(MASK, "\n\n\x00\n"))
    left = "".join(filter(str.isalnum, clean)).lower()
    assert not any(piece in left for piece in pieces(key))


@settings(deadline=None)
@given(key=KEYS, text=st.text(max_size=400))
def test_other_text_stays_as_it_is(key: str, text: str) -> None:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    redactor = Redactor([key])
    if not redactor.holds(plain):
        assert redactor.redact(text, 1000) == plain


def test_sentences_of_servers_stay_readable() -> None:
    redactor = Redactor(["sk-proj-" + "aB3" * 12])
    for sentence in (
        "Incorrect API key provided: sk-proj-****aB3a. You can find your key at example.com.",
        "'logprobs' is not supported with this model",
        "This model's maximum context length is 4096 tokens; you asked for 5000.",
    ):
        assert redactor.redact(sentence) == sentence


def test_short_keys_are_found_where_they_stand() -> None:
    assert Redactor(["hunter2"]).redact("wrong: hunter2!") == f"wrong: {MASK}!"
    assert Redactor(["none"]).redact("no need") == "no need"
    for nothing in ("", "  ", "abc"):
        assert Redactor([nothing]).redact("abc and nothing") == "abc and nothing"


@settings(deadline=None, max_examples=examples(50))
@given(st.integers(0, 40_000), st.sampled_from(sorted(FORMS)), st.integers(0, 2**32))
def test_foreign_text_is_short_wherever_the_key_lies(place: int, form: str, seed: int) -> None:
    dice = random.Random(seed)
    key = "".join(dice.choices(string.ascii_letters + string.digits, k=40))
    written = FORMS[form](key)
    text = "y" * place + written + "y" * 20_000
    redactor = Redactor([key])
    for limit in (20, 300, 5_000):
        clean = redactor.redact(text, limit)
        assert len(clean) <= limit
        assert not redactor.holds(clean.replace(MASK, "\n\n"))


def test_many_masks_do_not_bring_the_cut_into_view() -> None:
    key = "".join(random.Random(1).choices(string.ascii_letters, k=40))
    for fill in range(60):
        clean = Redactor([key]).redact("z" * fill + key * 2000, 300)
        assert key[:8] not in clean
        assert key[-8:] not in clean


@settings(deadline=None)
@given(key=KEYS, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=100))
def test_a_stream_is_stopped_before_the_key_is_out(key: str, cuts: list[int]) -> None:
    scanner = SecretScanner(Redactor([key]))
    text = f"The key is {key}. It is a nice key."
    passed, at = "", 0
    for size in (*cuts, *([3] * len(text))):
        piece = text[at : at + size]
        at += size
        if scanner.scan(piece):
            break
        passed += piece
    assert key not in passed
    letters = "".join(filter(str.isalnum, passed)).lower()
    assert not any(piece in letters for piece in pieces(key))


def test_the_log_is_kept_clean_with_its_traces() -> None:
    key = "log-" + "".join(random.Random(2).choices(string.ascii_letters, k=30))
    KNOWN_SECRETS.add(key)
    formatter = RedactingFormatter("%(levelname)s %(message)s")
    encoded = base64.b64encode(key.encode()).decode()
    error = ValueError(f"header Bearer {key} as {encoded}")
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, f"failed: %s {key}", (key,), (ValueError, error, None)
    )
    line = formatter.format(record)
    assert key not in line
    assert encoded not in line
    assert line.startswith(f"ERROR failed: {MASK}")
    assert "ValueError" in line
    assert key not in repr(KNOWN_SECRETS)
