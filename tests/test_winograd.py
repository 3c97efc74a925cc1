"""Winograd convolution: its error, and its bits, on layers and images of many shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnfast import _core
from nnfast.creation import tensor
from nnfast.ops import OPS, conv2d
from nnfast.ops.conv import conv2d_input, conv2d_weight, transform_conv2d
from tests import op_checks
from tests.specs import conv

# Input, weight, arguments: images smaller than a tile, a pixel more than some tiles, wider than a
# block of tiles; channels that fill no vector; all paddings; more images than a block holds;
# weights too large to keep, or of a single tile; kernels of all sizes; dilations, with phases of
# unequal size, some smaller than a tile, and images cut between groups of tiles that lie between
# each other; strides, with kernels that some phases see fewer taps of, and pixels that no window
# sees.
LAYERS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 16, 1, 1), (16, 16, 3, 3), {"padding": 1}),
    ((3, 17, 3, 2), (33, 17, 3, 3), {"padding": 2}),
    ((40, 16, 4, 4), (16, 16, 3, 3), {"padding": 1}),
    ((2, 33, 5, 9), (19, 33, 3, 3), {}),
    ((2, 40, 6, 7), (24, 40, 3, 3), {"padding": ((0, 1), (2, 0))}),
    ((1, 16, 10, 300), (16, 16, 3, 3), {"padding": (1, 3)}),
    ((5, 130, 13, 13), (70, 130, 3, 3), {"padding": 1}),
    ((3, 200, 5, 6), (150, 200, 3, 3), {"padding": 1}),
    ((2, 32, 8, 9), (48, 16, 3, 3), {"groups": 2, "padding": 1}),
    ((2, 37, 4, 3), (45, 37, 3, 3), {"padding": 1}),
    ((2, 40, 4, 4), (34, 20, 3, 3), {"groups": 2, "padding": 1}),
    ((2, 17, 7, 11), (18, 17, 5, 5), {"padding": 2}),
    ((3, 16, 1, 6), (16, 16, 5, 5), {"padding": ((4, 5), (0, 3))}),
    ((1, 34, 9, 60), (20, 17, 5, 5), {"groups": 2, "padding": 4}),
    ((2, 35, 9, 7), (50, 35, 5, 5), {"padding": 1}),
    ((2, 16, 12, 11), (20, 16, 2, 2), {"padding": 1}),
    ((2, 20, 8, 13), (16, 20, 4, 4), {"padding": (1, 2)}),
    ((2, 16, 9, 7), (17, 16, 3, 3), {"padding": 2, "dilation": 2}),
    ((3, 17, 12, 5), (16, 17, 3, 3), {"padding": (2, 5), "dilation": (1, 4)}),
    ((1, 6, 21, 130), (5, 6, 3, 3), {"padding": (6, 1), "dilation": (5, 3)}),
    ((2, 33, 9, 6), (35, 33, 3, 3), {"padding": 4, "dilation": (3, 2)}),
    ((2, 16, 14, 11), (16, 16, 5, 5), {"padding": 1, "dilation": (2, 1)}),
    ((2, 3, 23, 30), (17, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((1, 20, 12, 9), (18, 10, 5, 5), {"stride": 2, "padding": (0, 4), "groups": 2}),
    ((2, 3, 25, 26), (16, 3, 11, 11), {"stride": 4, "padding": 2}),
    ((2, 5, 16, 17), (16, 5, 4, 4), {"stride": 3, "padding": ((2, 0), (1, 5))}),
]
# C, O, image, padding, kernel of the layers whose error in norm is bounded.
WIDE = [
    (16, 16, 33, 0, 3),
    (64, 64, 20, 1, 3),
    (129, 48, 14, 2, 3),
    (512, 64, 7, 1, 3),
    (64, 512, 4, 1, 3),
    (48, 64, 17, 2, 5),
    (512, 32, 7, 2, 5),
    (256, 32, 6, 1, 4),
    (256, 32, 12, 0, 2),
]


@pytest.fixture(autouse=True)
def forced() -> Iterator[None]:
    assert _core.force_conv("winograd")
    yield
    _core.force_conv("")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["conv2d", "conv2d_input", "conv2d_weight"])
def test_layers(isa: str, name: str, dtype: str) -> None:
    spec = replace(conv.in_tiles(conv.SPECS[name]), cases=conv.cases_of(name, LAYERS))
    assert op_checks.check_values(OPS[name], spec, dtype) > 0
    assert op_checks.check_memory(OPS[name], spec, dtype) > 0
    assert op_checks.check_threads(OPS[name], spec, dtype) > 0
    assert name == "conv2d_weight" or op_checks.check_rows(OPS[name], spec, dtype, 1) > 0


def error(y: Any, reference: np.ndarray) -> float:
    return float(np.linalg.norm(y.numpy() - reference) / np.linalg.norm(reference))


@pytest.mark.parametrize(("channels", "outputs", "size", "padding", "kernel"), WIDE)
def test_error_in_norm(
    isa: str, channels: int, outputs: int, size: int, padding: int, kernel: int
) -> None:
    """At most 2e-5, for any scale of input and weight."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, size, size)).astype(np.float32) * np.float32(30)
    w = rng.standard_normal((outputs, channels, kernel, kernel)).astype(np.float32)
    w /= np.float32(100)
    y = conv.conv2d(x.astype(float), w.astype(float), padding=padding)
    assert error(conv2d(tensor(x), tensor(w), padding=padding), y) < 2e-5
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx = conv.conv2d_input(dy.astype(float), w.astype(float), (size, size), padding=padding)
    assert error(conv2d_input(tensor(dy), tensor(w), (size, size), padding=padding), dx) < 2e-5
    dw = conv.conv2d_weight(dy.astype(float), x.astype(float), (kernel, kernel), padding=padding)
    assert error(conv2d_weight(tensor(dy), tensor(x), kernel, padding=padding), dw) < 2e-5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_transformed_weight_gives_the_bits_of_the_weight(isa: str, dtype: str) -> None:
    """For any number of threads; and nothing is read of the weight itself."""
    rng = np.random.default_rng(0)
    op = OPS["conv2d"]
    for x_shape, w_shape, arguments in LAYERS:
        if "stride" in arguments:
            continue
        x, w = (tensor(rng.standard_normal(s).astype(dtype)) for s in (x_shape, w_shape))
        bias = tensor(rng.standard_normal(w_shape[0]).astype(dtype))
        expected = conv2d(x, w, bias, **arguments).numpy()
        attrs = op.rule(x, w, bias, **arguments).attrs._replace(transformed=w_shape[2])
        for threads in (1, 3):
            _core.set_num_threads(threads)
            u = transform_conv2d(w, attrs.groups)
            y = np.full_like(expected, np.nan)
            _core.run(op.id, op.pack(attrs), (x.numpy(), u.numpy(), bias.numpy()), (y,))
            assert y.tobytes() == expected.tobytes(), (x_shape, w_shape, threads)
