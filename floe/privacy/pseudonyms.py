"""Placeholders for what is private: the cloud sees PERSON_1, this device knows who that is.

Each spelling has a placeholder of its own (PERSON_1 for "Anna Weber", PERSON_1B for "Anna",
PERSON_1C for "WEBER"), so that every text comes back exactly as it was; the number says that
they are one and the same. They belong to a conversation, and only this device can turn them back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from floe.privacy.lexicon import (
    NAME,
    Found,
    bare,
    identifies,
    stem_of,
    unaccented,
    united,
)
from floe.privacy.spellings import widened
from floe.privacy.visible_lexicon import VisibleLexicon
from floe.records import ChatMessage
from floe.store import Store

EXPLANATION: Final = (
    "Words like PERSON_1 or PHONE_1 stand for something that is kept private. Use them as they "
    "are, as if they were the real words."
)
"""Told to the cloud with the first placeholder."""

_PREFIXES: Final = {NAME: "PERSON", "e-mail": "EMAIL"}
_PLACEHOLDER: Final = re.compile(r"([A-Z][A-Z_]*)_(\d+)([A-Z]*)")
_MARKED: Final = r"(?<![A-Za-z0-9_])(?:{})(?-i:(?![A-Z0-9_]))"
_MOST_ELSEWHERE: Final = 2_000
_LINK: Final = re.compile(r"(?:\bhttps?://|\bwww\.)[^\s<>\"'`()\[\]]+(?<![.,;:!?])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """A placeholder and the words it stands for."""

    placeholder: str
    kind: str
    value: str


class Pseudonyms:
    """All that is known to be private in a conversation, with its placeholders.

    Kept under both policies: what was private once is recognised again, though the detector may
    miss it there. Values that point to somebody (full names, numbers, addresses) are recognised
    from all other conversations too: a model that was trained on them can utter them here.

    Attributes:
        lexicon: finds known values in a text.
    """

    def __init__(
        self, store: Store, conversation_id: int | None, own_words: Sequence[str] = ()
    ) -> None:
        """Read what is known.

        Args:
            store: keeps the placeholders.
            conversation_id: the conversation they belong to; None: one that is not kept, nor are
                they.
            own_words: what the person calls private everywhere.

        Raises:
            StoreError: the database cannot be read.
        """
        self._store = store
        self._conversation_id = conversation_id
        self._by_value: dict[str, Pseudonym] = {}
        self._by_placeholder: dict[str, Pseudonym] = {}
        self.lexicon = VisibleLexicon()
        with store.reading() as db:
            mine = db.execute(
                "SELECT placeholder, kind, value FROM pseudonyms WHERE conversation_id = ?"
                " ORDER BY rowid",
                [conversation_id],
            ).fetchall()
            elsewhere = db.execute(
                "SELECT kind, value FROM pseudonyms WHERE conversation_id IS NOT ?"
                " ORDER BY rowid DESC LIMIT ?",
                [conversation_id, _MOST_ELSEWHERE],
            ).fetchall()
        for row in mine:
            self._know(Pseudonym(*row))
        for kind, value in elsewhere:
            if identifies(value, kind):
                self.lexicon.add(value, kind)
        for word in own_words:
            self.lexicon.add(word, "own words")

    @property
    def all(self) -> tuple[Pseudonym, ...]:
        """In the order in which they were given."""
        return tuple(self._by_placeholder.values())

    def learn(self, text: str, found: Iterable[Found]) -> None:
        """Remember what was found in a text.

        Raises:
            StoreError: it cannot be kept.
        """
        for each in found:
            core = widened(text, bare(text, each))
            self._for(text[core.start : core.end], core.kind, text)

    def mask(self, text: str, found: Iterable[Found] = (), *, links: bool = False) -> str:
        """`text` with a placeholder for all that was found, and for all that is known.

        links: one for the whole of a link that has any of it, which leads nowhere with a
            placeholder in it. Not in a text that may end within one.

        Raises:
            StoreError: a new placeholder cannot be kept.
        """
        cores = [bare(text, each) for each in found]
        places = [widened(text, each) for each in [*cores, *self.lexicon.find(text)]]
        if links:
            places += _links_around(text, places)
        pieces = []
        end = 0
        for each in united(places):
            # What the text itself calls PERSON_1 needs no other name.
            value = text[each.start : each.end]
            if value in self._by_placeholder:
                continue
            pieces += [text[end : each.start], self._for(value, each.kind, text).placeholder]
            end = each.end
        return "".join([*pieces, text[end:]])

    def unmask(self, text: str) -> str:
        """Undo `mask`."""
        if not self._by_placeholder:
            return text
        names = "|".join(map(_forgiving, sorted(self._by_placeholder, key=len, reverse=True)))
        return re.sub(_MARKED.format(names), self._real, text, flags=re.IGNORECASE)

    def _real(self, found: re.Match[str]) -> str:
        """Return the real words for a placeholder in whatever case and with whatever joint."""
        plain = re.sub(r"[ \\_-]+", "_", found[0]).upper()
        return self._by_placeholder[plain].value if plain in self._by_placeholder else found[0]

    def values(self) -> dict[bytes, bytes]:
        """Real words by placeholder, as UTF-8."""
        return {p.placeholder.encode(): p.value.encode() for p in self.all}

    def _for(self, value: str, kind: str, text: str) -> Pseudonym:
        known = self._by_value.get(value)
        if known is not None:
            return known
        new = Pseudonym(self._free_placeholder(value, kind, text), kind, value)
        if self._conversation_id is not None:
            with self._store.writing() as db:
                db.execute(
                    "INSERT INTO pseudonyms (conversation_id, placeholder, kind, value)"
                    " VALUES (?, ?, ?, ?)",
                    [self._conversation_id, new.placeholder, kind, value],
                )
        self._know(new)
        return new

    def _know(self, pseudonym: Pseudonym) -> None:
        self._by_value[pseudonym.value] = pseudonym
        self._by_placeholder[pseudonym.placeholder] = pseudonym
        self.lexicon.add(pseudonym.value, pseudonym.kind)

    def _free_placeholder(self, value: str, kind: str, text: str) -> str:
        """Return the next spelling of a value that is known, else the next number."""
        prefix = _PREFIXES.get(kind) or re.sub(r"[^A-Z]+", "_", kind.upper()).strip("_") or "TEXT"
        spellings: dict[int, list[str]] = {}
        for known in self.all:
            match = _PLACEHOLDER.fullmatch(known.placeholder)
            if match is not None and match[1] == prefix:
                spellings.setdefault(int(match[2]), []).append(known.value)
        # Held against the fullest spelling: the "Weber" of one person may be another's, too.
        same = [n for n, values in spellings.items() if _alike(max(values, key=len), value)]
        number = same[0] if same else max(spellings, default=0) + 1
        spelling = int(bool(same))
        while True:
            placeholder = f"{prefix}_{number}{_letters(spelling)}"
            # One that the text has already, by chance, would come back as something else.
            if placeholder not in self._by_placeholder and placeholder not in text:
                return placeholder
            if same:
                spelling += 1
            else:
                number += 1


def _links_around(text: str, places: Sequence[Found]) -> list[Found]:
    """Find the links of a text that have one of some places inside, with more than that."""
    return [
        Found(*link.span(), "link")
        for link in _LINK.finditer(text)
        if any(
            link.start() <= each.start
            and each.end <= link.end()
            and each.end - each.start < len(link[0])
            for each in places
        )
    ]


def explained(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return the conversation with `EXPLANATION` at the end of its system prompt."""
    if messages and messages[0].role == "system":
        text = f"{messages[0].content}\n\n{EXPLANATION}"
        return (ChatMessage("system", text), *messages[1:])
    return (ChatMessage("system", EXPLANATION), *messages)


def _forgiving(placeholder: str) -> str:
    """Build a pattern for a placeholder as models write it back: other case, blank, escape."""
    return re.escape(placeholder).replace("_", r"(?:\\?_|[ -])")


def _alike(first: str, second: str) -> bool:
    """Whether two spellings are of one value: other case or spacing, or parts of one name."""
    one, other = (
        {stem_of(word) for word in re.findall(r"\w+", unaccented(value).casefold())}
        for value in (first, second)
    )
    if one <= other or other <= one:
        return True
    digits = ["".join(filter(str.isdigit, value)) for value in (first, second)]
    return len(digits[0]) > 4 and digits[0] == digits[1]


def _letters(number: int) -> str:
    """0: nothing; then B to Z, BB, BC and so on."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 25)
        letters = chr(ord("B") + rest) + letters
    return letters
