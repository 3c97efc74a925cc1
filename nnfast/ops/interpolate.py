"""Images of another size: nearest, linear, bicubic and area interpolation, axis by axis.

Each axis takes its taps from the input (take), weighs them and adds them: what a pixel does not
see, infinite or not, does not change it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from nnfast.ops.gather import take
from nnfast.ops.operands import as_tensor
from nnfast.ops.window import check_size, is_integer
from nnfast.tensor import Tensor, int64, wrap

_LINEAR = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_ANY = ("nearest", "nearest-exact", "area")
_CUBIC = -0.75  # slope of the cubic kernel at distance 1


class _Axis(NamedTuple):
    """One dimension: its size, that of the output, and input pixels per output pixel."""

    n: int
    out: int
    scale: float
    align: bool  # the first and last pixels of input and output coincide

    def sources(self) -> np.ndarray:
        """Where in the input the center of each output pixel lies."""
        i = np.arange(self.out, dtype=np.float64)
        if self.align:
            return i * ((self.n - 1) / (self.out - 1) if self.out > 1 else 0.0)
        return (i + 0.5) * self.scale - 0.5


Taps = tuple[np.ndarray, np.ndarray]  # (taps, out): which pixels, and their weights


def _nearest(axis: _Axis, shift: float = 0.0) -> Taps:
    i = np.arange(axis.out, dtype=np.float32)  # in float32, as PyTorch rounds
    index = np.floor((i + np.float32(shift)) * np.float32(axis.scale))
    return np.minimum(index, axis.n - 1)[None], np.ones((1, axis.out))


def _nearest_exact(axis: _Axis) -> Taps:
    return _nearest(axis, 0.5)


def _linear(axis: _Axis) -> Taps:
    at = np.maximum(axis.sources(), 0.0)
    first = np.minimum(np.floor(at), axis.n - 1)
    t = np.minimum(at - first, 1.0)
    return np.stack([first, np.minimum(first + 1, axis.n - 1)]), np.stack([1 - t, t])


def _cubic(axis: _Axis) -> Taps:
    """Source: Keys, Cubic convolution interpolation for digital image processing, 1981."""
    at = axis.sources()
    first = np.floor(at)
    t = at - first
    weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
    index = first + np.arange(-1, 3)[:, None]
    return np.clip(index, 0, axis.n - 1), np.stack(weights)


def near(d: Any) -> Any:
    """Keys' kernel at distances up to 1."""
    return ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1


def far(d: Any) -> Any:
    """Keys' kernel at distances from 1 to 2."""
    return ((_CUBIC * d - 5 * _CUBIC) * d + 8 * _CUBIC) * d - 4 * _CUBIC


def _smooth(axis: _Axis, reach: int, kernel: Callable[[np.ndarray], np.ndarray]) -> Taps:
    """A kernel that reaches so far, as wide as an output pixel: what is lost is averaged."""
    scale = axis.scale
    if axis.align:
        scale = (axis.n - 1) / (axis.out - 1) if axis.out > 1 else 0.0
    width = max(scale, 1.0)
    center = scale * (np.arange(axis.out) + 0.5)
    first = np.maximum((center - reach * width + 0.5).astype(int64), 0)
    end = np.minimum((center + reach * width + 0.5).astype(int64), axis.n)
    index = first + np.arange(int((end - first).max()))[:, None]
    weight = kernel(np.abs((index - center + 0.5) / width)) * (index < end)
    total = weight.sum(0)
    return np.minimum(index, axis.n - 1), weight / np.where(total == 0, 1, total)


def _smooth_linear(axis: _Axis) -> Taps:
    return _smooth(axis, 1, lambda d: np.maximum(1 - d, 0))


def _smooth_cubic(axis: _Axis) -> Taps:
    return _smooth(axis, 2, _softer)


def _softer(d: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = -0.5."""
    inner = (1.5 * d - 2.5) * d * d + 1
    outer = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, inner, np.where(d < 2, outer, 0))


_SMOOTH: dict[str, Callable[[_Axis], Taps]] = {"bilinear": _smooth_linear, "bicubic": _smooth_cubic}
_TAPS: dict[str, Callable[[_Axis], Taps]] = {
    "nearest": _nearest,
    "nearest-exact": _nearest_exact,
    "linear": _linear,
    "bilinear": _linear,
    "trilinear": _linear,
    "bicubic": _cubic,
}


@lru_cache(128)
def _taps(mode: str, antialias: bool, axis: _Axis, dtype: Any) -> Taps:
    """What an image of the next batch needs again."""
    index, weight = (_SMOOTH if antialias else _TAPS)[mode](axis)
    taps = index.astype(int64), weight.astype(dtype)
    for array in taps:
        array.flags.writeable = False
    return taps


def _resized(x: Tensor, dim: int, taps: Taps) -> Tensor:
    """x with one dimension replaced by sums of its weighted taps."""
    y: Any = None
    for index, weight in zip(*taps, strict=True):
        part = take(x, wrap(index), dim)
        if len(taps[0]) > 1:
            part = part * wrap(weight.reshape(-1, *[1] * (x.ndim - 1 - dim)))
        y = part if y is None else y + part
    return y


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images, signals or volumes of another size.

    Modes: "nearest" (the pixel at floor(i n / out)), "nearest-exact" (at floor((i + 1/2) n / out)),
    "linear", "bilinear", "trilinear" (weights fall linearly with the distance), "bicubic" (Keys'
    kernel, a = -0.75), "area" (adaptive_avg_pool). Pixels are squares; the corners of input and
    output coincide, or with align_corners the centers of the first and last pixels.

    Shapes: (N, C, *space) -> (N, C, *size), or floor(space scale_factor), one for all dimensions
    or one each. Linear is for one dimension of space, bilinear and bicubic for two, trilinear for
    three. `antialias`: kernels as wide as an output pixel where the image gets smaller, for
    "bilinear", and "bicubic" (then with a = -0.5). `recompute_scale_factor`: scales are the ratios
    of the sizes, not scale_factor.
    float32, float64.

    Errors: both or none of size and scale_factor, a mode for other dimensions, align_corners for
    another mode, an empty input or output.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 3.0]]])
    >>> nnfast.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> nnfast.nn.functional.interpolate(x, 3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    name = "interpolate"
    x = as_tensor(input, name)
    n = x.ndim - 2
    if n not in (1, 2, 3):
        fail(name, "input of shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)", f"{x.shape}")
    if mode not in _ANY and _LINEAR.get(mode) != n:
        modes = [m for m, k in _LINEAR.items() if k == n]
        fail(name, f"mode one of {', '.join([*_ANY, *modes])} for {x.ndim} dimensions", f"{mode!r}")
    if align_corners is not None and mode in _ANY:
        fail(name, "align_corners with a linear or cubic mode", f"mode={mode!r}")
    if antialias and mode not in _SMOOTH:
        fail(name, "antialias with mode 'bilinear' or 'bicubic'", f"mode={mode!r}")
    shape, scales = _sizes(name, x, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1](x, shape)
    for d in reversed(range(2, x.ndim)):  # the last one first, while the image is small
        axis = _Axis(x.shape[d], shape[d - 2], scales[d - 2], bool(align_corners))
        if axis.n != axis.out or (axis.scale != 1 and not mode.endswith("linear")):
            x = _resized(x, d, _taps(mode, antialias, axis, x.dtype))
    return x


def _sizes(
    name: str, x: Tensor, size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], list[float]]:
    """The output's sizes of space, and input pixels per output pixel."""
    space = x.shape[2:]
    if (size is None) == (scale_factor is None):
        fail(name, "size or scale_factor", "none" if size is None else "both")
    if recompute and size is not None:
        fail(name, "recompute_scale_factor with a scale_factor", "it with a size")
    factors = None
    if size is None:
        factors = _each(name, "scale_factor", scale_factor, len(space))
        if not all(isinstance(f, int | float | np.number) and 0 < f < math.inf for f in factors):
            fail(name, "a finite scale_factor above 0", f"{scale_factor}")
        shape = tuple(math.floor(m * f) for m, f in zip(space, factors, strict=True))
    else:
        wanted = _each(name, "size", size, len(space))
        if not all(is_integer(m) for m in wanted):
            fail(name, "integers as size", f"{size}", error=DTypeError)
        shape = tuple(int(m) for m in wanted)
    if min(*space, *shape) < 1:
        fail(name, "at least one pixel in and out", f"{space} and {shape}", input=x)
    check_size(name, (*x.shape[:2], *shape))
    if factors is None or recompute:
        return shape, [m / k for m, k in zip(space, shape, strict=True)]
    return shape, [1 / float(f) for f in factors]


def _each(name: str, what: str, given: Any, n: int) -> tuple[Any, ...]:
    values = tuple(given) if isinstance(given, tuple | list) else (given,) * n
    if len(values) != n:
        fail(name, f"one {what} or {n} of them", f"{given}")
    return values
