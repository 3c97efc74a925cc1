"""Dimensions put together from stretches of themselves: flips and rolls here, pads in pad.py."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Result, check_dim, check_dims, computed, method, op, out
from nnfast.ops.shape import reshape
from nnfast.tensor import KERNEL_DTYPES, Tensor

Dims = int | Sequence[int]
Stretch = tuple[int, int, int]  # n elements: number `first`, first + step, ...; first -1: a value
MOST = 3  # stretches of a dimension


class RearrangeAttrs(NamedTuple):
    stretches: tuple[tuple[Stretch, ...], ...]  # of each dimension
    value: bytes  # one element
    arguments: tuple[Any, ...]  # of the op, for its gradient

    @staticmethod
    def packed(
        stretches: tuple[tuple[Stretch, ...], ...], value: bytes, arguments: tuple[Any, ...]
    ) -> bytes:
        """As csrc/ops/attrs.h lays it out."""
        full = [s for dim in stretches for s in (*dim, *[(0, 0, 0)] * (MOST - len(dim)))]
        numbers = [n for s in full for n in s]
        return value.ljust(8, b"\0") + struct.pack(f"{len(numbers)}q", *numbers)


def rearranged(
    x: Tensor, of: dict[int, Sequence[Stretch]], arguments: tuple[Any, ...], value: bytes = b""
) -> Result:
    """A result whose dimensions are of x, but for those that are made of stretches."""
    stretches = [tuple(of.get(d, [(n, 0, 1)])) for d, n in enumerate(x.shape)]
    shape = [sum(s[0] for s in dim) for dim in stretches]
    if x.dtype in KERNEL_DTYPES:
        return out(shape, x.dtype, RearrangeAttrs(tuple(stretches), value, arguments))
    numbers = {d: [i for s in of[d] for i in _numbers(s)] for d in of}
    return computed(lambda a: _taken(a, numbers), tuple(shape), x.dtype)


def _numbers(stretch: Stretch) -> list[int]:
    n, first, step = stretch
    return [first + i * step for i in range(n)]


def _taken(array: np.ndarray, numbers: dict[int, list[int]]) -> np.ndarray:
    for d, index in numbers.items():
        array = np.take(array, index, d)
    return array


def check_along(where: str, dim: int, input: Tensor) -> int:
    """A dimension that the input has, counted from the front."""
    if input.ndim == 0:
        fail(where, "at least one dimension", "a scalar")
    return check_dim(where, dim, input.ndim)


@op("rearrange", attrs=RearrangeAttrs, methods=("flip",))
def flip(input: AnyTensor, *order: Dims, dims: Any = None) -> Result:
    """The order along each of `dims` reversed, as a copy.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.flip(nnfast.tensor([[1, 2], [3, 4]]), 1)
    tensor([[2, 1],
            [4, 3]])
    """
    given = dims if dims is not None else order[0] if len(order) == 1 else order
    along = tuple(check_dims("flip", given, input.ndim))
    sizes = {d: input.shape[d] for d in along if input.ndim}
    return rearranged(input, {d: [(n, n - 1, -1)] for d, n in sizes.items()}, along)


flip.vjp(input=lambda dy, arguments: flip(dy, *arguments))


@op("rearrange", attrs=RearrangeAttrs)
def _roll(input: AnyTensor, shifts: Dims, dims: Dims) -> Result:
    """Slices moved on along dimensions; see roll.

    >>> import nnfast
    >>> nnfast.roll(nnfast.tensor([[1, 2, 3]]), -1, 1)
    tensor([[2, 3, 1]])
    """
    by = [shifts] if isinstance(shifts, int) else list(shifts)
    along = [dims] if isinstance(dims, int) else list(dims)
    if len(by) != len(along):
        fail("roll", "a shift for each dim", f"{len(by)} for {len(along)}")
    shift: dict[int, int] = {}
    for s, dim in zip(by, along, strict=True):
        d = check_along("roll", dim, input)
        shift[d] = shift.get(d, 0) + s
    of = {d: _rolled(input.shape[d], s) for d, s in shift.items()}
    return rearranged(input, of, (tuple(-s for s in by), tuple(along)))


def _rolled(n: int, shift: int) -> list[Stretch]:
    k = shift % n if n else 0
    return [(k, n - k, 1), (n - k, 0, 1)]


_roll.vjp(input=lambda dy, arguments: _roll(dy, *arguments))


@method
def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Slices moved on by `shifts` along `dims`, those that fall off come in again at the start.

    Without dims the flattened tensor is moved.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.roll(nnfast.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    if dims is not None:
        y: Tensor = _roll(input, shifts, dims)
        return y
    if not isinstance(shifts, int):
        fail("roll", "dims for several shifts", "none")
    return reshape(_roll(reshape(input, -1), shifts, 0), input.shape)


# ---- triangles ------------------------------------------------------------------------------


class TriangleAttrs(NamedTuple):
    diagonal: int
    upper: bool


def _triangle(where: str, x: Tensor, diagonal: int, upper: bool) -> Result:
    if x.ndim < 2:
        fail(where, "at least two dimensions", str(x.ndim), input=x)
    if x.dtype not in KERNEL_DTYPES:
        cut = np.triu if upper else np.tril
        return computed(lambda a: cut(a, diagonal), x.shape, x.dtype)
    m, n = x.shape[-2:]
    return out(x.shape, x.dtype, TriangleAttrs(min(max(int(diagonal), -m - 1), n + 1), upper))


@op("triangle", attrs=TriangleAttrs, methods=("tril",))
def tril(input: AnyTensor, diagonal: int = 0) -> Result:
    """The lower triangle of each matrix, 0 above the diagonal of that number.

    Shapes: (*, M, N), the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.tril(nnfast.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    return _triangle("tril", input, diagonal, False)


@op("triangle", attrs=TriangleAttrs, methods=("triu",))
def triu(input: AnyTensor, diagonal: int = 0) -> Result:
    """The upper triangle of each matrix, 0 below the diagonal of that number.

    Shapes: (*, M, N), the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.triu(nnfast.ones(2, 3))
    tensor([[1., 1., 1.],
            [0., 1., 1.]])
    """
    return _triangle("triu", input, diagonal, True)


tril.vjp(input=lambda dy, diagonal: tril(dy, diagonal))
triu.vjp(input=lambda dy, diagonal: triu(dy, diagonal))
