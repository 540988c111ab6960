"""Does a back end compute the model that llama.cpp runs? Both read a short text before training.

An adapter that was learnt on another function than the one that answers does not help it, and
nothing in the training would show that. As a process of its own, for the planner:

    python -m floe.training.backends.parity BASE --backend B --device D --precision P

prints {"kl": number} or {"error": sentence}.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from floe.errors import FloeError
from floe.llama.runtime import MAX_OUTPUTS, LlamaModel
from floe.records import TrainPlan
from floe.training.backends.backend import TrainingBackend
from floe.training.backends.opening import build_backend, read_base
from floe.training.planning.parity_check import judge_parity

_TEXT: Final = (
    "The harbour lies still in the morning. Two boats came in at 6:40; def add(a, b): return a + b"
)
_CONTEXT: Final = 256


def read_reference(path: Path, threads: int = 1) -> tuple[list[int], NDArray[np.float32]]:
    """Return the text's tokens, and llama.cpp's logits (n, vocabulary) after each.

    Raises:
        ModelError: llama.cpp cannot load `path`.
    """
    # Weights laid out anew would take the memory of the file a second time, for one short text.
    with LlamaModel(path, context=_CONTEXT, threads=threads, repack=False) as model:
        tokens = model.vocabulary.tokenize_prompt(_TEXT, parse_special=False, add_bos=True)
        tokens = tokens[:MAX_OUTPUTS]
        return tokens, model.evaluate(tokens, len(tokens)).copy()


def measure_parity(
    backend: TrainingBackend, reference: tuple[list[int], NDArray[np.float32]]
) -> float:
    """Mean KL(llama.cpp || back end) in nats over the text, without the adapter.

    The first token does not count. Where no BOS comes before it, models gather values of thousands
    there (Sun et al., "Massive Activations in Large Language Models", arXiv 2402.17762), which
    llama.cpp rounds to 8 bits in blocks of 256: with Qwen2.5-Coder-1.5B the two are 5 nats apart at
    that token and 0.003 at all others. Nothing is learnt there.
    """
    tokens, wanted = reference
    backend.refresh(0.0)
    found = backend.logits(np.array(tokens))
    backend.refresh()
    total = 0.0
    for p, q in zip(wanted[1:], found[1:], strict=True):
        log_p, log_q = (_log_softmax(row.astype(np.float64)) for row in (p, q))
        total += float((np.exp(log_p) * (log_p - log_q)).sum())
    return total / (len(tokens) - 1)


def require_parity(
    backend: TrainingBackend, reference: tuple[list[int], NDArray[np.float32]], name: str
) -> None:
    """See that both compute the same model; `name`: of the back end, for the sentence.

    Raises:
        ParityError: they do not.
    """
    judge_parity(measure_parity(backend, reference), name)


def _log_softmax(row: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = row - row.max()
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return found


def _trial_plan(backend: str, device: str, precision: str, threads: int) -> TrainPlan:
    return TrainPlan(
        *(1, 1.0, ("v_proj",), 1, 256, 256, False, precision, 1, 0.0, threads, 0, 0.0, 0.0, ""),  # type: ignore[arg-type]
        backend=backend,  # type: ignore[arg-type]
        device=device,
        blocks=device == "cpu" and backend == "autograd",
    )


def main() -> int:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m floe.training.backends.parity", description=__doc__
    )
    parser.add_argument("base", type=Path)
    for name in ("backend", "device", "precision"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, object]
    try:
        reference = read_reference(options.base, options.threads)
        plan = _trial_plan(options.backend, options.device, options.precision, options.threads)
        backend = build_backend(read_base(options.base, plan), plan, seed=0)
        found = {"kl": measure_parity(backend, reference)}
    except FloeError as error:
        found = {"error": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
