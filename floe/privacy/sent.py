"""What was sent: every request, word for word, written before it leaves.

Knows neither how requests are made nor why; keys and headers never come here.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from floe.errors import StoreError
from floe.store import Store

Purpose = Literal["answer", "weight", "probe", "models"]
"""For an answer; to fit the weight on one that is there already; to find out what an endpoint can
do; to see which models it has."""

_COLUMNS: Final = "id, message_id, sent_at, endpoint, model, purpose, body, size"
_PAGE: Final = 500
"""Rows that an export reads at a time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request.

    `body` is what went over the wire, word for word (empty: a question without a body), `size`
    its length in bytes; `sent_at` is in seconds since the epoch (UTC), the moment before it left;
    `message_id` the answer it was for. The message may have been deleted since: that unsends
    nothing.
    """

    id: int
    message_id: int | None
    sent_at: float
    endpoint: str
    model: str
    purpose: Purpose
    body: str
    size: int


class SentLog:
    """The table `sent`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(
        self, endpoint: str, model: str, purpose: Purpose, body: bytes, message_id: int | None
    ) -> int:
        """Keep a request that is about to leave; returns the number of its entry.

        Raises:
            StoreError: it cannot be kept, so it must not leave.
        """
        row = [message_id, time.time(), _address(endpoint), model, purpose]
        row += [body.decode("utf-8", "backslashreplace"), len(body)]
        with self._store.writing() as db:
            entry: int | None = db.execute(
                "INSERT INTO sent (message_id, sent_at, endpoint, model, purpose, body, size)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
        assert entry is not None
        return entry

    def withdraw(self, entry: int) -> None:
        """Take back an entry: no connection came about, so its request has not left."""
        with self._store.writing() as db:
            db.execute("DELETE FROM sent WHERE id = ?", [entry])

    def page(self, words: str = "", *, before: int | None = None, limit: int = 50) -> list[Sent]:
        """Return requests, the newest first.

        Args:
            words: only those in whose body, endpoint or model they occur as they stand; case
                does not matter for letters of English.
            before: id of the last one that is already shown.
            limit: at most so many.
        """
        with self._store.reading() as db:
            where, values = _where(words)
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM sent WHERE {where} AND id < :before"  # noqa: S608
                " ORDER BY id DESC LIMIT :limit",
                values | {"before": before or 2**62, "limit": limit},
            )
            return [Sent(*row) for row in rows]

    def count(self, words: str = "") -> tuple[int, int]:
        """Count them, and their bytes."""
        with self._store.reading() as db:
            where, values = _where(words)
            row = db.execute(
                f"SELECT count(*), coalesce(sum(size), 0) FROM sent WHERE {where}",  # noqa: S608
                values,
            ).fetchone()
        return int(row[0]), int(row[1])

    def totals(self) -> list[tuple[str, str, int, int]]:
        """Return [endpoint, model, requests, bytes], the most often asked first."""
        with self._store.reading() as db:
            rows: list[tuple[str, str, int, int]] = db.execute(
                "SELECT endpoint, model, count(*), sum(size) FROM sent"
                " GROUP BY endpoint, model ORDER BY count(*) DESC, endpoint, model"
            ).fetchall()
        return rows

    def export(self, path: Path, words: str = "") -> int:
        """Write them to a JSONL file, newest first, one object a line; returns how many.

        Raises:
            StoreError: the file cannot be written.
        """
        count = 0
        try:
            with path.open("w", encoding="utf-8") as file:
                for entry in self._all(words):
                    file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
                    count += 1
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written: {error.strerror}. Choose another place."
            ) from error
        return count

    def clear(self) -> int:
        """Forget all of it, in the file's bytes too; returns how many there were."""
        with self._store.writing() as db:
            count = len(db.execute("DELETE FROM sent RETURNING id").fetchall())
        self._store.checkpoint()
        return count

    def _all(self, words: str) -> Iterator[Sent]:
        before: int | None = None
        while entries := self.page(words, before=before, limit=_PAGE):
            yield from entries
            before = entries[-1].id


def _where(words: str) -> tuple[str, dict[str, Any]]:
    """Return a condition; bodies are JSON, so the words are looked for as JSON spells them."""
    if not words.strip():
        return "1", {}
    spelled = json.dumps(words.strip(), ensure_ascii=False)[1:-1]
    like = "%" + spelled.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    fields = (f"{field} LIKE :like ESCAPE '\\'" for field in ("body", "endpoint", "model"))
    return f"({' OR '.join(fields)})", {"like": like}


def _address(url: str) -> str:
    """Return the address without what can hold a secret: a name and password, a query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
