"""The back end of autograd: a model of transformers with an adapter of peft, on any device."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from torch import Tensor

from floe.adapters.architecture import Architecture
from floe.adapters.lora_factors import Factors, module_name
from floe.errors import ModelError
from floe.training.backends.autograd.decoder import FrozenDecoder, release_adapter
from floe.training.backends.autograd.frozen_cross_entropy import (
    FrozenHead,
    frozen_cross_entropy,
)
from floe.training.backends.backend import PreparedRows
from floe.training.backends.factor_views import draw_start, fill_factors
from floe.training.data.packing import Example, Shares, pack
from floe.training.memory_limit import LOGITS_BYTES

_ADAPTER: Final = "default"
_FIRST_LOSS_SCALE: Final = 2.0**12
_GROWTH_STEPS: Final = 200
_MOST_HALVINGS: Final = 16


class AutogradBackend:
    """A `FrozenDecoder` with a fresh adapter in its upper layers; see `TrainingBackend`.

    The factors that are trained are float32 in one flat vector; the layers multiply with copies
    in the base's type. In float16 the loss is scaled up before the backward pass and the gradient
    down after it, and a step whose gradient overflowed is made again at half the scale.
    """

    replicas = 1

    def __init__(
        self,
        decoder: FrozenDecoder,
        *,
        rank: int,
        alpha: float,
        modules: tuple[str, ...],
        layers: int,
        batch_tokens: int,
        seed: int,
        watch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Put peft's layers into the decoder; an adapter that was in it is taken out.

        `watch` is told before each layer how many bytes it will take at most; what it raises ends
        the step.
        """
        release_adapter(decoder)
        self.rank, self.alpha = rank, alpha
        self._decoder, self._batch_tokens, self._watch = decoder, batch_tokens, watch
        architecture = decoder.architecture
        used = architecture.present_modules(modules)
        first = architecture.layers - min(layers, architecture.layers)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # a float divides as well
            lora_dropout=0.5,  # each step sets its own
            target_modules=list(used),
            layers_to_transform=list(range(first, architecture.layers)),
            layers_pattern="layers",
        )
        with warnings.catch_warnings():
            # peft asks transformers for a property by its older name.
            warnings.simplefilter("ignore", FutureWarning)
            adapted = get_peft_model(decoder.model, config, autocast_adapter_dtype=False)
        adapted.eval()  # peft's own layers are made for training, with dropout on
        decoder.adapted.append(adapted)
        self._lora: dict[str, Any] = {}
        places = [
            module_name(layer, module)
            for layer in range(first, architecture.layers)
            for module in architecture.modules
            if module in used
        ]
        for name in places:
            self._lora[name] = decoder.model.get_submodule(name)
        self._copies = [
            (copy, name)
            for name, module in self._lora.items()
            for copy in (module.lora_A[_ADAPTER].weight, module.lora_B[_ADAPTER].weight)
        ]
        size = sum(copy.numel() for copy, _ in self._copies)
        self.parameters = torch.zeros(size, device=decoder.device)
        self.gradient = torch.zeros_like(self.parameters)
        self.parameters.grad = self.gradient
        self._views: dict[str, tuple[Tensor, Tensor]] = {}
        halves = iter(self._views_of(self.parameters))
        for name in self._lora:
            self._views[name] = (next(halves), next(halves))
        self._loss_scale = _FIRST_LOSS_SCALE if decoder.dtype == torch.float16 else 1.0
        self._good_steps = 0
        draw_start(self._views, seed)
        self.refresh()

    @property
    def architecture(self) -> Architecture:
        """Sizes of the base."""
        return self._decoder.architecture

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold nothing: torch has threads of its own."""
        yield

    def prepare_rows(self, examples: Sequence[Example]) -> "PlainRows":
        """Keep the examples as they are."""
        return PlainRows(self, examples, self._batch_tokens)

    def prepare_steps(self) -> None:
        """Do nothing: there is nothing to lay out."""

    def step(
        self, rows: PreparedRows, shares: Shares, *, dropout: float, checkpointing: bool, seed: int
    ) -> float:
        """Set the gradient; as in `TrainingBackend`."""
        assert isinstance(rows, PlainRows)
        examples = [rows.examples[i] for one in shares for bin_ in one for i in bin_]
        for module in self._lora.values():
            module.lora_dropout[_ADAPTER].p = dropout
        model, device = self._decoder.model, self._decoder.device
        model.train()
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        devices = [device] if device.type != "cpu" else []
        try:
            # The seed of a step is its own, and others' draws stay what they would have been.
            with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
                return self._step(examples, seed)
        finally:
            model.activation_checkpointing_disable()
            model.eval()

    def _step(self, examples: Sequence[Example], seed: int) -> float:
        for _ in range(_MOST_HALVINGS):
            torch.manual_seed(seed)
            losses, weights = self._losses(examples)
            loss = (losses * weights).sum() / weights.sum()
            (loss * self._loss_scale).backward()  # type: ignore[no-untyped-call]
            for (copy, _), view in zip(self._copies, self._views_of(self.gradient), strict=True):
                view.copy_(copy.grad).div_(self._loss_scale)
                copy.grad = None
            if self._loss_scale == 1 or math.isfinite(float(self.gradient.norm())):
                self._grow_scale()
                return float(loss.detach())
            self._loss_scale /= 2
            self._good_steps = 0
        raise FloatingPointError("the gradient is not finite at any scale of the loss")

    def _grow_scale(self) -> None:
        self._good_steps += 1
        if self._decoder.dtype == torch.float16 and self._good_steps % _GROWTH_STEPS == 0:
            self._loss_scale *= 2

    @torch.no_grad()
    def target_losses(self, example: Example) -> NDArray[np.float32]:
        """Return the loss of each target in nats (t,), unweighted."""
        found: NDArray[np.float32] = self._losses([example])[0].cpu().numpy()
        return found

    @torch.no_grad()
    def loss(self, examples: Sequence[Example]) -> tuple[float, int]:
        """Sum of the loss over all targets in nats, unweighted, and how many there are."""
        losses, _ = self._losses(examples)
        return float(losses.sum()), len(losses)

    def _losses(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Loss of each target (t,), and its weight (t,), of examples read side by side.

        One sequence holds all of them; transformers keeps those apart whose positions begin anew.
        """
        device = self._decoder.device
        tokens = np.concatenate([example.tokens for example in examples]).astype(np.int64)
        places = np.concatenate([np.arange(len(example)) for example in examples])
        weights = np.concatenate([example.weights for example in examples])
        learnt = np.flatnonzero(weights)
        targets = np.concatenate([example.targets for example in examples])[learnt]
        self._watch(self._step_bytes(len(tokens)))
        hidden = hidden_states(self._decoder, tokens, places)
        rows = hidden[torch.from_numpy(learnt).to(device)]
        wanted = torch.from_numpy(targets.astype(np.int64)).to(device)
        losses = frozen_cross_entropy(rows, wanted, head_of(self._decoder))
        return losses, torch.from_numpy(weights[learnt]).to(device)

    def _step_bytes(self, tokens: int) -> int:
        """Return the bytes that one layer takes for so many tokens, and a part of the logits."""
        a = self.architecture
        if self._decoder.device.type != "cpu":
            return 0  # the device's own memory, of which torch says when it runs out
        numbers = tokens * (8 * a.hidden + 4 * a.heads * a.head_size + 6 * a.intermediate)
        return numbers * self._decoder.dtype.itemsize + 3 * LOGITS_BYTES

    @torch.no_grad()
    def logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits (n, vocabulary) after each of `tokens` (n,)."""
        hidden = hidden_states(self._decoder, tokens, np.arange(len(tokens)))
        found: NDArray[np.float32] = logits_of(self._decoder, hidden).cpu().numpy()
        return found

    @torch.no_grad()
    def refresh(self, strength: float = 1.0) -> None:
        """Carry the parameters over; as in `TrainingBackend`."""
        for (copy, _), view in zip(self._copies, self._views_of(self.parameters), strict=True):
            copy.copy_(view)
        for module in self._lora.values():
            module.scaling[_ADAPTER] = self.alpha / self.rank * strength

    def is_zero(self) -> bool:
        """Tell whether the adapter as it stands changes nothing."""
        return not any(bool(b.any()) for _, b in self._views.values())

    def factors(self) -> Factors:
        """Copy every A and B, without alpha / rank."""
        return {
            name: (a.cpu().numpy().copy(), b.cpu().numpy().copy())
            for name, (a, b) in self._views.items()
        }

    @torch.no_grad()
    def load(self, factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Start from given factors; as in `TrainingBackend`."""
        fill_factors(self._views, factors, self.rank)
        self.refresh()

    def state(self) -> dict[str, Any]:
        """Return the scale of the loss."""
        return {"loss_scale": self._loss_scale, "good_steps": self._good_steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._loss_scale = float(state.get("loss_scale", self._loss_scale))
        self._good_steps = int(state.get("good_steps", 0))

    def _views_of(self, flat: Tensor) -> list[Tensor]:
        """Cut a flat vector into the shapes of all copies."""
        parts = torch.split(flat, [copy.numel() for copy, _ in self._copies])
        return [part.view(copy.shape) for part, (copy, _) in zip(parts, self._copies, strict=True)]


class PlainRows:
    """Examples in batches; nothing of them is computed ahead."""

    def __init__(
        self, backend: AutogradBackend, examples: Sequence[Example], batch_tokens: int
    ) -> None:
        self.examples = examples
        self._backend = backend
        self._batches = pack([len(example) for example in examples], batch_tokens)

    def loss(self) -> float:
        """Nats per token over all examples."""
        parts = [
            self._backend.loss([self.examples[i] for bin_ in packed for i in bin_])
            for packed in self._batches
        ]
        return sum(loss for loss, _ in parts) / sum(targets for _, targets in parts)


def hidden_states(
    decoder: FrozenDecoder, tokens: NDArray[np.int64], places: NDArray[np.int64]
) -> Tensor:
    """States (n, hidden) before the head; `places` (n,) of the tokens in their sequences."""
    found: Tensor = decoder.model.model(
        input_ids=torch.from_numpy(tokens).to(decoder.device)[None],
        position_ids=torch.from_numpy(places).to(decoder.device)[None],
        use_cache=False,
    ).last_hidden_state[0]
    return found


def logits_of(decoder: FrozenDecoder, rows: Tensor) -> Tensor:
    """States (n, hidden) to logits float32 (n, vocabulary), as the model's own head makes them."""
    return head_of(decoder).logits(decoder.model.lm_head(rows))


def head_of(decoder: FrozenDecoder) -> FrozenHead:
    """Return the head with what its model does to logits."""
    config = decoder.model.config
    return FrozenHead(
        decoder.model.lm_head,
        getattr(config, "logits_scaling", None) or 1.0,
        getattr(config, "final_logit_softcapping", None) or 0.0,
    )


def torch_device(name: str) -> torch.device:
    """Return torch's device of that name.

    Raises:
        ModelError: this device has none.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
    }
    if not there.get(name, False):
        raise ModelError(f"torch sees no device of the kind “{name}” here. Choose another.")
    return torch.device(name)
