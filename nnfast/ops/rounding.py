"""Rounding, and division with rounding. Integers stay integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.trace import on_values
from nnfast.ops.elementwise import broadcast_shape, sum_to, zero_gradient
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, op, out
from nnfast.tensor import Tensor


@op("floor", methods=("floor",))
def floor(input: Operand) -> Result:
    """y = the largest integer of at most x. Gradient 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.floor(nnfast.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return like(input)


@op("ceil", methods=("ceil",))
def ceil(input: Operand) -> Result:
    """y = the smallest integer of at least x. Gradient 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.ceil(nnfast.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return like(input)


@op("trunc", methods=("trunc",))
def trunc(input: Operand) -> Result:
    """y = the integer part of x, its sign kept. Gradient 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.trunc(nnfast.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return like(input)


@op("round")
def _round(input: Operand) -> Result:
    """y = the integer nearest to x, the even one of two."""
    return like(input)


@op("frac", methods=("frac",), floats=True)
def frac(input: Operand) -> Result:
    """y = x - trunc(x): the part behind the point, with the sign of x. Gradient dy.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.frac(nnfast.tensor([1.5, -1.25]))
    tensor([ 0.5 , -0.25])
    """
    return like(input)


frac.integers = lambda input: input * 0
frac.vjp(input=lambda dy: dy)

for _op in (floor, ceil, trunc, _round):
    _op.vjp(input=zero_gradient)


def round(input: Operand, *, decimals: int = 0) -> Tensor:
    """y = the integer nearest to x, the even one of two; or a multiple of 10^-decimals.

    Gradient 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.round(nnfast.tensor([0.5, 1.5, -2.7]))
    tensor([ 0.,  2., -3.])
    >>> nnfast.round(nnfast.tensor([0.1234]), decimals=2)
    tensor([0.12])
    """
    if isinstance(decimals, bool) or not isinstance(decimals, int | np.integer):
        fail("round", "an integer decimals", repr(decimals), error=DTypeError)
    y: Tensor
    if decimals > 0:
        y = _round(input * 10.0**decimals) / 10.0**decimals
    elif decimals < 0:
        y = _round(input / 10.0**-decimals) * 10.0**-decimals
    else:
        y = _round(input)
    return y


Tensor.round = round  # type: ignore[assignment, method-assign]


def _check_divisor(input: Tensor, other: Tensor) -> None:
    def check(values: Any) -> None:
        if values.dtype.kind == "i" and not values.all():
            raise ArgumentError("divide", "expected integers other than 0 to divide by, got a 0.")

    on_values(other, check)


def _divided(where: str, input: Tensor, other: Tensor) -> Result:
    return out(broadcast_shape(where, input, other), input.array.dtype)


@op("fmod", methods=("fmod",), values=_check_divisor)
def fmod(input: Operand, other: Operand) -> Result:
    """y = a - b trunc(a / b), without rounding: the sign is that of a, as in C.

    NaN where b is 0 or a is infinite. Errors: integers divided by 0.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.fmod(nnfast.tensor([5.0, -5.0]), 3)
    tensor([ 2., -2.])
    """
    return _divided("fmod", input, other)


fmod.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    other=lambda dy, input, other, other_shape: sum_to(-dy * trunc(input / other), other_shape),
)


@op("remainder", methods=("remainder", "__mod__"), reflected="__rmod__", values=_check_divisor)
def remainder(input: Operand, other: Operand) -> Result:
    """y = a - b floor(a / b): the sign is that of b, as of Python's %.

    NaN where b is 0 or a is infinite. Errors: integers divided by 0.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.remainder(nnfast.tensor([5.0, -5.0]), 3)
    tensor([2., 1.])
    """
    return _divided("remainder", input, other)


remainder.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    other=lambda dy, input, other, other_shape: sum_to(
        -dy * floor_divide(input, other), other_shape
    ),
)


@op(
    "floor_divide",
    methods=("floor_divide", "__floordiv__"),
    reflected="__rfloordiv__",
    values=_check_divisor,
)
def floor_divide(input: Operand, other: Operand) -> Result:
    """y = floor(a / b), as Python's //: the quotient is not rounded before. No gradient.

    Errors: integers divided by 0.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.tensor([5, -5]) // 3
    tensor([ 1, -2])
    """
    return _divided("floor_divide", input, other)
