"""Floating-point operations of a plan, for the share of the device that is used.

A product of (m, k) by (k, n) counts 2 m k n. Counted is what the mathematics needs, once:

- below the adapters: one forward pass over every row, since that part never changes;
- from the lowest adapter up: a forward pass in each epoch, and as much again for the gradient of
  the inputs (the frozen weights need none; the lowest layer's q, k and v none either);
- attention: scores and sums over the tokens before each, and twice that for its gradient;
- the adapter's factors: forward, and twice that backward;
- logits and their gradient, at the positions where something is learned;
- for each look at the held-out rows: the forward passes above.

Norms, activations, softmax, the optimiser, and anything computed twice to save memory count
nothing: time spent on them lowers the share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import MODULES
from floe.records import TrainPlan
from floe.training.data.packing import Example


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Counts of a set of examples; `pairs`: (token, token it attends to) in one head."""

    tokens: int
    targets: int
    pairs: int

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "TokenCounts":
        """Sum over the examples."""
        lengths = [len(example) for example in examples]
        return cls(
            tokens=sum(lengths),
            targets=sum(int((example.weights > 0).sum()) for example in examples),
            pairs=sum(n * (n + 1) // 2 for n in lengths),
        )


def training_flops(
    architecture: Architecture,
    plan: TrainPlan,
    train: TokenCounts,
    held_out: TokenCounts,
    *,
    epochs: int,
    evaluations: int,
) -> int:
    """Operations of `epochs` over `train` and `evaluations` at `held_out`."""
    upper = min(plan.layers, architecture.layers)
    lower = architecture.layers - upper
    shapes = {module: architecture.module_shape(module) for module in MODULES}
    layer = 2 * sum(rows * columns for rows, columns in shapes.values())
    unneeded = 2 * sum(rows * columns for rows, columns in (shapes[m] for m in MODULES[:3]))
    pair = 4 * architecture.heads * architecture.head_size
    thin = 2 * plan.rank * sum(sum(shapes[module]) for module in plan.modules)
    head = 2 * architecture.vocabulary * architecture.hidden

    def forward(counts: TokenCounts, layers: int) -> int:
        return layers * (counts.tokens * layer + counts.pairs * pair)

    def evaluate(counts: TokenCounts) -> int:
        return forward(counts, upper) + upper * counts.tokens * thin + counts.targets * head

    learned = evaluate(train) + forward(train, upper) + upper * train.pairs * pair
    learned += 2 * upper * train.tokens * thin + train.targets * head - train.tokens * unneeded
    frozen = forward(train, lower) + (forward(held_out, lower) if evaluations else 0)
    return frozen + epochs * learned + evaluations * evaluate(held_out)
