"""Shape: other views of the same elements, and the gather and scatter that indexing needs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.graph.ir import dense_strides
from nnfast.graph.mode import MODE, tracing
from nnfast.graph.symbol import Symbol
from nnfast.ops.elementwise import sum_to
from nnfast.ops.operands import AnyTensor, Operand
from nnfast.ops.record import Result, check_dim, computed, method, op, out, view
from nnfast.tensor import Tensor

Sizes = int | Sequence[int]


def _sizes(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """(2, 3) and ((2, 3),) alike."""
    return tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args


@op(methods=("reshape", "view"))
def reshape(input: AnyTensor, *shape: Sizes) -> Result:
    """The same elements in another shape; one size may be -1.

    Shares memory with the input where its strides allow.

    >>> import nnfast
    >>> nnfast.reshape(nnfast.zeros(2, 6), 3, -1).shape
    (3, 4)
    """
    new = _resolve(input, _sizes(shape))
    return view(lambda a: a.reshape(new), new, input)


reshape.vjp(input=lambda dy, input_shape: reshape(dy, input_shape))


def _resolve(x: Tensor, shape: tuple[Any, ...]) -> tuple[int, ...]:
    known = 1
    for n in shape:
        if not isinstance(n, int | np.integer) or n < -1:
            fail("reshape", "sizes, one of them -1 at most", repr(shape), input=x)
        known *= 1 if n == -1 else int(n)
    free = sum(n == -1 for n in shape)
    size = x.array.size
    if free > 1 or (free and (known == 0 or size % known)) or (not free and known != size):
        fail("reshape", f"a shape of {size} elements", f"{shape}", input=x)
    return tuple(size // known if n == -1 else int(n) for n in shape)


@method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim joined into one.

    >>> import nnfast
    >>> nnfast.flatten(nnfast.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    first, last = (check_dim("flatten", d, input.ndim) for d in (start_dim, end_dim))
    if first > last:
        fail("flatten", "start_dim before end_dim", f"{start_dim} and {end_dim}", input=input)
    joined = 1
    for n in input.shape[first : last + 1]:
        joined *= n
    return reshape(input, (*input.shape[:first], joined, *input.shape[last + 1 :]))


@method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into `sizes`, one of which may be -1."""
    d = check_dim("unflatten", dim, input.ndim)
    rest = 1
    for n in sizes:
        rest *= 1 if n == -1 else n
    filled = tuple(input.shape[d] // max(rest, 1) if n == -1 else n for n in sizes)
    return reshape(input, (*input.shape[:d], *filled, *input.shape[d + 1 :]))


@method
def squeeze(input: Tensor, dim: int | None = None) -> Tensor:
    """Without dimensions of size 1: all of them, or `dim` if its size is 1."""
    d = None if dim is None else check_dim("squeeze", dim, input.ndim)
    keep = tuple(n for i, n in enumerate(input.shape) if n != 1 or (d is not None and i != d))
    return reshape(input, keep)


@method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    d = check_dim("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:d], 1, *input.shape[d:]))


@op(methods=("expand", "broadcast_to"))
def expand(input: AnyTensor, *shape: Sizes) -> Result:
    """Dimensions of size 1, and new ones in front, repeated to `shape`, without copying.

    -1 keeps a size. The result shares memory: do not write to it.

    >>> import nnfast
    >>> nnfast.ones(3, 1).expand(2, 3, 4).shape
    (2, 3, 4)
    """
    sizes = _sizes(shape)
    lead = len(sizes) - input.ndim
    new = tuple(
        input.shape[i - lead] if n == -1 and i >= lead else int(n) for i, n in enumerate(sizes)
    )
    fits = lead >= 0 and all(m in (1, n) for m, n in zip(input.shape, new[lead:], strict=True))
    if not fits or any(n < 0 for n in new):
        fail("expand", "sizes that differ only where the input has 1", repr(sizes), input=input)
    return view(lambda a: np.broadcast_to(a, new), new, input)


expand.vjp(input=lambda dy, input_shape: sum_to(dy, input_shape))


class PermuteAttrs(NamedTuple):
    dims: tuple[int, ...]


@op(attrs=PermuteAttrs, methods=("permute",))
def permute(input: AnyTensor, *dims: Sizes) -> Result:
    """Dimensions in another order, as a view: y.shape[i] = x.shape[dims[i]].

    >>> import nnfast
    >>> nnfast.permute(nnfast.zeros(2, 3, 4), 2, 0, 1).shape
    (4, 2, 3)
    """
    order = tuple(check_dim("permute", d, input.ndim) for d in _sizes(dims))
    if sorted(order) != list(range(input.ndim)):
        fail("permute", f"each of {input.ndim} dims once", f"{dims}", input=input)
    shape = tuple(input.shape[d] for d in order)
    return view(lambda a: a.transpose(order), shape, input, PermuteAttrs(order))


permute.vjp(input=lambda dy, dims: permute(dy, tuple(dims.index(i) for i in range(len(dims)))))


class TransposeAttrs(NamedTuple):
    dim0: int
    dim1: int


@op(attrs=TransposeAttrs, methods=("transpose",))
def transpose(input: AnyTensor, dim0: int, dim1: int) -> Result:
    """Two dimensions exchanged, as a view.

    >>> import nnfast
    >>> nnfast.transpose(nnfast.zeros(2, 3, 4), 0, -1).shape
    (4, 3, 2)
    """
    a, b = (check_dim("transpose", d, input.ndim) for d in (dim0, dim1))
    if input.ndim == 0:
        return view(lambda x: x[...], (), input, TransposeAttrs(0, 0))
    shape = list(input.shape)
    shape[a], shape[b] = shape[b], shape[a]
    return view(lambda x: x.swapaxes(a, b), tuple(shape), input, TransposeAttrs(a, b))


transpose.vjp(input=lambda dy, dim0, dim1: transpose(dy, dim0, dim1))


@method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix, as a view; a vector stays as it is."""
    if input.ndim > 2:
        fail("t", "at most two dimensions", f"{input.ndim}", "use transpose or mT.", input=input)
    return input if input.ndim < 2 else transpose(input, 0, 1)


def _mT(input: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    return transpose(input, -2, -1)


def _T(input: Tensor) -> Tensor:
    """All dimensions in reverse."""
    if input.ndim == 2:
        return transpose(input, 0, 1)
    return permute(input, tuple(reversed(range(input.ndim))))


Tensor.mT = property(_mT)  # type: ignore[assignment, method-assign]
Tensor.T = property(_T)  # type: ignore[assignment, method-assign]


@method
def contiguous(input: Tensor) -> Tensor:
    """The same values in C order: itself if they are already."""
    return input if input.array.flags.c_contiguous else clone(input)


@op("copy", methods=("clone",))
def clone(input: Tensor) -> Result:
    """A copy in memory of its own, in C order; gradients pass through."""
    return Result(((input.shape, input.dtype),))


clone.vjp(input=lambda dy: dy)


# ---- indexing -------------------------------------------------------------------------------


class IndexAttrs(NamedTuple):
    index: Any


def _plain(index: Any) -> Any:
    """An index with tensors replaced by their arrays."""
    if isinstance(index, tuple):
        return tuple(_plain(i) for i in index)
    if isinstance(index, Tensor):
        return index.array.item() if index.ndim == 0 else index.array
    return np.asarray(index) if isinstance(index, list) else index


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or isinstance(p, slice)
        or (isinstance(p, int | np.integer) and not isinstance(p, bool))
        for p in parts
    )  # fmt: skip


def _of_view(index: Any) -> Any:
    """The same basic index, but numbers alone give a view too, not a NumPy scalar."""
    parts = index if isinstance(index, tuple) else (index,)
    return parts if Ellipsis in parts else (*parts, Ellipsis)


def _indexed(array: np.ndarray, index: Any, where: str) -> np.ndarray:
    try:
        return array[index]
    except (IndexError, ValueError, TypeError) as e:
        error = DTypeError if isinstance(e, TypeError) else _IndexError
        raise error(
            where, f"expected an index for shape {array.shape}, got {index!r}: {e}."
        ) from None


class _IndexError(ArgumentError, IndexError):
    """An index out of range: an IndexError for Python's iteration protocol too."""


@op(attrs=IndexAttrs)
def getitem(input: AnyTensor, index: Any) -> Result:
    """x[index] with NumPy's rules: numbers, slices, None, ... (a view); arrays, masks (a copy).

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x[:, 1]
    tensor([2., 4.])
    """
    plain = _plain(index)
    array = input.array
    layout = array.layout if isinstance(array, Symbol) else array
    shape = _indexed(layout, plain, "getitem").shape
    if _is_basic(plain):
        of_view = _of_view(plain)
        return view(lambda a: a[of_view], shape, input, IndexAttrs(plain))
    return computed(lambda a: a[plain], shape, input.dtype, IndexAttrs(plain))


getitem.vjp(
    input=lambda dy, index, input_shape: (
        place(dy, index, input_shape) if _is_basic(index) else index_put(dy, index, input_shape)
    )
)
Tensor.__getitem__ = getitem  # type: ignore[method-assign]


class PlaceAttrs(NamedTuple):
    index: Any
    offset: int
    strides: tuple[int, ...]

    @staticmethod
    def packed(index: Any, offset: int, strides: tuple[int, ...]) -> bytes:
        """As csrc/ops/attrs.h lays it out."""
        return struct.pack(f"{1 + len(strides)}q", offset, *strides)


@op("place", attrs=PlaceAttrs)
def place(values: AnyTensor, index: Any, shape: tuple[int, ...]) -> Result:
    """Zeros of `shape` with values at a basic `index`: numbers, slices, None, ...

    >>> import nnfast
    >>> from nnfast.ops.shape import place
    >>> place(nnfast.ones(2), slice(1, 3), (4,))
    tensor([0., 1., 1., 0.])
    """
    whole = np.broadcast_to(np.empty((), np.int8), shape)
    layout = np.lib.stride_tricks.as_strided(whole, shape, dense_strides(shape, 1))
    part = _indexed(layout, _of_view(index), "place")
    if part.shape != values.shape:
        fail("place", f"values of shape {part.shape}", f"shape {values.shape}")
    start, first = (a.__array_interface__["data"][0] for a in (layout, part))
    offset = first - start if part.size else 0
    return out(shape, values.dtype, PlaceAttrs(index, offset, part.strides))


place.vjp(values=lambda dy, index: getitem(dy, index))


class IndexPutAttrs(NamedTuple):
    index: Any


@op(attrs=IndexPutAttrs)
def index_put(values: AnyTensor, index: Any, shape: tuple[int, ...]) -> Result:
    """Zeros of `shape` with values added at `index`; repeated places add up, in order."""

    def compute(a: np.ndarray) -> np.ndarray:
        y = np.zeros(shape, a.dtype)
        if _is_basic(index):
            y[index] = a
        else:
            np.add.at(y, index, a)
        return y

    return computed(compute, shape, values.dtype, IndexPutAttrs(index))


index_put.vjp(values=lambda dy, index: getitem(dy, index))


@method
def __setitem__(input: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place. Not on a tensor whose gradient is being recorded."""
    if input.requires_grad and MODE.grad:
        raise StateError(
            "setitem",
            f"expected a tensor without gradient, got one of shape {input.shape} that requires it.",
            "assign under no_grad(), or build the tensor with where or cat.",
        )
    if (trace := tracing()) is not None:
        raise trace.give_up("it assigns to elements of a tensor")
    source = value.array if isinstance(value, Tensor) else value
    try:
        input.array[_plain(index)] = source
    except (IndexError, ValueError, TypeError) as e:
        raise ArgumentError(
            "setitem", f"expected an index and value for shape {input.shape}, got {e}."
        ) from None
    input._version += 1


# ---- joining --------------------------------------------------------------------------------


class CatAttrs(NamedTuple):
    dim: int


@op("cat", attrs=CatAttrs)
def _cat(input: Operand, other: Operand, dim: int) -> Result:
    """Two tensors, one behind the other along a dimension.

    >>> import nnfast
    >>> nnfast.ops.cat([nnfast.ones(2), nnfast.zeros(1)])
    tensor([1., 1., 0.])
    """
    d = check_dim("cat", dim, input.ndim)
    a, b = list(input.shape), list(other.shape)
    if not a or len(a) != len(b) or a[:d] + a[d + 1 :] != b[:d] + b[d + 1 :]:
        fail("cat", f"shapes that agree in all dimensions but {d}", f"{input.shape}, {other.shape}")
    a[d] += b[d]
    return out(a, input.dtype, CatAttrs(d))


_cat.vjp(
    input=lambda dy, dim, input_shape: dy[(slice(None),) * dim + (slice(input_shape[dim]),)],
    other=lambda dy, dim, input_shape: dy[(slice(None),) * dim + (slice(input_shape[dim], None),)],
)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension; the others must agree.

    Joined in pairs, the pairs in pairs and so on.

    >>> import nnfast
    >>> nnfast.ops.cat([nnfast.ones(2, 1), nnfast.zeros(2, 2)], dim=1)
    tensor([[1., 0., 0.],
            [1., 0., 0.]])
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable):
        fail("cat", "a list of tensors", type(tensors).__name__, error=DTypeError)
    parts = list(tensors)
    if not parts:
        fail("cat", "at least one tensor", "none")
    while len(parts) > 1:
        pairs = [_cat(a, b, dim) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    return parts[0]
