"""Covariance, integrals of samples, runs of equal values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.along import gather
from nnfast.ops.clip import clip
from nnfast.ops.elementwise import cast, sqrt, where
from nnfast.ops.matmul import matmul
from nnfast.ops.norm_groups import vector_norm
from nnfast.ops.operands import as_tensor
from nnfast.ops.record import check_dim, method
from nnfast.ops.reduce import mean, sum
from nnfast.ops.scan import cumsum
from nnfast.ops.shape import reshape, unsqueeze
from nnfast.ops.slices import narrow
from nnfast.ops.sort import sort
from nnfast.tensor import Tensor, float32, wrap


@method
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance of each row with each: sum of w (x - mean) (y - mean)^T / (n - correction).

    fweights: how often each column counts (integers); aweights: how much.

    Shapes: (variables, samples) -> (variables, variables), or () of one variable (samples,).

    >>> import nnfast
    >>> nnfast.cov(nnfast.tensor([[0.0, 2.0], [4.0, 0.0]]))
    tensor([[ 2., -4.],
            [-4.,  8.]])
    """
    x = as_tensor(input, "cov")
    if x.ndim > 2:
        fail("cov", "at most two dimensions", f"{x.ndim}", input=x)
    x = x if x.dtype.kind == "f" else cast(x, float32)
    rows = reshape(x, (1, -1)) if x.ndim < 2 else x
    n = rows.shape[1]
    w = _weights(n, fweights, aweights, rows)
    total: Any = n if w is None else sum(w)
    center = mean(rows, 1, True) if w is None else sum(rows * w, 1, True) / total
    apart = rows - center
    weighed = apart if w is None else apart * w
    if aweights is None or correction == 0:
        free = total - correction
    else:
        free = total - correction * sum(w * cast(as_tensor(aweights, "cov"), w.dtype)) / total
    free = max(free, 0) if isinstance(free, int) else clip(free, 0.0)
    y = matmul(weighed, apart.mT) / free
    return y if x.ndim == 2 else reshape(y, ())


def _weights(n: int, fweights: Any, aweights: Any, like: Tensor) -> Any:
    w: Any = None
    for name, kinds, given in (("fweights", "iu", fweights), ("aweights", "f", aweights)):
        if given is None:
            continue
        x = as_tensor(given, "cov")
        if x.shape != (n,) or x.dtype.kind not in kinds:
            kind = "integers" if kinds == "iu" else "floats"
            fail("cov", f"{kind} of shape {(n,)} as {name}", f"{x.dtype} of shape {x.shape}")
        w = cast(x, like.dtype) if w is None else w * cast(x, like.dtype)
    return w


@method
def corrcoef(input: Tensor) -> Tensor:
    """The correlation of each row with each: cov / (sigma sigma^T), brought into [-1, 1].

    Shapes: (M, N) of M variables -> (M, M), (N,) -> a scalar. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.corrcoef(nnfast.tensor([[0.0, 2.0], [4.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if c.ndim == 0:
        return c / c
    sigma = sqrt(c.diagonal())
    return clip(c / unsqueeze(sigma, 1) / unsqueeze(sigma, 0), -1, 1)


def trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
) -> Tensor:
    """The integral of samples y at places x, or dx apart: sum of (y_i + y_(i+1)) / 2 steps.

    Shapes: y (*, N, *), x (N,) or as y -> (*) without dim. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.trapezoid(nnfast.tensor([1.0, 3.0, 5.0]))
    tensor(6.)
    """
    return sum(_areas("trapezoid", y, x, dx, dim), dim)


trapz = trapezoid


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
) -> Tensor:
    """The integrals from the first sample up to each later one; see trapezoid.

    Shapes: y (*, N, *), x (N,) or as y -> (*, N - 1, *). Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.cumulative_trapezoid(nnfast.tensor([1.0, 3.0, 5.0]))
    tensor([2., 6.])
    """
    return cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), dim)


def _areas(name: str, y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> Tensor:
    d = check_dim(name, dim, y.ndim)
    if x is not None and dx is not None:
        fail(name, "x or dx", "both")
    n = y.shape[d]
    pairs = (narrow(y, d, 1, n - 1) + narrow(y, d, 0, n - 1)) / 2
    if x is None:
        return pairs * (1 if dx is None else dx)
    along = x.ndim - 1 if x.ndim == 1 else check_dim(name, dim, x.ndim)
    m = x.shape[along]
    if m != n:
        fail(name, f"a place for each of {n} samples", f"{m} places", y=y, x=x)
    steps = narrow(x, along, 1, m - 1) - narrow(x, along, 0, m - 1)
    if x.ndim == 1:
        steps = reshape(steps, (-1, *[1] * (y.ndim - d - 1)))
    return pairs * steps


@method
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of each run of equal elements (or slices along dim); where each went, how many.

    Shapes: (*) -> (n,), or (*, n, *) along dim; inverse (*) or (N,), counts (n,). Any dtype.

    >>> import nnfast
    >>> nnfast.unique_consecutive(nnfast.tensor([1, 1, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    values = input.detach()._values()
    d = 0 if dim is None else check_dim("unique_consecutive", dim, input.ndim)
    rows = values.reshape(-1) if dim is None else np.moveaxis(values, d, 0)
    same = (rows[1:] == rows[:-1]).all(tuple(range(1, rows.ndim)))
    first = np.concatenate([np.ones(min(len(rows), 1), bool), ~same])
    found = rows[first] if dim is None else np.moveaxis(rows[first], 0, d)
    inverse = np.cumsum(first) - 1
    counts = np.diff(np.append(np.flatnonzero(first), len(rows)))
    shape = input.shape if dim is None else (-1,)
    more = [wrap(inverse.reshape(shape))] * return_inverse + [wrap(counts)] * return_counts
    y = wrap(np.ascontiguousarray(found))
    return (y, *more) if more else y


@method
def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.msort(nnfast.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    return sort(input, 0).values


@method
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along dim scaled so that its p-norm is at most maxnorm.

    Shapes: any of at least 2 dimensions, the same out. Floats.

    >>> import nnfast
    >>> nnfast.renorm(nnfast.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 5.0)
    tensor([[3. , 4. ],
            [0.3, 0.4]])
    """
    d = check_dim("renorm", dim, input.ndim)
    if input.ndim < 2 or not p > 0 or not maxnorm >= 0:
        fail("renorm", "two dimensions, p > 0, maxnorm >= 0", f"{input.ndim}, {p}, {maxnorm}")
    norm = vector_norm(input, float(p), [k for k in range(input.ndim) if k != d])
    return input * where(norm > maxnorm, maxnorm / (norm + 1e-7), 1.0)


class Mode(NamedTuple):
    """The most frequent values, and where they are."""

    values: Tensor
    indices: Tensor


@method
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Mode:
    """The most frequent value along dim, the smallest of several, and its last place.

    The gradient goes to that place. NumPy finds it: a compiled function runs eagerly.

    Shapes: (*) -> twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.mode(nnfast.tensor([2, 1, 2, 1, 3])).values
    tensor(1)
    """
    if input.ndim == 0:
        return Mode(input, wrap(np.zeros((), np.int64)))
    d = check_dim("mode", dim, input.ndim)
    if input.shape[d] == 0:
        fail("mode", "at least one element along dim", "none", input=input)
    x = np.moveaxis(input.detach()._values(), d, -1)
    order = np.argsort(x, -1, kind="stable")
    y = np.take_along_axis(x, order, -1)
    place = np.arange(y.shape[-1])
    new = np.concatenate([np.ones((*y.shape[:-1], 1), bool), y[..., 1:] != y[..., :-1]], -1)
    count = place - np.maximum.accumulate(np.where(new, place, 0), -1)
    last = np.expand_dims(count.argmax(-1), -1)  # the first of the longest runs, its end
    found = np.moveaxis(np.take_along_axis(order, last, -1), -1, d)
    index = wrap(np.ascontiguousarray(found))
    values = gather(input, d, index)
    return Mode(values, index) if keepdim else Mode(values.squeeze(d), index.squeeze(d))
