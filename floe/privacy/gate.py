"""Decides, turn by turn, what may leave this device, and says why.

Looks at the new message, the earlier turns and the system prompt; what it has found out about a
message is kept with it. Fails closed: what cannot be examined stays here. Knows neither how
requests are made nor who answers.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from floe.errors import FloeError
from floe.privacy.choices import Policy
from floe.privacy.guard import Examiner, Guard
from floe.privacy.lexicon import Found, is_title
from floe.privacy.pseudonyms import Pseudonyms, explained
from floe.privacy.verdict import Verdict
from floe.records import ChatMessage, Message, Mode, Route
from floe.store import Store

KEPT: Final = "kept on this device"
"""How the reason of a turn begins that the person or the gate keeps here."""
CHOSEN: Final = "you chose this device only"
SWITCHED: Final = "kept on this device: this conversation is local only"
WISH: Final = "your wish"
"""The kind of a message in which the person asks for secrecy."""
_SECONDS: Final = 4.0
"""For all examinations of a turn; earlier turns that have not been reached by then stay here."""

_NOT: Final = r"(?:do\ not|don['\u2019]?t|never|must\ not|may\ not|not\ to)\ (?:ever\ )?"
_THIS: Final = (
    r"(?:all\ |any\ of\ )?(?:this|that|it|these|everything|what\ i\ (?:say|said|tell\ you))"
)
_US: Final = r"(?:between\ (?:us|you\ and\ (?:me|i))|among\ us)"
_HERE: Final = r"(?:this|my)\ (?:device|computer|machine|laptop|pc|phone)"
_WISH: Final = re.compile(
    rf"""
    \b(?: (?:just|strictly|only)\ {_US}
    | between\ you\ and\ me,
    | (?:keep|leave|stays?|remains?)\ (?:{_THIS}\ )?(?:\w+\ )?{_US}
    | keep\ {_THIS}\ (?:\w+\ )?(?:strictly\ )?(?:private|secret|confidential|to\ yourself|quiet
        |here|local(?:ly)?|off\ the\ cloud|(?:on|in|within)\ {_HERE})
    | {_NOT}(?:share|send|upload|forward|leak|disclose|reveal|transmit)\ (?:{_THIS}|my\ \w+)
    | {_NOT}tell\ (?:any(?:one|body)|a\ soul|my\ \w+)
    | {_NOT}(?:use|ask|involve|contact)\ the\ cloud
    | (?:not|never)\ (?:to\ )?leave\ {_HERE}
    | (?:this|that|it)(?:\ is|['\u2019]s)\ (?:strictly\ |highly\ |very\ )?
        (?:confidential|a\ secret|private(?=\s*(?:[.,;:!)]|$)))
    | (?:strictly|highly)\ confidential
    | off\ the\ record
    | for\ your\ (?:eyes|ears)\ only
    )(?!\w)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A person's words for: this stays here. In doubt it is one; the price is a local answer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a turn may do.

    `messages` are what the cloud may see, the question last; empty for a local route. `guard`
    (None: local) stands before every stream that is opened.
    """

    route: Route
    messages: tuple[ChatMessage, ...] = ()
    guard: Guard | None = None


class Gate:
    """One for the program; a `Passage` for each turn."""

    def __init__(self, store: Store, examiner: Examiner) -> None:
        self._store = store
        self._examiner = examiner

    def closed(self, mode: Mode, *, local_only: bool, path: Sequence[Message]) -> Route | None:
        """The local route if the person wants it; asks nobody and looks at no detector.

        Args:
            mode: who may answer.
            local_only: the conversation's own switch.
            path: its messages, the new one last.
        """
        if mode == "local":
            return Route("local", CHOSEN)
        if local_only:
            return Route("local", SWITCHED)
        for message in reversed(path):
            wish = _WISH.search(message.content) if message.role == "user" else None
            if wish is None:
                continue
            if message is not path[-1]:
                words = "you asked for it earlier; a new chat may use the cloud again"
                return Route("local", f"{KEPT}: {words}")
            self._keep(message, (WISH,))
            return Route("local", f"{KEPT}: you ask for it", ((*wish.span(), WISH),))
        return None

    def examine(
        self,
        mode: Mode,
        path: Sequence[Message],
        system: str,
        *,
        policy: Policy,
        own_words: Sequence[str] = (),
        kept: Sequence[str] = (),
    ) -> Passage:
        """Look at all that would leave.

        Args:
            mode: "fused" or "cloud", what the route is to be if nothing speaks against it.
            path: the messages that the prompt holds, the new one last.
            system: the system prompt for the cloud.
            policy: what happens to private prompts.
            own_words: what the person calls private everywhere.
            kept: texts that the local model reads and the cloud must not.
        """
        if self._examiner.state != "ready":
            return Passage(Route("local", self._examiner.sentence))
        try:
            known = Pseudonyms(self._store, path[-1].conversation_id, own_words)
            look = _Look(self._examiner, known, policy, self._keep)
            return look.passage(mode, path, system, kept)
        except FloeError as error:
            return Passage(Route("local", str(error)))

    def remember(self, message_id: int, text: str, guard: Guard) -> None:
        """Keep with a finished answer what is private in it, as far as that can be found out."""
        if not text:
            return
        try:
            kinds = guard.kinds_in(text)
            self._write(message_id, kinds)
        except FloeError:
            return  # nobody has looked: the next turn will

    def look_at(self, messages: Iterable[Message]) -> list[Message]:
        """The same messages, with `private` filled in where nobody has looked yet.

        For those who choose rows to learn from.

        Raises:
            PrivacyError: one cannot be examined.
            StoreError: what was found cannot be kept.
        """
        looked = []
        for message in messages:
            kinds = message.private
            if kinds is None:
                wished = message.role == "user" and _WISH.search(message.content)
                kinds = (WISH,) if wished else _kinds(self._examiner.examine(message.content))
                self._keep(message, kinds)
            looked.append(replace(message, private=kinds))
        return looked

    def _keep(self, message: Message, kinds: tuple[str, ...]) -> None:
        if message.private != kinds:
            self._write(message.id, kinds)

    def _write(self, message_id: int, kinds: tuple[str, ...]) -> None:
        with self._store.writing() as db:
            db.execute(
                "UPDATE messages SET private = ? WHERE id = ?", [json.dumps(kinds), message_id]
            )


class _Look:
    """One turn under examination."""

    def __init__(
        self,
        examiner: Examiner,
        known: Pseudonyms,
        policy: Policy,
        keep: Callable[[Message, tuple[str, ...]], None],
    ) -> None:
        self._examiner = examiner
        self._known = known
        self._policy = policy
        self._keep = keep
        self._until = time.monotonic() + _SECONDS
        self._private: dict[int, tuple[str, ...]] = {}

    def passage(
        self,
        mode: Mode,
        path: Sequence[Message],
        system: str,
        kept: Sequence[str],
    ) -> Passage:
        question = path[-1]
        verdict = self._examiner.examine(question.content)
        self._keep(question, _kinds(verdict))
        if not verdict.private or self._policy == "pseudonyms":
            self._study(path[:-1], kept)
        found = self._found(question.content, verdict)
        self._learn(question.content, verdict)
        spans = tuple((each.start, each.end, each.kind) for each in found)
        kinds = _kinds(verdict, found)
        self._keep(question, kinds)
        listed = ", ".join(kinds)
        if kinds and (self._policy == "local only" or not found):
            return Passage(Route("local", f"{KEPT}: {listed}", spans))
        text = self._masked(question.content, found) if found else question.content
        if text is None:
            return Passage(Route("local", f"{KEPT}: pseudonyms cannot hide all of it", spans))
        turns, withheld = self._earlier(path[:-1])
        shown = self._system(system)
        messages = (
            *([ChatMessage("system", shown)] if shown else []),
            *chain.from_iterable(turns),
            ChatMessage("user", text),
        )
        sent = [message.content for message in messages]
        if any(p.placeholder in content for p in self._known.all for content in sent):
            messages = explained(messages)
        guard = Guard(
            self._examiner,
            self._known,
            self._policy,
            sent=sent,
            kept=[*kept, *withheld],
        )
        return Passage(Route(mode, _reason(mode, listed, len(withheld)), spans), messages, guard)

    def _study(self, path: Sequence[Message], kept: Sequence[str]) -> None:
        """Look at all that nobody has looked at, the newest first, and learn from it.

        Before anything is shown: what is private in one text is looked for in all others.
        """
        for text in filter(None, kept):
            self._learn(text, self._examiner.examine(text))
        for message in reversed(path):
            kinds = message.private
            if kinds is None:
                if time.monotonic() > self._until:
                    continue
                verdict = self._examiner.examine(message.content)
                kinds = _kinds(verdict)
                self._learn(message.content, verdict)
                self._keep(message, kinds)
            self._private[message.id] = kinds

    def _earlier(self, path: Sequence[Message]) -> tuple[list[list[ChatMessage]], list[str]]:
        """Whole turns that may leave, in order, and the texts of those that stay."""
        shown: list[list[ChatMessage]] = []
        withheld: list[str] = []
        for turn in _turns(path):
            messages = self._turn(turn)
            if messages is None:
                withheld += [message.content for message in turn]
            else:
                shown.append(messages)
        return shown, withheld

    def _turn(self, turn: Sequence[Message]) -> list[ChatMessage] | None:
        """A question and its answer as the cloud may see them; None: not at all."""
        if any(m.route is not None and m.route.reason in (CHOSEN, SWITCHED) for m in turn):
            return None
        messages = []
        for message in turn:
            text = self._shown(message)
            if text is None:
                return None
            messages.append(ChatMessage(message.role, text))
        return messages

    def _shown(self, message: Message) -> str | None:
        kinds = self._private.get(message.id)
        known = self._known.lexicon.find(message.content)
        if kinds == () and not known:
            return message.content
        if kinds is None or WISH in kinds or self._policy == "local only":
            return None
        if time.monotonic() > self._until:
            return None
        found = self._found(message.content, self._examiner.examine(message.content))
        return self._masked(message.content, found) if found else None

    def _system(self, system: str) -> str:
        """The system prompt as the cloud may see it; empty: not at all."""
        if not system:
            return system
        verdict = self._examiner.examine(system)
        found = self._found(system, verdict)
        if not verdict.private and not found:
            return system
        self._learn(system, verdict)
        if self._policy == "local only" or not found:
            return ""
        return self._masked(system, found) or ""

    def _masked(self, text: str, found: Sequence[Found]) -> str | None:
        """`text` with pseudonyms; None if something private shows through all the same."""
        for _ in range(2):
            masked = self._known.mask(text, found)
            verdict = self._examiner.examine(masked)
            if verdict.private and not _deciding(verdict):
                return None
            left = self._beside_placeholders(masked, verdict)
            if not left:
                return masked
            # Hidden until now behind the names around it: known from here on.
            self._known.learn(masked, left)
        return None

    def _beside_placeholders(self, masked: str, verdict: Verdict) -> list[Found]:
        """What a verdict on a masked text finds that is neither a placeholder nor a title."""
        names = "|".join(sorted((p.placeholder for p in self._known.all), key=len, reverse=True))
        places = [found.span() for found in re.finditer(names, masked)] if names else []
        left = []
        for span in _deciding(verdict):
            start = span.start
            for begin, end in [*places, (len(masked), len(masked))]:
                if end <= start:
                    continue
                piece = masked[start : min(begin, span.end)]
                if any(map(str.isdigit, piece)) or not (len(piece) < 3 or is_title(piece)):
                    left.append(Found(start, min(begin, span.end), span.kind))
                start = end
                if start >= span.end:
                    break
        return left

    def _found(self, text: str, verdict: Verdict) -> list[Found]:
        """Deciding spans, and what is known to be private here although nothing shows it."""
        spans = _deciding(verdict)
        others = [
            each
            for each in self._known.lexicon.find(text)
            if all(each.end <= span.start or span.end <= each.start for span in spans)
        ]
        return sorted([*spans, *others])

    def _learn(self, text: str, verdict: Verdict) -> None:
        self._known.learn(text, _deciding(verdict))


def _turns(path: Sequence[Message]) -> list[list[Message]]:
    """A user's message and all that follows it, up to the next."""
    turns: list[list[Message]] = []
    for message in path:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _deciding(verdict: Verdict) -> list[Found]:
    return [Found(span.start, span.end, span.kind) for span in verdict.spans if span.decides]


def _kinds(verdict: Verdict, found: Iterable[Found] = ()) -> tuple[str, ...]:
    """Kinds of a verdict, then those that were known; `private` if it has no words for it."""
    kinds = dict.fromkeys([*verdict.kinds, *(each.kind for each in found)])
    return tuple(kinds) or (("private",) if verdict.private else ())


def _reason(mode: Mode, kinds: str, withheld: int) -> str:
    parts = []
    if kinds:
        parts.append(f"pseudonyms stand for: {kinds}")
    if withheld:
        parts.append(f"earlier messages {KEPT}: {withheld}")
    if not parts:
        parts.append("you chose the cloud only" if mode == "cloud" else "nothing private found")
    return "; ".join(parts)
