"""Several values that go to one place, reduced: their sum, product, mean, largest or smallest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.elementwise import cast, eq, maximum, where
from nnfast.ops.gather import take, take_backward
from nnfast.ops.index import flat_numbers
from nnfast.ops.operands import AnyTensor, IntTensor, integers
from nnfast.ops.record import Op, Result, computed, method
from nnfast.ops.rounding import floor_divide
from nnfast.ops.scatter import _rows, last_writer
from nnfast.ops.shape import expand, reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor

_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}
_NOTHING = {"sum": 0, "mean": 0, "prod": 1}  # what changes no sum or product
KINDS = ("sum", "prod", "mean", "amax", "amin")


@method
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of x where each place holds the reduction of what goes there, as in `scatter`.

    y[i, index[i, j, k], k] = reduce of all src[i, j, k] that go there, and of x itself if
    include_self; for dim = 1, and likewise for others. `reduce`: "sum", "prod", "mean", "amax" or
    "amin". Where nothing goes, x stays. Equal largest ones share the gradient evenly. Products and
    largest elements are computed by NumPy: a compiled function runs eagerly.

    >>> import nnfast
    >>> i, src = nnfast.tensor([0, 0, 2]), nnfast.tensor([1.0, 5.0, 3.0])
    >>> nnfast.scatter_reduce(nnfast.ones(3), 0, i, src, "amax")
    tensor([5., 1., 3.])
    >>> nnfast.scatter_reduce(nnfast.ones(3), 0, i, src, "mean", include_self=False)
    tensor([3., 1., 3.])
    """
    name = "scatter_reduce"
    i = integers(index, name, "index")
    at = reshape(flat_numbers(name, input.shape, dim, i), -1)
    if src.ndim != i.ndim or any(m > n for m, n in zip(i.shape, src.shape, strict=True)):
        fail(name, f"a src at least as large as index {i.shape}", f"shape {src.shape}")
    for d, n in enumerate(i.shape):
        src = narrow(src, d, 0, n)
    return _reduced(name, input, at, src, reduce, include_self)


@method
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """A copy of x whose slices index[j] along a dimension are reduced with source[j].

    `reduce`: "prod", "mean", "amax" or "amin"; see scatter_reduce.

    >>> import nnfast
    >>> i = nnfast.tensor([1, 1])
    >>> nnfast.index_reduce(nnfast.ones(3), 0, i, nnfast.tensor([2.0, 3.0]), "prod")
    tensor([1., 6., 1.])
    """
    i, d = _rows("index_reduce", input, dim, index, source)
    if reduce == "sum":
        fail(
            "index_reduce", f"reduce one of {', '.join(KINDS[1:])}", repr(reduce), "use index_add."
        )
    along = reshape(i, (-1, *[1] * (input.ndim - d - 1)))
    at = reshape(flat_numbers("index_reduce", input.shape, d, expand(along, source.shape)), -1)
    return _reduced("index_reduce", input, at, source, reduce, include_self)


def _reduced(
    name: str, input: Tensor, at: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    if reduce not in KINDS:
        fail(name, f"reduce one of {', '.join(KINDS)}", repr(reduce))
    if src.dtype != input.dtype:
        fail(name, f"a source of {input.dtype}", str(src.dtype))
    x, values = reshape(input, -1), reshape(src, -1)
    if at.array.size == 0:
        return input.clone()
    hit = last_writer(at, x.shape[0]) >= 0
    if not include_self:
        x = where(hit, _NOTHING.get(reduce, _least(reduce, x)), x)
    if x.dtype != input.dtype:
        x = cast(x, input.dtype)
    if reduce in _UFUNCS:
        y = _extreme(x, values, at, reduce)
    else:
        y = x + take_backward(values, at, x.shape[0])
    if reduce == "mean":
        count = cast(take_backward(eq(at, at).long(), at, x.shape[0]), input.dtype)
        count = maximum(count + 1, 1) if include_self else maximum(count, 1)
        y = y / count if input.dtype.kind == "f" else floor_divide(y, count)
    return reshape(y if y.dtype == input.dtype else cast(y, input.dtype), input.shape)


def _least(reduce: str, x: Tensor) -> Any:
    """What no maximum or minimum minds."""
    if x.dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    limits = np.iinfo(x.dtype)
    return int(limits.min if reduce == "amax" else limits.max)


class _ReduceAttrs(NamedTuple):
    reduce: Any


def _extreme_rule(input: AnyTensor, src: AnyTensor, index: IntTensor, reduce: str) -> Result:
    """Vectors: y[k] = the reduction of input[k] and of all src[j] with index[j] = k."""

    def compute(a: np.ndarray, b: np.ndarray, i: np.ndarray) -> np.ndarray:
        y = a.copy()
        _UFUNCS[reduce].at(y, i, b)
        return y

    return computed(compute, input.shape, input.dtype, _ReduceAttrs(reduce))


def _gradients(
    dy: Tensor, input: Tensor, src: Tensor, index: Tensor, y: Tensor, reduce: str
) -> tuple[Tensor, Tensor, None]:
    there, n = take(y, index), input.shape[0]
    if reduce == "prod":
        zeros = cast(eq(src, 0), src.dtype)
        several = take(take_backward(zeros, index, n), index) > 1.0
        one = eq(src, 0) & ~several
        full = where(eq(input, 0), 1.0, input)
        without = _extreme(full, src, index, reduce) / full
        others = take(_extreme(input, where(one, 1.0, src), index, reduce), index)
        back = where(one, others, there / where(eq(src, 0), 1.0, src))
        return dy * without, take(dy, index) * back, None
    chosen, own = cast(eq(src, there), dy.dtype), cast(eq(input, y), dy.dtype)
    share = dy / (own + take_backward(chosen, index, n))
    return share * own, take(share, index) * chosen, None


_extreme = Op(_extreme_rule, None, _ReduceAttrs, ("y",), (), (), False, None)
_extreme.vjp_joint(_gradients)
