"""Elementwise functions with broadcasting."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.operands import AnyTensor, BoolTensor, Operand
from nnfast.ops.record import Result, Shape, computed, like, op, out
from nnfast.tensor import KERNEL_DTYPES, Tensor, as_dtype, bool_, float64, int64


def broadcast_shape(where: str, *inputs: Tensor) -> Shape:
    """The common shape of inputs under NumPy's broadcasting rules."""
    return broadcast_shapes(where, *[x.array.shape for x in inputs])


def broadcast_shapes(where: str, *shapes: Shape) -> Shape:
    """The same of shapes."""
    if all(s == shapes[0] for s in shapes):
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        fail(
            where,
            "shapes that broadcast (equal, or 1, counted from the last)",
            " and ".join(str(s) for s in shapes),
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

    return sum(dy, dims).reshape(shape) if dims else dy.reshape(shape)


# ---- arithmetic -----------------------------------------------------------------------------


@op("add", bools=True, methods=("__add__",), reflected="__radd__")
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


@op("sub", bools=None, methods=("__sub__",), reflected="__rsub__")
def sub(input: Operand, other: Operand) -> Result:
    """y = input - other.

    >>> import nnfast
    >>> nnfast.sub(nnfast.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return _broadcast("sub", input, other)


sub.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    other=lambda dy, other_shape: sum_to(-dy, other_shape),
)


@op("mul", bools=True, methods=("mul", "__mul__"), reflected="__rmul__")
def mul(input: Operand, other: Operand) -> Result:
    """y = input * other.

    Shapes: two that broadcast to that of y. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.mul(nnfast.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return _broadcast("mul", input, other)


mul.vjp(
    input=lambda dy, other, input_shape: sum_to(dy * other, input_shape),
    other=lambda dy, input, other_shape: sum_to(dy * input, other_shape),
)


@op("div", methods=("__truediv__",), reflected="__rtruediv__", floats=True)
def div(input: Operand, other: Operand) -> Result:
    """y = input / other; integers are divided as float32.

    >>> import nnfast
    >>> nnfast.div(nnfast.tensor([1, 2]), 2)
    tensor([0.5, 1. ])
    """
    return _broadcast("div", input, other)


div.vjp(
    input=lambda dy, other, input_shape: sum_to(dy / other, input_shape),
    other=lambda dy, input, other, other_shape: sum_to(-dy * input / (other * other), other_shape),
)


@op("neg", bools=None, methods=("neg", "__neg__"))
def neg(input: Operand) -> Result:
    """y = -x.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.neg(nnfast.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return like(input)


neg.vjp(input=lambda dy: -dy)


@op("abs", methods=("abs", "__abs__"))
def abs(input: Operand) -> Result:
    """y = |x|; gradient 0 at 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.abs(nnfast.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return like(input)


abs.vjp(input=lambda dy, input: dy * sign(input))


@op("sign", methods=("sign",))
def sign(input: Operand) -> Result:
    """y = 1, 0 or -1 by the sign of x; NaN stays NaN. Gradient 0.

    Shapes: any, the same out. Floats and integers.

    >>> import nnfast
    >>> nnfast.sign(nnfast.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return like(input)


def zero_gradient(dy: Tensor) -> Tensor:
    """0 for each element, also where dy is not finite."""
    from nnfast.creation import zeros

    return zeros((), dtype=dy.dtype).expand(dy.shape)


sign.vjp(input=zero_gradient)


@op("eq", methods=("eq", "__eq__"))
def eq(input: Operand, other: Operand) -> Result:
    """y = input == other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.eq(nnfast.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return out(broadcast_shape("eq", input, other), bool_)


@op("ne", methods=("ne", "__ne__"))
def ne(input: Operand, other: Operand) -> Result:
    """y = input != other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.ne(nnfast.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return out(broadcast_shape("ne", input, other), bool_)


@op("lt", methods=("lt", "__lt__"))
def lt(input: Operand, other: Operand) -> Result:
    """y = input < other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.lt(nnfast.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return out(broadcast_shape("lt", input, other), bool_)


@op("le", methods=("le", "__le__"))
def le(input: Operand, other: Operand) -> Result:
    """y = input <= other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.le(nnfast.tensor([1, 2]), 2)
    tensor([ True,  True])
    """
    return out(broadcast_shape("le", input, other), bool_)


@op("gt", methods=("gt", "__gt__"))
def gt(input: Operand, other: Operand) -> Result:
    """y = input > other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.gt(nnfast.tensor([1, 2]), 1)
    tensor([False,  True])
    """
    return out(broadcast_shape("gt", input, other), bool_)


@op("ge", methods=("ge", "__ge__"))
def ge(input: Operand, other: Operand) -> Result:
    """y = input >= other, as bool.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.ge(nnfast.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return out(broadcast_shape("ge", input, other), bool_)


@op("where")
def where(condition: BoolTensor, input: Operand, other: Operand) -> Result:
    """y = input where condition, else other.

    >>> import nnfast
    >>> x = nnfast.tensor([-1.0, 2.0])
    >>> nnfast.where(x > 0, x, 0)
    tensor([0., 2.])
    """
    return out(broadcast_shape("where", condition, input, other), input.array.dtype)


where.vjp(
    input=lambda dy, condition, input_shape: sum_to(where(condition, dy, 0.0), input_shape),
    other=lambda dy, condition, other_shape: sum_to(where(condition, 0.0, dy), other_shape),
)


def _winner(dy: Tensor, wins: Tensor, ties: Tensor, shape: Shape) -> Tensor:
    """dy where this operand wins, half of it in a tie (as PyTorch)."""
    return sum_to(where(wins, dy, where(ties, dy * 0.5, 0.0)), shape)


@op("maximum", bools=True, methods=("maximum",))
def maximum(input: Operand, other: Operand) -> Result:
    """y = max(input, other), NaN if either is; in a tie each gets half of the gradient.

    Shapes: two that broadcast to that of y. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.maximum(nnfast.tensor([1.0, 5.0]), nnfast.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return _broadcast("maximum", input, other)


maximum.vjp(
    input=lambda dy, input, other, input_shape: _winner(
        dy, input > other, input == other, input_shape
    ),
    other=lambda dy, input, other, other_shape: _winner(
        dy, other > input, input == other, other_shape
    ),
)


@op("minimum", bools=True, methods=("minimum",))
def minimum(input: Operand, other: Operand) -> Result:
    """y = min(input, other), NaN if either is; in a tie each gets half of the gradient.

    Shapes: two that broadcast to that of y. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.minimum(nnfast.tensor([1.0, 5.0]), nnfast.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return _broadcast("minimum", input, other)


minimum.vjp(
    input=lambda dy, input, other, input_shape: _winner(
        dy, input < other, input == other, input_shape
    ),
    other=lambda dy, input, other, other_shape: _winner(
        dy, other < input, input == other, other_shape
    ),
)


# ---- powers, exponentials, logarithms -------------------------------------------------------


@op("pow", floats=True)
def _pow(input: Operand, exponent: Operand) -> Result:
    """y = input ** exponent."""
    return _broadcast("pow", input, exponent)


def _integer_power(input: Any, exponent: Any) -> Tensor:
    """By way of float64."""
    if isinstance(exponent, int) and exponent < 0:
        fail("pow", "an exponent >= 0 for integers", f"{exponent}", "convert with x.float().")
    wide = cast(input, float64) if isinstance(input, Tensor) else np.float64(input)
    return cast(_pow(wide, exponent), int64)


_pow.integers = _integer_power
_pow.vjp(
    input=lambda dy, input, exponent, input_shape: sum_to(
        where(exponent == 0, 0.0, dy * exponent * _pow(input, exponent - 1)), input_shape
    ),
    exponent=lambda dy, input, exponent, y, exponent_shape: sum_to(
        where(input == 0, 0.0, dy * y * log(where(input == 0, 1.0, input))), exponent_shape
    ),
)


@op("cube")
def _cube(input: Operand) -> Result:
    """y = x x x."""
    return like(input)


_cube.vjp(input=lambda dy, input: dy * (input * input * 3.0))


def pow(input: Operand, exponent: Operand) -> Tensor:
    """y = input ** exponent, with the special cases of C's pow.

    Gradients: exponent * input ** (exponent - 1), 0 for exponent 0; and y log(input), 0 where
    input is 0. Squares and cubes are products and roots `sqrt`: faster. Integers give
    integers, exact below 2**53.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.tensor([1.0, 2.0, 3.0]) ** 2
    tensor([1., 4., 9.])
    """
    if isinstance(exponent, int | float) and exponent == 2:
        return mul(input, input)
    if isinstance(exponent, int | float) and exponent == 3:
        return _cube(input)
    if isinstance(exponent, int | float) and exponent == 0.5:
        return sqrt(input)
    return _pow(input, exponent)


Tensor.pow = Tensor.__pow__ = pow  # type: ignore[assignment, method-assign]
Tensor.__rpow__ = lambda self, other: pow(other, self)  # type: ignore[method-assign]


@op("sqrt", methods=("sqrt",), floats=True)
def sqrt(input: Operand) -> Result:
    """y = square root of x; NaN below 0. Gradient dy / (2 y).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.sqrt(nnfast.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return like(input)


sqrt.vjp(input=lambda dy, y: dy / (y * 2.0))


@op("exp", methods=("exp",), floats=True)
def exp(input: Operand) -> Result:
    """y = e^x. Largest error: see nnfast/csrc/simd/math_exp.h, in ulp.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.exp(nnfast.tensor([0.0, 1.0]))
    tensor([1.       , 2.7182817])
    """
    return like(input)


exp.vjp(input=lambda dy, y: dy * y)


@op("log", methods=("log",), floats=True)
def log(input: Operand) -> Result:
    """y = ln x; -inf at 0, NaN below.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.log(nnfast.tensor([1.0, 0.0]))
    tensor([  0., -inf])
    """
    return like(input)


log.vjp(input=lambda dy, input: dy / input)


@op("log1p", methods=("log1p",), floats=True)
def log1p(input: Operand) -> Result:
    """y = ln(1 + x), precise near 0.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.log1p(nnfast.tensor([0.0, 1e-10]))
    tensor([0.e+00, 1.e-10])
    """
    return like(input)


log1p.vjp(input=lambda dy, input: dy / (input + 1.0))


@op("erf", methods=("erf",), floats=True)
def erf(input: Operand) -> Result:
    """y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.erf(nnfast.tensor([0.0, -10.0]))
    tensor([ 0., -1.])
    """
    return like(input)


erf.vjp(input=lambda dy, input: dy * exp(-(input * input)) * (2 / math.sqrt(math.pi)))


# ---- dtype ----------------------------------------------------------------------------------


class CastAttrs(NamedTuple):
    source: Any  # dtype that came in


@op("cast", attrs=CastAttrs)
def cast(input: AnyTensor, dtype: Any) -> Result:
    """The values as another dtype; the gradient comes back in the input's own.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.cast(nnfast.tensor([1.7, -1.7]), nnfast.int64)
    tensor([ 1, -1])
    """
    source, target = input.array.dtype, as_dtype(dtype, "cast")
    if source in KERNEL_DTYPES and target in KERNEL_DTYPES:
        return out(input.shape, target, CastAttrs(source))
    return computed(lambda a: a.astype(target), input.shape, target, CastAttrs(source))


cast.vjp(input=lambda dy, source: cast(dy, source))
