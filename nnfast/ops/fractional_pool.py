"""Pooling by windows at random places.

The elements of all windows are laid side by side (take), so that ordinary pooling does it.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.generator import default_generator
from nnfast.ops.elementwise import cast, where
from nnfast.ops.gather import take
from nnfast.ops.operands import as_tensor
from nnfast.ops.pool import max_pool2d
from nnfast.ops.pool_nd import max_pool3d, space
from nnfast.ops.random import _uniform
from nnfast.ops.shape import reshape
from nnfast.ops.window import sizes
from nnfast.tensor import Tensor, int64, wrap


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest elements of windows at random places, so that sizes shrink by any factor.

    With a = (H - KH) / (OH - 1) and r uniform in [0, 1), anew for each plane, window u begins at
    row floor((u + r) a) - floor(r a), the last one at H - KH; columns alike.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW): output_size, or output_ratio (each
    above 0 and below 1) times (H, W). `_random_samples`: (N, C, 2), r of columns and of rows.

    Errors: both or none of output_size and output_ratio, windows that do not fit.

    Source: Graham, Fractional max-pooling, 2014.

    >>> import nnfast
    >>> x = nnfast.ones(1, 2, 9, 9)
    >>> nnfast.nn.functional.fractional_max_pool2d(x, 2, output_ratio=0.7).shape
    (1, 2, 6, 6)
    """
    y, index = _pool(
        "fractional_max_pool2d", input, kernel_size, output_size, output_ratio, _random_samples,
        [1, 0], return_indices,
    )  # fmt: skip
    return (y, index) if return_indices else y


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest elements of windows at random places; see fractional_max_pool2d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W) -> (N, C, OD, OH, OW). `_random_samples`:
    (N, C, 3), r of depth, rows and columns.

    >>> import nnfast
    >>> x = nnfast.ones(1, 2, 9, 9, 9)
    >>> nnfast.nn.functional.fractional_max_pool3d(x, 2, output_size=(4, 5, 6)).shape
    (1, 2, 4, 5, 6)
    """
    y, index = _pool(
        "fractional_max_pool3d", input, kernel_size, output_size, output_ratio, _random_samples,
        [0, 1, 2], return_indices,
    )  # fmt: skip
    return (y, index) if return_indices else y


def _pool(
    name: str,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
    order: list[int],
    with_index: bool,
) -> tuple[Tensor, Tensor | None]:
    """`order`: which of a plane's numbers each dimension of space takes."""
    n = len(order)
    x = space(name, n, input)
    kernel = sizes(name, "kernel_size", kernel_size, 1, n)
    size = _size(name, x, kernel, output_size, output_ratio)
    planes = prod(x.shape[:-n])
    if samples is None:
        r = _uniform(default_generator.next_rng(), (planes, n), x.dtype)
    else:
        r = reshape(as_tensor(samples, name), (planes, n))
    at: Any = 0  # where in its plane each element of each window lies: (planes, O, K, O, K, ...)
    for d, column in enumerate(order):
        first = _starts(r[:, column : column + 1], x.shape[d - n], size[d], kernel[d])
        taps = reshape(first, (planes, -1, 1)) + wrap(np.arange(kernel[d], dtype=int64))
        taps = reshape(taps, (planes, *[1] * (2 * d), *taps.shape[1:]))
        at = reshape(at, (*at.shape, 1, 1)) * x.shape[d - n] + taps if d else taps
    start = np.arange(planes, dtype=int64)
    plane = wrap((start * prod(x.shape[-n:])).reshape(-1, *[1] * (2 * n)))
    seen = take(reshape(x, -1), at + plane)
    spread = tuple(o * k for o, k in zip(size, kernel, strict=True))
    largest = max_pool2d if n == 2 else max_pool3d
    y, chosen = largest(reshape(seen, (planes, *spread)), kernel, return_indices=True)
    y = reshape(y, (*x.shape[:-n], *size))
    if not with_index:
        return y, None
    window = wrap((start * prod(spread)).reshape(-1, *[1] * n))
    return y, reshape(take(reshape(at, -1), chosen + window), y.shape)


def _size(
    name: str, x: Tensor, kernel: tuple[int, ...], output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    n = len(kernel)
    if (output_size is None) == (output_ratio is None):
        fail(name, "output_size or output_ratio", "both" if output_size else "none")
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,) * n
        if len(ratio) != n or not all(0 < r < 1 for r in ratio):
            fail(name, "output_ratio above 0 and below 1", f"{output_ratio}")
        output_size = tuple(int(m * r) for m, r in zip(x.shape[-n:], ratio, strict=True))
    size = sizes(name, "output_size", output_size, 1, n)
    if any(k + m - 1 > i for k, m, i in zip(kernel, size, x.shape[-n:], strict=True)):
        got = f"kernel_size={kernel} and output_size={size}"
        fail(name, "windows that fit: kernel + output - 1 at most the input", got, input=x)
    return size


def _starts(r: Tensor, n: int, out: int, kernel: int) -> Tensor:
    """Where the windows of each plane begin, from its number r (planes, 1)."""
    last = np.full((1, out), n - kernel, int64)
    if out == 1:
        return wrap(last) + cast(r, int64) * 0
    a = (n - kernel) / (out - 1)
    steps = wrap(np.arange(out, dtype=r.dtype))
    starts = cast((r + steps) * a, int64) - cast(r * a, int64)
    return where(wrap(np.arange(out) == out - 1), wrap(last), starts)
