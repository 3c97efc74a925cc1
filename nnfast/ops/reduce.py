"""Reductions: many elements to one, over any dimensions.

Sums run over chunks of fixed size, in 64 virtual lanes (32 for float64) or in 128 rows, and the
chunks are added in halves: the bits are the same for any number of threads and on every ISA, and
the sum of n elements is behind at most 262 + log2(n) roundings.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from nnfast.errors import fail
from nnfast.ops.along import scattered_zeros
from nnfast.ops.elementwise import abs, cast, exp, log, maximum, minimum, sqrt, where
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, check_dim, check_dims, method, op, out, outs
from nnfast.ops.shape import expand, reshape
from nnfast.tensor import Tensor, bool_, int64

Dims = int | Sequence[int] | None


class ReduceAttrs(NamedTuple):
    dims: int  # bit d: dimension d is reduced


def _mask(where: str, input: Tensor, dim: Dims) -> int:
    """The dimensions as bits; None and () are all."""
    dims = () if dim is None else check_dims(where, dim, input.ndim)
    return builtins.sum(1 << d for d in dims) if dims else (1 << input.ndim) - 1


def _reduced(shape: tuple[int, ...], mask: int, keepdim: bool) -> tuple[int, ...]:
    if keepdim:
        return tuple(1 if mask >> d & 1 else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if not mask >> d & 1)


def _restored(y: Tensor, shape: tuple[int, ...], mask: int) -> Tensor:
    """y with the reduced dimensions back as 1."""
    return reshape(y, _reduced(shape, mask, True))


def _reduction(where: str, input: Tensor, dim: Dims, keepdim: bool, empty: bool) -> Result:
    mask = _mask(where, input, dim)
    shape = _reduced(input.shape, mask, keepdim)
    if not empty and any(n == 0 and mask >> d & 1 for d, n in enumerate(input.shape)):
        fail(where, "at least one element along dim", "none", input=input)
    return out(shape, input.array.dtype, ReduceAttrs(mask))


@op("sum", attrs=ReduceAttrs)
def _sum(input: Operand, dim: Dims = None, keepdim: bool = False) -> Result:
    """y = sum of x over dim."""
    return _reduction("sum", input, dim, keepdim, empty=True)


_sum.vjp(input=lambda dy, input_shape, dims: expand(_restored(dy, input_shape, dims), input_shape))


@method
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum of the elements over dim (all if None); 0 of none. Integers and booleans give int64.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.sum(nnfast.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([4., 6.])
    """
    if dtype is None and isinstance(input, Tensor) and input.dtype is bool_:
        dtype = int64
    return _sum(input if dtype is None else cast(input, dtype), dim, keepdim)


@op("sum_squares", attrs=ReduceAttrs)
def sum_squares(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Result:
    """y = sum of x^2 over dim (all if None), in one pass; the same as sum(x * x).

    >>> import nnfast
    >>> from nnfast.ops.reduce import sum_squares
    >>> sum_squares(nnfast.tensor([3.0, 4.0]))
    tensor(25.)
    """
    return _reduction("sum_squares", input, dim, keepdim, empty=True)


sum_squares.vjp(input=lambda dy, input, dims: _restored(dy, input.shape, dims) * 2.0 * input)


@op("mean", attrs=ReduceAttrs)
def _mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Result:
    """y = sum of x over dim, divided by the number of elements; NaN of none."""
    return _reduction("mean", input, dim, keepdim, empty=True)


@method
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of the elements over dim (all if None), of floats.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.mean(nnfast.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    x = input if dtype is None else cast(input, dtype)
    _floats("mean", x)
    y: Tensor = _mean(x, dim, keepdim)
    return y


def _mean_gradient(dy: Tensor, input_shape: tuple[int, ...], dims: int) -> Tensor:
    n = math.prod(size for d, size in enumerate(input_shape) if dims >> d & 1)
    return expand(_restored(dy / float(n), input_shape, dims), input_shape)


_mean.vjp(input=_mean_gradient)


def _count(x: Tensor, y: Tensor) -> float:
    """Elements of x behind each of y; NaN if there are none, as the mean of nothing is."""
    if y.array.size == 0:
        return 1.0
    return x.array.size / y.array.size or math.nan


def _floats(where: str, input: Tensor) -> None:
    if input.array.dtype.kind != "f":
        fail(where, "floats", str(input.dtype), "convert with x.float().", input=input)


@op("amax", attrs=ReduceAttrs, bools=True, methods=("amax",))
def amax(input: Operand, dim: Dims = None, keepdim: bool = False) -> Result:
    """Largest element over dim; NaN if there is one. Ties share the gradient evenly.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.amax(nnfast.tensor([[1.0, 5.0], [3.0, 4.0]]), 1)
    tensor([5., 4.])
    """
    return _reduction("amax", input, dim, keepdim, empty=False)


@op("amin", attrs=ReduceAttrs, bools=True, methods=("amin",))
def amin(input: Operand, dim: Dims = None, keepdim: bool = False) -> Result:
    """Smallest element over dim; NaN if there is one. Ties share the gradient evenly.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.amin(nnfast.tensor([[1.0, 5.0], [3.0, 4.0]]), 1)
    tensor([1., 3.])
    """
    return _reduction("amin", input, dim, keepdim, empty=False)


def _share_ties(dy: Tensor, input: Tensor, y: Tensor, dims: int) -> Tensor:
    hit = input == _restored(y, input.shape, dims).detach()
    ties = _restored(_sum(hit, _dims(dims)), input.shape, dims)
    return where(hit, _restored(dy, input.shape, dims) / cast(ties, dy.dtype), 0.0)


def _dims(mask: int) -> list[int]:
    return [d for d in range(mask.bit_length()) if mask >> d & 1]


amax.vjp(input=_share_ties)
amin.vjp(input=_share_ties)


class ArgAttrs(NamedTuple):
    dim: int


def _arg(where: str, input: Tensor, dim: int, keepdim: bool) -> Result:
    d = check_dim(where, dim, input.ndim)
    if input.ndim and input.shape[d] == 0:
        fail(where, "at least one element along dim", "none", input=input)
    return out(_reduced(input.shape, 1 << d, keepdim), int64, ArgAttrs(d))


@op("argmax", attrs=ArgAttrs)
def _argmax(input: Operand, dim: int, keepdim: bool = False) -> Result:
    """The index of the largest element along dim."""
    return _arg("argmax", input, dim, keepdim)


@op("argmin", attrs=ArgAttrs)
def _argmin(input: Operand, dim: int, keepdim: bool = False) -> Result:
    """The index of the smallest element along dim."""
    return _arg("argmin", input, dim, keepdim)


@method
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element along dim (of the flattened tensor if None), as int64.

    The first of equals; NaN counts as the largest.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.argmax(nnfast.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([1, 0])
    """
    return _flat_arg(_argmax, input, dim, keepdim)


@method
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element along dim (of the flattened tensor if None), as int64.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.argmin(nnfast.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([0, 1])
    """
    return _flat_arg(_argmin, input, dim, keepdim)


def _flat_arg(record: Any, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if dim is not None:
        return record(input, dim, keepdim)
    y = record(reshape(input, -1), 0)
    return reshape(y, (1,) * input.ndim) if keepdim else y


class MinMax(NamedTuple):
    """Values and their indices along a dimension."""

    values: Tensor
    indices: Tensor


def _extremes(where: str, input: Tensor, dim: int, keepdim: bool) -> Result:
    index = _arg(where, input, dim, keepdim)
    return outs(*index.specs, (index.specs[0][0], input.dtype), attrs=index.attrs)


@op("argmax", attrs=ArgAttrs, outputs=("indices", "values"), aux=("indices",))
def _max_along(input: Operand, dim: int, keepdim: bool = False) -> Result:
    """The largest elements along dim, and where they stand; see max."""
    return _extremes("max", input, dim, keepdim)


@op("argmin", attrs=ArgAttrs, outputs=("indices", "values"), aux=("indices",))
def _min_along(input: Operand, dim: int, keepdim: bool = False) -> Result:
    """The smallest elements along dim, and where they stand; see min."""
    return _extremes("min", input, dim, keepdim)


def _back_to(dvalues: Tensor, indices: Tensor, dim: int, input_shape: tuple[int, ...]) -> Tensor:
    """Each dy where its element stood."""
    kept = _reduced(input_shape, 1 << dim, True)
    return scattered_zeros(reshape(dvalues, kept), reshape(indices, kept), dim, input_shape)


_max_along.vjp(input=_back_to)
_min_along.vjp(input=_back_to)


def _min_max(
    whole: Any, along: Any, pair: Any, input: Tensor, dim: Any, keepdim: bool
) -> Tensor | MinMax:
    if dim is None:
        return whole(input)
    if isinstance(dim, Tensor):
        return pair(input, dim)
    indices, values = along(input, dim, keepdim)
    return MinMax(values if values.dtype == input.dtype else cast(values, input.dtype), indices)


@method
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest element; or (values, indices) along dim; or `maximum` with another tensor.

    Shapes: (*) -> a scalar; or twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.max(nnfast.tensor([[1.0, 5.0], [3.0, 2.0]]), 1).indices
    tensor([1, 0])
    """
    return _min_max(amax, _max_along, maximum, input, dim, keepdim)


@method
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest element; or (values, indices) along dim; or `minimum` with another tensor.

    Shapes: (*) -> a scalar; or twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.min(nnfast.tensor([3.0, 1.0, 2.0]))
    tensor(1.)
    >>> nnfast.min(nnfast.tensor([[3.0, 1.0], [2.0, 4.0]]), dim=1).indices
    tensor([1, 0])
    """
    return _min_max(amin, _min_along, minimum, input, dim, keepdim)


@method
def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Variance over dim: sum of squared deviations over (count - correction).

    unbiased=False is correction=0, True is 1; it may be the first argument too.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.var(nnfast.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    _floats("var", input)
    over, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
    less = (1 if unbiased else 0) if correction is None else correction
    centered = input - mean(input, over, True)
    y = _sum(centered * centered, over, keepdim)
    degrees = _count(input, y) - less
    return y / (degrees if degrees > 0 else 0.0)


@method
def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Standard deviation over dim: the root of `var`; gradient 0 where it is 0.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.std(nnfast.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    variance = var(input, dim, unbiased, keepdim, correction=correction)
    flat = variance == 0
    return where(flat, 0.0, sqrt(where(flat, 1.0, variance)))  # the slope of sqrt at 0 is infinite


@method
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log of the sum of exp(x) over dim, without overflow.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats; integers give
    float32.

    >>> import nnfast
    >>> nnfast.logsumexp(nnfast.tensor([1000.0, 1000.0]), 0).item()  # 1000 + log 2
    1000.6931...
    """
    peak = amax(input, dim, True).detach() if input.array.size else 0.0
    peak = where(abs(peak) == math.inf, 0.0, peak)  # inf - inf is no number
    y = log(_sum(exp(input - peak), dim, True)) + peak
    return (
        y if keepdim else reshape(y, _reduced(input.shape, _mask("logsumexp", input, dim), False))
    )
