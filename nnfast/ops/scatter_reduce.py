"""Several values that go to one place, reduced: their sum, product, mean, largest or smallest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.graph.trace import on_values
from nnfast.ops.along import check_index, gather, scattered
from nnfast.ops.elementwise import cast, eq, maximum, where
from nnfast.ops.gather import check_range
from nnfast.ops.operands import AnyTensor, IntTensor, integers
from nnfast.ops.record import Result, check_dim, method, op, out
from nnfast.ops.rounding import floor_divide
from nnfast.ops.scatter import _rows
from nnfast.ops.shape import reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor, bool_, float32, float64, int64, wrap

_MEETINGS = {"amax": 2, "amin": 3, "prod": 4}
_NOTHING = {"sum": 0, "mean": 0, "prod": 1}  # what changes no sum or product
KINDS = ("sum", "prod", "mean", "amax", "amin")


@method
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of x where each place holds the reduction of what goes there, as in `scatter`.

    y[i, index[i, j, k], k] = reduce of all src[i, j, k] that go there, and of x itself if
    include_self; for dim = 1, and likewise for others. `reduce`: "sum", "prod", "mean", "amax" or
    "amin". Where nothing goes, x stays. Equal largest ones share the gradient evenly.

    Shapes: input and index of as many dimensions, src of index's sizes at least -> that of input.

    >>> import nnfast
    >>> i, src = nnfast.tensor([0, 0, 2]), nnfast.tensor([1.0, 5.0, 3.0])
    >>> nnfast.scatter_reduce(nnfast.ones(3), 0, i, src, "amax")
    tensor([5., 1., 3.])
    >>> nnfast.scatter_reduce(nnfast.ones(3), 0, i, src, "mean", include_self=False)
    tensor([3., 1., 3.])
    """
    name = "scatter_reduce"
    i, d = integers(index, name, "index"), check_dim(name, dim, input.ndim)
    if src.ndim != i.ndim or any(m > n for m, n in zip(i.shape, src.shape, strict=True)):
        fail(name, f"a src at least as large as index {i.shape}", f"shape {src.shape}")
    for k, n in enumerate(i.shape):
        src = narrow(src, k, 0, n)
    return _reduced(name, input, d, i, src, reduce, include_self)


@method
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """A copy of x whose slices index[j] along a dimension are reduced with source[j].

    `reduce`: "prod", "mean", "amax" or "amin"; see scatter_reduce.

    Shapes: input (*, N, *), index (n,), source (*, n, *) -> that of input.

    >>> import nnfast
    >>> i = nnfast.tensor([1, 1])
    >>> nnfast.index_reduce(nnfast.ones(3), 0, i, nnfast.tensor([2.0, 3.0]), "prod")
    tensor([1., 6., 1.])
    """
    if input.ndim == 0 == source.ndim:
        one = index_reduce(reshape(input, 1), dim, index, reshape(source, 1), reduce,
                           include_self=include_self)  # fmt: skip
        return reshape(one, ())
    i, d = _rows("index_reduce", input, dim, index, source)
    if reduce == "sum":
        fail(
            "index_reduce", f"reduce one of {', '.join(KINDS[1:])}", repr(reduce), "use index_add."
        )
    return _reduced("index_reduce", input, d, i, source, reduce, include_self)


def _reduced(
    name: str, input: Tensor, d: int, i: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    if reduce not in KINDS:
        fail(name, f"reduce one of {', '.join(KINDS)}", repr(reduce))
    if src.dtype != input.dtype:
        fail(name, f"a source of {input.dtype}", str(src.dtype))
    if input.ndim == 0:
        one = (reshape(t, 1) for t in (input, i, src))
        x, i, src = one
        return reshape(_reduced(name, x, 0, i, src, reduce, include_self), ())
    check_index(name, input.shape, i, d)
    n = input.shape[d]  # the check outlives a trace, so it must not hold a tensor
    on_values(i, lambda numbers: check_range(name, numbers, 0, n), n)
    x = input
    if not include_self:
        nothing = wrap(np.zeros(x.shape, bool_))
        hit = scattered(nothing, d, i, wrap(np.ones(i.shape, bool_)), False)
        x = where(hit, _NOTHING.get(reduce, _least(reduce, x)), x)
        x = x if x.dtype == input.dtype else cast(x, input.dtype)
    if reduce in _MEETINGS:
        return _extreme(x, src, i, d, reduce)
    y = scattered(x, d, i, src, True)
    if reduce == "mean":
        start = wrap(np.full(x.shape, int(include_self), x.dtype))
        count = maximum(scattered(start, d, i, wrap(np.ones(i.shape, x.dtype)), True), 1)
        y = y / count if input.dtype.kind == "f" else floor_divide(y, count)
    return y if y.dtype == input.dtype else cast(y, input.dtype)


def _least(reduce: str, x: Tensor) -> Any:
    """What no maximum or minimum minds."""
    if x.dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    limits = np.iinfo(x.dtype)
    return int(limits.min if reduce == "amax" else limits.max)


def _extreme(input: Tensor, src: Tensor, index: Tensor, dim: int, reduce: str) -> Tensor:
    """Each element reduced with all src that scatter would put there."""
    if input.dtype in (float32, float64, int64):
        y: Tensor = scatter_meet(src, index, input, dim, _MEETINGS[reduce])
        return y
    wide = _extreme(cast(input, int64), cast(src, int64), index, dim, reduce)
    return cast(wide, input.dtype)


class MeetAttrs(NamedTuple):
    dim: int
    how: int  # Meeting of csrc/ops/attrs.h
    joined: int = 0


@op("scatter", attrs=MeetAttrs)
def scatter_meet(src: AnyTensor, index: IntTensor, input: AnyTensor, dim: int, how: int) -> Result:
    """The input with each src where scatter would put it, and what becomes of those that meet.

    The largest stays (how 2), the smallest (3) or their product (4).
    Of float32, float64 and int64.

    >>> import nnfast
    >>> from nnfast.ops.scatter_reduce import scatter_meet
    >>> i, x = nnfast.tensor([0, 0]), nnfast.zeros(2)
    >>> scatter_meet(nnfast.tensor([1.0, 3.0]), i, x, 0, 2)
    tensor([3., 0.])
    """
    return out(input.shape, input.dtype, MeetAttrs(dim, how))


def _gradients(
    dy: Tensor, src: Tensor, index: Tensor, input: Tensor, y: Tensor, dim: int, how: int
) -> tuple[Tensor, None, Tensor]:
    def total(values: Tensor) -> Tensor:
        return scattered(wrap(np.zeros(input.shape, values.dtype)), dim, index, values, True)

    there = gather(y, dim, index)
    if how == _MEETINGS["prod"]:
        several = gather(total(cast(eq(src, 0), src.dtype)), dim, index) > 1.0
        one = eq(src, 0) & ~several
        full = where(eq(input, 0), 1.0, input)
        without = scatter_meet(src, index, full, dim, how) / full
        others = gather(scatter_meet(where(one, 1.0, src), index, input, dim, how), dim, index)
        back = where(one, others, there / where(eq(src, 0), 1.0, src))
        return gather(dy, dim, index) * back, None, dy * without
    chosen, own = cast(eq(src, there), dy.dtype), cast(eq(input, y), dy.dtype)
    share = dy / (own + total(chosen))
    return gather(share, dim, index) * chosen, None, share * own


scatter_meet.vjp_joint(_gradients)
