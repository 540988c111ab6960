"""Forward and backward passes of one decoder layer with LoRA, written out by hand.

Autograd is not used: on a CPU it keeps every intermediate, and the backward pass of torch's fused
attention in bfloat16 takes longer than all matrix products of a layer together. Here what is
cheap to make again is made again, a thin product serves all projections that share an input, and
every token of a batch goes through the large products at once without padding; attention alone
looks at one bin (a run of short sequences) at a time. A test holds the gradients against those of
peft.

Formulas: pre-norm decoder with RMS norms, rotary positions in halves, grouped-query attention and
a gated MLP, as in transformers' `modeling_llama.py` and `modeling_qwen2.py`.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import KEPT_TOKENS
from floe.training.backends.cpu.base_weights import LayerWeights
from floe.training.backends.cpu.lora_parameters import Group
from floe.training.backends.cpu.prepacked_linear import PrepackedLinear

Saved = tuple[Tensor, Tensor | None]

_SAFE_SUM: Final = 1e20
"""Sums of exponentials, and their inverses, up to here need no scores taken off."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Positions of the tokens of a batch.

    `cos`, `sin` (n, 1, head size), the sines of the first half negative; `bins`: for each run of
    tokens that attend among themselves its start, end and additive mask (group size * length,
    length).
    """

    cos: Tensor
    sin: Tensor
    bins: tuple[tuple[int, int, Tensor], ...]


@dataclass(slots=True, eq=False)
class Activations:
    """Values that the backward pass of a layer needs from its forward pass.

    `weights`: for each bin the attention's exponentials (kv heads, group * n, n), and the inverse
    of their sums float32 (kv heads, group * n, 1). `inputs`, `active`: what goes into the products
    with qkv and down, where their factors need it. `silu` and `active` are made again if there are
    many tokens: to keep them saves 2 % of the time and takes a quarter more memory.
    """

    x: Tensor
    norm: Tensor
    inputs: Tensor | None
    qkv: Tensor
    weights: list[tuple[Tensor, Tensor]]
    attended: Tensor
    middle: Tensor
    middle_norm: Tensor
    gate_up: Tensor
    silu: Tensor | None
    active: Tensor | None
    lora: dict[str, Saved]


def forward(
    architecture: Architecture,
    layer: LayerWeights,
    lora: dict[str, Group],
    x: Tensor,
    layout: Layout,
    dropout: float = 0.0,
    random: torch.Generator | None = None,
) -> tuple[Tensor, Activations]:
    """One layer over the hidden states `x` (n, hidden); `x` itself is left alone."""
    saved: dict[str, Saved] = {}

    def project(
        name: str, inputs: Tensor, weight: PrepackedLinear, bias: Tensor | None = None
    ) -> Tensor:
        y = weight.forward(inputs, bias)
        if name in lora:
            saved[name] = lora[name].forward(inputs, y, dropout, random)
        return y

    norm = inverse_rms(x, architecture.norm_epsilon)
    inputs = rms_norm(x, norm, layer.attention_norm)
    qkv = project("qkv", inputs, layer.qkv, layer.qkv_bias)
    _apply_rotary(architecture, qkv, layout.cos, layout.sin)
    attended, weights = _attend(architecture, qkv, layout)
    middle = project("output", attended, layer.output).add_(x)
    middle_norm = inverse_rms(middle, architecture.norm_epsilon)
    gate_up = project("gate_up", rms_norm(middle, middle_norm, layer.mlp_norm), layer.gate_up)
    gate, up = gate_up.chunk(2, dim=1)
    silu = F.silu(gate)
    active = silu * up
    y = project("down", active, layer.down).add_(middle)
    few = len(x) <= KEPT_TOKENS
    return y, Activations(
        x=x,
        norm=norm,
        inputs=inputs if "qkv" in lora else None,
        qkv=qkv,
        weights=weights,
        attended=attended,
        middle=middle,
        middle_norm=middle_norm,
        gate_up=gate_up,
        silu=silu if few else None,
        active=active if few and "down" in lora else None,
        lora=saved,
    )


def backward(
    architecture: Architecture,
    layer: LayerWeights,
    lora: dict[str, Group],
    kept: Activations,
    layout: Layout,
    dy: Tensor,
    *,
    need_input: bool,
) -> Tensor | None:
    """Gradients of one layer.

    Args:
        architecture: as in `forward`.
        layer: as in `forward`.
        lora: as in `forward`; the gradients of its factors are added to.
        kept: what `forward` returned.
        layout: as in `forward`.
        dy: gradient of the layer's output (n, hidden); it is overwritten.
        need_input: whether the gradient of the layer's input is wanted.

    Returns:
        The gradient of the input; those of the factors are added to their own views.
    """

    def back(name: str, grad: Tensor, inputs: Tensor | None, weight: PrepackedLinear) -> Tensor:
        dx = weight.backward(grad)
        if name in lora:
            assert inputs is not None
            lora[name].backward(grad, inputs, kept.lora[name], dx)
        return dx

    gate, up = kept.gate_up.chunk(2, dim=1)
    silu = F.silu(gate) if kept.silu is None else kept.silu
    active = kept.active
    if active is None and "down" in lora:
        active = silu * up
    dact = back("down", dy, active, layer.down)
    del active
    dgate_up = torch.empty_like(kept.gate_up)
    dgate, dup = dgate_up.chunk(2, dim=1)
    torch.mul(dact, silu, out=dup)
    torch.ops.aten.silu_backward.grad_input(dact.mul_(up), gate, grad_input=dgate)
    del dact
    inputs = None
    if "gate_up" in lora:
        inputs = rms_norm(kept.middle, kept.middle_norm, layer.mlp_norm)
    dnormed = back("gate_up", dgate_up, inputs, layer.gate_up)
    dmiddle = dy.add_(rms_norm_backward(dnormed, kept.middle, kept.middle_norm, layer.mlp_norm))
    dattended = back("output", dmiddle, kept.attended, layer.output)
    dqkv = _attend_backward(architecture, kept, layout, dattended)
    _apply_rotary(architecture, dqkv, layout.cos, -layout.sin)
    if not need_input:
        if kept.inputs is not None:
            lora["qkv"].backward(dqkv, kept.inputs, kept.lora["qkv"], torch.empty_like(kept.x))
        return None
    dnormed = back("qkv", dqkv, kept.inputs, layer.qkv)
    return dmiddle.add_(rms_norm_backward(dnormed, kept.x, kept.norm, layer.attention_norm))


def inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean(x^2) + epsilon) of each row, float32 of shape (n, 1)."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return torch.rsqrt(length.square_().div_(x.shape[-1]).add_(epsilon))


def rms_norm(x: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """Return the RMS norm of `x` from its `inverse_rms`, in the dtype of `x`."""
    return torch.mul(x, inverse, out=torch.empty_like(x)).mul_(weight)


def rms_norm_backward(dy: Tensor, x: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """Gradient of `rms_norm` for its input: r g - x r^3 mean(g x), where g = dy * weight."""
    g = dy * weight
    # A row's one factor of a gradient may be rounded, because two types in one operation take
    # thrice the time.
    along = (g * x).sum(-1, keepdim=True) * (inverse**3).div_(x.shape[-1])
    return g.mul_(inverse.to(x.dtype)).addcmul_(x, along.to(x.dtype), value=-1)


def _apply_rotary(architecture: Architecture, qkv: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn the q and k parts of `qkv` by their positions, in place."""
    size = architecture.head_size
    heads = architecture.heads + architecture.kv_heads
    qk = qkv[:, : heads * size].view(len(qkv), heads, size)
    low, high = qk.chunk(2, dim=-1)
    across = torch.cat((high, low), dim=-1)
    qk.mul_(cos).addcmul_(across, sin)


def _split_heads(architecture: Architecture, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """View one bin of n tokens as q (kv heads, group * n, size), k and v (kv heads, n, size)."""
    size, kv = architecture.head_size, architecture.kv_heads
    n, group = len(qkv), architecture.heads // architecture.kv_heads
    q, k, v = torch.split(qkv, [architecture.heads * size, kv * size, kv * size], dim=1)
    return (
        q.reshape(n, kv, group, size).permute(1, 2, 0, 3).reshape(kv, group * n, size),
        k.reshape(n, kv, size).transpose(0, 1),
        v.reshape(n, kv, size).transpose(0, 1),
    )


def _merge_heads(architecture: Architecture, heads: Tensor, n: int) -> Tensor:
    """Back from (kv heads, group * n, size) to (n, heads * size)."""
    kv, size = architecture.kv_heads, architecture.head_size
    return heads.view(kv, -1, n, size).permute(2, 0, 1, 3).reshape(n, -1)


def exponentials(scores: Tensor) -> tuple[Tensor, Tensor]:
    """exp(scores), which are overwritten, and the inverse of the sum of each row, float32.

    Both may be off by one factor a row. A softmax would take the greatest score off each row and
    divide by the sum; that costs thrice as much and is hardly ever needed.
    """
    values = scores.exp()
    sums = values.sum(-1, keepdim=True, dtype=torch.float32)
    low, high = sums.aminmax()
    if not (float(low) > 1 / _SAFE_SUM and float(high) < _SAFE_SUM):
        values = scores.sub_(scores.amax(-1, keepdim=True)).exp_()
        sums = values.sum(-1, keepdim=True, dtype=torch.float32)
    return values, sums.reciprocal_()


def _attend(
    architecture: Architecture, qkv: Tensor, layout: Layout
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Softmax attention bin by bin; the weights are kept for the backward pass."""
    scale = architecture.head_size**-0.5
    out = torch.empty(len(qkv), architecture.heads * architecture.head_size, dtype=qkv.dtype)
    kept = []
    for start, end, mask in layout.bins:
        q, k, v = _split_heads(architecture, qkv[start:end])
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
        weights, inverse = exponentials(scores)
        attended = torch.bmm(weights, v)
        torch.mul(attended, inverse, out=attended)
        out[start:end] = _merge_heads(architecture, attended, end - start)
        kept.append((weights, inverse))
    return out, kept


def _attend_backward(
    architecture: Architecture, kept: Activations, layout: Layout, dout: Tensor
) -> Tensor:
    """Gradient of q, k and v as they entered `_attend`, stacked as in `qkv`."""
    scale = architecture.head_size**-0.5
    size, kv = architecture.head_size, architecture.kv_heads
    group = architecture.heads // kv
    queries = architecture.heads * size
    dqkv = torch.empty_like(kept.qkv)
    for (start, end, _), (weights, inverse) in zip(layout.bins, kept.weights, strict=True):
        n = end - start
        q, k, v = _split_heads(architecture, kept.qkv[start:end])
        do = dout[start:end].view(n, kv, group, size).permute(1, 2, 0, 3)
        o = kept.attended[start:end].view(n, kv, group, size).permute(1, 2, 0, 3)
        do = do.reshape(kv, group * n, size) * inverse.to(do.dtype)
        # The softmax's sum over a row of dP * P equals that of dO * O (Dao et al. 2022).
        inner = (do * o.reshape(kv, group * n, size)).sum(-1, keepdim=True)
        dscores = torch.baddbmm(inner, do, v.transpose(1, 2), beta=-scale, alpha=scale)
        dscores.mul_(weights)
        rows = dqkv[start:end]
        dq = torch.bmm(dscores, k)
        rows[:, :queries] = _merge_heads(architecture, dq, n)
        dk = torch.bmm(dscores.transpose(1, 2), q)
        rows[:, queries : queries + kv * size] = dk.transpose(0, 1).reshape(n, -1)
        dv = torch.bmm(weights.transpose(1, 2), do)
        rows[:, queries + kv * size :] = dv.transpose(0, 1).reshape(n, -1)
    return dqkv
