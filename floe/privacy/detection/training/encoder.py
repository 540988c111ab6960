"""Train the encoder: `python encoder.py MATERIAL.npz MODEL_FOLDER OUT.onnx`.

MATERIAL is what `material.py` writes, MODEL_FOLDER holds `model.safetensors` and `vocab.txt` of
all-MiniLM-L6-v2. Some minutes on a graphics card, some hours on two cores; the weights differ in
their last bits from machine to machine. `--checkpoint` is written every hundred steps and gone on
from if it is there: after new texts a few hundred more steps are enough. Where it is lost,
`recover.py` makes one of the shipped weights. Needs torch and ONNX and
nothing of Floe, so that it can run on another machine than the rest.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional

KINDS: Final = 13
FORMS: Final = 7
CASES: Final = 4
PUBLIC: Final = 6
"""The form of a name that the world knows: it may be learnt by heart."""
POSITIONS: Final = 192
HEADS: Final = 12
WIDTH: Final = 384
LAYERS: Final = 6
BATCH: Final = 128
SHARES: Final = (0.26, 0.22, 0.10, 0.26, 0.16)
"""Of a batch, for each of `material.SOURCES`."""
EASY: Final = (0.12, 0.12, 0.3, 0.3, 0.3)
"""Of each, how often at least a text is drawn beside one that is not learnt yet, as 1."""
_NOT_SEEN: Final = 0.6
"""Loss of a text that was not drawn yet."""
_MASK: Final = "[MASK]"
_UNKNOWN: Final = -100
_SECOND_LABEL: Final = 0.5
"""Weight of the names beside the kinds."""
_DECAY: Final = 0.05
_DROPOUT: Final = 0.1
_AVERAGED: Final = 0.99
"""How much of the averaged weights stays at each step (Polyak & Juditsky 1992)."""
_SMALL: Final = 1e-12
_RATE: Final = 8e-5
_WARM_UP: Final = 40
_REPORTED: Final = 100
SEED: Final = 5


class EncoderLayer(nn.Module):
    """One layer of BERT (Devlin et al. 2018, arXiv 1810.04805)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.o = nn.Linear(WIDTH, WIDTH)
        self.n1 = nn.LayerNorm(WIDTH, eps=_SMALL)
        self.u = nn.Linear(WIDTH, 4 * WIDTH)
        self.d = nn.Linear(4 * WIDTH, WIDTH)
        self.n2 = nn.LayerNorm(WIDTH, eps=_SMALL)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Apply it to vectors (texts, pieces, width)."""
        texts, pieces, _ = x.shape
        split = self.qkv(x).view(texts, pieces, 3, HEADS, WIDTH // HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out = self.o(mixed.transpose(1, 2).reshape(texts, pieces, WIDTH))
        x = self.n1(x + functional.dropout(out, _DROPOUT, self.training))
        hidden = self.d(functional.gelu(self.u(x), approximate="tanh"))
        normed: Tensor = self.n2(x + functional.dropout(hidden, _DROPOUT, self.training))
        return normed


class TrainedEncoder(nn.Module):
    """A MiniLM, with what lists and writing say of each piece added to it."""

    def __init__(self, base: Mapping[str, Tensor], layers: int = LAYERS) -> None:
        super().__init__()
        self.word = nn.Embedding(*base["word.weight"].shape)
        self.pos = nn.Parameter(base["pos"].clone())
        self.form = nn.Embedding(FORMS, WIDTH)
        self.case = nn.Embedding(CASES, WIDTH)
        self.n0 = nn.LayerNorm(WIDTH, eps=_SMALL)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(layers))
        self.head = nn.Linear(2 * WIDTH, KINDS)
        self.tok = nn.Linear(WIDTH, 2)
        for each in (self.form, self.case):
            nn.init.zeros_(each.weight)
        for last in (self.head, self.tok):
            nn.init.normal_(last.weight, std=0.02)
        self.load_state_dict(
            {name: base[name] for name in self.state_dict() if name in base}, strict=False
        )

    def forward(
        self, ids: Tensor, form: Tensor, case: Tensor, inside: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits of kinds (texts, kinds) and of names (texts, pieces, 2)."""
        x = self.word(ids) + self.pos[: ids.shape[1]] + self.form(form) + self.case(case)
        x = functional.dropout(self.n0(x), _DROPOUT, self.training)
        for layer in self.layers:
            x = layer(x, inside[:, None, None, :])
        weights = inside.unsqueeze(-1)
        mean = (x * weights).sum(1) / weights.sum(1)
        most = x.masked_fill(~weights, -1e4).amax(1)
        pooled = functional.dropout(torch.cat([mean, most], 1), _DROPOUT, self.training)
        return self.head(pooled), self.tok(x)


class Batches:
    """Rows of the material on the device."""

    def __init__(self, data: Mapping[str, NDArray[Any]], device: str) -> None:
        self.starts: NDArray[np.int64] = data["starts"].astype(np.int64)
        self.lengths = np.diff(self.starts)
        self.source = data["source"]
        self.pools = [np.flatnonzero(self.source == i) for i in range(len(SHARES))]
        self.losses: NDArray[np.float32] = np.full(len(self.lengths), _NOT_SEEN, np.float32)
        self.device = device
        self.ids, self.form, self.case, self.named, self.kind = (
            torch.tensor(data[name].astype(np.int64)).to(device)
            for name in ("ids", "form", "case", "named", "kind")
        )

    def draw(self, dice: np.random.Generator, batches: int) -> list[NDArray[np.int64]]:
        """Rows of some batches, in each those of like length; those learnt already more rarely."""
        shares = np.array(SHARES) * [len(pool) > 0 for pool in self.pools]
        counts = dice.multinomial(BATCH * batches, shares / shares.sum())
        drawn = []
        for pool, easy, n in zip(self.pools, EASY, counts, strict=True):
            if n:
                chances = self.losses[pool].clip(easy, 1.0).astype(np.float64)
                drawn.append(dice.choice(pool, n, p=chances / chances.sum()))
        rows = np.concatenate(drawn)
        rows = rows[np.argsort(self.lengths[rows])]
        return [rows[i * BATCH : (i + 1) * BATCH] for i in dice.permutation(batches)]

    def rows(self, rows: NDArray[np.int64]) -> tuple[Tensor, ...]:
        """Ids, forms, cases, what is inside, labels of pieces and kinds of some rows."""
        most = min(int(self.lengths[rows].max()), POSITIONS)
        first = torch.tensor(self.starts[rows]).to(self.device)
        length = torch.tensor(np.minimum(self.lengths[rows], most)).to(self.device)
        steps = torch.arange(most, device=self.device)[None]
        inside = steps < length[:, None]
        at = (first[:, None] + steps).clamp(max=len(self.ids) - 1)
        zero = torch.zeros_like(at)
        ids, form, case = (
            torch.where(inside, each[at], zero) for each in (self.ids, self.form, self.case)
        )
        named = torch.where(inside, self.named[at], torch.full_like(at, _UNKNOWN))
        return ids, form, case, inside, named, self.kind[torch.tensor(rows).to(self.device)]


def blurred(
    parts: tuple[Tensor, ...], pieces: int, mask: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a batch in which names, lists and capitals are missing here and there."""
    ids, form, case, inside, named, _ = parts

    def chance(shape: Sequence[int]) -> Tensor:
        return torch.rand(shape, device=ids.device)

    rows = (len(ids), 1)
    persons = ((form > 0) & (form != PUBLIC)) | (named == 1)
    other = torch.randint(1000, pieces, ids.shape, device=ids.device)
    ids = torch.where(persons & (chance(rows) < 0.15) & (chance(ids.shape) < 0.8), other, ids)
    ids = torch.where((chance(ids.shape) > 0.96) & inside, torch.full_like(ids, mask), ids)
    form = torch.where(chance(rows) < 0.2, torch.zeros_like(form), form)
    small = (chance(rows) < 0.15) & (case != CASES - 1)
    return ids, form, torch.where(small, torch.zeros_like(case), case), inside


def train(
    base: Mapping[str, Tensor], data: Batches, mask: int, steps: int, checkpoint: Path | None
) -> TrainedEncoder:
    """Return a trained model, the average of its last steps."""
    torch.manual_seed(SEED)
    dice = np.random.default_rng(SEED)
    device = data.device
    model = TrainedEncoder(base).to(device).train()
    if checkpoint is not None and checkpoint.exists():
        model.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True))
    averaged = {name: value.clone() for name, value in model.state_dict().items()}
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": _DECAY},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=_RATE,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, step / _WARM_UP) * max(0.02, 1 - step / max(steps, 1))
    )
    waiting: list[NDArray[np.int64]] = []
    for step in range(1, steps + 1):
        waiting = waiting or data.draw(dice, 4)
        rows = waiting.pop()
        parts = data.rows(rows)
        seen = blurred(parts, len(base["word.weight"]), mask)
        with torch.autocast(device, torch.bfloat16):
            kinds, names = model(*seen)
        loss, each = _loss(kinds.float(), names.float(), parts)
        data.losses[rows] = each.detach().cpu().numpy()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            kept = min(_AVERAGED, step / (step + 20))
            for name, value in model.state_dict().items():
                averaged[name].lerp_(value, 1 - kept)
        if step % _REPORTED == 0:
            print(step, "of", steps, round(float(loss.detach()), 3), file=sys.stderr, flush=True)
            if checkpoint is not None:
                torch.save(averaged, checkpoint)
    model.load_state_dict(averaged)
    return model.eval()


def _loss(kinds: Tensor, names: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return the loss of a batch, and that of each text's kind."""
    *_, named, kind = parts
    each = functional.cross_entropy(kinds, kind, label_smoothing=0.02, reduction="none")
    loss = each.mean()
    if bool((named >= 0).any()):
        loss = loss + _SECOND_LABEL * functional.cross_entropy(
            names.view(-1, 2), named.view(-1), ignore_index=_UNKNOWN
        )
    return loss, each


def read_base(folder: Path) -> tuple[list[str], dict[str, Tensor]]:
    """Return the word pieces of a MiniLM and its weights under the names of `TrainedEncoder`."""
    lines = (folder / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
    kept = [i for i, line in enumerate(lines) if not line.startswith("[unused")]
    found = {
        name: torch.tensor(value).float()
        for name, value in load_file(folder / "model.safetensors").items()
        if value.dtype.kind == "f"
    }
    table = "embeddings"
    base = {
        "word.weight": found[f"{table}.word_embeddings.weight"][kept],
        "pos": found[f"{table}.position_embeddings.weight"][:POSITIONS]
        + found[f"{table}.token_type_embeddings.weight"][0],
    }
    for part in ("weight", "bias"):
        base[f"n0.{part}"] = found[f"{table}.LayerNorm.{part}"]
        for i in range(LAYERS):
            old, new = f"encoder.layer.{i}.", f"layers.{i}."
            base[f"{new}qkv.{part}"] = torch.cat(
                [found[f"{old}attention.self.{x}.{part}"] for x in ("query", "key", "value")]
            )
            for name, its in (
                ("o", "attention.output.dense"),
                ("n1", "attention.output.LayerNorm"),
                ("u", "intermediate.dense"),
                ("d", "output.dense"),
                ("n2", "output.LayerNorm"),
            ):
                base[f"{new}{name}.{part}"] = found[f"{old}{its}.{part}"]
    return [lines[i] for i in kept], base


class _Readable(nn.Module):
    """What is written: word pieces as whole numbers with a scale each, and probabilities of names."""

    scale: Tensor
    word: Tensor

    def __init__(self, trained: TrainedEncoder) -> None:
        super().__init__()
        self.trained = trained
        table = trained.word.weight.detach()
        scale = table.abs().amax(1, keepdim=True) / 127 + 1e-9
        self.register_buffer("scale", scale)
        self.register_buffer("word", torch.round(table / scale).to(torch.int8))

    def forward(self, ids: Tensor, form: Tensor, case: Tensor) -> tuple[Tensor, Tensor]:
        """Read one text: logits (1, kinds), probability of each piece to be of a name (1, pieces)."""
        its = self.trained
        x = self.word[ids].float() * self.scale[ids]
        x = its.n0(x + its.pos[: ids.shape[1]] + its.form(form) + its.case(case))
        inside = torch.ones_like(ids, dtype=torch.bool)
        for layer in its.layers:
            x = layer(x, inside[:, None, None, :])
        pooled = torch.cat([x.mean(1), x.amax(1)], 1)
        return its.head(pooled), its.tok(x).softmax(-1)[..., 1]


def write(model: TrainedEncoder, pieces: Sequence[str], digest: str, path: Path) -> None:
    """Write a model as ONNX, its large matrices in eight bits.

    What enters them is rounded to eight bits, too, as a whole; but what enters the last of a layer
    has few large values among many small ones, so there in blocks of 32. Held against the weights
    as they were trained it decides no worse, and takes a quarter less time than all in blocks.
    """
    import onnx  # noqa: PLC0415 (not needed where only the weights are trained)
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415
    from onnxruntime.quantization.matmul_nbits_quantizer import (  # noqa: PLC0415
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    ids = torch.arange(4)[None]
    whole = path.with_suffix(".whole.onnx")
    torch.onnx.export(
        _Readable(model.cpu()).eval(),
        (ids, torch.zeros_like(ids), torch.zeros_like(ids)),
        str(whole),
        input_names=["ids", "form", "case"],
        output_names=["kinds", "names"],
        dynamic_axes={name: {1: "pieces"} for name in ("ids", "form", "case", "names")},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(
        whole,
        path,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[
            node.name for node in onnx.load(whole).graph.node if node.name.endswith("/d/MatMul")
        ],
    )
    blocks = DefaultWeightOnlyQuantConfig(
        block_size=32, is_symmetric=True, accuracy_level=4, bits=8, op_types_to_quantize=("MatMul",)
    )
    quantizer = MatMulNBitsQuantizer(onnx.load(path), algo_config=blocks)
    quantizer.process()
    made = quantizer.model.model
    onnx.helper.set_model_props(made, {"pieces": "\n".join(pieces), "inputs": digest})
    onnx.save(made, path)
    whole.unlink()


def main() -> int:
    """Train the model and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("material", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000, help="0: write the checkpoint")
    parser.add_argument("--checkpoint", type=Path)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pieces, base = read_base(given.base)
    with np.load(given.material) as loaded:
        data = Batches(dict(loaded), device)
        digest = str(loaded["inputs"])
    model = train(base, data, pieces.index(_MASK), given.steps, given.checkpoint)
    write(model, pieces, digest, given.out)
    print(given.out.stat().st_size, "bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
