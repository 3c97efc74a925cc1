"""Functions of truth values: exact."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Case, Spec, elementwise_cases

_FUNCTIONS = (np.logical_and, np.logical_or, np.logical_xor)


def _bools(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return np.asarray(rng.random(shape) < 0.5)


SPECS = {
    "logical": Spec(
        [
            Case(c.shapes, args=(k,))
            for k in range(3)
            for c in [*elementwise_cases(2), Case(((700, 400), (400,))), Case(((), (70,)))]
        ],
        lambda a, b, k: _FUNCTIONS[k](a, b),
        sample=_bools,
        grad=False,
        dtypes=("float32",),
    ),
}
