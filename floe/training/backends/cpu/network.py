"""A frozen base with one adapter: losses, and the gradients of the adapter.

The layers below the lowest adapter never change, so what they make of each example can be
computed once and kept for all epochs. Knows nothing of text, optimisers or files.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from floe.training.backends.cpu import layers
from floe.training.backends.cpu.base_weights import BaseWeights
from floe.training.backends.cpu.layers import Activations, Layout
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.prepacked_linear import PrepackedLinear
from floe.training.data.packing import Example, Packed, pack
from floe.training.memory_limit import LOGITS_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Tokens of a packed batch, and where among them something is learned.

    `tokens` (n,), `positions` (t,) of the targets `targets` (t,) with `weights` float32 (t,);
    `members`: the examples in the order of their tokens.
    """

    tokens: Tensor
    layout: Layout
    positions: Tensor
    targets: Tensor
    weights: Tensor
    members: tuple[int, ...]


class LoraNetwork:
    """`base` with the factors of `lora`.

    `watch` is told before each layer and each part of the head how many bytes it will take at
    most; what it raises ends the step.
    """

    def __init__(
        self, base: BaseWeights, lora: Lora, watch: Callable[[int], None] = lambda _: None
    ) -> None:
        self.base, self.lora = base, lora
        self._watch = watch
        architecture = base.architecture
        size = architecture.head_size
        exponents = torch.arange(0, size, 2, dtype=torch.float32) / size
        self._frequencies = architecture.rope_theta**-exponents
        if base.rope_factors is not None:
            self._frequencies /= base.rope_factors.float()

    def replica(self) -> "LoraNetwork":
        """Return the same factors with a gradient of their own, for another thread."""
        replica = copy(self)
        replica.lora = self.lora.replica()
        return replica

    def backward_matrices(self) -> list[PrepackedLinear]:
        """Return the weights that gradients pass through."""
        first = self.lora.first_layer
        found = [self.base.head]
        for i, layer in enumerate(self.base.layers[first:]):
            found += [layer.output, layer.gate_up, layer.down]
            found += [layer.qkv] if i else []
        return found

    def prepare(self, matrix: PrepackedLinear) -> None:
        """Lay one of them out."""
        self._watch(matrix.pending_bytes)
        matrix.prepare()

    def batch(self, examples: Sequence[Example], packed: Packed) -> Batch:
        """Build the tensors of one batch."""
        members = tuple(i for members in packed for i in members)
        chosen = [examples[i] for i in members]
        places = np.concatenate([np.arange(len(example)) for example in chosen])
        cos, sin = self.rotation(places)
        bins = []
        start = 0
        for indices in packed:
            lengths = [len(examples[i]) for i in indices]
            end = start + sum(lengths)
            bins.append((start, end, self._mask(lengths)))
            start = end
        weights = torch.from_numpy(np.concatenate([example.weights for example in chosen]))
        positions = weights.nonzero()[:, 0]
        targets = torch.from_numpy(np.concatenate([example.targets for example in chosen]))
        return Batch(
            tokens=torch.from_numpy(np.concatenate([example.tokens for example in chosen])),
            layout=Layout(cos, sin, tuple(bins)),
            positions=positions,
            targets=targets[positions].long(),
            weights=weights[positions],
            members=members,
        )

    def rotation(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """`cos` and `sin` of a `Layout` for tokens at `places` (n,) of their sequences."""
        angles = (torch.from_numpy(places).float()[:, None] * self._frequencies)[:, None]
        cos, sin = angles.cos(), angles.sin()
        dtype = self.base.dtype
        return torch.cat((cos, cos), dim=-1).to(dtype), torch.cat((-sin, sin), dim=-1).to(dtype)

    def _mask(self, lengths: Sequence[int]) -> Tensor:
        """0 where a token may look, minus infinity elsewhere, once for each query of a group."""
        architecture = self.base.architecture
        owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
        allowed = (owner[:, None] == owner[None]).tril_()
        mask = torch.zeros(allowed.shape, dtype=self.base.dtype)
        mask.masked_fill_(~allowed, -torch.inf)
        return mask.repeat(architecture.heads // architecture.kv_heads, 1)

    @torch.inference_mode()  # no bookkeeping for autograd, which is not used
    def frozen_prefix(self, batch: Batch) -> Tensor:
        """Hidden states (n, hidden) below the lowest adapter."""
        x = self.base.embedding[batch.tokens]
        for layer in self.base.layers[: self.lora.first_layer]:
            self._watch(self._layer_bytes(batch))
            x, _ = layers.forward(self.base.architecture, layer, {}, x, batch.layout)
        return x

    def frozen_prefixes(self, examples: Sequence[Example], batch_tokens: int) -> list[Tensor]:
        """`frozen_prefix` of every example."""
        kept: list[Tensor] = [torch.empty(0)] * len(examples)
        for packed in pack([len(example) for example in examples], batch_tokens):
            batch = self.batch(examples, packed)
            sizes = [len(examples[i]) for i in batch.members]
            for i, states in zip(
                batch.members, torch.split(self.frozen_prefix(batch), sizes), strict=True
            ):
                kept[i] = states.clone()
        return kept

    def loss(self, batch: Batch, x: Tensor) -> tuple[float, int]:
        """Sum of the loss over all targets in nats, unweighted, and how many there are.

        `x` (n, hidden) are the states of `frozen_prefix`.
        """
        losses = self.target_losses(batch, x)
        return float(losses.sum()), len(losses)

    @torch.inference_mode()  # no bookkeeping for autograd, which is not used
    def target_losses(self, batch: Batch, x: Tensor) -> Tensor:
        """Loss of each target in nats, unweighted; `x` as in `loss`."""
        x = self._upper_layers(batch, x)
        hidden, _ = self._final(x[batch.positions])
        losses, _ = self._cross_entropy(hidden, batch, backward=False)
        return losses

    @torch.inference_mode()  # no bookkeeping for autograd, which is not used
    def logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits (n, vocabulary) after each of `tokens` (n,)."""
        one = Example(
            tokens.astype(np.int32), tokens.astype(np.int32), np.ones(len(tokens), np.float32), 0
        )
        batch = self.batch([one], ((0,),))
        hidden, _ = self._final(self._upper_layers(batch, self.frozen_prefix(batch)))
        found: NDArray[np.float32] = self.base.head.forward(hidden).float().numpy()
        return found

    def _upper_layers(self, batch: Batch, x: Tensor) -> Tensor:
        for i in range(self.lora.first_layer, self.base.architecture.layers):
            self._watch(self._layer_bytes(batch))
            x, _ = layers.forward(
                self.base.architecture,
                self.base.layers[i],
                self.lora.layers.get(i, {}),
                x,
                batch.layout,
            )
        return x

    @torch.inference_mode()  # no bookkeeping for autograd, which is not used
    def step(
        self,
        batch: Batch,
        x: Tensor,
        *,
        dropout: float = 0.0,
        checkpointing: bool = False,
        random: torch.Generator | None = None,
    ) -> float:
        """Add the gradient of the weighted mean loss to the adapter's.

        Args:
            batch: what to learn.
            x: states of `frozen_prefix` (n, hidden).
            dropout: share of the adapter's inner values set to zero.
            checkpointing: keep only the input of each layer and compute the rest again.
            random: where dropout draws from; None: torch's own generator.

        Returns:
            The weighted mean loss in nats.
        """
        architecture, first = self.base.architecture, self.lora.first_layer
        random = random or torch.default_generator
        kept: list[tuple[Tensor, Tensor | None] | Activations] = []
        for i in range(first, architecture.layers):
            self._watch(self._layer_bytes(batch))
            state = random.get_state() if checkpointing and dropout else None
            inputs = x
            x, activations = self._layer(i, inputs, batch, dropout, random)
            kept.append((inputs, state) if checkpointing else activations)
            del activations
        rows = x[batch.positions]
        hidden, norm = self._final(rows)
        losses, dhidden = self._cross_entropy(hidden, batch, backward=True)
        dx = torch.zeros_like(x)
        dx[batch.positions] = layers.rms_norm_backward(dhidden, rows, norm, self.base.final_norm)
        del rows, hidden, dhidden, x
        after = random.get_state()
        for i in range(architecture.layers - 1, first - 1, -1):
            self._watch(self._layer_bytes(batch))
            top = kept.pop()
            if isinstance(top, tuple):
                inputs, state = top
                if state is not None:
                    random.set_state(state)
                _, top = self._layer(i, inputs, batch, dropout, random)
            gradient = layers.backward(
                architecture,
                self.base.layers[i],
                self.lora.layers.get(i, {}),
                top,
                batch.layout,
                dx,
                need_input=i > first,
            )
            if gradient is not None:
                dx = gradient
        random.set_state(after)
        return float((losses * batch.weights).sum() / batch.weights.sum())

    def _layer_bytes(self, batch: Batch) -> int:
        """Return the bytes that one layer takes at most, kept activations included."""
        a = self.base.architecture
        queries, keys = a.heads * a.head_size, a.kv_heads * a.head_size
        numbers = len(batch.tokens) * (7 * a.hidden + 4 * queries + 4 * keys + 8 * a.intermediate)
        numbers += sum(3 * a.heads * (end - start) ** 2 for start, end, _ in batch.layout.bins)
        return numbers * self.base.dtype.itemsize

    def _layer(
        self, i: int, x: Tensor, batch: Batch, dropout: float, random: torch.Generator
    ) -> tuple[Tensor, Activations]:
        return layers.forward(
            self.base.architecture,
            self.base.layers[i],
            self.lora.layers.get(i, {}),
            x,
            batch.layout,
            dropout,
            random,
        )

    def _final(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        norm = layers.inverse_rms(rows, self.base.architecture.norm_epsilon)
        return layers.rms_norm(rows, norm, self.base.final_norm), norm

    def _cross_entropy(
        self, hidden: Tensor, batch: Batch, *, backward: bool
    ) -> tuple[Tensor, Tensor]:
        """Losses float32 (t,), and the gradient of their weighted mean for `hidden` (t, hidden).

        A few rows at a time: all logits at once would outweigh everything else in memory.
        """
        head, words = self.base.head, len(self.base.embedding)
        most = max(1, LOGITS_BYTES // (words * hidden.itemsize))
        parts = max(1, math.ceil(len(hidden) / most))
        # Parts are of equal size, because a small rest would read the whole matrix for a few rows.
        rows = math.ceil(len(hidden) / parts)
        self._watch(LOGITS_BYTES + (head.pending_bytes if backward else 0))
        losses = torch.empty(len(hidden))
        gradient = torch.empty_like(hidden)
        for start in range(0, len(hidden), max(rows, 1)):
            part = slice(start, start + rows)
            targets = batch.targets[part]
            logits = head.forward(hidden[part])
            # In place: each row is read to its end before it is written.
            probabilities = torch.softmax(logits, dim=-1, out=logits)
            places = torch.arange(len(targets)), targets
            chosen = probabilities[places]
            losses[part] = -chosen.float().clamp_min(1e-38).log()
            if backward:
                # The derivative of the cross-entropy for the logits: p - one-hot.
                probabilities[places] = chosen - 1
                gradient[part] = head.backward(probabilities)
        if backward:
            share = batch.weights / batch.weights.sum()
            gradient *= share[:, None].to(gradient.dtype)
        return losses, gradient
