"""Elements in another order, repeated, or those of a diagonal: slices taken by constant numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.ops.gather import take
from nnfast.ops.operands import as_tensor
from nnfast.ops.rearrange import Dims, check_along, flip
from nnfast.ops.record import check_dims, method
from nnfast.ops.shape import expand, permute, reshape
from nnfast.tensor import Tensor, wrap


@method
def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.fliplr(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    return flip(input, 1)


@method
def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.flipud(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    return flip(input, 0)


@method
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k times 90 degrees in the plane of two dims, from the first to the second.

    Shapes: (*, M, *, N, *) -> the same, or (*, N, *, M, *) for odd k. Any dtype.

    >>> import nnfast
    >>> nnfast.rot90(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    a, b = check_dims("rot90", dims, input.ndim)
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    if k % 4 == 2:
        return flip(input, (a, b))
    if k % 2 == 0:
        return input
    return permute(flip(input, b if k % 4 == 1 else a), order)


@method
def repeat(input: Tensor, *repeats: Dims) -> Tensor:
    """Copies of x side by side: repeats[d] along each dimension, new ones in front.

    Shapes: (*) -> its sizes times the numbers. Any dtype.

    >>> import nnfast
    >>> nnfast.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = tuple(repeats[0]) if len(repeats) == 1 and not isinstance(repeats[0], int) else repeats
    lead = len(times) - input.ndim
    if lead < 0 or any(int(t) < 0 for t in times):
        fail("repeat", f"at least {input.ndim} numbers >= 0", f"{times}", input=input)
    shape = (1,) * lead + input.shape
    between = tuple(n for s in shape for n in (1, s))
    repeated = tuple(n for t, s in zip(times, shape, strict=True) for n in (int(t), s))
    whole = tuple(int(t) * s for t, s in zip(times, shape, strict=True))
    return reshape(expand(reshape(input, between), repeated), whole)


@method
def tile(input: Tensor, *times: Dims, dims: Any = None) -> Tensor:
    """`repeat`, where fewer numbers than dimensions are those of the last ones.

    Shapes: (*) -> its sizes times the numbers. Any dtype.

    >>> import nnfast
    >>> nnfast.tile(nnfast.tensor([[1, 2]]), 2)
    tensor([[1, 2, 1, 2]])
    """
    given = times if dims is None else (dims,)
    each = tuple(given[0]) if len(given) == 1 and not isinstance(given[0], int) else given
    return repeat(input, *(1,) * (input.ndim - len(each)), *each)


@method
def repeat_interleave(
    input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice along dim (each element if None) so many times, one copy behind the other.

    Shapes: (*, N, *), repeats a number or (N,) -> (*, sum of repeats, *). Any dtype.

    >>> import nnfast
    >>> nnfast.repeat_interleave(nnfast.tensor([1, 2]), nnfast.tensor([1, 3]))
    tensor([1, 2, 2, 2])
    """
    x, d = (reshape(input, -1), 0) if dim is None else (input, dim)
    d = check_along("repeat_interleave", d, x)
    times = repeats._values() if isinstance(repeats, Tensor) else np.asarray(repeats)
    if times.dtype.kind not in "iu" or times.min(initial=0) < 0 or times.ndim > 1:
        fail("repeat_interleave", "repeats >= 0", repr(repeats))
    if times.size not in (1, x.shape[d]):
        fail("repeat_interleave", f"1 or {x.shape[d]} repeats", f"{times.size}")
    total = times.sum(dtype=float) * (x.shape[d] if times.size == 1 else 1)
    if total >= 2**59:
        fail("repeat_interleave", "a result of fewer than 2**59 elements", f"{total:g}")
    numbers = np.repeat(np.arange(x.shape[d]), times)
    return take(x, wrap(numbers), d)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """A grid of each vector's values, which change along its own dimension.

    indexing="xy" exchanges the first two dimensions.

    Shapes: vectors (N_i,) or scalars -> each (N_1, ..., N_n). Any dtype.

    >>> import nnfast
    >>> nnfast.meshgrid(nnfast.tensor([1, 2]), nnfast.tensor([3, 4, 5]))[0]
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    if indexing not in ("ij", "xy"):
        fail("meshgrid", "indexing 'ij' or 'xy'", repr(indexing))
    vectors = [reshape(as_tensor(x, "meshgrid"), -1) for x in given]
    shape = [x.shape[0] for x in vectors]
    grids = [
        expand(reshape(x, [-1 if k == i else 1 for k in range(len(shape))]), shape)
        for i, x in enumerate(vectors)
    ]
    if indexing == "xy" and len(shape) > 1:
        grids = [permute(g, (1, 0, *range(2, len(shape)))) for g in grids]
    return tuple(grids)


# ---- triangles ------------------------------------------------------------------------------


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Rows and columns (2, n) of the lower triangle of a matrix, row by row.

    Shapes: int64 (2, n) out.

    >>> import nnfast
    >>> nnfast.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return wrap(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Rows and columns (2, n) of the upper triangle of a matrix, row by row.

    Shapes: int64 (2, n) out.

    >>> import nnfast
    >>> nnfast.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return wrap(np.stack(np.triu_indices(row, offset, col)))
