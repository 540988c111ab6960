"""The decoder: follows the cloud's stream with the local model and emits one fused token a time.

Rows that have arrived are proposals: their text is spelled in local tokens, evaluated in one
batch and checked position by position; the first token that differs rolls the cache back. So are
tokens of its own that the local model wrote while the cloud kept it waiting.
Nothing here knows HTTP, llama.cpp, the store or the page.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.drafting import DraftLength
from floe.fusion.follower import Follower, FollowPolicy
from floe.fusion.index import index_vocabulary
from floe.fusion.late_backoff import LateBackoff
from floe.fusion.local_lookahead import LocalLookahead
from floe.fusion.picking import Pick, Picker
from floe.fusion.projection import MOST_ROWS_AHEAD, Projector
from floe.fusion.protocols import LocalModel, LogitArray, OpenStream
from floe.records import CloudToken, PoolingRule, Sampling, Source, TokenStep

Ending = Literal["complete", "length", "stopped"]

_LOOKAHEAD_ROWS: Final = 1 + MOST_ROWS_AHEAD
"""The row in force and those that tell what local token its word begins with."""
MAX_BATCH: Final = 16
"""Tokens of one batch: the one that is evaluated anyway, and proposals."""
MIN_EXACT: Final = 3
"""A model whose exact batches are smaller is checked in batches all the same: then a tie may be
decided by the last digits, but the proposals still pay."""


class Leeway(NamedTuple):
    """How far a text may be bent to stay with the only stream that it will get.

    The probabilities by which the cloud's own tokens that were taken fell short of the best ones
    are added up: the stream is left where they come to more than `start` and `per_token` for each
    token written.
    """

    start: float
    per_token: float

    def left(self, written: int, given: float) -> float:
        """Return by how much the next token may fall short."""
        return self.start + self.per_token * written - given


ONE_STREAM_LEEWAY: Final = Leeway(1.2, 0.02)
"""Chosen on nine questions, counted on ten others (docs/fusion.md)."""


@dataclass(slots=True)
class Controls:
    """Read before each token; any thread may write.

    Attributes:
        weight: local weight in [0, 1]; at 1 the cloud is not asked at all.
        deadline: longest wait for the cloud, seconds per token.
        tolerance: an answer takes the cloud's own token if its fused probability is within this
            of the best: fewer requests, at the price of some faithfulness. 0: never.
        leeway: that of an answer with one stream alone; what it leaves counts where it is more.
        stopped: end after the token in hand.
    """

    weight: float = 0.5
    deadline: float = 1.0
    tolerance: float = 0.0
    stopped: bool = False
    leeway: Leeway | None = None


class _Batch(NamedTuple):
    """Positions whose logits are known.

    Attributes:
        base: position in the cache of the token before the first of them.
        rows: logits at each, float32 of shape (vocabulary,).
        proposals: tokens that may come, from the first position on.
        checked: so many of them are in the cache.
        own: what the local model wrote ahead, a token for each row, the proposals among them.
    """

    base: int
    rows: LogitArray | Sequence[NDArray[np.float32]]
    proposals: Sequence[int] = ()
    checked: int = 0
    own: Sequence[Pick] = ()


class Decoder:
    """One answer, token by token.

    Attributes:
        ending: why the last run ended.
    """

    def __init__(
        self,
        local: LocalModel,
        controls: Controls,
        *,
        open_stream: OpenStream | None = None,
        rule: PoolingRule = "log-linear",
        shared_vocabulary: bool = False,
        policy: FollowPolicy | None = None,
        notify: Callable[[str], None] | None = None,
        alone: Source = "local",
        long_batches: bool = False,
        backoff: LateBackoff | None = None,
    ) -> None:
        """Nothing is evaluated or opened yet.

        Args:
            local: its cache holds the prompt when `run` is called.
            controls: the user's hand on the run.
            open_stream: the way to the cloud; None: local only.
            rule: how the two distributions are pooled.
            shared_vocabulary: both models have the same tokens.
            policy: limits on cloud requests.
            notify: is told in plain sentences what the user should know.
            alone: how tokens are marked when there is no way to the cloud.
            long_batches: fused tokens are evaluated in batches of `batch_invariant_min_size` at
                least, filled up where proposals are missing: dear single steps, cheap long batches,
                and bits that do not depend on when rows arrive. For models that agree nearly
                always.
            backoff: see `Follower`.
        """
        self._local = local
        self._controls = controls
        index = index_vocabulary(local)
        self._index = index
        self._shared = shared_vocabulary
        self._pieces = tuple(local.pieces)
        self._picker = Picker(self._pieces, index, Projector(index), rule)
        self._end_ids = frozenset(local.end_ids)
        exact = local.bit_exact_batch_size
        self._batch = min(MAX_BATCH, exact if exact >= MIN_EXACT else MAX_BATCH)
        self._single_until = (
            local.single_step_exact_below if exact >= MIN_EXACT else local.context_size
        )
        self._even = local.batch_invariant_min_size if long_batches else 1
        if self._even > 1:
            self._batch = MAX_BATCH
        self._draft_length = DraftLength(self._batch - 1)
        self._follower = (
            Follower(
                open_stream,
                notify or (lambda _sentence: None),
                policy=policy,
                shared_vocabulary=shared_vocabulary,
                spelling=None if shared_vocabulary else index,
                stopped=lambda: controls.stopped,
                backoff=backoff,
            )
            if open_stream is not None
            else None
        )
        self._alone: Source = alone
        self._began = time.perf_counter()
        self._room = 0
        self._fallen_short = 0.0
        self._rows_asked = 0
        self._sampling = Sampling()
        self._waiting: tuple[NDArray[np.float32], Pick | None, int] | None = None
        self._ahead: LocalLookahead | None = None
        self.ending: Ending = "complete"

    @property
    def requests(self) -> int:
        """Cloud requests so far."""
        return self._follower.requests if self._follower is not None else 0

    @property
    def single_steps_per_second(self) -> float:
        """Tokens a second that the local model writes alone, as it was so far; 0: not seen."""
        single = self._draft_length.single
        return 1 / single if single > 0 else 0.0

    def begin(self, written: bytes = b"") -> None:
        """Start the clock and, unless the weight is 1, the first request.

        Args:
            written: the beginning of the answer, if the prompt in the cache ends with one.
        """
        self._began = time.perf_counter()
        if self._follower is None:
            return
        if written:
            self._follower.advance(written)
        if self._controls.weight < 1:
            self._follower.begin()

    def close(self) -> None:
        """Cancel what is open."""
        if self._follower is not None:
            self._follower.close()

    def run(self, logits: LogitArray, sampling: Sampling) -> Iterator[TokenStep]:
        """Emit tokens until the answer ends.

        Args:
            logits: float32 of shape (1, vocabulary), after the last token of the prompt.
            sampling: how tokens are picked, and how many at most.
        """
        self._picker.begin(sampling)
        self._sampling = sampling
        self.ending = "complete"
        self._room = sampling.max_tokens
        self._fallen_short = 0.0
        batch: _Batch | None = _Batch(len(self._local.tokens) - 1, logits)
        while batch is not None:
            step, accepted = yield from self._emit_batch(batch)
            batch = self._next_batch(batch, step, accepted) if step is not None else None

    def _emit_batch(
        self, batch: _Batch
    ) -> Generator[TokenStep, None, tuple[TokenStep | None, int]]:
        """Emit tokens up to the first that is not the one proposed.

        Returns:
            The last one, None if the answer has ended; how many of the proposals were accepted.
        """
        rows, own, proposals = batch.rows, batch.own, batch.proposals
        for accepted, row in enumerate(rows):
            if self._over():
                break
            proposal = proposals[accepted] if accepted < len(proposals) else None
            pick = own[accepted] if own else None
            last = accepted == len(rows) - 1
            self._waiting = (row, pick, batch.base + len(rows)) if last else None
            step = self._step(row, pick)
            if step.token_id in self._end_ids:
                break
            self._room -= 1
            self._picker.accept(step.token_id)
            if self._follower is not None:
                self._follower.advance(step.text_bytes)
            yield step
            if proposal is not None and not own:
                # Also beyond the batch: a cloud that has come to agree is noticed.
                self._draft_length.checked(accepted=step.token_id == proposal)
            if step.token_id != proposal or (own and not self._keeps(step)):
                return step, accepted
            if last:
                return step, accepted + 1
        return None, 0

    def _next_batch(self, batch: _Batch, step: TokenStep, accepted: int) -> _Batch | None:
        """Evaluate what follows that token; None: the context is full, or the answer is over."""
        local = self._local
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.holds(step.token_id) and self._keeps(step):
            own = ahead.picks[1:]
            proposals = [pick.token for pick in own[:-1]]
            return _Batch(
                batch.base + len(batch.rows), ahead.rows[1:], proposals, len(proposals), own
            )
        local.roll_back(batch.base + 1 + min(accepted, batch.checked))
        if self._over():
            return None
        if len(local.tokens) >= local.context_size:
            self.ending = "length"
            return None
        base = len(local.tokens)
        proposals = self._proposals()
        room = min(local.context_size - base, self._room) - 1
        checked, logits = self._evaluate(step, proposals[: max(0, room)])
        return _Batch(base, logits, proposals, checked)

    def _keeps(self, step: TokenStep) -> bool:
        """Whether a token that was evaluated alone, ahead of time, has the digits it should."""
        alone = self._even <= 1 and len(self._local.tokens) < self._single_until
        return alone or step.source != "fused"

    def _write_ahead(self, left: float) -> float:
        """Use the time while the cloud is waited for; seconds until there is more to do."""
        if self._ahead is None:
            if self._waiting is None:
                return math.inf
            row, first, length = self._waiting
            self._local.roll_back(length)
            self._ahead = LocalLookahead(
                self._local,
                self._pick_ahead,
                row,
                first,
                room=self._room,
                seconds=self._draft_length.single,
            )
        return self._ahead.step(left)

    def _pick_alone(self, row: NDArray[np.float32]) -> Pick:
        return self._picker.local(row, self._sampling, spare=True)

    def _pick_ahead(self, row: NDArray[np.float32], before: Sequence[int]) -> Pick:
        return self._picker.local(row, self._sampling, ahead=before)

    def _evaluate(self, step: TokenStep, proposals: list[int]) -> tuple[int, LogitArray]:
        """Evaluate a token with as many proposals as pay: their number, the logits after each."""
        local = self._local
        fused = step.source == "fused"
        if fused and self._even > 1:
            checked, least = min(len(proposals), self._batch - 1), self._even
        else:
            checked = self._draft_length.choose(len(proposals))
            least = 2 if fused and len(local.tokens) >= self._single_until else 1
        # Filled up for the sake of the digits; what that adds is rolled back with the rest.
        batch = [step.token_id, *proposals[:checked]]
        least = min(least, local.context_size - len(local.tokens))
        batch += batch[-1:] * (least - len(batch))
        began = time.perf_counter()
        logits = local.evaluate(batch, len(batch))
        self._draft_length.evaluated(1 + checked, time.perf_counter() - began)
        return checked, logits[: 1 + checked]

    def _over(self) -> bool:
        if self._controls.stopped:
            self.ending = "stopped"
        elif self._room <= 0:
            self.ending = "length"
        else:
            return False
        return True

    def _step(self, logits: NDArray[np.float32], own: Pick | None) -> TokenStep:
        """Pick the next token: fused, or `own` (or a pick made now) where there is no row."""
        weight = self._controls.weight
        follower = self._follower
        if follower is None:
            return self._emit(self._pick_alone(logits), 1.0, self._alone)
        if weight >= 1:
            return self._emit(own or self._pick_alone(logits), 1.0, "local")
        row = follower.next_distribution(self._controls.deadline, self._write_ahead)
        if self._ahead is not None:
            # The model's buffer, which they were in, has been written over.
            logits, own = self._ahead.rows[0], self._ahead.picks[0]
        # Moved while the loop waited: the very next token follows the slider.
        weight = self._controls.weight
        self._rows_asked = 0
        if row is None or weight >= 1:
            source: Source = "local" if weight >= 1 else follower.absence
            return self._emit(own or self._pick_alone(logits), 1.0, source)
        sampling, tolerance = self._sampling, self._tolerance()
        draft: Callable[[], int | None] | int | None = None
        if sampling.temperature > 0:
            draft = partial(self._proposed, logits, _LOOKAHEAD_ROWS)
        elif tolerance > 0:
            # By the rows that the projection asks for, as it spells the same token: the text must
            # not depend on which others are there already. A greedy pick writes into the logits.
            draft = self._picker.draft_end(logits) if row.end else self._proposed_as_projected
        pick = self._picker.fused(
            logits,
            row,
            follower.pending,
            weight,
            sampling,
            draft,
            tolerance,
            spelled=follower.spelled,
            successor=None if self._shared else self._successor,
        )
        self._fallen_short += max(0.0, pick.alternatives[0].p_fused - pick.p_fused)
        return self._emit(pick, weight, "fused")

    def _tolerance(self) -> float:
        """Return by how much the cloud's own token may be less probable than the best."""
        tolerance, leeway = self._controls.tolerance, self._controls.leeway
        if leeway is None:
            return tolerance
        written = self._sampling.max_tokens - self._room
        return max(tolerance, leeway.left(written, self._fallen_short))

    def _emit(self, pick: Pick, weight: float, source: Source) -> TokenStep:
        return TokenStep(
            pick.token,
            self._pieces[pick.token],
            pick.p_local,
            pick.p_cloud,
            pick.p_fused,
            weight,
            source,
            (time.perf_counter() - self._began) * 1000,
            pick.alternatives,
        )

    def _successor(self, ahead: int) -> CloudToken | None:
        """Ask for a later row, and remember how many the projection has looked at."""
        assert self._follower is not None
        row = self._follower.successor(ahead)
        if row is not None:
            self._rows_asked = max(self._rows_asked, ahead)
        return row

    def _proposed_as_projected(self) -> int | None:
        assert self._follower is not None
        tokens = self._spell(self._follower.upcoming(1 + self._rows_asked))
        return tokens[0] if tokens else None

    def _proposed(self, logits: np.ndarray, count: int) -> int | None:
        """Find the local token that begins what the cloud chose, as its next `count` rows tell."""
        assert self._follower is not None
        rows = self._follower.upcoming(count)
        if rows and rows[0].end:
            return self._picker.draft_end(logits)
        tokens = self._spell(rows)
        return tokens[0] if tokens else None

    def _proposals(self) -> list[int]:
        """Spell the stream's tokens for the positions after the one that is evaluated next."""
        if self._follower is None or self._controls.weight >= 1:
            return []
        self._follower.catch_up()
        rows = self._follower.upcoming(self._batch)
        if rows and self._even <= 1:
            # One more than is worth checking, so that a cloud that has come to agree is noticed.
            rows = rows[: self._draft_length.choose(self._batch) + 1]
        return self._spell(rows) if rows else []

    def _spell(self, rows: Sequence[CloudToken]) -> list[int]:
        """Local tokens of the next rows beyond the fused text, as the projection sees them.

        Row by row, and rows as one where the rest of a word changes how its beginning is spelled.
        """
        assert self._follower is not None
        index = self._index
        pending, spelled = self._follower.pending, self._follower.spelled
        tokens: list[int] = []
        text = b""
        for place, row in enumerate(rows):
            text += row.text_bytes
            spelling = index.spell_after(text, pending, spelled)
            if row.restored and not spelling:
                spelling = index.spell_after(text, pending, None)
            if row.end or not spelling:
                break
            word = self._rest_of_word(text, rows[place + 1 : place + 1 + MOST_ROWS_AHEAD])
            if word:
                grown = index.spell_after(text + word, pending, spelled)
                if grown[: len(spelling)] != spelling:
                    continue
            tokens += spelling
            text = pending = b""
        return tokens

    def _rest_of_word(self, text: bytes, rows: Sequence[CloudToken]) -> bytes:
        """Join the rows' own tokens as long as they could be of one local token with `text`."""
        rest = b""
        for row in rows:
            own = row.text_bytes
            if row.end or not own or not self._index.joining_bytes(text + rest)[own[0]]:
                break
            rest += own
        return rest
