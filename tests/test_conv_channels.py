"""Convolution by vectors of output channels: how it cuts what is larger than the specs' layers."""

from __future__ import annotations

import numpy as np
import pytest

from nnfast import _core
from nnfast.ops import conv2d
from nnfast.ops.conv import conv2d_input
from tests.conv_layers import Layer, check_error_and_threads

# x, weight, arguments: what is special about each stands beside it.
LAYERS: list[Layer] = [
    ((16, 70, 2, 2), (150, 70, 3, 3), {"padding": 1}),  # few pixels: tasks pack their own weights
    ((1, 40, 4, 4), (33, 40, 3, 3), {"padding": 1}),  # one image, a strip of three vectors
    ((9, 61, 7, 7), (66, 61, 3, 3), {"padding": 1}),  # images joined; blocks of uneven size
    ((2, 35, 30, 29), (130, 35, 3, 3), {"padding": 1}),  # bands; two strips, the last one narrow
    ((3, 16, 33, 32), (32, 16, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 12, 23, 40), (48, 12, 4, 4), {"stride": 2, "padding": 1}),
    ((2, 9, 28, 28), (17, 9, 3, 3), {"padding": 4, "dilation": 4}),
    ((2, 24, 21, 20), (40, 12, 5, 5), {"padding": 2, "groups": 2}),
    ((2, 3, 48, 64), (50, 3, 16, 16), {"stride": 16}),  # each pixel is seen once
    ((2, 5, 31, 30), (20, 5, 2, 3), {"stride": (4, 5), "padding": (0, 1)}),  # pixels nobody sees
    ((2, 6, 5, 60), (18, 6, 5, 7), {"padding": (4, 6)}),  # taps that see only the border
    ((3, 4, 6, 300), (22, 2, 1, 3), {"groups": 2, "padding": (0, 1)}),
    ((2, 64, 15, 15), (72, 64, 1, 1), {"stride": 2}),
    ((5, 6, 14, 14), (8, 6, 5, 5), {}),  # one vector: pixels in pairs
    ((3, 7, 9, 17), (5, 7, 3, 3), {"stride": 2, "padding": 1}),  # or not
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_error_and_threads(isa: str, layer: Layer, dtype: str) -> None:
    check_error_and_threads("channels", layer, dtype)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_one_image_has_the_same_bits_alone_and_in_a_batch(isa: str, layer: Layer) -> None:
    shape, weight, kw = layer
    _core.force_conv("channels")
    rng = np.random.default_rng(0)
    x, w = (rng.uniform(-1, 1, s).astype("float32") for s in (shape, weight))
    y = conv2d(x, w, **kw).numpy()
    dx = conv2d_input(y, w, shape[2:], **kw).numpy()
    for i in {0, shape[0] - 1}:
        assert conv2d(x[i : i + 1], w, **kw).numpy().tobytes() == y[i].tobytes()
        back = conv2d_input(y[i : i + 1], w, shape[2:], **kw).numpy()
        assert back.tobytes() == dx[i].tobytes()
