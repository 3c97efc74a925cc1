"""Reductions: rows, columns, both, chunks of 8,192 elements, empty and single ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.specs.spec import WITH_INTEGERS, Array, Case, Spec

_SHAPES: list[tuple[tuple[int, ...], Any]] = [
    *[((n,), None) for n in range(34)],
    *[((3, n), 1) for n in (1, 15, 63, 64, 65, 129)],
    *[((n, 3), 0) for n in (1, 2, 17, 200)],
    ((), None),
    ((2, 3, 4, 5), (0, 2)),
    ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 4, 5), (0, 2, 3)),
    ((2, 1, 4), 1),
    ((70, 130), 0),
]
_LONG = [((8193,), None), ((2, 20001), 1), ((5001, 3), 0), ((3, 900, 10), 1)]
_LONG += [((3, 1030), 0), ((130, 2, 1025), 0)]  # more columns than a strip
_CASES = [Case((s,), {"dim": d}) for s, d in _SHAPES] + [
    Case(((2, 3),), {"dim": 1, "keepdim": True})
]
_LONG_CASES = [Case((s,), {"dim": d}) for s, d in _LONG]
_LONG_CASES += [Case((s,), {"dim": (0, 2)}) for s in ((3000, 2, 3), (70, 3, 64), (9, 2, 8200))]
_FULL = [c for c in _CASES if 0 not in (c.shapes[0] or ())]


def distinct(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """No two elements alike, so that a maximum has one place and a slope."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n / 2) * 0.1).reshape(shape)


def _sum(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    wide = np.longdouble if x.dtype.kind == "f" else x.dtype  # NumPy adds rows one by one
    return np.sum(x, axis=dim, keepdims=keepdim, dtype=wide).astype(x.dtype)


def _mean(x: Array, dim: Any, keepdim: bool) -> Array:
    return np.mean(x, axis=dim, keepdims=keepdim, dtype=np.longdouble).astype(x.dtype)


def _terms(x: Array, dim: Any = None, keepdim: bool = False) -> int:
    """Additions in a row: in a virtual lane or a column, over the lanes, over the chunks."""
    n = x.size // max(np.sum(x, axis=dim).size, 1)
    return min(n, 256 + 6 + n.bit_length())


def _arg(function: Any) -> Spec:
    cases = [Case((s,), {"dim": d}) for s, d in [*_SHAPES, *_LONG] if isinstance(d, int)]
    cases += [Case(((n,),), {"dim": 0}) for n in range(1, 140, 7)]
    return Spec(
        cases,
        lambda x, dim: function(x, axis=dim),
        sample=distinct,
        grad=False,
        ulp=0,
        dtypes=WITH_INTEGERS,
    )


def _with_values(arg: Any, values: Any) -> Spec:
    return replace(
        _arg(None),
        reference=lambda x, dim: (arg(x, axis=dim), values(x, axis=dim)),
        grad=True,
        grad_cases=[Case(((n,),), {"dim": 0}) for n in (1, 5)]
        + [Case(((3, 4, 2),), {"dim": d}) for d in (0, 1, -1)],
    )


SPECS = {
    "sum": Spec(
        _CASES + _LONG_CASES,
        _sum,
        terms=_terms,
        magnitude=lambda x, dim=None, keepdim=False: _sum(abs(x), dim, keepdim),
        dtypes=WITH_INTEGERS,
    ),
    "mean": Spec(
        _FULL + _LONG_CASES,
        lambda x, dim=None, keepdim=False: _mean(x, dim, keepdim),
        terms=lambda *args, **kwargs: _terms(*args, **kwargs) + 1,
        magnitude=lambda x, dim=None, keepdim=False: _mean(abs(x), dim, keepdim),
    ),
    "sum_squares": Spec(
        _CASES + _LONG_CASES,
        lambda x, dim=None, keepdim=False: _sum(x * x, dim, keepdim),
        terms=_terms,
    ),
    "amax": Spec(
        _FULL + _LONG_CASES,
        lambda x, dim=None, keepdim=False: np.max(x, axis=dim, keepdims=keepdim),
        sample=distinct,
        ulp=0,
        dtypes=WITH_INTEGERS,
    ),
    "amin": Spec(
        _FULL + _LONG_CASES,
        lambda x, dim=None, keepdim=False: np.min(x, axis=dim, keepdims=keepdim),
        sample=distinct,
        ulp=0,
        dtypes=WITH_INTEGERS,
    ),
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
    "max_along": _with_values(np.argmax, np.max),
    "min_along": _with_values(np.argmin, np.min),
}
