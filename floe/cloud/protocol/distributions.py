"""Chunks of the OpenAI protocol read as tokens of exact bytes; knows nothing of HTTP.

Servers spell a token in different ways (design.md section 5). What comes out of here is exact
bytes, or nothing: a candidate whose bytes are lost is left to the tail of the distribution.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from floe.records import Candidate, CloudToken

CONFIDENCE_WITHOUT_LOGPROBS: Final = 0.8
"""Probability given to a token of a server that does not report any."""
CONFIDENCE_OF_BARE_STOP: Final = 0.9
"""Probability given to a stop that came as `finish_reason` alone, without an entry."""

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
_STOPS: Final = frozenset({"stop", "eos"})
"""The model ended its answer; `eos` is what some servers say instead."""
_REPLACEMENT: Final = "�".encode()
_PLACEHOLDER_LOGPROB: Final = -9998.0
"""At or below it a log-probability is a placeholder: OpenAI writes -9999, others -inf."""
_FLOOR_LOGPROB: Final = -30.0
"""Stands in for the placeholder of a chosen token, which has to stay among the candidates."""
_MAX_TOKEN_BYTES: Final = 1024
"""Bytes; no vocabulary has a longer one."""
_MAX_CANDIDATES: Final = 100
_ESCAPES: Final = re.compile(r"(?:\\x[89a-fA-F][0-9a-fA-F])+|(?:<0x[0-9a-fA-F]{2}>)+")
_ESCAPE: Final = re.compile(rb"\\x([0-9a-fA-F]{2})|<0x([0-9a-fA-F]{2})>")


def _gpt2_alphabet() -> dict[str, int]:
    """Return the byte of each character that GPT-2's `bytes_to_unicode` writes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + i): byte for i, byte in enumerate(hidden)
    }


_GPT2: Final = _gpt2_alphabet()


def as_chat_choice(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Turn a choice of a raw completion, or of another dialect's chat, into one of OpenAI's chat.

    Raw completions have `text` for the delta and parallel lists for the log-probabilities;
    Together writes such lists in a chat too, or in a stream the chosen token's number alone.
    """
    given = choice.get("logprobs")
    listed = isinstance(given, Mapping) and given.get("content") is None and "tokens" in given
    if "text" not in choice and not listed and not isinstance(given, int | float):
        return choice
    content = choice.get("text") if "text" in choice else (choice.get("delta") or {}).get("content")
    entries: list[dict[str, Any]] = []
    if isinstance(given, int | float):
        entries = [_entry(content, given)] if content else []
    elif isinstance(given, Mapping) and listed:
        tokens = given["tokens"] or []
        tops = given.get("top_logprobs") or [None] * len(tokens)
        for token, logprob, top in zip(tokens, given["token_logprobs"], tops, strict=True):
            others = [_entry(other, value) for other, value in (top or {}).items()]
            entries.append({**_entry(token, logprob), "top_logprobs": others})
    elif isinstance(given, Mapping):
        entries = list(given.get("content") or ())  # llama-server: the same entries as in its chat
    return {
        "delta": {"content": content},
        "logprobs": {"content": entries},
        "finish_reason": choice.get("finish_reason"),
    }


def _entry(token: Any, logprob: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": None}


class TokenReader:
    """Reads the chunks of one stream in order.

    Attributes:
        finish_reason: what the server gave, None while it has not finished.
        ended: an end token has been returned; there will be no more tokens.
    """

    def __init__(self, partial: str) -> None:
        """Begin; `partial` is the beginning of the answer, which some servers repeat as content."""
        self.finish_reason: str | None = None
        self.ended = False
        self._partial = partial
        self._has_logprobs = False
        self._spelled = False
        self._held = ""
        self._lost_logprob: float | None = None

    @property
    def finished(self) -> bool:
        """No more tokens will come from here, whatever the server sends."""
        return self.ended or self.finish_reason is not None

    def read(self, choice: Mapping[str, Any]) -> list[CloudToken]:
        """Return tokens that one chunk's choice adds.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is not what the protocol says.
        """
        content = (choice.get("delta") or {}).get("content") or ""
        entries = (choice.get("logprobs") or {}).get("content") or []
        tokens: list[CloudToken] = []
        if entries:
            self._has_logprobs = True
            for entry in entries:
                token = self._read_entry(entry)
                if token is not None and not self.ended:
                    tokens.append(token)
                    self.ended = token.end
        elif content and not self._has_logprobs:
            tokens += self._read_plain(content)
        if self._lost_logprob is not None and content and not self.ended:
            tokens += self._recover(content.encode().removeprefix(_join_bytes(tokens)))
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
            tokens += self._finish()
        return tokens

    def _read_entry(self, entry: Mapping[str, Any]) -> CloudToken | None:
        """One token, or None while the bytes of the chosen token are not known."""
        tops = (entry.get("top_logprobs") or [])[:_MAX_CANDIDATES]
        self._detect_spelling(entry, tops)
        chosen = self._token_bytes(entry)
        merged: dict[tuple[bytes, bool], float] = {}
        seen = set()
        for top in tops:
            text, logprob = self._token_bytes(top), _read_logprob(top)
            if text is None or len(text[0]) > _MAX_TOKEN_BYTES or logprob <= _PLACEHOLDER_LOGPROB:
                continue
            # Some servers list the chosen token twice; the same probability is not added again.
            if (top["token"], text, logprob) in seen:
                continue
            seen.add((top["token"], text, logprob))
            known = merged.get(text)
            merged[text] = logprob if known is None else _add(known, logprob)
        if chosen is not None and len(chosen[0]) > _MAX_TOKEN_BYTES:
            raise ValueError("a token that no vocabulary has")
        chosen_logprob = _read_logprob(entry)
        if chosen_logprob <= _PLACEHOLDER_LOGPROB:
            chosen_logprob = _FLOOR_LOGPROB
        if chosen is None or (self._lost_logprob is not None and not chosen[1]):
            self._lost_logprob = (self._lost_logprob or 0.0) + chosen_logprob
            return None
        merged.setdefault(chosen, chosen_logprob)
        ranked = sorted(merged.items(), key=lambda item: -item[1])
        candidates = tuple(Candidate(key[0], logprob, key[1]) for key, logprob in ranked)
        return CloudToken(chosen[0], candidates, chosen[1])

    def _detect_spelling(self, entry: Mapping[str, Any], tops: list[Mapping[str, Any]]) -> None:
        """Find out whether tokens come in GPT-2's spelling, from entries that can tell.

        `č` may be a letter or a carriage return; but that spelling has no white space, and among
        twenty candidates there is nearly always one with a space. What an entry says is remembered.
        """
        if entry.get("bytes") is not None and not _lost_bytes(entry["bytes"]):
            return
        tokens = [entry["token"], *(top["token"] for top in tops)]
        if any(character in token for token in tokens for character in " \n\t"):
            self._spelled = False
        elif any(token.startswith("Ġ") or "Ċ" in token for token in tokens):
            self._spelled = True

    def _token_bytes(self, entry: Mapping[str, Any]) -> tuple[bytes, bool] | None:
        """Return (bytes, whether it is an end) of a token; None if its bytes are lost."""
        token, given = entry["token"], entry.get("bytes")
        if token in _END_SPELLINGS:
            return b"", True
        if given is not None:
            data = read_bytes(given)
            if not data:
                return b"", True
            if _REPLACEMENT not in data:
                return data, False
        data = self._decode_token(token)
        # An empty token without bytes is a piece of a character that the server left out.
        return None if not data or _REPLACEMENT in data else (data, False)

    def _decode_token(self, token: str) -> bytes:
        # OpenAI's own spelling of pieces of characters: `bytes: \xf0\x9f`.
        if token.startswith("bytes:") and "\\x" in token:
            return _unescape(token.removeprefix("bytes:"))
        if _ESCAPES.fullmatch(token):
            return _unescape(token)
        if self._spelled and all(character in _GPT2 for character in token):
            return bytes(_GPT2[character] for character in token)
        return token.encode("utf-8", "replace")

    def _read_plain(self, content: str) -> list[CloudToken]:
        """Return tokens of a server that has sent no log-probabilities so far.

        The first content of a continuation is held back: if tokens follow, it was the server's
        repetition of the partial message.
        """
        if self._partial and not self._held:
            self._held = content
            return []
        tokens = self._flush_held()
        self._partial = ""
        return [*tokens, _plain_token(content)]

    def _flush_held(self) -> list[CloudToken]:
        text = self._held.removeprefix(self._partial)
        self._held = ""
        return [_plain_token(text)] if text else []

    def _recover(self, data: bytes) -> list[CloudToken]:
        """Return the character whose pieces came as U+FFFD, once the server's text has it whole."""
        if not data or _REPLACEMENT in data or self._lost_logprob is None:
            return []
        logprob = min(self._lost_logprob, 0.0)
        self._lost_logprob = None
        return [CloudToken(data, (Candidate(data, logprob),))]

    def _finish(self) -> list[CloudToken]:
        tokens = [] if self._has_logprobs else self._flush_held()
        if self.finish_reason in _STOPS and not self.ended:
            self.ended = True
            stop = Candidate(b"", math.log(CONFIDENCE_OF_BARE_STOP), end=True)
            tokens.append(CloudToken(b"", (stop,), end=True))
        return tokens


def _plain_token(text: str) -> CloudToken:
    data = text.encode("utf-8", "replace")
    return CloudToken(data, (Candidate(data, math.log(CONFIDENCE_WITHOUT_LOGPROBS)),))


def _unescape(token: str) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1] or found[2], 16)]), token.encode())


def _join_bytes(tokens: list[CloudToken]) -> bytes:
    return b"".join(token.text_bytes for token in tokens)


def _read_logprob(entry: Mapping[str, Any]) -> float:
    """Read a log-probability, at most 0; what is no number at all counts as a placeholder.

    Raises:
        TypeError, ValueError: it is none.
    """
    try:
        logprob = float(entry["logprob"])
    except OverflowError:
        raise ValueError("a log-probability is far too large") from None
    return -math.inf if math.isnan(logprob) else min(logprob, 0.0)


def read_bytes(given: Any) -> bytes:
    """Read the bytes that a token is said to have.

    Raises:
        TypeError, ValueError: it is no list of them. `bytes` would make as many zeros of a number.
    """
    if not isinstance(given, list | tuple):
        raise TypeError("the bytes of a token are no list")
    return bytes(given)


def _lost_bytes(given: Any) -> bool:
    return _REPLACEMENT in read_bytes(given)


def _add(first: float, second: float) -> float:
    """Return the log of the sum of two probabilities."""
    high, low = max(first, second), min(first, second)
    return min(high + math.log1p(math.exp(low - high)), 0.0)
