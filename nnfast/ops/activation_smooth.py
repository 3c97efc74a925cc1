"""Smooth activation functions of the family of silu, softplus and elu."""

from __future__ import annotations

from typing import NamedTuple

from nnfast.errors import fail
from nnfast.ops.activation import _pair, sigmoid, tanh
from nnfast.ops.elementwise import abs, exp, where
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, op
from nnfast.tensor import Tensor

# ---- silu and mish --------------------------------------------------------------------------


@op("silu", floats=True)
def silu(input: Operand) -> Result:
    """y = x sigmoid(x); -0 at -inf.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2017; Ramachandran, Zoph and
    Le, Searching for activation functions, 2017 (as swish).

    >>> import nnfast
    >>> nnfast.nn.functional.silu(nnfast.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return like(input)


silu.vjp(input=lambda dy, input: silu_backward(dy, input))


@op("silu_backward", outputs=("dx",))
def silu_backward(dy: Tensor, x: Tensor) -> Result:
    """dx = dy s (1 + x (1 - s)), s = sigmoid(x)."""
    return _pair("silu_backward", dy, x)


def _silu_curvature(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return s * (1.0 - s) * (x * (1.0 - s * 2.0) + 2.0)


silu_backward.vjp(
    dy=lambda ddx, x: silu_backward(ddx, x), x=lambda ddx, dy, x: ddx * dy * _silu_curvature(x)
)


@op("mish", floats=True)
def mish(input: Operand) -> Result:
    """y = x tanh(log(1 + e^x)); -0 at -inf.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Misra, Mish: a self regularized non-monotonic activation function, 2019.

    >>> import nnfast
    >>> nnfast.nn.functional.mish(nnfast.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return like(input)


mish.vjp(input=lambda dy, input: mish_backward(dy, input))


@op("mish_backward", outputs=("dx",))
def mish_backward(dy: Tensor, x: Tensor) -> Result:
    """dx = dy (t + x s (1 - t^2)), t = tanh(log(1 + e^x)), s = sigmoid(x)."""
    return _pair("mish_backward", dy, x)


def _mish_curvature(x: Tensor) -> Tensor:
    t, s = tanh(_softplus(x, 1.0, 40.0)), sigmoid(x)
    return (1.0 - t * t) * s * (x * (1.0 - s - t * s * 2.0) + 2.0)


mish_backward.vjp(
    dy=lambda ddx, x: mish_backward(ddx, x), x=lambda ddx, dy, x: ddx * dy * _mish_curvature(x)
)


# ---- softplus -------------------------------------------------------------------------------


class SoftplusAttrs(NamedTuple):
    beta: float
    threshold: float


@op("softplus", attrs=SoftplusAttrs, floats=True)
def _softplus(input: Operand, beta: float, threshold: float) -> Result:
    """y = log(1 + e^(beta x)) / beta, or x where beta x > threshold."""
    return like(input, SoftplusAttrs(float(beta), float(threshold)))


_softplus.vjp(
    input=lambda dy, input, beta, threshold: softplus_backward(dy, input, beta, threshold)
)


@op("softplus_backward", outputs=("dx",), attrs=SoftplusAttrs)
def softplus_backward(dy: Tensor, x: Tensor, beta: float, threshold: float) -> Result:
    """dx = dy sigmoid(beta x), or dy where beta x > threshold."""
    return _pair("softplus_backward", dy, x)._replace(attrs=SoftplusAttrs(beta, threshold))


def _softplus_curvature(x: Tensor, beta: float, threshold: float) -> Tensor:
    s = sigmoid(x * beta)
    y: Tensor = where(x * beta > threshold, 0.0, s * (1.0 - s) * beta)
    return y


softplus_backward.vjp(
    dy=lambda ddx, x, beta, threshold: softplus_backward(ddx, x, beta, threshold),
    x=lambda ddx, dy, x, beta, threshold: ddx * dy * _softplus_curvature(x, beta, threshold),
)


def softplus(input: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """y = log(1 + e^(beta x)) / beta, a smooth relu; x itself where beta x > threshold.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Dugas et al., Incorporating second-order functional knowledge, 2000.

    >>> import nnfast
    >>> nnfast.nn.functional.softplus(nnfast.tensor([0.0, 100.0]))
    tensor([  0.6931472, 100.       ])
    """
    y: Tensor = _softplus(input, beta, threshold)
    return y


def logsigmoid(input: Operand) -> Tensor:
    """y = log(1 / (1 + e^-x)), without overflow.

    Shapes: any, the same out. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.logsigmoid(nnfast.tensor([0.0, -100.0]))
    tensor([  -0.6931472, -100.       ])
    """
    y: Tensor = -_softplus(-input, 1.0, 40.0)  # e^-40 / 40 is less than a float64 shows
    return y


# ---- elu ------------------------------------------------------------------------------------


class EluAttrs(NamedTuple):
    alpha: float
    rate: float


@op("elu", attrs=EluAttrs, floats=True)
def _elu(input: Operand, alpha: float, rate: float) -> Result:
    """y = x where x > 0, else alpha (e^(rate x) - 1)."""
    return like(input, EluAttrs(float(alpha), float(rate)))


_elu.vjp(input=lambda dy, input, alpha, rate: elu_backward(dy, input, alpha, rate))


@op("elu_backward", outputs=("dx",), attrs=EluAttrs)
def elu_backward(dy: Tensor, x: Tensor, alpha: float, rate: float) -> Result:
    """dx = dy where x > 0, else dy alpha rate e^(rate x)."""
    return _pair("elu_backward", dy, x)._replace(attrs=EluAttrs(alpha, rate))


def _elu_curvature(x: Tensor, alpha: float, rate: float) -> Tensor:
    y: Tensor = where(x > 0, 0.0, exp(where(x > 0, 0.0, x * rate)) * (alpha * rate * rate))
    return y


elu_backward.vjp(
    dy=lambda ddx, x, alpha, rate: elu_backward(ddx, x, alpha, rate),
    x=lambda ddx, dy, x, alpha, rate: ddx * dy * _elu_curvature(x, alpha, rate),
)


def elu(input: Operand, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha (e^x - 1).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by
    exponential linear units, 2015.

    >>> import nnfast
    >>> nnfast.nn.functional.elu(nnfast.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """
    y: Tensor = _elu(input, alpha, 1.0)
    return y


def celu(input: Operand, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1): its slope at 0 is 1 for any alpha.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Barron, Continuously differentiable exponential linear units, 2017.

    >>> import nnfast
    >>> nnfast.nn.functional.celu(nnfast.tensor([-100.0, 2.0]), alpha=2.0)
    tensor([-2.,  2.])
    """
    if alpha == 0:
        fail("celu", "alpha other than 0", "alpha=0")
    y: Tensor = _elu(input, alpha, 1.0 / alpha)
    return y


# Fixed point: outputs of mean 0 and variance 1 for inputs of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def selu(input: Operand) -> Tensor:
    """y = 1.0507 elu(x, 1.6733): keeps mean 0 and variance 1 from layer to layer.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Klambauer et al., Self-normalizing neural networks, 2017.

    >>> import nnfast
    >>> nnfast.nn.functional.selu(nnfast.tensor([-100.0, 1.0]))
    tensor([-1.7580993,  1.050701 ])
    """
    y: Tensor = _elu(input, SELU_ALPHA, 1.0) * SELU_SCALE
    return y


# ---- rare ones ------------------------------------------------------------------------------


def softsign(input: Operand) -> Tensor:
    """y = x / (1 + |x|).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.softsign(nnfast.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    y: Tensor = input / (abs(input) + 1.0)
    return y


def tanhshrink(input: Operand) -> Tensor:
    """y = x - tanh(x).

    Shapes: any, the same out. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.tanhshrink(nnfast.tensor([0.0, 100.0]))
    tensor([ 0., 99.])
    """
    y: Tensor = input - tanh(input)
    return y
