"""Stands between an answer in the making and the cloud.

Each time a stream is reopened the text so far leaves the device, and a local model that knows
private facts can utter them. Examines what is new and a little before it, in the decoder's
thread. What cannot be examined does not leave. Knows streams, neither HTTP nor the models.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from os.path import commonprefix
from typing import Final, Protocol

from floe.errors import FloeError, SlowCheckError
from floe.fusion.protocols import CloudStream, OpenStream
from floe.privacy.choices import Policy
from floe.privacy.hidden import visible
from floe.privacy.kept_words import KeptWords
from floe.privacy.lexicon import NAME, Found, bare
from floe.privacy.pseudonyms import Pseudonyms
from floe.privacy.spelt_out import is_spelling, spelt_words
from floe.privacy.training_marks import NO_MARKS, TrainingMarks
from floe.privacy.unmask import UnmaskedStream
from floe.privacy.verdict import Verdict
from floe.privacy.verdict_parts import words_of_matters
from floe.records import ChatMessage

SECONDS: Final = 0.5
"""Longest examination while an answer is written: the decoder waits for it."""
_SLOW_LOOKS: Final = 3
"""Examinations in a row that take longer: then no more of the answer leaves."""
_OVERLAP: Final = 120
"""Characters before the new ones that are examined with them, from the start of a sentence."""
_SENTENCE_START: Final = re.compile(r"[.!?:]\s+|\n")
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s)|\n")
_UNSETTLED: Final = re.compile(
    r"(?:\d[\s().\-/]{0,3}){3,}$"  # a number of three digits or more
    r"|@\S*$"  # an e-mail address
    r"|[^\W\d]\w*\d\w*\s?$|\d[^\W\d]\w*\s?$"  # letters and digits in one word: a code, a key
    r"|\d[a-z]?(?:\s+[A-Z][\w'\u2019-]*){1,3}\.?\s?$"  # a number and names: a street
)
"""How something begins of which nobody can tell yet what it will be; it is over soon."""
_RUN: Final = 5
"""Words in a row that count as words of a text that is kept here."""
_WORDS: Final = re.compile(r"\w+")
_WORD_END: Final = re.compile(r"\A\w+")
MEMORY: Final = "your earlier words"
"""The kind of an answer that holds words which memory found."""
LEARNT: Final = "words that were learnt from"
"""The kind of an answer that holds what an adapter was trained on and the cloud must not have."""


class Examiner(Protocol):
    """Part of a detector that the gate needs."""

    @property
    def state(self) -> str:
        """The word "ready" once texts can be examined."""
        ...

    @property
    def sentence(self) -> str:
        """Reason why they cannot."""
        ...

    def examine(
        self, text: str, timeout: float = ..., *, before: Sequence[ChatMessage] = ...
    ) -> Verdict:
        """Look at what a person wrote after other messages; raises PrivacyError on any doubt."""
        ...

    def examine_answer(self, text: str, timeout: float = ...) -> Verdict:
        """Look at what a model wrote, for hard identifiers alone; raises PrivacyError."""
        ...

    def rare_words(self, text: str) -> tuple[str, ...]:
        """Return the words by which a text can be told from others."""
        ...


class Guard:
    """Over one answer.

    Attributes:
        policy: what happens to an answer that has become private.
        closed: nothing more of this answer leaves, whatever it says.
        seconds: longest examination of what is new.
    """

    def __init__(
        self,
        examiner: Examiner,
        pseudonyms: Pseudonyms,
        policy: Policy,
        *,
        sent: Sequence[str],
        kept: Sequence[str],
        memory: Sequence[str] = (),
        learnt: TrainingMarks = NO_MARKS,
    ) -> None:
        """Nothing has been said yet.

        Args:
            examiner: looks at what is new.
            pseudonyms: what is known to be private in this conversation.
            policy: what happens to an answer that has become private.
            sent: texts that the cloud gets with each request: what they say is no secret.
            kept: texts that the local model reads and the cloud must not.
            memory: those of them of which not a word that carries meaning may leave.
            learnt: marks of what adapters were trained on; likewise.
        """
        self._examiner = examiner
        self._pseudonyms = pseudonyms
        self.policy = policy
        self._known_there = "\n".join(sent)
        self._streams: list[_Heard] = []
        self._kept = word_runs([*kept, *memory]) - word_runs(sent)
        self._memory = KeptWords(memory, sent)
        self._sent = "\n".join(sent)
        self._learnt = learnt
        self._notify: Callable[[str], None] = lambda _sentence: None
        self._cleared = 0
        self._slow = 0
        self._private_beginning = ""
        self.closed = False
        self.seconds = SECONDS

    def around(self, open_stream: OpenStream, notify: Callable[[str], None]) -> OpenStream:
        """`open_stream` as the decoder may use it: None where nothing may leave (now).

        `notify` is told, once, why the cloud takes no further part.
        """
        self._notify = notify

        def opened(partial: str) -> CloudStream | None:
            outgoing = self.outgoing(partial)
            if outgoing is None:
                return None
            stream = open_stream(outgoing)
            if stream is None:
                return None
            heard = _Heard(len(partial))
            self._streams.append(heard)
            values = self._pseudonyms.values()
            return UnmaskedStream(stream, values, self._hear, heard.pieces.append)

        return opened

    def close(self, sentence: str) -> None:
        """Let nothing more out; any thread may call. `sentence` says why."""
        self.closed = True
        self._notify(sentence)

    def outgoing(self, partial: str) -> str | None:
        """Mask the answer so far; None: it may not leave, or not before it has gone on."""
        if self.closed:
            return None
        try:
            outgoing = self._outgoing(partial)
        except SlowCheckError as error:
            # A busy machine: not now, but perhaps a token later.
            self._slow += 1
            if self._slow == _SLOW_LOOKS:
                self._give_up(error)
            return None
        except FloeError as error:
            self._give_up(error)
            return None
        self._slow = 0
        return outgoing

    def kinds_in(self, text: str) -> tuple[str, ...]:
        """Return what is private in the finished answer.

        Raises:
            PrivacyError: it cannot be examined.
        """
        verdict = self._examiner.examine_answer(text)
        known = self._pseudonyms.lexicon.find
        found = [*self._new(text, verdict, 0), *known(text), *known(spelt_words(text))]
        kinds = {each.kind for each in found} | ({"private"} if _vague(verdict) else set())
        kept = word_runs([text]) & self._kept
        if self._memory.found_in(text, self._taken(text)) or kept - word_runs([self._known_there]):
            kinds.add(MEMORY)
        if self._learnt.found_in(text, self._said_there(text)):
            kinds.add(LEARNT)
        ranked = [kind for kind in verdict.kinds if kind in kinds]
        return (*ranked, *sorted(kinds - set(ranked)))

    def _give_up(self, error: FloeError) -> None:
        self.close(f"{error} The cloud takes no further part in this answer.")

    def _outgoing(self, partial: str) -> str | None:
        if not partial or self._stands_private(partial):
            return None if partial else partial
        if self._breaks_off(partial):
            return None
        start = self._start(partial)
        verdict = self._examiner.examine_answer(partial[start:], self.seconds)
        found = self._new(partial, verdict, start)
        known = self._pseudonyms.lexicon.find(partial)
        if self._names_somebody(partial, verdict, start):
            return None  # until its sentence is over: a number or an address may follow
        if _vague(verdict) or self._holds_kept(partial, start):
            self._stand_aside(partial, "words that stay on this device")
            return None
        if (found or known) and self.policy == "local only":
            self._pseudonyms.learn(partial, found)
            kinds = dict.fromkeys(each.kind for each in [*found, *known])
            self._stand_aside(partial, ", ".join(kinds))
            return None
        self._cleared = len(partial)
        return self._pseudonyms.mask(partial, found)

    def _breaks_off(self, partial: str) -> bool:
        """Whether nobody can tell yet what its last word will be."""
        return (
            _UNSETTLED.search(partial[-80:]) is not None
            or is_spelling(partial)
            or self._pseudonyms.lexicon.breaks_off(partial)
            or self._memory.may_begin(partial, self._taken(partial))
            or self._learnt.may_begin(partial, self._said_there(partial))
        )

    def _holds_kept(self, partial: str, start: int) -> bool:
        """Whether it repeats texts that are kept here, or spells what is known to be private."""
        if self._pseudonyms.lexicon.find(spelt_words(partial)):
            return True
        return (
            not self._kept.isdisjoint(word_runs([partial[start:]]))
            or self._memory.found_in(partial, self._taken(partial))
            or self._learnt.found_in(partial[start:], self._said_there(partial))
        )

    def _stands_private(self, partial: str) -> bool:
        """Whether the answer still begins with what was found to be private."""
        return bool(self._private_beginning) and partial.startswith(self._private_beginning)

    def _stand_aside(self, partial: str, what: str) -> None:
        """Send nothing for as long as the answer begins with this text; say so once."""
        self._private_beginning = partial
        self._notify(_stopped(what))

    def _start(self, partial: str) -> int:
        """From where to look: a sentence or a word that begins well before what is new."""
        latest = max(0, self._cleared - _OVERLAP)
        floor = max(0, latest - _OVERLAP)
        starts = [found.end() for found in _SENTENCE_START.finditer(partial, floor, latest)]
        return starts[-1] if starts else partial.rfind(" ", 0, floor) + 1

    def _new(self, text: str, verdict: Verdict, start: int) -> list[Found]:
        """Find what is private in `text[start:]`, but for what the cloud has said itself."""
        found = []
        for span in verdict.spans:
            if not span.decides:
                continue
            core = bare(text, Found(start + span.start, start + span.end, span.kind))
            if not self._from_there(text[core.start : core.end]):
                found.append(core)
        return found

    def _names_somebody(self, text: str, verdict: Verdict, start: int) -> bool:
        """Whether the sentence in the making has a person or a street the cloud has not heard of.

        What is known to be private is found, and masked, elsewhere.
        """
        ends = [found.end() for found in _SENTENCE_END.finditer(text, start)]
        sentence = ends[-1] if ends else start
        known = self._pseudonyms.lexicon.find(text)
        for span in verdict.spans:
            begin, end = start + span.start, start + span.end
            if span.decides or span.kind not in (NAME, "address") or begin < sentence:
                continue
            if any(each.start < end and begin < each.end for each in known):
                continue
            if not self._from_there(text[begin:end]):
                return True
        return False

    def _from_there(self, words: str) -> bool:
        """Whether the cloud knows these words already: it wrote them, or was asked with them."""
        if words in self._pseudonyms.lexicon:
            return False
        return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", self._known_there) is not None

    def _hear(self, data: bytes) -> None:
        self._known_there += data.decode("utf-8", "replace")

    def _taken(self, text: str) -> str:
        """Join what of the answer the cloud wrote itself, and this device took as it came.

        What it merely says, a dictionary perhaps, makes no word that is kept here known to it.
        """
        return "\n".join(heard.taken(text) for heard in self._streams)

    def _said_there(self, text: str) -> str:
        """Join what the cloud was sent, and what of the answer it wrote itself."""
        return f"{self._sent}\n{self._taken(text)}"


class _Heard:
    """What one stream has written, from `start` of the answer on, in real words."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.pieces: list[bytes] = []

    def taken(self, text: str) -> str:
        """Return whole words of it that stand in the answer where it wrote them."""
        said = b"".join(self.pieces).decode("utf-8", "replace")
        start = self._start
        same = commonprefix([said, text[start:]])  # noqa: RUF071 - texts, not paths
        taken = text[start : start + len(same)]
        # Of a word that was begun before nobody can say whose it is.
        return _WORD_END.sub("", taken) if text[max(0, start - 1) : start].isalnum() else taken


def _vague(verdict: Verdict) -> bool:
    """Private as a whole, without words that could be taken out."""
    return verdict.private and not any(span.decides for span in verdict.spans)


def _stopped(what: str) -> str:
    return (
        f"The answer now contains something private ({what}), so no more of it is sent. This "
        "device goes on alone."
    )


def words_that_reveal(examiner: Examiner, text: str, verdict: Verdict) -> list[str]:
    """Find the words of a text that stays here by which an answer would tell of it."""
    return [*words_of_matters(text, verdict), *examiner.rare_words(text)]


def find_revealing_words(examiner: Examiner, texts: Iterable[str]) -> list[str]:
    """Find them in texts that are yet to be examined; where that fails, all words."""
    found: list[str] = []
    for text in filter(None, texts):
        try:
            found += words_that_reveal(examiner, text, examiner.examine(text))
        except FloeError:
            found.append(text)
    return found


def word_runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Return all runs of `_RUN` words, which tell that one text repeats another."""
    found: set[tuple[str, ...]] = set()
    for text in texts:
        words = [word.casefold() for word in _WORDS.findall(visible(text))]
        found |= {tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)}
    return found
