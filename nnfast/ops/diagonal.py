"""Diagonals of matrices, as views; and matrices that are 0 but for a diagonal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.graph.ir import dense_strides
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Result, check_dims, computed, method, op, out, view
from nnfast.ops.reduce import sum
from nnfast.ops.slices import PlaceAttrs
from nnfast.tensor import KERNEL_DTYPES, Tensor


class DiagonalAttrs(NamedTuple):
    offset: int
    dim1: int
    dim2: int


def _view(array: np.ndarray, attrs: DiagonalAttrs) -> np.ndarray:
    part = np.diagonal(array, *attrs)
    if array.flags.writeable:
        part.flags.writeable = True
    return part


@op(attrs=DiagonalAttrs, methods=("diagonal",))
def diagonal(input: AnyTensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Result:
    """The elements x[..., i, i + offset, ...] of two dimensions, as a new last one; a view.

    Shapes: (*, M, *, N, *) -> (*, n), n the length of the diagonal. Any dtype.

    >>> import nnfast
    >>> nnfast.diagonal(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    if input.ndim < 2:
        fail("diagonal", "at least two dimensions", str(input.ndim), input=input)
    attrs = DiagonalAttrs(int(offset), *check_dims("diagonal", (dim1, dim2), input.ndim))
    shape = _view(np.broadcast_to(np.empty((), np.int8), input.shape), attrs).shape
    return view(lambda a: _view(a, attrs), shape, input, attrs)


@op("place", attrs=PlaceAttrs)
def place_diagonal(
    values: AnyTensor, shape: tuple[int, ...], offset: int, dim1: int, dim2: int
) -> Result:
    """Zeros of `shape` with values at that diagonal."""
    attrs = DiagonalAttrs(offset, dim1, dim2)
    whole = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), shape, dense_strides(shape, 1))
    part = _view(whole, attrs)
    if part.shape != values.shape:
        fail("place_diagonal", f"values of shape {part.shape}", f"shape {values.shape}")
    start, first = (a.__array_interface__["data"][0] for a in (whole, part))
    strides = PlaceAttrs(attrs, first - start if part.size else 0, part.strides)
    if values.dtype in KERNEL_DTYPES:
        return out(shape, values.dtype, strides)

    def compute(array: np.ndarray) -> np.ndarray:
        y = np.zeros(shape, array.dtype)
        _view(y, attrs)[...] = array
        return y

    return computed(compute, shape, values.dtype, strides)


diagonal.vjp(input=lambda dy, attrs, input_shape: place_diagonal(dy, input_shape, *attrs))
place_diagonal.vjp(values=lambda dy, index: diagonal(dy, *index))


@method
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros but for the last dimension of x, on the diagonal of two new dimensions.

    Shapes: (*, n) -> (*, n + |offset|, n + |offset|). Any dtype.

    >>> import nnfast
    >>> nnfast.diag_embed(nnfast.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    if input.ndim == 0:
        fail("diag_embed", "at least one dimension", "a scalar tensor")
    a, b = check_dims("diag_embed", (dim1, dim2), input.ndim + 1)
    n = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(n if d in (a, b) else next(rest) for d in range(input.ndim + 1))
    y: Tensor = place_diagonal(input, shape, offset, a, b)
    return y


_diagonal = diagonal


@method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix; of a vector, the matrix that has it there.

    Shapes: (M, N) -> (n,), (n,) -> (n + |diagonal|, n + |diagonal|). Any dtype.

    >>> import nnfast
    >>> nnfast.diag(nnfast.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim not in (1, 2):
        fail("diag", "a vector or a matrix", f"{input.ndim} dimensions", input=input)
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal(input, diagonal)


@method
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    Shapes: (M, N) -> a scalar. Any dtype; integers and booleans give int64.

    >>> import nnfast
    >>> nnfast.trace(nnfast.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if input.ndim != 2:
        fail("trace", "a matrix", f"{input.ndim} dimensions", input=input)
    return sum(diagonal(input))
