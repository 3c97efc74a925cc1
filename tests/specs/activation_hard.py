"""Activation functions made of straight pieces."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Case, Spec, away_from, elementwise_cases, same_shape_cases

BOUNDS = {"low": -0.5, "high": 1.0}
kinks = away_from(-3.0, -0.5, 0.0, 1.0, 3.0)


def wide(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return away_from(-3.0, 3.0)(rng, shape, name) * 2.5 if name != "dy" else kinks(rng, shape, name)


def hardswish(x: Array) -> Array:
    return x * np.clip(x + 3, 0, 6) / 6


def hardswish_grad(dy: Array, x: Array) -> Array:
    return dy * np.where(x <= -3, 0, np.where(x < 3, x / 3 + 0.5, 1))


PRELU_CASES = [
    *elementwise_cases(2),
    Case(((300, 257), (257,))),
    Case(((2, 3, 4, 5), (3, 1, 1))),
]

SPECS = {
    "hardtanh": Spec(
        elementwise_cases(1, **BOUNDS), lambda x, low, high: np.clip(x, low, high), sample=kinks
    ),
    "hardtanh_backward": Spec(
        same_shape_cases(2, **BOUNDS),
        lambda dy, x, low, high: np.where((x > low) & (x < high), dy, 0),
        sample=kinks,
        constant=("x",),
    ),
    "hardsigmoid": Spec(
        elementwise_cases(1),
        lambda x: np.clip(x + 3, 0, 6) / 6,
        sample=wide,
        magnitude=lambda x: 1 + 0 * x,
    ),
    "hardswish": Spec(elementwise_cases(1), hardswish, sample=wide, magnitude=abs, ulp=3),
    "hardswish_backward": Spec(
        same_shape_cases(2),
        hardswish_grad,
        sample=wide,
        magnitude=lambda dy, x: abs(dy) * 2,
    ),
    "prelu": Spec(PRELU_CASES, lambda x, w: np.where(x > 0, x, w * x), sample=kinks),
    "prelu_backward": Spec(
        elementwise_cases(3),
        lambda dy, x, w: np.where(x > 0, dy, w * dy),
        sample=kinks,
        constant=("x",),
    ),
}
