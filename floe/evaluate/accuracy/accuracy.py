"""`floe evaluate accuracy`: right answers by free generation, and bits per byte of right answers.

Five systems answer the same questions under the page's system prompt: the local model, the same
with a personal adapter (`--train`; without it there is none, and `personal` is the local model),
the cloud alone, both fused at `--weight`, and fused at the automatic weight. That one is fitted as
the page fits it: on the person's own answers that training has not seen, or, without `--train`, on
a fifth of the set, which is not asked then, for the kind of question that the set holds.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scipy.stats import binomtest

from floe.chats.jsonl import read_chats
from floe.config import Settings
from floe.evaluate.accuracy.free_generation import RowsByText, write_alone, write_fused
from floe.evaluate.accuracy.question_sets import SETS, AccuracyQuestion, SetName, read_questions
from floe.evaluate.learning import hold_out, learn
from floe.evaluate.reading import CloudAnswer, GgufCloud, answers_of
from floe.evaluate.scoring import LN2, ScoredAnswer, Scorer
from floe.fusion.scoring.automatic_weight import (
    DEFAULT_WEIGHT,
    FEWEST_TOKENS,
    AutoWeight,
    fit_weight,
)
from floe.fusion.scoring.kind_weights import describe_kind_weights, fit_kind_weights
from floe.fusion.scoring.scores import join
from floe.llama.runtime import Adapter, LlamaModel
from floe.models.catalog import resolve_model
from floe.models.sampling_defaults import sampling_defaults
from floe.records import ChatMessage, PoolingRule, PromptKind, Sampling

SYSTEMS: Final = ("local", "personal", "cloud", "fused", "fused_auto")
_CONTEXT: Final = 2048
_KEPT_ASIDE: Final = 5
"""Every fifth question shows the automatic weight, where no own chats do."""
_MOST_ASIDE: Final = 12


@dataclass(frozen=True, slots=True)
class AccuracyOptions:
    """Options of a measurement: see `floe evaluate --help`."""

    sets: Sequence[SetName]
    cloud_gguf: Path
    limit: int | None = None
    questions: Path | None = None
    train: Path | None = None
    weight: float = 0.5
    rule: PoolingRule = "log-linear"


def run_accuracy(options: AccuracyOptions) -> dict[str, Any]:
    """Measure each set.

    Raises:
        FloeError: questions, chats or a model are of no use, or training failed.
    """
    settings = Settings.load()
    questions = {name: read_questions(name, options.questions) for name in options.sets}
    base = resolve_model(settings.model, settings.models_dir)
    with ExitStack() as stack:
        local = stack.enter_context(LlamaModel(base, context=_CONTEXT, threads=settings.threads))
        cloud = stack.enter_context(
            LlamaModel(options.cloud_gguf, context=_CONTEXT, threads=settings.threads)
        )
        sampling = replace(sampling_defaults(settings, local.metadata).sampling, temperature=0.0)
        bench = _Contest(local, cloud, settings.system_prompt, sampling, options)
        if options.train is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            bench.learn(options.train, folder)
        results: dict[str, dict[str, Any]] = {}
        for name, asked in questions.items():
            results[name] = bench.measure(name, asked)
            figures = {key: value for key, value in results[name].items() if key != "written"}
            _say(json.dumps({name: figures}))
    return {
        "models": {"local": base.name, "cloud": options.cloud_gguf.name},
        "adapter": bench.has_adapter,
        **results,
    }


class _Contest:
    """Both models, and what they are asked."""

    def __init__(
        self,
        local: LlamaModel,
        cloud: LlamaModel,
        system: str,
        sampling: Sampling,
        options: AccuracyOptions,
    ) -> None:
        self._local, self._cloud = local, cloud
        self._system = ChatMessage("system", system)
        self._sampling = sampling
        self._options = options
        self._scorer = Scorer(local, GgufCloud(cloud))
        self._adapters: list[tuple[Adapter, float]] = []
        self._own_weight: AutoWeight | None = None
        self._shared = local.vocabulary.fingerprint == cloud.vocabulary.fingerprint

    @property
    def has_adapter(self) -> bool:
        """Whether training has left one."""
        return bool(self._adapters)

    def learn(self, train: Path, folder: Path) -> None:
        """Train the personal adapter, and fit the automatic weight on what it has not seen.

        It acts on every question, with one weight for all; the chat routes both by kind.
        """
        learnt, held_out = hold_out(read_chats(train))
        _say(f"an adapter learns from {len(learnt)} chats")
        trained = learn(self._local.path, learnt, held_out, folder)
        if trained.adapter is not None:
            self._adapters = [(self._local.load_adapter(trained.adapter), 1.0)]
        with_adapter = self._scored(answers_of(held_out), self._adapters)
        self._own_weight = self._fit(with_adapter)

    def measure(self, name: SetName, questions: Sequence[AccuracyQuestion]) -> dict[str, Any]:
        """Ask a set."""
        aside: list[AccuracyQuestion] = []
        if self._own_weight is None:
            aside = list(questions[_KEPT_ASIDE - 1 :: _KEPT_ASIDE][:_MOST_ASIDE])
        asked = [each for each in questions if each not in aside][: self._options.limit]
        _say(f"{name}: {len(asked)} questions")
        auto = self._own_weight or self._fit_kind(
            SETS[name].kind, self._scored(self._references(aside), ())
        )
        written = self._write(name, asked, auto.weight)
        rule = SETS[name].right
        right = {
            system: [rule(each, text) for each, text in zip(asked, texts, strict=True)]
            for system, texts in written.items()
        }
        better = max(("personal", "cloud"), key=lambda system: sum(right[system]))
        return {
            "asked": len(asked),
            **{system: share_of(marks) for system, marks in right.items()},
            "weight": self._options.weight,
            "weight_auto": auto.weight,
            "reason": auto.reason,
            "against_better": {
                "better": better,
                "fused": _compare(right["fused"], right[better]),
                "fused_auto": _compare(right["fused_auto"], right[better]),
            },
            "bits_per_byte": self._bits(asked, auto.weight),
            "written": [
                {
                    "prompt": each.prompt,
                    "reference": each.reference,
                    **{s: {"text": written[s][i], "right": right[s][i]} for s in SYSTEMS},
                }
                for i, each in enumerate(asked)
            ],
        }

    def _write(
        self, name: SetName, asked: Sequence[AccuracyQuestion], weight_auto: float
    ) -> dict[str, list[str]]:
        conversations = [[self._system, ChatMessage("user", each.prompt)] for each in asked]
        most = min(SETS[name].max_tokens, self._sampling.max_tokens)
        sampling = replace(self._sampling, max_tokens=most)
        written = {"local": write_alone(self._local, conversations, sampling)}
        written["personal"] = (
            write_alone(self._local, conversations, sampling, self._adapters)
            if self._adapters
            else written["local"]
        )
        _say(f"{name}: the local model has answered")
        written["cloud"] = write_alone(self._cloud, conversations, Sampling(max_tokens=most))
        _say(f"{name}: the cloud has answered")
        weights = {"fused": self._options.weight, "fused_auto": weight_auto}
        written |= {system: [] for system in weights}
        self._local.use_adapters(self._adapters)
        for number, messages in enumerate(conversations, 1):
            rows = RowsByText(self._cloud, messages)
            known: dict[float, str] = {}
            for system, weight in weights.items():
                if weight not in known:
                    known[weight] = write_fused(
                        self._local,
                        rows,
                        messages,
                        weight,
                        sampling,
                        self._options.rule,
                        shared_vocabulary=self._shared,
                    )
                written[system].append(known[weight])
            _say(f"{name}: {number} of {len(asked)} fused")
        self._local.use_adapters([])
        return written

    def _references(self, questions: Sequence[AccuracyQuestion]) -> list[CloudAnswer]:
        return [
            CloudAnswer(i, (self._system, ChatMessage("user", each.prompt)), each.reference)
            for i, each in enumerate(questions)
        ]

    def _scored(
        self, answers: Sequence[CloudAnswer], adapters: Sequence[tuple[Adapter, float]]
    ) -> list[ScoredAnswer]:
        self._local.use_adapters(list(adapters))
        try:
            return self._scorer.score(answers)
        finally:
            self._local.use_adapters([])

    def _fit(self, scored: Sequence[ScoredAnswer]) -> AutoWeight:
        own = self._options.train is not None
        fitted = AutoWeight(DEFAULT_WEIGHT, "", 0, 0.0)
        if scored:
            scores = join(each.scores for each in scored)
            evidence = "" if own else f"{len(scored)} answers kept aside"
            fitted = fit_weight(scores, self._options.rule, answers=len(scored), evidence=evidence)
        if not own and fitted.tokens < FEWEST_TOKENS:
            reason = f"{fitted.weight:.2f}, the middle way: what is kept aside is too short."
            return replace(fitted, reason=reason)
        return fitted

    def _fit_kind(self, kind: PromptKind, scored: Sequence[ScoredAnswer]) -> AutoWeight:
        """Fit on answers to questions of one kind, as the page does for each kind."""
        one = self._fit(scored)
        weight = fit_kind_weights([(kind, each.scores) for each in scored], self._options.rule)[
            kind
        ]
        words = describe_kind_weights({kind: weight}, one.weight)
        return replace(one, weight=weight, reason=f"{one.reason} {words}".rstrip())

    def _bits(self, asked: Sequence[AccuracyQuestion], weight_auto: float) -> dict[str, Any]:
        """Bits per byte of the right answers; of the cloud by its own tokens and as projected."""
        base = self._scored(self._references(asked), ())
        fused = self._scored(self._references(asked), self._adapters) if self._adapters else base
        size = sum(each.bytes for each in base)
        rule = self._options.rule

        def projected(weight: float) -> float:
            return sum(float(each.scores.nats(weight, rule).sum()) for each in fused) / LN2

        bits = {
            "local": sum(each.local_bits for each in base),
            "personal": sum(each.local_bits for each in fused),
            "cloud": sum(each.cloud_bits or 0.0 for each in base),
            "cloud_projected": projected(0.0),
            "fused": projected(self._options.weight),
            "fused_auto": projected(weight_auto),
        }
        return {name: round(value / size, 4) for name, value in bits.items()} | {"bytes": size}


def share_of(marks: Sequence[bool]) -> dict[str, Any]:
    """Return right answers, their share, and its interval of 95 % (Wilson 1927)."""
    right = sum(marks)
    if not marks:
        return {"right": 0, "accuracy": None, "interval": None}
    found = binomtest(right, len(marks)).proportion_ci(method="wilson")
    return {
        "right": right,
        "accuracy": round(right / len(marks), 4),
        "interval": [round(float(found.low), 4), round(float(found.high), 4)],
    }


def _compare(marks: Sequence[bool], others: Sequence[bool]) -> dict[str, int]:
    """Count questions that one answers rightly and the other does not."""
    pairs = list(zip(marks, others, strict=True))
    return {"won": sum(a and not b for a, b in pairs), "lost": sum(b and not a for a, b in pairs)}


def accuracy_table(result: Mapping[str, Any]) -> str:
    """Write the figures as a table for a terminal."""
    lines = []
    for name in [each for each in SETS if each in result]:
        found = result[name]
        lines.append(f"{SETS[name].title} ({name}), {found['asked']} questions")
        for system in SYSTEMS:
            one = found[system]
            share, interval = one["accuracy"], one["interval"]
            bits = found["bits_per_byte"][system]
            shown = (
                f"{share:7.1%}  [{interval[0]:.1%}, {interval[1]:.1%}]" if interval else "      -"
            )
            lines.append(f"  {system:<12}{shown:<28}{bits:.3f} bits per byte")
        lines.append(
            f"  cloud onto local tokens{'':17}{found['bits_per_byte']['cloud_projected']:.3f}"
        )
        lines.append(f"  automatic weight {found['reason']}")
    if not result["adapter"]:
        lines.append("No chats to learn from were named: personal is the local model.")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
