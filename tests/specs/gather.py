"""Slices by number: widths around the vector sizes, numbers that repeat."""

from __future__ import annotations

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


def last_writer(index: Array, size: int) -> Array:
    y = np.full(size, -1)
    for i, k in enumerate(index.ravel()):
        y[k] = i
    return y


SPECS = {
    "last_writer": Spec(
        [Case(((n,),), {"size": ROWS + 2}) for n in (0, 1, 5, 40)],
        last_writer,
        sample=_numbers,
        grad=False,
        dtypes=("float32",),
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
