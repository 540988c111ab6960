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

import torch
from torch import Tensor
from torch.nn import functional as F

from floe.personal.architecture import Architecture
from floe.personal.base import LayerWeights
from floe.personal.frozen import Frozen
from floe.personal.lora import Group

Saved = tuple[Tensor, Tensor | None]
_Norm = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the tokens of a batch stand.

    `cos`, `sin` (n, 1, head size / 2); `bins`: for each run of tokens that attend among
    themselves its start, end and additive mask (group size * length, length).
    """

    cos: Tensor
    sin: Tensor
    bins: tuple[tuple[int, int, Tensor], ...]


@dataclass(slots=True, eq=False)
class Activations:
    """What the backward pass of a layer needs from its forward pass."""

    x: Tensor
    norm: Tensor
    qkv: Tensor
    weights: list[Tensor]
    attended: Tensor
    middle: Tensor
    middle_norm: Tensor
    gate_up: Tensor
    lora: dict[str, Saved]


def forward(
    architecture: Architecture,
    layer: LayerWeights,
    lora: dict[str, Group],
    x: Tensor,
    layout: Layout,
    dropout: float = 0.0,
) -> tuple[Tensor, Activations]:
    """One layer over the hidden states `x` (n, hidden); `x` itself is left alone."""
    saved: dict[str, Saved] = {}

    def project(name: str, inputs: Tensor, weight: Frozen, bias: Tensor | None = None) -> Tensor:
        y = weight.forward(inputs, bias)
        if name in lora:
            saved[name] = lora[name].forward(inputs, y, dropout)
        return y

    norm = inverse_rms(x, architecture.norm_epsilon)
    qkv = project("qkv", normed(x, norm, layer.attention_norm), layer.qkv, layer.qkv_bias)
    _rotate(architecture, qkv, layout.cos, layout.sin)
    attended, weights = _attend(architecture, qkv, layout)
    middle = project("output", attended, layer.output).add_(x)
    middle_norm = inverse_rms(middle, architecture.norm_epsilon)
    gate_up = project("gate_up", normed(middle, middle_norm, layer.mlp_norm), layer.gate_up)
    gate, up = gate_up.chunk(2, dim=1)
    y = project("down", F.silu(gate).mul_(up), layer.down).add_(middle)
    return y, Activations(x, norm, qkv, weights, attended, middle, middle_norm, gate_up, saved)


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

    def back(name: str, grad: Tensor, inputs: Tensor, weight: Frozen) -> Tensor:
        dx = weight.backward(grad)
        if name in lora:
            lora[name].backward(grad, inputs, kept.lora[name], dx)
        return dx

    gate, up = kept.gate_up.chunk(2, dim=1)
    silu = F.silu(gate)
    dact = back("down", dy, silu * up, layer.down)
    dgate_up = torch.empty_like(kept.gate_up)
    dgate, dup = dgate_up.chunk(2, dim=1)
    torch.mul(dact, silu, out=dup)
    torch.ops.aten.silu_backward.grad_input(dact.mul_(up), gate, grad_input=dgate)
    del silu, dact
    inputs = normed(kept.middle, kept.middle_norm, layer.mlp_norm)
    dnormed = back("gate_up", dgate_up, inputs, layer.gate_up)
    dmiddle = dy.add_(norm_backward(dnormed, kept.middle, kept.middle_norm, layer.mlp_norm))
    dattended = back("output", dmiddle, kept.attended, layer.output)
    dqkv = _attend_backward(architecture, kept, layout, dattended)
    _rotate(architecture, dqkv, layout.cos, -layout.sin)
    inputs = normed(kept.x, kept.norm, layer.attention_norm)
    if not need_input:
        if "qkv" in lora:
            lora["qkv"].backward(dqkv, inputs, kept.lora["qkv"], torch.empty_like(inputs))
        return None
    dnormed = back("qkv", dqkv, inputs, layer.qkv)
    return dmiddle.add_(norm_backward(dnormed, kept.x, kept.norm, layer.attention_norm))


def inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean(x^2) + epsilon) of each row, float32 of shape (n, 1)."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return torch.rsqrt(length.square_().div_(x.shape[-1]).add_(epsilon))


def normed(x: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """The RMS norm of `x` from its `inverse_rms`, in the dtype of `x`."""
    return torch.mul(x, inverse, out=torch.empty_like(x)).mul_(weight)


def norm_backward(dy: Tensor, x: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """Gradient of `normed` for its input: r g - x r^3 mean(g x), where g = dy * weight."""
    g = dy * weight
    mean = (g * x).sum(-1, keepdim=True, dtype=torch.float32).div_(x.shape[-1])
    out = torch.mul(g, inverse, out=torch.empty_like(g))
    return out.sub_(torch.mul(x, mean.mul_(inverse**3), out=g))


def _rotate(architecture: Architecture, qkv: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn the q and k parts of `qkv` by their positions, in place."""
    size = architecture.head_size
    heads = architecture.heads + architecture.kv_heads
    qk = qkv[:, : heads * size].view(len(qkv), heads, size)
    low, high = qk[..., : size // 2], qk[..., size // 2 :]
    turned = torch.addcmul(low * cos, high, sin, value=-1)
    high.copy_(torch.addcmul(high * cos, low, sin))
    low.copy_(turned)


def _heads(architecture: Architecture, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Views of one bin of n tokens: q (kv heads, group * n, size), k and v (kv heads, n, size)."""
    size, kv = architecture.head_size, architecture.kv_heads
    n, group = len(qkv), architecture.heads // architecture.kv_heads
    q, k, v = torch.split(qkv, [architecture.heads * size, kv * size, kv * size], dim=1)
    return (
        q.reshape(n, kv, group, size).permute(1, 2, 0, 3).reshape(kv, group * n, size),
        k.reshape(n, kv, size).transpose(0, 1),
        v.reshape(n, kv, size).transpose(0, 1),
    )


def _rows(architecture: Architecture, heads: Tensor, n: int) -> Tensor:
    """Back from (kv heads, group * n, size) to (n, heads * size)."""
    kv, size = architecture.kv_heads, architecture.head_size
    return heads.view(kv, -1, n, size).permute(2, 0, 1, 3).reshape(n, -1)


def _attend(architecture: Architecture, qkv: Tensor, layout: Layout) -> tuple[Tensor, list[Tensor]]:
    """Softmax attention bin by bin; the weights are kept for the backward pass."""
    scale = architecture.head_size**-0.5
    out = torch.empty(len(qkv), architecture.heads * architecture.head_size, dtype=qkv.dtype)
    kept = []
    for start, end, mask in layout.bins:
        q, k, v = _heads(architecture, qkv[start:end])
        weights = torch.softmax(torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale), dim=-1)
        out[start:end] = _rows(architecture, torch.bmm(weights, v), end - start)
        kept.append(weights)
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
    for (start, end, _), weights in zip(layout.bins, kept.weights, strict=True):
        n = end - start
        q, k, v = _heads(architecture, kept.qkv[start:end])
        do = dout[start:end].view(n, kv, group, size).permute(1, 2, 0, 3)
        o = kept.attended[start:end].view(n, kv, group, size).permute(1, 2, 0, 3)
        do = do.reshape(kv, group * n, size)
        # The softmax's sum over a row of dP * P equals that of dO * O (Dao et al. 2022).
        inner = (do * o.reshape(kv, group * n, size)).sum(-1, keepdim=True)
        dscores = torch.baddbmm(inner, do, v.transpose(1, 2), beta=-1).mul_(weights)
        rows = dqkv[start:end]
        dq = torch.bmm(dscores, k).mul_(scale)
        rows[:, :queries] = _rows(architecture, dq, n)
        dk = torch.bmm(dscores.transpose(1, 2), q).mul_(scale)
        rows[:, queries : queries + kv * size] = dk.transpose(0, 1).reshape(n, -1)
        dv = torch.bmm(weights.transpose(1, 2), do)
        rows[:, queries + kv * size :] = dv.transpose(0, 1).reshape(n, -1)
    return dqkv
