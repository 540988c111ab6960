"""The bytes of a token, as far as an entry tells them; the text decides which spelling is meant.

Servers write a token as its exact bytes, as text, in GPT-2's alphabet (`Ġfar`), in SentencePiece's
(`▁far`), without the space that it begins with, as escapes, as a number, or not at all.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Any, Final

from floe.cloud.protocol.choices import Entry

_END_SPELLINGS: Final = frozenset(
    {
        "<|im_end|>",
        "<|endoftext|>",
        "</s>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end_of_text|>",
        "<end_of_turn>",
        "<|end|>",
        "<eos>",
        "<|return|>",
        "<|end_of_turn|>",
        "<|END_OF_TURN_TOKEN|>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    }
)
_CONTROL: Final = re.compile(r"<[^<>\s]{1,60}>|\[[A-Z_/]{1,30}\]")
"""What a control token without text looks like."""
_NUMBER: Final = re.compile(r"token_id:\d+")
"""vLLM with `return_tokens_as_token_ids`."""
_REPLACEMENT: Final = "�".encode()
_SPACE: Final = "\u2581"
_ESCAPES: Final = re.compile(r"(?:\\x[89a-fA-F][0-9a-fA-F])+|(?:<0x[0-9a-fA-F]{2}>)+")
_ESCAPE: Final = re.compile(rb"\\x([0-9a-fA-F]{2})|<0x([0-9a-fA-F]{2})>")
_MAX_TOKEN_BYTES: Final = 1024
"""Bytes; no vocabulary has a longer one."""


class TokenEncoding(Enum):
    """A way of writing tokens."""

    EXACT = auto()
    """The bytes as they are given."""
    PLAIN = auto()
    """The token's text; escapes are undone."""
    GPT2 = auto()
    SENTENCEPIECE = auto()
    SPACELESS = auto()
    """The space that a word begins with has been lost, so that nobody knows which had one."""


def _gpt2_alphabet() -> dict[str, int]:
    """Return the byte of each character that GPT-2's `bytes_to_unicode` writes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + i): byte for i, byte in enumerate(hidden)
    }


_GPT2: Final = _gpt2_alphabet()


def is_end(entry: Entry) -> bool:
    """Return whether a token ends the text.

    A token without text or bytes is one only for llama-server, which writes ids beside them:
    elsewhere it is a piece of a character.
    """
    token, given = entry.get("token"), entry.get("bytes")
    if not isinstance(token, str):
        return False
    if token in _END_SPELLINGS:
        return True
    if given != []:
        return False
    return bool(_CONTROL.fullmatch(token)) or (not token and "id" in entry)


def is_textless(entry: Entry) -> bool:
    """Return whether a token has no text at all; it may be an end or a piece of a character."""
    return not entry.get("token") and not entry.get("bytes")


def spell(entry: Entry, spelling: TokenEncoding) -> bytes | None:
    """Return the bytes of a token in one spelling; None if it does not tell them."""
    data: bytes | None
    token = entry.get("token")
    if isinstance(token, str) and _NUMBER.fullmatch(token):
        return None
    if spelling is TokenEncoding.EXACT:
        data = read_bytes(entry.get("bytes"))
    else:
        data = _decode_token(token, spelling) if isinstance(token, str) else None
    if not data or _REPLACEMENT in data or len(data) > _MAX_TOKEN_BYTES:
        return None
    return data


def spell_candidate(entry: Entry, spelling: TokenEncoding) -> bytes | None:
    """Return the bytes of a candidate in a row whose chosen token has this spelling."""
    if spelling is TokenEncoding.SPACELESS:
        return None
    data = spell(entry, spelling)
    if data is None and spelling is TokenEncoding.EXACT:
        data = spell(entry, TokenEncoding.PLAIN)
    return data


def spellings(entry: Entry, likely: TokenEncoding) -> Iterator[tuple[bytes, TokenEncoding]]:
    """Yield the bytes that a token may have, the likely ones first, each once."""
    seen = set()
    for spelling in (TokenEncoding.EXACT, likely, *TokenEncoding):
        data = spell(entry, spelling)
        if data is not None and data not in seen:
            seen.add(data)
            yield data, spelling


def detect_spelling(entry: Entry, tops: Sequence[Entry]) -> TokenEncoding | None:
    """Find out how tokens without bytes are spelled, from a row that can tell.

    `č` may be a letter or a carriage return; but GPT-2's spelling has no white space, and among
    twenty candidates there is nearly always one with a space.
    """
    if spell(entry, TokenEncoding.EXACT) is not None:
        return None
    tokens = [str(each.get("token")) for each in (entry, *tops)]
    if any(character in token for token in tokens for character in " \n\t"):
        return TokenEncoding.PLAIN
    if any(token.startswith("Ġ") or "Ċ" in token for token in tokens):
        return TokenEncoding.GPT2
    return TokenEncoding.SENTENCEPIECE if any(_SPACE in token for token in tokens) else None


def _decode_token(token: str, spelling: TokenEncoding) -> bytes | None:
    # OpenAI's own spelling of pieces of characters: `bytes: \xf0\x9f`.
    if token.startswith("bytes:") and "\\x" in token:
        return _unescape(token.removeprefix("bytes:"))
    if _ESCAPES.fullmatch(token):
        return _unescape(token)
    if spelling is TokenEncoding.GPT2:
        # A token with another character is none of this spelling's: it stands for itself.
        if all(character in _GPT2 for character in token):
            return bytes(_GPT2[character] for character in token)
    elif spelling is TokenEncoding.SENTENCEPIECE:
        token = token.replace(_SPACE, " ")
    elif spelling is TokenEncoding.SPACELESS and token:
        token = " " + token
    return token.encode("utf-8", "replace")


def _unescape(token: str) -> bytes:
    return _ESCAPE.sub(
        lambda found: bytes([int(found[1] or found[2], 16)]), token.encode("utf-8", "replace")
    )


def read_bytes(given: Any) -> bytes | None:
    """Read the bytes that a token is said to have; None if it is no list of them.

    `bytes` would make as many zeros of a number.
    """
    if not isinstance(given, list | tuple):
        return None
    try:
        return bytes(given)
    except (TypeError, ValueError, OverflowError):
        return None
