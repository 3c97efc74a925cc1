"""Order: sorting, the largest few, the middle, and what is counted by value."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.along import gather
from nnfast.ops.clip import clip
from nnfast.ops.elementwise import where
from nnfast.ops.gather import take
from nnfast.ops.join import stack
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import Result, check_dim, method, op, out
from nnfast.ops.reduce import MinMax, sum
from nnfast.ops.rounding import ceil, floor, round
from nnfast.ops.shape import movedim, reshape
from nnfast.ops.slices import narrow, select
from nnfast.tensor import Tensor, int64, wrap

_FEW = 64  # so many are found without sorting all


class SortAttrs(NamedTuple):
    descending: bool


@op("argsort", attrs=SortAttrs)
def _argsort(input: Operand, descending: bool = False, count: int | None = None) -> Result:
    """The order that sorts the last dimension; equals stay in order, NaN is the largest.

    With a count, the first so many of it.
    """
    if input.ndim == 0:
        fail("argsort", "at least one dimension", "a scalar tensor")
    n = input.shape[-1]
    k = n if count is None else count
    if not 0 <= k <= n:
        fail("argsort", f"a count from 0 to {n}", f"{count}")
    return out((*input.shape[:-1], k), int64, SortAttrs(descending))


@method
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The order that sorts x along dim. Equals stay in order; NaN counts as the largest.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.argsort(nnfast.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    d = check_dim("argsort", dim, input.ndim)
    if input.ndim == 0:
        return wrap(np.zeros((), int64))
    return _along_last(input, d, bool(descending))


def _along_last(input: Tensor, d: int, descending: bool, count: int | None = None) -> Tensor:
    if d == input.ndim - 1:
        y: Tensor = _argsort(input, descending, count)
        return y
    return movedim(_argsort(movedim(input, d, -1), descending, count), -1, d)


@method
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> MinMax:
    """x sorted along dim, and the order that sorts it: (values, indices). See `argsort`.

    Shapes: any, the same out, twice; indices of int64. Any dtype.

    >>> import nnfast
    >>> nnfast.sort(nnfast.tensor([3.0, 1.0, 2.0])).values
    tensor([1., 2., 3.])
    """
    indices = argsort(input, dim, descending)
    return MinMax(gather(input, dim, indices), indices)


@method
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> MinMax:
    """The k largest (smallest) along dim, in order, and where they stand: (values, indices).

    Shapes: (*) -> twice (*) with k in the place of the size of dim. Any dtype.

    >>> import nnfast
    >>> nnfast.topk(nnfast.tensor([3.0, 1.0, 2.0]), 2).indices
    tensor([0, 2])
    """
    d = check_dim("topk", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 0 <= k <= n:
        fail("topk", f"k from 0 to {n}", f"k={k}", input=input)
    if 4 * k > n or k > _FEW:
        indices = argsort(input, d, largest)
        indices = narrow(indices, d, 0, k) if input.ndim else indices
    else:
        indices = _along_last(input, d, bool(largest), k)
    return MinMax(gather(input, d, indices), indices)


@method
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> MinMax:
    """The k-th smallest along dim, from 1, and where it stands: (values, indices).

    Shapes: (*) -> twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.kthvalue(nnfast.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    d = check_dim("kthvalue", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 1 <= k <= n:
        fail("kthvalue", f"k from 1 to {n}", f"k={k}", input=input)
    return _chosen(input, argsort(input, d), d, k - 1, keepdim)


def _chosen(input: Tensor, order: Tensor, d: int, place: int, keepdim: bool) -> MinMax:
    indices = narrow(order, d, place, 1) if input.ndim else order
    values = gather(input, d, indices)
    if keepdim or not input.ndim:
        return MinMax(values, indices)
    return MinMax(select(values, d, 0), select(indices, d, 0))


@method
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element of all (the lower of two), or (values, indices) along dim; NaN if any is.

    Shapes: (*) -> a scalar; or twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.median(nnfast.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        return median(reshape(input, -1), 0).values
    d = check_dim("median", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if n == 0:
        fail("median", "at least one element along dim", "none", input=input)
    order = argsort(input, d)
    middle, last = (_chosen(input, order, d, i, keepdim) for i in ((n - 1) // 2, n - 1))
    if input.dtype.kind != "f":
        return middle
    nan = last.values != last.values
    return MinMax(where(nan, last.values, middle.values), where(nan, last.indices, middle.indices))


@method
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which a part q of the elements lies, along dim (of all if None).

    Between two elements: "linear", "lower", "higher", "nearest" or "midpoint". A vector q gives a
    new first dimension. NaN if any element is.

    Shapes: (*) -> a scalar, or (*) without dim; with q of (Q,) that with Q in front. Floats.

    >>> import nnfast
    >>> nnfast.quantile(nnfast.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
    tensor(2.5)
    """
    if dim is None:
        y = quantile(reshape(input, -1), q, 0, interpolation=interpolation)
        return reshape(y, (*y.shape, *[1] * input.ndim)) if keepdim else y
    d = check_dim("quantile", dim, input.ndim)
    parts = _parts("quantile", input, q)
    x = sort(reshape(input, 1) if input.ndim == 0 else input, d).values
    at = parts * (x.shape[d] - 1)
    low, high, weight = _neighbours(at, interpolation)
    a, b = (take(x, wrap(np.atleast_1d(i)), d) for i in (low, high))
    w = wrap(np.atleast_1d(weight).astype(x.dtype).reshape(-1, *[1] * (x.ndim - d - 1)))
    y = where(a == b, a, a + (b - a) * w)  # inf - inf is no number
    top = narrow(x, d, x.shape[d] - 1, 1)
    y = movedim(where(top != top, top, y), d, 0)
    if keepdim and input.ndim:
        y = reshape(y, (y.shape[0], *(1 if k == d else n for k, n in enumerate(x.shape))))
    return y if parts.ndim else select(y, 0, 0)


def _parts(where_: str, input: Tensor, q: Any) -> np.ndarray:
    """q as numbers from 0 to 1; raises unless the input has floats."""
    parts = np.asarray(q._values() if isinstance(q, Tensor) else q, np.float64)
    if parts.ndim > 1 or not ((parts >= 0) & (parts <= 1)).all():
        fail(where_, "q from 0 to 1, a number or a vector", f"{q!r}")
    if input.dtype.kind != "f" or 0 in input.shape:
        fail(where_, "floats, at least one", "others", input=input)
    return parts


def _neighbours(at: np.ndarray, interpolation: str) -> tuple[Any, Any, Any]:
    """The elements on both sides, and the weight of the upper one."""
    low, high = np.floor(at).astype(np.int64), np.ceil(at).astype(np.int64)
    weights = {
        "linear": at - low,
        "lower": np.zeros_like(at),
        "higher": np.ones_like(at),
        "nearest": np.round(at) - low,
        "midpoint": np.where(high > low, 0.5, 0.0),
    }
    if interpolation not in weights:
        fail("quantile", f"one of {', '.join(weights)}", repr(interpolation))
    return low, high, weights[interpolation]


def _last(sorted_: Tensor, d: int) -> Tensor:
    """The place of the last number along d, before the NaN, as float; 0 if there is none."""
    count = sum(sorted_ == sorted_, d, True, dtype=sorted_.dtype)
    return clip(count - 1, 0)


@method
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is a number; NaN if nothing is.

    Shapes: (*) -> a scalar; or twice (*) without dim, or with 1 there if keepdim. Any dtype.

    >>> import nnfast
    >>> nnfast.nanmedian(nnfast.tensor([4.0, 1.0, float("nan"), 3.0]))
    tensor(3.)
    """
    if dim is None:
        return nanmedian(reshape(input, -1), 0).values
    if input.dtype.kind != "f" or 0 in input.shape:
        return median(input, dim, keepdim)
    d = check_dim("nanmedian", dim, input.ndim)
    x = input if input.ndim else reshape(input, 1)
    order = argsort(x, d)
    middle = floor(_last(gather(x, d, order), d) * 0.5).to(int64)
    indices = gather(order, d, middle)
    found = MinMax(gather(x, d, indices), indices)
    return found if keepdim and input.ndim else MinMax(*(select(y, d, 0) for y in found))


@method
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """`quantile` of what is a number; NaN if nothing is.

    Shapes: (*) -> a scalar, or (*) without dim; with q of (Q,) that with Q in front. Floats.

    >>> import nnfast
    >>> nnfast.nanquantile(nnfast.tensor([1.0, 2.0, float("nan"), 4.0]), 0.5)
    tensor(2.)
    """
    if dim is None:
        y = nanquantile(reshape(input, -1), q, 0, interpolation=interpolation)
        return reshape(y, (*y.shape, *[1] * input.ndim)) if keepdim else y
    d = check_dim("nanquantile", dim, input.ndim)
    parts = _parts("nanquantile", input, q)
    x = sort(reshape(input, 1) if input.ndim == 0 else input, d).values
    last = _last(x, d)
    found = []
    for part in np.atleast_1d(parts):
        at = last * float(part)
        low, high = floor(at), ceil(at)
        weight = {
            "linear": at - low,
            "lower": 0.0,
            "higher": 1.0,
            "nearest": round(at) - low,
            "midpoint": 0.5,
        }
        if interpolation not in weight:
            fail("nanquantile", f"one of {', '.join(weight)}", repr(interpolation))
        a, b = (gather(x, d, i.to(int64)) for i in (low, high))
        found.append(where(a == b, a, a + (b - a) * weight[interpolation]))
    if not keepdim or input.ndim == 0:
        found = [select(y, d, 0) for y in found]
    return stack(found, 0) if parts.ndim else found[0]


# ---- by value -------------------------------------------------------------------------------


@method
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values (or slices along dim), in order; and where each went, and how many.

    Shapes: (*) -> (n,), or (*, n, *) along dim; inverse (*) or (N,), counts (n,). Any dtype.

    >>> import nnfast
    >>> nnfast.unique(nnfast.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    values = input.detach()._values()
    dim = dim if dim is None else check_dim("unique", dim, input.ndim)
    if dim is not None and input.ndim == 0:
        fail("unique", "dimensions, or dim=None", "a scalar")
    found, inverse, counts = np.unique(
        values, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    shape = input.shape if dim is None else (-1,)
    more = [wrap(inverse.reshape(shape))] * return_inverse + [wrap(counts)] * return_counts
    return (wrap(found), *more) if more else wrap(found)


@method
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs in a vector; or the sums of their weights.

    Shapes: (N,) -> (max(largest + 1, minlength),). Integers of at least 0; int64 out, float32 or
    float64 with weights (N,).

    >>> import nnfast
    >>> nnfast.bincount(nnfast.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    x = input._values()
    if x.ndim != 1 or x.dtype.kind not in "iu" or x.min(initial=0) < 0:
        fail("bincount", "a vector of integers >= 0", "another", input=input)
    if minlength < 0:
        fail("bincount", "minlength >= 0", f"{minlength}")
    if weights is None:
        return wrap(np.bincount(x, minlength=minlength))
    w = weights.detach()._values()
    if w.shape != x.shape:
        fail("bincount", f"weights of shape {x.shape}", f"shape {w.shape}")
    return wrap(np.bincount(x, w, minlength).astype(np.result_type(w.dtype, np.float32)))


@method
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts from min to max (both 0: of x itself).

    Shapes: any -> (bins,). Floats.

    >>> import nnfast
    >>> nnfast.histc(nnfast.tensor([0.0, 1.0, 4.0]), 2, 0, 4)
    tensor([2., 1.])
    """
    x = input.detach()._values()
    if x.dtype.kind != "f":
        fail("histc", "floats", str(x.dtype), "convert with x.float().", DTypeError)
    if bins <= 0 or max < min:
        fail("histc", "bins > 0 and max >= min", f"bins={bins}, min={min}, max={max}")
    low, high = (min, max) if min != max else (x.min(initial=np.inf), x.max(initial=-np.inf))
    if x.size == 0:
        return wrap(np.zeros(bins, x.dtype))
    if not (np.isfinite(low) and np.isfinite(high)):
        fail("histc", "finite elements, or min and max", f"{low} to {high}")
    return wrap(np.histogram(x, bins, (low, high))[0].astype(x.dtype))


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value belongs in a sorted vector (or row): the first place, or the last (right).

    `sorter`: the order in which the sequence is sorted, as `argsort` gives it.

    Shapes: sorted_sequence (*, S), input (*, V), or (S,) and any -> that of input, of int64.

    >>> import nnfast
    >>> nnfast.searchsorted(nnfast.tensor([1.0, 3.0, 5.0]), nnfast.tensor([3.0, 4.0]))
    tensor([1, 2])
    """
    s, x = (as_tensor(v, "searchsorted")._values() for v in (sorted_sequence, input))
    if side not in (None, "left", "right"):
        fail("searchsorted", "side 'left' or 'right'", repr(side))
    where_to: Any = "right" if right or side == "right" else "left"
    dtype = np.int32 if out_int32 else np.int64
    if sorter is not None:
        s = np.take_along_axis(s, as_tensor(sorter, "searchsorted")._values(), -1)
    if s.ndim <= 1:
        return wrap(np.asarray(np.searchsorted(s, x, where_to), dtype))
    if x.shape[:-1] != s.shape[:-1]:
        fail("searchsorted", f"values of leading shape {s.shape[:-1]}", f"shape {x.shape}")
    rows = zip(s.reshape(-1, s.shape[-1]), x.reshape(-1, x.shape[-1]), strict=True)
    found = [np.searchsorted(a, v, where_to) for a, v in rows]
    return wrap(np.array(found, dtype).reshape(x.shape))


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the interval between `boundaries` that each value lies in.

    Shapes: input (*), boundaries (B,) -> (*), of int64. Any dtype.

    >>> import nnfast
    >>> nnfast.bucketize(nnfast.tensor([2.0, 5.0]), nnfast.tensor([1.0, 3.0, 5.0]))
    tensor([1, 2])
    """
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
