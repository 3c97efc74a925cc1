"""Pooling to a size: windows that follow from the size that comes out.

Where the sizes do not divide, windows overlap and differ by an element or so. Their elements are
laid side by side (take), each window as long as the longest, so that ordinary pooling does it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import where
from nnfast.ops.gather import take
from nnfast.ops.pool import avg_pool2d, max_pool2d
from nnfast.ops.pool_nd import by_depth, largest_by_depth, space
from nnfast.ops.shape import reshape, squeeze, unsqueeze
from nnfast.ops.window import is_integer
from nnfast.tensor import Tensor, int64, wrap


def _output_size(name: str, n: int, given: Any, x: Tensor) -> tuple[int, ...]:
    """One size for all dimensions or n of them; None is the input's own."""
    wanted = tuple(given) if isinstance(given, tuple | list) else (given,) * n
    if len(wanted) != n or not all(m is None or is_integer(m) for m in wanted):
        fail(name, f"output_size as an integer or {n} of them", repr(given), error=DTypeError)
    shape = tuple(int(a if m is None else m) for m, a in zip(wanted, x.shape[-n:], strict=True))
    if min(shape) < 0:
        fail(name, "output_size of at least 0", f"{given}")
    if 0 in x.shape[-n:]:
        fail(name, "an input of at least one element in each dimension", "none", input=x)
    return shape


class _Windows(NamedTuple):
    """The windows along one dimension, from floor(i n / out) up to ceil((i + 1) n / out)."""

    n: int
    out: int
    taps: int  # elements of the longest
    places: np.ndarray  # (out, taps); a short window ends in its last element again
    sizes: np.ndarray  # (out,)

    @staticmethod
    def of(n: int, out: int) -> _Windows:
        i = np.arange(out)
        first, end = i * n // out, -(-(i + 1) * n // out)
        taps = int((end - first).max())
        index = np.minimum(first[:, None] + np.arange(taps), end[:, None] - 1)
        return _Windows(n, out, taps, index, end - first)

    def spread(self, x: Tensor, dim: int) -> Tensor:
        """x with the windows one after the other along `dim`."""
        y: Tensor = take(x, wrap(self.places.reshape(-1)), dim)
        return y

    def inside(self) -> np.ndarray:
        """Which elements of the windows laid out count: not the repeated ones."""
        inside: np.ndarray = np.arange(self.taps) < self.sizes[:, None]
        return inside.reshape(-1)


# ---- mean -----------------------------------------------------------------------------------


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows; see adaptive_avg_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.adaptive_avg_pool1d(nnfast.tensor([[1.0, 2.0, 6.0]]), 2)
    tensor([[1.5, 4. ]])
    """
    name = "adaptive_avg_pool1d"
    x = space(name, 1, input)
    return squeeze(_avg(unsqueeze(x, -2), (1, *_output_size(name, 1, output_size, x))), -2)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows that cover the image evenly.

    Window u begins at row floor(u H / OH) and ends before ceil((u + 1) H / OH); columns alike.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW), output_size being (OH, OW) or one
    number for both; None keeps a size. float32, float64. Errors: an empty image.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    >>> nnfast.nn.functional.adaptive_avg_pool2d(x, (1, 2))
    tensor([[[3., 4.]]])
    """
    name = "adaptive_avg_pool2d"
    x = space(name, 2, input)
    return _avg(x, _output_size(name, 2, output_size, x))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows that cover the volume evenly; see adaptive_avg_pool2d."""
    name = "adaptive_avg_pool3d"
    x = space(name, 3, input)
    depth, *plane = _output_size(name, 3, output_size, x)
    return by_depth(x, lambda a: _avg(a, tuple(plane)), lambda a: _avg(a, (depth, a.shape[-1])))


def _avg(x: Tensor, size: tuple[int, ...]) -> Tensor:
    if 0 in size:
        return _empty(x, size)
    if (kernel := _tile(x, size)) is not None:
        y: Tensor = avg_pool2d(x, kernel)
        return y
    h, w = (_Windows.of(n, out) for n, out in zip(x.shape[-2:], size, strict=True))
    x = where(wrap(h.inside()[:, None]), h.spread(x, -2), 0.0)
    x = avg_pool2d(x, (h.taps, 1), divisor_override=1)
    x = where(wrap(w.inside()), w.spread(x, -1), 0.0)
    total = avg_pool2d(x, (1, w.taps), divisor_override=1)
    return total / wrap(np.multiply.outer(h.sizes, w.sizes).astype(x.dtype))


def _tile(x: Tensor, size: tuple[int, ...]) -> tuple[int, int] | None:
    """The windows' height and width if they lie side by side in the input as it is."""
    (H, W), (OH, OW) = x.shape[-2:], size
    return None if H % OH or W % OW else (H // OH, W // OW)


def _empty(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return reshape(x[..., :0, :0], (*x.shape[:-2], *size))


# ---- largest --------------------------------------------------------------------------------


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of output_size windows; see adaptive_max_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.adaptive_max_pool1d(nnfast.tensor([[1.0, 6.0, 2.0]]), 2)
    tensor([[6., 6.]])
    """
    name = "adaptive_max_pool1d"
    x = space(name, 1, input)
    y, index = _max(unsqueeze(x, -2), (1, *_output_size(name, 1, output_size, x)))
    y = squeeze(y, -2)
    return (y, squeeze(index, -2)) if return_indices else y


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of output_size windows that cover the image evenly.

    The windows are those of adaptive_avg_pool2d. With `return_indices` also where in its plane
    each lies, h W + w as int64; the first of equals. float32, float64.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]])
    >>> nnfast.nn.functional.adaptive_max_pool2d(x, (1, 2))
    tensor([[[6., 5.]]])
    """
    name = "adaptive_max_pool2d"
    x = space(name, 2, input)
    y, index = _max(x, _output_size(name, 2, output_size, x))
    return (y, index) if return_indices else y


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of output_size windows; see adaptive_max_pool2d."""
    name = "adaptive_max_pool3d"
    x = space(name, 3, input)
    depth, *plane = _output_size(name, 3, output_size, x)
    y, index = largest_by_depth(
        x, lambda a: _max(a, tuple(plane)), lambda a: _max(a, (depth, a.shape[-1]))
    )
    return (y, index) if return_indices else y


def _max(x: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    if 0 in size:
        y = _empty(x, size)
        return y, wrap(np.zeros(y.shape, int64))
    if (kernel := _tile(x, size)) is not None:
        y, index = max_pool2d(x, kernel, return_indices=True)
        return y, index
    h, w = (_Windows.of(n, out) for n, out in zip(x.shape[-2:], size, strict=True))
    y, index = max_pool2d(w.spread(h.spread(x, -2), -1), (h.taps, w.taps), return_indices=True)
    rows, cols = (a.places.reshape(-1) for a in (h, w))
    return y, take(wrap((rows[:, None] * w.n + cols).reshape(-1)), index)
