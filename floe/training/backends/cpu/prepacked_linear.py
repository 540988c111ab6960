"""Weight matrices that never change, laid out for the processor's products.

oneDNN multiplies by blocks, and given a plain matrix it lays it out anew in every call: a fifth of
the time of a product of a few hundred rows in bfloat16. In float32 torch takes another library,
which on some processors is half as fast. What is frozen can be laid out once. The results are the
same to the last bit in bfloat16.
"""

import threading
from typing import Any, Final

import torch
from torch import Tensor

_prepack_lock: Final = threading.Lock()
_PREPACK_ROWS: Final = 256
"""For how many rows the layout is chosen; all from one to a thousand gave the same one."""


class PrepackedLinear:
    """A matrix W (outputs, inputs), ready for x W^T and, once it was asked for, for y W.

    Attributes:
        nbytes: what one layout of it takes.
    """

    __slots__ = ("_back", "_forward", "nbytes")

    def __init__(self, weight: Tensor) -> None:
        """Lay out `weight`, which must not be changed any more."""
        self._forward = _prepack(weight)
        self._back: Tensor | None = None
        self.nbytes = weight.nbytes

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x` (n, inputs) to x W^T + bias (n, outputs)."""
        return _product(x, self._forward, bias)

    def backward(self, dy: Tensor) -> Tensor:
        """`dy` (n, outputs) to dy W (n, inputs)."""
        if self._back is None:
            with _prepack_lock:
                self.prepare()
        assert self._back is not None
        return _product(dy, self._back, None)

    def prepare(self, weight: Tensor | None = None) -> None:
        """Lay out for `backward` at once, if that was not done yet; one thread at a time.

        `weight` is the matrix itself, where it is still there: else a copy of it is made.
        """
        if self._back is None:
            self._back = _prepack((self.dense() if weight is None else weight).T)

    def dense(self) -> Tensor:
        """Return a plain copy."""
        return self._forward.to_dense() if self._forward.is_mkldnn else self._forward.clone()

    @property
    def pending_bytes(self) -> int:
        """Bytes that `backward` will take for itself: none after its first call."""
        return 0 if self._back is not None else 2 * self.nbytes


def _prepack(weight: Tensor) -> Tensor:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return weight
    laid_out: Tensor = _mkldnn()._reorder_linear_weight(weight, _PREPACK_ROWS)
    return laid_out


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if not weight.is_mkldnn:
        return torch.nn.functional.linear(x, weight, bias)
    product: Tensor = _mkldnn()._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def _mkldnn() -> Any:
    # Torch's own compiler uses these operators for the weights of a frozen model.
    return torch.ops.mkldnn
