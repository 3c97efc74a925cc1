"""Pooling of one and three dimensions, by way of the images of ops/pool.py, and what builds on it.

A signal is an image of height 1. A volume is pooled plane by plane, then along its depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isinf, prod
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.ops.elementwise import pow
from nnfast.ops.gather import take
from nnfast.ops.operands import as_tensor
from nnfast.ops.pool import _max_unpool2d, avg_pool2d, max_pool2d
from nnfast.ops.shape import reshape, squeeze, unsqueeze
from nnfast.ops.window import sizes
from nnfast.tensor import Tensor, int64, wrap

_AXES = ["W", "H, W", "D, H, W"]


def space(where: str, n: int, input: Tensor) -> Tensor:
    """The input as a tensor; raises unless it has a channel and n dimensions of space."""
    x = as_tensor(input, where)
    if x.ndim not in (n + 1, n + 2):
        wanted = f"(N, C, {_AXES[n - 1]}) or (C, {_AXES[n - 1]})"
        fail(where, f"input of shape {wanted}", f"{x.ndim} dimensions", input=x)
    return x


def _row(where: str, name: str, value: Any, least: int, height: int = 1) -> tuple[int, int] | None:
    """The argument of a signal as that of an image."""
    return None if value is None else (height, *sizes(where, name, value, least, 1))  # type: ignore


# ---- one dimension --------------------------------------------------------------------------


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; with `return_indices` also where it lies.

    Shapes: input (N, C, W) or (C, W) -> (N, C, OW). Arguments and errors: as max_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.max_pool1d(nnfast.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    where = "max_pool1d"
    x = unsqueeze(space(where, 1, input), -2)
    y, index = max_pool2d(
        x, _row(where, "kernel_size", kernel_size, 1), _row(where, "stride", stride, 1),
        _row(where, "padding", padding, 0, 0), _row(where, "dilation", dilation, 1),
        ceil_mode, True,
    )  # fmt: skip
    y = squeeze(y, -2)
    return (y, squeeze(index, -2)) if return_indices else y


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window.

    Shapes: input (N, C, W) or (C, W) -> (N, C, OW). Arguments and errors: as avg_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.avg_pool1d(nnfast.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    where = "avg_pool1d"
    x = unsqueeze(space(where, 1, input), -2)
    y = avg_pool2d(
        x, _row(where, "kernel_size", kernel_size, 1), _row(where, "stride", stride, 1),
        _row(where, "padding", padding, 0, 0), ceil_mode, count_include_pad,
    )  # fmt: skip
    return squeeze(y, -2)


# ---- three dimensions -----------------------------------------------------------------------

Pool = Callable[[Tensor], Any]


def by_depth(x: Tensor, plane: Pool, depth: Pool) -> Tensor:
    """A volume (*, D, H, W) whose planes, then whose columns (*, D, OH OW) are pooled."""
    lead, n = x.shape[:-3], prod(x.shape[:-3])
    y = plane(reshape(x, (n, *x.shape[-3:])))
    z = depth(reshape(y, (n, y.shape[1], y.shape[2] * y.shape[3])))
    return reshape(z, (*lead, z.shape[1], *y.shape[2:]))


def largest_by_depth(x: Tensor, plane: Pool, depth: Pool) -> tuple[Tensor, Tensor]:
    """The same of pools that answer with indices too; where in its volume each element lies."""
    lead, n, (d, h, w) = x.shape[:-3], prod(x.shape[:-3]), x.shape[-3:]
    y, at = plane(reshape(x, (n, d, h, w)))
    at = at + wrap(np.arange(d, dtype=int64).reshape(-1, 1, 1) * (h * w))  # in the volume
    size = y.shape[2] * y.shape[3]
    z, chosen = depth(reshape(y, (n, d, size)))
    first = np.arange(n, dtype=int64).reshape(-1, 1, 1) * (d * size)
    index = take(reshape(at, -1), chosen + wrap(first))
    shape = (*lead, z.shape[1], *y.shape[2:])
    return reshape(z, shape), reshape(index, shape)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; with `return_indices` also where, (d H + h) W + w.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW). Arguments and errors: as
    max_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.max_pool3d(nnfast.ones(1, 4, 4, 4), 2).shape
    (1, 2, 2, 2)
    """
    where = "max_pool3d"
    x = space(where, 3, input)
    k = sizes(where, "kernel_size", kernel_size, 1, 3)
    s = k if stride is None else sizes(where, "stride", stride, 1, 3)
    p = sizes(where, "padding", padding, 0, 3)
    d = sizes(where, "dilation", dilation, 1, 3)
    y, index = largest_by_depth(
        x,
        lambda a: max_pool2d(a, k[1:], s[1:], p[1:], d[1:], ceil_mode, True),
        lambda a: max_pool2d(a, (k[0], 1), (s[0], 1), (p[0], 0), (d[0], 1), ceil_mode, True),
    )
    return (y, index) if return_indices else y


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW). Arguments and errors: as
    avg_pool2d.

    >>> import nnfast
    >>> nnfast.nn.functional.avg_pool3d(nnfast.ones(1, 4, 4, 4), 2).shape
    (1, 2, 2, 2)
    """
    where = "avg_pool3d"
    x = space(where, 3, input)
    k = sizes(where, "kernel_size", kernel_size, 1, 3)
    s = k if stride is None else sizes(where, "stride", stride, 1, 3)
    p = sizes(where, "padding", padding, 0, 3)
    by_one = None if divisor_override is None else 1
    return by_depth(
        x,
        lambda a: avg_pool2d(a, k[1:], s[1:], p[1:], ceil_mode, count_include_pad, by_one),
        lambda a: avg_pool2d(
            a, (k[0], 1), (s[0], 1), (p[0], 0), ceil_mode, count_include_pad, divisor_override
        ),
    )


# ---- norms ----------------------------------------------------------------------------------


def _lp_pool(
    n: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    where = f"lp_pool{n}d"
    k = sizes(where, "kernel_size", kernel_size, 1, n)
    x = space(where, n, input)
    if isinf(norm_type):
        sign = 1.0 if norm_type > 0 else -1.0
        pool: Any = (max_pool1d, max_pool2d, max_pool3d)[n - 1]
        return pool(abs(x) * sign, k, stride, 0, 1, ceil_mode) * sign
    if norm_type == 0:
        fail(where, "a norm_type other than 0", "0")
    pool = (avg_pool1d, avg_pool2d, avg_pool3d)[n - 1]
    mean: Tensor = pool(pow(x, norm_type), k, stride, 0, ceil_mode)
    return pow(mean * float(prod(k)), 1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of each window, p being norm_type; inf: the largest |x|.

    Shapes: input (N, C, W) or (C, W) -> (N, C, OW).

    >>> import nnfast
    >>> nnfast.nn.functional.lp_pool1d(nnfast.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of each window, p being norm_type; inf: the largest |x|.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.functional.lp_pool2d(nnfast.tensor([[[3.0], [4.0]]]), 2, (2, 1))
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of each window, p being norm_type; inf: the largest |x|.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.functional.lp_pool3d(nnfast.ones(1, 1, 2, 2, 1), 2, (2, 2, 1)).flatten()
    tensor([2.])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# ---- unpooling ------------------------------------------------------------------------------


def _unpool(
    n: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:
    where = f"max_unpool{n}d"
    x, index = space(where, n, input), as_tensor(indices, where)
    k = sizes(where, "kernel_size", kernel_size, 1, n)
    s = k if stride is None else sizes(where, "stride", stride, 1, n)
    p = sizes(where, "padding", padding, 0, n)
    shape = [(m - 1) * t - 2 * q + j for m, j, t, q in zip(x.shape[-n:], k, s, p, strict=True)]
    if output_size is not None:
        wanted = list(output_size)[-n:]
        near = len(wanted) == n and all(
            abs(a - b) < t for a, b, t in zip(wanted, shape, s, strict=True)
        )
        if not near or len(output_size) not in (n, n + 2):
            got = f"{tuple(output_size)}"
            fail(where, f"an output_size less than stride={s} from {tuple(shape)}", got, input=x)
        shape = wanted
    if index.shape != x.shape:
        fail(where, "an index for each element", f"shape {index.shape}", input=x, indices=index)
    if min(shape) < 1:
        fail(where, "an output of at least one element", f"{tuple(shape)}", input=x)
    lead, row = x.shape[:-n], (prod(x.shape[:-n]), 1, prod(x.shape[-n:]))
    y = _max_unpool2d(reshape(x, row), reshape(index, row), (1, prod(shape)))
    return reshape(y, (*lead, *shape))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros but for the elements that max_pool1d chose, where it found them; see max_unpool2d.

    Shapes: input and indices (N, C, W) -> (N, C, OW). float32, float64.

    >>> import nnfast, nnfast.nn.functional as F
    >>> y, indices = F.max_pool1d(nnfast.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, indices, 2)
    tensor([[0., 3., 2., 0.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros but for the elements that max_pool2d chose, where it found them.

    Shapes: input and indices (N, C, H, W) or (C, H, W) -> (N, C, OH, OW) with
    OH = (H - 1) stride - 2 padding + KH, or `output_size`, less than a stride away from it. Of
    several elements at one index the last stays. float32, float64.

    Errors: an index outside of its plane of the output, another output_size.

    Source: Zeiler, Taylor and Fergus, Adaptive deconvolutional networks, ICCV 2011.

    >>> import nnfast, nnfast.nn.functional as F
    >>> x = nnfast.tensor([[[1.0, 3.0], [2.0, 0.0]]])
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[0., 3.],
             [0., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros but for the elements that max_pool3d chose, where it found them; see max_unpool2d.

    Shapes: input and indices (N, C, D, H, W) -> (N, C, OD, OH, OW). float32, float64.

    >>> import nnfast
    >>> F = nnfast.nn.functional
    >>> y, indices = F.max_pool3d(nnfast.arange(8.0).reshape(1, 1, 2, 2, 2), 2, return_indices=True)
    >>> F.max_unpool3d(y, indices, 2).flatten()
    tensor([0., 0., 0., 0., 0., 0., 0., 7.])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
