"""Slices of a tensor by number: rows of a table, elements along a dimension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnfast import _core
from nnfast.errors import fail
from nnfast.graph.trace import on_values, seen_below
from nnfast.ops.elementwise import where
from nnfast.ops.operands import AnyTensor, IntTensor, Operand, as_tensor
from nnfast.ops.record import Result, check_dim, computed, method, op, out
from nnfast.ops.shape import reshape
from nnfast.ops.slices import NumberError
from nnfast.tensor import KERNEL_DTYPES, Tensor


class TakeAttrs(NamedTuple):
    dim: int
    ignored: int  # an index that passes no gradient


def check_range(where: str, numbers: np.ndarray, low: int, n: int) -> None:
    """Raise unless all numbers are from low to n - 1."""
    if _core.all_below(numbers, n):
        return
    if low < 0 and numbers.min() >= low and numbers.max() < n:
        return
    place = tuple(int(i) for i in np.argwhere((numbers < low) | (numbers >= n))[0])
    raise NumberError(
        where,
        f"expected numbers from {low} to {n - 1} as index, got {numbers[place]} at {place}.",
        "" if low else "number the slices from 0.",
    )


def _check_numbers(input: Tensor, index: Tensor, dim: int = 0, ignored: int = -1) -> None:
    n = input.array.shape[dim]
    if not seen_below(index, n):
        on_values(index, lambda numbers: check_range("take", numbers, 0, n), n)


@op("take", attrs=TakeAttrs, values=_check_numbers)
def take(input: AnyTensor, index: IntTensor, dim: int = 0, ignored: int = -1) -> Result:
    """The slices of x along a dimension with the given numbers.

    y[..., j, ...] = x[..., index[j], ...], j being all the dimensions of index. No gradient
    comes from where index is `ignored`.

    Shapes: (*a, n, *b) and any shape -> (*a, *shape, *b). Any dtype.
    Errors: a number outside of 0 to n - 1.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnfast.ops.take(x, nnfast.tensor([1, 1, 0]), 1)
    tensor([[2., 2., 1.],
            [4., 4., 3.]])
    """
    if input.ndim == 0 or input.dtype.kind not in "fiub":
        got = f"{input.dtype} of shape {input.shape}"
        fail("take", "an input of numbers with dimensions", got, input=input)
    d = check_dim("take", dim, input.ndim)
    shape = (*input.shape[:d], *index.shape, *input.shape[d + 1 :])
    attrs = TakeAttrs(d, ignored)
    if input.dtype in KERNEL_DTYPES:
        return out(shape, input.dtype, attrs)
    return computed(lambda a, i: np.take(a, i, d), shape, input.dtype, attrs)


@op("take_backward", attrs=TakeAttrs, outputs=("dx",))
def take_backward(
    dy: Operand, index: IntTensor, size: int, dim: int = 0, ignored: int = -1
) -> Result:
    """dx of `size` along dim: each dy added to the slice that it was taken from, in order."""
    name = "take_backward"
    d = check_dim(name, dim, dy.ndim - index.ndim + 1)
    if dy.shape[d : d + index.ndim] != index.shape:
        fail(name, "a dy for each number", f"shapes {dy.shape} and {index.shape}, dim {dim}")
    shape = (*dy.shape[:d], size, *dy.shape[d + index.ndim :])
    return out(shape, dy.dtype, TakeAttrs(d, ignored))


def _taken(ddx: Tensor, index: Tensor, dim: int, ignored: int) -> Tensor:
    """ddx of each dy, none of those ignored."""
    ddy: Tensor = take(ddx, index, dim)
    if ignored < 0:
        return ddy
    return where(reshape(index != ignored, (*index.shape, *[1] * (ddx.ndim - dim - 1))), ddy, 0.0)


take.vjp(
    input=lambda dy, index, input_shape, dim, ignored: take_backward(
        dy, index, input_shape[dim], dim, ignored
    )
)
take_backward.vjp(dy=lambda ddx, index, dim, ignored: _taken(ddx, index, dim, ignored))


@method
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of x along a dimension with the numbers in the vector `index`.

    Shapes: (*, N, *), index (n,) -> (*, n, *). Any dtype; index of integers.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnfast.ops.index_select(x, 0, nnfast.tensor([1]))
    tensor([[3., 4.]])
    """
    i = as_tensor(index, "index_select")
    if i.ndim > 1 or (input.ndim == 0 and i.array.size != 1):
        what = "a vector as index" if input.ndim else "one number as index of a scalar"
        fail("index_select", what, f"shape {i.shape}", index=i)
    y: Tensor = take(input if input.ndim else reshape(input, 1), reshape(i, -1), dim)
    return y if input.ndim else reshape(y, ())
