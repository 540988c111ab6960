"""A given text read by both models as if they had written it: what each token would have got.

Teacher forcing along the local model's own tokenisation, with the cloud's rows at the boundaries
that a followed stream would have had: a row holds while the text agrees with the cloud's own
token; where it leaves that, the cloud is asked again for what follows the text so far.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from floe.errors import CloudError
from floe.fusion.pooling import local_distribution
from floe.fusion.projection import Projector
from floe.fusion.protocols import CloudStream, OpenStream
from floe.fusion.scoring.scores import Scores, ScoreSheet
from floe.records import CloudToken

RowAfter = Callable[[bytes], CloudToken | None]
"""The cloud's row after the beginning of a text; None: it will not be asked any more."""


class Boundary:
    """Where the row in force begins, as the text grows.

    Attributes:
        row: candidates for the cloud token that begins at the boundary; None: no more rows.
        at: bytes of the text before the boundary.
    """

    def __init__(self, row_after: RowAfter, *, shared_vocabulary: bool = False) -> None:
        """At the beginning of an empty text. `shared_vocabulary`: see `fusion.cursor.Cursor`."""
        self._row_after = row_after
        self._shared = shared_vocabulary
        self.at = 0
        self.row = row_after(b"")

    def follow(self, text: bytes) -> bytes:
        """The text has grown to `text`; returns its bytes since the boundary."""
        while self.row is not None and self.at < len(text):
            pending = text[self.at :]
            own = self.row.text_bytes
            if own and not self.row.end and pending.startswith(own):
                self._move(text[: self.at + len(own)])
            elif self._shared or self.row.end or not own.startswith(pending):
                # What can be sent ends with a whole character.
                whole = text.decode("utf-8", "ignore").encode()
                if len(whole) == self.at:
                    break
                self._move(whole)
            else:
                break
        return text[self.at :]

    def _move(self, text: bytes) -> None:
        self.at = len(text)
        self.row = self._row_after(text)


def force(
    logits: Iterable[NDArray[np.float32]],
    tokens: Sequence[int],
    pieces: Sequence[bytes],
    row_after: RowAfter,
    projector: Projector,
    *,
    shared_vocabulary: bool = False,
) -> Scores:
    """Score every token of a text.

    Args:
        logits: float32 of shape (vocabulary,) before each token; more are left alone.
        tokens: the text as the local model spells it.
        pieces: bytes of each token by id.
        row_after: the cloud; after its first None the rest of the text is left out.
        projector: onto the local vocabulary.
        shared_vocabulary: tokens of both models correspond one to one.
    """
    sheet = ScoreSheet()
    boundary = Boundary(row_after, shared_vocabulary=shared_vocabulary)
    text = b""
    for token, row_logits in zip(tokens, logits, strict=False):
        pending = boundary.follow(text)
        if boundary.row is None:
            break
        local = local_distribution(row_logits)
        projection = projector.project(boundary.row, pending, local.mass)
        sheet.add(local, projection, token, len(pieces[token]))
        text += pieces[token]
    return sheet.scores()


def rows_along(
    tokens: Sequence[int],
    pieces: Sequence[bytes],
    row_after: RowAfter,
    *,
    shared_vocabulary: bool = False,
) -> tuple[dict[bytes, CloudToken], CloudError | None]:
    """All rows that `force` will ask for along a text, by the text before each.

    For a cloud that takes its time: no model has to wait for it.

    Returns:
        The rows, as far as they came, and what went wrong then, if anything did.
    """
    rows: dict[bytes, CloudToken] = {}

    def kept(text: bytes) -> CloudToken | None:
        row = row_after(text)
        if row is not None:
            rows[text] = row
        return row

    try:
        boundary = Boundary(kept, shared_vocabulary=shared_vocabulary)
        text = b""
        for token in tokens:
            boundary.follow(text)
            if boundary.row is None:
                break
            text += pieces[token]
    except CloudError as error:
        return rows, error
    return rows, None


class AskedRows:
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
        """The row after `text`; None: the budget is spent, it must not leave, or nothing comes.

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
