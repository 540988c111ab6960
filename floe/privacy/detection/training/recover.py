"""Make a checkpoint of written weights: `python recover.py ENCODER.onnx CHECKPOINT.pt`.

The checkpoint that a training leaves behind is large and not kept; what is kept are the weights in
eight bits. Trained on from these, the model is the same as from the checkpoint to within their
rounding. Needs torch and ONNX and nothing of Floe, as `encoder.py`.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

_OWN: Final = "trained."
_ZERO: Final = 128
"""What stands for 0 where a matrix is kept in blocks without a zero point of their own."""
_WHOLE: Final = "MatMulInteger"
_BLOCKS: Final = "MatMulNBits"
_HEAD: Final = "head/Gemm_MatMul_quant"


def recovered(path: Path) -> dict[str, Tensor]:
    """Return the weights of a written model under the names of `encoder.TrainedEncoder`."""
    model = onnx.load(path)
    kept = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    found = {name.removeprefix(_OWN): kept[name] for name in kept if name.startswith(_OWN)}
    weights = {name: value for name, value in found.items() if "quantized" not in name}
    weights = {name: value for name, value in weights.items() if "Transposed" not in name}
    weights["word.weight"] = kept["word"].astype(np.float32) * kept["scale"]
    for node in model.graph.node:
        if node.op_type not in (_WHOLE, _BLOCKS):
            continue
        name = node.name.strip("/").split("/MatMul")[0].replace("/", ".")
        name = "head" if node.name.strip("/") == _HEAD else name
        matrix = _whole(kept, node.input[1]) if node.op_type == _WHOLE else _blocks(kept, node)
        weights[f"{name}.weight"] = matrix
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}


def _whole(kept: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """Return a matrix (out, in) with one scale a column."""
    stem = name.removesuffix("_quantized")
    shifted = kept[name].astype(np.float32) - kept[f"{stem}_zero_point"].astype(np.float32)
    made: NDArray[np.float32] = (shifted * kept[f"{stem}_scale"]).T
    return made


def _blocks(kept: Mapping[str, NDArray[Any]], node: onnx.NodeProto) -> NDArray[np.float32]:
    """Return a matrix (out, in) with one scale a block."""
    numbers = kept[node.input[1]].astype(np.float32) - _ZERO
    scales = kept[node.input[2]].reshape(*numbers.shape[:2], 1)
    made: NDArray[np.float32] = (numbers * scales).reshape(len(numbers), -1)
    return made


def main() -> int:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("written", type=Path)
    parser.add_argument("checkpoint", type=Path)
    given = parser.parse_args()
    torch.save(recovered(given.written), given.checkpoint)
    return 0


if __name__ == "__main__":
    sys.exit(main())
