"""Elementwise functions with broadcasting."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import (
    WITH_INTEGERS,
    Array,
    Case,
    Spec,
    away_from,
    elementwise_cases,
    same_shape_cases,
)


def away_from_each_other(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Two operands that never tie: multiples of 1, the second shifted by a half."""
    x = np.round(rng.standard_normal(shape) * 3) + 0.1 * rng.random(shape)
    return x + 0.5 if name == "other" else x


def some_ties(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return np.round(rng.standard_normal(shape))


def positive(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return 0.2 + rng.random(shape) * 3


def condition_first(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return rng.random(shape) < 0.5 if name == "condition" else rng.standard_normal(shape)


def both(a: Array, b: Array) -> Array:
    return abs(a) + abs(b)


def clip(x: Array, low: float, high: float) -> Array:
    return np.clip(x, low, high)


def erf(x: Array) -> Array:
    from math import erf as scalar

    return np.vectorize(scalar, otypes=[float])(x)


def _compare(function: np.ufunc) -> Spec:
    return Spec(elementwise_cases(2), function, sample=some_ties, grad=False, dtypes=WITH_INTEGERS)


SPECS = {
    "add": Spec(elementwise_cases(2), np.add, magnitude=both, dtypes=WITH_INTEGERS),
    "sub": Spec(elementwise_cases(2), np.subtract, magnitude=both, dtypes=WITH_INTEGERS),
    "mul": Spec(elementwise_cases(2), np.multiply, dtypes=WITH_INTEGERS),
    "div": Spec(elementwise_cases(2), np.divide, sample=away_from(0, by=0.3)),
    "neg": Spec(elementwise_cases(1), np.negative, dtypes=WITH_INTEGERS),
    "abs": Spec(elementwise_cases(1), np.abs, sample=away_from(0), dtypes=WITH_INTEGERS),
    "sign": Spec(elementwise_cases(1), np.sign, sample=away_from(0), dtypes=WITH_INTEGERS),
    "maximum": Spec(
        elementwise_cases(2), np.maximum, sample=away_from_each_other, dtypes=WITH_INTEGERS
    ),
    "minimum": Spec(
        elementwise_cases(2), np.minimum, sample=away_from_each_other, dtypes=WITH_INTEGERS
    ),
    "clip": Spec(elementwise_cases(1, low=-0.5, high=1.0), clip, sample=away_from(-0.5, 1.0)),
    "pow": Spec(elementwise_cases(2), np.power, sample=positive, ulp=4),
    "cube": Spec(elementwise_cases(1), lambda x: x**3, dtypes=WITH_INTEGERS),
    "lerp": Spec(
        elementwise_cases(3),
        lambda a, b, w: a + w * (b - a),
        terms=lambda a, b, w: 4,
        magnitude=lambda a, b, w: (1 + abs(w)) * both(a, b),
    ),
    "addcmul": Spec(
        elementwise_cases(3, value=1.5),
        lambda x, a, b, value: x + value * a * b,
        magnitude=lambda x, a, b, value: both(x, value * a * b),
    ),
    "nan_to_num": Spec(
        elementwise_cases(2, posinf=3.0, neginf=-2.0), lambda x, nan, **kw: x + 0 * nan
    ),
    "sqrt": Spec(elementwise_cases(1), np.sqrt, sample=positive),
    "exp": Spec(elementwise_cases(1), np.exp),
    "log": Spec(elementwise_cases(1), np.log, sample=positive, magnitude=lambda x: 1 + abs(x)),
    "log1p": Spec(elementwise_cases(1), np.log1p, sample=positive),
    "erf": Spec(elementwise_cases(1), erf),
    "eq": _compare(np.equal),
    "ne": _compare(np.not_equal),
    "lt": _compare(np.less),
    "le": _compare(np.less_equal),
    "gt": _compare(np.greater),
    "ge": _compare(np.greater_equal),
    "where": Spec(
        [
            *same_shape_cases(3),
            Case(((3, 1), (1, 4), (2, 1, 1))),
            Case(((300, 257), (), (257,))),
        ],
        np.where,
        sample=condition_first,
        dtypes=WITH_INTEGERS,
    ),
    "cast": Spec(
        [
            Case(((n,),), {"dtype": d})
            for n in (0, 1, 17, 100, 70000)
            for d in ("float32", "float64")
        ]
        + [Case(((3, 5),), {"dtype": d}) for d in ("int64", "bool", "float32")],
        lambda x, dtype: x.astype(dtype),
        # What a cast to float32 rounds away is not seen by a difference quotient in float64, but
        # gradcheck knows the precision of each output.
        magnitude=lambda x, dtype: abs(x),
        ulp=1,
    ),
}
