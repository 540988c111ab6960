"""Canary test: how much a group's experts betray of a sentence that one device had once.

    floe simulate --canary

Each of the simulation's devices gets one row more, a sentence with a secret code of its own, and
the group plays its rounds twice: without noise, and with the noise that spends `EPSILON`. Then
whoever holds the expert of that device's cluster ranks all ten thousand codes, in two ways: by
their loss, and by how far the expert lowered it against the base model, which everybody has.
Exposure is log2 of the number of codes less log2 of the true one's rank (Carlini et al., The
Secret Sharer, arXiv 1802.08232). A secret that nobody learnt has 1.44 bits on average, the most
exposed of eight 3.9, and by chance alone that one has more than `LIMIT` in one run of ten.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from floe.errors import FederationError
from floe.federation.app.client_app import app
from floe.federation.app.learner import adapter_of
from floe.federation.app.recipe import Recipe
from floe.federation.app.round_report import RoundReport
from floe.federation.app.run_config import RunConfig
from floe.federation.app.server_app import run
from floe.federation.app.strategy import TaskExperts
from floe.federation.app.update import UpdateFactors
from floe.federation.app.update_filter import norm
from floe.federation.maths.accounting import Exposure, exposure, noise_multiplier_for
from floe.federation.maths.noise import Noise
from floe.federation.simulation.local_grid import LocalGrid
from floe.federation.simulation.simulated_device import CODE_DIGITS, CODES, RANKS, Secret, secret_of
from floe.llama.threads import choose_threads
from floe.training.backends.cpu import layers
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.backends.cpu.layers import Layout
from floe.training.backends.cpu.network import Batch, LoraNetwork
from floe.training.data.tokenisation import Encoder

EPSILON: Final = 8.0
CHANCE: Final = 1 / math.log(2)
"""Bits: the mean of log2(n) - log2(rank) over all ranks, for many candidates."""
LIMIT: Final = CHANCE + 5

_WAIT: Final = 3600.0
_DIGITS: Final = "0123456789"
_ROWS: Final = 256
"""Positions whose logits over the whole vocabulary are held at once."""


@dataclass(frozen=True, slots=True)
class SecretExposure:
    """Exposure through one group's experts, in bits, by device.

    `by_loss`: codes ranked by their loss; `by_drop`: by how far the expert lowered it. Losses in
    nats per token on held-out rows, mean of the devices.
    """

    noise_multiplier: float
    clip: float
    epsilon: float | None
    delta: float | None
    by_loss: tuple[float, ...]
    by_drop: tuple[float, ...]
    loss_base: float | None
    loss_expert: float | None

    @property
    def worst(self) -> float:
        """Bits of the most exposed secret, by whichever way shows more."""
        return max(*self.by_loss, *self.by_drop)


@dataclass(frozen=True, slots=True)
class CanaryOutcome:
    """The canary test's outcome; `base`: bits by loss under the base model, which never saw one."""

    candidates: int
    rounds: int
    chance: float
    limit: float
    base: tuple[float, ...]
    quiet: SecretExposure
    noisy: SecretExposure

    @property
    def sentence(self) -> str:
        """Outcome in words."""
        noisy, quiet = self.noisy, self.quiet
        kept = "at most" if noisy.worst <= self.limit else "MORE than"
        return (
            f"Of {self.candidates:,} codes, {self.rounds} rounds: with noise (epsilon "
            f"{EPSILON:g}) the most exposed of {len(noisy.by_loss)} secrets shows "
            f"{noisy.worst:.1f} bits, {kept} chance plus five ({self.limit:.1f}), the mean one "
            f"{np.mean(noisy.by_loss):.1f} by loss and {np.mean(noisy.by_drop):.1f} by its drop; "
            f"without noise {quiet.worst:.1f}, {np.mean(quiet.by_loss):.1f} and "
            f"{np.mean(quiet.by_drop):.1f}; under the base model {np.mean(self.base):.1f}."
        )


def run_canary_test(
    base: Path,
    run_config: RunConfig,
    on_report: Callable[[RoundReport], None] = lambda _: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> CanaryOutcome:
    """Both groups, and what their experts show. `run_config` says what a round is like.

    Raises:
        ModelError: the base cannot be trained.
        FederationError: a device could take no part, or its tokeniser joins digits.
    """
    reader = CodeReader(base, run_config.recipe)
    secrets = [secret_of(number) for number in range(len(RANKS))]
    untouched = [reader.losses(secret, {}) for secret in secrets]
    on_stage("Eight devices with a secret each train without noise.")
    quiet = _run_group(base, run_config, on_report)
    # The norm of what honest devices send: a smaller one would cut learning, too.
    clip = float(np.median([norm(expert.factors) for expert in quiet.experts.values()]))
    rounds, delta = run_config.rounds, run_config.noise.delta
    noise = Noise(noise_multiplier_for(EPSILON, delta, rounds), clip, delta)
    on_stage("The same devices train with noise.")
    noisy = _run_group(base, replace(run_config, noise=noise), on_report)
    on_stage("All codes are ranked under the experts.")
    return CanaryOutcome(
        candidates=CODES,
        rounds=rounds,
        chance=CHANCE,
        limit=LIMIT,
        base=tuple(
            _rank_secret(losses, secret).bits
            for losses, secret in zip(untouched, secrets, strict=True)
        ),
        quiet=_measure_exposure(quiet, reader, secrets, untouched),
        noisy=_measure_exposure(noisy, reader, secrets, untouched),
    )


def _run_group(
    base: Path, run_config: RunConfig, on_report: Callable[[RoundReport], None]
) -> TaskExperts:
    nodes: list[dict[str, str | int | float | bool]] = [
        {"partition-id": number, "base": str(base), "secret": True} for number in range(len(RANKS))
    ]
    strategy = TaskExperts(run_config, on_report)
    run(LocalGrid(app, nodes), strategy, _WAIT)
    return strategy


def _measure_exposure(
    strategy: TaskExperts,
    reader: "CodeReader",
    secrets: Sequence[Secret],
    untouched: Sequence[NDArray[np.float64]],
) -> SecretExposure:
    by_loss, by_drop = [], []
    for number, (secret, before) in enumerate(zip(secrets, untouched, strict=True)):
        label = strategy.names.of.get(str(number + 1))
        if label is None:
            raise FederationError("A device with a secret took no part; nothing can be measured.")
        losses = reader.losses(secret, strategy.experts[label].factors)
        by_loss.append(_rank_secret(losses, secret).bits)
        by_drop.append(_rank_secret(losses - before, secret).bits)
    report, noise = strategy.reports[-1], strategy.run_config.noise
    return SecretExposure(
        noise_multiplier=noise.multiplier,
        clip=noise.clip,
        epsilon=report.epsilon,
        delta=report.delta,
        by_loss=tuple(by_loss),
        by_drop=tuple(by_drop),
        loss_base=_mean([line.loss_base for line in report.clients]),
        loss_expert=_mean([line.loss_expert for line in report.clients]),
    )


def _mean(losses: Sequence[float | None]) -> float | None:
    known = [loss for loss in losses if loss is not None]
    return float(np.mean(known)) if known else None


def _rank_secret(losses: NDArray[np.float64], secret: Secret) -> Exposure:
    own = int(secret.code)
    return exposure(float(losses[own]), np.delete(losses, own))


class CodeReader:
    """The loss of every code after the same beginning, in float32.

    Ten thousand codes share their first digits, so they form a tree: one token for each
    beginning of a code, which attends to what comes before it in that code and to nothing else.
    """

    def __init__(self, base: Path, recipe: Recipe) -> None:
        """Load the base.

        Raises:
            ModelError: it is missing, broken, or of a kind that cannot be trained.
        """
        self._encoder = Encoder(base)
        self._base = read_base_weights(base, torch.float32)
        self._recipe = recipe
        self._threads, _ = choose_threads()
        self._kept: dict[Secret, tuple[Batch, Tensor]] = {}

    def losses(self, secret: Secret, factors: Mapping[str, UpdateFactors]) -> NDArray[np.float64]:
        """Nats of each code, (10000,), in order; no factors: under the base alone.

        Raises:
            FederationError: the model's tokeniser does not write digits one by one.
        """
        torch.set_num_threads(self._threads)
        rank = len(next(iter(factors.values()))[0]) if factors else 1
        network = _Tree(self._base, adapter_of(self._base, self._recipe, factors, rank))
        prefix, digits = self._tokens(secret)
        if secret not in self._kept:
            batch = network.tree(prefix, digits)
            self._kept[secret] = batch, network.frozen_prefix(batch)
        return code_losses(network.logs(*self._kept[secret], digits))

    def _tokens(self, secret: Secret) -> tuple[list[int], list[int]]:
        """All that comes before the code, and the token of each digit."""
        rows = [secret.row(digit * CODE_DIGITS) for digit in _DIGITS]
        found = [self._encoder.examples([row], self._recipe.sequence_length) for row in rows]
        read = [[*example.tokens, example.targets[-1]] for (example, *_) in found]
        if len({len(tokens) for tokens in read}) == 1:
            table = np.array(read)
            (differ,) = np.nonzero((table != table[0]).any(axis=0))
            codes = table[:, differ]
            together = len(differ) == CODE_DIGITS == differ[-1] - differ[0] + 1
            if together and (codes == codes[:, :1]).all() and len(set(codes[:, 0])) == len(_DIGITS):
                return table[0, : differ[0]].tolist(), codes[:, 0].tolist()
        raise FederationError(
            "This model's tokeniser does not write digits one by one, so the canary test cannot "
            "rank codes with it. Choose another model."
        )


def code_losses(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nats of each code in order, from ln p of every digit after every beginning of a code.

    `logs` has a row of ten for the empty beginning, for 0 to 9, 00 to 99, and so on.
    """
    total: NDArray[np.float64] = np.zeros(1)
    start = 0
    for place in range(CODE_DIGITS):
        rows = logs[start : start + 10**place]
        total = (total[:, None] - rows).ravel()
        start += 10**place
    return total


class _Tree(LoraNetwork):
    """A network that reads all codes at once."""

    def tree(self, prefix: Sequence[int], digits: Sequence[int]) -> Batch:
        """Batch the prefix, then every beginning of a code but whole ones, shortest first."""
        depths = [10**place for place in range(1, CODE_DIGITS)]
        n, first = len(prefix) + sum(depths), len(prefix)
        places = np.concatenate(
            [np.arange(first), *(np.full(size, first + i) for i, size in enumerate(depths))]
        )
        tokens = [*prefix, *(digits[i % 10] for size in depths for i in range(size))]
        allowed = torch.eye(n, dtype=torch.bool)
        allowed[:first, :first] = torch.ones(first, first, dtype=torch.bool).tril_()
        above, start = torch.full((10,), first - 1), first
        for size in depths:
            allowed[start : start + size] |= allowed[above]
            above = torch.arange(start, start + size).repeat_interleave(10)
            start += size
        mask = torch.zeros(allowed.shape, dtype=self.base.dtype).masked_fill_(~allowed, -torch.inf)
        architecture = self.base.architecture
        mask = mask.repeat(architecture.heads // architecture.kv_heads, 1)
        positions = torch.arange(first - 1, n)
        return Batch(
            tokens=torch.tensor(tokens),
            layout=Layout(*self.rotation(places), ((0, n, mask),)),
            positions=positions,
            targets=torch.zeros_like(positions),
            weights=torch.ones(len(positions)),
            members=(),
        )

    def logs(self, batch: Batch, x: Tensor, digits: Sequence[int]) -> NDArray[np.float64]:
        """Logarithms of p of each digit after each beginning of a code, (1111, 10)."""
        for i in range(self.lora.first_layer, self.base.architecture.layers):
            adapter: dict[str, Any] = self.lora.layers.get(i, {})
            x, _ = layers.forward(
                self.base.architecture, self.base.layers[i], adapter, x, batch.layout
            )
        hidden, _ = self._final(x[batch.positions])
        parts = []
        for start in range(0, len(hidden), _ROWS):
            scores = self.base.head.forward(hidden[start : start + _ROWS])
            parts.append(scores[:, list(digits)] - scores.logsumexp(dim=1, keepdim=True))
        return torch.cat(parts).double().numpy()
