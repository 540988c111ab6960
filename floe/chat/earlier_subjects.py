"""Which turns of a chat a small model reads: those on the subject of its last question.

The default model drags what was talked about before into an answer on something else. A question
that goes on from earlier turns is likelier behind them than by itself, and one on another subject
is not: what is compared is the pointwise mutual information of both, by the model's own
log-probabilities (of 52 follow-ups none and of 52 changes of the subject 39 are below 0). The cloud
reads the whole chat. Knows neither stores nor turns.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from floe.adapters.follow_ups import goes_on
from floe.llama.prompt import PromptBuilder
from floe.llama.text_scorer import TextScorer
from floe.memory.question_forms import asks_for_told_fact
from floe.records import ChatMessage

_EXCHANGES: Final = 2
"""Questions with their answers that a question is compared with; the last one does as well."""
_LONGEST_QUESTION: Final = 200
_LONGEST_ANSWER: Final = 80
"""Characters of each that are read."""
_MOST_SCORED: Final = 48
"""Tokens of the question that are scored."""
_LONG: Final = 2_000
"""Characters of a question with a file or a text, which later ones may be about."""
_KEPT: Final = 64
"""Questions for which it is known from where on their chat is read."""
_STANDING: Final = re.compile(
    r"\b(?:from now on|always|never|every (?:time|answer)|each (?:time|answer|of)|act as|pretend"
    r"|role ?play|imagine|let['\u2019]?s (?:play|pretend)|i want you to|i will (?:give|send|ask)"
    r"|you are (?:an?|the|now|my)|you're (?:an?|the|now|my)|(?:answer|reply|respond|speak|talk)"
    r"\s+(?:to\s+me\s+)?(?:in|as|like|with|only|briefly)|call me|my name is"
    r"|i am an?|i['\u2019]m an?|ab jetzt|immer|désormais|toujours|siempre)\b",
    re.IGNORECASE,
)
"""What holds for a whole chat: how to answer, and who asks."""


class EarlierSubjects:
    """Finds where the subject of a chat's last question begins, for one model.

    Args:
        builder: renders chats for it.
        scorer: its log-probabilities.
        system_prompt: what stands before the turns.
    """

    def __init__(self, builder: PromptBuilder, scorer: TextScorer, system_prompt: str) -> None:
        self._builder = builder
        self._scorer = scorer
        self._system = ChatMessage("system", system_prompt[:_LONGEST_QUESTION])
        self._read: OrderedDict[bytes, int] = OrderedDict()

    def begin(self, turns: Sequence[ChatMessage]) -> int:
        """Return the place of the first turn to be read; 0: all are.

        Where a subject began stays for the questions that go on from it, so that their prompts
        begin as the one before did.

        Args:
            turns: without the system prompt, the question last.

        Raises:
            ModelError: the model has been closed, or memory is short.
        """
        asked = [i for i, each in enumerate(turns) if each.role == "user"]
        if len(asked) < 2 or asked[-1] != len(turns) - 1:
            return 0
        name = _name(turns)
        if name not in self._read:
            self._read[name] = len(turns) - self._find(turns, asked)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        self._read.move_to_end(name)
        return max(0, len(turns) - self._read[name])

    def _find(self, turns: Sequence[ChatMessage], asked: Sequence[int]) -> int:
        question = turns[-1].content
        before = turns[: asked[-2] + 1]
        begun = max(0, len(before) - self._read.get(_name(before), len(before)))
        follows = goes_on(question)
        if follows and not begun:
            return 0
        if asks_for_told_fact(question) or any(_holds_on(turns[i].content) for i in asked[:-1]):
            return 0
        gain = self._gain(turns[begun:-1], question)
        if begun and self._gain(turns[:begun], question) > max(gain, 0.0):
            return 0  # back to what was left out
        return len(turns) - 1 if gain < 0 and not follows else begun

    def _gain(self, earlier: Sequence[ChatMessage], question: str) -> float:
        """Return by how much likelier a question is behind turns than by itself, in nats."""
        shortened = [
            ChatMessage(
                each.role,
                each.content[: _LONGEST_QUESTION if each.role == "user" else _LONGEST_ANSWER],
            )
            for each in earlier[-2 * _EXCHANGES :]
        ]
        return self._score(shortened, question) - self._score([], question)

    def _score(self, earlier: Sequence[ChatMessage], question: str) -> float:
        before = [self._system, *earlier]
        whole = self._builder.render([*before, ChatMessage("user", question)])
        empty = self._builder.render([*before, ChatMessage("user", "")])
        same = (a == b for a, b in zip(whole, empty, strict=False))
        start = next(i for i, is_same in enumerate([*same, False]) if not is_same)
        size = min(self._builder.count(question), _MOST_SCORED)
        text = whole[start : start + size]
        return self._scorer.log_probability(whole[:start], text, slot=int(bool(earlier)))


def _holds_on(text: str) -> bool:
    """Return whether what a person said is for the whole chat."""
    return len(text) > _LONG or _STANDING.search(text) is not None


def _name(turns: Sequence[ChatMessage]) -> bytes:
    """Return a digest of a question with the two turns before it."""
    texts = (f"{each.role}\0{each.content}\0" for each in turns[-3:])
    return hashlib.sha256("".join(texts).encode("utf-8", "surrogatepass")).digest()
