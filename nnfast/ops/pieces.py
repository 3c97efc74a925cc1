"""Tensors put together of pieces, and pieces written into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations as _choices
from itertools import combinations_with_replacement as _repeated
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.ops.arrange import meshgrid
from nnfast.ops.diagonal import diag_embed
from nnfast.ops.elementwise import sum_to, where
from nnfast.ops.gather import take as _take
from nnfast.ops.index import _counted
from nnfast.ops.join import cat, stack, tensor_split
from nnfast.ops.operands import as_tensor, integers
from nnfast.ops.pad import pad
from nnfast.ops.record import check_dim, method, methods
from nnfast.ops.scatter import _put_at
from nnfast.ops.scatter import put as _put
from nnfast.ops.shape import movedim, reshape
from nnfast.tensor import Tensor, int64, wrap

# ---- side by side -----------------------------------------------------------------------------


def _several(function: Any) -> Any:
    """One tensor gives one; several, or a list of them, give a tuple."""

    def call(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return function(tensors[0])
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple(function(as_tensor(x, function.__name__)) for x in given)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__, call.__module__ = function.__doc__, function.__module__
    return call


@_several
def atleast_1d(x: Tensor) -> Tensor:
    """A scalar as a vector, others as they are; of several tensors a tuple.

    Shapes: any. Any dtype.

    >>> import nnfast
    >>> nnfast.atleast_1d(nnfast.tensor(3.0))
    tensor([3.])
    """
    return x if x.ndim else reshape(x, 1)


@_several
def atleast_2d(x: Tensor) -> Tensor:
    """Scalars as (1, 1), vectors as (1, n), others as they are; of several tensors a tuple.

    Shapes: any. Any dtype.

    >>> import nnfast
    >>> nnfast.atleast_2d(nnfast.ones(3)).shape
    (1, 3)
    """
    return x if x.ndim > 1 else reshape(x, (1, -1))


@_several
def atleast_3d(x: Tensor) -> Tensor:
    """Scalars as (1, 1, 1), vectors as (1, n, 1), matrices as (m, n, 1); of several a tuple.

    Shapes: any. Any dtype.

    >>> import nnfast
    >>> nnfast.atleast_3d(nnfast.ones(2)).shape
    (1, 2, 1)
    """
    if x.ndim > 2:
        return x
    return reshape(x, (1, -1, 1)) if x.ndim < 2 else x.unsqueeze(-1)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors as the columns of a matrix, and matrices side by side.

    Shapes: (M,) or (M, N_i) -> (M, N). Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.column_stack([nnfast.tensor([1, 2]), nnfast.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in tensors], 1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one behind the other, along the third dimension.

    Shapes: those of `cat` along that dimension. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.dstack([nnfast.ones(2), nnfast.zeros(2)])
    tensor([[[1., 0.],
             [1., 0.]]])
    """
    return cat(list(atleast_3d(list(tensors))), 2)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one of zeros.

    Shapes: (M_i, N_i) -> (sum of M_i, sum of N_i). Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.block_diag(nnfast.ones(1, 1), nnfast.ones(1, 2))
    tensor([[1., 0., 0.],
            [0., 1., 1.]])
    """
    blocks = [atleast_2d(as_tensor(x, "block_diag")) for x in tensors]
    if any(x.ndim != 2 for x in blocks):
        fail("block_diag", "matrices", f"{max(x.ndim for x in blocks)} dimensions")
    widths = [x.shape[1] for x in blocks]
    before = np.cumsum([0, *widths]).tolist()
    rows = zip(blocks, before[:-1], strict=True)
    return cat([pad(x, (at, before[-1] - at - x.shape[1])) for x, at in rows])


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element of each vector, a row each.

    Shapes: n vectors (N_i,) -> (N_1 ... N_n, n); one vector as it is. Any dtype.

    >>> import nnfast
    >>> nnfast.cartesian_prod(nnfast.tensor([1, 2]), nnfast.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, -1) for x in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector, in order, a row each.

    Shapes: (N,) -> (choices, r). Any dtype.

    >>> import nnfast
    >>> nnfast.combinations(nnfast.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    chosen = (_repeated if with_replacement else _choices)(range(input.shape[0]), r)
    return _take(input, wrap(np.array(list(chosen), int64).reshape(-1, r)))


# ---- apart ------------------------------------------------------------------------------------


def _split(name: str, input: Tensor, parts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        fail(name, f"at least {least} dimensions", f"shape {input.shape}", input=input)
    if isinstance(parts, int) and input.shape[dim] % parts:
        fail(name, f"parts of equal size along dim {dim}", f"{parts} of {input.shape[dim]}")
    return tensor_split(input, parts, dim)


@method
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts side by side: along the second dimension, of a vector the first.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> nnfast.hsplit(nnfast.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _split("hsplit", input, indices_or_sections, min(input.ndim - 1, 1), 1)


@method
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts one below the other: along the first dimension.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> nnfast.vsplit(nnfast.tensor([[1.0], [2.0]]), 2)
    (tensor([[1.]]), tensor([[2.]]))
    """
    return _split("vsplit", input, indices_or_sections, 0, 2)


@method
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the third dimension.

    Shapes: (*, N, *) -> a tuple of (*, N_i, *). Any dtype.

    >>> import nnfast
    >>> [part.shape for part in nnfast.dsplit(nnfast.ones(1, 2, 4), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return _split("dsplit", input, indices_or_sections, 2, 3)


def _windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All runs of `size` elements, `step` apart, in a new last dimension; a copy.

    Shapes: (*, n, *) -> (*, (n - size) // step + 1, *, size).

    >>> import nnfast
    >>> nnfast.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    d = check_dim("unfold", dimension, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 0 <= size <= n or step < 1:
        fail("unfold", f"a size up to {n} and a step > 0", f"size={size}, step={step}")
    first = np.arange(0, n - size + 1, step)
    x = input if input.ndim else reshape(input, 1)
    y = _take(x, wrap(first[:, None] + np.arange(size)), d)
    y = movedim(y, d + 1, -1)
    return y if input.ndim else reshape(y, size)


methods(unfold=_windows)


@method
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Summed over the dimensions along which that size would be broadcast.

    Shapes: (*) -> size, which broadcasts to (*). Any dtype.

    >>> import nnfast
    >>> nnfast.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
    try:
        fits = np.broadcast_shapes(input.shape, shape) == input.shape
    except ValueError:
        fits = False
    if not fits:
        fail("sum_to_size", f"a size that broadcasts to {input.shape}", f"{shape}", input=input)
    return sum_to(input, shape)


# ---- elements by their number -----------------------------------------------------------------


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements with these numbers of the flattened tensor; negative ones count from the end.

    Shapes: input any, index (*) -> (*). Any dtype; index of integers.

    >>> import nnfast
    >>> nnfast.take(nnfast.tensor([[1, 2], [3, 4]]), nnfast.tensor([0, -1]))
    tensor([1, 4])
    """
    i = integers(index, "take", "index")
    return _take(reshape(input, -1), _counted("take", i, input.array.size))


@method
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with source at these elements of the flattened tensor, or source added to them.

    Shapes: input (*), index and source of one number of elements -> (*). Any dtype; index of
    integers.

    >>> import nnfast
    >>> nnfast.put(nnfast.zeros(2, 2), nnfast.tensor([1, 2]), nnfast.tensor([5.0, 6.0])).tolist()
    [[0.0, 5.0], [6.0, 0.0]]
    """
    i = integers(index, "put", "index")
    if i.array.size != source.array.size:
        fail("put", "as many elements as numbers", f"{source.array.size} and {i.array.size}")
    at = _counted("put", reshape(i, -1), input.array.size)
    return _put(input, at, reshape(source, -1), accumulate)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Numbers of elements as one index for each dimension of a shape.

    Shapes: (*) -> so many of (*) as `shape` is long. Integers.

    >>> import nnfast
    >>> nnfast.unravel_index(nnfast.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    rest, found = integers(indices, "unravel_index", "indices"), []
    for n in reversed((shape,) if isinstance(shape, int) else tuple(shape)):
        found.append(rest % n)
        rest = rest // n
    return tuple(reversed(found))


@method
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with src as slice `index` of a dimension.

    Shapes: input (*, N, *), src without dim -> that of input. Any dtype.

    >>> import nnfast
    >>> nnfast.select_scatter(nnfast.zeros(2, 2), nnfast.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return _written("select_scatter", input, src, dim, index)


@method
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A copy with src as slices start, start + step, ... before `end` of a dimension.

    Shapes: input (*, N, *), src (*, n, *), n the number of slices -> that of input. Any dtype.

    >>> import nnfast
    >>> nnfast.slice_scatter(nnfast.zeros(5), nnfast.ones(2), start=1, end=5, step=2)
    tensor([0., 1., 0., 1., 0.])
    """
    return _written("slice_scatter", input, src, dim, slice(start, end, step))


@method
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with src as the diagonal, of the shape that `diagonal` gives.

    Shapes: input (*, M, *, N, *), src (*, n) -> that of input. Any dtype.

    >>> import nnfast
    >>> nnfast.diagonal_scatter(nnfast.zeros(2, 2), nnfast.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    a, b = (check_dim("diagonal_scatter", d, input.ndim) for d in (dim1, dim2))
    x = movedim(input, (a, b), (-2, -1))
    i = np.arange(max(min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)), 0))
    at = (..., wrap(i - min(offset, 0)), wrap(i + max(offset, 0)))
    return movedim(_same_shape("diagonal_scatter", x, src, at), (-2, -1), (a, b))


def _written(name: str, input: Tensor, src: Tensor, dim: int, index: Any) -> Tensor:
    d = check_dim(name, dim, input.ndim)
    return _same_shape(name, input, src, (*(slice(None),) * d, index))


def _same_shape(name: str, input: Tensor, src: Tensor, index: Any) -> Tensor:
    shape = np.empty(input.shape, bool)[tuple(
        i.array if isinstance(i, Tensor) else i for i in index
    )].shape  # fmt: skip
    if src.shape != shape:
        fail(name, f"a src of shape {shape}", f"shape {src.shape}")
    return _put_at(name, input, index, src, False)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with the elements of x on a diagonal.

    Shapes: (*) of n elements -> (n + |offset|, n + |offset|). Any dtype.

    >>> import nnfast
    >>> nnfast.diagflat(nnfast.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(reshape(input, -1), offset)


methods(take=take, diagflat=diagflat)


def fill_diagonal(input: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """x with one value at [i, i, ...]; with `wrap` again below, after one row left out."""
    if input.ndim < 2 or (input.ndim > 2 and len(set(input.shape)) > 1):
        fail("fill_diagonal_", "a matrix, or all sizes equal", f"shape {input.shape}")
    mask = np.zeros(input.shape, bool)
    np.fill_diagonal(mask, True, wrap=wrap)
    return where(Tensor(mask), fill_value, input)
