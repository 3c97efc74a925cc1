"""Indexing by tensors: x[...] with integers and masks, gather, scatter and their kin.

Every index becomes numbers along one dimension, and `take` or `gather` does the rest; so all of it
has gradients of any order and runs in a plan. Masks alone need their values: their number of
elements is a shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.mode import tracing
from nnfast.graph.trace import on_values, seen_below
from nnfast.ops.along import gather, scattered_zeros
from nnfast.ops.elementwise import broadcast_shape, broadcast_shapes, cast
from nnfast.ops.elementwise import where as _where
from nnfast.ops.gather import check_range, take
from nnfast.ops.operands import as_tensor, integers
from nnfast.ops.record import check_dim, method, methods
from nnfast.ops.shape import expand, permute, reshape
from nnfast.ops.slices import NumberError, _getitem, narrow, select
from nnfast.tensor import Tensor, as_array, bool_, float32, int64, wrap

_BASIC = (int, slice, type(None), type(Ellipsis))
_ENDS = (int, type(None))  # of a slice
_NUMBERS = (int, float)


# ---- x[index] -------------------------------------------------------------------------------


def getitem(input: Tensor, index: Any) -> Tensor:
    """x[index] with PyTorch's rules: numbers, slices, None, ... give a view.

    Tensors, arrays and lists of integers, or masks, give a copy: they are broadcast together, and
    their dimensions stand where theirs were, or in front if others are between them. Negative
    numbers count from the end.

    Errors: a number out of range, a mask of another shape.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x[:, 1]
    tensor([2., 4.])
    >>> x[[1, 0], [0, 1]]
    tensor([3., 2.])
    >>> x[x > 2]
    tensor([3., 4.])
    """
    if is_basic(index):
        parts = index if type(index) is tuple else (index,)
        if parts and parts[0] is Ellipsis:
            parts = (slice(None),) * (input.ndim - len(parts) + 1) + parts[1:]
        if (cut := _one_cut(parts)) >= 0 and len(parts) <= input.ndim:
            if type(parts[cut]) is int:
                return select(input, cut, parts[cut])
            start, stop, _ = parts[cut].indices(input.shape[cut])
            return narrow(input, cut, start, max(stop - start, 0))
        return _getitem(input, index)
    if isinstance(index, Tensor) and index.ndim and index.dtype == int64 and input.ndim:
        return take(input, _counted("getitem", index, input.shape[0]))
    if _is_mask(index) and index.ndim and index.shape == input.shape[: index.ndim]:
        return take(*_of_mask(input, index))
    if type(index) is tuple and (first := _side_by_side(input, index)) >= 0:
        return take(*along_one(input, [p for p in index if isinstance(p, Tensor)], first))
    return _by_tensors(input, index)


methods(__getitem__=getitem)


def is_basic(index: Any) -> bool:
    """Whether x[index] is a view."""
    if type(index) is not tuple:
        return type(index) in _BASIC
    return all(type(p) in _BASIC for p in index)


def _one_cut(parts: tuple[Any, ...]) -> int:
    """The only dimension that is cut, by a slice without a step or, where others stand before it,
    by a number; -1 of any other index.

    `narrow` and `select` remember their answers; slices cannot be compared as fast.
    """
    cut = -1
    for d, p in enumerate(parts):
        if type(p) is int and d:
            if cut >= 0:
                return -1
            cut = d
        elif type(p) is not slice or p.step is not None:
            return -1
        elif p.start is not None or p.stop is not None:
            if cut >= 0 or type(p.start) not in _ENDS or type(p.stop) not in _ENDS:
                return -1
            cut = d
    return cut


def _of_mask(input: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """x with the dimensions of the mask joined, and where the mask is true in them."""
    numbers = np.flatnonzero(mask._values())
    if mask.ndim == 1:
        return input, wrap(numbers)
    return reshape(input, (mask.array.size, *input.shape[mask.ndim :])), wrap(numbers)


def _side_by_side(input: Tensor, index: tuple[Any, ...]) -> int:
    """The first dimension of numbers, where all others are taken whole; -1 if it is not so."""
    numbers = [
        d for d, p in enumerate(index) if isinstance(p, Tensor) and p.dtype == int64 and p.ndim
    ]
    whole = sum(type(p) is slice and p == slice(None) for p in index)
    plain = numbers and len(index) <= input.ndim and len(numbers) + whole == len(index)
    return numbers[0] if plain and numbers[-1] - numbers[0] < len(numbers) else -1


def _by_tensors(input: Tensor, index: Any) -> Tensor:
    basic, chosen = _parted(input, index if type(index) is tuple else (index,))
    x = input if all(p == slice(None) for p in basic) else _getitem(input, tuple(basic))
    if not chosen:
        return x
    dims = [d for d, _ in chosen]
    first = dims[0]
    if dims != list(range(first, first + len(dims))):
        x = permute(x, (*dims, *(d for d in range(x.ndim) if d not in dims)))
        first = 0
    return take(*along_one(x, [i for _, i in chosen], first))


def along_one(x: Tensor, index: Sequence[Tensor], first: int = 0) -> tuple[Tensor, Tensor, int]:
    """x with the dimensions from `first` on that are indexed joined, the numbers, and `first`."""
    try:
        shape = broadcast_shape("getitem", *index)
    except ArgumentError as e:
        raise NumberError("getitem", e.what) from None
    if len(index) > x.ndim:
        got = f"{len(index)} of them"
        raise NumberError("getitem", f"expected an index for shape {x.shape}, got {got}.")
    sizes = x.shape[first : first + len(index)]
    numbers = [_counted("getitem", i, n) for i, n in zip(index, sizes, strict=True)]
    if len(index) == 1:
        return x, numbers[0], first
    number: Any = numbers[0]
    for i, n in zip(numbers[1:], sizes[1:], strict=True):
        number = number * n + i
    joined = reshape(x, (*x.shape[:first], _product(sizes), *x.shape[first + len(index) :]))
    return joined, number if number.shape == shape else expand(number, shape), first


def _parted(input: Tensor, parts: tuple[Any, ...]) -> tuple[list[Any], list[tuple[int, Tensor]]]:
    """A basic index, and integer tensors with the dimensions of its result that they choose of."""
    given = [_understood(p) for p in parts]
    used = sum(p.ndim if _is_mask(p) else p is not None and p is not Ellipsis for p in given)
    left = input.ndim - used
    if left < 0 or sum(p is Ellipsis for p in given) > 1:
        shown = ", ".join("..." if p is Ellipsis else repr(p) for p in parts)
        raise NumberError(
            "getitem", f"expected an index for shape {input.shape}, got [{shown}]: too many parts."
        )
    if not any(p is Ellipsis for p in given):
        given.append(Ellipsis)
    basic: list[Any] = []
    chosen: list[tuple[int, Tensor]] = []
    at = 0  # dimension of the input
    for p in given:
        place = sum(not isinstance(b, int) for b in basic)
        if p is Ellipsis:
            basic += [slice(None)] * left
            at += left
        elif _is_mask(p):
            chosen += [(place + k, i) for k, i in enumerate(_numbers(p, input.shape, at))]
            basic += [slice(None)] * p.ndim if p.ndim else [None]
            at += p.ndim
        else:
            basic.append(slice(None) if isinstance(p, Tensor) else p)
            if isinstance(p, Tensor):
                chosen.append((place, p))
            at += p is not None
    return basic, chosen


def _understood(p: Any) -> Any:
    """A part of an index: a number, slice, None, ..., a tensor of integers or a mask."""
    if type(p) in _BASIC:
        return p
    x = p if isinstance(p, Tensor) else _listed(p)
    if x.dtype == bool_:
        return x
    if x.dtype.kind not in "iu":
        raise NumberError("getitem", f"expected integers or a mask as index, got {x.dtype}.")
    x = integers(x, "getitem", "index")
    return x if x.ndim or tracing() is not None else x.array.item()


def _listed(p: Any) -> Tensor:
    array = np.asarray([i.tolist() if isinstance(i, Tensor) else i for i in p]
                       if isinstance(p, list | range) else p)  # fmt: skip
    if array.size == 0 and array.dtype.kind == "f" and isinstance(p, list):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise NumberError("getitem", f"expected integers, slices or a mask, got {p!r}.")
    return wrap(array)


def _is_mask(p: Any) -> bool:
    return isinstance(p, Tensor) and p.dtype == bool_


def _numbers(mask: Tensor, shape: tuple[int, ...], at: int) -> list[Tensor]:
    """Where a mask is true, one index for each of its dimensions."""
    if mask.shape != shape[at : at + mask.ndim]:
        raise NumberError(
            "getitem",
            f"expected a mask of shape {shape[at : at + mask.ndim]}, got {mask.shape}.",
        )
    values = mask._values()
    return [wrap(i) for i in (_places(values) if mask.ndim else (np.arange(int(values)),))]


def _places(values: np.ndarray) -> list[np.ndarray]:
    """For each dimension, where along it the elements stand that are not 0.

    Divided up from their numbers in the flattened array: many times as fast as NumPy's own.
    """
    rest = np.flatnonzero(values if values.dtype == bool_ else values != 0)
    places = []
    for n in values.shape[:0:-1]:
        whole = rest // n
        places.append(rest - whole * n)
        rest = whole
    return [rest, *reversed(places)]


def _counted(name: str, index: Tensor, n: int) -> Tensor:
    """Numbers from 0 to n - 1 for those from -n; raises for others."""
    if seen_below(index, n):
        return index
    on_values(index, lambda numbers: check_range(name, numbers, -n, n), n)
    if tracing() is not None or (index.array < 0).any():
        return _where(index < 0, index + n, index)
    return index


# ---- numbers along one dimension ------------------------------------------------------------


@method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with the other dimensions broadcast; of the flattened tensor if dim is None.

    Shapes: input and indices that broadcast but for dim -> that of indices. Any dtype.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 5.0], [3.0, 2.0]])
    >>> nnfast.take_along_dim(x, x.argmax(1, keepdim=True), 1)
    tensor([[5.],
            [3.]])
    """
    i = integers(indices, "take_along_dim", "indices")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(i, -1))
    d = check_dim("take_along_dim", dim, input.ndim)
    if i.ndim != input.ndim:
        fail("take_along_dim", f"indices of {input.ndim} dimensions", f"shape {i.shape}")
    if i.shape[:d] + i.shape[d + 1 :] == input.shape[:d] + input.shape[d + 1 :]:
        return gather(input, d, i)
    one = [(*x.shape[:d], 1, *x.shape[d + 1 :]) for x in (input, i)]
    common = broadcast_shapes("take_along_dim", *one)
    wide = [(*common[:d], x.shape[d], *common[d + 1 :]) for x in (input, i)]
    return gather(expand(input, wide[0]), d, expand(i, wide[1]))


@method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where mask is true, as a vector; both are broadcast together.

    Shapes: two that broadcast -> (n,), n the number of true ones. Any dtype; mask of bool.

    >>> import nnfast
    >>> x = nnfast.tensor([1.0, 2.0, 3.0])
    >>> nnfast.masked_select(x, x > 1)
    tensor([2., 3.])
    """
    m = as_mask("masked_select", mask)
    shape = broadcast_shapes("masked_select", input.shape, m.shape)
    return getitem(expand(input, shape), expand(m, shape))


def as_mask(where: str, mask: Any) -> Tensor:
    """A tensor of booleans; raises for others."""
    m = as_tensor(mask, where)
    if m.dtype != bool_:
        fail(where, "a mask of booleans", str(m.dtype), "compare, or use x.bool().", DTypeError)
    return m


@method
def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """Where the elements are that are not 0: a row of numbers for each, or a vector a dimension.

    Shapes: (*) of n elements that are not 0 -> (n, dimensions), or so many vectors (n,). Any dtype.

    >>> import nnfast
    >>> nnfast.nonzero(nnfast.tensor([[1, 0], [0, 5]]))
    tensor([[0, 0],
            [1, 1]])
    """
    values = input._values()
    places = _places(values if values.ndim else values.reshape(1))
    if as_tuple:
        return tuple(map(wrap, places))
    return wrap(np.stack(places, 1) if values.ndim else np.empty((len(places[0]), 0), np.int64))


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """y = input where condition, else other; with a condition alone, `nonzero` as a tuple.

    Shapes: three that broadcast to that of y; a condition (*) of n true elements gives vectors of
    n.

    >>> import nnfast
    >>> x = nnfast.tensor([-1.0, 2.0])
    >>> nnfast.where(x > 0, x, 0)
    tensor([0., 2.])
    >>> nnfast.where(x > 0)
    (tensor([1]),)
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if type(input) in _NUMBERS and type(other) in _NUMBERS:  # the way of tensors is shorter
        dtype = float32 if float in (type(input), type(other)) else int64
        input = wrap(as_array(input, "where").astype(dtype))
    y = _where(as_mask("where", condition), input, other)
    kinds = {np.asarray(x).dtype if isinstance(x, bool) else getattr(x, "dtype", None)
             for x in (input, other)}  # fmt: skip
    return cast(y, bool_) if kinds == {bool_} else y


def _where_of(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The tensor's elements where condition, else those of other; see `where`.

    >>> import nnfast
    >>> x = nnfast.tensor([-1.0, 2.0])
    >>> x.where(x > 0, 0)
    tensor([0., 2.])
    """
    y: Tensor = where(condition, self, other)
    return y


methods(where=_where_of)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the number of the class in a new last dimension, 0 elsewhere; int64.

    num_classes is one more than the largest number if it is -1; then a plan cannot know it.

    Errors: a number below 0 or not below num_classes.

    Shapes: (*) -> (*, num_classes). Integers.

    >>> import nnfast
    >>> nnfast.nn.functional.one_hot(nnfast.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = integers(tensor, "one_hot", "tensor")
    if num_classes == -1:
        if labels.array.size == 0:
            fail("one_hot", "num_classes for no labels", "-1")
        num_classes = int(labels._values().max()) + 1
    if num_classes < 1:
        fail("one_hot", "num_classes > 0", f"{num_classes}")
    on_values(labels, lambda numbers: check_range("one_hot", numbers, 0, num_classes), num_classes)
    shape = (*labels.shape, num_classes)
    one = expand(wrap(np.ones((), int64)), (*labels.shape, 1))
    return scattered_zeros(one, reshape(labels, (*labels.shape, 1)), len(shape) - 1, shape)


argwhere = nonzero
methods(argwhere=nonzero)


def _product(sizes: Sequence[int]) -> int:
    n = 1
    for s in sizes:
        n *= s
    return n
