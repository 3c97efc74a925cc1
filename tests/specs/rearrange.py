"""Dimensions put together from parts of themselves: exact, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec

_NUMPY = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: Array, pad: tuple[int, ...], mode: str = "constant", value: float = 0) -> Array:
    sides = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    kept = tuple(
        slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(sides, x.shape, strict=True)
    )
    more = [(max(a, 0), max(b, 0)) for a, b in sides]
    if mode == "constant":
        return np.pad(x[kept], more, constant_values=value)
    if mode == "circular":
        return np.pad(x[kept], more, _NUMPY[mode])
    y = np.pad(x, more, _NUMPY[mode])  # then cut, so that what is mirrored is known
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(sides, y.shape, strict=True))
    return y[cut]


def pad_backward(dy: Array, sides: tuple[int, ...], mode: str, shape: tuple[int, ...]) -> Array:
    places = pad(np.arange(float(np.prod(shape))).reshape(shape), sides, mode)
    dx = np.zeros(int(np.prod(shape)))
    np.add.at(dx, places.astype(int).reshape(-1), dy.reshape(-1))
    return dx.reshape(shape)


_SIDES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 3, 5), (1, 2)),
    ((2, 3, 5), (2, 0)),
    ((2, 3, 5), (-1, 3)),
    ((2, 3, 5), (0, -2)),
    ((2, 3, 4, 40), (3, 17, 1, 2)),
    ((2, 3, 4, 5), (4, -1, -2, 3)),
    ((1, 1, 2, 3, 2), (1, 1, 1, 2, 1, 0)),
]
_MODES = [("reflect", s, p) for s, p in _SIDES if s[-3:-1] != (2, 3) or len(p) < 6]
_MODES += [(m, s, p) for m in ("replicate", "circular") for s, p in _SIDES]


def _fits(mode: str, shape: tuple[int, ...], sides: tuple[int, ...]) -> bool:
    limit = {"reflect": 1, "circular": 0}.get(mode)
    if limit is None:
        return True
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    sizes = shape[::-1][: len(pairs)]
    if mode == "circular":
        sizes = tuple(n + min(a, 0) + min(b, 0) for n, (a, b) in zip(sizes, pairs, strict=True))
    return all(max(p) <= n - limit for n, p in zip(sizes, pairs, strict=True))


_MODES = [m for m in _MODES if _fits(*m)]
_LARGE = ((6, 5, 40, 33), (2, 1, 3, 2))


def _modes(large: bool = True) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    more = [(m, *_LARGE) for m in _NUMPY] if large else []
    return _MODES + more


_WIDTHS = [*range(34), 63, 65]
_EXACT: dict[str, Any] = {"ulp": 0}

SPECS = {
    "flip": Spec(
        [Case(((n,),), args=(0,)) for n in _WIDTHS]
        + [Case(((3, n),), args=(0, 1)) for n in (1, 5, 40)]
        + [
            Case(((),), args=()),
            Case(((3, 4, 5),), args=(1,)),
            Case(((3, 4, 5),), args=((0, -1),)),
            Case(((300, 150),), args=(1,)),
            Case(((70000,),), args=(0,)),
            Case(((2, 40000),), args=(0,)),
        ],
        lambda x, *dims: np.flip(x, dims[0] if dims and not isinstance(dims[0], int) else dims),
        **_EXACT,
    ),
    "roll": Spec(
        [Case(((n,),), args=(3, 0)) for n in _WIDTHS]
        + [
            Case(((3, 4, 5),), args=(-1, 1)),
            Case(((3, 4, 5),), args=((1, 2, -9), (0, -1, 1))),
            Case(((3, 4),), args=((1, 2), (0, 0))),
            Case(((300, 150),), args=((5, 7), (0, 1))),
            Case(((70000,),), args=(11, 0)),
        ],
        lambda x, shifts, dims: np.roll(x, shifts, dims),
        **_EXACT,
    ),
    "pad": Spec(
        [Case((s,), args=(p,)) for s, p in [*_SIDES, _LARGE, ((3,), (1, 2)), ((0, 2), (1, 1))]]
        + [Case((s,), args=(p,), kwargs={"value": 1.5}) for s, p in _SIDES]
        + [
            Case(((3, 40),), args=((0, 0, 2, 20000),)),
            Case(((70, 17, 18),), args=((1, 2, 0, 3),)),
            Case(((70, 17, 18),), args=((0, 1, 1, 1),), kwargs={"value": 1.5}),
            Case(((2,),), args=((),)),
        ]
        + [Case((s,), args=(p, m)) for m, s, p in _modes()],
        pad,
        grad_cases=[Case((s,), args=(p,)) for s, p in _SIDES]
        + [Case((s,), args=(p, m)) for m, s, p in _modes(False)],
        **_EXACT,
    ),
    "pad_backward": Spec(
        [Case((pad(np.zeros(s), p, m).shape,), args=(p, m, s)) for m, s, p in _modes()],
        pad_backward,
        terms=lambda dy, *args: 27,
        magnitude=lambda dy, *args: pad_backward(abs(dy), *args),
        grad_cases=[
            Case((pad(np.zeros(s), p, m).shape,), args=(p, m, s)) for m, s, p in _modes(False)
        ],
    ),
    "tril": Spec(
        [Case(((5, 7),), args=(k,)) for k in range(-6, 9)]
        + [Case(((2, 3, n, n),)) for n in (0, 1, 2, 40)]
        + [Case(((300, 150),), args=(3,))],
        np.tril,
        **_EXACT,
    ),
    "triu": Spec(
        [Case(((5, 7),), args=(k,)) for k in range(-6, 9)]
        + [Case(((2, 3, n, n),)) for n in (0, 1, 2, 40)]
        + [Case(((300, 150),), args=(3,))],
        np.triu,
        **_EXACT,
    ),
}
