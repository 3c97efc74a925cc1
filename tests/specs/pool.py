"""Pooling, against a plain loop over its windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec


def _pair(v: Any) -> tuple[int, int]:
    return (v, v) if isinstance(v, int) else tuple(v)


def _count(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Windows start at -p, -p + s, ... as long as they fit, or start inside with ceil_mode."""
    starts = range(-p, n + p, s)
    fits = [a for a in starts if a + d * (k - 1) < n + p]
    if ceil_mode and fits and fits[-1] + d * (k - 1) < n + p - 1 and fits[-1] + s < n:
        fits.append(fits[-1] + s)
    return len(fits)


def _windows(
    size: tuple[int, int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Iterator[tuple[tuple[int, int], list[int], list[int]]]:
    """(place in the output, rows and columns of the window, those in the padding included)."""
    k, p, d = _pair(kernel_size), _pair(padding), _pair(dilation)
    s = k if stride is None else _pair(stride)
    counts = [_count(size[a], k[a], s[a], p[a], d[a], ceil_mode) for a in (0, 1)]
    for u, v in np.ndindex(*counts):
        yield (
            (u, v),
            [u * s[0] - p[0] + i * d[0] for i in range(k[0])],
            [v * s[1] - p[1] + j * d[1] for j in range(k[1])],
        )


def _output(size: tuple[int, int], **kw: Any) -> tuple[int, int]:
    u, v = list(_windows(size, **kw))[-1][0]
    return u + 1, v + 1


def _flat(x: Array) -> Array:
    """Planes as rows."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def max_pool2d(x: Array, **kw: Any) -> tuple[Array, Array]:
    H, W = x.shape[-2:]
    y = np.zeros((*x.shape[:-2], *_output((H, W), **kw)))
    index = np.zeros(y.shape, np.int64)
    for at, rows, cols in _windows((H, W), **kw):
        inside = np.array([h * W + w for h in rows for w in cols if 0 <= h < H and 0 <= w < W])
        seen = _flat(x)[..., inside]
        y[(..., *at)] = seen.max(-1)
        index[(..., *at)] = inside[seen.argmax(-1)]
    return y, index


def max_pool2d_backward(dy: Array, index: Array, size: Any) -> Array:
    H, W = _pair(size)
    dx = np.zeros((*dy.shape[:-2], H * W))
    plane = np.arange(dx.size).reshape(dx.shape)[..., :1, None]  # where each starts
    np.add.at(dx.reshape(-1), index + plane, dy)
    return dx.reshape(*dy.shape[:-2], H, W)


def max_pool2d_gather(x: Array, index: Array) -> Array:
    return np.take_along_axis(_flat(x), _flat(index), -1).reshape(index.shape)


def max_unpool2d(x: Array, index: Array, size: tuple[int, int]) -> Array:
    y = np.zeros((*x.shape[:-2], size[0] * size[1]))
    np.put_along_axis(y, _flat(index), _flat(x), -1)
    return y.reshape(*x.shape[:-2], *size)


def _unpooled(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Places of which none comes twice in a plane, within the smallest output."""
    if name != "index":
        return rng.standard_normal(shape)
    n = shape[-2] * shape[-1]
    places = np.broadcast_to(np.arange(n), (*shape[:-2], n))
    return rng.permuted(places, axis=-1).reshape(shape)


def _share(
    size: tuple[int, int],
    rows: list[int],
    cols: list[int],
    padding: Any = 0,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[list[int], list[int], int]:
    """Rows and columns inside the image, and the divisor of a window."""
    inside = [[i for i in at if 0 <= i < n] for at, n in zip((rows, cols), size, strict=True)]
    if divisor_override:
        return *inside, divisor_override
    if count_include_pad:
        p = _pair(padding)
        near = [sum(i < n + q for i in at) for at, n, q in zip((rows, cols), size, p, strict=True)]
        return *inside, near[0] * near[1]
    return *inside, len(inside[0]) * len(inside[1])


def _split(kw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the windows and arguments of their divisor."""
    divisor = {k: v for k, v in kw.items() if k in ("count_include_pad", "divisor_override")}
    windows = {k: v for k, v in kw.items() if k not in divisor}
    return windows, {**divisor, "padding": kw.get("padding", 0)}


def avg_pool2d(x: Array, **kw: Any) -> Array:
    size, (windows, divisor) = x.shape[-2:], _split(kw)
    y = np.zeros((*x.shape[:-2], *_output(size, **windows)))
    for at, rows, cols in _windows(size, **windows):
        h, w, d = _share(size, rows, cols, **divisor)
        y[(..., *at)] = x[..., h[0] : h[-1] + 1, w[0] : w[-1] + 1].sum((-2, -1)) / d
    return y


def avg_pool2d_backward(dy: Array, size: Any, **kw: Any) -> Array:
    size, (windows, divisor) = _pair(size), _split(kw)
    dx = np.zeros((*dy.shape[:-2], *size))
    for at, rows, cols in _windows(size, **windows):
        h, w, d = _share(size, rows, cols, **divisor)
        dx[..., h[0] : h[-1] + 1, w[0] : w[-1] + 1] += dy[(..., *at)][..., None, None] / d
    return dx


LAYERS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    *[((1, 2, h, w), {"kernel_size": 2}) for h, w in ((6, 8), (6, 16), (4, 48))],
    *[((1, 2, 2, n), {"kernel_size": 2}) for n in (2, 3, 7, 8, 9, 15, 16, 31, 32, 33, 34, 67)],
    *[((1, 1, 3, n), {"kernel_size": 3, "stride": 1, "padding": 1}) for n in (1, 4, 16, 17, 33)],
    ((2, 3, 8, 8), {"kernel_size": 1}),
    ((2, 3, 9, 10), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 9, 10), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    (
        (2, 1, 7, 35),
        {"kernel_size": (2, 5), "stride": (1, 3), "padding": (1, 2), "ceil_mode": True},
    ),
    ((1, 2, 11, 12), {"kernel_size": (4, 3), "stride": (3, 5)}),  # gaps between windows
    ((3, 2, 5, 6), {"kernel_size": (5, 6)}),  # kernel = input
    ((2, 5, 6), {"kernel_size": 2}),  # no batch
    ((0, 2, 5, 6), {"kernel_size": 2}),
    ((30, 7, 14, 13), {"kernel_size": 2, "stride": 2}),  # several tasks
]
DILATED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 9, 37), {"kernel_size": 3, "stride": 1, "dilation": 2, "padding": 1}),
    ((1, 2, 9, 20), {"kernel_size": (2, 3), "stride": 2, "dilation": (3, 2), "ceil_mode": True}),
]
DIVISORS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    (shape, {**kw, **extra})
    for shape, kw in (LAYERS[14], LAYERS[18], LAYERS[19], LAYERS[20])
    for extra in ({"count_include_pad": False}, {"divisor_override": 3}, {"divisor_override": -2})
]


def _distinct(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Numbers far enough apart that a small step changes no maximum; indices for `index`."""
    if name == "index":
        return rng.integers(0, 6, shape)
    return rng.permutation(int(np.prod(shape))).reshape(shape) / 8.0 - 3.0


def _backward_cases() -> list[Case]:
    shapes = [
        ((2, 3, 4, 5), (7, 6)),
        ((1, 1, 1, 1), (2, 3)),
        ((3, 6, 5), (1, 6)),
        ((0, 2, 3, 3), (3, 4)),
        ((2, 6, 8, 8), (60, 60)),
    ]
    return [Case((dy, dy), {"size": size}) for dy, size in shapes]


def _gather_cases() -> list[Case]:
    cases = [Case(((*c.shapes[0][:-2], *c.kwargs["size"]), c.shapes[1])) for c in _backward_cases()]
    return [*cases, Case(((2, 6, 5, 7), (2, 6, 60, 60)))]


def _window_terms(*arrays: Array, **kw: Any) -> int:
    k = _pair(kw["kernel_size"])
    return k[0] * k[1]


def _absolute(reference: Any) -> Any:
    def magnitude(x: Array, *rest: Any, **kw: Any) -> Any:
        divisor = kw.get("divisor_override")
        kw = {**kw, "divisor_override": abs(divisor)} if divisor else kw
        return reference(np.abs(x), *rest, **kw)

    return magnitude


# One window a plane.
_GLOBAL = [((3, 70, 7, 7), {"kernel_size": 7}), ((2, 5, 3, 4), {"kernel_size": (3, 4)})]
_GLOBAL += [((2, 1, 60, 90), {"kernel_size": (60, 90), "divisor_override": 3})]
_AVERAGES = LAYERS + DIVISORS + _GLOBAL
SPECS = {
    "max_pool2d": Spec(
        [Case((x,), kw) for x, kw in LAYERS + DILATED], max_pool2d, sample=_distinct
    ),
    "largest": Spec(
        [Case((x,), kw) for x, kw in LAYERS + DILATED],
        lambda x, **kw: max_pool2d(x, **kw)[0],
        sample=_distinct,
    ),
    "max_pool2d_backward": Spec(
        _backward_cases(),
        max_pool2d_backward,
        sample=_distinct,
        terms=lambda dy, index, **kw: dy.shape[-1] * dy.shape[-2],
        magnitude=_absolute(max_pool2d_backward),
    ),
    "max_pool2d_gather": Spec(_gather_cases(), max_pool2d_gather, sample=_distinct),
    "max_unpool2d": Spec(
        [
            Case((x, x), {"size": size})
            for x, size in (
                ((2, 3, 4, 5), (7, 6)),
                ((3, 1, 7), (1, 7)),
                ((0, 2, 3, 3), (3, 4)),
                ((2, 6, 30, 30), (60, 60)),
            )
        ],
        max_unpool2d,
        sample=_unpooled,
    ),
    "avg_pool2d": Spec(
        [Case((x,), kw) for x, kw in _AVERAGES],
        avg_pool2d,
        terms=_window_terms,
        magnitude=_absolute(avg_pool2d),
    ),
    "avg_pool2d_backward": Spec(
        [
            Case(((*x[:-2], *_output(x[-2:], **_split(kw)[0])),), {"size": x[-2:], **kw})
            for x, kw in _AVERAGES
        ],
        avg_pool2d_backward,
        terms=_window_terms,
        magnitude=_absolute(avg_pool2d_backward),
    ),
}
