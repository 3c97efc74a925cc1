"""Slices by number: widths around the vector sizes, numbers that repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec

ROWS = 4  # numbers are below that in every case


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    return rng.integers(0, ROWS, shape) if name == "index" else rng.standard_normal(shape)


def take_backward(dy: Array, index: Array, size: int, dim: int = 0, ignored: int = -1) -> Array:
    flat = dy.reshape(*dy.shape[:dim], index.size, *dy.shape[dim + index.ndim :])
    flat = np.moveaxis(flat, dim, 0)
    dx = np.zeros((size, *flat.shape[1:]))
    keep = index.ravel() != ignored
    np.add.at(dx, index.ravel()[keep], flat[keep])
    return np.moveaxis(dx, 0, dim)


_TABLES = [Case(((ROWS, n), (7,))) for n in (0, *range(1, 34), 63, 64, 65, 200)]
_TABLES += [Case(((ROWS, 3), s)) for s in ((), (0,), (2, 3))] + [Case(((5, 80), (700,)))]
_OTHER = [
    Case(((3, ROWS, 5), (6,)), {"dim": 1}),
    Case(((3, ROWS), (2, 2)), {"dim": -1}),
    Case(((ROWS,), (5,))),
]


def _backward(case: Case) -> Case:
    """The case of take_backward whose result has the shape of the input."""
    shape, index = case.shapes
    assert shape is not None and index is not None
    d = case.kwargs.get("dim", 0) % len(shape)
    kwargs = {"size": shape[d], **({"dim": d} if d else {})}
    return Case(((*shape[:d], *index, *shape[d + 1 :]), index), kwargs)


def _cut(x: Array, index: Array, dim: int) -> Array:
    """x as far as the index reaches in the dimensions but `dim`."""
    return x[tuple(slice(None) if d == dim else slice(m) for d, m in enumerate(index.shape))]


def gather(x: Array, index: Array, dim: int) -> Array:
    d = dim % max(x.ndim, 1)
    return np.take_along_axis(_cut(x, index, d), index, d) if x.ndim else x


def scatter(
    src: Array,
    index: Array,
    x: Array | None = None,
    dim: int = 0,
    shape: tuple[int, ...] = (),
    add: bool = False,
    joined: int = 0,
) -> Array:
    y = np.zeros(shape) if x is None else x.copy()
    if joined:
        y = y.reshape(-1, *shape[joined:])
        return scatter(src, index, y, dim, y.shape, add).reshape(shape)
    d = dim % max(len(shape), 1)
    for at in np.ndindex(index.shape):
        to = (*at[:d], index[at], *at[d + 1 :]) if shape else ()
        y[to] = y[to] + src[at] if add else src[at]
    return y


def scatter_meet(src: Array, index: Array, x: Array, dim: int, how: int) -> Array:
    y = x.copy()
    for at in np.ndindex(index.shape):
        to = (*at[:dim], index[at], *at[dim + 1 :])
        y[to] = (np.maximum, np.minimum, np.multiply)[how - 2](y[to], src[at])
    return y


def _scatter_terms(src: Array, index: Array, x: Array | None = None, **kw: Any) -> Array:
    return scatter(np.ones(index.shape), index, None, **kw) * kw.get("add", False)


def _scatter_size(src: Array, index: Array, x: Array | None = None, **kw: Any) -> Array:
    return scatter(abs(src), index, None if x is None else abs(x), **kw)


_JOINED = [
    Case(((9,), (9,), x), {"dim": 0, "shape": (2, 3), "add": add, "joined": 2})
    for x in (None, (2, 3))
    for add in (False, True)
]
_JOINED += [
    Case(((3, 4), (3, 4)), {"dim": 0, "shape": (2, 2, 4), "add": True, "joined": 2}),
    Case(((2,), (2,)), {"dim": 0, "shape": (5,), "joined": 1}),
]

# The shape of x, that of the index, the dimension.
_ALONG = [
    ((ROWS,), (7,), 0),
    ((3, ROWS), (3, 9), 1),
    ((3, ROWS), (2, 20), -1),
    ((ROWS, 5), (7, 5), 0),
    ((ROWS, 33), (3, 31), 0),
    ((2, ROWS, 3), (2, 5, 2), 1),
    ((ROWS, 3, 2), (1, 3, 2), 0),
    ((2, ROWS), (0, 3), 1),
]
_MANY = [((200, ROWS), (200, 120), 1), ((ROWS, 300), (90, 300), 0)]

SPECS = {
    "gather": Spec(
        [Case((x, i), {"dim": d}) for x, i, d in _ALONG + _MANY] + [Case(((), ()), {"dim": 0})],
        gather,
        sample=lambda rng, shape, name: _numbers(rng, shape, name) * (shape != ()),
        ulp=0,
        grad_cases=[Case((x, i), {"dim": d}) for x, i, d in _ALONG],
    ),
    "scatter": Spec(
        [
            Case((i, i, x if given else None), {"dim": d, "shape": x, "add": add})
            for x, i, d in _ALONG + _MANY
            for given in (False, True)
            for add in (False, True)
        ]
        + _JOINED,
        scatter,
        sample=_numbers,
        ulp=0,
        terms=_scatter_terms,
        magnitude=_scatter_size,
        grad_cases=[
            Case((i, i, x if given else None), {"dim": d, "shape": x, "add": add})
            for x, i, d in _ALONG
            for given, add in ((False, True), (True, False))
        ]
        + _JOINED,
    ),
    "scatter_": Spec(
        [
            Case((i, i, x), {"dim": d, "shape": x, "add": add, "joined": 0})
            for x, i, d in _ALONG + _MANY
            for add in (False, True)
        ],
        scatter,
        sample=_numbers,
        ulp=0,
        terms=_scatter_terms,
        magnitude=_scatter_size,
        grad=False,
    ),
    "scatter_meet": Spec(
        [
            Case((i, i, x), {"dim": d % len(x), "how": how})
            for x, i, d in _ALONG + _MANY
            for how in (2, 3, 4)
        ],
        scatter_meet,
        sample=_numbers,
        terms=lambda src, index, x, dim, how: index.shape[dim] * (how == 4),
        ulp=1,
        grad_cases=[
            Case((i, i, x), {"dim": d % len(x), "how": how})
            for x, i, d in _ALONG
            for how in (2, 3, 4)
        ],
    ),
    "take": Spec(
        _TABLES + _OTHER,
        lambda x, index, dim=0: np.take(x, index, dim),
        sample=_numbers,
        ulp=0,
        dtypes=("float32", "float64"),
    ),
    "take_backward": Spec(
        [_backward(c) for c in _TABLES + _OTHER]
        + [Case(((9, 3), (9,)), {"size": ROWS, "ignored": 2})],
        take_backward,
        sample=_numbers,
        terms=lambda dy, index, **kwargs: index.size,
        magnitude=lambda dy, index, **kwargs: take_backward(abs(dy), index, **kwargs),
    ),
}
