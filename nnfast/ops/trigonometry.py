"""Trigonometric and hyperbolic functions and their inverses. Errors in ulp: csrc/simd/math_*.h."""

from __future__ import annotations

from nnfast.ops.elementwise import broadcast_shape, sum_to
from nnfast.ops.exponential import rsqrt
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, op, out


@op("sin", methods=("sin",), floats=True)
def sin(input: Operand) -> Result:
    """y = the sine of x, in radians; NaN of infinities.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.sin(nnfast.tensor([0.0, 1.5707964]))
    tensor([0., 1.])
    """
    return like(input)


sin.vjp(input=lambda dy, input: dy * cos(input))


@op("cos", methods=("cos",), floats=True)
def cos(input: Operand) -> Result:
    """y = the cosine of x, in radians; NaN of infinities.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.cos(nnfast.tensor([0.0, 3.1415927]))
    tensor([ 1., -1.])
    """
    return like(input)


cos.vjp(input=lambda dy, input: -dy * sin(input))


@op("tan", methods=("tan",), floats=True)
def tan(input: Operand) -> Result:
    """y = sin x / cos x, in radians; NaN of infinities.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.tan(nnfast.tensor([0.0, 0.5]))
    tensor([0... , 0.5463...])
    """
    return like(input)


tan.vjp(input=lambda dy, y: dy * (y * y + 1.0))


@op("asin", methods=("asin",), floats=True)
def asin(input: Operand) -> Result:
    """y = the angle from -pi/2 to pi/2 whose sine is x; NaN outside of -1 to 1.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.asin(nnfast.tensor([0.0, 1.0]))
    tensor([0.       , 1.5707964])
    """
    return like(input)


asin.vjp(input=lambda dy, input: dy * rsqrt((1.0 - input) * (1.0 + input)))


@op("acos", methods=("acos",), floats=True)
def acos(input: Operand) -> Result:
    """y = the angle from 0 to pi whose cosine is x; NaN outside of -1 to 1.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.acos(nnfast.tensor([1.0, 0.0]))
    tensor([0.       , 1.5707964])
    """
    return like(input)


acos.vjp(input=lambda dy, input: -dy * rsqrt((1.0 - input) * (1.0 + input)))


@op("atan", methods=("atan",), floats=True)
def atan(input: Operand) -> Result:
    """y = the angle from -pi/2 to pi/2 whose tangent is x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.atan(nnfast.tensor([0.0, 1.0]))
    tensor([0.       , 0.7853982])
    """
    return like(input)


atan.vjp(input=lambda dy, input: dy / (input * input + 1.0))


@op("atan2", methods=("atan2",), floats=True)
def atan2(input: Operand, other: Operand) -> Result:
    """y = the angle from -pi to pi of the point (other, input) of the plane.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.atan2(nnfast.tensor([1.0, 1.0]), nnfast.tensor([1.0, -1.0]))
    tensor([0.7853982, 2.3561945])
    """
    return out(broadcast_shape("atan2", input, other), input.array.dtype)


atan2.vjp(
    input=lambda dy, input, other, input_shape: sum_to(
        dy * (other / (input * input + other * other)), input_shape
    ),
    other=lambda dy, input, other, other_shape: sum_to(
        -dy * (input / (input * input + other * other)), other_shape
    ),
)


@op("sinh", methods=("sinh",), floats=True)
def sinh(input: Operand) -> Result:
    """y = (e^x - e^-x) / 2.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.sinh(nnfast.tensor([0.0, 1.0]))
    tensor([0.       , 1.1752012])
    """
    return like(input)


sinh.vjp(input=lambda dy, input: dy * cosh(input))


@op("cosh", methods=("cosh",), floats=True)
def cosh(input: Operand) -> Result:
    """y = (e^x + e^-x) / 2.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.cosh(nnfast.tensor([0.0, 1.0]))
    tensor([1.       , 1.5430806])
    """
    return like(input)


cosh.vjp(input=lambda dy, input: dy * sinh(input))


@op("asinh", methods=("asinh",), floats=True)
def asinh(input: Operand) -> Result:
    """y = log(x + sqrt(x^2 + 1)), the inverse of sinh.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.asinh(nnfast.tensor([0.0, 1.0]))
    tensor([0.       , 0.8813736])
    """
    return like(input)


asinh.vjp(input=lambda dy, input: dy * rsqrt(input * input + 1.0))


@op("acosh", methods=("acosh",), floats=True)
def acosh(input: Operand) -> Result:
    """y = log(x + sqrt(x^2 - 1)), the inverse of cosh; NaN below 1.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.acosh(nnfast.tensor([1.0, 2.0]))
    tensor([0... , 1.3169...])
    """
    return like(input)


acosh.vjp(input=lambda dy, input: dy * rsqrt((input - 1.0) * (input + 1.0)))


@op("atanh", methods=("atanh",), floats=True)
def atanh(input: Operand) -> Result:
    """y = log((1 + x) / (1 - x)) / 2, the inverse of tanh; NaN outside of -1 to 1.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.atanh(nnfast.tensor([0.0, 0.5]))
    tensor([0... , 0.5493...])
    """
    return like(input)


atanh.vjp(input=lambda dy, input: dy / ((1.0 - input) * (1.0 + input)))
