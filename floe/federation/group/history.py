"""The groups and simulations this device took part in, and their rounds, in the database.

Written by the process that takes part, read by the page. Knows nothing of Flower.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from floe.federation.app.round_report import RoundReport
from floe.store import Store

FederationKind = Literal["joined", "simulated"]
FederationStatus = Literal["running", "left", "failed", "complete"]

_COLUMNS = "id, started_at, ended_at, kind, status, settings, sentence, pid"


@dataclass(frozen=True, slots=True)
class Federation:
    """One group joined or one simulation. Times are seconds since the epoch (UTC)."""

    id: int
    started_at: float
    ended_at: float | None
    kind: FederationKind
    status: FederationStatus
    settings: dict[str, Any]
    sentence: str
    pid: int | None


class History:
    """Tables `federations` and `rounds`; any process may open one.

    Raises:
        StoreError: from every method, when the database cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, kind: FederationKind, settings: Mapping[str, Any], sentence: str) -> int:
        """Insert a running row; return its id."""
        with self._store.writing() as db:
            row_id = db.execute(
                "INSERT INTO federations (started_at, kind, status, settings, sentence)"
                " VALUES (?, ?, 'running', ?, ?)",
                [time.time(), kind, json.dumps(dict(settings)), sentence],
            ).lastrowid
        assert row_id is not None
        return row_id

    def say(self, federation_id: int, sentence: str, pid: int | None = None) -> None:
        """Set its sentence; `pid` where it has changed."""
        with self._store.writing() as db:
            db.execute(
                "UPDATE federations SET sentence = ?, pid = coalesce(?, pid) WHERE id = ?",
                [sentence, pid, federation_id],
            )

    def end(self, federation_id: int, status: FederationStatus, sentence: str) -> None:
        """Close a row; one that is closed already stays as it is."""
        with self._store.writing() as db:
            db.execute(
                "UPDATE federations SET status = ?, sentence = ?, ended_at = ?, pid = NULL"
                " WHERE id = ? AND status = 'running'",
                [status, sentence, time.time(), federation_id],
            )

    def set_outcome(self, federation_id: int, outcome: Mapping[str, Any]) -> None:
        """Keep what a simulation came to among its settings, as `outcome`."""
        with self._store.writing() as db:
            db.execute(
                "UPDATE federations SET settings = json_set(settings, '$.outcome', json(?))"
                " WHERE id = ?",
                [json.dumps(dict(outcome)), federation_id],
            )

    def add_round(self, federation_id: int, report: RoundReport) -> None:
        """Keep a round's report once, however often it comes.

        Rounds are counted on from run to run of the same group; the report has the run's number.
        """
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO rounds (federation_id, round, at, report)"
                " SELECT ?, coalesce(max(round), 0) + 1, ?, ? FROM rounds WHERE federation_id = ?"
                " HAVING coalesce(sum(at = ?), 0) = 0",
                [federation_id, report.at, report.to_json(), federation_id, report.at],
            )

    def rounds(self, federation_id: int) -> list[RoundReport]:
        """Return the reports in order."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT report FROM rounds WHERE federation_id = ? ORDER BY round",
                [federation_id],
            ).fetchall()
        return [RoundReport.from_json(row[0]) for row in rows]

    def get(self, federation_id: int) -> Federation | None:
        """One of them."""
        with self._store.reading() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM federations WHERE id = ?",  # noqa: S608
                [federation_id],
            ).fetchone()
        return _federation(row) if row else None

    def all(self, kind: FederationKind | None = None) -> list[Federation]:
        """Return them, the newest first."""
        with self._store.reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM federations WHERE kind = coalesce(?, kind)"  # noqa: S608
                " ORDER BY id DESC",
                [kind],
            ).fetchall()
        return [_federation(row) for row in rows]


def _federation(row: tuple[Any, ...]) -> Federation:
    values = list(row)
    values[5] = json.loads(row[5])
    return Federation(*values)
