"""Rows of a table by number, with what is said of their norms and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.graph.mode import no_grad
from nnfast.ops.elementwise import where
from nnfast.ops.gather import take, take_backward
from nnfast.ops.norm_groups import vector_norm
from nnfast.ops.operands import Operand, as_tensor, integers
from nnfast.ops.record import Op, Result, view
from nnfast.ops.shape import reshape, unsqueeze
from nnfast.ops.update import mul_
from nnfast.tensor import Tensor, wrap


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Row input[...] of the table `weight` for each number.

    Row padding_idx (counted from the end if it is negative) gets no gradient. `max_norm`: the rows
    asked for are first scaled in place, w = w max_norm / (||w|| + 1e-7), where their norm of
    order norm_type is larger. `scale_grad_by_freq`: the gradient of a row is divided by how often
    it was asked for. `sparse` changes nothing.

    Shapes: input of any shape, weight (rows, width) -> (*, width). Errors: a number that is none
    of a row.

    >>> import nnfast
    >>> table = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnfast.nn.functional.embedding(nnfast.tensor([1, 0]), table)
    tensor([[3., 4.],
            [1., 2.]])
    """
    w = as_tensor(weight, "embedding")
    if w.ndim != 2:
        fail("embedding", "a weight of shape (rows, width)", f"shape {w.shape}", weight=w)
    ignored = -1 if padding_idx is None else check_padding(padding_idx, w.shape[0])
    if max_norm is None and not scale_grad_by_freq:
        y: Tensor = take(w, input, 0, ignored)
        return y
    index = integers(input, "embedding", "input")
    if max_norm is not None:
        bound_rows("embedding", w, index, max_norm, norm_type)
    return rows(w, index, ignored, scale_grad_by_freq)


def check_padding(padding_idx: Any, rows: int) -> int:
    """padding_idx counted from the front; raises unless it is the number of a row."""
    if not isinstance(padding_idx, int | np.integer) or not -rows <= padding_idx < rows:
        fail("embedding", f"a padding_idx from {-rows} to {rows - 1}", repr(padding_idx))
    return int(padding_idx) % rows


def rows(table: Tensor, index: Tensor, ignored: int, by_frequency: bool) -> Tensor:
    """The rows with these numbers; `by_frequency` divides the gradient of each by its count."""
    y: Tensor = take(table, index, 0, ignored)
    if not by_frequency:
        return y
    flat = reshape(index, -1)
    counts = take_backward(wrap(np.ones(flat.shape, table.dtype)), flat, table.shape[0])
    return _scaled_gradient(y, unsqueeze(1.0 / take(counts, index), -1))


@no_grad()
def bound_rows(name: str, table: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows with these numbers, in place, so that their norm is at most max_norm."""
    if not (max_norm >= 0 and norm_type > 0):
        fail(name, "max_norm >= 0 and norm_type > 0", f"{max_norm} and {norm_type}")
    flat = reshape(index, -1)
    asked = take_backward(wrap(np.ones(flat.shape, table.dtype)), flat, table.shape[0]) > 0
    norm = vector_norm(table, norm_type, [1])
    large = where(unsqueeze(asked, -1), norm, 0.0) > max_norm
    mul_(table, where(large, max_norm / (norm + 1e-7), 1.0))


def _scaled(input: Operand, factor: Operand) -> Result:
    """The input itself, whose gradient is multiplied by `factor`."""
    return view(lambda a, *_: a, input.shape, input)


_scaled_gradient = Op(_scaled, None, None, ("y",), (), (), False, None)
_scaled_gradient.vjp(input=lambda dy, factor: dy * factor)
