"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Spec, elementwise_cases


def inside(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Inside of -1 to 1, where the derivatives are not large."""
    return rng.uniform(-0.9, 0.9, shape)


def above_one(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return rng.uniform(1.2, 5, shape)


def off_axis(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    x = rng.standard_normal(shape)
    return x + np.copysign(0.2, x)


def _of_one(function: np.ufunc, **more: object) -> Spec:
    return Spec(elementwise_cases(1), function, **{"ulp": 4, **more})  # type: ignore[arg-type]


SPECS = {
    "sin": _of_one(np.sin),
    "cos": _of_one(np.cos),
    "tan": _of_one(np.tan, sample=inside),
    "asin": _of_one(np.arcsin, sample=inside),
    "acos": _of_one(np.arccos, sample=inside),
    "atan": _of_one(np.arctan),
    "atan2": Spec(elementwise_cases(2), np.arctan2, sample=off_axis, ulp=4),
    "sinh": _of_one(np.sinh),
    "cosh": _of_one(np.cosh),
    "asinh": _of_one(np.arcsinh),
    "acosh": _of_one(np.arccosh, sample=above_one),
    "atanh": _of_one(np.arctanh, sample=inside),
}
