"""Activation functions, each beside its gradient."""

from __future__ import annotations

import math
from typing import NamedTuple

from nnfast.errors import fail
from nnfast.ops.elementwise import exp
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, op
from nnfast.tensor import Tensor


def _pair(where: str, dy: Tensor, other: Tensor) -> Result:
    if dy.shape != other.shape:
        fail(where, "two inputs of one shape", f"{dy.shape} and {other.shape}")
    return like(dy)


# ---- relu -----------------------------------------------------------------------------------


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


@op("relu_backward", outputs=("dx",))
def relu_backward(dy: Tensor, y: Tensor) -> Result:
    """dx = dy where y > 0, else 0."""
    return _pair("relu_backward", dy, y)


relu_backward.vjp(dy=lambda ddx, y: relu_backward(ddx, y))


class LeakyReluAttrs(NamedTuple):
    negative_slope: float


@op("leaky_relu", attrs=LeakyReluAttrs, floats=True)
def leaky_relu(input: Operand, negative_slope: float = 0.01) -> Result:
    """y = x where x >= 0, else negative_slope * x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic
    models, 2013.

    >>> import nnfast
    >>> nnfast.nn.functional.leaky_relu(nnfast.tensor([-2.0, 2.0]), 0.5)
    tensor([-1.,  2.])
    """
    return like(input, LeakyReluAttrs(float(negative_slope)))


leaky_relu.vjp(
    input=lambda dy, input, negative_slope: leaky_relu_backward(dy, input, negative_slope)
)


@op("leaky_relu_backward", outputs=("dx",), attrs=LeakyReluAttrs)
def leaky_relu_backward(dy: Tensor, x: Tensor, negative_slope: float) -> Result:
    """dx = dy where x > 0, else negative_slope * dy."""
    return like(dy, LeakyReluAttrs(negative_slope))


leaky_relu_backward.vjp(
    dy=lambda ddx, x, negative_slope: leaky_relu_backward(ddx, x, negative_slope)
)


# ---- sigmoid and tanh -----------------------------------------------------------------------


@op("sigmoid", methods=("sigmoid",), floats=True)
def sigmoid(input: Operand) -> Result:
    """y = 1 / (1 + e^-x), without overflow for any x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.sigmoid(nnfast.tensor([0.0]))
    tensor([0.5])
    """
    return like(input)


sigmoid.vjp(input=lambda dy, y: sigmoid_backward(dy, y))


@op("sigmoid_backward", outputs=("dx",))
def sigmoid_backward(dy: Tensor, y: Tensor) -> Result:
    """dx = dy y (1 - y)."""
    return _pair("sigmoid_backward", dy, y)


sigmoid_backward.vjp(
    dy=lambda ddx, y: sigmoid_backward(ddx, y), y=lambda ddx, dy, y: ddx * dy * (1.0 - y * 2.0)
)


@op("tanh", methods=("tanh",), floats=True)
def tanh(input: Operand) -> Result:
    """y = (e^x - e^-x) / (e^x + e^-x).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.tanh(nnfast.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    return like(input)


tanh.vjp(input=lambda dy, y: tanh_backward(dy, y))


@op("tanh_backward", outputs=("dx",))
def tanh_backward(dy: Tensor, y: Tensor) -> Result:
    """dx = dy (1 - y^2)."""
    return _pair("tanh_backward", dy, y)


tanh_backward.vjp(dy=lambda ddx, y: tanh_backward(ddx, y), y=lambda ddx, dy, y: ddx * dy * y * -2.0)


# ---- gelu -----------------------------------------------------------------------------------


@op("gelu", floats=True)
def _gelu(input: Operand) -> Result:
    """y = x Phi(x), Phi the normal distribution function."""
    return like(input)


_gelu.vjp(input=lambda dy, input: gelu_backward(dy, input))


@op("gelu_backward", outputs=("dx",))
def gelu_backward(dy: Tensor, x: Tensor) -> Result:
    """dx = dy (Phi(x) + x phi(x)), phi the normal density."""
    return _pair("gelu_backward", dy, x)


gelu_backward.vjp(
    dy=lambda ddx, x: gelu_backward(ddx, x),
    x=lambda ddx, dy, x: ddx * dy * _phi(x) * (2.0 - x * x),
)


def _phi(x: Tensor) -> Tensor:
    return exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


@op("gelu_tanh", floats=True)
def _gelu_tanh(input: Operand) -> Result:
    """y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    return like(input)


_gelu_tanh.vjp(input=lambda dy, input: gelu_tanh_backward(dy, input))


@op("gelu_tanh_backward", outputs=("dx",))
def gelu_tanh_backward(dy: Tensor, x: Tensor) -> Result:
    """dx = dy times the derivative of gelu_tanh at x."""
    return _pair("gelu_tanh_backward", dy, x)


gelu_tanh_backward.vjp(
    dy=lambda ddx, x: gelu_tanh_backward(ddx, x),
    x=lambda ddx, dy, x: ddx * dy * _gelu_tanh_curvature(x),
)


def _gelu_tanh_curvature(x: Tensor) -> Tensor:
    """Second derivative of x (1 + tanh u) / 2, u = c (x + a x^3)."""
    c, a = math.sqrt(2 / math.pi), 0.044715
    t = tanh((x + x * x * x * a) * c)
    du = (x * x * (3 * a) + 1.0) * c
    return (1.0 - t * t) * (du + x * (x * (3 * a * c) - t * du * du))


def gelu(input: Operand, approximate: str = "none") -> Tensor:
    """y = x Phi(x), Phi the normal distribution function; or its tanh approximation.

    approximate="tanh": y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    >>> import nnfast
    >>> nnfast.nn.functional.gelu(nnfast.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    fail("gelu", "approximate='none' or 'tanh'", repr(approximate))
