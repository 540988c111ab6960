"""Where the fused text stands in the cloud's stream. Bytes and rows only: no clock, no network."""

from collections.abc import Iterable

from floe.records import CloudToken


class Cursor:
    """Follows one stream of rows while the fused text grows.

    Row i is conditioned on the text up to the end of the cloud's token i - 1 (a *boundary*).
    `pending` are the bytes of the fused text since the current boundary; a row can be used as
    long as the fused text agrees with the bytes of the cloud's own tokens.

    Attributes:
        pending: bytes of the fused text since the current boundary.
        lost: the fused text has left the stream for good.
    """

    def __init__(self, pending: bytes = b"", *, shared_vocabulary: bool = False) -> None:
        """Start at a boundary.

        Args:
            pending: bytes that are already written but could not be sent with the request
                (the beginning of a UTF-8 character).
            shared_vocabulary: tokens correspond one to one, so a token that differs leaves the
                stream even where its bytes begin the cloud's.
        """
        self.pending = pending
        self.lost = False
        self._shared = shared_vocabulary
        self._rows: list[CloudToken] = []
        self._at = 0

    @property
    def row(self) -> CloudToken | None:
        """The row for the next token, if it has arrived and holds."""
        if self.lost or self._at >= len(self._rows):
            return None
        return self._rows[self._at]

    def ahead(self, count: int) -> list[CloudToken]:
        """The next rows from the current one on, at most `count`."""
        return [] if self.lost else self._rows[self._at : self._at + count]

    def add(self, rows: Iterable[CloudToken]) -> None:
        """Take rows that have arrived, and hold them against what was written meanwhile."""
        self._rows.extend(rows)
        self._match()

    def advance(self, piece: bytes) -> None:
        """The fused text has grown by `piece`."""
        self.pending += piece
        self._match()

    def _match(self) -> None:
        while not self.lost and self._at < len(self._rows):
            row = self._rows[self._at]
            if row.end:
                self.lost = bool(self.pending)
                return
            if row.text_bytes and not self.pending:
                return
            if self.pending.startswith(row.text_bytes):
                self.pending = self.pending[len(row.text_bytes) :]
                self._at += 1
                continue
            self.lost = self._shared or not row.text_bytes.startswith(self.pending)
            return
