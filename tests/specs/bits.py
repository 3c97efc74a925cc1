"""Integers as bits."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Spec, elementwise_cases


def _integers(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return rng.integers(-(2**62), 2**62, shape) >> rng.integers(0, 62, shape)


def _places(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return rng.integers(0, 64, shape) if name == "other" else _integers(rng, shape, name)


def _bits(function: np.ufunc, arity: int = 2, sample: object = _integers) -> Spec:
    return Spec(
        elementwise_cases(arity), function, sample=sample, ulp=0, grad=False, dtypes=("int64",)
    )


SPECS = {
    "bitwise_and": _bits(np.bitwise_and),
    "bitwise_or": _bits(np.bitwise_or),
    "bitwise_xor": _bits(np.bitwise_xor),
    "bitwise_not": _bits(np.invert, 1),
    "bitwise_left_shift": _bits(np.left_shift, sample=_places),
    "bitwise_right_shift": _bits(np.right_shift, sample=_places),
}
