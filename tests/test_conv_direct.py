"""Direct and depthwise convolution: how they cut what is larger than the specs' layers."""

from __future__ import annotations

import numpy as np
import pytest

from nnfast.ops.conv import conv2d_weight
from tests.conv_layers import Layer, check_error_and_threads

DIRECT: list[Layer] = [
    ((7, 3, 32, 32), (17, 3, 3, 3), {"padding": 1}),  # pairs of rows of some images at once
    ((67, 1, 9, 17), (8, 1, 3, 3), {"padding": 1}),  # more of them, with an odd row
    ((2, 2, 131, 70), (20, 2, 3, 3), {}),  # bands, the last one odd
    ((2, 4, 33, 33), (24, 2, 3, 3), {"padding": (2, 1), "groups": 2}),
    ((2, 2, 19, 40), (9, 2, 3, 2), {"dilation": (1, 3)}),
    ((2, 70, 20, 20), (6, 70, 3, 3), {"padding": 1}),  # blocks of channels
    ((2, 3, 65, 66), (33, 3, 3, 3), {"stride": 2, "padding": 1}),  # single rows
    ((2, 3, 90, 131), (12, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((2, 6, 40, 40), (3, 6, 3, 3), {"padding": 1}),
    ((5, 6, 14, 14), (16, 6, 5, 5), {}),  # dy is turned
]
DEPTHWISE: list[Layer] = [
    ((2, 6, 14, 14), (6, 1, 3, 3), {"padding": 1, "groups": 6}),  # rows of a vector, or two
    ((2, 3, 16, 16), (6, 1, 3, 3), {"padding": 1, "groups": 3}),
    ((2, 3, 9, 5), (3, 1, 3, 3), {"padding": (2, 1), "groups": 3}),
    ((3, 4, 7, 7), (4, 1, 5, 5), {"padding": 2, "groups": 4}),
    ((2, 2, 3, 8), (2, 1, 7, 7), {"padding": 3, "groups": 2}),
    ((2, 3, 15, 33), (3, 1, 3, 3), {"padding": 1, "groups": 3}),
    ((2, 3, 10, 83), (3, 1, 3, 3), {"padding": 1, "groups": 3}),  # rows of several, in place
    ((2, 3, 22, 101), (6, 1, 3, 3), {"padding": 1, "groups": 3, "stride": 2}),
    ((2, 3, 13, 14), (3, 1, 3, 3), {"padding": 1, "groups": 3, "stride": 2}),
    ((2, 2, 12, 40), (2, 1, 5, 5), {"padding": 2, "groups": 2, "stride": 2}),
    ((2, 2, 13, 75), (2, 1, 7, 7), {"padding": 3, "groups": 2}),
    ((2, 2, 17, 70), (2, 1, 7, 7), {"padding": 3, "groups": 2, "stride": 2}),
    ((2, 2, 11, 40), (2, 1, 3, 3), {"groups": 2, "stride": 2}),  # and copied
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("way", "layer"),
    [("direct", layer) for layer in DIRECT] + [("depthwise", layer) for layer in DEPTHWISE],
    ids=str,
)
def test_error_and_threads(isa: str, way: str, layer: Layer, dtype: str) -> None:
    check_error_and_threads(way, layer, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(3, 5), (7, 7), (9, 14), (5, 16), (4, 33), (11, 64)])
def test_an_infinity_reaches_the_weights_of_the_taps_that_see_it(
    isa: str, size: tuple[int, int], stride: int, dtype: str
) -> None:
    """Not those of others: what lies behind a row or the last one is multiplied by nothing."""
    H, W = size
    OH, OW = ((n - 1) // stride + 1 for n in size)
    for h, w in {(0, W - 1), (H - 1, 0), (H - 1, W - 1), (H // 2, W - 1), (H - 1, W // 2)}:
        x = np.zeros((1, 1, H, W), dtype)
        x[0, 0, h, w] = np.inf
        padded = np.pad(x[0, 0], 1)
        rows, cols = (slice(0, (n - 1) * stride + 1, stride) for n in (OH, OW))
        sees = [[padded[i:, j:][rows, cols].max() for j in range(3)] for i in range(3)]
        dw = conv2d_weight(np.ones((1, 1, OH, OW), dtype), x, (3, 3), stride=stride, padding=1)
        assert np.array_equal(dw.numpy()[0, 0], sees), (h, w)
