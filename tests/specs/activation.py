"""Activation functions and their gradients."""

from __future__ import annotations

from math import erfc as scalar_erfc

import numpy as np

from tests.specs.spec import Array, Spec, away_from, elementwise_cases, same_shape_cases

erfc = np.vectorize(scalar_erfc, otypes=[float])
ROOT = np.sqrt(2 / np.pi)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normal_cdf(x: Array) -> Array:
    """erfc, since 1 + erf would cancel; far out its argument's rounding counts too."""
    z = -x / np.sqrt(2)
    rest = -x / np.sqrt(np.longdouble(2)) - z
    return erfc(z) / 2 - np.exp(-z * z) / np.sqrt(np.pi) * rest.astype(float)


def gelu_grad(x: Array) -> Array:
    return normal_cdf(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def gelu_tanh(x: Array) -> Array:
    return x * (1 + np.tanh(ROOT * (x + 0.044715 * x**3))) / 2


def gelu_tanh_grad(x: Array) -> Array:
    t = np.tanh(ROOT * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x / 2 * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x)


def leaky(x: Array, negative_slope: float) -> Array:
    return np.where(x >= 0, x, negative_slope * x)


def leaky_grad(dy: Array, x: Array, negative_slope: float) -> Array:
    return np.where(x > 0, dy, negative_slope * dy)


SLOPE = {"negative_slope": 0.1}
# Products with 1 - y cancel: their error is that of the terms, not of the difference.
SPECS = {
    "relu": Spec(elementwise_cases(1), lambda x: np.maximum(x, 0), sample=away_from(0)),
    "relu_backward": Spec(
        same_shape_cases(2),
        lambda dy, y: np.where(y > 0, dy, 0),
        sample=away_from(0),
        constant=("y",),
    ),
    "leaky_relu": Spec(elementwise_cases(1, **SLOPE), leaky, sample=away_from(0)),
    "leaky_relu_backward": Spec(
        same_shape_cases(2, **SLOPE),
        leaky_grad,
        sample=away_from(0),
        constant=("x",),
    ),
    "sigmoid": Spec(elementwise_cases(1), sigmoid),
    "sigmoid_backward": Spec(
        same_shape_cases(2),
        lambda dy, y: dy * y * (1 - y),
        magnitude=lambda dy, y: abs(dy * y) * (1 + abs(y)),
    ),
    "tanh": Spec(elementwise_cases(1), np.tanh),
    "tanh_backward": Spec(
        same_shape_cases(2),
        lambda dy, y: dy * (1 - y * y),
        magnitude=lambda dy, y: abs(dy) * (1 + y * y),
    ),
    "gelu": Spec(elementwise_cases(1), lambda x: x * normal_cdf(x), ulp=4),
    "gelu_backward": Spec(
        same_shape_cases(2),
        lambda dy, x: dy * gelu_grad(x),
        magnitude=lambda dy, x: abs(dy) * (1 + abs(x)),
        ulp=4,
    ),
    "gelu_tanh": Spec(elementwise_cases(1), gelu_tanh, magnitude=lambda x: abs(x), ulp=4),
    "gelu_tanh_backward": Spec(
        same_shape_cases(2),
        lambda dy, x: dy * gelu_tanh_grad(x),
        magnitude=lambda dy, x: abs(dy) * (1 + abs(x)),
        ulp=6,
    ),
}
