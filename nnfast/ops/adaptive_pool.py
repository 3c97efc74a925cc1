"""Pooling to a size: windows that follow from the size that comes out.

Where the sizes do not divide, windows overlap and differ by an element or so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.pool import avg_pool2d, max_pool2d, max_pool2d_backward
from nnfast.ops.pool_nd import by_depth, largest_by_depth, space
from nnfast.ops.record import Result, op, out, outs
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


# ---- mean -----------------------------------------------------------------------------------


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows; see adaptive_avg_pool2d.

    Shapes: input (N, C, W) or (C, W) -> (N, C, OW). float32, float64.

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
    """The means of output_size windows that cover the volume evenly; see adaptive_avg_pool2d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW). float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.adaptive_avg_pool3d(nnfast.ones(1, 3, 4, 6, 8), 2).shape
    (1, 3, 2, 2, 2)
    """
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
    means: Tensor = _adaptive_avg(x, size)
    return means


@op("adaptive_avg_pool2d")
def _adaptive_avg(input: Tensor, size: tuple[int, ...]) -> Result:
    """The means of windows that cover each plane evenly; see adaptive_avg_pool2d."""
    return out((*input.shape[:-2], *size), input.dtype)


@op("adaptive_avg_pool2d_backward", outputs=("dx",))
def adaptive_avg_backward(dy: Tensor, size: tuple[int, ...]) -> Result:
    """Gradient of adaptive_avg: each mean's spread over its window, in planes of `size`."""
    return out((*dy.shape[:-2], *size), dy.dtype)


_adaptive_avg.vjp(input=lambda dy, input_shape: adaptive_avg_backward(dy, input_shape[-2:]))
adaptive_avg_backward.vjp(dy=lambda ddx, dy_shape: _adaptive_avg(ddx, dy_shape[-2:]))


_FEW = 8  # elements of a window: for more of them, looking for the largest one by rows is quicker


def _tile(x: Tensor, size: tuple[int, ...]) -> tuple[int, int] | None:
    """The windows' height and width if they lie side by side in the input as it is."""
    (H, W), (OH, OW) = x.shape[-2:], size
    return None if H % OH or W % OW else (H // OH, W // OW)


def _empty(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return reshape(x[..., :0, :0], (*x.shape[:-2], *size))


# ---- largest --------------------------------------------------------------------------------


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of output_size windows; see adaptive_max_pool2d.

    Shapes: input (N, C, W) or (C, W) -> (N, C, OW). float32, float64.

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

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW), the indices alike.

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
    """The largest elements of output_size windows; see adaptive_max_pool2d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW). float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.adaptive_max_pool3d(nnfast.ones(1, 3, 4, 6, 8), 2).shape
    (1, 3, 2, 2, 2)
    """
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
    if (kernel := _tile(x, size)) is not None and kernel[0] * kernel[1] <= _FEW:
        y, index = max_pool2d(x, kernel, return_indices=True)
        return y, index
    y, index = _adaptive_max(x, size)
    return y, index


@op("adaptive_max_pool2d", outputs=("y", "index"), aux=("index",))
def _adaptive_max(input: Tensor, size: tuple[int, ...]) -> Result:
    """The largest elements of windows that cover each plane evenly, and where they lie in it."""
    shape = (*input.shape[:-2], *size)
    return outs((shape, input.dtype), (shape, int64))


_adaptive_max.vjp(
    input=lambda dy, index, input_shape: max_pool2d_backward(dy, index, input_shape[-2:])
)
