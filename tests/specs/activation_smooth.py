"""Smooth activation functions of the family of silu, softplus and elu."""

from __future__ import annotations

import numpy as np

from tests.specs.activation import sigmoid
from tests.specs.spec import Array, Spec, away_from, elementwise_cases, same_shape_cases

SOFTPLUS = {"beta": 2.0, "threshold": 3.0}
ELU = {"alpha": 1.5, "rate": 0.5}
kink = away_from(0.0, 1.5)


def silu_grad(dy: Array, x: Array) -> Array:
    s = sigmoid(x)
    return dy * s * (1 + x * (1 - s))


def mish(x: Array) -> Array:
    return x * np.tanh(np.log1p(np.exp(x)))


def mish_grad(dy: Array, x: Array) -> Array:
    t = np.tanh(np.log1p(np.exp(x)))
    return dy * (t + x * sigmoid(x) * (1 - t * t))


def softplus(x: Array, beta: float, threshold: float) -> Array:
    return np.where(beta * x > threshold, x, np.log1p(np.exp(beta * x)) / beta)


def softplus_grad(dy: Array, x: Array, beta: float, threshold: float) -> Array:
    return dy * np.where(beta * x > threshold, 1, sigmoid(beta * x))


def elu(x: Array, alpha: float, rate: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(rate * x))


def elu_grad(dy: Array, x: Array, alpha: float, rate: float) -> Array:
    return dy * np.where(x > 0, 1, alpha * rate * np.exp(rate * x))


def around_a_zero(dy: Array, x: Array) -> Array:
    """The derivative has a zero: what its terms are without cancellation."""
    return abs(dy) * (1 + abs(x))


# The rounding of beta x and rate x shows in the exponential.
SPECS = {
    "silu": Spec(elementwise_cases(1), lambda x: x * sigmoid(x), ulp=3),
    "silu_backward": Spec(same_shape_cases(2), silu_grad, magnitude=around_a_zero, ulp=4),
    "mish": Spec(elementwise_cases(1), mish, ulp=5),
    "mish_backward": Spec(same_shape_cases(2), mish_grad, magnitude=around_a_zero, ulp=5),
    "softplus": Spec(elementwise_cases(1, **SOFTPLUS), softplus, sample=kink, ulp=8),
    "softplus_backward": Spec(same_shape_cases(2, **SOFTPLUS), softplus_grad, sample=kink, ulp=8),
    "elu": Spec(elementwise_cases(1, **ELU), elu, sample=kink, ulp=6),
    "elu_backward": Spec(same_shape_cases(2, **ELU), elu_grad, sample=kink, ulp=6),
}
