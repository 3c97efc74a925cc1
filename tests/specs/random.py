"""Random numbers and dropout, as functions of rng = (seed, offset)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests import philox
from tests.specs.spec import Case, Spec

RNG = (2,)
SIZES = [*range(35), 63, 64, 65, 127, 128, 129, 20000]  # a group of words makes 64 or 32 elements


def sample(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> np.ndarray:
    if name == "rng":
        return rng.integers(-(2**63), 2**63 - 1, shape)
    return rng.standard_normal(shape)


def draws(*dtypes: Any) -> list[Case]:
    shapes = [(n,) for n in SIZES] + [(), (3, 0, 2), (7, 11, 13)]
    return [Case((RNG,), args=(shape, np.dtype(d))) for shape in shapes for d in dtypes]


SPECS = {
    "uniform": Spec(
        draws(np.float32, np.float64, np.int64), philox.uniform, sample, ulp=0, grad=False,
        dtypes=("float32",),
    ),
    # log, square root, sine or cosine and products, each within an ulp or two.
    "normal": Spec(
        draws(np.float32, np.float64), philox.normal, sample, ulp=8, grad=False,
        dtypes=("float32",),
    ),
    "dropout": Spec(
        [Case(((n,), RNG), args=(0.3,)) for n in SIZES]
        + [Case((s, RNG), args=(p,)) for s in [(), (5, 0), (3, 5, 7)] for p in (0.0, 0.5, 1.0)],
        lambda x, rng, p: np.where(
            philox.kept(rng, x.shape, p), x / (1 - p if p < 1 else 1), 0
        ),
        sample,
    ),
}  # fmt: skip
