"""Chunks of the OpenAI protocol read as tokens of exact bytes; knows nothing of HTTP.

One rule: the text is the content, and an entry gives probabilities for the bytes of the text that
it spells. A running difference holds the two against each other: text without an entry becomes a
plain row, an entry without text (thinking, a double) is left out, and what may still come is
waited for. A candidate whose bytes are lost is left to the tail of the distribution.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from floe.cloud.protocol.choices import (
    Entry,
    ThinkingFilter,
    is_first,
    read_choice,
    read_logprob,
    tops_of,
)
from floe.cloud.protocol.spelling import (
    TokenEncoding,
    detect_spelling,
    is_end,
    is_textless,
    spell,
    spell_candidate,
    spellings,
)
from floe.records import Candidate, CloudToken

CONFIDENCE_WITHOUT_LOGPROBS: Final = 0.8
"""Probability given to a token of a server that does not report any."""
CONFIDENCE_OF_BARE_STOP: Final = 0.9
"""Probability given to a stop that came as `finish_reason` alone, without an entry."""

_STOPS: Final = frozenset({"stop", "eos", "eos_token", "end_turn"})
"""The model ended its answer; only the first is OpenAI's."""
_PLACEHOLDER_LOGPROB: Final = -9998.0
"""At or below it a log-probability is a placeholder: OpenAI writes -9999, others -inf."""
_FLOOR_LOGPROB: Final = -30.0
"""Stands in for the placeholder of a chosen token, which has to stay among the candidates."""
_MAX_ENTRIES: Final = 8192
"""Of one chunk; the longest answer of a server that sends all at once has fewer."""
_MAX_WAITING: Final = 256
"""Entries that wait for their text; no server is so far ahead of itself."""
_MAX_PLACES: Final = 8
"""Places that an entry is tried at after a mismatch."""
_MAX_FOLLOWING: Final = 8
"""Entries that have to fit from there on."""
_WINDOW: Final = 4096
"""Bytes in which such places are looked for."""
_LONG_PARTIAL: Final = 16
"""Characters; no continuation repeats so much of the answer by chance."""
_LONG_TOKEN: Final = 32
"""Bytes; of text without entries so many count as a token, and a longer piece as one too."""


class TokenReader:
    """Reads the chunks of one stream in order.

    Attributes:
        finish_reason: what the server gave, None while it has not finished.
        ended: an end token has been returned; there will be no more tokens.
        thinking: pieces of thinking so far, which are no part of the answer.
        repeated: the server repeated the beginning of the answer; it was taken out.
    """

    def __init__(self, partial: str, *, repeats: bool | None = None) -> None:
        """Begin.

        Args:
            partial: the beginning of the answer, which some servers repeat as content.
            repeats: whether this one does; None: not known.
        """
        self.finish_reason: str | None = None
        self.ended = False
        self.thinking = 0
        self.repeated = False
        self._partial = partial
        self._repeats = repeats
        self._thinking_filter = ThinkingFilter(begun=bool(partial))
        self._aligner = _Aligner(begun=bool(partial))
        self._end: Entry | None = None

    @property
    def finished(self) -> bool:
        """No more tokens will come from here, whatever the server sends."""
        return self.ended or self.finish_reason is not None

    @property
    def count(self) -> float:
        """Tokens so far, thinking included; where there are no entries, at least so many."""
        return self._aligner.count + self.thinking

    def read(self, choice: Mapping[str, Any]) -> list[CloudToken]:
        """Return tokens that one chunk's choice adds.

        Raises:
            TypeError, AttributeError: it is no choice at all.
        """
        if self.finished or not is_first(choice):
            return []
        text, thinking, entries, reason = read_choice(choice)
        if text and self._partial:
            text = self._without_partial(text, entries)
        if text:
            text, tagged = self._thinking_filter.filter(text)
            thinking += tagged
        self.thinking += bool(thinking)
        if thinking and not text:
            # They spell what nobody is shown, as all that waits does.
            entries = ()
            self._aligner.forget()
        tokens = self._add(entries[:_MAX_ENTRIES], text)
        if reason:
            self.finish_reason = reason
            tokens += self.close()
        return tokens

    def close(self) -> list[CloudToken]:
        """Return what was held back, and the end: nothing more will come."""
        held = self._thinking_filter.flush()
        tokens = self._aligner.add((), held.encode("utf-8", "replace"))
        tokens += self._aligner.flush()
        stopped = self.finish_reason in _STOPS
        if not self.ended and (stopped or (self.finish_reason is None and self._end is not None)):
            self.ended = True
            tokens.append(self._aligner.end_row(self._end))
        return tokens

    def _add(self, entries: Sequence[Entry], text: str) -> list[CloudToken]:
        if text:
            self._end = None  # it was the end of the thinking, or of what came before the answer
        spelled: list[Entry] = []
        for entry in entries:
            self._end = entry if is_end(entry) else None
            if self._end is None:
                spelled.append(entry)
        return self._aligner.add(spelled, text.encode("utf-8", "replace"))

    def _without_partial(self, text: str, entries: Sequence[Entry]) -> str:
        """Return the first text without a repetition of the answer's beginning.

        A repetition comes in one piece and has no entries: one in many pieces is a new turn that
        says the same again, and what entries spell is the continuation itself.
        """
        partial, trimmed = self._partial, self._partial.strip()
        self._partial = ""
        plausible = self._repeats is not False or len(partial) >= _LONG_PARTIAL
        repeated = text.startswith(partial) or (trimmed and text.strip() == trimmed)
        spelled = self._aligner.spells(entries, text.encode("utf-8", "replace"))
        if not plausible or not repeated or spelled:
            return text
        self.repeated = True
        return text[len(partial) :]


class _Aligner:
    """The running difference: entries that wait for their text, and text for the rest of it."""

    def __init__(self, *, begun: bool) -> None:
        """`begun`: the answer has begun already, so that its first space is not left out."""
        self._begun = begun
        self._waiting: deque[Entry] = deque()
        self._text = b""
        self._at = 0
        self._written = bytearray()
        self._unpaid = bytearray()
        self._spelling = TokenEncoding.PLAIN
        self._exact = True
        self._textless: Entry | None = None
        self.count = 0.0

    def forget(self) -> None:
        """Let go of the entries that wait."""
        self._waiting.clear()

    def add(self, entries: Sequence[Entry], text: bytes) -> list[CloudToken]:
        """Return rows for all text that need not wait for more."""
        self._text += text
        self._waiting.extend(entries[self._count_doubles(entries) :])
        rows: list[CloudToken] = []
        while self._at < len(self._text):
            if not self._waiting:
                rows.append(self._take_plain(len(self._text)))
                break
            found = self._match(self._waiting[0], self._text, self._at)
            if found is None:
                rows += self._resynchronise()
            elif self._at + len(found[0]) > len(self._text):
                break
            else:
                rows.append(self._take_row(self._waiting.popleft(), *found))
        self._text = self._text[self._at :]
        self._at = 0
        while len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft()
        return rows

    def flush(self) -> list[CloudToken]:
        """Return the text that has waited in vain."""
        last = self._waiting[-1] if self._waiting else None
        self._textless = last if last is not None and is_textless(last) else None
        self._waiting.clear()
        return [self._take_plain(len(self._text))] if self._text else []

    def end_row(self, entry: Entry | None) -> CloudToken:
        """Return the row of the end; None: it has no entry of its own."""
        if entry is None:
            # llama-server's end token has no spelling; elsewhere such an entry has had its text.
            entry = self._textless
        bare = Candidate(b"", math.log(CONFIDENCE_OF_BARE_STOP), end=True)
        candidates: tuple[Candidate, ...] = ()
        if entry is not None:
            exact = self._exact and entry.get("bytes") is not None
            spelling = TokenEncoding.EXACT if exact else self._spelling
            candidates = _merge_candidates(entry, b"", spelling, end=True)
        return CloudToken(b"", candidates or (bare,), end=True)

    def spells(self, entries: Sequence[Entry], text: bytes) -> bool:
        """Return whether entries, beginning with the first, spell the beginning of a text."""
        return bool(entries) and self._follows(entries, text, 0)

    def _match(self, entry: Entry, text: bytes, at: int) -> tuple[bytes, TokenEncoding] | None:
        """Return how an entry spells what stands at a place, or begins with all that does."""
        beginning = None
        for data, spelling in self._spellings(entry):
            if text.startswith(data, at):
                return data, spelling
            if beginning is None and data.startswith(text[at : at + len(data)]):
                beginning = data, spelling
        return beginning

    def _spellings(self, entry: Entry) -> Iterator[tuple[bytes, TokenEncoding]]:
        for data, spelling in spellings(entry, self._spelling):
            yield data, spelling
            # The space before the first word of an answer is often left out of the text.
            if not self._begun and not self._written and data.startswith(b" ") and len(data) > 1:
                yield data[1:], spelling

    def _follows(self, entries: Iterable[Entry], text: bytes, at: int) -> bool:
        """Return whether entries spell the text one after the other, as far as both go."""
        for entry in entries:
            found = self._match(entry, text, at)
            if found is None:
                return False
            at += len(found[0])
            if at >= len(text):
                return True
        return True

    def _count_doubles(self, entries: Sequence[Entry]) -> int:
        """Return how many entries, from the first on, spell what has been written already.

        Some servers send the entries of all tokens again with each chunk, or with the last one.
        """
        if not entries or not self._written or (self._waiting and not self._unpaid):
            return 0
        likely = [next((data for data, _ in self._spellings(e)), b"") for e in entries]
        joined = b"".join(likely)
        if joined == self._text:
            return 0
        if not self._text:
            # One entry alone may be that of a token whose text is still to come.
            written = self._unpaid if len(entries) == 1 else self._written
            return len(entries) if joined and written.endswith(joined) else 0
        place = 0
        for count, data in enumerate(likely[:-1], 1):
            place += len(data)
            if place > len(self._written):
                break
            spells_text = self._text.startswith(joined[place : place + len(self._text) + 1])
            if place and spells_text and self._written.endswith(joined[:place]):
                return count
        return 0

    def _resynchronise(self) -> list[CloudToken]:
        """Find where text and entries go on together, and leave out what is before.

        Text in between belongs to the entries in between if their bytes are not told (pieces of
        characters that came as U+FFFD, tokens that came as numbers).
        """
        tried = list(islice(self._waiting, _MAX_WAITING))
        window = self._text[self._at : self._at + _WINDOW]
        count, place = len(tried), len(self._text) - self._at
        if len(self._waiting) > len(tried):
            place = 0
        for index in range(len(tried)):
            found = self._find(tried[index : index + _MAX_FOLLOWING], window)
            if found is not None:
                count, place = index, found
                break
        for _ in range(count):
            self._waiting.popleft()
        if not place:
            return []
        untold = [entry for entry in tried[:count] if not any(self._spellings(entry))]
        numbers = [read_logprob(entry.get("logprob")) for entry in untold]
        if not numbers or not all(map(math.isfinite, numbers)):
            return [self._take_plain(place)]
        data = self._take(place)
        self.count += len(numbers)
        return [CloudToken(data, (Candidate(data, max(sum(numbers), _FLOOR_LOGPROB)),))]

    def _find(self, entries: Sequence[Entry], window: bytes) -> int | None:
        """Return where in the window entries spell all that follows; None: nowhere."""
        for data, _ in self._spellings(entries[0]):
            place = window.find(data)
            for _ in range(_MAX_PLACES):
                if place < 0:
                    break
                if self._follows(entries, window, place):
                    return place
                place = window.find(data, place + 1)
        return None

    def _take(self, length: int) -> bytes:
        data = self._text[self._at : self._at + length]
        self._at += len(data)
        self._written += data
        return data

    def _take_plain(self, length: int) -> CloudToken:
        data = self._take(length)
        self._unpaid += data
        self.count += min(len(data) / _LONG_TOKEN, 1.0)
        return CloudToken(data, (_plain_candidate(data),))

    def _take_row(self, entry: Entry, data: bytes, spelling: TokenEncoding) -> CloudToken:
        unspaced = spell(entry, spelling) != data
        self._take(len(data))
        self._unpaid.clear()
        self.count += 1
        if spelling is not TokenEncoding.EXACT:
            self._exact = self._exact and spell(entry, TokenEncoding.EXACT) is None
            if self._spelling is TokenEncoding.SPACELESS:
                # Where some have lost their space, nobody knows of the others whether they had one.
                spelling = TokenEncoding.SPACELESS
            else:
                told = detect_spelling(entry, tops_of(entry))
                known = told if told is not None else self._spelling
                if spelling is not TokenEncoding.SPACELESS and spell(entry, known) == data:
                    spelling = known
            self._spelling = spelling
        elif not self._exact and spell(entry, self._spelling) == data:
            spelling = self._spelling
        candidates = _merge_candidates(entry, data, spelling, end=False, unspaced=unspaced)
        return CloudToken(data, candidates or (_plain_candidate(data),))


def _plain_candidate(data: bytes) -> Candidate:
    return Candidate(data, math.log(CONFIDENCE_WITHOUT_LOGPROBS))


def _merge_candidates(
    entry: Entry, data: bytes, spelling: TokenEncoding, *, end: bool, unspaced: bool = False
) -> tuple[Candidate, ...]:
    """Return distinct candidates, best first, with a mass of at most 1.

    Args:
        entry: of the chosen token.
        data: the chosen token's bytes.
        spelling: of the row.
        end: the chosen token is an end.
        unspaced: the text of this row has lost its first space.

    Returns:
        Nothing if the entry gives no number at all.
    """
    merged: dict[tuple[bytes, bool], float] = {}
    seen = set()
    for top in tops_of(entry):
        logprob = read_logprob(top.get("logprob"))
        is_chosen = all(top.get(name) == entry.get(name) for name in ("token", "bytes"))
        meant = (data, end) if is_chosen else _read_candidate(top, spelling, unspaced=unspaced)
        # Some servers list the chosen token twice; the same probability is not added again.
        again = (str(top.get("token")), meant, logprob) in seen
        if meant is None or again or not logprob > _PLACEHOLDER_LOGPROB:
            continue
        seen.add((str(top.get("token")), meant, logprob))
        merged[meant] = _add_logs(merged.get(meant, -math.inf), logprob)
    chosen = read_logprob(entry.get("logprob"))
    if math.isnan(chosen) and not merged:
        return ()
    merged.setdefault((data, end), chosen if chosen > _PLACEHOLDER_LOGPROB else _FLOOR_LOGPROB)
    total = -math.inf
    for logprob in merged.values():
        total = _add_logs(total, logprob)
    excess = max(total, 0.0)  # TGI's rows may add up to more than 1
    ranked = sorted(merged.items(), key=lambda item: -item[1])
    return tuple(Candidate(key[0], min(logprob - excess, 0.0), key[1]) for key, logprob in ranked)


def _read_candidate(
    top: Entry, spelling: TokenEncoding, *, unspaced: bool
) -> tuple[bytes, bool] | None:
    """Return the bytes of a candidate and whether it is an end; None if nobody can tell."""
    if is_end(top):
        return b"", True
    data = spell_candidate(top, spelling)
    if data is not None and unspaced:
        data = data.removeprefix(b" ")
    return (data, False) if data else None


def _add_logs(first: float, second: float) -> float:
    """Return the log of the sum of two probabilities."""
    high, low = max(first, second), min(first, second)
    return high + math.log1p(math.exp(low - high))
