"""Joining tensors, and taking them apart again: the parts are views."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import cast
from nnfast.ops.operands import AnyTensor, as_tensor
from nnfast.ops.record import Result, check_dim, computed, method, methods, op, out
from nnfast.ops.shape import reshape, unsqueeze
from nnfast.ops.slices import narrow, select, sliced
from nnfast.tensor import KERNEL_DTYPES, Tensor

_AT_ONCE = 8  # inputs of the op
_ABSENT = (None,) * _AT_ONCE


class CatAttrs(NamedTuple):
    dim: int
    sizes: tuple[int, ...]  # of the inputs along it

    @staticmethod
    def packed(dim: int, sizes: tuple[int, ...]) -> bytes:
        """As csrc/ops/attrs.h lays it out."""
        return struct.pack("q", dim)


@op("cat", attrs=CatAttrs)
def _cat(
    a: AnyTensor,
    b: AnyTensor | None = None,
    c: AnyTensor | None = None,
    d: AnyTensor | None = None,
    e: AnyTensor | None = None,
    f: AnyTensor | None = None,
    g: AnyTensor | None = None,
    h: AnyTensor | None = None,
    dim: int = 0,
) -> Result:
    """Up to eight tensors of one dtype, one behind the other along a dimension.

    >>> import nnfast
    >>> nnfast.ops.cat([nnfast.ones(2), nnfast.zeros(1)])
    tensor([1., 1., 0.])
    """
    parts = [x for x in (a, b, c, d, e, f, g, h) if x is not None]
    axis = _agreed(parts, dim)
    sizes = tuple(x.shape[axis] for x in parts)
    shape = (*a.shape[:axis], sum(sizes), *a.shape[axis + 1 :])
    attrs = CatAttrs(axis, sizes)
    if a.dtype in KERNEL_DTYPES:
        return out(shape, a.dtype, attrs)
    return computed(lambda *arrays: np.concatenate(arrays, axis), shape, a.dtype, attrs)


def _agreed(parts: list[Tensor], dim: int) -> int:
    """The dimension counted from the front; raises unless the others agree."""
    first = parts[0]
    axis = check_dim("cat", dim, first.ndim)
    for x in parts:
        rests = [y.shape[:axis] + y.shape[axis + 1 :] for y in (first, x)]
        if x.ndim != first.ndim or not x.ndim or rests[0] != rests[1]:
            got = f"{first.shape}, {x.shape}"
            fail("cat", f"shapes that agree in all dimensions but {axis}", got)
    return axis


def _parted(dy: Tensor, dim: int, sizes: tuple[int, ...]) -> list[Tensor | None]:
    """dy of each input, None of those absent."""
    return [*split(dy, sizes, dim), *_ABSENT[len(sizes) :]]


_cat.vjp_joint(_parted, needs=("dy", "dim", "sizes"))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension; the others must agree.

    Dtypes are promoted to a common one. Empty vectors join with everything.

    Shapes: (*, N_i, *) -> (*, sum of N_i, *). Any dtypes.

    >>> import nnfast
    >>> nnfast.cat([nnfast.ones(2, 1), nnfast.zeros(2, 2)], dim=1)
    tensor([[1., 0., 0.],
            [1., 0., 0.]])
    """
    if _alike(tensors):
        args: Any = (*tensors, *_ABSENT[len(tensors) :], dim)
        y: Tensor = _cat(*args)
        return y
    parts = _tensors("cat", tensors)
    ndim = max(x.ndim for x in parts)
    joined = [x for x in parts if x.ndim == ndim or x.shape != (0,)]
    parts = _of_one_dtype(parts, joined, dim)
    while len(parts) > 1:
        groups = [parts[i : i + _AT_ONCE] for i in range(0, len(parts), _AT_ONCE)]
        calls: list[Any] = [[*g, *_ABSENT[len(g) :], dim] for g in groups]
        parts = [_cat(*args) for args in calls]
    return parts[0]


concat = concatenate = cat


def _alike(tensors: Any) -> bool:
    """Whether they are a few tensors of one dtype and number of dimensions."""
    if not isinstance(tensors, tuple | list) or not 0 < len(tensors) <= _AT_ONCE:
        return False
    first = tensors[0]
    if not isinstance(first, Tensor):
        return False
    dtype, ndim = first.array.dtype, first.array.ndim
    for x in tensors:
        if not isinstance(x, Tensor) or x.array.dtype != dtype or x.array.ndim != ndim:
            return False
    return True


def _tensors(where: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable):
        fail(where, "a list of tensors", type(tensors).__name__, error=DTypeError)
    parts = [as_tensor(x, where) for x in tensors]
    if not parts:
        fail(where, "at least one tensor", "none")
    return parts


def _of_one_dtype(all: list[Tensor], parts: list[Tensor], dim: int) -> list[Tensor]:
    """Those parts, converted to the dtype in which all meet."""
    dtypes = {x.dtype for x in all}
    if len(dtypes) == 1:
        return parts
    _agreed(parts, dim)  # before anything is converted
    floats = {d for d in dtypes if d.kind == "f"}
    common = np.result_type(*(floats or dtypes))  # integers do not widen floats
    return [x if x.dtype == common else cast(x, common) for x in parts]


@op("cat", attrs=CatAttrs)
def _stack(
    a: AnyTensor,
    b: AnyTensor | None = None,
    c: AnyTensor | None = None,
    d: AnyTensor | None = None,
    e: AnyTensor | None = None,
    f: AnyTensor | None = None,
    g: AnyTensor | None = None,
    h: AnyTensor | None = None,
    dim: int = 0,
) -> Result:
    """Up to eight tensors of one dtype and shape along a new dimension.

    >>> import nnfast
    >>> nnfast.ops.stack([nnfast.ones(2)])
    tensor([[1., 1.]])
    """
    parts = [x for x in (a, b, c, d, e, f, g, h) if x is not None]
    for x in parts:
        if x.shape != a.shape:
            fail("stack", "tensors of one shape", f"{a.shape} and {x.shape}")
    axis = check_dim("stack", dim, a.ndim + 1)
    shape = (*a.shape[:axis], len(parts), *a.shape[axis:])
    attrs = CatAttrs(axis, (1,) * len(parts))
    if a.dtype in KERNEL_DTYPES:
        return out(shape, a.dtype, attrs)
    return computed(lambda *arrays: np.stack(arrays, axis), shape, a.dtype, attrs)


_stack.vjp_joint(
    lambda dy, dim, sizes: [*unbind(dy, dim), *_ABSENT[len(sizes) :]], needs=("dy", "dim", "sizes")
)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Shapes: n of (*) -> (*) with n at dim. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.stack([nnfast.ones(2), nnfast.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    if _alike(tensors):
        args: Any = (*tensors, *_ABSENT[len(tensors) :], dim)
        y: Tensor = _stack(*args)
        return y
    parts = _tensors("stack", tensors)
    for x in parts:
        if x.shape != parts[0].shape:
            fail("stack", "tensors of one shape", f"{parts[0].shape} and {x.shape}")
    d = check_dim("stack", dim, parts[0].ndim + 1)
    return cat([unsqueeze(x, d) for x in parts], d)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side: joined along dimension 1, vectors along 0.

    Shapes: those of `cat` along that dimension. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.hstack([nnfast.ones(2), nnfast.zeros(1)])
    tensor([1., 1., 0.])
    """
    parts = [reshape(x, 1) if x.ndim == 0 else x for x in _tensors("hstack", tensors)]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors below each other: joined along dimension 0, vectors as rows.

    Shapes: those of `cat` along that dimension. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.vstack([nnfast.ones(2), nnfast.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    parts = _tensors("vstack", tensors)
    return cat([reshape(x, 1, -1) if x.ndim < 2 else x for x in parts], 0)


# ---- parts ----------------------------------------------------------------------------------


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of so many slices each (the last may have fewer), or of the sizes given.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> [x.shape for x in nnfast.split(nnfast.zeros(5, 2), 2)]
    [(2, 2), (2, 2), (1, 2)]
    """
    input = tensor
    d, n = sliced("split", input, dim)
    given = split_size_or_sections
    if isinstance(given, int | np.integer):
        if given < 0 or (given == 0 and n):
            fail("split", "a size > 0", str(given), input=input)
        size = int(given)
        sections = [min(size, n - i) for i in range(0, n, size)] if n else [0]
    else:
        sections = [int(s) for s in given]
    if sum(sections) != n or any(s < 0 for s in sections):
        fail("split", f"sizes >= 0 that add up to {n}", str(sections), input=input)
    parts, start = [], 0
    for s in sections:
        parts.append(narrow(input, d, start, s))
        start += s
    return tuple(parts)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the sizes given, one behind the other.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *), N the sum of the sizes. Any dtype.

    >>> import nnfast
    >>> nnfast.split_with_sizes(nnfast.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return split(input, split_sizes, dim)


def _split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of so many slices each (the last may have fewer), or of the sizes given; see `split`.

    >>> import nnfast
    >>> nnfast.arange(3).split(split_size=2)
    (tensor([0, 1]), tensor([2]))
    """
    return split(input, split_size, dim)


methods(split=_split, split_with_sizes=split_with_sizes)


@method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many views of equal size; the last may be smaller.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> [len(x) for x in nnfast.chunk(nnfast.arange(7), 3)]
    [3, 3, 1]
    """
    d, n = sliced("chunk", input, dim)
    if chunks <= 0:
        fail("chunk", "chunks > 0", str(chunks), input=input)
    if n == 0:
        return (narrow(input, d, 0, 0),) * chunks
    return split(input, -(-n // chunks), d)


@method
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """So many views whose sizes differ by 1 at most, or views that end at these indices.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> [len(x) for x in nnfast.tensor_split(nnfast.arange(7), 3)]
    [3, 2, 2]
    """
    d, n = sliced("tensor_split", input, dim)
    given = indices_or_sections
    if isinstance(given, int | np.integer):
        if given <= 0:
            fail("tensor_split", "sections > 0", str(given), input=input)
        least, more = divmod(n, int(given))
        return split(input, [least + (i < more) for i in range(given)], d)
    ends = [*(slice(None, int(i)).indices(n)[1] for i in given), n]
    starts = [0, *ends[:-1]]
    return tuple(narrow(input, d, a, max(b - a, 0)) for a, b in zip(starts, ends, strict=True))


@method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Each slice along a dimension, without that dimension.

    Shapes: (*, N, *) -> N of (*). Any dtype.

    >>> import nnfast
    >>> nnfast.unbind(nnfast.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    d, n = sliced("unbind", input, dim)
    return tuple(select(input, d, i) for i in range(n))
