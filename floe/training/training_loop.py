"""The training loop: batches, schedule, early stopping, and a state that can be kept.

All randomness follows from the seed and the number of the step, so a run that goes on from its
kept state ends exactly where an uninterrupted one would. Knows nothing of text or processes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from floe.adapters.lora_factors import Factors
from floe.records import TrainPlan
from floe.training.adapter_scale import ScaleChoice, choose_adapter_scale
from floe.training.backends.backend import PreparedRows, TrainingBackend
from floe.training.data.packing import Example, Shares, pack, share
from floe.training.interval import AnswerLoss

DROPOUT: Final = 0.1
"""Share of the adapter's inner values that is dropped: a guard against learning by heart."""
PATIENCE: Final = 3
"""Looks at the held-out rows without an improvement before training ends."""
_WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises to its full value."""
_FINAL_RATE_SHARE: Final = 0.05
"""The last learning rate as a share of the first."""
_BETAS: Final = (0.9, 0.98)
_MAX_GRADIENT_NORM: Final = 1.0
"""The default of transformers' Trainer (`max_grad_norm`)."""


@dataclass(frozen=True, slots=True)
class LoopStep:
    """One step of the optimiser. Losses in nats per token; None: not looked at in this step.

    `last`: no other follows, be it that all are done or that they gain nothing any more.
    """

    step: int
    steps: int
    train_loss: float
    held_out_loss: float | None
    epoch_ended: bool
    last: bool
    seconds_left: float


@dataclass(frozen=True, slots=True, eq=False)
class LoopResult:
    """Result of the loop. Held-out losses in nats per token; None without held-out rows.

    `held_out_before` is the base alone, `held_out_start` the adapter that training began with,
    `held_out_after` the factors returned. `complete` is False where it was stopped; where it is
    True and there is general text, `scale_choice` says how strong the adapter was left, which is in
    the factors already.
    """

    factors: Factors
    complete: bool
    held_out_before: float | None
    held_out_start: float | None
    held_out_after: float | None
    steps: int
    best_step: int
    tokens: int
    seconds: float
    scale_choice: ScaleChoice


@dataclass(frozen=True, slots=True)
class GeneralText:
    """Text of no person, by which the finished adapter's strength is chosen, as it is answered.

    `taken`: on which the adapter will act; `left`: which will be left to the base.
    """

    taken: Sequence[Example] = ()
    left: Sequence[Example] = ()


class TrainingLoop:
    """One adapter being trained; `run` may be called again after `load_state`."""

    def __init__(
        self,
        backend: TrainingBackend,
        train: Sequence[Example],
        held_out: Sequence[Example],
        plan: TrainPlan,
        seed: int,
        general: GeneralText | None = None,
    ) -> None:
        """Lay out all batches; nothing is computed yet."""
        self._backend, self._plan, self._seed = backend, plan, seed
        self._train, self._held_out = train, held_out
        self._general = general or GeneralText()
        epochs = _schedule(train, plan, seed, backend.replicas)
        self._batches = [batch for epoch in epochs for batch in epoch]
        self._ends = set(np.cumsum([len(epoch) for epoch in epochs]).tolist())
        self.steps = len(self._batches)
        self._optimiser = torch.optim.AdamW(
            [backend.parameters], lr=plan.learning_rate, betas=_BETAS, weight_decay=0.0
        )
        self._step = 0
        self._tokens = 0
        self._epochs_without_improvement = 0
        self._initial = None if backend.is_zero() else backend.parameters.detach().clone()
        self._best: Tensor | None = None
        self._best_step = 0
        self._best_loss: float | None = None
        self._before: float | None = None
        self._start: float | None = None
        self._seconds = 0.0

    def run(
        self,
        on_step: Callable[[LoopStep], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> LoopResult:
        """Train to the end, or until `stopped` says so between two steps."""
        with self._backend.running():
            return self._run(on_step, stopped)

    def _run(self, on_step: Callable[[LoopStep], None], stopped: Callable[[], bool]) -> LoopResult:
        began = time.perf_counter() - self._seconds
        rows = self._backend.prepare_rows(self._train)
        held_out_rows = self._backend.prepare_rows(self._held_out)
        if self._step == 0:
            self._evaluate_before(held_out_rows)
        self._backend.prepare_steps()
        resumed = time.perf_counter()
        done = 0
        complete = True
        while not self._is_over:
            if stopped():
                complete = False
                break
            loss = self._train_step(rows)
            held_out = None
            if self._held_out and self._step in self._ends:
                held_out = self._evaluate(held_out_rows)
            done += 1
            self._seconds = time.perf_counter() - began
            pace = (time.perf_counter() - resumed) / done
            on_step(
                LoopStep(
                    step=self._step,
                    steps=self.steps,
                    train_loss=loss,
                    held_out_loss=held_out,
                    epoch_ended=self._step in self._ends,
                    last=self._is_over,
                    seconds_left=pace * (self.steps - self._step),
                )
            )
        self._seconds = time.perf_counter() - began
        return self._result(complete, held_out_rows)

    @property
    def _is_over(self) -> bool:
        return self._step >= self.steps or self._epochs_without_improvement >= PATIENCE

    def answer_losses(self, examples: Sequence[Example], scale: float) -> list[AnswerLoss]:
        """Loss of each learned passage, with the best parameters at `scale`; 0: the base alone.

        An example has a passage for each answer in it.
        """
        with self._parameters_of(self._best):
            self._backend.refresh(scale)
            return [each for one in examples for each in self._passage_losses(one)]

    def start_losses(self, examples: Sequence[Example]) -> list[AnswerLoss] | None:
        """Loss of each passage with the adapter that training began with; None: with none."""
        if self._initial is None:
            return None
        with self._parameters_of(self._initial):
            return [each for one in examples for each in self._passage_losses(one)]

    def _passage_losses(self, example: Example) -> list[AnswerLoss]:
        losses = self._backend.target_losses(example)
        learned = np.flatnonzero(example.weights > 0)
        cuts = np.flatnonzero(np.diff(learned) > 1) + 1
        return [
            AnswerLoss(float(part.sum()), len(part), tuple(part.tolist()))
            for part in np.split(losses, cuts)
        ]

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on, for `torch.save`."""
        return {
            "parameters": self._backend.parameters.detach(),
            "backend": self._backend.state(),
            "optimiser": self._optimiser.state_dict(),
            "best": self._best,
            "numbers": {key: getattr(self, name) for key, name in _CHECKPOINT_NUMBERS.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there; the rows, plan and seed must be those of then."""
        with torch.no_grad():
            self._backend.parameters.copy_(state["parameters"])
        self._backend.refresh()
        self._backend.load_state(state.get("backend", {}))
        self._optimiser.load_state_dict(state["optimiser"])
        self._best = state["best"]
        for key, value in state["numbers"].items():
            setattr(self, _CHECKPOINT_NUMBERS[key], value)

    def _train_step(self, rows: PreparedRows) -> float:
        backend, plan = self._backend, self._plan
        shares = self._batches[self._step]
        loss = backend.step(
            rows,
            shares,
            dropout=DROPOUT,
            checkpointing=plan.checkpointing,
            seed=self._seed * 1_000_003 + self._step,
        )
        norm = float(backend.gradient.norm())
        if not math.isfinite(norm):
            raise FloatingPointError("the gradient is not finite")
        if norm > _MAX_GRADIENT_NORM:
            backend.gradient.mul_(_MAX_GRADIENT_NORM / norm)
        self._optimiser.param_groups[0]["lr"] = plan.learning_rate * learning_rate_share(
            self._step, self.steps
        )
        self._optimiser.step()
        backend.refresh()
        self._step += 1
        self._tokens += sum(len(self._train[i]) for one in shares for bin_ in one for i in bin_)
        return loss

    def _evaluate_before(self, held_out_rows: PreparedRows) -> None:
        if not self._held_out:
            return
        backend = self._backend
        self._start = held_out_rows.loss()
        self._best_loss = self._start
        self._best = backend.parameters.detach().clone()
        if backend.is_zero():
            self._before = self._start
            return
        backend.refresh(0.0)
        self._before = held_out_rows.loss()
        backend.refresh()

    def _evaluate(self, held_out_rows: PreparedRows) -> float:
        loss = held_out_rows.loss()
        if self._best_loss is None or loss < self._best_loss:
            self._best_loss, self._best_step, self._epochs_without_improvement = loss, self._step, 0
            self._best = self._backend.parameters.detach().clone()
        else:
            self._epochs_without_improvement += 1
        return loss

    def _result(self, complete: bool, held_out_rows: PreparedRows) -> LoopResult:
        best_step = self._step if self._best is None else self._best_step
        scale_choice = ScaleChoice(held_out=self._best_loss)
        if complete and (self._general.taken or self._general.left) and best_step:
            scale_choice = self._choose_scale(held_out_rows)
        factors = {
            name: (a, b * scale_choice.scale) for name, (a, b) in self._best_factors().items()
        }
        return LoopResult(
            factors=factors,
            complete=complete,
            held_out_before=self._before,
            held_out_start=self._start,
            held_out_after=scale_choice.held_out,
            steps=self._step,
            best_step=best_step,
            tokens=self._tokens,
            seconds=self._seconds,
            scale_choice=scale_choice,
        )

    def _choose_scale(self, held_out_rows: PreparedRows) -> ScaleChoice:
        taken, left = (
            self._backend.prepare_rows(each) for each in (self._general.taken, self._general.left)
        )
        counts = [_count_targets(each) for each in (self._general.taken, self._general.left)]

        def loss_at(rows: PreparedRows) -> Callable[[float], float]:
            def loss(scale: float) -> float:
                self._backend.refresh(scale)
                return rows.loss()

            return loss

        with self._best_parameters():
            at_base = loss_at(left)(0.0) if counts[1] else 0.0

            def general(scale: float) -> float:
                acting = loss_at(taken)(scale) if counts[0] else 0.0
                return (acting * counts[0] + at_base * counts[1]) / sum(counts)

            def held_out(scale: float) -> float:
                # At full strength it is known since the best step.
                known = self._best_loss if scale == 1 else None
                return loss_at(held_out_rows)(scale) if known is None else known

            return choose_adapter_scale(general, held_out if self._held_out else None, self._start)

    def _best_factors(self) -> Factors:
        with self._best_parameters():
            return self._backend.factors()

    def _best_parameters(self) -> AbstractContextManager[None]:
        """Put the parameters of the best step in place; the present ones come back afterwards."""
        return self._parameters_of(self._best)

    @contextmanager
    def _parameters_of(self, kept: Tensor | None) -> Iterator[None]:
        """Put these in place, or leave the present ones; they come back afterwards."""
        backend = self._backend
        here = backend.parameters.detach().clone()
        if kept is not None:
            with torch.no_grad():
                backend.parameters.copy_(kept)
            backend.refresh()
        try:
            yield
        finally:
            with torch.no_grad():
                backend.parameters.copy_(here)
            backend.refresh()


_CHECKPOINT_NUMBERS: Final = {
    "_step": "_step",
    "_tokens": "_tokens",
    "_bad": "_epochs_without_improvement",
    "_best_step": "_best_step",
    "_best_loss": "_best_loss",
    "_before": "_before",
    "_start": "_start",
    "_seconds": "_seconds",
}
"""Key in a checkpoint to attribute: keys stay, because a run may resume under a newer version."""


def learning_rate_share(step: int, steps: int) -> float:
    """Share of the learning rate at a step: a linear warm-up, then a cosine."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return _FINAL_RATE_SHARE + (1 - _FINAL_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * done))


def _schedule(
    train: Sequence[Example], plan: TrainPlan, seed: int, replicas: int
) -> list[list[Shares]]:
    """Lay out the batches of every epoch, each in an order of its own.

    Where a batch is shared, its parts stay together in all epochs: threads meet the same lengths
    again, for which the kernels are there. To part them each time was no better for learning.
    """
    lengths = [len(example) for example in train]

    def order(epoch: int, count: int) -> list[int]:
        return [int(i) for i in np.random.default_rng([seed, epoch]).permutation(count)]

    if replicas == 1:
        return [
            [(packed,) for packed in pack(lengths, plan.batch_tokens, order(epoch, len(lengths)))]
            for epoch in range(plan.epochs)
        ]
    batches = share(lengths, plan.batch_tokens, replicas, order(plan.epochs, len(lengths)))
    return [[batches[i] for i in order(epoch, len(batches))] for epoch in range(plan.epochs)]


def _count_targets(examples: Sequence[Example]) -> int:
    return sum(int((example.weights > 0).sum()) for example in examples)
