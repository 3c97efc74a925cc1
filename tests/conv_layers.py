"""What each way of convolution must hold on a layer: its error, the same bits by any threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast import _core
from nnfast.ops import conv2d
from nnfast.ops.conv import conv2d_input, conv2d_weight

# x, weight, arguments
Layer = tuple[tuple[int, int, int, int], tuple[int, int, int, int], dict[str, Any]]


def results(layer: Layer, dtype: str, of: str) -> list[np.ndarray]:
    """y, dx, dw of random numbers that are `of` a dtype, computed in another."""
    shape, weight, kw = layer
    rng = np.random.default_rng(0)

    def random(shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(of).astype(dtype)

    x, w = random(shape), random(weight)
    y = conv2d(x, w, **kw).numpy()
    dy = random(y.shape)
    dx = conv2d_input(dy, w, shape[2:], **kw).numpy()
    return [y, dx, conv2d_weight(dy, x, weight[2:], **kw).numpy()]


def check_error_and_threads(way: str, layer: Layer, dtype: str) -> None:
    """The norm of the error against products in float64, and the bits of one and three threads."""
    _core.force_conv("gemm")
    expected = results(layer, "float64", of=dtype)
    _core.force_conv(way)
    seen = []
    for threads in (1, 3):
        _core.set_num_threads(threads)
        seen.append(results(layer, dtype, of=dtype))
    for one, three, exact in zip(*seen, expected, strict=True):
        assert one.tobytes() == three.tobytes()
        error = np.linalg.norm((one - exact).ravel()) / np.linalg.norm(exact.ravel())
        assert error < (2e-6 if dtype == "float32" else 4e-15)
