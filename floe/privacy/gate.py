"""Decides, turn by turn, what may leave this device, and says why.

Looks at the new message, the earlier turns and the system prompt; what it has found out about a
message is kept with it. Fails closed: what cannot be examined stays here. Knows neither how
requests are made nor who answers.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from floe.errors import FloeError, StoreError
from floe.privacy.choices import MATTERS, Policy, Treatment, treatments_by_kind, usual_treatment
from floe.privacy.guard import (
    LEARNT,
    MEMORY,
    Examiner,
    Guard,
    find_revealing_words,
    word_runs,
    words_that_reveal,
)
from floe.privacy.kept_words import KeptWords
from floe.privacy.lexicon import NAME, Found, bare, is_title
from floe.privacy.places import Places
from floe.privacy.pseudonyms import Pseudonyms, explained
from floe.privacy.scripts import may_hide_names
from floe.privacy.training_marks import NO_MARKS, TrainingMarks
from floe.privacy.turns import cut_into_turns, is_own, judge, repeats
from floe.privacy.verdict import ORGANISATION, Verdict
from floe.privacy.verdict_parts import WHOLE, deciding_spans, is_hard, kinds_of, values_found
from floe.privacy.wish import find_wish
from floe.records import ChatMessage, Message, Mode, Route
from floe.store import Store

KEPT: Final = "kept on this device"
"""How the reason of a turn begins that the person or the gate keeps here."""
CHOSEN: Final = "you chose this device only"
SWITCHED: Final = "kept on this device: this conversation is local only"
RELEASED: Final = "you called it not private"
KNOWN: Final = ", known to be private from elsewhere or for sure"
"""Ends the reason of a message that the person released in vain."""
WISH: Final = "your wish"
"""The kind of a message in which the person asks for secrecy."""
_SECONDS: Final = 4.0
"""For all examinations of a turn; earlier turns that have not been reached by then stay here."""

_WEAK: Final = 0.4
"""A span of less is a word that a matter hangs on, none that could be replaced."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Rights of a turn: what it may send.

    `messages` are what the cloud may see, the question last; empty for a local route. `guard`
    (None: local) stands before every stream that is opened.
    """

    route: Route
    messages: tuple[ChatMessage, ...] = ()
    guard: Guard | None = None


class Gate:
    """One for the program; a `Passage` for each turn."""

    def __init__(
        self,
        store: Store,
        examiner: Examiner,
        learnt: Callable[[], TrainingMarks] = lambda: NO_MARKS,
    ) -> None:
        self._store = store
        self._examiner = examiner
        self.learnt = learnt
        """Returns the marks of what was learnt on this device."""
        self._own_kinds: dict[tuple[int, int], tuple[str, ...]] = {}

    def closed(self, mode: Mode, *, local_only: bool, path: Sequence[Message]) -> Route | None:
        """Return the local route if the person wants it; asks nobody and looks at no detector.

        Args:
            mode: who may answer.
            local_only: the conversation's own switch.
            path: its messages, the new one last.
        """
        if mode == "local":
            return Route("local", CHOSEN)
        if local_only:
            return Route("local", SWITCHED)
        if MEMORY in (path[-1].private or ()):  # a program asks about an answer of ours
            return Route("local", f"{KEPT}: it holds {MEMORY}")
        for message in reversed(path):
            wish = find_wish(message.content) if message.role == "user" else None
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
        memory: Sequence[str] = (),
        treatments: Mapping[str, Treatment] | None = None,
        released: bool = False,
    ) -> Passage:
        """Look at all that would leave.

        Args:
            mode: "fused" or "cloud", what the route is to be if nothing speaks against it.
            path: the messages that the prompt holds, the new one last.
            system: the system prompt for the cloud.
            policy: what happens to private prompts.
            own_words: what the person calls private everywhere.
            kept: texts that the local model reads and the cloud must not.
            memory: the person's earlier words that the local model reads; likewise, and of the
                answer no more leaves once it holds one of them.
            treatments: what happens to each group of kinds; None: as the policy says.
            released: the person has said of the new message that it is not private, see `release`.
        """
        if self._examiner.state != "ready":
            return Passage(Route("local", self._examiner.sentence))
        try:
            place = path[-1].conversation_id if path[-1].stored else None
            known = Pseudonyms(self._store, place, own_words)
            treated = treatments_by_kind(policy, treatments or {})
            marks = self.learnt()
            look = _Look(self._examiner, known, policy, treated, self._keep, self._own_kinds, marks)
            path = [self._with_origin(message) for message in path]
            return look.passage(mode, path, system, kept, memory, released=released)
        except FloeError as error:
            return Passage(Route("local", str(error)))

    def release(self, path: Sequence[Message], route: Route) -> None:
        """Forget the names that were learnt from the last message of `path` and no other.

        The person calls it not private, so that nothing in it is known to be; what stands in an
        earlier message too was learnt there.

        Args:
            path: a conversation's messages, the one that is released last.
            route: what was decided about it.

        Raises:
            StoreError: it cannot be written.
        """
        question = path[-1]
        former = "\n".join(message.content for message in path[:-1]).casefold()
        soft = [Found(*span) for span in route.spans if span[2] in (NAME, ORGANISATION)]
        names = [bare(question.content, found) for found in soft]
        values = {(name.kind, question.content[name.start : name.end]) for name in names}
        with self._store.writing() as db:
            for kind, value in values:
                if value.casefold() not in former:
                    db.execute(
                        "DELETE FROM pseudonyms"
                        " WHERE conversation_id = ? AND kind = ? AND value = ?",
                        [question.conversation_id, kind, value],
                    )

    def remember(self, message_id: int, text: str, guard: Guard) -> None:
        """Keep with a finished answer what is private in it, as far as that can be found out."""
        if not text:
            return
        try:
            kinds = guard.kinds_in(text)
            self._write(message_id, kinds)
        except FloeError:
            return  # nobody has looked: the next turn will

    def _with_origin(self, message: Message) -> Message:
        """Mark an answer that the person reworded by what the first of its wordings is.

        That is where it was written, and whether it holds what memory found.
        """
        if message.edited_from is None:
            return message
        marked = replace(message, private=(*(message.private or ()), MEMORY))
        try:
            origin = self._with_origin(self._store.message(message.edited_from))
        except StoreError as error:
            if error.failure != "deleted":
                raise
            return marked  # nobody can say any more what it held
        if MEMORY in (origin.private or ()):
            return marked
        return replace(message, route=origin.route)

    def revealing_words(self, texts: Iterable[str]) -> list[str]:
        """Find the words by which an answer would tell of texts that stay here."""
        return find_revealing_words(self._examiner, texts)

    def clear_memory(self, message_id: int) -> None:
        """Keep with an answer that it holds no words which memory found, though it could have.

        For answers that no guard stood over: nobody has looked at them.
        """
        with self._store.writing() as db:
            db.execute("UPDATE messages SET private = NULL WHERE id = ?", [message_id])

    def look_at(self, messages: Iterable[Message]) -> list[Message]:
        """Return the same messages, with `private` filled in where nobody has looked yet.

        For those who choose rows to learn from.

        Raises:
            PrivacyError: one cannot be examined.
            StoreError: what was found cannot be kept.
        """
        looked = []
        known: dict[int, Pseudonyms] = {}
        for message in messages:
            kinds = message.private
            if kinds is None:
                wished = message.role == "user" and find_wish(message.content)
                # On this device an answer is learnt as one, though the person wrote it.
                verdict = (
                    self._examiner.examine_answer(message.content)
                    if message.role == "assistant"
                    else self._examiner.examine(message.content)
                )
                kinds = (WISH,) if wished else kinds_of(verdict)
                if verdict.private:
                    # A model that learns from it can utter it in any other conversation.
                    place = message.conversation_id
                    if place not in known:
                        known[place] = Pseudonyms(self._store, place)
                    known[place].learn(message.content, values_found(verdict))
                self._keep(message, kinds)
            looked.append(replace(message, private=kinds))
        return looked

    def _keep(self, message: Message, kinds: tuple[str, ...]) -> None:
        if message.stored and message.private != kinds:
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
        treatments: Mapping[str, Treatment],
        keep: Callable[[Message, tuple[str, ...]], None],
        own_kinds: dict[tuple[int, int], tuple[str, ...]],
        learnt: TrainingMarks,
    ) -> None:
        self._examiner = examiner
        self._known = known
        self._policy = policy
        self._treatments = treatments
        self._keep = keep
        self._own_kinds = own_kinds
        self._learnt = learnt
        self._until = time.monotonic() + _SECONDS
        self._private: dict[int, tuple[str, ...]] = {}
        self._kept_runs: set[tuple[str, ...]] = set()
        self._telling: list[str] = []

    def passage(
        self,
        mode: Mode,
        path: Sequence[Message],
        system: str,
        kept: Sequence[str],
        memory: Sequence[str],
        *,
        released: bool,
    ) -> Passage:
        question = path[-1]
        before = [ChatMessage(message.role, message.content) for message in path[-3:-1]]
        verdict = self._examiner.examine(question.content, before=before)
        if released and not any(span.decides and is_hard(span.kind) for span in verdict.spans):
            verdict = replace(
                verdict, private=False, spans=(), unsure=False, leans=False, likely=()
            )
        self._keep(question, kinds_of(verdict))
        if not verdict.private or self._may_mask(verdict):
            # The same question, asked before: it says no more than this one, which is looked at.
            asked = question.content.strip()
            self._study(path[:-1], [t for t in (*kept, *memory) if t.strip() != asked])
        found = self._found(question.content, verdict)
        self._learn(question.content, verdict)
        shown_spans = tuple((each.start, each.end, each.kind) for each in found)
        kinds = tuple(kind for kind in kinds_of(verdict, found) if not self._is_allowed(kind))
        self._keep(question, kinds)
        listed = ", ".join(kinds)
        masks = [each for each in found if self._masks(each.kind)]
        if kinds and (not masks or any(self._stays(kind) for kind in kinds)):
            reason = f"{KEPT}: {listed}{KNOWN if released else ''}"
            unsure = not released and verdict.unsure and not any(is_hard(f.kind) for f in found)
            return Passage(Route("local", reason, shown_spans, unsure=unsure))
        masks = self._with_likely(question.content, masks, verdict)
        text = self._masked(question.content, masks) if masks else question.content
        if text is None:
            reason = f"{KEPT}: pseudonyms cannot hide all of it"
            return Passage(Route("local", reason, shown_spans))
        shown = self._system(system)
        # What the cloud is not told of the system prompt is not to come out in an answer either.
        kept = [*kept, *([] if shown == system else [system])]
        self._kept_runs = word_runs([*kept, *memory]) - word_runs([question.content])
        turns, withheld = self._earlier(path[:-1], question.content)
        if verdict.leans and turns and turns[-1] is None:
            # Not unsure: without the turn before it, the cloud could make nothing of it.
            return Passage(
                Route("local", f"{KEPT}: it refers to a message that stays on this device")
            )
        messages = (
            *([ChatMessage("system", shown)] if shown else []),
            *chain.from_iterable(filter(None, turns)),
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
            memory=[*memory, *self._of_memory(path), *self._telling],
            learnt=self._learnt,
        )
        listed = listed or (NAME if masks else "")
        reason = _reason(mode, listed, len(withheld), released=released)
        return Passage(Route(mode, reason, shown_spans), messages, guard)

    def _is_allowed(self, kind: str) -> bool:
        return self._treatments.get(kind) == "allow"

    def _stays(self, kind: str) -> bool:
        """Whether a message with this kind stays here, whatever is masked."""
        return (
            kind in (MEMORY, LEARNT, *WHOLE)
            or self._treatments.get(kind, usual_treatment(self._policy)) == "keep"
        )

    def _masks(self, kind: str) -> bool:
        """Whether a placeholder stands for this kind; a matter stays, its person is masked."""
        return kind not in MATTERS and not self._is_allowed(kind) and not self._stays(kind)

    def _may_mask(self, verdict: Verdict) -> bool:
        return not any(self._stays(kind) for kind in kinds_of(verdict))

    def _study(self, path: Sequence[Message], kept: Sequence[str]) -> None:
        """Look at all that nobody has looked at, the newest first, and learn from it.

        Before anything is shown: what is private in one text is looked for in all others.
        """
        for text in filter(None, kept):
            verdict = self._examiner.examine(text)
            names = [Found(s.start, s.end, s.kind) for s in verdict.spans if s.kind == NAME]
            self._known.learn(text, sorted({*names, *values_found(verdict)}))
            self._telling += words_that_reveal(self._examiner, text, verdict)
        for place, message in reversed([*enumerate(path)]):
            kinds = message.private
            before = path[max(0, place - 2) : place]
            key = message.id, hash(message.content)
            own = self._own_kinds.get(key) if is_own(message) else ()
            if kinds is None or own is None:
                if time.monotonic() > self._until:
                    continue
                verdict = judge(self._examiner, message, before)
                found = kinds_of(verdict)
                self._learn(message.content, verdict)
                if is_own(message):
                    # What is kept with it says what may be learnt from it here, as an answer.
                    self._own_kinds[key] = own = found
                    if kinds is None and found:
                        found = kinds_of(self._examiner.examine_answer(message.content))
                elif kinds is None and message.role == "assistant" and self._tells(message, before):
                    found = (*found, LEARNT)
                if kinds is None:
                    kinds = found
                    self._keep(message, kinds)
            kinds = tuple(dict.fromkeys([*kinds, *(own or ())]))
            self._private[message.id] = kinds

    def _earlier(
        self, path: Sequence[Message], question: str
    ) -> tuple[list[list[ChatMessage] | None], list[str]]:
        """Whole turns in order, None for those that stay, and the texts of these."""
        turns = cut_into_turns(path)
        shown = [self._turn(turn) for turn in turns]
        looked_at: set[int] = set()
        while True:
            withheld = [
                message
                for turn, messages in zip(turns, shown, strict=True)
                if messages is None
                for message in turn
            ]
            for message in withheld:
                if message.id not in looked_at:
                    looked_at.add(message.id)
                    self._telling += self._telling_words(message)
            texts = [message.content for message in withheld]
            asked = [each.content for turn in shown for each in turn or () if each.role == "user"]
            said = [*asked, question]
            runs, words = word_runs(texts) - word_runs(said), KeptWords(self._telling, said)
            known = "\n".join(said)
            repeating = [
                place
                for place, turn in enumerate(turns)
                if shown[place] is not None and repeats(turn, runs, words, self._learnt, known)
            ]
            if not repeating:
                return shown, texts
            for place in repeating:
                shown[place] = None

    def _telling_words(self, message: Message) -> list[str]:
        """Find what tells of a message that stays here, however short it is."""
        if message.role != "user":
            return []
        if not {*self._private.get(message.id, ())} & {*MATTERS}:
            return [*self._examiner.rare_words(message.content)]
        if time.monotonic() > self._until:
            return [message.content]
        return find_revealing_words(self._examiner, [message.content])

    def _turn(self, turn: Sequence[Message]) -> list[ChatMessage] | None:
        """Return a question and its answer as the cloud may see them; None: not at all."""
        # A question has the route of an answer that was deleted, which another one makes good.
        said = [m for m in turn if m.role == "assistant"] if turn[0].stored else []
        if any(m.route and m.route.reason in (CHOSEN, SWITCHED) for m in said or turn):
            return None
        if any(m.role == "assistant" and self._repeats_kept(m.content) for m in turn):
            return None
        messages = []
        for message in turn:
            text = self._shown(message)
            if text is None:
                return None
            messages.append(ChatMessage(message.role, text))
        return messages

    def _tells(self, answer: Message, before: Sequence[Message]) -> bool:
        """Whether an answer tells what an adapter was trained on, and its question does not."""
        asked = before[-1].content if before and before[-1].role == "user" else ""
        return self._learnt.found_in(answer.content, asked)

    def _repeats_kept(self, answer: str) -> bool:
        """Whether an answer repeats a text that is kept here, as the local model has read it."""
        return not self._kept_runs.isdisjoint(word_runs([answer]))

    def _of_memory(self, path: Sequence[Message]) -> list[str]:
        """Earlier answers that hold words which memory had found."""
        return [each.content for each in path if MEMORY in (self._private.get(each.id) or ())]

    def _shown(self, message: Message) -> str | None:
        kinds = self._private.get(message.id)
        known = [
            each
            for each in self._known.lexicon.find(message.content)
            if not self._is_allowed(each.kind)
        ]
        if kinds is not None and all(map(self._is_allowed, kinds)) and not known:
            return message.content if kinds or message.role != "user" else self._freely(message)
        if (
            kinds is None
            or WISH in kinds
            or any(map(self._stays, (*kinds, *(k.kind for k in known))))
        ):
            return None
        if time.monotonic() > self._until:
            return None
        verdict = judge(self._examiner, message)
        found = self._found(message.content, verdict)
        masks = [each for each in found if self._masks(each.kind)]
        masks = self._with_likely(message.content, masks, verdict)
        return self._masked(message.content, masks) if masks else None

    def _freely(self, message: Message) -> str | None:
        """Return a message that may go, with whom it places in the person's life masked."""
        key = message.id, hash(message.content)
        if key in self._own_kinds or not self._masks(NAME) or time.monotonic() > self._until:
            return message.content
        verdict = judge(self._examiner, message)
        masks = [] if verdict.private else self._with_likely(message.content, [], verdict)
        if masks:
            return self._masked(message.content, masks)
        self._own_kinds[key] = ()
        return message.content

    def _system(self, system: str) -> str:
        """Return the system prompt as the cloud may see it; empty: not at all."""
        if not system:
            return system
        verdict = self._examiner.examine(system)
        found = self._found(system, verdict)
        if not verdict.private and not found:
            return system
        self._learn(system, verdict)
        # What is sent of it all the same, such as a matter under pseudonyms, is no secret then.
        self._telling += words_that_reveal(self._examiner, system, verdict)
        masks = [each for each in found if self._masks(each.kind)]
        if not masks or any(self._stays(each.kind) for each in found):
            return ""
        return self._masked(system, self._with_likely(system, masks, verdict)) or ""

    def _with_likely(self, text: str, masks: list[Found], verdict: Verdict) -> list[Found]:
        """Return what is masked, with what else may be a name.

        In a private text only if anything is masked at all; in one that is not private, whom it
        places in the person's life.
        """
        if not masks and verdict.private:
            return masks
        places = Places((each.start, each.end) for each in masks)
        likely = (Found(s.start, s.end, s.kind) for s in verdict.likely)
        more = [e for e in likely if self._masks(e.kind) and not places.cover(e.start, e.end)]
        self._known.learn(text, more)
        return sorted([*masks, *more])

    def _masked(self, text: str, found: Sequence[Found]) -> str | None:
        """`text` with pseudonyms; None if something private shows through, or a name might."""
        if may_hide_names(text):
            return None
        for _ in range(2):
            masked = self._known.mask(text, found, links=True)
            verdict = self._examiner.examine(masked)
            left = self._beside_placeholders(masked, verdict)
            if not left:
                return masked
            # Hidden until now behind the names around it: known from here on.
            self._known.learn(masked, left)
        return None

    def _beside_placeholders(self, masked: str, verdict: Verdict) -> list[Found]:
        """Find in a masked text's verdict what is neither a placeholder nor a title."""
        names = "|".join(sorted((p.placeholder for p in self._known.all), key=len, reverse=True))
        places = [found.span() for found in re.finditer(names, masked)] if names else []
        left = []
        for span in verdict.spans:
            if not span.decides or span.score < _WEAK or not self._masks(span.kind):
                continue
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
        spans = deciding_spans(verdict)
        others = [
            each
            for each in self._known.lexicon.find(text)
            if all(each.end <= span.start or span.end <= each.start for span in spans)
        ]
        return sorted([*spans, *others])

    def _learn(self, text: str, verdict: Verdict) -> None:
        self._known.learn(text, values_found(verdict))


def _reason(mode: Mode, kinds: str, withheld: int, *, released: bool) -> str:
    parts = []
    if kinds:
        parts.append(f"pseudonyms stand for: {kinds}")
    if withheld:
        parts.append(f"earlier messages {KEPT}: {withheld}")
    if released and not kinds:
        parts.append(RELEASED)
    if not parts:
        parts.append("you chose the cloud only" if mode == "cloud" else "nothing private found")
    return "; ".join(parts)
