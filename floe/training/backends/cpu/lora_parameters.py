"""LoRA factors while they are trained: one flat float32 vector, with views for every layer.

Projections that share an input are one group: their A factors are stacked, their B factors form
a block-diagonal matrix, so that a group costs two thin products however many projections it has.
One vector makes the optimiser, the gradient's norm and the checkpoint each a single operation.
"""

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import PROJECTION_GROUPS
from floe.adapters.lora_factors import Factors, module_name
from floe.training.backends.factor_views import draw_start, fill_factors

_Place = tuple[int, str, tuple[int, int], tuple[int, int], tuple[slice, slice]]
"""Layer, group, shapes of A and B, and where both lie in the flat vector."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The factors of projections that share an input.

    `a` (R, inputs) and `b` (outputs, R) are in the base's dtype, `b` with alpha / rank folded
    in; `grad_a` and `grad_b` are float32 views into the flat gradient. R = rank * projections.
    """

    a: Tensor
    b: Tensor
    grad_a: Tensor
    grad_b: Tensor
    scale: float

    def forward(
        self, x: Tensor, y: Tensor, dropout: float, random: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Add B A x to `y` in place; `x` (n, inputs), `y` (n, outputs).

        Returns:
            The inner values (n, R) and the dropout mask, for `backward`.
        """
        inner = x @ self.a.T
        mask = None
        if dropout:
            mask = torch.empty_like(inner).bernoulli_(1 - dropout, generator=random)
            mask /= 1 - dropout
            inner *= mask
        y.addmm_(inner, self.b.T)
        return inner, mask

    def backward(
        self, dy: Tensor, x: Tensor, saved: tuple[Tensor, Tensor | None], dx: Tensor
    ) -> None:
        """Add the gradients of the factors to their views, and that of `x` to `dx`."""
        inner, mask = saved
        self.grad_b.add_(dy.T @ inner, alpha=self.scale)
        dinner = dy @ self.b
        if mask is not None:
            dinner *= mask
        self.grad_a.add_(dinner.T @ x)
        dx.addmm_(dinner, self.a)


class Lora:
    """All trained factors of one adapter.

    Attributes:
        parameters: the flat float32 vector.
        gradient: filled by `Group.backward`; `parameters.grad` unless this is a twin.
        layers: for each adapted layer its groups by name.
        first_layer: the lowest adapted layer.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        rank: int,
        alpha: float,
        modules: tuple[str, ...],
        layers: int,
        dtype: torch.dtype,
        seed: int,
    ) -> None:
        """Make a random A and a zero B for each of `modules` in the upper `layers` layers."""
        self.rank, self.alpha = rank, alpha
        self._architecture = architecture
        self._modules = modules
        self.first_layer = architecture.layers - min(layers, architecture.layers)
        self._scale = scale = alpha / rank
        slots: list[tuple[int, str, tuple[str, ...], int, int]] = []
        size = 0
        for layer in range(self.first_layer, architecture.layers):
            for name, members in PROJECTION_GROUPS.items():
                used = tuple(module for module in members if module in modules)
                if used:
                    inputs = architecture.module_shape(used[0])[1]
                    outputs = sum(architecture.module_shape(module)[0] for module in members)
                    slots.append((layer, name, used, inputs, outputs))
                    size += rank * len(used) * (inputs + outputs)
        self.parameters = torch.zeros(size)
        self._mask = torch.zeros(size, dtype=torch.bool)
        self._low = torch.zeros(size, dtype=dtype)
        self._scales = torch.ones(size)
        self._views: dict[str, tuple[Tensor, Tensor]] = {}
        self._places: list[_Place] = []
        start = 0
        for layer, name, used, inputs, outputs in slots:
            wide = rank * len(used)
            middle, end = start + wide * inputs, start + wide * (inputs + outputs)
            pair = slice(start, middle), slice(middle, end)
            self._mask[pair[0]] = True
            self._scales[pair[1]] = scale
            self._places.append((layer, name, (wide, inputs), (outputs, wide), pair))
            a = self.parameters[pair[0]].view(wide, inputs)
            b = self.parameters[pair[1]].view(outputs, wide)
            mask = self._mask[pair[1]].view(outputs, wide)
            row = 0
            for module in PROJECTION_GROUPS[name]:
                height = architecture.module_shape(module)[0]
                if module in used:
                    i = used.index(module) * rank
                    mask[row : row + height, i : i + rank] = True
                    self._views[module_name(layer, module)] = (
                        a[i : i + rank],
                        b[row : row + height, i : i + rank],
                    )
                row += height
            start = end
        self.gradient, self.layers = self._groups()
        self.parameters.grad = self.gradient
        draw_start(self._views, seed)
        self.refresh()

    def _groups(self) -> tuple[Tensor, dict[int, dict[str, Group]]]:
        """Make a gradient, all zeros, and the groups that add to it."""
        gradient = torch.zeros_like(self.parameters)
        layers: dict[int, dict[str, Group]] = {}
        for layer, name, wide, tall, (of_a, of_b) in self._places:
            layers.setdefault(layer, {})[name] = Group(
                self._low[of_a].view(wide),
                self._low[of_b].view(tall),
                gradient[of_a].view(wide),
                gradient[of_b].view(tall),
                self._scale,
            )
        return gradient, layers

    def replica(self) -> "Lora":
        """Return the same factors with a gradient of their own, for another thread."""
        replica = copy(self)
        replica.gradient, replica.layers = replica._groups()
        return replica

    def refresh(self, strength: float = 1.0) -> None:
        """Carry the parameters over into the copies that the layers multiply with.

        Args:
            strength: of the adapter as a whole, >= 0; other than 1 it is for measuring alone.
        """
        torch.mul(self.parameters, self._scales, out=self._low)
        if strength != 1:
            # Each product has one factor A and one B, and their roots make the whole.
            self._low.mul_(math.sqrt(strength))

    def is_zero(self) -> bool:
        """Tell whether the adapter as it stands changes nothing."""
        return not any(bool(b.any()) for _, b in self._views.values())

    def clean_gradient(self) -> None:
        """Zero the gradient outside the blocks of the block-diagonal B."""
        self.gradient *= self._mask

    def factors(self) -> Factors:
        """Copy every A and B, without alpha / rank."""
        return {name: (a.numpy().copy(), b.numpy().copy()) for name, (a, b) in self._views.items()}

    def load(self, factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Start from given factors, already scaled for this alpha / rank.

        Factors of a smaller rank fill the first components: A keeps its random rows and B its
        zero columns beyond them, so the product stays the same. Of a larger rank the best
        approximation is taken (truncated SVD of the product). Modules without a place here are
        left out, those not given start fresh.
        """
        fill_factors(self._views, factors, self.rank)
        self.refresh()
