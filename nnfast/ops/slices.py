"""Parts of a tensor as views: numbers, slices, None and ... as an index; and the way back."""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.symbol import Symbol, untouched
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Result, check_dim, op, out, view
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor


class NumberError(ArgumentError, IndexError):
    """An index out of range: an IndexError for Python's iteration protocol too."""


class IndexAttrs(NamedTuple):
    index: Any


def _of_view(index: Any) -> Any:
    """The same index, but numbers alone give a view too, not a NumPy scalar."""
    parts = index if isinstance(index, tuple) else (index,)
    return parts if Ellipsis in parts else (*parts, Ellipsis)


def _indexed(array: np.ndarray, index: Any, where: str) -> np.ndarray:
    """The part of `array` as a view."""
    try:
        return array[_of_view(index)]
    except (IndexError, ValueError, TypeError, OverflowError) as e:
        error = DTypeError if isinstance(e, TypeError) else NumberError
        raise error(
            where, f"expected an index for shape {array.shape}, got {index!r}: {e}."
        ) from None


@op(attrs=IndexAttrs)
def _getitem(input: AnyTensor, index: Any) -> Result:
    """x[index] of numbers, slices, None, ..., as a view."""
    array, of_view = input.array, _of_view(index)
    layout = array.layout if isinstance(array, Symbol) else array
    shape = _indexed(layout, index, "getitem").shape
    return view(lambda a: a[of_view], shape, input, IndexAttrs(index))


_getitem.vjp(input=lambda dy, index, input_shape: place(dy, index, input_shape))


class PlaceAttrs(NamedTuple):
    index: Any
    offset: int
    strides: tuple[int, ...]

    @staticmethod
    def packed(index: Any, offset: int, strides: tuple[int, ...]) -> bytes:
        """As csrc/ops/attrs.h lays it out."""
        return struct.pack(f"{1 + len(strides)}q", offset, *strides)


@op("place", attrs=PlaceAttrs)
def place(values: AnyTensor, index: Any, shape: tuple[int, ...]) -> Result:
    """Zeros of `shape` with values at a basic `index`: numbers, slices, None, ...

    >>> import nnfast
    >>> from nnfast.ops.slices import place
    >>> place(nnfast.ones(2), slice(1, 3), (4,))
    tensor([0., 1., 1., 0.])
    """
    layout = untouched(shape, np.int8, None, math.prod(shape))
    part = _indexed(layout, index, "place")
    if part.shape != values.shape:
        fail("place", f"values of shape {part.shape}", f"shape {values.shape}")
    start, first = (a.__array_interface__["data"][0] for a in (layout, part))
    offset = first - start if part.size else 0
    return out(shape, values.dtype, PlaceAttrs(index, offset, part.strides))


place.vjp(values=lambda dy, index: _getitem(dy, index))


class NarrowAttrs(NamedTuple):
    dim: int
    start: int


@op(attrs=NarrowAttrs, methods=("narrow",))
def narrow(input: AnyTensor, dim: int, start: int, length: int) -> Result:
    """`length` slices of a dimension from number `start` (negative: from the end), as a view.

    Shapes: (*, N, *) -> (*, length, *). Any dtype.

    >>> import nnfast
    >>> nnfast.narrow(nnfast.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    d, n = sliced("narrow", input, dim)
    first, end = int(start) + (n if start < 0 else 0), int(length)
    if length < 0 or not 0 <= first <= n - length:
        fail("narrow", f"a part of {n} slices", f"start={start}, length={length}", input=input)
    index = (slice(None),) * d + (slice(first, first + end),)
    shape = (*input.shape[:d], end, *input.shape[d + 1 :])
    return view(lambda a: a[index], shape, input, NarrowAttrs(d, first))


def _widened(dy: Tensor, dim: int, start: int, input_shape: tuple[int, ...]) -> Tensor:
    """Plans put the gradients of several parts together: graph/places.py."""
    index = (*(slice(None),) * dim, slice(start, start + dy.shape[dim]))
    dx: Tensor = place(dy, index, input_shape)
    return dx


narrow.vjp(input=_widened)


@op(attrs=NarrowAttrs, methods=("select",))
def select(input: AnyTensor, dim: int, index: int) -> Result:
    """Slice number `index` of a dimension, without that dimension, as a view.

    Shapes: (*, N, *) -> (*). Any dtype.

    >>> import nnfast
    >>> nnfast.select(nnfast.tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2, 4])
    """
    d, n = sliced("select", input, dim)
    if not -n <= index < n:
        raise NumberError("select", f"expected an index from {-n} to {n - 1}, got {index}.")
    at: Any = (*(slice(None),) * d, int(index), Ellipsis)
    shape = (*input.shape[:d], *input.shape[d + 1 :])
    return view(lambda a: a[at], shape, input, NarrowAttrs(d, int(index) % n))


select.vjp(
    input=lambda dy, dim, start, input_shape: _widened(
        reshape(dy, (*dy.shape[:dim], 1, *dy.shape[dim:])), dim, start, input_shape
    )
)


def sliced(where: str, input: Tensor, dim: int) -> tuple[int, int]:
    """The dimension counted from the front, and its size."""
    if input.ndim == 0:
        fail(where, "at least one dimension", "a scalar tensor")
    d = check_dim(where, dim, input.ndim)
    return d, input.shape[d]
