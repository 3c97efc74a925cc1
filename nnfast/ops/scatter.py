"""Writing to chosen elements: as new tensors, and in place.

Where several values go to one place, the last one stays, or they are added in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, fail
from nnfast.graph.mode import MODE, no_grad, tracing
from nnfast.ops.along import scatter_, scattered
from nnfast.ops.elementwise import broadcast_shapes, cast, where
from nnfast.ops.index import along_one, as_mask, getitem, is_basic
from nnfast.ops.inplace import change, write, written
from nnfast.ops.operands import as_tensor, integers
from nnfast.ops.record import check_dim, method, methods
from nnfast.ops.shape import expand, reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import KERNEL_DTYPES, Tensor, bool_, int64, wrap


def put(input: Tensor, at: Tensor, values: Any, accumulate: bool = False) -> Tensor:
    """input with values at the elements whose numbers (in C order) are in `at`."""
    src = _values(values, at, input)
    return scattered(input, 0, reshape(at, -1), src, accumulate, max(input.ndim, 1))


def _values(values: Any, at: Tensor, input: Tensor) -> Tensor:
    """One value for each of `at`, as a vector of the input's dtype."""
    v = _like(values if isinstance(values, Tensor) else wrap(np.asarray(values)), input)
    return expand(v, (at.array.size,)) if v.ndim == 0 else reshape(expand(v, at.shape), -1)


def _like(y: Tensor, input: Tensor) -> Tensor:
    return y if y.dtype == input.dtype else cast(y, input.dtype)


# ---- x[index] = values ----------------------------------------------------------------------


def __setitem__(input: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place; value is broadcast to the shape of x[index].

    >>> import nnfast
    >>> x = nnfast.zeros(3)
    >>> x[1:] = nnfast.tensor([1.0, 2.0])
    >>> x
    tensor([0., 1., 2.])
    """
    v = as_tensor(value, "setitem")
    if tracing() is None and not (MODE.grad and (input.requires_grad or v.requires_grad)):
        return _assign(input, index, v)
    if (trace := tracing()) is not None and is_basic(index) and trace.is_outside(input):
        with no_grad():
            if trace.is_there(getitem(input, index), v):  # x[0] += 1 has done it
                return
    change("setitem", input, lambda x: _put_at("setitem", x, index, v, False))


methods(__setitem__=__setitem__)


def _assign(input: Tensor, index: Any, value: Tensor) -> None:
    """Straight into the memory of the elements."""
    if is_basic(index):
        part = getitem(input.detach(), index)
        write("setitem", part, _broadcast("setitem", _a_row(value, part), part.shape).array)
    elif _numbers_alone(index) and input.dtype in KERNEL_DTYPES and input.array.flags.carray:
        written("setitem", input)
        x, d, at, v, joined = _slices("setitem", input, _parts(index), value)
        at, v = (_apart(t, input) for t in (at, v))
        scatter_(v, at, x, d, x.shape, False, joined)
    else:
        at = _positions(input, index)
        written("setitem", input)
        np.put(input.array, at.array, _broadcast("setitem", value, at.shape).array)
    input._version += 1


def _apart(t: Tensor, written: Tensor) -> Tensor:
    """t, copied if it may lie in memory that is written to."""
    return wrap(t.array.copy()) if np.may_share_memory(t.array, written.array) else t


def _a_row(value: Tensor, part: Tensor) -> Tensor:
    """One value as often as a row of `part` has elements: rows are copied faster."""
    n = part.shape[-1] if part.ndim else 0
    return wrap(np.full(n, value.array, part.dtype)) if value.ndim == 0 and n > 1 else value


def _parts(index: Any) -> tuple[Any, ...]:
    return index if type(index) is tuple else (index,)


def _numbers_alone(index: Any) -> bool:
    """Whether all parts of an index are tensors of integers."""
    parts = _parts(index)
    return bool(parts) and all(isinstance(p, Tensor) and p.dtype == int64 and p.ndim for p in parts)


def _positions(input: Tensor, index: Any) -> Tensor:
    """The numbers of the elements of x[index]."""
    return getitem(wrap(np.arange(input.array.size).reshape(input.shape)), index)


def _put_at(name: str, input: Tensor, index: Any, value: Tensor, accumulate: bool) -> Tensor:
    if _numbers_alone(index):
        x, d, at, v, joined = _slices(name, input, _parts(index), value)
        return scattered(x, d, at, v, accumulate, joined)
    at = _positions(input, index)
    v = value if value.ndim == 0 else _broadcast(name, value, at.shape)
    return put(input, at, v, accumulate)


def _slices(
    name: str, input: Tensor, index: Any, value: Tensor
) -> tuple[Tensor, int, Tensor, Tensor, int]:
    """Values for the slices of the first dimensions that tensors of numbers choose.

    What scatter wants: x, the dimension, the numbers, the values, how many dimensions are joined.
    """
    x, numbers, _ = along_one(input, index)
    v = _like(_broadcast(name, value, (*numbers.shape, *x.shape[1:])), input)
    count = numbers.array.size
    if numbers.ndim > 1:
        v = reshape(v, (count, *x.shape[1:]))
    at = expand(reshape(numbers, (count, *[1] * (x.ndim - 1))), v.shape)
    return input, 0, at, v, len(index)


def _broadcast(name: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Values for a part of that shape; leading dimensions of size 1 may be more."""
    lead = value.ndim - len(shape)
    if lead > 0 and value.shape[:lead] == (1,) * lead:
        value = reshape(value, value.shape[lead:])
    if value.ndim > len(shape) or broadcast_shapes(name, value.shape, shape) != shape:
        raise ArgumentError(
            name, f"expected values that broadcast to shape {shape}, got shape {value.shape}."
        )
    return expand(value, shape)


@method
def index_put(
    input: Tensor, indices: tuple[Any, ...], values: Any, accumulate: bool = False
) -> Tensor:
    """A copy of x with x[indices] = values, or x[indices] += values, repeated places included.

    Shapes: input (*), values that broadcast to that of input[indices] -> (*). Any dtype.

    >>> import nnfast
    >>> i = nnfast.tensor([0, 0, 2])
    >>> nnfast.index_put(nnfast.zeros(3), (i,), nnfast.tensor(1.0), accumulate=True)
    tensor([2., 0., 1.])
    """
    v = as_tensor(values, "index_put")
    return _put_at("index_put", input, tuple(indices), v, accumulate)


# ---- along one dimension --------------------------------------------------------------------


@method
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any, *, reduce: str | None = None
) -> Tensor:
    """A copy of x with y[i, index[i, j, k], k] = src[i, j, k] for dim = 1, likewise for others.

    src is a tensor at least as large as index, or a number. reduce="add" adds instead,
    "multiply" multiplies.

    Shapes: input and index of as many dimensions, src of index's sizes at least -> that of input.

    >>> import nnfast
    >>> nnfast.scatter(nnfast.zeros(2, 3), 1, nnfast.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if reduce not in (None, "add", "multiply"):
        fail("scatter", "reduce None, 'add' or 'multiply'", repr(reduce))
    if reduce == "multiply":
        from nnfast.ops.scatter_reduce import scatter_reduce

        each = src if isinstance(src, Tensor) else as_tensor(src, "scatter").to(input.dtype)
        return scatter_reduce(input, dim, index, expand(each, index.shape) if each.ndim == 0
                              else each, "prod")  # fmt: skip
    return _scatter("scatter", input, dim, index, src, reduce == "add")


@method
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of x with y[i, index[i, j, k], k] += src[i, j, k] for dim = 1, likewise for others.

    Shapes: input and index of as many dimensions, src of index's sizes at least -> that of input.

    >>> import nnfast
    >>> i = nnfast.tensor([0, 0, 2])
    >>> nnfast.scatter_add(nnfast.zeros(3), 0, i, nnfast.ones(3))
    tensor([2., 0., 1.])
    """
    return _scatter("scatter_add", input, dim, index, src, True)


def _scatter(where: str, input: Tensor, dim: int, index: Any, src: Any, add: bool) -> Tensor:
    i = integers(index, where, "index")
    if input.ndim + i.ndim == 1:  # one of them is a scalar: a vector of one element
        part = reshape(src, -1) if isinstance(src, Tensor) else src
        y = _scatter(where, reshape(input, -1), dim, reshape(i, -1), part, add)
        return reshape(y, input.shape)
    if isinstance(src, int | float):
        part = expand(wrap(np.asarray(src, input.dtype)), i.shape)
        return scattered(input, dim, i, part, add)
    if src.ndim != i.ndim or any(m > n for m, n in zip(i.shape, src.shape, strict=True)):
        fail(where, f"a src at least as large as index {i.shape}", f"shape {src.shape}")
    for d, n in enumerate(i.shape):
        if src.shape[d] > n:
            src = narrow(src, d, 0, n)
    return scattered(input, dim, i, src, add)


def _rows(
    where: str, input: Tensor, dim: int, index: Any, source: Any = None
) -> tuple[Tensor, int]:
    """The numbers of slices, which a source must have one for each of, repeated over these."""
    i = integers(index, where, "index")
    d = check_dim(where, dim, input.ndim)
    if input.ndim == 0:
        fail(where, "a source of shape (), as the input", f"shape {source.shape}")
    if i.ndim > 1:
        fail(where, "a vector as index of slices", f"shape {i.shape}", input=input)
    i = reshape(i, -1)
    shape = (*input.shape[:d], i.shape[0], *input.shape[d + 1 :])
    if source is not None and source.shape != shape:
        fail(where, f"a source of shape {shape}", f"shape {source.shape}")
    return expand(reshape(i, (-1, *[1] * (input.ndim - d - 1))), shape), d


@method
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A copy of x with alpha source[j] added to slice index[j] of a dimension.

    Shapes: input (*, N, *), index (n,), source (*, n, *) -> that of input. A scalar has one
    slice.

    >>> import nnfast
    >>> i = nnfast.tensor([1, 1])
    >>> nnfast.index_add(nnfast.zeros(3), 0, i, nnfast.ones(2))
    tensor([0., 2., 0.])
    """
    if input.ndim == 0 == source.ndim:
        one = index_add(reshape(input, 1), dim, index, reshape(source, 1), alpha=alpha)
        return reshape(one, ())
    i, d = _rows("index_add", input, dim, index, source)
    return scattered(input, d, i, source if alpha == 1 else source * alpha, True)


@method
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of x with source[j] as slice index[j] of a dimension.

    Shapes: input (*, N, *), index (n,), source (*, n, *) -> that of input.

    >>> import nnfast
    >>> nnfast.index_copy(nnfast.zeros(3), 0, nnfast.tensor([2, 0]), nnfast.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    if source.ndim == 0:
        source = reshape(source, 1)
    if input.ndim == 0:
        return reshape(index_copy(reshape(input, 1), dim, index, source), ())
    i, d = _rows("index_copy", input, dim, index, source)
    return scattered(input, d, i, source, False)


@method
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of x with one value in the slices `index` of a dimension.

    Shapes: input (*, N, *), index (n,), value a number or scalar -> that of input. Any dtype.

    >>> import nnfast
    >>> nnfast.index_fill(nnfast.zeros(2, 3), 1, nnfast.tensor([0, 2]), 7)
    tensor([[7., 0., 7.],
            [7., 0., 7.]])
    """
    if input.ndim == 0:
        return reshape(index_fill(reshape(input, 1), dim, index, value), ())
    name = "index_fill"
    _, d = _rows(name, input, dim, index)
    v = as_tensor(value, name)
    if v.ndim:
        fail(name, "one value", f"shape {v.shape}")
    i = reshape(integers(index, name, "index"), -1)
    chosen = wrap(np.broadcast_to(np.ones((), bool_), i.shape))
    hit = scattered(wrap(np.zeros(input.shape[d], bool_)), 0, i, chosen, False)
    return _like(
        where(reshape(hit, (-1, *[1] * (input.ndim - d - 1))), _like(v, input), input), input
    )


# ---- by mask --------------------------------------------------------------------------------


@method
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy of x with one value where mask is true; both are broadcast together.

    Shapes: two that broadcast to that of the result; value a number or scalar. Any dtype; mask of
    bool.

    >>> import nnfast
    >>> x = nnfast.tensor([1.0, 2.0, 3.0])
    >>> nnfast.masked_fill(x, x > 1, 0)
    tensor([1., 0., 0.])
    """
    if isinstance(value, Tensor) and value.ndim > 0:
        fail("masked_fill", "one value", f"shape {value.shape}", "use where.")
    return _like(where(as_mask("masked_fill", mask), value, input), input)


@method
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of x with the first elements of source, in order, where mask is true.

    Shapes: two that broadcast to that of the result; source has an element for each true one.

    >>> import nnfast
    >>> x = nnfast.zeros(3)
    >>> nnfast.masked_scatter(x, nnfast.tensor([True, False, True]), nnfast.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    mask = as_mask("masked_scatter", mask)
    shape = broadcast_shapes("masked_scatter", input.shape, mask.shape)
    input, m = expand(input, shape), expand(mask, shape)
    at = _positions(input, m)
    n = at.shape[0]
    if source.array.size < n:
        fail("masked_scatter", f"a source of at least {n} elements", f"{source.array.size}")
    return put(input, at, narrow(reshape(source, -1), 0, 0, n))
