"""Images read at any places: a grid of coordinates says where, an affine map may make the grid.

Each output pixel takes the pixels around its place (take), weighs them and adds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.elementwise import cast, ne, where
from nnfast.ops.gather import take
from nnfast.ops.interpolate import far, near
from nnfast.ops.logic import isfinite
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.rounding import floor, fmod, round
from nnfast.ops.shape import permute, reshape
from nnfast.ops.window import is_integer
from nnfast.tensor import Tensor, int64, wrap

_MODES = ("bilinear", "nearest", "bicubic")
_PADDING = ("zeros", "border", "reflection")
_NOWHERE = -100.0  # far outside of every image: for infinite places


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Image or volume x read at the places in `grid`: y[n, c, i, j] = x[n, c] at grid[n, i, j].

    Coordinates run from -1 to 1, first that of width, then height (then depth): from edge to edge
    of the image, or with align_corners from the center of the first pixel to that of the last.
    NaN is -1.

    Modes: "bilinear" (weights fall linearly with the distance), "nearest", "bicubic" (Keys'
    kernel, a = -0.75; images only). Outside of the image there are zeros, the nearest pixel of
    the border, or the image reflected at its edges.

    Shapes: input (N, C, H, W) and grid (N, OH, OW, 2) -> (N, C, OH, OW), or (N, C, D, H, W) and
    (N, OD, OH, OW, 3) -> (N, C, OD, OH, OW). float32, float64, both the same.
    Errors: other shapes or modes, an empty image, dtypes that differ.

    Source: Jaderberg et al., Spatial transformer networks, 2015.

    >>> import nnfast
    >>> x = nnfast.tensor([[[[1.0, 3.0]]]])
    >>> places = nnfast.tensor([[[[-0.5, 0.0], [0.0, 0.0], [0.5, 0.0]]]])
    >>> nnfast.nn.functional.grid_sample(x, places)
    tensor([[[[1., 2., 3.]]]])
    """
    x, g = as_tensor(input, "grid_sample"), as_tensor(grid, "grid_sample")
    _check(x, g, mode, padding_mode)
    g = where(ne(g, g), -1.0, g)
    space = x.shape[2:]
    taps = [
        _taps(_Axis(n, bool(align_corners), padding_mode), g[..., -1 - d], mode)
        for d, n in enumerate(space)
    ]
    count = x.shape[0] * math.prod(space)
    pixels = reshape(permute(x, (0, *range(2, x.ndim), 1)), (count, x.shape[1]))
    start = np.arange(x.shape[0]) * math.prod(space)
    image = wrap(start.reshape(-1, *[1] * len(space)))
    y: Any = None
    for corner in product(*taps):
        at: Any = 0
        for n, tap in zip(space, corner, strict=True):
            at = at * n + tap.pixel
        seen = take(pixels, at + image)
        inside = math.prod([tap.inside for tap in corner[1:]], start=corner[0].inside)
        seen = where(inside.unsqueeze(-1), seen, 0.0)
        if corner[0].weight is not None:
            weights: list[Any] = [tap.weight for tap in corner]
            seen = seen * math.prod(weights[1:], start=weights[0])
        y = seen if y is None else y + seen
    return permute(y, (0, y.ndim - 1, *range(1, y.ndim - 1)))


class _Axis(NamedTuple):
    """One dimension of the image."""

    n: int
    align: bool
    padding: str

    def pixels(self, g: Tensor) -> Tensor:
        """Coordinates from -1 to 1 in pixels, whose centers are at 0 to n - 1."""
        return (g + 1.0) * ((self.n - 1) / 2) if self.align else (g + 1.0) * (self.n / 2) - 0.5

    def into(self, p: Tensor) -> Tensor:
        """Places brought into the image, as the padding says; those nowhere far outside."""
        if self.padding == "reflection":
            p = self._reflected(p)
        if self.padding != "zeros":
            last = float(self.n - 1)
            p = where(p > 0.0, where(p < last, p, last), where(ne(p, p), p, 0.0))
        return where(isfinite(p), p, _NOWHERE)

    def _reflected(self, p: Tensor) -> Tensor:
        low, span = (0.0, self.n - 1.0) if self.align else (-0.5, float(self.n))
        if span == 0:
            return p * 0.0
        far = p - low
        far = where(far < 0.0, -far, far)
        rest = fmod(far, span)
        even = fmod(floor(far / span), 2.0) == 0.0
        return where(even, rest, span - rest) + low

    def tap(self, place: Tensor, weight: Tensor | None) -> _Tap:
        """The pixel at a whole place."""
        inside = (place >= 0.0) & (place <= float(self.n - 1))
        index = cast(where(inside, place, 0.0), int64)
        return _Tap(index, inside, None if weight is None else weight.unsqueeze(-1))


class _Tap(NamedTuple):
    """A pixel along one dimension for each output pixel, and its weight (None: 1)."""

    pixel: Tensor
    inside: Tensor
    weight: Tensor | None


def _taps(axis: _Axis, g: Tensor, mode: str) -> list[_Tap]:
    p = axis.pixels(g)
    if mode == "bicubic":  # each of its pixels may be reflected
        first = floor(p)
        t = p - first
        weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
        places = [axis.into(first + (i - 1.0)) for i in range(4)]
        return [axis.tap(p, w) for p, w in zip(places, weights, strict=True)]
    p = axis.into(p)
    if mode == "nearest":
        return [axis.tap(round(p), None)]
    first = floor(p)
    return [axis.tap(first, (first + 1.0) - p), axis.tap(first + 1.0, p - first)]


def _check(x: Tensor, g: Tensor, mode: str, padding_mode: str) -> None:
    name, n = "grid_sample", x.ndim - 2
    if n not in (2, 3) or g.ndim != x.ndim or g.shape[0] != x.shape[0] or g.shape[-1] != n:
        shapes = "input (N, C, H, W) and grid (N, OH, OW, 2), or (N, C, D, H, W) and (..., 3)"
        fail(name, shapes, "others", input=x, grid=g)
    if mode not in _MODES or (mode == "bicubic" and n == 3):
        fail(name, f"mode one of {', '.join(_MODES)}, bicubic for images only", repr(mode))
    if padding_mode not in _PADDING:
        fail(name, f"padding_mode one of {', '.join(_PADDING)}", repr(padding_mode))
    if x.dtype.kind != "f" or x.dtype != g.dtype:
        fail(name, "floats of one dtype", "others", "convert the grid.", input=x, grid=g)
    if 0 in x.shape[2:]:
        fail(name, "at least one pixel", "none", input=x)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """A grid for `grid_sample`: each output pixel (u, v) looks at theta (u, v, 1).

    u and v run from -1 to 1 as grid_sample's do; align_corners must be the same for both.

    Shapes: theta (N, 2, 3) and size (N, C, H, W) -> (N, H, W, 2), or (N, 3, 4) and
    (N, C, D, H, W) -> (N, D, H, W, 3). Errors: other shapes.

    >>> import nnfast
    >>> half = nnfast.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
    >>> nnfast.nn.functional.affine_grid(half, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-0.5,  0. ],
              [ 0.5,  0. ]]]])
    """
    t = as_tensor(theta, "affine_grid")
    sizes = tuple(size)
    n = len(sizes) - 2
    if not all(map(is_integer, sizes)) or n not in (2, 3) or min(sizes) < 1:
        fail("affine_grid", "a size (N, C, H, W) or (N, C, D, H, W) of numbers above 0", f"{size}")
    if t.shape != (sizes[0], n, n + 1) or t.dtype.kind != "f":
        fail("affine_grid", f"a theta of floats, shape {(sizes[0], n, n + 1)}", "another", theta=t)
    steps = [_steps(m, bool(align_corners)) for m in sizes[2:]]
    base = np.stack([*np.meshgrid(*steps, indexing="ij")][::-1], -1)
    base = np.concatenate([base, np.ones((*base.shape[:-1], 1))], -1).astype(t.dtype)
    grid = matmul(wrap(base.reshape(-1, n + 1)), t.mT)
    return reshape(grid, (sizes[0], *sizes[2:], n))


def _steps(n: int, align: bool) -> np.ndarray:
    """Where n pixels have their centers, from -1 to 1."""
    steps = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return steps if align or n == 1 else steps * ((n - 1) / n)
