"""The `fusion` bench: speed, requests and losslessness of following the cloud's stream.

Every scenario is measured beside the local model alone and beside polling once per token, in the
same run. The cloud is recorded (see `floe.bench.recorded`): 20 candidates a row, greedy.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from floe.bench.decode import write_random_adapter
from floe.bench.recorded import QUESTIONS, PacedCloud, RecordedCloud
from floe.config import Settings
from floe.edge.catalog import resolve_model
from floe.edge.prompt import PromptBuilder
from floe.edge.runtime import LlamaModel
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.drafting import Agreement
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import TokenIndex
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.fusion.protocols import CloudStream, Logits
from floe.records import ChatMessage, CloudToken, Rule, Sampling, TokenStep

_ROUND_TRIPS_MS: Final = (0, 50, 200, 500)
_RATES: Final = (30, 100, 400)
_WEIGHTS: Final = (0.2, 0.5, 0.8)
_TOKENS: Final = 48
_TIMED: Final = QUESTIONS[:2]
_ASKED: Final = (0.5, 200, 100)
"""Weight, round trip in ms and rate that the aims are set for: there all questions are answered."""
_POLLED: Final = 4
_PATIENT: Final = 30.0
"""Longer than every round trip: the figures are those of full fusion, not of going on alone."""
_LOSSLESS_TOKENS: Final = 24
_LOSSLESS_WEIGHTS: Final = (0.0, 0.2, 0.5, 0.8, 1.0)
_NEAR_TIE: Final = 0.999
_NO_SPACING: Final = FollowPolicy(min_spacing=0.0, max_requests=10_000)
_NOISE: Final = 0.02
_TOLERANCE: Final = 0.1
"""What the page's switch for fewer requests sets."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Timed:
    """A local model whose evaluation time is added up; all else is handed through for nothing."""

    def __init__(self, model: LlamaModel) -> None:
        self._evaluate = model.evaluate
        self.seconds = 0.0
        self.pieces = model.pieces
        self.end_ids = model.end_ids
        self.context_size = model.context_size
        self.exact_batch = model.exact_batch
        self.even_batch = model.even_batch
        self.tokens = model.tokens
        self.roll_back = model.roll_back

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> Logits:
        """As the model's, timed."""
        began = time.perf_counter()
        logits = self._evaluate(tokens, outputs)
        self.seconds += time.perf_counter() - began
        return logits


@dataclass(slots=True)
class Run:
    """One answer and what it took; seconds count from the end of the prompt."""

    steps: list[TokenStep]
    seconds: float
    first: float
    requests: int
    overhead: float = 0.0


class Pair:
    """A local model and a recorded cloud, and the runs over them."""

    def __init__(self, name: str, local: LlamaModel, cloud: RecordedCloud, *, shared: bool) -> None:
        self.deadline = Settings.load().deadline_ms / 1000
        self.name = name
        self.local = local
        self.cloud = cloud
        self.shared = shared
        self.agreement = Agreement()
        self._prompts = PromptBuilder(local)
        self._index = TokenIndex(local.pieces, local.end_ids)

    def fused(
        self,
        question: str,
        weight: float,
        round_trip: float,
        rate: float,
        *,
        rule: Rule = "log-linear",
        tokens: int = _TOKENS,
        policy: FollowPolicy | None = None,
        tolerance: float = 0.0,
    ) -> Run:
        """Follow the stream."""
        paced = PacedCloud(self.cloud, question, round_trip, 1 / rate, tokens)
        controls = Controls(weight, _PATIENT, tolerance)
        run = self._run(question, controls, paced.open, rule, tokens, policy, lambda: paced.waited)
        # As the app does: the answers before decide how the next one is evaluated.
        self.agreement.remember(sum(step.source == "fused" for step in run.steps), run.requests)
        return run

    def alone(self, question: str, open_stream: Callable[[str], CloudStream] | None = None) -> Run:
        """The local model alone, or beside a cloud that is of no use."""
        controls = Controls(0.5 if open_stream else 1.0, self.deadline)
        return self._run(question, controls, open_stream, "log-linear", _TOKENS, None, lambda: 0.0)

    def _run(
        self,
        question: str,
        controls: Controls,
        open_stream: Callable[[str], CloudStream] | None,
        rule: Rule,
        tokens: int,
        policy: FollowPolicy | None,
        waited: Callable[[], float],
    ) -> Run:
        logits = self._read(question)
        local = Timed(self.local)
        decoder = Decoder(
            local,
            controls,
            open_stream=open_stream,
            rule=rule,
            shared_vocabulary=self.shared,
            policy=policy,
            long_batches=self.agreement.close,
        )
        began = self.cloud.now()
        decoder.begin()
        steps: list[TokenStep] = []
        first = 0.0
        for step in decoder.run(logits, Sampling(max_tokens=tokens)):
            steps.append(step)
            first = first or self.cloud.now() - began
        seconds = self.cloud.now() - began
        decoder.close()
        overhead = seconds - local.seconds - waited()
        return Run(steps, seconds, first, decoder.requests, overhead)

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
        self, question: str, weight: float, rule: Rule, tokens: int, *, long_batches: bool
    ) -> Iterator[tuple[int, bytes]]:
        """One row and one evaluation at a time, at the same boundaries: slow, obviously right."""
        model = self.local
        picker = Picker(tuple(model.pieces), self._index, Projector(self._index), rule)
        even = max(1, model.even_batch) if long_batches else 1
        text = boundary = b""
        logits = self._read(question)[0]
        yield -1, b""
        for _ in range(tokens):
            if weight >= 1:
                token = picker.local(logits, Sampling()).token
            else:
                row = self.cloud.row(question, boundary)
                pending = text[len(boundary) :]
                token = picker.fused(logits, row, pending, weight, Sampling(), None).token
            if token in model.end_ids:
                return
            text += model.pieces[token]
            yield token, text
            boundary = self._boundary(question, boundary, text)
            if weight >= 1:
                logits = model.evaluate([token])[0]
            else:
                # Digits of the same kind as the decoder's, one token at a time.
                logits = model.evaluate([token] * even, even)[0]
                model.roll_back(len(model.tokens) - even + 1)

    def _boundary(self, question: str, boundary: bytes, text: bytes) -> bytes:
        """The end of the cloud's last token that the text has passed, or all of it on leaving."""
        while len(boundary) < len(text):
            row = self.cloud.row(question, boundary)
            pending = text[len(boundary) :]
            if not row.end and pending.startswith(row.text_bytes):
                boundary += row.text_bytes
            elif self.shared or row.end or not row.text_bytes.startswith(pending):
                # What can be sent ends with a whole character.
                return text.decode("utf-8", "ignore").encode()
            else:
                break
        return boundary

    def _read(self, question: str) -> Logits:
        self.local.roll_back(0)
        prompt = self._prompts.build([ChatMessage("user", question)]).tokens
        logits = self.local.prefill(prompt, lambda: False)
        assert logits is not None
        return logits


class Silent:
    """A stream that never brings a row."""

    ended = False
    error = None

    def poll(self) -> list[CloudToken]:
        """Nothing."""
        return []

    def wait(self, seconds: float) -> bool:
        """All of it, in vain."""
        time.sleep(seconds)
        return False

    def close(self) -> None:
        """Nothing to close."""


def run() -> dict[str, object]:
    """Measure both pairs; every figure's reference is of the same run."""
    settings = Settings.load()
    small = resolve_model("smollm2-135m-instruct", settings.models_dir)
    large = resolve_model("qwen2.5-coder-0.5b-instruct", settings.models_dir)
    with ExitStack() as stack:
        local_small = stack.enter_context(LlamaModel(small))
        local_large = stack.enter_context(LlamaModel(large))
        cloud_large = stack.enter_context(LlamaModel(large))
        # Two equal models agree on everything: a little noise makes the second one another.
        other_large = stack.enter_context(LlamaModel(large))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        write_random_adapter(other_large, folder / "noise.gguf", 8)
        other_large.use_adapters([(other_large.load_adapter(folder / "noise.gguf"), _NOISE)])
        pairs = [
            Pair("different tokenizers", local_small, RecordedCloud(cloud_large), shared=False),
            Pair("equal tokenizers", local_large, RecordedCloud(other_large), shared=True),
        ]
        scenarios = [scenario for pair in pairs for scenario in _scenarios(pair)]
        return {
            "scenarios": scenarios,
            "fewer_requests": _fewer_requests(pairs[0]),
            "overhead_ms_per_token": {
                pair.local.path.stem: round(_overhead(pair), 4) for pair in pairs
            },
            "dead": [_dead(pair) for pair in pairs],
            **_lossless(pairs),
        }


def _scenarios(pair: Pair) -> Iterator[dict[str, object]]:
    local = [pair.alone(question) for question in _TIMED]
    local_rate = sum(len(r.steps) for r in local) / sum(r.seconds for r in local)
    for weight in _WEIGHTS:
        _say(f"fusion: {pair.name}, weight {weight}: rows are computed")
        for question in QUESTIONS if weight == _ASKED[0] else _TIMED:
            pair.fused(question, weight, 0.0, max(_RATES))
        for round_trip_ms, rate in product(_ROUND_TRIPS_MS, _RATES):
            round_trip = round_trip_ms / 1000
            questions = QUESTIONS if (weight, round_trip_ms, rate) == _ASKED else _TIMED
            runs = [pair.fused(question, weight, round_trip, rate) for question in questions]
            alone = [pair.alone(question) for question in _TIMED[:1]]
            local_rate = statistics.median([local_rate, *(_rate([r]) for r in alone)])
            polled = pair.polled(_TIMED[0], weight, round_trip, rate)
            tokens = sum(len(r.steps) for r in runs)
            fused = sum(step.source == "fused" for r in runs for step in r.steps)
            result = {
                "local": pair.local.path.stem,
                "rtt_ms": round_trip_ms,
                "cloud_tok_s": rate,
                "weight": weight,
                "questions": len(questions),
                "tok_s": round(_rate(runs), 1),
                "polled_tok_s": round(polled, 2),
                "speedup": round(_rate(runs) / polled, 2),
                "local_tok_s": round(_rate(alone), 1),
                "over_local": round(_rate(runs) / _rate(alone), 2),
                "requests_per_token": round(sum(r.requests for r in runs) / tokens, 3),
                "cloud_share": round(fused / tokens, 3),
                "ttft_ms": round(1000 * statistics.median(r.first for r in runs), 1),
                "local_ttft_ms": round(1000 * statistics.median(r.first for r in alone), 1),
            }
            _say(f"fusion: {result}")
            yield result


def _fewer_requests(pair: Pair) -> dict[str, object]:
    """The same at a round trip of 200 ms with the switch for fewer requests on."""
    round_trip, rate, weight = 0.2, 100.0, 0.5
    runs = []
    for question in _TIMED:
        pair.fused(question, weight, 0.0, rate, tolerance=_TOLERANCE)  # rows are computed
        runs.append(pair.fused(question, weight, round_trip, rate, tolerance=_TOLERANCE))
    polled = pair.polled(_TIMED[0], weight, round_trip, rate)
    return {
        "tolerance": _TOLERANCE,
        "rtt_ms": 1000 * round_trip,
        "cloud_tok_s": rate,
        "weight": weight,
        "tok_s": round(_rate(runs), 1),
        "speedup": round(_rate(runs) / polled, 2),
        "requests_per_token": round(
            sum(r.requests for r in runs) / sum(len(r.steps) for r in runs), 3
        ),
    }


def _rate(runs: Sequence[Run]) -> float:
    return sum(len(r.steps) for r in runs) / sum(r.seconds for r in runs)


def _overhead(pair: Pair) -> float:
    """Milliseconds a token of everything but evaluation and waiting: rows are always there."""
    figures = []
    for question in _TIMED:
        for _ in range(2):  # the second pass finds all rows computed
            run = pair.fused(question, 0.5, 0.0, 1e9, policy=_NO_SPACING)
        figures.append(1000 * run.overhead / len(run.steps))
    return statistics.median(figures)


def _dead(pair: Pair) -> dict[str, object]:
    """A cloud that never answers, over the same tokens as the local model alone, in turn."""
    ratios, waits = [], []
    for question in _TIMED:
        for _ in range(6):
            alone = pair.alone(question)
            dead = pair.alone(question, lambda _partial: Silent())
            # The one wait for the deadline is told apart: it is paid once, not per token.
            seconds = dead.seconds - dead.first + alone.first
            ratios.append(alone.seconds / seconds)
            waits.append(dead.first - alone.first)
    return {
        "local": pair.local.path.stem,
        "ratio": round(statistics.median(ratios), 4),
        "extra_ttft_ms": round(1000 * statistics.median(waits), 1),
        "deadline_ms": 1000 * pair.deadline,
    }


def _lossless(pairs: Sequence[Pair]) -> dict[str, object]:
    near_ties = compared = 0
    different: list[str] = []
    rules: tuple[Rule, ...] = ("linear", "log-linear")
    for pair, weight, rule in product(pairs, _LOSSLESS_WEIGHTS, rules):
        _say(f"fusion: lossless? {pair.name}, weight {weight}, {rule}")
        for question in QUESTIONS:
            compared += 1
            reference = pair.reference(
                question, weight, rule, _LOSSLESS_TOKENS, long_batches=pair.agreement.close
            )
            expected = [token for token, _ in reference if token >= 0]
            steps = pair.fused(
                question,
                weight,
                0.0,
                max(_RATES),
                rule=rule,
                tokens=_LOSSLESS_TOKENS,
                policy=_NO_SPACING,
            ).steps
            tie = _first_difference_is_a_tie(expected, steps)
            if tie:
                near_ties += 1
            elif tie is False:
                different.append(f"{pair.name}, {weight}, {rule}: {question}")
    return {
        "lossless": not different,
        "near_ties": near_ties,
        "compared": compared,
        "different": different,
    }


def _first_difference_is_a_tie(expected: list[int], steps: list[TokenStep]) -> bool | None:
    """None: no difference; else whether the two best were as good as equal there."""
    for token, step in zip(expected, steps, strict=False):
        if token != step.token_id:
            best, second = (a.p_fused for a in step.alternatives[:2])
            return second >= _NEAR_TIE * best
    return None if len(expected) == len(steps) else False
