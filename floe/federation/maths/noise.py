"""The noise that a group's host adds, and what it is worth: settings around the accountant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from floe.federation.app.recipe import common_start
from floe.federation.app.update import Update, UpdateFactors
from floe.federation.maths.accounting import (
    PrivacyCost,
    account_privacy,
    count_noisy_numbers,
    private_mean,
)

_NO_CLIP: Final = 1e6


@dataclass(frozen=True, slots=True)
class Noise:
    """`clip`: the largest norm of one device's update; `multiplier`: noise in units of it.

    Without noise the default clip is far beyond any honest update.
    """

    multiplier: float = 0.0
    clip: float = _NO_CLIP
    delta: float = 1e-5

    def mean(
        self,
        group: Sequence[Update],
        shapes: Mapping[str, tuple[int, int]],
        before: Mapping[str, UpdateFactors] | None,
        rank: int,
    ) -> dict[str, UpdateFactors]:
        """Return a cluster's noisy mean in the basis that its devices started from.

        `before`: the cluster's expert of the last round; None: it is new, so the common start.
        """
        start = common_start(shapes, rank) if before is None else before
        basis = {module: a for module, (a, _) in start.items()}
        return private_mean(group, basis, self.clip, self.multiplier, np.random.default_rng())

    def account_privacy(
        self, rounds: int, devices: int, shapes: Mapping[str, tuple[int, int]], rank: int
    ) -> PrivacyCost:
        """Account for so many rounds, judged by the smallest cluster."""
        multiplier = self.multiplier if self.multiplier > 0 else 0.0
        return account_privacy(
            multiplier, max(rounds, 1), self.delta, devices, count_noisy_numbers(shapes, rank)
        )
