"""Elementwise functions with broadcasting."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.operands import AnyTensor, Operand
from nnfast.ops.record import Result, Shape, computed, like, op, out
from nnfast.tensor import KERNEL_DTYPES, Tensor


def broadcast_shape(where: str, *inputs: Tensor) -> Shape:
    """The common shape of inputs under NumPy's broadcasting rules."""
    first = inputs[0].array.shape
    if all(x.array.shape == first for x in inputs):
        return first
    try:
        return np.broadcast_shapes(*[x.array.shape for x in inputs])
    except ValueError:
        fail(
            where,
            "shapes that broadcast (equal, or 1, counted from the last)",
            " and ".join(str(x.shape) for x in inputs),
            "insert a dimension with x.unsqueeze(dim), or reshape.",
        )


def _broadcast(where: str, *inputs: Tensor) -> Result:
    return out(broadcast_shape(where, *inputs), inputs[0].array.dtype)


def sum_to(dy: Tensor, shape: Shape) -> Tensor:
    """dy summed over the dimensions along which `shape` was broadcast: undoes broadcasting."""
    if dy.shape == shape:
        return dy
    lead = dy.ndim - len(shape)
    dims = [d for d in range(dy.ndim) if d < lead or (shape[d - lead] == 1 and dy.shape[d] != 1)]
    from nnfast.ops.reduce import sum

    return sum(dy, dims).reshape(shape) if dims else dy.reshape(shape)  # type: ignore[no-any-return]


# ---- arithmetic -----------------------------------------------------------------------------


@op("add", methods=("add", "__add__"), reflected="__radd__")
def add(input: Operand, other: Operand) -> Result:
    """y = input + other.

    >>> import nnfast
    >>> nnfast.add(nnfast.tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """
    return _broadcast("add", input, other)


add.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    other=lambda dy, other_shape: sum_to(dy, other_shape),
)


@op("sub", methods=("sub", "__sub__"), reflected="__rsub__")
def sub(input: Operand, other: Operand) -> Result:
    """y = input - other."""
    return _broadcast("sub", input, other)


sub.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    other=lambda dy, other_shape: sum_to(-dy, other_shape),
)


@op("mul", methods=("mul", "__mul__"), reflected="__rmul__")
def mul(input: Operand, other: Operand) -> Result:
    """y = input * other."""
    return _broadcast("mul", input, other)


mul.vjp(
    input=lambda dy, other, input_shape: sum_to(dy * other, input_shape),
    other=lambda dy, input, other_shape: sum_to(dy * input, other_shape),
)


@op("div", methods=("div", "__truediv__"), reflected="__rtruediv__", floats=True)
def div(input: Operand, other: Operand) -> Result:
    """y = input / other; integers are divided as float32."""
    return _broadcast("div", input, other)


div.vjp(
    input=lambda dy, other, input_shape: sum_to(dy / other, input_shape),
    other=lambda dy, input, other, other_shape: sum_to(-dy * input / (other * other), other_shape),
)


@op("neg", methods=("neg", "__neg__"))
def neg(input: Operand) -> Result:
    """y = -x."""
    return like(input)


neg.vjp(input=lambda dy: -dy)


@op("relu_backward", outputs=("dx",))
def relu_backward(dy: Tensor, y: Tensor) -> Result:
    """dx = dy where y > 0, else 0."""
    return _broadcast("relu_backward", dy, y)


relu_backward.vjp(dy=lambda ddx, y: relu_backward(ddx, y))


@op("relu", methods=("relu",), floats=True)
def relu(input: Operand) -> Result:
    """y = max(x, 0); NaN stays NaN.

    Shapes: any, the same out. Gradient at 0: 0.

    Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.

    >>> import nnfast
    >>> nnfast.relu(nnfast.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return like(input)


relu.vjp(input=lambda dy, y: relu_backward(dy, y))


# ---- dtype ----------------------------------------------------------------------------------


class CastAttrs(NamedTuple):
    source: Any  # dtype that came in


@op("cast", attrs=CastAttrs)
def cast(input: AnyTensor, dtype: Any) -> Result:
    """The values as another dtype; the gradient comes back in the input's own.

    >>> import nnfast
    >>> nnfast.cast(nnfast.tensor([1.7, -1.7]), nnfast.int64)
    tensor([ 1, -1])
    """
    source, target = input.array.dtype, np.dtype(dtype)
    if source in KERNEL_DTYPES and target in KERNEL_DTYPES:
        return out(input.shape, target, CastAttrs(source))
    return computed(lambda a: a.astype(target), input.shape, target, CastAttrs(source))


cast.vjp(input=lambda dy, source: cast(dy, source))
