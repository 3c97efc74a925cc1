"""Reductions composed of others: truth, counts, norms, statistics that come in pairs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import abs, cast, pow, sqrt, where
from nnfast.ops.logic import logical_and, logical_not, logical_or
from nnfast.ops.record import check_dim, method, methods
from nnfast.ops.reduce import Dims, amax, amin, mean, std, sum, sum_squares, var
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor, bool_, float32, int64


@method
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether an element is not 0, over dim (all if None); False of none.

    Shapes: (*) -> a bool, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.any(nnfast.tensor([[True, False], [False, False]]), 1)
    tensor([ True, False])
    """
    return sum(cast(_truth(input), float32), dim, keepdim) > 0


@method
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element is 0, over dim (all if None); True of none.

    Shapes: (*) -> a bool, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.all(nnfast.tensor([[True, False], [True, True]]), 1)
    tensor([False,  True])
    """
    return sum(cast(logical_not(input), float32), dim, keepdim) == 0


@method
def count_nonzero(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """How many elements are not 0, over dim (all if None).

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.count_nonzero(nnfast.tensor([1.0, 0.0, 2.0]))
    tensor(2)
    """
    return sum(cast(_truth(input), int64), dim, keepdim)


def _truth(x: Tensor) -> Tensor:
    return x if x.array.dtype == bool_ else x != 0


class AMinMax(NamedTuple):
    """The smallest and the largest."""

    min: Tensor
    max: Tensor


@method
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> AMinMax:
    """The smallest and the largest element over dim (all if None): (min, max).

    Shapes: (*) -> twice a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.aminmax(nnfast.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    return AMinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def var_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean over dim.

    Shapes: (*) -> twice a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.var_mean(nnfast.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    over = None if isinstance(dim, bool) else dim
    y = var(input, dim, unbiased, keepdim, correction=correction)
    return y, mean(input, over, keepdim)


def std_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over dim.

    Shapes: (*) -> twice a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.std_mean(nnfast.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    over = None if isinstance(dim, bool) else dim
    y = std(input, dim, unbiased, keepdim, correction=correction)
    return y, mean(input, over, keepdim)


@method
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`sum` of what is a number.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.nansum(nnfast.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    return sum(where(input == input, input, 0), dim, keepdim, dtype=dtype)


@method
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`mean` of what is a number; NaN if nothing is.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.nanmean(nnfast.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    input = input if dtype is None else cast(input, dtype)
    if input.dtype.kind != "f":
        fail("nanmean", "floats", str(input.dtype), "convert with x.float().", input=input)
    return nansum(input, dim, keepdim) / cast(sum(input == input, dim, keepdim), input.dtype)


# ---- norms ----------------------------------------------------------------------------------


@method
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm over dim (all if None) of all elements as one vector; "fro" is 2.

    (sum |x|^p)^(1/p); inf: the largest |x|; -inf: the smallest; 0: how many are not 0. The
    gradient is 0 where the norm is.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.norm(nnfast.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p in ("fro", None):
        p = 2
    if isinstance(p, str):
        fail("norm", "p a number or 'fro'", repr(p))
    return vector_norm(input, float(p), dim, keepdim, dtype=dtype)


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of order `ord` over dim; see `norm`.

    Shapes: (*) -> a scalar, or (*) without dim, or with 1 there if keepdim. Floats.

    >>> import nnfast
    >>> nnfast.linalg.vector_norm(nnfast.tensor([1.0, -2.0]), 1)
    tensor(3.)
    """
    x = x if dtype is None else cast(x, dtype)
    if not isinstance(ord, int | float):
        fail("norm", "a number as its order", repr(ord), error=DTypeError)
    if x.dtype.kind != "f":
        fail("norm", "floats", str(x.dtype), "convert with x.float().", x=x)
    if ord == 0:
        return cast(count_nonzero(x, dim, keepdim), x.dtype)
    if math.isinf(ord):
        return (amax if ord > 0 else amin)(abs(x), dim, keepdim)
    if ord == 1:
        return sum(abs(x), dim, keepdim)
    if ord == 2:
        return _root(sum_squares(x, dim, keepdim))
    zero = x == 0
    powers = where(zero, 0.0 if ord > 0 else math.inf, pow(where(zero, 1.0, abs(x)), ord))
    total = sum(powers, dim, keepdim)
    none = (total == 0) if ord > 0 else (total == math.inf)
    return where(none, 0.0, pow(where(none, 1.0, total), 1 / ord))


def _root(x: Tensor) -> Tensor:
    """The square root, with slope 0 at 0."""
    zero = x == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: tuple[int, int] = (-2, -1), keepdim: bool = False
) -> Tensor:
    """Of matrices: "fro", or the largest (ord < 0: smallest) sum of |column| (1) or |row| (inf).

    Shapes: (*, M, N) -> (*), with keepdim (*, 1, 1). Floats.

    >>> import nnfast
    >>> nnfast.linalg.matrix_norm(nnfast.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if A.ndim < 2:
        fail("matrix_norm", "at least two dimensions", str(A.ndim), A=A)
    rows, columns = (check_dim("matrix_norm", d, A.ndim) for d in dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        fail("matrix_norm", "ord 'fro', 1, -1, inf or -inf", repr(ord))
    inner, outer = (rows, columns) if np.abs(ord) == 1 else (columns, rows)
    sums = sum(abs(A), inner, True)
    y = (amax if ord > 0 else amin)(sums, outer, True)
    if keepdim:
        return y
    return reshape(y, tuple(n for d, n in enumerate(A.shape) if d not in (rows, columns)))


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other.

    Shapes: two that broadcast -> a scalar. Floats.

    >>> import nnfast
    >>> nnfast.dist(nnfast.tensor([1.0, 1.0]), nnfast.tensor([4.0, 5.0]))
    tensor(5.)
    """
    return norm(input - other, p)


# ---- comparison of tensors ------------------------------------------------------------------


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether |input - other| <= atol + rtol |other|, for each element.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.isclose(nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    a, b = (x if x.dtype.kind == "f" else cast(x, float32) for x in (input, other))
    a, b = a.detach(), b.detach()
    size = abs(b)
    near = logical_and(abs(a - b) <= size * rtol + atol, size != math.inf)
    y = logical_or(near, a == b)
    return logical_or(y, logical_and(a != a, b != b)) if equal_nan else y


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether `isclose` holds for all elements.

    Shapes: any; a Python bool out. Any dtypes.

    >>> import nnfast
    >>> nnfast.allclose(nnfast.tensor([1.0]), nnfast.tensor([1.000001]))
    True
    """
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same.

    Shapes: any; a Python bool out. Any dtypes.

    >>> import nnfast
    >>> nnfast.equal(nnfast.tensor([1, 2]), nnfast.tensor([1, 2]))
    True
    """
    return input.shape == other.shape and bool(all(input == other))


methods(isclose=isclose, allclose=allclose, equal=equal, dist=dist)
