"""Writing to chosen elements: as new tensors, and in place.

Where several values go to one place, the last one stays, or they are added in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, fail
from nnfast.graph.mode import MODE, tracing
from nnfast.graph.trace import on_values
from nnfast.ops.elementwise import broadcast_shapes, cast, where
from nnfast.ops.gather import check_range, take, take_backward
from nnfast.ops.index import as_mask, flat_numbers, getitem, is_basic
from nnfast.ops.inplace import change, write, written
from nnfast.ops.operands import IntTensor, as_tensor, integers
from nnfast.ops.record import Result, check_dim, method, methods, op, out
from nnfast.ops.shape import clone, expand, reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor, int64, wrap


@op("last_writer")
def last_writer(index: IntTensor, size: int) -> Result:
    """y[k], k < size: the last i with index[i] = k, -1 if there is none.

    >>> import nnfast
    >>> from nnfast.ops.scatter import last_writer
    >>> last_writer(nnfast.tensor([2, 0, 2]), 4)
    tensor([ 1, -1,  2, -1])
    """
    return out((size,), int64)


def put(input: Tensor, at: Tensor, values: Any, accumulate: bool = False) -> Tensor:
    """input with values at the elements whose numbers (in C order) are in `at`."""
    if accumulate:
        added = take_backward(_values(values, at, input), reshape(at, -1), input.array.size)
        return _like(input + reshape(added, input.shape), input)
    if at.array.size == 0:
        return clone(input)
    writer = last_writer(reshape(at, -1), input.array.size)
    hit = reshape(writer >= 0, input.shape)
    if not isinstance(values, Tensor) or values.ndim == 0:
        return _like(where(hit, values, input), input)
    new = take(_values(values, at, input), where(writer >= 0, writer, 0))
    return _like(where(hit, reshape(new, input.shape), input), input)


def _values(values: Any, at: Tensor, input: Tensor) -> Tensor:
    """One value for each of `at`, as a vector of the input's dtype."""
    given = values if isinstance(values, Tensor) else wrap(np.asarray(values, input.dtype))
    return reshape(expand(_like(given, input), at.shape), -1)


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
    change("setitem", input, lambda x: _put_at("setitem", x, index, v, False))


methods(__setitem__=__setitem__)


def _assign(input: Tensor, index: Any, value: Tensor) -> None:
    """Straight into the memory of the elements."""
    if is_basic(index):
        part = getitem(input.detach(), index)
        write("setitem", part, _broadcast("setitem", value, part.shape).array)
    else:
        at = _positions(input, index)
        written("setitem", input)
        np.put(input.array, at.array, _broadcast("setitem", value, at.shape).array)
    input._version += 1


def _positions(input: Tensor, index: Any) -> Tensor:
    """The numbers of the elements of x[index]."""
    return getitem(wrap(np.arange(input.array.size).reshape(input.shape)), index)


def _put_at(name: str, input: Tensor, index: Any, value: Tensor, accumulate: bool) -> Tensor:
    at = _positions(input, index)
    v = value if value.ndim == 0 else _broadcast(name, value, at.shape)
    return put(input, at, v, accumulate)


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

    >>> import nnfast
    >>> i = nnfast.tensor([0, 0, 2])
    >>> nnfast.scatter_add(nnfast.zeros(3), 0, i, nnfast.ones(3))
    tensor([2., 0., 1.])
    """
    return _scatter("scatter_add", input, dim, index, src, True)


def _scatter(where: str, input: Tensor, dim: int, index: Any, src: Any, add: bool) -> Tensor:
    i = integers(index, where, "index")
    at = flat_numbers(where, input.shape, dim, i)
    if isinstance(src, int | float):
        return put(input, at, src, add)
    if src.ndim != i.ndim or any(m > n for m, n in zip(i.shape, src.shape, strict=True)):
        fail(where, f"a src at least as large as index {i.shape}", f"shape {src.shape}")
    for d, n in enumerate(i.shape):
        src = narrow(src, d, 0, n)
    return put(input, at, src, add)


def _rows(
    where: str, input: Tensor, dim: int, index: Any, source: Any = None
) -> tuple[Tensor, int]:
    """The numbers of slices, which a source must have one for each of, and their dimension."""
    i = integers(index, where, "index")
    d = check_dim(where, dim, input.ndim)
    if i.ndim > 1 or input.ndim == 0:
        fail(where, "a vector as index of slices", f"shape {i.shape}", input=input)
    i = reshape(i, -1)
    shape = (*input.shape[:d], i.shape[0], *input.shape[d + 1 :])
    if source is not None and source.shape != shape:
        fail(where, f"a source of shape {shape}", f"shape {source.shape}")
    n = input.shape[d]  # the check outlives the trace, so it must not hold a tensor
    on_values(i, lambda numbers: check_range(where, numbers, 0, n))
    return i, d


@method
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A copy of x with alpha source[j] added to slice index[j] of a dimension.

    >>> import nnfast
    >>> i = nnfast.tensor([1, 1])
    >>> nnfast.index_add(nnfast.zeros(3), 0, i, nnfast.ones(2))
    tensor([0., 2., 0.])
    """
    i, d = _rows("index_add", input, dim, index, source)
    part = source if alpha == 1 else source * alpha
    return _like(input + take_backward(_like(part, input), i, input.shape[d], d), input)


@method
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of x with source[j] as slice index[j] of a dimension."""
    i, d = _rows("index_copy", input, dim, index, source)
    if i.array.size == 0:
        return clone(input)
    writer = last_writer(i, input.shape[d])
    new = take(_like(source, input), where(writer >= 0, writer, 0), d)
    return _like(where(_along(writer >= 0, input, d), new, input), input)


@method
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of x with one value in the slices `index` of a dimension."""
    i, d = _rows("index_fill", input, dim, index)
    hit = _along(last_writer(i, input.shape[d]) >= 0, input, d)
    return _like(where(hit, value, input), input)


def _along(hit: Tensor, input: Tensor, d: int) -> Tensor:
    """One truth for each slice of dimension d."""
    return reshape(hit, (input.shape[d], *[1] * (input.ndim - d - 1)))


# ---- by mask --------------------------------------------------------------------------------


@method
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy of x with one value where mask is true; both are broadcast together.

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

    >>> import nnfast
    >>> x = nnfast.zeros(3)
    >>> nnfast.masked_scatter(x, nnfast.tensor([True, False, True]), nnfast.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    m = expand(as_mask("masked_scatter", mask), input.shape)
    at = _positions(input, m)
    n = at.shape[0]
    if source.array.size < n:
        fail("masked_scatter", f"a source of at least {n} elements", f"{source.array.size}")
    return put(input, at, narrow(reshape(source, -1), 0, 0, n))
