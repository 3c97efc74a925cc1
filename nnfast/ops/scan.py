"""Running sums, products and extremes along a dimension: y[j] depends on x[0] to x[j].

All but the extremes are one recurrence, y[j] = decay[j] y[j - 1] + x[j], whose gradients are
recurrences of the same kind, from the end.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.along import scattered_zeros
from nnfast.ops.composite import pull_back
from nnfast.ops.elementwise import abs, cast, exp, log, where
from nnfast.ops.join import cat
from nnfast.ops.operands import AnyTensor, Operand
from nnfast.ops.rearrange import roll
from nnfast.ops.record import Result, check_dim, method, op, out, outs
from nnfast.ops.reduce import Dims, MinMax, ReduceAttrs, _dims, _reduction, sum
from nnfast.ops.shape import reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor, float32, float64, int64, wrap


class ScanAttrs(NamedTuple):
    dim: int
    reverse: bool


@op("scan", attrs=ScanAttrs)
def linear_scan(
    input: AnyTensor, decay: AnyTensor | None = None, dim: int = 0, reverse: bool = False
) -> Result:
    """y[j] = decay[j] y[j - 1] + x[j] along dim, or from its end; decay is 1 if absent.

    Of float32, float64 or int64; float32 is carried along in float64.

    >>> import nnfast
    >>> from nnfast.ops.scan import linear_scan
    >>> linear_scan(nnfast.ones(4), nnfast.full((4,), 0.5))
    tensor([1.   , 1.5  , 1.75 , 1.875])
    """
    d = check_dim("linear_scan", dim, input.ndim)
    if input.dtype not in (float32, float64, int64):
        fail("linear_scan", "float32, float64 or int64", str(input.dtype), error=DTypeError)
    if decay is not None and (decay.shape, decay.dtype) != (input.shape, input.dtype):
        fail("linear_scan", "a decay like the input", "another", input=input, decay=decay)
    return out(input.shape, input.dtype, ScanAttrs(d, reverse))


def _back(dy: Tensor, decay: Tensor | None, dim: int, reverse: bool) -> Tensor:
    """dx[j] = dy[j] + decay[j + 1] dx[j + 1]."""
    after = decay if decay is None or decay.ndim == 0 else roll(decay, 1 if reverse else -1, dim)
    return linear_scan(dy, after, dim, not reverse)


def _decay_gradient(dy: Tensor, y: Tensor, decay: Tensor, dim: int, reverse: bool) -> Tensor:
    """dx[j] y[j - 1]."""
    return _back(dy, decay, dim, reverse) * _before(y, dim, reverse, 0.0)


def _before(y: Tensor, dim: int, reverse: bool, first: float) -> Tensor:
    """y[j - 1], or y[j + 1]; `first` where there is none."""
    if y.ndim == 0 or y.shape[dim] == 0:
        return y * 0.0 + first
    n = y.shape[dim]
    edge = wrap(np.full((*y.shape[:dim], 1, *y.shape[dim + 1 :]), first, y.dtype))
    rest = narrow(y, dim, 1 if reverse else 0, n - 1)
    return cat([rest, edge] if reverse else [edge, rest], dim)


linear_scan.vjp(input=_back, decay=_decay_gradient)


def _summable(input: Tensor, dtype: Any) -> Tensor:
    """Floats as they are, others as int64."""
    x = input if dtype is None else cast(input, dtype)
    return x if x.dtype in (float32, float64, int64) else cast(x, int64)


@method
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """y[j] = x[0] + ... + x[j] along dim; integers and booleans give int64.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.cumsum(nnfast.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    return linear_scan(_summable(input, dtype), None, check_dim("cumsum", dim, input.ndim))


class CumprodAttrs(NamedTuple):
    dim: int


@op("cumprod", attrs=CumprodAttrs)
def _cumprod(input: AnyTensor, dim: int) -> Result:
    """y[j] = y[j - 1] x[j] along dim. Of float32, float64 or int64; float32 is carried in float64.

    >>> import nnfast
    >>> nnfast.cumprod(nnfast.tensor([2.0, 3.0]), 0)
    tensor([2., 6.])
    """
    return out(input.shape, input.dtype, CumprodAttrs(check_dim("cumprod", dim, input.ndim)))


_cumprod.vjp(
    input=lambda dy, input, y, dim: _back(dy, input, dim, False) * _before(y, dim, False, 1.0)
)


@method
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """y[j] = x[0] ... x[j] along dim; gradients are exact where factors are 0 too.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.cumprod(nnfast.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    x = _summable(input, dtype)
    d = check_dim("cumprod", dim, x.ndim)
    y: Tensor = x if x.ndim == 0 else _cumprod(x, d)
    return y


@op("prod", attrs=ReduceAttrs)
def _prod(input: AnyTensor, dim: Dims = None, keepdim: bool = False) -> Result:
    """y = product of x over dim, of float32, float64 or int64."""
    return _reduction("prod", input, dim, keepdim, empty=True)


def _prod_composed(input: Tensor, dims: int) -> Tensor:
    """The last of the running products."""
    kept = [1 if dims >> d & 1 else n for d, n in enumerate(input.shape)]
    if input.array.size == 0:
        return sum(input, _dims(dims), True) + 1
    over = _dims(dims)
    if len(over) > 1:
        x, d = reshape(input, -1), 0  # a product is of one dimension or of all
    else:
        x, d = (input, over[0]) if over else (reshape(input, 1), 0)
    return reshape(narrow(_cumprod(x, d), d, x.shape[d] - 1, 1), tuple(kept))


def _prod_gradient(dy: Tensor, input: Tensor, dims: int) -> Tensor:
    kept = tuple(1 if dims >> d & 1 else n for d, n in enumerate(input.shape))
    (dx,) = pull_back(_prod, _prod_composed, {"input": input, "dims": dims}, [reshape(dy, kept)])
    assert dx is not None
    return dx


_prod.vjp(input=_prod_gradient)


@method
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Product of the elements along dim (of all if None); 1 of none.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.prod(nnfast.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    x = _summable(input, dtype)
    y: Tensor = _prod(x, dim if dim is None else check_dim("prod", dim, x.ndim), keepdim)
    return y


class RunningAttrs(NamedTuple):
    dim: int
    smallest: bool


@op("running", attrs=RunningAttrs, outputs=("values", "indices"), aux=("indices",))
def running(input: Operand, dim: int, smallest: bool = False) -> Result:
    """The largest (smallest) of x[0] to x[j] along dim and where it stands.

    That is the last of equals, and any NaN.

    >>> import nnfast
    >>> from nnfast.ops.scan import running
    >>> running(nnfast.tensor([1.0, 3.0, 2.0]), 0)
    (tensor([1., 3., 3.]), tensor([0, 1, 1]))
    """
    d = check_dim("running", dim, input.ndim)
    attrs = RunningAttrs(d, smallest)
    return outs((input.shape, input.dtype), (input.shape, int64), attrs=attrs)


running.vjp(
    input=lambda dvalues, indices, dim, input_shape: scattered_zeros(
        dvalues, indices, dim, input_shape
    )
)


def _running(input: Tensor, dim: int, smallest: bool) -> MinMax:
    values, indices = running(input, dim, smallest)
    return MinMax(values if values.dtype == input.dtype else cast(values, input.dtype), indices)


@method
def cummax(input: Tensor, dim: int) -> MinMax:
    """The largest of x[0] to x[j] along dim, and where it stands: (values, indices).

    Shapes: any, the same out, twice; indices of int64. Any dtype.

    >>> import nnfast
    >>> nnfast.cummax(nnfast.tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return _running(input, dim, False)


@method
def cummin(input: Tensor, dim: int) -> MinMax:
    """The smallest of x[0] to x[j] along dim, and where it stands: (values, indices).

    Shapes: any, the same out, twice; indices of int64. Any dtype.

    >>> import nnfast
    >>> nnfast.cummin(nnfast.tensor([2.0, 3.0, 1.0]), 0).indices
    tensor([0, 0, 2])
    """
    return _running(input, dim, True)


@method
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(e^x[0] + ... + e^x[j]) along dim, without overflow.

    Shapes: any, the same out. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.logcumsumexp(nnfast.tensor([1000.0, 1000.0]), 0)[1].item()  # 1000 + log 2
    1000.693...
    """
    d = check_dim("logcumsumexp", dim, input.ndim)
    if input.ndim == 0:
        return input
    peak = cummax(input.detach(), d).values
    base = where(abs(peak) == math.inf, 0.0, peak)
    return log(linear_scan(exp(input - base), exp(_before(peak, d, False, 0.0) - base), d)) + base


@method
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """x[j + 1] - x[j] along dim, n times, with `prepend` before x and `append` behind it.

    Shapes: (*, N, *) -> (*, N - n, *), N with what is put before and behind. Floats and integers.

    >>> import nnfast
    >>> nnfast.diff(nnfast.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if input.ndim == 0:
        fail("diff", "at least one dimension", "a scalar tensor")
    if n < 0:
        fail("diff", "n >= 0", f"{n}")
    d = check_dim("diff", dim, input.ndim)
    if prepend is not None or append is not None:
        input = cat([x for x in (prepend, input, append) if x is not None], d)
    for _ in range(n):
        size = max(input.shape[d] - 1, 0)
        first = min(1, input.shape[d])
        input = narrow(input, d, first, size) - narrow(input, d, 0, size)
    return input
