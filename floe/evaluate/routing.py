"""`floe evaluate routing`: what the personal adapter costs and gains as prompts are answered.

The adapter is trained as the page trains it, on three quarters of the chats; bits per byte are of
the answers kept aside (`own`) and of each test file, without the adapter, with it always, and with
it where the router lets it act. With a cloud: of the fusion too, at one weight for everything and
at the weight of the prompt's kind, both fitted on the answers kept aside (so `own` is no test of
the fusion).
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import PromptKinds, TaughtQuestions, taught_from_json
from floe.adapters.router import PromptSpace
from floe.chats.jsonl import read_chats
from floe.config import Settings
from floe.errors import DataError
from floe.evaluate.learning import hold_out, learn
from floe.evaluate.reading import CloudAnswer, GgufCloud, LocalReader, answers_of
from floe.evaluate.scoring import LN2, Scorer, local_bits
from floe.fusion.scoring.automatic_weight import fit_weight
from floe.fusion.scoring.kind_weights import fit_kind_weights
from floe.fusion.scoring.scores import Scores, join
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.models.sampling_defaults import sampling_defaults
from floe.records import PROMPT_KINDS, ChatMessage, PoolingRule, PromptKind
from floe.resources import TASK_CHATS
from floe.training.comparison import judge
from floe.training.data.tokenisation import Encoder
from floe.training.trial.request import BASE_ANSWERS, TrialRequest

_CONTEXT: Final = 2048
_TESTS: Final = tuple(TASK_CHATS / f"{name}.jsonl" for name in ("sums", "python"))


@dataclass(frozen=True, slots=True)
class _Routed:
    """An answer with the kind of its question."""

    answer: CloudAnswer
    kind: PromptKind


def run_routing(
    train: Path,
    tests: Sequence[Path] = (),
    *,
    cloud: Path | None = None,
    limit: int = 100,
    rule: PoolingRule = "log-linear",
) -> dict[str, Any]:
    """Train on a file of chats and measure; the keys are those of `--json`.

    Args:
        train: the person's chats.
        tests: chats of others; none: the sums and the Python questions that come along.
        cloud: a GGUF to be fused with; None: this device alone.
        limit: answers of a test file that are measured, the first ones.
        rule: how both are pooled.

    Raises:
        FloeError: a file cannot be read, or the training failed or left nothing.
    """
    settings = Settings.load()
    base = resolve_model(settings.model, settings.models_dir)
    system = ChatMessage("system", settings.system_prompt)
    learnt, held_out = hold_out(_told(read_chats(train), system))
    files = {path.stem: _told(read_chats(path), system) for path in (tests or _TESTS)}
    sets = {"own": answers_of(held_out)}
    sets |= {stem: answers_of(chats)[:limit] for stem, chats in files.items()}
    if not all(sets.values()):
        raise DataError("Each file needs answers to measure, and --train at least two chats.")
    with Encoder(base) as encoder:
        sampling = sampling_defaults(settings, encoder.metadata).sampling
    request = TrialRequest(sampling, settings.system_prompt, settings.data_dir / BASE_ANSWERS)
    with tempfile.TemporaryDirectory() as folder:
        _say(f"learning from {len(learnt)} chats")
        trained = learn(base, learnt, held_out, Path(folder) / "run", trial=request)
        adopted, reason = judge(trained.result)
        if trained.adapter is None or not trained.adapter.exists():
            raise DataError(f"There is no adapter to measure. {reason}")
        with LlamaModel(base, context=_CONTEXT, threads=settings.threads) as model:
            kinds = PromptKinds(PromptSpace(base, model.tokenize))
            taught = taught_from_json(trained.result.get("taught"))
            routed = {
                name: [_routed(a, kinds, taught) for a in answers] for name, answers in sets.items()
            }
            measured = _Measured(model, trained.adapter)
            figures = {stem: measured.alone(stem, each) for stem, each in routed.items()}
            if cloud is not None:
                with LlamaModel(cloud, context=_CONTEXT, threads=settings.threads) as large:
                    scores = {
                        name: measured.fused(name, each, large) for name, each in routed.items()
                    }
                for name, found in _weighed(scores, rule).items():
                    figures[name] |= found
    return {
        "adopted": adopted,
        "reason": reason,
        "strength": trained.result.get("strength"),
        "sets": figures,
    }


def describe_routing(result: dict[str, Any]) -> str:
    """Describe the result as a table for a terminal."""
    lines = [
        f"{'bits per byte':<16}{'base':>9}{'adapter':>9}{'routed':>9}{'change':>9}{'acts on':>9}"
    ]
    lines += [
        f"{name:<16}{f['base']:>9.4f}{f['adapter']:>9.4f}{f['routed']:>9.4f}"
        f"{f['change']:>9.1%}{f['acts']:>9.0%}"
        for name, f in result["sets"].items()
    ]
    return "\n".join([*lines, result["reason"]])


def _routed(answer: CloudAnswer, kinds: PromptKinds, taught: TaughtQuestions | None) -> _Routed:
    if taught is None:
        return _Routed(answer, "own")
    return _Routed(answer, kinds.choose(place_question(answer.context), taught).kind)


class _Measured:
    """One model and the adapter in question."""

    def __init__(self, model: LlamaModel, adapter: Path) -> None:
        self._model = model
        self._reader = LocalReader(model)
        self._adapter = model.load_adapter(adapter)

    def _use(self, on: bool) -> None:
        self._model.use_adapters([(self._adapter, 1.0)] if on else [])

    def alone(self, name: str, routed: Sequence[_Routed]) -> dict[str, Any]:
        """Return the figures of a set on this device alone."""
        _say(f"{name}: {len(routed)} answers are read without and with the adapter")
        fitting = [each for each in routed if self._reader.fits(each.answer)]
        bits = {}
        for on in (False, True):
            self._use(on)
            bits[on] = [local_bits(self._reader, each.answer) for each in fitting]
        size = sum(len(each.answer.text.encode()) for each in fitting)
        acts = [each.kind == "own" for each in fitting]
        answered = sum(bits[on][i] for i, on in enumerate(acts))
        return {
            "answers": len(fitting),
            "bytes": size,
            "base": round(sum(bits[False]) / size, 4),
            "adapter": round(sum(bits[True]) / size, 4),
            "routed": round(answered / size, 4),
            "change": round(answered / sum(bits[False]) - 1, 4),
            "acts": round(sum(acts) / len(acts), 3),
            "kinds": {kind: sum(each.kind == kind for each in fitting) for kind in PROMPT_KINDS},
        }

    def fused(
        self, name: str, routed: Sequence[_Routed], large: LlamaModel
    ) -> list[tuple[PromptKind, Scores]]:
        """Return the scores of a set with the cloud, as it is answered."""
        _say(f"{name}: read with the cloud")
        scorer = Scorer(self._model, GgufCloud(large))
        found = []
        for each in routed:
            self._use(each.kind == "own")
            found += [(each.kind, scored.scores) for scored in scorer.score([each.answer])]
        return found


def _weighed(
    scores: dict[str, list[tuple[PromptKind, Scores]]], rule: PoolingRule
) -> dict[str, dict[str, Any]]:
    """Return the fusion's figures of each set, by one weight and by the weights of the kinds."""
    own = scores["own"]
    one = fit_weight(join(s for _, s in own), rule, answers=len(own)).weight
    by_kind = fit_kind_weights(own, rule)
    found = {}
    for name, each in scores.items():
        size = join(s for _, s in each).bytes

        def rate(weights: dict[PromptKind, float], each: Any = each, size: int = size) -> float:
            nats = sum(float(s.nats(weights[kind], rule).sum()) for kind, s in each)
            return round(nats / size / LN2, 4)

        found[name] = {
            "fused_one_weight": rate(dict.fromkeys(PROMPT_KINDS, one)),
            "fused_by_kind": rate(by_kind),
            "weight": one,
            "weights": dict(by_kind),
        }
    return found


def _told(
    chats: Sequence[Sequence[ChatMessage]], system: ChatMessage
) -> list[Sequence[ChatMessage]]:
    """Return the chats as the page would have had them, with its system prompt."""
    return [(system, *(m for m in chat if m.role != "system")) for chat in chats]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
