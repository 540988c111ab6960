"""Training on one device in one round: from where its cluster stands, on rows of its own.

What the frozen layers make of a row never changes, so it is computed once and kept for all
rounds. Knows nothing of Flower, clusters, or where rows come from.
"""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from floe.adapters.router import PromptRegion, PromptSpace
from floe.errors import FederationError
from floe.federation.app.recipe import Recipe, module_shapes
from floe.federation.app.update import UpdateFactors
from floe.llama.threads import choose_threads
from floe.records import Precision, TrainPlan
from floe.training.backends.cpu.base_weights import BaseWeights, read_base_weights
from floe.training.backends.cpu.cpu_backend import CpuBackend
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import Example, pack
from floe.training.data.tokenisation import Encoder, TrainRow
from floe.training.training_loop import TrainingLoop

RATED_RANK: Final = 16
"""The rank that a recipe's learning rate is for. Of a smaller adapter each step moves the product
less, by about the root of the rank (Kalajdzievski, rsLoRA, arXiv 2312.03732), and weak devices
would hold the strong ones of their cluster back: their rate is raised by as much."""

_MEASURE_TOKENS: Final = 2048
_MOST_SETS: Final = 24
"""Sets of rows that are kept: a simulation has two for each of its devices."""


class Learner:
    """A base model in memory, and the rows it has seen, ready for round after round."""

    def __init__(self, base: Path, recipe: Recipe, precision: Precision) -> None:
        """Load the base.

        Raises:
            ModelError: it is missing, broken, or of a kind that cannot be trained.
        """
        self.recipe = recipe
        self._path, self._encoder = base, Encoder(base)
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._base = read_base_weights(base, dtype)
        self._precision: Precision = precision
        self._threads, _ = choose_threads()
        self._kept: dict[Example, Tensor] = {}
        self._rows: dict[tuple[TrainRow, ...], list[Example]] = {}

    @classmethod
    def shared(cls, base: Path, recipe: Recipe, precision: Precision) -> "Learner":
        """Return the one of this process: loaded once for all rounds and simulated devices."""
        key = (base, recipe, precision)
        if key not in _loaded:
            _loaded.clear()
            _loaded[key] = cls(base, recipe, precision)
        return _loaded[key]

    def examples(self, rows: tuple[TrainRow, ...]) -> list[Example]:
        """Rows as the model reads them; what was computed of older rows is let go in time."""
        if rows not in self._rows:
            if len(self._rows) >= _MOST_SETS:
                for example in self._rows.pop(next(iter(self._rows))):
                    self._kept.pop(example, None)
            self._rows[rows] = self._encoder.examples(rows, self.recipe.sequence_length)
        return self._rows[rows]

    def region_of(self, prompts: Sequence[str], blur: float) -> PromptRegion:
        """Return the region of prompts in the base's space, with noise of that deviation."""
        return PromptSpace(self._path, self._encoder.vocabulary.tokenize).region_of(prompts, blur)

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return (outputs, inputs) of every module that the recipe adapts."""
        return module_shapes(self._base.architecture, self.recipe)

    def train(
        self,
        examples: Sequence[Example],
        start: Mapping[str, UpdateFactors],
        rank: int,
        seed: int,
        deadline: float = math.inf,
    ) -> dict[str, UpdateFactors]:
        """One round of training; scale 1, so the product B A is the change of the weights.

        `deadline` is when it has to be done, on the clock of `time.monotonic`.

        Raises:
            FederationError: where it starts from is too far off to train from, or it takes too
                long.
        """
        torch.set_num_threads(self._threads)
        plan = self._plan(rank)
        backend = CpuBackend(self._network(start, rank), plan.batch_tokens, plan.threads)
        # Nothing is held out here: the last step counts, and what is held out stays unseen.
        try:
            result = TrainingLoop(backend, examples, (), plan, seed).run(
                stopped=lambda: time.monotonic() > deadline
            )
        except FloatingPointError as error:
            raise FederationError("its training went astray: the numbers overflowed") from error
        if not result.complete:
            raise FederationError("its training took longer than this device allows")
        return dict(result.factors)

    def loss(
        self, examples: Sequence[Example], factors: Mapping[str, UpdateFactors], rank: int
    ) -> float:
        """Nats per token of the answers; no factors: of the base alone."""
        torch.set_num_threads(self._threads)
        network = self._network(factors, rank)
        total, count = 0.0, 0
        for packed in pack([len(example) for example in examples], _MEASURE_TOKENS):
            batch = network.batch(examples, packed)
            states = torch.cat(network.frozen_prefixes([examples[i] for i in batch.members], 0))
            loss, targets = network.loss(batch, states)
            total, count = total + loss, count + targets
        return total / count

    def _network(self, factors: Mapping[str, UpdateFactors], rank: int) -> "_Remembering":
        lora = adapter_of(self._base, self.recipe, factors, rank)
        return _Remembering(self._base, lora, self._kept)

    def _plan(self, rank: int) -> TrainPlan:
        recipe = self.recipe
        return TrainPlan(
            rank=rank,
            alpha=float(rank),
            modules=recipe.modules,
            layers=recipe.layers,
            batch_tokens=recipe.batch_tokens,
            sequence_length=recipe.sequence_length,
            checkpointing=False,
            precision=self._precision,
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate * math.sqrt(RATED_RANK / rank),
            threads=self._threads,
            rows_tokens=0,
            seconds=0.0,
            peak_mb=0.0,
            reason="as the group agreed",
        )


def adapter_of(
    base: BaseWeights, recipe: Recipe, factors: Mapping[str, UpdateFactors], rank: int
) -> Lora:
    """Build the recipe's adapter at scale 1 from factors of any rank; without any, a zero one."""
    lora = Lora(
        base.architecture,
        rank=rank,
        alpha=float(rank),
        modules=recipe.modules,
        layers=recipe.layers,
        dtype=base.dtype,
        seed=0,
    )
    lora.load(factors)
    return lora


_loaded: Final[dict[tuple[Path, Recipe, Precision], Learner]] = {}


class _Remembering(LoraNetwork):
    """A network that computes the frozen layers once for each example, in whatever round."""

    def __init__(self, base: BaseWeights, lora: Lora, kept: dict[Example, Tensor]) -> None:
        super().__init__(base, lora)
        self._states = kept

    def frozen_prefixes(self, examples: Sequence[Example], batch_tokens: int) -> list[Tensor]:
        new = [example for example in examples if example not in self._states]
        made = super().frozen_prefixes(new, batch_tokens or _MEASURE_TOKENS)
        self._states.update(zip(new, made, strict=True))
        return [self._states[example] for example in examples]
