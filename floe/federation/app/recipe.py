"""Settings that the devices of a group share, so that their adapters fit. Ranks may differ.

Plain numbers and arrays: the group's host reads this without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from floe.adapters.architecture import Architecture
from floe.adapters.lora_factors import module_name
from floe.federation.app.update import UpdateFactors

_START_SEED: Final = 2602


@dataclass(frozen=True, slots=True)
class Recipe:
    """`modules` are projections (`q_proj`), adapted in the upper `layers` layers.

    `epochs` are those of one round; `batch_tokens` and `sequence_length` as in a `TrainPlan`.
    `learning_rate` is that of a device of rank 16; weaker ones take a higher one.
    """

    modules: tuple[str, ...] = ("q_proj", "v_proj", "o_proj", "down_proj")
    layers: int = 6
    epochs: int = 1
    batch_tokens: int = 512
    sequence_length: int = 256
    learning_rate: float = 3e-3

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """From a run's configuration or a message; what is missing there is as by default."""
        default = cls()
        return cls(
            modules=tuple(str(config.get("modules", ",".join(default.modules))).split(",")),
            layers=int(config.get("layers", default.layers)),
            epochs=int(config.get("local-epochs", default.epochs)),
            batch_tokens=int(config.get("batch-tokens", default.batch_tokens)),
            sequence_length=int(config.get("sequence-length", default.sequence_length)),
            learning_rate=float(config.get("learning-rate", default.learning_rate)),
        )

    def write(self) -> dict[str, Any]:
        """Return the values that `read` reads."""
        return {
            "modules": ",".join(self.modules),
            "layers": self.layers,
            "local-epochs": self.epochs,
            "batch-tokens": self.batch_tokens,
            "sequence-length": self.sequence_length,
            "learning-rate": self.learning_rate,
        }


def module_shapes(architecture: Architecture, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """Full module name to (outputs, inputs), in the order of the layers."""
    first = architecture.layers - min(recipe.layers, architecture.layers)
    return {
        module_name(layer, module): architecture.module_shape(module)
        for layer in range(first, architecture.layers)
        for module in recipe.modules
    }


def common_start(shapes: Mapping[str, tuple[int, int]], rank: int) -> dict[str, UpdateFactors]:
    """Return the common start: the first `rank` rows of one random A that all share, and B = 0.

    Adapters that start in subspaces of their own are nearly orthogonal whatever they learn, and
    could not be told apart by task; with a common A their products can be compared.
    """
    start: dict[str, UpdateFactors] = {}
    for number, (module, (outputs, inputs)) in enumerate(shapes.items()):
        generator = np.random.default_rng([_START_SEED, number])
        bound = 1 / np.sqrt(inputs)  # as peft does
        a = generator.uniform(-bound, bound, (rank, inputs)).astype(np.float32)
        start[module] = (a, np.zeros((outputs, rank), np.float32))
    return start
