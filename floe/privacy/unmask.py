"""The cloud's stream with the real words in place of placeholders, row by row.

The tokens of a placeholder come in several rows; they become one row whose bytes are the real
words and whose probability is that of the placeholder. So the local model, which knows the truth,
can be held against it, and where it prefers other words the stream is left as any other is.
Works on rows and bytes; knows neither detector nor store.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from floe.errors import CloudError
from floe.fusion.protocols import CloudStream
from floe.records import Candidate, CloudToken

_NAME_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_WORD_BYTES: Final = _NAME_BYTES | frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UNDERSCORE: Final = ord("_")
_ESCAPE: Final = ord("\\")
_JOINTS: Final = frozenset(b" -")
"""What models write in place of the underscore."""
_SHORTEST_BEGINNING: Final = 3
"""Bytes from which a candidate counts as the beginning of a placeholder, and not as a letter."""


class _Place(NamedTuple):
    """Place of a placeholder in the held bytes; `value` None: it may, more is needed."""

    start: int
    end: int
    value: bytes | None


class Unmasker:
    """Rows with placeholders in, rows with real words out."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        """`values`: real words by placeholder."""
        # The longest first: PERSON_1B before PERSON_1.
        self._values = dict(sorted(values.items(), key=lambda item: -len(item[0])))
        self._held: list[CloudToken] = []
        self._before = b""  # the byte before the held ones, as the cloud wrote it

    def add(self, rows: Iterable[CloudToken], *, ended: bool) -> list[CloudToken]:
        """Take rows that have arrived; those that may begin a placeholder wait for the next.

        Args:
            rows: in order.
            ended: no more will come.
        """
        done: list[CloudToken] = []
        for row in rows:
            if row.end:
                done += [*self._release(last=True), self._cleaned(row)]
            else:
                self._held.append(row)
                done += self._release(last=False)
        return [*done, *self._release(last=True)] if ended else done

    def _release(self, *, last: bool) -> list[CloudToken]:
        done: list[CloudToken] = []
        while self._held:
            place = self._first(_joined(self._held), last=last)
            skipped = place.start
            while self._held and len(self._held[0].text_bytes) <= skipped:
                skipped -= len(self._held[0].text_bytes)
                done.append(self._cleaned(self._held[0]))
                self._forget(1)
            if place.value is None:
                break
            done.append(self._merge(skipped, skipped + place.end - place.start, place.value))
        return done

    def _first(self, text: bytes, *, last: bool) -> _Place:
        """Find the first placeholder, or what may become one; the text's end if there is none."""
        for start in range(len(text)):
            before = text[start - 1 : start] if start else self._before
            if before and before[0] in _WORD_BYTES:
                continue
            for placeholder, value in self._values.items():
                end = _match(text, start, placeholder)
                if end is None or (end < len(text) and text[end] in _NAME_BYTES):
                    continue
                if end < len(text) or (last and end == len(text)):
                    return _Place(start, end, value)
                if not last:
                    return _Place(start, len(text), None)
        return _Place(len(text), len(text), None)

    def _merge(self, start: int, end: int, value: bytes) -> CloudToken:
        """One row for the held ones that spell bytes `start` to `end`; what follows stays held."""
        size, covered = 0, 0
        while covered < end:
            covered += len(self._held[size].text_bytes)
            size += 1
        rows = self._held[:size]
        text = _joined(rows)
        before = text[:start]
        needed = text[covered - len(rows[-1].text_bytes) : end]
        reached = sum(_logprob(row) for row in rows[:-1])
        rest, mass = _rest(rows[-1], needed)
        chosen = before + value
        merged = self._others(rows, before)
        merged[chosen] = reached + mass
        for candidate in self._cleaned(rows[0]).candidates:
            if candidate.text_bytes != rows[0].text_bytes and not candidate.end:
                merged.setdefault(candidate.text_bytes, candidate.logprob)
        ranked = sorted(merged.items(), key=lambda item: -item[1])
        ends = [candidate for candidate in rows[0].candidates if candidate.end]
        real = {before + value for value in self._values.values()}
        candidates = (
            *(Candidate(text, logprob, restored=text in real) for text, logprob in ranked),
            *ends,
        )
        self._forget(size)
        if rest is not None:
            self._held.insert(0, rest)
            self._before = text[end - 1 : end]
        return CloudToken(chosen, candidates, restored=True)

    def _others(self, rows: Sequence[CloudToken], before: bytes) -> dict[bytes, float]:
        """Placeholders that the cloud could have chosen instead, as real words."""
        found: dict[bytes, float] = {}
        said, logprob = b"", 0.0
        for row in rows:
            for candidate in row.candidates:
                name = (said + candidate.text_bytes)[len(before) :].replace(b"\\_", b"_")
                if name in self._values:
                    text = before + self._values[name]
                    value = logprob + candidate.logprob
                    found[text] = max(found.get(text, -math.inf), value)
            said += row.text_bytes
            logprob += _logprob(row)
        return found

    def _cleaned(self, row: CloudToken) -> CloudToken:
        """Return the row without candidates that would begin a placeholder in the text.

        A whole one counts as its real words; half of one cannot tell whose it is, and its
        probability is left to the tail, where the local model decides.
        """
        kept: dict[tuple[bytes, bool, bool], float] = {}
        for candidate in row.candidates:
            text: bytes | None = candidate.text_bytes
            if not candidate.end and text != row.text_bytes:
                text = self._real(candidate.text_bytes)
            if text is not None:
                key = text, candidate.end, text != candidate.text_bytes
                kept[key] = max(kept.get(key, -math.inf), candidate.logprob)
        candidates = tuple(
            Candidate(text, logprob, end, restored)
            for (text, end, restored), logprob in kept.items()
        )
        return CloudToken(row.text_bytes, candidates, row.end)

    def _real(self, text: bytes) -> bytes | None:
        """Return a candidate in real words; None if it is a piece of a placeholder."""
        lead = 0
        while lead < len(text) and text[lead] not in _WORD_BYTES:
            lead += 1
        before = text[lead - 1 : lead] if lead else self._before
        name = text[lead:].replace(b"\\_", b"_")
        if len(name) < _SHORTEST_BEGINNING or (before and before[0] in _WORD_BYTES):
            return text
        if name in self._values:
            return text[:lead] + self._values[name]
        return None if any(known.startswith(name) for known in self._values) else text

    def _forget(self, count: int) -> None:
        text = _joined(self._held[:count])
        self._before = text[-1:] or self._before
        del self._held[:count]


class UnmaskedStream:
    """A `CloudStream` that gives the rows of another one in real words."""

    def __init__(
        self,
        stream: CloudStream,
        values: Mapping[bytes, bytes],
        heard: Callable[[bytes], None],
        shown: Callable[[bytes], object],
    ) -> None:
        """Wrap `stream`.

        Args:
            stream: as the cloud sends it.
            values: real words by placeholder.
            heard: is told what the cloud itself has written.
            shown: is told the same in real words.
        """
        self._stream = stream
        self._unmasker = Unmasker(values)
        self._heard = heard
        self._shown = shown

    def poll(self) -> list[CloudToken]:
        """Rows that have arrived since the last call, in order."""
        ended = self._stream.ended  # asked before polling: nothing is overlooked
        rows = self._stream.poll()
        if rows:
            self._heard(_joined(rows))
        real = self._unmasker.add(rows, ended=ended)
        if real:
            self._shown(_joined(real))
        return real

    def wait(self, seconds: float) -> bool:
        """As the stream below."""
        return self._stream.wait(seconds)

    @property
    def ended(self) -> bool:
        """As the stream below."""
        return self._stream.ended

    @property
    def error(self) -> CloudError | None:
        """As the stream below."""
        return self._stream.error

    def close(self) -> None:
        """Cancel."""
        self._stream.close()


def _match(text: bytes, start: int, placeholder: bytes) -> int | None:
    """Match `placeholder` at `start`, in any case: the place where it ends.

    Markdown's backslash may stand before the underscore, a blank or a hyphen in place of it. One
    more than the length of the text if it breaks off there, None if it is not there.
    """
    at = start
    for byte in placeholder:
        if byte == _UNDERSCORE and at < len(text) and text[at] == _ESCAPE:
            at += 1
        if at >= len(text):
            return len(text) + 1
        if text[at : at + 1].upper()[0] != byte and not (
            byte == _UNDERSCORE and text[at] in _JOINTS
        ):
            return None
        at += 1
    return at


def _rest(row: CloudToken, needed: bytes) -> tuple[CloudToken | None, float]:
    """Cut off the first bytes of a row's token; also return the log mass that has those."""
    same = [
        c
        for c in row.candidates
        if not c.end
        and c.text_bytes.startswith(needed)
        and not _NAME_BYTES.issuperset(c.text_bytes[len(needed) : len(needed) + 1] or b" ")
    ]
    mass = math.log(math.fsum(math.exp(c.logprob) for c in same)) if same else 0.0
    beyond = row.text_bytes[len(needed) :]
    if not beyond:
        return None, min(mass, 0.0)
    candidates = tuple(
        Candidate(c.text_bytes[len(needed) :], c.logprob - mass)
        for c in same
        if len(c.text_bytes) > len(needed)
    )
    return CloudToken(beyond, candidates), min(mass, 0.0)


def _logprob(row: CloudToken) -> float:
    own = [c.logprob for c in row.candidates if c.text_bytes == row.text_bytes and not c.end]
    return max(own, default=0.0)


def _joined(rows: Iterable[CloudToken]) -> bytes:
    return b"".join(row.text_bytes for row in rows)
