"""A part of a tensor that changes in place, as a change of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnfast.graph.ir import Value, dense_strides
from nnfast.tensor import Tensor, wrap


def with_part(whole: Tensor, part: Value, y: Tensor) -> Tensor | None:
    """`whole`, which lies in C order, with y in the place of a view of it; None if elements of the
    view share a place.

    >>> import nnfast
    >>> row = Value((3,), nnfast.float32, Value((2, 3), nnfast.float32), 12)
    >>> with_part(nnfast.zeros(2, 3), row, nnfast.ones(3)).tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    from nnfast.ops.scatter import put
    from nnfast.ops.shape import permute, reshape

    strides = [s // part.dtype.itemsize for s in part.byte_strides()]
    order = sorted(range(len(strides)), key=lambda d: -strides[d])
    shape = [part.shape[d] for d in order]
    if y.array.size == whole.array.size and [strides[d] for d in order] == [
        *dense_strides(tuple(shape), 1)
    ]:
        return reshape(permute(y, order), whole.shape)
    if _overlaps(part.shape, strides):
        return None
    at = np.full(part.shape, part.offset // part.dtype.itemsize)
    for d, (n, s) in enumerate(zip(part.shape, strides, strict=True)):
        at += np.arange(n).reshape(-1, *[1] * (at.ndim - d - 1)) * s
    return put(whole, wrap(at), y)


def _overlaps(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether two elements may lie in one place."""
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(shape, strides, strict=True) if n > 1):
        if s <= reach:
            return True
        reach += (n - 1) * s
    return False
