"""The memory of Floe: conversations as trees of messages, tokens of answers, settings.

A call is one transaction, so it is wholly seen or not at all, and what it has returned from
survives a kill -9. Knows nothing of models, clouds or the page.
"""

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sqlite_utils import Database

from floe.errors import StoreError
from floe.records import (
    AnswerStats,
    Attachment,
    Conversation,
    Message,
    Role,
    Route,
    Status,
    TokenStep,
)
from floe.store import schema
from floe.store.connection import DatabaseFile
from floe.store.rows import conversation_of, message_of, route_json, token_row, token_step_of
from floe.store.text import clean, is_greeting, match_query, one_line, segment, title_of
from floe.units import DAY_SECONDS

_T = TypeVar("_T")

_SNIPPET_TOKENS = 24

_CONVERSATION = (
    "SELECT c.id, c.title, c.created_at, c.updated_at, c.leaf_id, c.local_only, c.train,"
    " c.federate, coalesce(i.source, ''), coalesce(c.updated_at <= i.imported_at, 0) AS untouched,"
    " c.pinned, c.archived, c.folder"
    " FROM conversations c LEFT JOIN imports i ON i.id = c.import_id"
)

_LISTED = f"""
    SELECT * FROM ({_CONVERSATION}) WHERE id IN (
        SELECT id FROM (
            SELECT c.id, c.pinned OR c.folder != '' AS kept, row_number() OVER (
                PARTITION BY c.pinned, c.folder != '', c.archived ORDER BY
                coalesce(c.updated_at <= i.imported_at, 0), c.updated_at DESC, c.id DESC
            ) AS place
            FROM conversations c LEFT JOIN imports i ON i.id = c.import_id)
        WHERE kept OR place <= ?)
    ORDER BY pinned DESC, untouched, updated_at DESC, id DESC
"""  # noqa: S608 (constants only)

_MESSAGES = """
    SELECT m.id, m.conversation_id, m.parent_id, m.role, m.content, m.created_at, m.status,
           m.route, m.stats, m.notices, m.rating, m.edited_from, m.private, m.learn,
           (SELECT json_group_array(json_array(name, start, "end", left_out)) FROM (
                SELECT * FROM attachments a WHERE a.message_id = m.id ORDER BY a.position)),
           (SELECT json_group_array(id) FROM (
                SELECT s.id FROM messages s
                WHERE s.conversation_id = m.conversation_id AND s.parent_id IS m.parent_id
                ORDER BY s.id))
    FROM messages m
"""

_MESSAGE = _MESSAGES + "WHERE m.id = ?"

_ANSWERS = _MESSAGES + "WHERE m.parent_id = ? AND m.role = 'assistant' ORDER BY m.id"

# Ids only grow, and a parent is there before its children: order by id is order by depth.
_PATH = f"""
    {_MESSAGES}
    WHERE m.id IN (
        WITH RECURSIVE path(id, parent_id) AS (
            SELECT id, parent_id FROM messages WHERE id = ?
            UNION ALL
            SELECT p.id, p.parent_id FROM messages p JOIN path ON p.id = path.parent_id)
        SELECT id FROM path)
    ORDER BY m.id
"""  # noqa: S608 (constants only)

_NEWEST_BELOW = """
    WITH RECURSIVE below(id) AS (
        SELECT id FROM messages WHERE id = :message AND conversation_id = :conversation
        UNION ALL
        SELECT c.id FROM messages c JOIN below
        ON c.conversation_id = :conversation AND c.parent_id = below.id)
    SELECT max(id) FROM below
"""

_SEARCH_TITLES = """
    SELECT c.id, NULL, c.title, c.title FROM title_search
    JOIN conversations c ON c.id = title_search.rowid
    WHERE title_search MATCH :query ORDER BY title_search.rank LIMIT :limit
"""

_SEARCH_MESSAGES = """
    SELECT c.id, m.id, c.title, snippet(message_search, 0, '', '', '…', :tokens)
    FROM message_search
    JOIN messages m ON m.id = message_search.rowid
    JOIN conversations c ON c.id = m.conversation_id
    WHERE message_search MATCH :query ORDER BY message_search.rank LIMIT :limit
"""

_SEARCH_PLACES = """
    SELECT m.conversation_id, m.id FROM message_search
    JOIN messages m ON m.id = message_search.rowid
    WHERE message_search MATCH :query ORDER BY message_search.rank
"""

_SNIPPET = """
    SELECT snippet(message_search, 0, '', '', '…', :tokens) FROM message_search
    WHERE message_search MATCH :query AND rowid = :message
"""


@dataclass(frozen=True, slots=True)
class ChatHit:
    """A chat in which the words were found; `messages`: where, the best place first.

    There are none if only the title has the words. `snippet` is that of the best place.
    """

    conversation_id: int
    title: str
    messages: tuple[int, ...]
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A place where the words were found; `message_id` None: in the conversation's title.

    `snippet` is plain text on one line, cut with "…".
    """

    conversation_id: int
    message_id: int | None
    title: str
    snippet: str


class Store(DatabaseFile):
    """Chats, settings and endpoints in the database at `path`.

    Raises:
        StoreError: from every method, as with any `DatabaseFile`, or because the conversation or
            message has been deleted. Nothing is ever overwritten for it.
    """

    # Conversations

    def conversations(self, limit: int = 200) -> list[Conversation]:
        """List conversations, pinned ones first, then the most recently used.

        Imported ones come last until they are used.
        """
        with self.reading() as db:
            rows = db.execute(
                f"{_CONVERSATION} ORDER BY c.pinned DESC, untouched, c.updated_at DESC, c.id DESC"
                " LIMIT ?",
                [limit],
            )
            return [conversation_of(row) for row in rows]

    def listed_conversations(self, length: int) -> tuple[list[Conversation], int, int]:
        """List conversations in the same order, not more than can be drawn.

        All that are pinned or in a folder, and `length` each of the others and of the archive.

        Returns:
            These; how many more there are; a number that changes with the list of those.
        """
        with self.reading() as db:
            rows = db.execute(_LISTED, [length]).fetchall()
            (count,) = db.execute("SELECT count(*) FROM conversations").fetchone()
            more = count - len(rows)
            titles = db.execute("SELECT id, title FROM conversations").fetchall() if more else []
        return [conversation_of(row) for row in rows], more, zlib.crc32(repr(titles).encode())

    def conversation(self, conversation_id: int) -> Conversation:
        """One row of the list."""
        with self.reading() as db:
            row = db.execute(f"{_CONVERSATION} WHERE c.id = ?", [conversation_id]).fetchone()
            return conversation_of(_found(row))

    def create_conversation(self, title: str = "") -> Conversation:
        """Create an empty one; without a title it takes that of its first user message."""
        now = time.time()
        with self.writing() as db:
            used = _latest(db, now)
            row = db.execute(
                "INSERT INTO conversations (title, created_at, updated_at) VALUES (?, ?, ?)",
                [clean(title), now, used],
            )
            assert row.lastrowid is not None
            _set_title(db, row.lastrowid, title)
            return Conversation(row.lastrowid, clean(title), now, used)

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        """Give it a title of the user's own."""
        with self.writing() as db:
            _set_title(db, conversation_id, title)

    def mark_conversations(
        self, ids: Sequence[int], *, pinned: bool | None = None, archived: bool | None = None
    ) -> None:
        """Let conversations stand first in the list, or in that of the archive; None: as it is."""
        with self.writing() as db:
            db.conn.executemany(
                "UPDATE conversations SET pinned = coalesce(?, pinned),"
                " archived = coalesce(?, archived) WHERE id = ?",
                [(pinned, archived, each) for each in ids],
            )

    def move_conversations(self, ids: Sequence[int], folder: str) -> None:
        """Put conversations into a folder of that name; empty: into none."""
        with self.writing() as db:
            name = one_line(clean(folder))
            db.conn.executemany(
                "UPDATE conversations SET folder = ? WHERE id = ?", [(name, each) for each in ids]
            )

    def delete_conversation(self, conversation_id: int) -> None:
        """Remove it with its messages, tokens and search entries, from the file's bytes too."""
        with self.writing() as db:
            db.execute("DELETE FROM conversations WHERE id = ?", [conversation_id])
            wipe_deleted(db)
        self.checkpoint()

    def checkpoint(self) -> None:
        """Write the log file back into the database: what was deleted then stands in neither."""
        with self._connection() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def open_conversation(self, conversation_id: int) -> list[Message]:
        """Return the branch in view, root first; empty while nothing has been said."""
        with self.reading() as db:
            row = db.execute(
                "SELECT leaf_id FROM conversations WHERE id = ?", [conversation_id]
            ).fetchone()
            return [message_of(found) for found in db.execute(_PATH, _found(row))]

    def select_branch(self, conversation_id: int, message_id: int) -> int:
        """Show the branch through this message down to its newest leaf; returns the leaf's id."""
        with self.writing() as db:
            leaf: int | None = db.execute(
                _NEWEST_BELOW, {"conversation": conversation_id, "message": message_id}
            ).fetchone()[0]
            if leaf is None:
                raise StoreError(schema.GONE, "deleted")
            db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", [leaf, conversation_id])
            return leaf

    # Messages

    def add_message(
        self,
        conversation_id: int | None,
        parent_id: int | None,
        role: Role,
        content: str,
        *,
        status: Status = "complete",
        route: Route | None = None,
        private: Sequence[str] | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> Message:
        """Add a child of `parent_id` (None: a first message), which comes into view.

        An edit or another answer is a further child of the same parent. Without a conversation
        one is made for it: both are kept, or neither.
        """
        now = time.time()
        content = clean(content)
        kept = (status, route_json(route), None if private is None else json.dumps(private))
        with self.writing() as db:
            if conversation_id is None:
                conversation_id = db.execute(
                    "INSERT INTO conversations (title, created_at, updated_at) VALUES ('', ?, ?)",
                    [now, now],
                ).lastrowid
                assert conversation_id is not None
            message_id = db.execute(
                "INSERT INTO messages"
                " (conversation_id, parent_id, role, content, created_at,"
                " status, route, private) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [conversation_id, parent_id, role, content, now, *kept],
            ).lastrowid
            (title,) = db.execute(
                "UPDATE conversations SET leaf_id = ?, updated_at = ? WHERE id = ? RETURNING title",
                [message_id, _latest(db, now), conversation_id],
            ).fetchall()[0]
            if role == "user" and (not title or _greets_only(db, conversation_id, title)):
                _set_title(db, conversation_id, title_of(content))
            assert message_id is not None
            db.conn.executemany(
                "INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (message_id, place, clean(each.name), each.start, each.end, each.left_out)
                    for place, each in enumerate(attachments)
                ],
            )
            _index(db, message_id)
            return message_of(db.execute(_MESSAGE, [message_id]).fetchone())

    def message(self, message_id: int) -> Message:
        """One message, without its tokens."""
        with self.reading() as db:
            row = db.execute(_MESSAGE, [message_id]).fetchone()
            return message_of(_found(row))

    def path_to(self, message_id: int) -> list[Message]:
        """Return the messages from the root down to this one."""
        with self.reading() as db:
            rows = db.execute(_PATH, [message_id]).fetchall()
            return [message_of(row) for row in _found(rows)]

    def answers_to(self, message_id: int) -> list[Message]:
        """Return all answers to a question, the oldest first."""
        with self.reading() as db:
            rows = db.execute(_ANSWERS, [message_id]).fetchall()
            return [message_of(row) for row in rows]

    def set_route(self, message_id: int, route: Route) -> None:
        """Keep another decision with an answer than the one it was begun with."""
        with self.writing() as db:
            rows = db.execute(
                "UPDATE messages SET route = ? WHERE id = ? RETURNING id",
                [route_json(route), message_id],
            ).fetchall()
            _found(rows)

    def rate_message(self, message_id: int, rating: int) -> None:
        """Like (1), dislike (-1) or neither (0)."""
        with self.writing() as db:
            rows = db.execute(
                "UPDATE messages SET rating = ? WHERE id = ? RETURNING id", [rating, message_id]
            ).fetchall()
            _found(rows)

    def rewrite_answer(self, message_id: int, content: str) -> Message:
        """Add the person's own wording of an answer: a sibling that remembers what it replaces."""
        old = self.message(message_id)
        new = self.add_message(old.conversation_id, old.parent_id, "assistant", content)
        with self.writing() as db:
            db.execute("UPDATE messages SET edited_from = ? WHERE id = ?", [message_id, new.id])
        return self.message(new.id)

    def append_tokens(
        self,
        message_id: int,
        steps: Sequence[TokenStep],
        content: str,
        *,
        at: int | None = None,
        stats: AnswerStats | None = None,
        notices: Sequence[str] | None = None,
    ) -> None:
        """Add the newest tokens of an answer; `content` is its whole text so far.

        Args:
            message_id: the answer.
            steps: the tokens.
            content: the text, these tokens included.
            at: position of the first of them, so that a second try changes nothing; None: after
                the last one.
            stats: the figures so far; None: as they are.
            notices: all sentences so far; None: as they are.
        """
        with self.writing() as db:
            if at is None:
                (at,) = db.execute(
                    "SELECT coalesce(max(position) + 1, 0) FROM tokens WHERE message_id = ?",
                    [message_id],
                ).fetchone()
            db.conn.executemany(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((message_id, place, *token_row(step)) for place, step in enumerate(steps, at)),
            )
            found = db.execute(
                "UPDATE messages SET content = ?, stats = coalesce(?, stats),"
                " notices = coalesce(?, notices) WHERE id = ? RETURNING id",
                [
                    clean(content),
                    None if stats is None else json.dumps(asdict(stats)),
                    None if notices is None else json.dumps(notices),
                    message_id,
                ],
            ).fetchall()
            _found(found)

    def token_steps(self, message_id: int) -> list[TokenStep]:
        """Return the tokens of an answer as they were appended, to the last bit."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT token_id, text_bytes, p_local, p_cloud, p_fused, weight, source, at_ms,"
                " alternatives FROM tokens WHERE message_id = ? ORDER BY position",
                [message_id],
            )
            return [token_step_of(row) for row in rows]

    def finish_answer(
        self,
        message_id: int,
        *,
        content: str,
        status: Status,
        stats: AnswerStats,
        notices: Sequence[str],
    ) -> None:
        """Close an answer; from now on search finds it."""
        with self.writing() as db:
            row = db.execute(
                "UPDATE messages SET content = ?, status = ?, stats = ?, notices = ?"
                " WHERE id = ? RETURNING conversation_id",
                [
                    clean(content),
                    status,
                    json.dumps(asdict(stats)),
                    json.dumps(notices),
                    message_id,
                ],
            ).fetchall()
            db.execute(
                "UPDATE conversations SET updated_at = ? WHERE id = ?",
                [_latest(db, time.time()), *_found(row)[0]],
            )
            _index(db, message_id)

    def recover(self) -> int:
        """Mark, at start, the answers that a crash cut off; returns how many there were."""
        with self.writing() as db:
            rows = db.execute(
                "UPDATE messages SET status = 'interrupted' WHERE status = 'streaming' RETURNING id"
            ).fetchall()
            for (message_id,) in rows:
                _index(db, message_id)
            return len(rows)

    # Search and settings

    def search(self, text: str, limit: int = 50) -> list[SearchHit]:
        """Find where all the words of `text` occur, titles first, then messages, best first.

        Case and accents do not matter, the last word may be unfinished, and any text is a
        query: operators and quotes are words like others.
        """
        query = match_query(text)
        if not query:
            return []
        with self.reading() as db:
            values = {"query": query, "limit": limit, "tokens": _SNIPPET_TOKENS}
            rows = db.execute(_SEARCH_TITLES, values).fetchall()
            rows += db.execute(_SEARCH_MESSAGES, values).fetchall()
        return [
            SearchHit(conversation_id, message_id, title, one_line(snippet))
            for conversation_id, message_id, title, snippet in rows[:limit]
        ]

    def search_chats(self, text: str, limit: int = 50) -> list[ChatHit]:
        """Find as `search`, one hit a chat: those whose title has the words first, best first."""
        query = match_query(text)
        if not query:
            return []
        with self.reading() as db:
            values = {"query": query, "limit": limit, "tokens": _SNIPPET_TOKENS}
            places: dict[int, list[int]] = {
                chat: [] for chat, *_ in db.execute(_SEARCH_TITLES, values)
            }
            for chat, message in db.execute(_SEARCH_PLACES, values):
                if chat in places or len(places) < limit:
                    places.setdefault(chat, []).append(message)
            hits = []
            for chat, messages in places.items():
                (title,) = db.execute(
                    "SELECT title FROM conversations WHERE id = ?", [chat]
                ).fetchone()
                snippet = title
                if messages:
                    row = db.execute(_SNIPPET, {**values, "message": messages[0]}).fetchone()
                    snippet = one_line(row[0])
                hits.append(ChatHit(chat, title, tuple(messages), snippet))
        return hits

    def cloud_requests_since(self, moment: float) -> int:
        """Count requests of all answers since `moment` (seconds since the epoch, UTC).

        Answers of more than a day ahead do not count, because the clock was wrong when they were
        made: they would use up the budgets of all days until then.
        """
        with self.reading() as db:
            row = db.execute(
                "SELECT sum(json_extract(stats, '$.cloud_requests')) FROM messages "
                "WHERE created_at >= ? AND created_at < ? AND stats IS NOT NULL",
                [moment, time.time() + DAY_SECONDS],
            ).fetchone()
        return int(row[0] or 0)

    def setting(self, key: str, default: Any) -> Any:
        """Return a value that the user set in the page, or `default`."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM settings WHERE key = ?", [key]).fetchone()
            return json.loads(row[0]) if row else default

    def set_setting(self, key: str, value: Any) -> None:
        """Keep any JSON value under `key`."""
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", [key, json.dumps(value)])

    def endpoint(self, base_url: str, model: str) -> tuple[dict[str, Any], float] | None:
        """Return what was found out about a model at an endpoint, and when (seconds, UTC)."""
        with self.reading() as db:
            row = db.execute(
                "SELECT profile, tested_at FROM endpoints WHERE base_url = ? AND model = ?",
                [base_url, model],
            ).fetchone()
            return (json.loads(row[0]), row[1]) if row else None

    def save_endpoint(self, base_url: str, model: str, profile: dict[str, Any]) -> None:
        """Keep what was found out just now in place of what was known before."""
        with self.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?, ?)",
                [base_url, model, time.time(), json.dumps(profile)],
            )


def wipe_deleted(db: Database) -> None:
    """Take the words of deleted rows out of the search indices; the log still has to be emptied."""
    db.execute("INSERT INTO message_search(message_search) VALUES ('optimize')")
    db.execute("INSERT INTO title_search(title_search) VALUES ('optimize')")
    db.execute("INSERT INTO memory_search(memory_search) VALUES ('optimize')")


def _index(db: Database, message_id: int) -> None:
    """Let search find a message, once it is whole and if someone said it."""
    role, status, content = db.execute(
        "SELECT role, status, content FROM messages WHERE id = ?", [message_id]
    ).fetchone()
    if role != "system" and status != "streaming":
        db.execute(
            "INSERT OR REPLACE INTO message_search (rowid, content) VALUES (?, ?)",
            [message_id, segment(content)],
        )


def _latest(db: Database, now: float) -> float:
    """Return `now`, or just after the newest conversation where the clock has been set back since.

    The list is in the order of use, whatever the clock said.
    """
    (newest,) = db.execute("SELECT coalesce(max(updated_at), 0) FROM conversations").fetchone()
    return now if now > newest else float(newest) + 1e-3


def _greets_only(db: Database, conversation_id: int, title: str) -> bool:
    """Return whether a conversation is still called by the greeting that it began with."""
    if not is_greeting(title):
        return False
    (first,) = db.execute(
        "SELECT content FROM messages WHERE conversation_id = ? AND role = 'user' ORDER BY id",
        [conversation_id],
    ).fetchone()
    return title_of(first) == title


def _set_title(db: Database, conversation_id: int, title: str) -> None:
    rows = db.execute(
        "UPDATE conversations SET title = ? WHERE id = ? RETURNING title",
        [clean(title), conversation_id],
    ).fetchall()
    db.execute(
        "INSERT OR REPLACE INTO title_search (rowid, title) VALUES (?, ?)",
        [conversation_id, segment(_found(rows)[0][0])],
    )


def _found(row: _T | None) -> _T:
    if not row:
        raise StoreError(schema.GONE, "deleted")
    return row
