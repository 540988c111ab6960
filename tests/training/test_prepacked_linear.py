"""A matrix that is laid out once multiplies as a plain one does."""

import pytest
import torch

from floe.training.backends.cpu.prepacked_linear import PrepackedLinear


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_products_are_those_of_the_plain_matrix(dtype: torch.dtype, rows: int) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(96, 64).to(dtype), torch.randn(96).to(dtype)
    x, dy = torch.randn(rows, 64).to(dtype), torch.randn(rows, 96).to(dtype)
    frozen = PrepackedLinear(weight)
    for found, expected in (
        (frozen.forward(x), x @ weight.T),
        (frozen.forward(x, bias), torch.nn.functional.linear(x, weight, bias)),
        (frozen.backward(dy), dy @ weight),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3)


def test_it_holds_what_it_was_given() -> None:
    weight = torch.randn(96, 64)
    assert torch.equal(PrepackedLinear(weight).dense(), weight)


def test_a_gradient_takes_memory_once() -> None:
    frozen = PrepackedLinear(torch.randn(96, 64))
    assert frozen.pending_bytes == 2 * 96 * 64 * 4
    frozen.backward(torch.randn(2, 96))
    assert frozen.pending_bytes == 0


def test_without_the_library_the_plain_matrix_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    weight, x = torch.randn(8, 4), torch.randn(3, 4)
    frozen = PrepackedLinear(weight)
    assert torch.equal(frozen.forward(x), torch.nn.functional.linear(x, weight))
    torch.testing.assert_close(frozen.backward(frozen.forward(x)), x @ weight.T @ weight)
    assert torch.equal(frozen.dense(), weight)
