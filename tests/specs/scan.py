"""Recurrences along a dimension, and orders."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tests.specs.spec import WITH_INTEGERS, Array, Case, Spec


def scan(x: Array, decay: Array | None = None, dim: int = 0, reverse: bool = False) -> Array:
    along = np.moveaxis(np.array(x), dim, 0) if x.ndim else x.reshape(1)
    a = None if decay is None else np.moveaxis(decay, dim, 0) if x.ndim else decay.reshape(1)
    y = along.copy()
    order = range(len(y))[:: -1 if reverse else 1]
    for before, j in itertools.pairwise(order):
        y[j] += y[before] if a is None else a[j] * y[before]
    return np.moveaxis(y, 0, dim) if x.ndim else y.reshape(())


def running(x: Array, dim: int, smallest: bool = False) -> tuple[Array, Array]:
    along = np.moveaxis(x, dim, 0)
    y = np.zeros(along.shape, np.int64)
    best = along[:1].copy()
    for j in range(1, len(along)):
        better = along[j] <= best[0] if smallest else along[j] >= best[0]
        best[0] = np.where(better, along[j], best[0])
        y[j] = np.where(better, j, y[j - 1])
    index = np.moveaxis(y, 0, dim)
    return np.take_along_axis(x, index, dim), index


def argsort(x: Array, descending: bool = False, count: int | None = None) -> Array:
    n = x.shape[-1]
    if descending:
        return (n - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1])[..., :count]
    return np.argsort(x, axis=-1, kind="stable")[..., :count]


def _ties(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return np.round(rng.standard_normal(shape) * 2)


def _ties_of_many(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """A few are all different, as gradients want them."""
    n = int(np.prod(shape))
    return _ties(rng, shape, name) if n > 9 else rng.permutation(n).reshape(shape) * 0.5


def _decays(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    x = rng.standard_normal(shape)
    return x / (1 + abs(x)) if name == "decay" else x


def _near_one(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Products of many stay what they are about; some signs."""
    return (1 + 0.05 * rng.standard_normal(shape)) * rng.choice([-1.0, 1.0], shape)


_LINES: list[Any] = [((n,), {}) for n in (0, 1, 2, 9)]
_LINES += [((3, 5, 2), {"dim": d}) for d in (0, 1, -1)] + [((), {}), ((2, 0), {"dim": 1})]
_LARGE = ((70, 9, 130), {"dim": 1})
_RUNS: Any = ((1003, 90), {"dim": 1})
_REVERSED = {"reverse": True}

SPECS = {
    "linear_scan": Spec(
        [Case((s, *[s] * more), kw) for s, kw in [*_LINES, _LARGE] for more in (0, 1)]
        + [Case((s, *[s] * more), {**kw, **_REVERSED}) for s, kw in _LINES for more in (0, 1)],
        scan,
        sample=_decays,
        terms=lambda x, *decay, dim=0, **kw: x.shape[dim] if x.ndim else 1,
        magnitude=lambda x, *decay, **kw: scan(abs(x), *[abs(a) for a in decay], **kw),
        grad_cases=[
            Case((s, *[s] * more), {**kw, **r})
            for s, kw in _LINES
            for more in (0, 1)
            for r in ({}, _REVERSED)
        ],
    ),
    "cumprod": Spec(
        [Case((s,), {"dim": 0, **kw}) for s, kw in [*_LINES, _LARGE, _RUNS] if s],
        lambda x, dim: np.cumprod(x, axis=dim),
        sample=_near_one,
        terms=lambda x, dim: x.shape[dim],
        grad_cases=[Case((s,), {"dim": 0, **kw}) for s, kw in _LINES if s],
    ),
    "prod": Spec(
        [Case((s,), kw) for s, kw in [*_LINES, _LARGE, _RUNS]]
        + [Case((s,), {}) for s, _ in _LINES]
        + [Case(((4, 3),), {"dim": 1, "keepdim": True}), Case(((140001,),))],
        lambda x, dim=None, keepdim=False: np.prod(x, axis=dim, keepdims=keepdim),
        sample=_near_one,
        terms=lambda x, **kw: x.size,
        grad_cases=[Case((s,), kw) for s, kw in _LINES],
    ),
    "running": Spec(
        [
            Case((s,), {"dim": 0, **kw, "smallest": low})
            for s, kw in [
                *[((n,), {}) for n in (0, *range(1, 34), 70)],
                ((3, 5, 2), {"dim": 1}),
                _LARGE,
                _RUNS,
            ]
            for low in (False, True)
        ],
        running,
        sample=_ties_of_many,
        ulp=0,
        dtypes=WITH_INTEGERS,
        grad_cases=[Case((s,), {"dim": 0}) for s in ((1,), (9,), (3, 2))],
    ),
    "argsort": Spec(
        [
            Case(((n,),), {"descending": down})
            for n in (0, 1, 2, 15, 16, 17, 31, 33, 100, 1000)
            for down in (False, True)
        ]
        + [Case(((5, 3, 7),)), Case(((300, 40),)), Case(((2, 0),))]
        + [
            Case(((3, 40),), {"descending": down, "count": k})
            for k in (0, 1, 2, 7, 39, 40)
            for down in (False, True)
        ],
        argsort,
        sample=_ties,
        grad=False,
        dtypes=WITH_INTEGERS,
    ),
}
