"""Pooling to a size, against a plain loop over its windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec

Size = tuple[int, ...]


def _windows(planes: Size, size: Size) -> Iterator[tuple[Size, tuple[slice, slice]]]:
    for at in np.ndindex(*size):
        h, w = (
            slice(i * n // out, -(-(i + 1) * n // out))
            for i, n, out in zip(at, planes, size, strict=True)
        )
        yield at, (h, w)


def avg(x: Array, size: Size) -> Array:
    y = np.zeros((*x.shape[:-2], *size))
    for at, window in _windows(x.shape[-2:], size):
        y[(..., *at)] = x[(..., *window)].mean((-2, -1))
    return y


def avg_backward(dy: Array, size: Size) -> Array:
    dx = np.zeros((*dy.shape[:-2], *size))
    for at, window in _windows(size, dy.shape[-2:]):
        part = dx[(..., *window)]
        part += (dy[(..., *at)] / (part.shape[-1] * part.shape[-2]))[..., None, None]
    return dx


def largest(x: Array, size: Size) -> tuple[Array, Array]:
    y, index = np.zeros((2, *x.shape[:-2], *size))
    place = np.arange(x.shape[-2] * x.shape[-1]).reshape(x.shape[-2:])
    for at, window in _windows(x.shape[-2:], size):
        part = place[window].reshape(-1)
        seen = x.reshape(*x.shape[:-2], place.size)[..., part]
        y[(..., *at)] = seen.max(-1)
        index[(..., *at)] = part[seen.argmax(-1)]
    return y, index.astype(np.int64)


def _distinct(rng: np.random.Generator, shape: Size, name: str) -> Array:
    return rng.permutation(int(np.prod(shape))).reshape(shape) / 4.0


_SIZES = [
    ((2, 3, 7, 5), (3, 2)),
    ((3, 1, 40), (1, 7)),
    ((2, 6, 35), (4, 33)),
    ((2, 2, 3), (5, 4)),
    ((2, 4, 6), (2, 3)),
    ((0, 2, 3, 3), (2, 2)),
    ((1, 1, 1), (1, 1)),
]
_LARGE = ((6, 8, 31, 33), (7, 6))
_ALL = [*_SIZES, _LARGE]


def _out(case: tuple[Size, Size]) -> Case:
    shape, size = case
    return Case(((*shape[:-2], *size),), {"size": shape[-2:]})


def _terms(x: Array, **kw: Any) -> int:
    return x.shape[-1] * x.shape[-2]


SPECS = {
    "adaptive_avg": Spec(
        [Case((x,), {"size": size}) for x, size in _ALL],
        avg,
        terms=_terms,
        magnitude=lambda x, **kw: avg(abs(x), **kw),
        grad_cases=[Case((x,), {"size": size}) for x, size in _SIZES],
    ),
    "adaptive_avg_backward": Spec(
        [_out(c) for c in _ALL],
        avg_backward,
        terms=_terms,
        magnitude=lambda dy, **kw: avg_backward(abs(dy), **kw),
        grad_cases=[_out(c) for c in _SIZES],
    ),
    "adaptive_max": Spec(
        [Case((x,), {"size": size}) for x, size in _ALL],
        largest,
        sample=_distinct,
        grad_cases=[Case((x,), {"size": size}) for x, size in _SIZES],
    ),
}
