"""Elements by number along one dimension: gather, and scatter, the way back."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.graph.trace import on_values
from nnfast.ops.elementwise import cast, where
from nnfast.ops.gather import check_range
from nnfast.ops.operands import AnyTensor, IntTensor
from nnfast.ops.record import Result, check_dim, computed, method, op, out
from nnfast.ops.shape import reshape
from nnfast.tensor import KERNEL_DTYPES, Tensor, float32, int64, wrap

Shape = tuple[int, ...]


def check_index(where: str, shape: Shape, index: Tensor, dim: int) -> int:
    """The dimension from the front; raises unless the index is within `shape` in the others."""
    d = check_dim(where, dim, len(shape))
    fits = len(shape) == index.ndim and all(
        m <= n for k, (m, n) in enumerate(zip(index.shape, shape, strict=True)) if k != d
    )
    if not fits:
        fail(where, f"an index within shape {shape} but for dim {d}", f"shape {index.shape}")
    return d


def _check_numbers(name: str, shape: Shape, index: Tensor, dim: int) -> None:
    n = shape[dim] if shape else 1  # the check outlives a trace, so it must not hold a tensor
    on_values(index, lambda numbers: check_range(name, _once(numbers), 0, n), n)


def _once(numbers: np.ndarray) -> np.ndarray:
    """Without the repetitions of `expand`."""
    if 0 not in numbers.strides:
        return numbers
    return numbers[tuple(slice(1 if s == 0 else None) for s in numbers.strides)]


class GatherAttrs(NamedTuple):
    dim: int


def _check_gather(input: Tensor, index: Tensor, dim: int) -> None:
    _check_numbers("gather", input.shape, index, dim)


@op("gather", attrs=GatherAttrs, values=_check_gather)
def _gather(input: AnyTensor, index: IntTensor, dim: int) -> Result:
    """Elements by number along a dimension; see gather.

    >>> import nnfast
    >>> nnfast.gather(nnfast.tensor([5.0, 6.0]), 0, nnfast.tensor([1, 1, 0]))
    tensor([6., 6., 5.])
    """
    d = check_index("gather", input.shape, index, dim)
    if input.dtype in KERNEL_DTYPES:
        return out(index.shape, input.dtype, GatherAttrs(d))
    part = tuple(slice(None) if k == d else slice(m) for k, m in enumerate(index.shape))
    return computed(
        lambda a, i: np.take_along_axis(a[part], i, d) if i.ndim else a,
        index.shape, input.dtype, GatherAttrs(d),
    )  # fmt: skip


_gather.vjp(input=lambda dy, index, dim, input_shape: scattered_zeros(dy, index, dim, input_shape))


@method
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """y[i, j, k] = x[i, index[i, j, k], k] for dim = 1, and likewise for others.

    Shapes: index has the dimensions of x, none of the others longer; y has the shape of index.
    `sparse_grad` changes nothing. Errors: a number that is none of 0 to n - 1.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnfast.gather(x, 1, nnfast.tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    if index.ndim + input.ndim == 1:  # one of them is a scalar: a vector of one element
        return reshape(gather(reshape(input, -1), dim, reshape(index, -1)), index.shape)
    y: Tensor = _gather(input, index, dim)
    return y


class ScatterAttrs(NamedTuple):
    dim: int
    add: bool
    joined: int  # so many dimensions in front are seen as one; 0: none

    def seen(self, shape: Shape) -> Shape:
        """The shape that the index knows."""
        k = self.joined
        return (math.prod(shape[:k]), *shape[k:]) if k else shape


def _check_scatter(
    src: Tensor,
    index: Tensor,
    input: Tensor | None,
    dim: int,
    shape: Shape,
    add: bool = False,
    joined: int = 0,
) -> None:
    _check_numbers("scatter", ScatterAttrs(dim, add, joined).seen(shape), index, dim)


@op("scatter", attrs=ScatterAttrs, values=_check_scatter)
def _scatter(
    src: AnyTensor,
    index: IntTensor,
    input: AnyTensor | None = None,
    dim: int = 0,
    shape: Shape = (),
    add: bool = False,
    joined: int = 0,
) -> Result:
    """The input (zeros of `shape` if absent) with each src where gather would read it.

    Added in order, or set: then the last one stays.

    >>> import nnfast
    >>> from nnfast.ops.along import _scatter
    >>> _scatter(nnfast.tensor([5.0, 6.0]), nnfast.tensor([2, 2]), None, 0, (4,), True)
    tensor([ 0.,  0., 11.,  0.])
    """
    attrs = ScatterAttrs(dim, add, joined)
    d = check_index("scatter", attrs.seen(shape), index, dim)
    if src.shape != index.shape:
        fail("scatter", f"a src of the shape of index {index.shape}", f"shape {src.shape}")
    if input is not None and (input.shape, input.dtype) != (shape, src.dtype):
        fail("scatter", f"an input of {src.dtype} and shape {shape}", "another", input=input)
    return out(shape, src.dtype, attrs._replace(dim=d))


def _src_gradient(dy: Tensor, index: Tensor, attrs: ScatterAttrs) -> Tensor:
    """dy of each src; none of those that others came after."""
    seen = attrs.seen(dy.shape)
    dsrc: Tensor = _gather(reshape(dy, seen), index, attrs.dim)
    if attrs.add:
        return dsrc
    order = wrap(np.arange(index.array.size).reshape(index.shape))
    last = _gather(_scatter(order, index, None, attrs.dim, seen), index, attrs.dim)
    return where(last == order, dsrc, 0.0)


def _input_gradient(dy: Tensor, index: Tensor, attrs: ScatterAttrs) -> Tensor:
    """dy, but 0 where a src was set."""
    if attrs.add:
        return dy
    none = wrap(np.broadcast_to(np.zeros((), dy.dtype), index.shape))
    dx: Tensor = _scatter(none, index, dy, attrs.dim, dy.shape, False, attrs.joined)
    return dx


_scatter.vjp(src=_src_gradient, input=_input_gradient)


@op("scatter", attrs=ScatterAttrs, values=_check_scatter, mutates=("input",))
def scatter_(
    src: AnyTensor, index: IntTensor, input: AnyTensor, dim: int, shape: Shape, add: bool,
    joined: int,
) -> Result:  # fmt: skip
    """The same in place: the input has that shape and lies in C order."""
    return _scatter.rule(src, index, input, dim, shape, add, joined)._replace(specs=())


def scattered_zeros(src: Tensor, index: Tensor, dim: int, shape: Shape) -> Tensor:
    """Zeros of `shape`, and each src added where gather would read it."""
    y: Tensor = _scatter(src, index, None, dim, shape, True)
    return y


def scattered(
    input: Tensor, dim: int, index: Tensor, src: Tensor, add: bool, joined: int = 0
) -> Tensor:
    """A copy of x with each src set or added where gather would read it, in x's dtype.

    `joined`: so many dimensions of x in front are seen as one.
    """
    dtype = input.dtype
    known = dtype if dtype in KERNEL_DTYPES else float32 if dtype.kind == "f" else int64
    x, part = (y if y.dtype == known else cast(y, known) for y in (input, src))
    y: Tensor = _scatter(part, index, x, dim, x.shape, add, joined)
    return y if y.dtype == dtype else cast(y, dtype)
