"""Convolution and its gradients, against sums over the taps of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec


def _pair(v: Any) -> tuple[int, int]:
    return (v, v) if isinstance(v, int) else tuple(v)


def _geometry(
    kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, int], list[tuple[int, int]], tuple[int, int]]:
    stride, dilation = _pair(stride), _pair(dilation)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return stride, [(t // 2, t - t // 2) for t in total], dilation
    pads = [(0, 0), (0, 0)] if padding == "valid" else [_pair(p) for p in _pair(padding)]
    return stride, pads, dilation


def _images(x: Array, groups: int) -> Array:
    """(N, C, H, W) or (C, H, W) as (N, G, C/G, H, W)."""
    n = x.shape[0] if x.ndim == 4 else 1
    return x.reshape(n, groups, x.shape[-3] // groups, *x.shape[-2:])


class Windows:
    """A padded image (N, G, C, H, W), and what each tap of a kernel sees of it."""

    def __init__(
        self,
        x: Array,
        kernel: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> None:
        self.kernel = kernel
        self.stride, pads, self.dilation = _geometry(kernel, stride, padding, dilation)
        self.image = np.pad(_images(x, groups), [(0, 0)] * 3 + pads)
        self.inside = tuple(slice(p[0], p[0] + n) for p, n in zip(pads, x.shape[-2:], strict=True))
        self.size = tuple(
            (n - d * (k - 1) - 1) // s + 1
            for n, d, k, s in zip(
                self.image.shape[-2:], self.dilation, kernel, self.stride, strict=True
            )
        )

    def taps(self) -> Iterator[tuple[int, int, Array]]:
        """(i, j, view of the image that tap (i, j) sees)."""
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                index = tuple(
                    slice(at * d, at * d + (n - 1) * s + 1, s)
                    for at, d, n, s in zip(
                        (i, j), self.dilation, self.size, self.stride, strict=True
                    )
                )
                yield i, j, self.image[(..., *index)]


def _grouped(w: Array, groups: int) -> Array:
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def conv2d(x: Array, w: Array, b: Array | None = None, **kw: Any) -> Array:
    windows = Windows(x, w.shape[2:], **kw)
    g = _grouped(w, kw.get("groups", 1))
    y: Any = 0
    for i, j, seen in windows.taps():
        y = y + np.einsum("goc,ngchw->ngohw", g[..., i, j], seen)
    y = y.reshape(*x.shape[:-3], w.shape[0], *windows.size)
    return y if b is None else y + b[:, None, None]


def conv2d_input(dy: Array, w: Array, size: Any, **kw: Any) -> Array:
    groups = kw.get("groups", 1)
    zeros = np.zeros((*dy.shape[:-3], w.shape[1] * groups, *_pair(size)))
    windows = Windows(zeros, w.shape[2:], **kw)
    g, dys = _grouped(w, groups), _images(dy, groups)
    for i, j, seen in windows.taps():
        seen += np.einsum("goc,ngohw->ngchw", g[..., i, j], dys)
    return windows.image[(..., *windows.inside)].reshape(zeros.shape)


def conv2d_weight(dy: Array, x: Array, size: Any, **kw: Any) -> Array:
    groups, kernel = kw.get("groups", 1), _pair(size)
    dys = _images(dy, groups)
    windows = Windows(x, kernel, **kw)
    dw = np.zeros((groups, dys.shape[2], x.shape[-3] // groups, *kernel))
    for i, j, seen in windows.taps():
        dw[..., i, j] = np.einsum("ngohw,ngchw->goc", dys, seen)
    return dw.reshape(dy.shape[-3], *dw.shape[2:])


# Input, weight, arguments. Tiles are 6 or 14 rows by 4 to 32 columns; sums break at 256.
LAYERS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    *[((1, 2, 1, 30 + o), (o, 2, 1, 1), {}) for o in (1, 5, 6, 7, 13, 14, 15, 29)],
    *[((2, 3, 1, n), (4, 3, 1, 1), {}) for n in (1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 65)],
    *[((1, c, 2, 3), (2, c, 1, 1), {}) for c in (255, 256, 257, 513)],
    ((1, 29, 5, 5), (3, 29, 3, 3), {"padding": 1}),
    ((2, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),
    ((2, 6, 14, 14), (16, 6, 5, 5), {}),
    ((1, 3, 14, 14), (15, 3, 3, 3), {"padding": 1}),  # planes of 1024 bytes with their border
    ((25, 1, 5, 6), (4, 1, 3, 3), {"padding": 1}),  # images summed together
    ((2, 33, 6, 5), (40, 33, 3, 3), {}),  # blocks of channels
    ((2, 20, 17, 18), (24, 20, 5, 5), {"padding": 2}),  # enough for several threads
    ((1, 2, 5, 5), (130, 2, 3, 3), {"padding": 1}),  # parts of the outputs
    ((2, 3, 40, 21), (16, 3, 3, 3), {"padding": 1}),  # bands of rows
    ((2, 4, 37, 33), (6, 4, 5, 5), {"stride": (1, 2), "padding": 2}),
    ((1, 3, 9, 16), (64, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((3, 3, 9, 8), (8, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 3, 10, 37), (5, 3, 3, 3), {"stride": (1, 2), "padding": (2, 0)}),
    ((2, 2, 11, 13), (3, 2, 2, 4), {"stride": (3, 2), "padding": (0, 3), "dilation": (2, 1)}),
    ((1, 2, 9, 16), (3, 2, 3, 3), {"dilation": (2, 3), "padding": 3}),
    ((1, 2, 7, 9), (2, 2, 2, 1), {"stride": (4, 3)}),  # pixels that no tap reaches
    ((1, 2, 6, 7), (2, 2, 4, 3), {"padding": "same"}),
    ((1, 2, 6, 7), (2, 2, 2, 2), {"padding": ((0, 1), (2, 0))}),
    ((2, 4, 5, 6), (3, 4, 5, 6), {}),  # kernel = input
    ((1, 1, 3, 3), (1, 1, 5, 5), {"padding": 2}),  # kernel > input
    ((2, 6, 8, 9), (4, 3, 3, 3), {"groups": 2, "padding": 1}),
    ((9, 2, 3, 5), (200, 2, 3, 3), {"padding": 1}),  # images joined
    ((2, 5, 8, 9), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    ((2, 3, 9, 37), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    ((1, 2, 6, 33), (2, 1, 3, 3), {"groups": 2}),
    ((1, 2, 11, 18), (2, 1, 5, 5), {"groups": 2, "padding": (1, 2)}),
    ((1, 2, 9, 16), (2, 1, 7, 7), {"groups": 2, "padding": 3}),
    ((1, 3, 9, 35), (6, 1, 3, 5), {"groups": 3, "stride": 2, "padding": (1, 2)}),
    ((2, 2, 7, 37), (4, 1, 3, 3), {"groups": 2, "padding": 1}),  # two outputs of a channel
    ((1, 3, 13, 70), (6, 1, 3, 3), {"groups": 3, "stride": 2, "padding": 1}),
    ((2, 2, 9, 33), (2, 1, 3, 3), {"groups": 2, "stride": 2, "padding": (2, 0)}),
    ((1, 2, 14, 40), (2, 1, 5, 5), {"groups": 2, "stride": 2, "padding": (1, 2)}),
    ((1, 2, 10, 18), (2, 1, 7, 7), {"groups": 2, "stride": 2, "padding": 3}),
    ((1, 1, 90, 180), (1, 1, 5, 5), {"padding": 2}),  # bands of a plane
    ((1, 2, 9, 20), (2, 1, 3, 3), {"groups": 2, "padding": 3}),  # more padding than taps reach
    ((2, 4, 9, 12), (8, 1, 3, 3), {"groups": 4, "padding": 2, "dilation": 2}),
    ((2, 18, 5, 6), (9, 2, 3, 3), {"groups": 9, "padding": 1}),  # groups apart
    ((2, 5, 12, 20), (7, 5, 1, 1), {}),  # 1 x 1 in rows of whole vectors
    ((3, 6, 5, 7), (40, 3, 1, 1), {"groups": 2}),  # and in those that it has
    ((2, 70, 4, 8), (66, 70, 1, 1), {}),
    ((3, 5, 6), (4, 3, 3, 3), {}),  # no batch
    ((0, 3, 5, 6), (4, 3, 3, 3), {}),
    ((2, 0, 5, 6), (4, 0, 3, 3), {}),
    ((2, 3, 5, 6), (0, 3, 3, 3), {}),
]


def cases_of(op: str, layers: list[tuple[tuple[int, ...], tuple[int, ...], Any]]) -> list[Case]:
    cases = []
    for k, (x, w, kw) in enumerate(layers):
        y = (*x[:-3], w[0], *Windows(np.zeros(x), w[2:], **kw).size)
        if op == "conv2d":
            cases.append(Case((x, w, (w[0],) if k % 2 else None), kw))
        elif op == "conv2d_input":
            cases.append(Case((y, w), {"size": x[-2:], **kw}))
        else:
            cases.append(Case((y, x), {"size": w[2:], **kw}))
    return cases


def _absolute(reference: Any) -> Any:
    def magnitude(*arrays: Array | None, **kw: Any) -> Any:
        return reference(*[None if a is None else np.abs(a) for a in arrays], **kw)

    return magnitude


def in_tiles(spec: Spec) -> Spec:
    """For an algorithm that computes whole tiles of pixels from each other: an element may be as
    wrong as the largest of its plane."""

    def magnitude(*arrays: Array | None, **kw: Any) -> Any:
        m: Any = spec.magnitude(*arrays, **kw) if spec.magnitude else None
        return m if m.size == 0 else np.broadcast_to(m.max((-2, -1), keepdims=True), m.shape)

    return replace(spec, magnitude=magnitude)


def _pixels(dy: Array) -> int:
    return dy.size // max(dy.shape[-3], 1)


SPECS = {
    "conv2d": Spec(
        cases_of("conv2d", LAYERS),
        conv2d,
        terms=lambda x, w, *b, **kw: w[0].size + 1 if len(w) else 0,
        magnitude=_absolute(conv2d),
    ),
    "conv2d_input": Spec(
        cases_of("conv2d_input", LAYERS),
        conv2d_input,
        terms=lambda dy, w, **kw: w[:, 0].size if w.size else 0,
        magnitude=_absolute(conv2d_input),
    ),
    "conv2d_weight": Spec(
        cases_of("conv2d_weight", LAYERS),
        conv2d_weight,
        terms=lambda dy, x, **kw: _pixels(dy),
        magnitude=_absolute(conv2d_weight),
    ),
}
