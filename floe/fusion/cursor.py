"""Where the fused text stands in the cloud's stream. Bytes and rows only: no clock, no network."""

import codecs
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from floe.records import Candidate, CloudToken

_LEAST_OTHERS: Final = 0.01
"""Least probability of other candidates that are still possible, for their row to be kept."""

_LEAST_BEGUN: Final = 0.1
"""Least probability of a candidate that begins what is written, for the rest to be held back."""

_MEANT: Final = 0.5
"""Probability from which on the cloud means to go on in a way that spells what is written anew."""


class Spelling(Protocol):
    """Spelling of byte strings by the local tokenizer; see `floe.fusion.index.TokenIndex`."""

    @property
    def spell_pieces(self) -> Callable[[bytes], tuple[bytes, ...]]:
        """Pieces of the local tokens that spell a byte string."""
        ...

    def joining_bytes(self, text: bytes) -> bytes:
        """Tell which bytes could follow the end of `text` inside of one token, 256 entries."""
        ...


class StreamBreak(NamedTuple):
    """A boundary that a text has passed, where longer tokens of the cloud might have gone on.

    Attributes:
        row: candidates for the cloud token before the boundary.
        left: bytes of the text from the start of that token to the boundary.
        spelled: the local tokens that make up `left`; None: they do not begin with it.
        looked_ahead: the row after the boundary was asked for the last of them; see `_consistent`.
    """

    row: CloudToken
    left: bytes
    spelled: tuple[bytes, ...] | None
    looked_ahead: bool = False


class Cursor:
    """Follows one stream of rows while the fused text grows.

    Row i is conditioned on the text up to the end of the cloud's token i - 1 (a *boundary*).
    `pending` are the bytes of the fused text since the current boundary. A row holds as long as
    the cloud's own token can still be what the text becomes: its bytes begin with `pending`, its
    local spelling begins with the tokens written ("The" is no beginning of "Therefore" where that
    is one local token), and it is not likelier that the cloud's token ends just here. Where it is
    another candidate that the text may become, the row holds alike: it says what follows, and a
    request in the middle of that token would often be followed by one more at its end. Where the
    token alone is spelled otherwise, the next row decides (" corn" is one local token, but
    " corns" is " cor" and "ns"). While what is pending is an incomplete UTF-8 character it holds
    in any case: nothing could be sent.

    Attributes:
        pending: bytes of the fused text since the current boundary.
        lost: the fused text has left the stream for good.
        undecided: whether it has depends on the row after the current one.
    """

    def __init__(
        self,
        pieces: Sequence[bytes] = (),
        *,
        begun: int = 0,
        shared_vocabulary: bool = False,
        spelling: Spelling | None = None,
        left: StreamBreak | None = None,
    ) -> None:
        """Start at a boundary.

        Args:
            pieces: local tokens that are already written but were not sent with the request; see
                `held_back`.
            begun: so many bytes of the first of them were sent.
            shared_vocabulary: tokens correspond one to one, so a token that differs leaves the
                stream even where its bytes begin the cloud's.
            spelling: the local spelling of the cloud's tokens; None: bytes alone decide.
            left: how the stream before was left; the first row is healed with it.
        """
        self._pieces = [*pieces]
        self._begun = begun
        self.pending = b"".join(pieces)[begun:]
        self.lost = False
        self.undecided = False
        self._shared = shared_vocabulary
        self._spelling = spelling
        self._left = left
        self._rows: list[CloudToken] = []
        self._at = 0
        # Of the token that comes next; of the last one.
        self._looking_ahead = self._looked_ahead = False

    @property
    def row(self) -> CloudToken | None:
        """The row for the next token, if it has arrived and holds."""
        if self.lost or self.undecided or self._at >= len(self._rows):
            return None
        return self._rows[self._at]

    def successor(self, ahead: int = 1) -> CloudToken | None:
        """Return the row after so many own tokens from the current one on, if it has arrived."""
        place = self._at + ahead
        return None if self.lost or place >= len(self._rows) else self._rows[place]

    @property
    def spelled(self) -> tuple[bytes, ...] | None:
        """The local tokens that make up `pending`; None if one began before the boundary."""
        return None if self._begun else tuple(self._pieces)

    def upcoming(self, count: int) -> list[CloudToken]:
        """Return the next rows from the current one on, at most `count`."""
        return [] if self.lost else self._rows[self._at : self._at + count]

    def add(self, rows: Iterable[CloudToken]) -> None:
        """Take rows that have arrived, and hold them against what was written meanwhile."""
        self._rows.extend(rows)
        self._match()

    def look_ahead(self) -> None:
        """Take note that the row after the current one's own token counts for the next token."""
        self._looking_ahead = True

    def advance(self, piece: bytes) -> None:
        """Take note that the fused text has grown by `piece`."""
        self.pending += piece
        self._pieces.append(piece)
        self._looked_ahead, self._looking_ahead = self._looking_ahead, False
        self._match()

    def held_back(self, text: bytes) -> bytes:
        """Tell which bytes at the end of the text the next request is better sent without.

        Those of an incomplete character, which cannot be sent. And where a local token goes across
        a boundary of the cloud's that the text does not know (" Gret" of "Greta", which the cloud
        writes " G" and "reta"), what lies beyond it: a server continues the exact bytes that it is
        sent, and after " Gret" it knows but " Gretta".

        Args:
            text: all that is written.
        """
        _, rest = whole_characters(text)
        if rest or not self.lost or self._shared or self._begun or len(self._pieces) != 1:
            return rest
        pending = self.pending
        begun: dict[bytes, float] = {}
        for candidate in self._rows[self._at].candidates:
            start = candidate.text_bytes
            if candidate.end or candidate.restored:
                continue
            if start.startswith(pending):
                return rest  # the cloud, too, would write it as one
            if pending.startswith(start) and _inside_word(start, pending):
                begun[start] = begun.get(start, 0.0) + math.exp(min(candidate.logprob, 0.0))
        likeliest = max(begun, key=begun.__getitem__, default=b"")
        if begun.get(likeliest, 0.0) < _LEAST_BEGUN:
            return rest
        beyond = pending[len(likeliest) :]
        return rest if whole_characters(text[: -len(beyond)])[1] else beyond

    def reopen(self, rest: bytes) -> "Cursor":
        """Make the cursor of a stream that continues the same text, but for its last bytes.

        Args:
            rest: bytes that are not sent, see `held_back`.
        """
        pieces: list[bytes] = []
        size = 0
        for piece in reversed(self._pieces):
            if size >= len(rest):
                break
            pieces.insert(0, piece)
            size += len(piece)
        if size < len(rest):  # it begins before the boundary, and with tokens that are forgotten
            pieces, size = [rest], len(rest)
        left = None if self.pending else self._left
        left_inside = self.lost or self.undecided
        if left_inside and len(rest) < len(self.pending) and not self._rows[self._at].end:
            bytes_left = self.pending[: len(self.pending) - len(rest)]
            left = StreamBreak(self._rows[self._at], bytes_left, None if rest else self.spelled)
        return Cursor(
            pieces,
            begun=size - len(rest),
            shared_vocabulary=self._shared,
            spelling=self._spelling,
            left=left,
        )

    def _match(self) -> None:
        self.undecided = False
        while not self.lost and self._at < len(self._rows):
            row = self._rows[self._at]
            own = row.text_bytes
            if self._left is not None:
                if not self._shared:
                    row = self._rows[self._at] = heal(self._left, row, self._spelling)
                self._left = None
            if not self.pending and (own or row.end):
                return
            if not row.end and self.pending.startswith(own):
                self._pass(row)
                continue
            if whole_characters(self.pending)[0]:
                holds = self._holds(row)
                self.lost, self.undecided = holds is False, holds is None
            return

    def _pass(self, row: CloudToken) -> None:
        """Move the boundary to the end of the cloud's own token.

        What the row says of longer tokens that begin with it is not over there: where "." is
        written, "..." may be what the cloud would have said, and the row after "." does not know.
        """
        own = row.text_bytes
        aligned = not self._begun
        self._at += 1
        self.pending = self.pending[len(own) :]
        self._begun += len(own)
        passed: list[bytes] = []
        while self._pieces and self._begun >= len(self._pieces[0]):
            passed.append(self._pieces.pop(0))
            self._begun -= len(passed[-1])
        spelled = tuple(passed) if aligned and not self._begun else None
        self._left = StreamBreak(row, own, spelled, self._looked_ahead)
        self._looked_ahead = False

    def _holds(self, row: CloudToken) -> bool | None:
        """Tell whether the text can still become the row's own token; None: the next row knows."""
        own, pending, spelled = row.text_bytes, self.pending, self.spelled
        if row.end or self._shared:
            return False
        fits = own.startswith(pending)
        if self._spelling is None:
            return fits
        by_next_row = 0.0
        if fits and not _can_follow(own, spelled, self._spelling, restored=row.restored):
            following = self.successor()
            if following is None:
                return None
            by_next_row = sum(
                math.exp(min(candidate.logprob, 0.0))
                for candidate in following.candidates
                if _begins(own + candidate.text_bytes, spelled, self._spelling)
            )
            fits = by_next_row > 0
        ended = going_on = 0.0
        for candidate in row.candidates:
            text = candidate.text_bytes
            mass = math.exp(min(candidate.logprob, 0.0))
            if text == pending and not candidate.end:
                ended += mass
            elif by_next_row and text == own:
                going_on += mass * by_next_row
            elif text.startswith(pending) and _can_follow(
                text, spelled, self._spelling, restored=candidate.restored
            ):
                going_on += mass
        return going_on >= ended and going_on > (0 if fits else _LEAST_OTHERS)


def heal(left: StreamBreak, row: CloudToken, spelling: Spelling | None) -> CloudToken:
    """Join what two boundaries say about the same place in a text.

    A server continues the exact bytes that it is sent, so that `row` is conditioned on a token
    that ends there, however unlikely that is: after "The" left over from "Therefore" it knows
    nothing of "Theodore". The candidates before that place do: those that extend `left`, stripped
    of it, count with their probabilities, and `row` with that of `left` as a whole token.

    Returns:
        `row` with the candidates of both; its own token stays.
    """
    size = len(left.left)
    longer = [
        candidate
        for candidate in left.row.candidates
        if len(candidate.text_bytes) > size
        and candidate.text_bytes.startswith(left.left)
        and not candidate.end
        and (
            spelling is None
            or _can_follow(
                candidate.text_bytes, left.spelled, spelling, restored=candidate.restored
            )
        )
    ]
    kept, excluded = _consistent(left, row, spelling)
    if not longer and not excluded:
        return row  # nearly always
    going_on: dict[bytes, float] = {}
    for candidate in longer:
        rest = candidate.text_bytes[size:]
        going_on[rest] = going_on.get(rest, 0.0) + math.exp(min(candidate.logprob, 0.0))
    ended = listed = 0.0
    for candidate in left.row.candidates:
        mass = math.exp(min(candidate.logprob, 0.0))
        listed += mass
        if candidate.text_bytes == left.left and not candidate.end:
            ended += mass
    if not ended:
        ended = max(1.0 - listed, 0.0)  # not among the candidates: at most what they left
    total = ended * (1 - excluded) + sum(going_on.values())
    if total <= 0:
        return row
    candidates = [
        Candidate(text, math.log(mass / total), begun=True)
        for text, mass in going_on.items()
        if mass > 0
    ]
    if ended > 0:
        scale = math.log(ended / total)
        candidates += [
            Candidate(c.text_bytes, min(c.logprob, 0.0) + scale, c.end, c.restored, c.begun)
            for c in kept
        ]
    candidates.sort(key=lambda candidate: -candidate.logprob)
    return replace(row, candidates=tuple(candidates))


def _consistent(
    left: StreamBreak, row: CloudToken, spelling: Spelling | None
) -> tuple[Sequence[Candidate], float]:
    """Candidates after a boundary that leave what is written before it as it is, and others' mass.

    After " corn" there is no "s": " corns" would have been spelled " cor" and "ns", and if the row
    was known when " corn" was written, that is where its mass went. If it was not, and says that
    "s" is what the cloud most probably meant, then to write it counts more than how: a text whose
    words break off is of no use, and what is left of the row would say nothing.
    """
    if spelling is None or left.spelled is None or left.row.restored:
        return row.candidates, 0.0
    joining = spelling.joining_bytes(left.left)
    excluded = 0.0
    out: set[int] = set()
    for place, candidate in enumerate(row.candidates):
        text = candidate.text_bytes
        if (
            text
            and joining[text[0]]
            and not candidate.restored
            and not _begins(left.left + text, left.spelled, spelling)
        ):
            excluded += math.exp(min(candidate.logprob, 0.0))
            out.add(place)
    if excluded > _MEANT and not left.looked_ahead:
        return row.candidates, 0.0
    kept = [c for place, c in enumerate(row.candidates) if place not in out] if out else None
    # Rounded log-probabilities can add up to 1: something is left for the rest of the vocabulary.
    return row.candidates if kept is None else kept, min(excluded, 1 - 1e-6)


def whole_characters(data: bytes) -> tuple[str, bytes]:
    """Split into the text that can be sent and the bytes of a character that is not complete."""
    try:
        return data.decode(), b""
    except UnicodeDecodeError:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, decoder.getstate()[0]


def _inside_word(start: bytes, text: bytes) -> bool:
    """Tell whether `start`, which `text` begins with, ends between two letters of it."""
    sides = start[-1:], text[len(start) : len(start) + 1]
    return all(side.isalpha() or side > b"\x7f" for side in sides)


def _can_follow(
    text: bytes, spelled: tuple[bytes, ...] | None, spelling: Spelling, *, restored: bool
) -> bool:
    """Tell whether a token whose bytes begin with what is written may be what is being written.

    Words that stand for a placeholder were no token of the cloud, so that nothing follows from
    how they would be spelled: their bytes alone decide.
    """
    return restored or _begins(text, spelled, spelling)


def _begins(text: bytes, spelled: tuple[bytes, ...] | None, spelling: Spelling) -> bool:
    """Return whether the spelling of `text` begins with these tokens, as far as they are known."""
    return spelled is None or spelling.spell_pieces(text)[: len(spelled)] == spelled
