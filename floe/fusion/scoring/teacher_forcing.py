"""A given text read by both models as if they had written it: what each token would have got.

Teacher forcing along the local model's own tokenisation, with the cloud's distributions at the
boundaries that a followed stream would have had (see `fusion.cursor.Cursor`, whose rule this is):
where the text leaves a stream, the cloud is asked again for what follows the text so far.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from floe.errors import CloudError
from floe.fusion.cursor import Cursor, Spelling
from floe.fusion.index import TokenIndex
from floe.fusion.pooling import local_distribution
from floe.fusion.projection import MOST_ROWS_AHEAD, Projector, Spelled
from floe.fusion.protocols import CloudStream, OpenStream
from floe.fusion.scoring.scores import Scores, ScoreSheet
from floe.records import CloudToken

RowAfter = Callable[[bytes], CloudToken | None]
"""The cloud's row after the beginning of a text; None: it will not be asked any more."""


class AlignedPosition:
    """Position at which the row in force begins, as the text grows.

    Attributes:
        row: candidates for the cloud token that begins at the boundary; None: no more rows.
        at: bytes of the text before the boundary.
        requests: streams that a follower would have opened so far.
    """

    def __init__(
        self,
        row_after: RowAfter,
        *,
        shared_vocabulary: bool = False,
        spelling: Spelling | None = None,
    ) -> None:
        """Start at the beginning of an empty text.

        Args:
            row_after: the cloud.
            shared_vocabulary: see `fusion.cursor.Cursor`.
            spelling: see `fusion.cursor.Cursor`.
        """
        self._row_after = row_after
        self._shared = shared_vocabulary
        self._cursor = Cursor(shared_vocabulary=shared_vocabulary, spelling=spelling)
        self._text = b""
        self.at = 0
        self.requests = 1
        self.row: CloudToken | None = None
        self._settle()

    @property
    def pending(self) -> bytes:
        """Bytes of the text since the boundary."""
        return self._cursor.pending

    @property
    def spelled(self) -> Spelled | None:
        """The local tokens that make up `pending`; None if one began before the boundary."""
        return self._cursor.spelled

    def advance(self, piece: bytes) -> None:
        """Take note that the text has grown by `piece`, a local token."""
        self._text += piece
        self._cursor.advance(piece)
        self._settle()

    def successor(self, ahead: int = 1) -> CloudToken | None:
        """Ask for the row after so many own tokens from the one in force on."""
        row, text = self.row, self._text[: self.at]
        for _ in range(ahead):
            if row is None or row.end or self._shared:
                return None
            text += row.text_bytes
            row = self._row_after(text)
        if row is not None:
            self._cursor.look_ahead()
        return row

    def _settle(self) -> None:
        """Ask for rows until one holds."""
        cursor = self._cursor
        while cursor.row is None:
            if cursor.lost:
                cursor = self._cursor = cursor.reopen(cursor.held_back(self._text))
                self.requests += 1
            self.at = len(self._text) - len(cursor.pending)
            text = self._text[: self.at]
            if cursor.undecided:
                text += cursor.upcoming(1)[0].text_bytes
            row = self._row_after(text)
            if row is None:
                self.row = None
                return
            cursor.add([row])
        self.at = len(self._text) - len(cursor.pending)
        self.row = cursor.row


def score_text(
    logits: Iterable[NDArray[np.float32]],
    tokens: Sequence[int],
    index: TokenIndex,
    row_after: RowAfter,
    *,
    shared_vocabulary: bool = False,
) -> Scores:
    """Score every token of a text.

    Args:
        logits: float32 of shape (vocabulary,) before each token; more are left alone.
        tokens: the text as the local model spells it.
        index: the local vocabulary.
        row_after: the cloud; after its first None the rest of the text is left out.
        shared_vocabulary: tokens of both models correspond one to one.
    """
    sheet = ScoreSheet()
    projector = Projector(index)
    position = AlignedPosition(row_after, shared_vocabulary=shared_vocabulary, spelling=index)
    for token, row_logits in zip(tokens, logits, strict=False):
        if position.row is None:
            break
        local = local_distribution(row_logits)
        projection = projector.project(
            position.row,
            position.pending,
            local.mass,
            spelled=position.spelled,
            successor=position.successor,
        )
        piece = index.pieces[token]
        sheet.add(local, projection, token, len(piece))
        position.advance(piece)
    return sheet.scores()


def prefetch_distributions(
    tokens: Sequence[int],
    index: TokenIndex,
    row_after: RowAfter,
    *,
    shared_vocabulary: bool = False,
) -> tuple[dict[bytes, CloudToken], CloudError | None]:
    """Ask for all rows that `score_text` may need along a text, by the text before each.

    For a cloud that takes its time: no model has to wait for it.

    Returns:
        The rows, as far as they came, and what went wrong then, if anything did.
    """
    rows: dict[bytes, CloudToken] = {}

    def kept(text: bytes) -> CloudToken | None:
        row = rows.get(text) or row_after(text)
        if row is not None:
            rows[text] = row
        return row

    try:
        position = AlignedPosition(kept, shared_vocabulary=shared_vocabulary, spelling=index)
        at = -1
        for token in tokens:
            if position.row is None:
                break
            if position.at != at:
                # They are the next of the same stream, and at hand only as long as that is open.
                _read_ahead(position, index)
                at = position.at
            position.advance(index.pieces[token])
    except CloudError as error:
        return rows, error
    return rows, None


def _read_ahead(position: AlignedPosition, index: TokenIndex) -> None:
    """Ask for the rows that the projection may look at: the next, and all of the word begun."""
    if position.row is None:
        return
    text = position.row.text_bytes
    for ahead in range(1, MOST_ROWS_AHEAD + 1):
        following = position.successor(ahead)
        if following is None or not following.text_bytes:
            return
        if not index.joining_bytes(text)[following.text_bytes[0]]:
            return
        text += following.text_bytes


class StreamedDistributions:
    """Rows from a real endpoint along a given text, with as few requests as a stream allows.

    A stream is left only where the text leaves it. Knows neither HTTP nor keys.

    Attributes:
        requests: streams opened so far.
    """

    def __init__(
        self, open_stream: OpenStream, *, max_requests: int, patience: float, spacing: float = 0.0
    ) -> None:
        """Nothing is opened yet.

        Args:
            open_stream: starts a request that continues the given text.
            max_requests: after so many there are no more rows.
            patience: longest wait for a row, seconds.
            spacing: least time between two requests, seconds.
        """
        self._open = open_stream
        self._left = max_requests
        self._patience = patience
        self._spacing = spacing
        self._stream: CloudStream | None = None
        self._rows: list[CloudToken] = []
        self._expected = b""
        self.requests = 0

    def after(self, text: bytes) -> CloudToken | None:
        """Ask for the row after `text`.

        Returns:
            None if the budget is spent, the text must not leave, or nothing comes.

        Raises:
            CloudError: the cloud refused or broke off.
        """
        row = self._next() if self._stream is not None and text == self._expected else None
        if row is None:
            if self._left <= 0:
                return None
            row = self._next() if self._reopen(text) else None
        if row is not None:
            self._expected = text + row.text_bytes
        return row

    def close(self) -> None:
        """Cancel what is open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _reopen(self, text: bytes) -> bool:
        self.close()
        if self.requests and self._spacing:
            time.sleep(self._spacing)
        self._rows = []
        self._stream = self._open(text.decode("utf-8"))
        if self._stream is None:
            return False
        self._left -= 1
        self.requests += 1
        return True

    def _next(self) -> CloudToken | None:
        assert self._stream is not None
        until = time.monotonic() + self._patience
        while not self._rows:
            ended = self._stream.ended
            self._rows = self._stream.poll()
            if self._rows:
                break
            if self._stream.error is not None:
                raise self._stream.error
            if ended or time.monotonic() >= until:
                return None
            self._stream.wait(min(0.1, self._patience))
        return self._rows.pop(0)
