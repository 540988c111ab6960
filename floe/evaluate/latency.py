"""Latency: speed against agreement with the fully fused answer, by how long the cloud is awaited.

For every round trip and deadline a few questions are answered; agreement is the share of the
emitted tokens that full fusion, with every row there in time, would have picked after the same
text. The cloud is recorded (see `floe.bench.recorded`): its computing is no part of the times.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any, Final

from floe.bench.recorded import QUESTIONS, PacedCloud, RecordedCloud
from floe.config import Settings
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.index import index_vocabulary
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.fusion.scoring.teacher_forcing import AlignedPosition
from floe.llama.forced_logits import forced_logits
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.records import ChatMessage, PoolingRule, Sampling, TokenStep

ROUND_TRIPS_MS: Final = (0, 50, 150, 300, 500)
DEADLINES_MS: Final = (0, 100, 300, 1000)
_RATE: Final = 60.0
"""Tokens per second of the cloud."""
_WEIGHT: Final = 0.5
_TOKENS: Final = 48
_QUESTIONS: Final = QUESTIONS[3:6]
_CONTEXT: Final = 1024


class LatencyBench:
    """Both models and what full fusion would have picked."""

    def __init__(self, local: LlamaModel, cloud: LlamaModel, rule: PoolingRule) -> None:
        self._local = local
        self._cloud = RecordedCloud(cloud)
        self._prompts = PromptBuilder(local)
        self._rule: PoolingRule = rule
        self._index = index_vocabulary(local)
        self._picker = Picker(tuple(local.pieces), self._index, Projector(self._index), rule)
        self._shared = local.vocabulary.fingerprint == cloud.vocabulary.fingerprint

    def scenario(self, round_trip_ms: float, deadline_ms: float | None) -> dict[str, Any]:
        """Figures over all questions; `deadline_ms` None: the local model alone."""
        tokens = agreed = fused = requests = 0
        seconds = 0.0
        for question in _QUESTIONS:
            steps, took, asked = self._answer(question, round_trip_ms, deadline_ms)
            tokens += len(steps)
            seconds += took
            requests += asked
            fused += sum(step.source == "fused" for step in steps)
            agreed += self._agreed(question, [step.token_id for step in steps])
        return {
            "rtt_ms": round_trip_ms,
            "deadline_ms": deadline_ms,
            "tok_s": round(tokens / seconds, 1),
            "agreement": round(agreed / tokens, 3),
            "cloud_share": round(fused / tokens, 3),
            "requests_per_token": round(requests / tokens, 3),
        }

    def _prompt(self, question: str) -> list[int]:
        return self._prompts.build([ChatMessage("user", question)]).tokens

    def _answer(
        self, question: str, round_trip_ms: float, deadline_ms: float | None
    ) -> tuple[list[TokenStep], float, int]:
        self._local.roll_back(0)
        logits = self._local.prefill(self._prompt(question), lambda: False)
        assert logits is not None
        paced = PacedCloud(self._cloud, question, round_trip_ms / 1000, 1 / _RATE, _TOKENS)
        alone = deadline_ms is None
        decoder = Decoder(
            self._local,
            Controls(_WEIGHT, (deadline_ms or 0.0) / 1000),
            open_stream=None if alone else paced.open,
            rule=self._rule,
            shared_vocabulary=self._shared,
        )
        began = self._cloud.now()
        decoder.begin()
        steps = list(decoder.run(logits, Sampling(max_tokens=_TOKENS)))
        took = self._cloud.now() - began
        decoder.close()
        return steps, took, decoder.requests

    def _agreed(self, question: str, tokens: Sequence[int]) -> int:
        """Count the tokens that full fusion would have picked after the same text."""
        position = AlignedPosition(
            lambda text: self._cloud.row(question, text),
            shared_vocabulary=self._shared,
            spelling=self._index,
        )
        agreed = 0
        logits = forced_logits(self._local, self._prompt(question), tokens)
        for token, row_logits in zip(tokens, logits, strict=False):
            assert position.row is not None
            pick = self._picker.fused(
                row_logits,
                position.row,
                position.pending,
                _WEIGHT,
                Sampling(),
                None,
                spelled=position.spelled,
                successor=position.successor,
            )
            agreed += pick.token == token
            position.advance(self._local.pieces[token])
        return agreed


def run_latency() -> dict[str, Any]:
    """Every round trip with every deadline, and the local model alone."""
    settings = Settings.load()
    with ExitStack() as stack:
        local, cloud = (
            stack.enter_context(
                LlamaModel(
                    resolve_model(name, settings.models_dir),
                    context=_CONTEXT,
                    threads=settings.threads,
                )
            )
            for name in (settings.model, settings.stand_in_model)
        )
        bench = LatencyBench(local, cloud, settings.rule)
        bench.scenario(0.0, 1000.0)  # rows of the fully fused answers are computed
        scenarios = []
        for round_trip, deadline in product(ROUND_TRIPS_MS, DEADLINES_MS):
            scenarios.append(bench.scenario(round_trip, deadline))
            print(f"latency: {scenarios[-1]}", file=sys.stderr, flush=True)
        return {
            "weight": _WEIGHT,
            "cloud_tok_s": _RATE,
            "scenarios": scenarios,
            "local": bench.scenario(0.0, None),
        }
