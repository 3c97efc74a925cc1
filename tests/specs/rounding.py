"""Rounding, and division with rounding."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import WITH_INTEGERS, Array, Spec, elementwise_cases


def between_integers(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Also away from halves, where rounding jumps."""
    return np.round(rng.standard_normal(shape) * 3) + rng.choice([-0.25, 0.25], shape)


def divisible(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Quotients away from integers; as integers, divisors other than 0."""
    if name == "other":
        return rng.choice([-3.0, 2.0, 4.0], shape)
    return np.round(rng.standard_normal(shape) * 9) + 0.5


def _rounding(function: np.ufunc) -> Spec:
    return Spec(
        elementwise_cases(1), function, sample=between_integers, dtypes=WITH_INTEGERS, ulp=0
    )


def _division(function: np.ufunc, grad: bool = True) -> Spec:
    return Spec(
        elementwise_cases(2),
        function,
        sample=divisible,
        dtypes=WITH_INTEGERS,
        ulp=0,
        grad=grad,
    )


SPECS = {
    "floor": _rounding(np.floor),
    "ceil": _rounding(np.ceil),
    "trunc": _rounding(np.trunc),
    "round": _rounding(np.round),
    "frac": Spec(elementwise_cases(1), lambda x: x - np.trunc(x), sample=between_integers, ulp=0),
    "fmod": _division(np.fmod),
    "remainder": _division(np.remainder),
    "floor_divide": _division(np.floor_divide, grad=False),
}
