"""The `fusion` bench: speed, requests and losslessness of following the cloud's stream.

Every scenario is measured beside the local model alone and beside polling once per token, in the
same run. The cloud is recorded (see `floe.bench.recorded`): 20 candidates a row, greedy.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from floe.bench.decode import write_random_adapter
from floe.bench.pair import TOKENS, BenchRun, Pair
from floe.bench.recorded import QUESTIONS, RecordedCloud
from floe.config import Settings
from floe.fusion.follower import FollowPolicy
from floe.fusion.local_lookahead import MOST_AHEAD
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.records import CloudToken, PoolingRule, TokenStep

_ROUND_TRIPS_MS: Final = (0, 50, 200, 500)
_RATES: Final = (30, 100, 400)
_WEIGHTS: Final = (0.2, 0.5, 0.8)
_TIMED: Final = QUESTIONS[:2]
_ASKED: Final = (0.5, 200, 100)
"""Weight, round trip in ms and rate that the aims are set for: there all questions are answered."""
_DEAD: Final = QUESTIONS[1:3]
"""Whose answers are long with either model."""
_DEAD_TOKENS: Final = 144
_LOSSLESS_TOKENS: Final = 24
_LONG_TOKENS: Final = 64
_LONG: Final = [
    f"{' '.join([*QUESTIONS, *QUESTIONS])} Of all these questions answer only this one: {question}"
    for question in QUESTIONS[:10]
]
"""Prompts of over 400 tokens: beyond 256, llama.cpp evaluates single steps in another way."""
_LOSSLESS_WEIGHTS: Final = (0.0, 0.2, 0.5, 0.8, 1.0)
_NEAR_TIE: Final = 0.999
_NO_SPACING: Final = FollowPolicy(min_spacing=0.0, max_requests=10_000)
_NOISE: Final = 0.02
_OVERHEAD_RUNS: Final = 4
"""Of each question, in turn."""
_FEW_AT_ONCE: Final = 6
"""Rows of one look where they are always there: each has to be computed once before."""
_TOLERANCE: Final = 0.1
"""Setting of the page's switch for fewer requests."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class SilentStream:
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
                pair.local.path.stem: _overhead(pair, _TIMED) for pair in pairs
            },
            "dead": [_dead(pair) for pair in pairs],
            **_lossless(pairs),
        }


def _scenarios(pair: Pair) -> Iterator[dict[str, object]]:
    local = [pair.alone(question) for question in _TIMED]
    local_rate = sum(len(r.steps) for r in local) / sum(r.seconds for r in local)
    for weight in _WEIGHTS:
        _say(f"fusion: {pair.name}, weight {weight}: rows are computed")
        lowest = {}
        for question in QUESTIONS if weight == _ASKED[0] else _TIMED:
            pair.fused(question, weight, 0.0, max(_RATES))
            lowest[question] = pair.least_requests(question, weight, "log-linear", TOKENS)
        for round_trip_ms, rate in product(_ROUND_TRIPS_MS, _RATES):
            round_trip = round_trip_ms / 1000
            questions = QUESTIONS if (weight, round_trip_ms, rate) == _ASKED else _TIMED
            runs = [pair.fused(question, weight, round_trip, rate) for question in questions]
            alone = [pair.alone(question) for question in _TIMED[:1]]
            local_rate = statistics.median([local_rate, *(_rate([r]) for r in alone)])
            polled = pair.polled(_TIMED[0], weight, round_trip, rate)
            cloud_alone = statistics.mean(
                pair.cloud_alone(question, round_trip, rate) for question in _TIMED
            )
            tokens = sum(len(r.steps) for r in runs)
            least = sum(lowest[question] for question in questions)
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
                "cloud_alone_tok_s": round(cloud_alone, 1),
                "over_local": round(_rate(runs) / _rate(alone), 2),
                "requests_per_token": round(sum(r.requests for r in runs) / tokens, 3),
                "least_requests_per_token": round(least / tokens, 3),
                "cloud_share": round(fused / tokens, 3),
                "ttft_ms": round(1000 * statistics.median(r.first for r in runs), 1),
                "local_ttft_ms": round(1000 * statistics.median(r.first for r in alone), 1),
            }
            _say(f"fusion: {result}")
            yield result


def _fewer_requests(pair: Pair) -> dict[str, object]:
    """Measure a round trip of 200 ms with the switch for fewer requests on."""
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


def _rate(runs: Sequence[BenchRun]) -> float:
    return sum(len(r.steps) for r in runs) / sum(r.seconds for r in runs)


def _overhead(pair: Pair, questions: Sequence[str]) -> dict[str, float]:
    """Milliseconds a token of everything but evaluation and waiting: rows are always there.

    In turn with the local model alone, in whose place a person has the fusion: what it picks a
    token with, the decoder and the coldness of all memory after an evaluation are there as well.
    By the clock, and as processor time of the thread, which others on the machine disturb less.
    """
    fused, alone = [], []
    for question in questions:
        pair.fused(question, 0.5, 0.0, 1e9, policy=_NO_SPACING, at_once=_FEW_AT_ONCE)  # computed
        for _ in range(_OVERHEAD_RUNS):
            fused.append(
                pair.fused(question, 0.5, 0.0, 1e9, policy=_NO_SPACING, at_once=_FEW_AT_ONCE)
            )
            alone.append(pair.alone(question))
    figures = {
        name: statistics.median(1000 * each / tokens for each, tokens in values)
        for name, values in {
            "fused": [(run.overhead, len(run.steps)) for run in fused],
            "fused_cpu": [(run.cpu_overhead, len(run.steps)) for run in fused],
            "local": [(run.overhead, len(run.steps)) for run in alone],
            "local_cpu": [(run.cpu_overhead, len(run.steps)) for run in alone],
        }.items()
    }
    figures["local_tok_s"] = _rate(alone)
    return {name: round(value, 4) for name, value in figures.items()}


def _dead(pair: Pair) -> dict[str, object]:
    """Time a cloud that never answers and the local model alone, in turn over the same tokens.

    `ratio` counts from the first token on; the one wait for the deadline is told apart. What was
    written in the second half of that wait counts there, so two figures more: `steady_ratio` is
    that of the last tokens of each answer, written when nothing was left of it, and `whole_ratio`
    has the deadline in it, as if nothing could be done meanwhile (1: it was lost).
    """
    ratios, steady, whole, waits = [], [], [], []
    for question, _ in product(_DEAD, range(6)):
        alone = pair.alone(question, tokens=_DEAD_TOKENS)
        dead = pair.alone(question, lambda _partial: SilentStream(), tokens=_DEAD_TOKENS)
        ratios.append((alone.seconds - alone.first) / (dead.seconds - dead.first))
        steady.append(_last_seconds(alone) / _last_seconds(dead))
        whole.append((alone.seconds + pair.deadline) / dead.seconds)
        waits.append(dead.first - alone.first)
    return {
        "local": pair.local.path.stem,
        "ratio": round(statistics.median(ratios), 4),
        "steady_ratio": round(statistics.median(steady), 4),
        "whole_ratio": round(statistics.median(whole), 4),
        "extra_ttft_ms": round(1000 * statistics.median(waits), 1),
        "deadline_ms": 1000 * pair.deadline,
    }


def _last_seconds(run: BenchRun) -> float:
    """Return the seconds of the tokens after all that can be written ahead of time."""
    return (run.steps[-1].at_ms - run.steps[MOST_AHEAD].at_ms) / 1000


def _lossless(pairs: Sequence[Pair]) -> dict[str, object]:
    near_ties = compared = 0
    different: list[str] = []
    rules: tuple[PoolingRule, ...] = ("linear", "log-linear")
    for pair, weight, rule in product(pairs, _LOSSLESS_WEIGHTS, rules):
        _say(f"fusion: lossless? {pair.name}, weight {weight}, {rule}")
        asked = [(question, _LOSSLESS_TOKENS) for question in QUESTIONS]
        if weight == _ASKED[0]:
            asked += [(question, _LONG_TOKENS) for question in _LONG]
        for question, tokens in asked:
            compared += 1
            reference = pair.reference(
                question, weight, rule, tokens, long_batches=pair.agreement.close
            )
            expected = [token for token, _ in reference if token >= 0]
            steps = pair.fused(
                question,
                weight,
                0.0,
                max(_RATES),
                rule=rule,
                tokens=tokens,
                policy=_NO_SPACING,
            ).steps
            tie = _first_difference_is_a_tie(expected, steps)
            if tie:
                near_ties += 1
            elif tie is False:
                different.append(f"{pair.name}, {weight}, {rule}: {question[-60:]}")
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
