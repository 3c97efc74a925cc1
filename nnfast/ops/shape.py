"""Shape: other views of the same elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast import _core
from nnfast.errors import fail
from nnfast.ops.elementwise import broadcast_shapes, sum_to
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import (
    Result,
    check_dim,
    check_dims,
    computed,
    method,
    methods,
    op,
    out,
    view,
)
from nnfast.tensor import KERNEL_DTYPES, Tensor

Sizes = int | Sequence[int]
_LARGE = 1024  # elements that NumPy does not copy faster


def _sizes(args: tuple[Any, ...], named: Any = None) -> tuple[Any, ...]:
    """(2, 3) and ((2, 3),) alike, or what was given by name."""
    args = args if named is None else (named,)
    return tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args


@op(methods=("reshape", "view"))
def reshape(input: AnyTensor, *sizes: Sizes, shape: Any = None) -> Result:
    """The same elements in another shape; one size may be -1.

    Shares memory with the input where its strides allow.

    Shapes: (*) -> shape, of as many elements. Any dtype.

    >>> import nnfast
    >>> nnfast.reshape(nnfast.zeros(2, 6), 3, -1).shape
    (3, 4)
    """
    new = _resolve(input, _sizes(sizes, shape))
    return view(lambda a: _reshaped(a, new), new, input)


def _reshaped(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """As NumPy does it, but our threads make the copy where one is needed."""
    if a.size < _LARGE or keeps_memory(a, shape):
        return a.reshape(shape)
    return _core.dense(a).reshape(shape)


def keeps_memory(a: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the strides allow the shape: its dimensions are parts of those that lie together."""
    if a.size == 0:
        return False
    runs: list[tuple[int, int]] = []  # elements, bytes from one to the next
    for n, step in zip(a.shape, a.strides, strict=True):
        if runs and runs[-1][1] == n * step:
            runs[-1] = runs[-1][0] * n, step
        elif n > 1:
            runs.append((n, step))
    sizes = iter(shape)
    for left, _ in runs:
        while left > 1:
            n = next(sizes)
            if left % n:
                return False
            left //= n
    return True


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

    Shapes: (*, A, ..., B, *) -> (*, A ... B, *). Any dtype.

    >>> import nnfast
    >>> nnfast.flatten(nnfast.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    shape = input.shape
    first = check_dim("flatten", start_dim, len(shape))
    last = check_dim("flatten", end_dim, len(shape))
    if first > last:
        fail("flatten", "start_dim before end_dim", f"{start_dim} and {end_dim}", input=input)
    joined = math.prod(shape[first : last + 1])
    return reshape(input, (*shape[:first], joined, *shape[last + 1 :]))


@method
def ravel(input: Tensor) -> Tensor:
    """All dimensions joined into one.

    Shapes: (*) of n elements -> (n,). Any dtype.

    >>> import nnfast
    >>> nnfast.ravel(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return reshape(input, -1) if input.array.size else reshape(input, 0)


@method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into `sizes`, one of which may be -1.

    Shapes: (*, N, *) -> (*, *sizes, *), N the product of sizes. Any dtype.

    >>> import nnfast
    >>> nnfast.unflatten(nnfast.zeros(2, 6), 1, (3, -1)).shape
    (2, 3, 2)
    """
    d = check_dim("unflatten", dim, input.ndim)
    rest = 1
    for n in sizes:
        rest *= 1 if n == -1 else n
    whole = input.shape[d] if input.ndim else 0
    filled = tuple(whole // max(rest, 1) if n == -1 else n for n in sizes)
    if math.prod(filled) != whole or list(sizes).count(-1) > 1:
        fail("unflatten", f"sizes whose product is {whole}", f"{tuple(sizes)}", input=input)
    return reshape(input, (*input.shape[:d], *filled, *input.shape[d + 1 :]))


@method
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None, *more: int) -> Tensor:
    """Without dimensions of size 1: all of them, or those of `dim` whose size is 1.

    Shapes: (*, 1, *) -> (*). Any dtype.

    >>> import nnfast
    >>> nnfast.squeeze(nnfast.zeros(1, 2, 1)).shape
    (2,)
    """
    shape = input.shape
    if dim is None:
        return reshape(input, tuple([n for n in shape if n != 1]))
    if type(dim) is int and not more:
        d = check_dim("squeeze", dim, input.ndim)
        return reshape(input, shape[:d] + shape[d + 1 :] if shape[d : d + 1] == (1,) else shape)
    dims = check_dims("squeeze", (dim, *more) if more else dim, input.ndim)
    return reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


@method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`.

    Shapes: (*) -> (*, 1, *). Any dtype.

    >>> import nnfast
    >>> nnfast.unsqueeze(nnfast.zeros(2), -1).shape
    (2, 1)
    """
    d = check_dim("unsqueeze", dim, input.ndim + 1)
    shape = input.shape
    return reshape(input, (*shape[:d], 1, *shape[d:]))


@method
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same elements in the shape of `other`.

    >>> import nnfast
    >>> nnfast.ones(6).view_as(nnfast.ones(2, 3)).shape
    (2, 3)
    """
    return reshape(input, other.shape)


methods(reshape_as=view_as)


@op(methods=("expand", "broadcast_to"))
def expand(input: AnyTensor, *shape: Sizes, size: Any = None) -> Result:
    """Dimensions of size 1, and new ones in front, repeated to `shape`, without copying.

    -1 keeps a size. The result shares memory: do not write to it.

    Shapes: (*) -> shape, to which it broadcasts. Any dtype.

    >>> import nnfast
    >>> nnfast.ones(3, 1).expand(2, 3, 4).shape
    (2, 3, 4)
    """
    sizes = _sizes(shape, size)
    lead = len(sizes) - input.ndim
    new = tuple(
        input.shape[i - lead] if n == -1 and i >= lead else int(n) for i, n in enumerate(sizes)
    )
    fits = lead >= 0 and all(m in (1, n) for m, n in zip(input.shape, new[lead:], strict=True))
    if not fits or any(n < 0 for n in new):
        fail("expand", "sizes that differ only where the input has 1", repr(sizes), input=input)
    return view(lambda a: np.broadcast_to(a, new), new, input)


expand.vjp(input=lambda dy, input_shape: sum_to(dy, input_shape))


@method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`.

    >>> import nnfast
    >>> nnfast.ones(3).expand_as(nnfast.ones(2, 3)).shape
    (2, 3)
    """
    return expand(input, other.shape)


broadcast_to = expand


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each expanded to the common shape.

    Shapes: any that broadcast. Any dtypes.

    >>> import nnfast
    >>> [x.shape for x in nnfast.broadcast_tensors(nnfast.ones(2, 1), nnfast.ones(3))]
    [(2, 3), (2, 3)]
    """
    shape = broadcast_shapes("broadcast_tensors", *(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


class PermuteAttrs(NamedTuple):
    dims: tuple[int, ...]


@op(attrs=PermuteAttrs, methods=("permute",))
def permute(input: AnyTensor, *order: Sizes, dims: Any = None) -> Result:
    """Dimensions in another order, as a view: y.shape[i] = x.shape[dims[i]].

    Shapes: (*) -> its sizes in another order. Any dtype.

    >>> import nnfast
    >>> nnfast.permute(nnfast.zeros(2, 3, 4), 2, 0, 1).shape
    (4, 2, 3)
    """
    given = _sizes(order, dims)
    axes = tuple(check_dim("permute", d, input.ndim) for d in given)
    if sorted(axes) != list(range(input.ndim)):
        fail("permute", f"each of {input.ndim} dims once", f"{given}", input=input)
    shape = tuple(input.shape[d] for d in axes)
    return view(lambda a: a.transpose(axes), shape, input, PermuteAttrs(axes))


permute.vjp(input=lambda dy, dims: permute(dy, tuple(dims.index(i) for i in range(len(dims)))))


class TransposeAttrs(NamedTuple):
    dim0: int
    dim1: int


@op(attrs=TransposeAttrs, methods=("transpose",))
def transpose(input: AnyTensor, dim0: int, dim1: int) -> Result:
    """Two dimensions exchanged, as a view.

    Shapes: (*, M, *, N, *) -> (*, N, *, M, *). Any dtype.

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


swapaxes = swapdims = transpose
methods(swapaxes=transpose, swapdims=transpose)


@method
def movedim(input: Tensor, source: int | Sequence[int], destination: Any) -> Tensor:
    """Dimensions `source` at the places `destination`, the others in their order.

    Shapes: (*) -> its sizes in another order. Any dtype.

    >>> import nnfast
    >>> nnfast.movedim(nnfast.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    pair = [(d,) if isinstance(d, int) else tuple(d) for d in (source, destination)]
    a, b = ([check_dim("movedim", d, input.ndim) for d in dims] for dims in pair)
    if len(a) != len(b) or len(set(a)) != len(a) or len(set(b)) != len(b):
        fail("movedim", "a new place for each dim", f"{source} to {destination}", input=input)
    rest = iter(d for d in range(input.ndim) if d not in a)
    places = dict(zip(b, a, strict=True))
    order = (places[d] if d in places else next(rest) for d in range(input.ndim))
    return permute(input, tuple(order))


moveaxis = movedim
methods(moveaxis=movedim)


@method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix, as a view; a vector stays as it is.

    Shapes: (M, N) -> (N, M); (N,) and scalars as they are. Any dtype.

    >>> import nnfast
    >>> nnfast.t(nnfast.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if input.ndim > 2:
        fail("t", "at most two dimensions", f"{input.ndim}", "use transpose or mT.", input=input)
    return input if input.ndim < 2 else transpose(input, 0, 1)


def _mT(input: Tensor) -> Tensor:
    """The last two dimensions exchanged.

    >>> import nnfast
    >>> nnfast.ones(2, 3).mT.shape
    (3, 2)
    """
    return transpose(input, -2, -1)


def _T(input: Tensor) -> Tensor:
    """All dimensions in reverse.

    >>> import nnfast
    >>> nnfast.ones(2, 3).T.shape
    (3, 2)
    """
    if input.ndim == 2:
        return transpose(input, 0, 1)
    return permute(input, tuple(reversed(range(input.ndim))))


Tensor.mT = property(_mT)  # type: ignore[assignment, method-assign]
Tensor.T = property(_T)  # type: ignore[assignment, method-assign]


@method
def contiguous(input: Tensor) -> Tensor:
    """The same values in C order: itself if they are already.

    >>> import nnfast
    >>> nnfast.ones(2, 3).T.contiguous().is_contiguous()
    True
    """
    return input if input.array.flags.c_contiguous else clone(input)


@op("copy", methods=("clone",))
def clone(input: AnyTensor) -> Result:
    """A copy in memory of its own, in C order; gradients pass through.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.clone(nnfast.ones(2))
    tensor([1., 1.])
    """
    if input.dtype in KERNEL_DTYPES:
        return out(input.shape, input.dtype)
    return computed(lambda a: a.copy(), input.shape, input.dtype)


clone.vjp(input=lambda dy: dy)
