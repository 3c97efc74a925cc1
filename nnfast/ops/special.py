"""Elementwise functions made of others: sums of logarithms, NaN as nothing, signs, angles."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnfast.ops.clip import clip
from nnfast.ops.elementwise import (
    abs,
    broadcast_shape,
    cast,
    eq,
    exp,
    ge,
    gt,
    le,
    log,
    log1p,
    lt,
    maximum,
    ne,
    pow,
    sqrt,
    sub,
    sum_to,
    where,
)  # fmt: skip
from nnfast.ops.exponential import square
from nnfast.ops.logic import isnan
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import Result, method, op, out
from nnfast.ops.summary import any
from nnfast.ops.trigonometry import sin
from nnfast.tensor import Tensor, bool_, float32, float64


def _floats(input: Operand, where_: str) -> Tensor:
    x = as_tensor(input, where_)
    return x if x.dtype.kind == "f" else cast(x, float32)


# ---- numbers that are none --------------------------------------------------------------------


class NanToNumAttrs(NamedTuple):
    posinf: float
    neginf: float


@op("nan_to_num", attrs=NanToNumAttrs)
def _nan_to_num(input: Tensor, nan: Operand, posinf: float, neginf: float) -> Result:
    """y = x with others in place of NaN, inf and -inf. Gradient 0 at these."""
    shape = broadcast_shape("nan_to_num", input, nan)
    return out(shape, input.array.dtype, NanToNumAttrs(float(posinf), float(neginf)))


_nan_to_num.vjp(
    input=lambda dy, input, input_shape: sum_to(
        where(lt(abs(input), math.inf), dy, 0.0), input_shape
    ),
    nan=lambda dy, input, nan_shape: sum_to(where(ne(input, input), dy, 0.0), nan_shape),
)


@method
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with numbers in place of NaN, inf and -inf; None: the largest and smallest of the dtype.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.nan_to_num(nnfast.tensor([float("nan"), float("inf"), 2.0]), posinf=9.0)
    tensor([0., 9., 2.])
    """
    x = as_tensor(input, "nan_to_num")
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    y: Tensor = _nan_to_num(
        x, float(nan), float(limits.max) if posinf is None else posinf,
        float(limits.min) if neginf is None else neginf,
    )  # fmt: skip
    return y


@method
def isposinf(input: Tensor) -> Tensor:
    """Whether x is inf.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isposinf(nnfast.tensor([1.0, -float("inf"), float("inf")]))
    tensor([False, False,  True])
    """
    return eq(input, math.inf)


@method
def isneginf(input: Tensor) -> Tensor:
    """Whether x is -inf.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isneginf(nnfast.tensor([1.0, -float("inf"), float("inf")]))
    tensor([False,  True, False])
    """
    return eq(input, -math.inf)


@method
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isreal(nnfast.tensor([1.0, 2.0]))
    tensor([ True,  True])
    """
    return eq(cast(input, bool_), cast(input, bool_))


@method
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger one; NaN only if both are.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.fmax(nnfast.tensor([1.0, float("nan")]), nnfast.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return where((ge(input, other) + isnan(other)).bool(), input, other)


@method
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller one; NaN only if both are.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.fmin(nnfast.tensor([1.0, float("nan")]), nnfast.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    return where((le(input, other) + isnan(other)).bool(), input, other)


# ---- logarithms and powers --------------------------------------------------------------------


@method
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """y = log(e^a + e^b), without overflow.

    Shapes: two that broadcast to that of y. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.logaddexp(nnfast.tensor([1000.0]), nnfast.tensor([0.0]))
    tensor([1000.])
    """
    return maximum(input, other) + log1p(exp(-_apart(input, other)))


@method
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """y = log2(2^a + 2^b), without overflow.

    Shapes: two that broadcast to that of y. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.logaddexp2(nnfast.tensor([3.0]), nnfast.tensor([3.0]))
    tensor([4.])
    """
    ln2 = math.log(2)
    return maximum(input, other) + log1p(exp(_apart(input, other) * -ln2)) * (1 / ln2)


def _apart(a: Any, b: Any) -> Tensor:
    """|a - b|, 0 of equal infinities."""
    return abs(where(eq(a, b), 0.0, sub(a, b)))


@method
def xlogy(input: Operand, other: Operand) -> Tensor:
    """y = a log(b), 0 where a is 0 and b is a number.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.xlogy(nnfast.tensor([0.0, 2.0]), nnfast.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    a, b = _floats(input, "xlogy"), _floats(other, "xlogy")
    nothing = eq(a, 0) & (le(b, 0) + eq(b, math.inf)).bool()
    return a * log(where(nothing, 1.0, b))


@method
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """y = log(x / (1 - x)); with `eps` of x brought into [eps, 1 - eps] first.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.logit(nnfast.tensor([0.5, 1.0]), eps=0.5)
    tensor([0., 0.])
    """
    x = _floats(input, "logit")
    x = x if eps is None else clip(x, eps, 1 - eps)
    return log(x / (1 - x))


@method
def float_power(input: Operand, exponent: Operand) -> Tensor:
    """input ** exponent, in float64.

    Shapes: two that broadcast to that of y. Any dtypes.

    >>> import nnfast
    >>> nnfast.float_power(nnfast.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=float64)
    """
    parts = (as_tensor(x, "float_power") for x in (input, exponent))
    return pow(*(cast(x, float64) for x in parts))


@method
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """y = sqrt(a^2 + b^2), without overflow.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.hypot(nnfast.tensor([3.0]), nnfast.tensor([4.0]))
    tensor([5.])
    """
    largest = maximum(abs(input), abs(other)).detach()
    plain = (eq(largest, 0) + eq(largest, math.inf)).bool()
    scale = where(plain, 1.0, largest)
    return scale * sqrt(square(input / scale) + square(other / scale))


# ---- signs and parts --------------------------------------------------------------------------


@method
def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus: also of -0.0.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.signbit(nnfast.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """
    x = as_tensor(input, "signbit")
    return where(eq(x, 0), 1.0 / x, x) < 0 if x.dtype.kind == "f" else x < 0


@method
def copysign(input: Tensor, other: Operand) -> Tensor:
    """|a| with the sign of b.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.copysign(nnfast.tensor([1.0, -2.0]), nnfast.tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    x = _floats(input, "copysign")
    return where(signbit(x) == signbit(_floats(other, "copysign")), x, -x)


@method
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, and `values` where x is 0.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.heaviside(nnfast.tensor([-1.0, 0.0, 2.0]), nnfast.tensor(0.5))
    tensor([0. , 0.5, 1. ])
    """
    return where(
        eq(input, 0), values, where(ne(input, input), input, cast(gt(input, 0), input.dtype))
    )


@method
def sinc(input: Tensor) -> Tensor:
    """y = sin(pi x) / (pi x), 1 at 0.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.sinc(nnfast.tensor([0.0, 0.5]))
    tensor([1.        , 0.63661975])
    """
    x = _floats(input, "sinc") * math.pi
    zero = eq(x, 0)
    x = where(zero, 1.0, x)
    return where(zero, 1.0, sin(x) / x)


@method
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.deg2rad(nnfast.tensor([180.0]))
    tensor([3.1415927])
    """
    return _floats(input, "deg2rad") * (math.pi / 180)


@method
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.rad2deg(nnfast.tensor([0.0, 1.0]))
    tensor([ 0.     , 57.29578])
    """
    return _floats(input, "rad2deg") * (180 / math.pi)


def rsub(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """y = other - alpha input.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.rsub(nnfast.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    return sub(other, input if alpha == 1 else input * alpha)


def isin(
    elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Which elements are among the test elements; with `invert` which are not.

    Shapes: elements (*), test_elements any -> (*), of bool. Any dtype.

    >>> import nnfast
    >>> nnfast.isin(nnfast.tensor([1, 2, 3]), nnfast.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    x, test = as_tensor(elements, "isin"), as_tensor(test_elements, "isin")
    found = any(eq(x.unsqueeze(-1), test.reshape(-1)), -1)
    return ~found if invert else found
