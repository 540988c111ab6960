"""A local model and a recorded cloud, and the runs over them: fused, alone, polled, one by one."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from floe.bench.recorded import MOST_AT_ONCE, PacedCloud, RecordedCloud
from floe.config import Settings
from floe.fusion.cloud_only import CloudOnlyDecoder
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.drafting import DraftAcceptance
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import index_vocabulary
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.fusion.protocols import CloudStream, LogitArray
from floe.fusion.scoring.teacher_forcing import AlignedPosition
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage, PoolingRule, Sampling, TokenStep

TOKENS: Final = 48
"""Tokens of one timed answer."""
_POLLED: Final = 4
_PATIENT: Final = 30.0
"""Longer than every round trip: the figures are those of full fusion, not of going on alone."""


class TimedModel:
    """A local model whose evaluation time is added up; all else is handed through for nothing.

    Attributes:
        seconds: by the clock.
        cpu_seconds: processor time of this thread; the model has others besides.
    """

    def __init__(self, model: LlamaModel) -> None:
        self._evaluate = model.evaluate
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.pieces = model.pieces
        self.end_ids = model.end_ids
        self.context_size = model.context_size
        self.bit_exact_batch_size = model.bit_exact_batch_size
        self.batch_invariant_min_size = model.batch_invariant_min_size
        self.single_step_exact_below = model.single_step_exact_below
        self.tokens = model.tokens
        self.roll_back = model.roll_back
        self.tokenize = model.tokenize

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> LogitArray:
        """Evaluate like the model, timed."""
        began, cpu_began = time.perf_counter(), time.thread_time()
        logits = self._evaluate(tokens, outputs)
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.thread_time() - cpu_began
        return logits


@dataclass(slots=True)
class BenchRun:
    """One answer and what it took; seconds count from the end of the prompt.

    Attributes:
        overhead: seconds of everything but evaluating, waiting and giving out rows.
        cpu_overhead: processor time of the same.
    """

    steps: list[TokenStep]
    seconds: float
    first: float
    requests: int
    overhead: float = 0.0
    cpu_overhead: float = 0.0


class Pair:
    """A local model and a recorded cloud, and the runs over them."""

    def __init__(self, name: str, local: LlamaModel, cloud: RecordedCloud, *, shared: bool) -> None:
        self.deadline = Settings.load().deadline_ms / 1000
        self.name = name
        self.local = local
        self.cloud = cloud
        self.shared = shared
        self.agreement = DraftAcceptance()
        self._prompts = PromptBuilder(local)
        self._index = index_vocabulary(local)

    def fused(
        self,
        question: str,
        weight: float,
        round_trip: float,
        rate: float,
        *,
        rule: PoolingRule = "log-linear",
        tokens: int = TOKENS,
        policy: FollowPolicy | None = None,
        tolerance: float = 0.0,
        at_once: int = MOST_AT_ONCE,
    ) -> BenchRun:
        """Follow the stream."""
        paced = PacedCloud(self.cloud, question, round_trip, 1 / rate, tokens, at_once)
        controls = Controls(weight, _PATIENT, tolerance)
        run = self._run(question, controls, paced.open, rule, tokens, policy, lambda: paced.waited)
        # As the app does: the answers before decide how the next one is evaluated.
        self.agreement.remember(sum(step.source == "fused" for step in run.steps), run.requests)
        return run

    def alone(
        self,
        question: str,
        open_stream: Callable[[str], CloudStream] | None = None,
        *,
        tokens: int = TOKENS,
    ) -> BenchRun:
        """Time the local model alone, or beside a cloud that is of no use."""
        controls = Controls(0.5 if open_stream else 1.0, self.deadline)
        return self._run(question, controls, open_stream, "log-linear", tokens, None, lambda: 0.0)

    def cloud_alone(self, question: str, round_trip: float, rate: float) -> float:
        """Tokens per second of the cloud's own stream, the round trip included."""
        stream = PacedCloud(self.cloud, question, round_trip, 1 / rate, TOKENS).open("")
        relay = CloudOnlyDecoder(stream, Controls(0.0, _PATIENT), math.inf)
        began = self.cloud.now()
        count = sum(1 for _ in relay.run(TOKENS))
        return count / (self.cloud.now() - began)

    def _run(
        self,
        question: str,
        controls: Controls,
        open_stream: Callable[[str], CloudStream] | None,
        rule: PoolingRule,
        tokens: int,
        policy: FollowPolicy | None,
        waited: Callable[[], float],
    ) -> BenchRun:
        logits = self._read(question)
        local = TimedModel(self.local)
        decoder = Decoder(
            local,
            controls,
            open_stream=open_stream,
            rule=rule,
            shared_vocabulary=self.shared,
            policy=policy,
            long_batches=self.agreement.close,
        )
        began, cpu_began = self.cloud.now(), self.cloud.cpu_now()
        decoder.begin()
        steps: list[TokenStep] = []
        first = 0.0
        for step in decoder.run(logits, Sampling(max_tokens=tokens)):
            steps.append(step)
            first = first or self.cloud.now() - began
        seconds, cpu_seconds = self.cloud.now() - began, self.cloud.cpu_now() - cpu_began
        decoder.close()
        overhead = seconds - local.seconds - waited()
        cpu_overhead = cpu_seconds - local.cpu_seconds
        return BenchRun(steps, seconds, first, decoder.requests, overhead, cpu_overhead)

    def polled(self, question: str, weight: float, round_trip: float, rate: float) -> float:
        """Tokens per second of asking once per token, as CoGenesis does."""
        reference = self.reference(question, weight, "log-linear", _POLLED, long_batches=False)
        next(reference)  # the prompt is read
        began = self.cloud.now()
        count = 0
        for _ in reference:
            time.sleep(round_trip + 1 / rate)
            count += 1
        return count / (self.cloud.now() - began)

    def reference(
        self, question: str, weight: float, rule: PoolingRule, tokens: int, *, long_batches: bool
    ) -> Iterator[tuple[int, bool]]:
        """One row and one evaluation at a time, at the same boundaries: slow, obviously right.

        Yields tokens, and whether the text leaves the cloud's own with them; first of all -1.
        """
        model = self.local
        picker = Picker(tuple(model.pieces), self._index, Projector(self._index), rule)
        even = max(1, model.batch_invariant_min_size) if long_batches else 1
        position = AlignedPosition(
            lambda text: self.cloud.row(question, text),
            shared_vocabulary=self.shared,
            spelling=self._index,
        )
        logits = self._read(question)[0]
        yield -1, False
        for _ in range(tokens):
            if weight >= 1:
                token = picker.local(logits, Sampling()).token
            else:
                assert position.row is not None
                token = picker.fused(
                    logits,
                    position.row,
                    position.pending,
                    weight,
                    Sampling(),
                    None,
                    spelled=position.spelled,
                    successor=position.successor,
                ).token
            if token in model.end_ids:
                return
            requests = position.requests
            position.advance(model.pieces[token])
            yield token, position.requests > requests
            if weight >= 1:
                logits = model.evaluate([token])[0]
            else:
                # Digits of the same kind as the decoder's, one token at a time.
                size = max(even, 2 if len(model.tokens) >= model.single_step_exact_below else 1)
                logits = model.evaluate([token] * size, size)[0]
                model.roll_back(len(model.tokens) - size + 1)

    def least_requests(self, question: str, weight: float, rule: PoolingRule, tokens: int) -> int:
        """Count the requests that any protocol needs: the first, and one where the text leaves.

        What the cloud makes of a text that is not its own, nobody knows before it is asked.
        """
        reference = self.reference(question, weight, rule, tokens, long_batches=False)
        return 1 + sum([left for _, left in reference][:-1])

    def _read(self, question: str) -> LogitArray:
        self.local.roll_back(0)
        prompt = self._prompts.build([ChatMessage("user", question)]).tokens
        logits = self.local.prefill(prompt, lambda: False)
        assert logits is not None
        return logits
