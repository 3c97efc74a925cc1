"""Convolution and pooling beyond what the specs say: bad arguments, ties and NaN, bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnfast import _core
from nnfast.creation import tensor, zeros
from nnfast.errors import ArgumentError, DTypeError
from nnfast.ops import avg_pool2d, conv2d, max_pool2d
from nnfast.ops.conv import conv2d_input, conv2d_weight
from nnfast.ops.pool import avg_pool2d_backward, max_pool2d_backward, max_pool2d_gather
from nnfast.tensor import Tensor, int64


def image(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


X, W, B = zeros(8, 4, 32, 32), zeros(16, 4, 3, 3), zeros(16)
INDEX = zeros(8, 4, 3, 3, dtype=int64)
HUGE = 2**31

BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: conv2d(zeros(8, 3, 32, 32), W),
        ArgumentError,
        "conv2d: expected x with C=4 channels (weight's C/G=4, groups=1), got C=3. "
        "input: (8, 3, 32, 32) float32, weight: (16, 4, 3, 3) float32. "
        "Hint: weight must be (O, C/groups, KH, KW).",
    ),
    (
        lambda: conv2d(X, W, groups=2),
        ArgumentError,
        "expected x with C=8 channels (weight's C/G=4, groups=2), got C=4.",
    ),
    (
        lambda: conv2d(zeros(1, 12, 9, 9), W, groups=3),
        ArgumentError,
        "expected a number of output channels that groups=3 divides, got 16.",
    ),
    (
        lambda: conv2d(zeros(32, 32), W),
        ArgumentError,
        "expected input of shape (N, C, H, W) or (C, H, W), got 2 dimensions. "
        "input: (32, 32) float32",
    ),
    (lambda: conv2d(X, zeros(16, 4, 3)), ArgumentError, "a weight of shape (O, C/groups, KH, KW)"),
    (lambda: conv2d(X, zeros(16, 4, 0, 3)), ArgumentError, "KH and KW of at least 1"),
    (
        lambda: conv2d(X, W, zeros(15)),
        ArgumentError,
        "expected bias of shape (16,), got shape (15,).",
    ),
    (lambda: conv2d(X, W, zeros(16, 1)), ArgumentError, "expected bias of shape (16,)"),
    (lambda: conv2d(X, W, B, stride=0), ArgumentError, "stride from 1 to 2147483647, got stride=0"),
    (lambda: conv2d(X, W, B, dilation=(1, 0)), ArgumentError, "dilation from 1"),
    (lambda: conv2d(X, W, B, padding=-1), ArgumentError, "padding from 0 to 2147483647, got padd"),
    (lambda: conv2d(X, W, B, padding=HUGE), ArgumentError, "padding from 0 to 2147483647"),
    (lambda: conv2d(X, W, B, 1, HUGE - 1), ArgumentError, "an output of less than 2**59 elements"),
    (lambda: conv2d(X, W, B, stride=1.5), DTypeError, "stride as an integer or a pair of them"),
    (lambda: conv2d(X, W, B, stride=(1, 2, 3)), DTypeError, "got (1, 2, 3)"),
    (lambda: conv2d(X, W, B, stride=True), DTypeError, "got True"),
    (lambda: conv2d(X, W, B, dilation="2"), DTypeError, "got '2'"),
    (lambda: conv2d(X, W, B, padding="full"), ArgumentError, "padding='same', 'valid' or integers"),
    (lambda: conv2d(X, W, B, 2, "same"), ArgumentError, "stride=1 with padding='same'"),
    (lambda: conv2d(X, W, B, groups=0), ArgumentError, "groups of at least 1, got groups=0"),
    (lambda: conv2d(X, W, B, groups=1.0), DTypeError, "groups as an integer, got groups=1.0"),
    (
        lambda: conv2d(zeros(1, 4, 5, 5), zeros(1, 4, 9, 9), padding=1),
        ArgumentError,
        "expected a kernel within the padded input of 7 x 7, got one of 9 x 9.",
    ),
    (lambda: conv2d(X, W, B, dilation=16), ArgumentError, "33 x 33 (with its dilation)"),
    (lambda: conv2d(X, zeros(16, 4, 3, 3, dtype="float64")), DTypeError, "expected one dtype"),
    (lambda: conv2d(zeros(1, 4, 9, 9, dtype=int64), W), DTypeError, "float32 or float64"),
    (lambda: conv2d_input(zeros(1, 5, 3, 3), W, 5), ArgumentError, "dy with O=16 channels"),
    (lambda: conv2d_input(zeros(1, 16, 3, 3), W, 6), ArgumentError, "dy of 4 x 4 pixels"),
    (lambda: conv2d_weight(zeros(2, 6, 3, 3), X, 30), ArgumentError, "of the same batch"),
    (lambda: conv2d_weight(zeros(8, 6, 3, 3), X, 30, groups=4), ArgumentError, "groups=4 divides"),
    (lambda: conv2d_weight(zeros(8, 6, 4, 3), X, 30), ArgumentError, "dy of 3 x 3 pixels"),
    (lambda: max_pool2d(zeros(5), 2), ArgumentError, "input of shape (N, C, H, W) or (C, H, W)"),
    (lambda: max_pool2d(X, 0), ArgumentError, "max_pool2d: expected kernel_size from 1"),
    (lambda: max_pool2d(X, 2.0), DTypeError, "kernel_size as an integer"),
    (lambda: max_pool2d(X, 2, 0), ArgumentError, "stride from 1"),
    (
        lambda: max_pool2d(X, 3, 1, (1, 2)),
        ArgumentError,
        "expected padding of at most half the kernel, got padding=(1, 2) with kernel_size=(3, 3).",
    ),
    (lambda: max_pool2d(X, 2, 1, -1), ArgumentError, "padding from 0"),
    (lambda: max_pool2d(X, 33), ArgumentError, "within the padded input of 32 x 32"),
    (lambda: max_pool2d(zeros(1, 1, 0, 4), 2), ArgumentError, "images of at least one pixel"),
    (lambda: max_pool2d(zeros(1, 1, 4, 4, dtype=int64), 2), DTypeError, "float32 or float64"),
    (lambda: max_pool2d_backward(zeros(8, 4, 3, 2), INDEX, 9), ArgumentError, "for each window"),
    (lambda: max_pool2d_gather(zeros(8, 5, 9, 9), INDEX), ArgumentError, "for each window"),
    (lambda: max_pool2d_gather(X, zeros(8, 4, 3, 3)), DTypeError, "integers as 'index'"),
    (lambda: avg_pool2d(X, 3, padding=2), ArgumentError, "avg_pool2d: expected padding of at most"),
    (lambda: avg_pool2d(X, 3, divisor_override=0), ArgumentError, "divisor_override other than 0"),
    (lambda: avg_pool2d(X, 3, divisor_override=1.5), DTypeError, "divisor_override as an integer"),
    (lambda: avg_pool2d_backward(INDEX, 9, 3), DTypeError, "float32 or float64"),
    (lambda: avg_pool2d_backward(X, 9, 3), ArgumentError, "dy of 3 x 3 windows"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_first_of_equal_maxima_wins(isa: str) -> None:
    x = zeros(1, 1, 40, 70)
    _, index = max_pool2d(x, 3, 2, 1, return_indices=True)
    rows, cols = (np.maximum(np.arange(n) * 2 - 1, 0) for n in index.shape[2:])
    np.testing.assert_array_equal(index.array[0, 0], rows[:, None] * 70 + cols)


def test_nan_wins_and_minus_infinity_has_an_index(isa: str) -> None:
    x = np.full((1, 4, 6), -np.inf, np.float32)
    x[0, 1, 2], x[0, 0, 3] = np.nan, 7
    y, index = max_pool2d(x, (4, 3), (1, 3), return_indices=True)
    np.testing.assert_array_equal(y.array, [[[np.nan, 7]]])
    np.testing.assert_array_equal(index.array, [[[1 * 6 + 2, 3]]])
    y, index = max_pool2d(x[:, 2:], 2, return_indices=True)
    assert (y.array == -np.inf).all()
    np.testing.assert_array_equal(index.array, [[[0, 2, 4]]])


def test_maxima_are_the_same_where_nobody_asks_for_their_index(isa: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 37)).astype(np.float32)
    x[0, 0, 2, 3], x[1, 2] = np.nan, -np.inf
    for args in ((3,), (3, 1), (3, 3, 1, 2)):
        y = max_pool2d(tensor(x), *args)
        z = max_pool2d(tensor(x, requires_grad=True), *args)
        assert y.numpy().tobytes() == z.detach().numpy().tobytes()


def test_an_index_outside_of_the_plane_is_harmless() -> None:
    index = np.array([[[-1, 4, 2**62, 3]]])
    dx = max_pool2d_backward(np.ones((1, 1, 4), np.float32), index, (2, 2))
    np.testing.assert_array_equal(dx.array, [[[0, 0], [0, 1]]])
    y = max_pool2d_gather(np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2), index)
    np.testing.assert_array_equal(y.array, [[[0, 0, 0, 4]]])


# Channels in, channels out, kernel, stride, padding, groups.
LAYERS = [
    (1, 6, 5, 1, 2, 1),
    (32, 20, 3, 1, 1, 1),
    (30, 7, 3, 2, 1, 1),
    (16, 32, 1, 1, 0, 1),
    (12, 12, 3, 1, 1, 12),
    (8, 6, 3, 2, 0, 2),
]


@pytest.mark.parametrize(("channels", "outputs", "k", "stride", "padding", "groups"), LAYERS)
def test_one_image_has_the_same_bits_alone_and_in_a_batch(
    isa: str, channels: int, outputs: int, k: int, stride: int, padding: int, groups: int
) -> None:
    x, b = image(5, channels, 19, 18), image(outputs, seed=2)
    w = image(outputs, channels // groups, k, k, seed=1)
    geometry = {"stride": stride, "padding": padding, "groups": groups}
    y = conv2d(x, w, b, **geometry)
    dx = conv2d_input(y, w, (19, 18), **geometry)
    for i in range(5):
        alone = conv2d(x.array[i : i + 1], w, b, **geometry)
        assert alone.array.tobytes() == y.array[i : i + 1].tobytes()
        assert conv2d(x.array[i], w, b, **geometry).array.tobytes() == y.array[i].tobytes()
        back = conv2d_input(alone, w, (19, 18), **geometry)
        assert back.array.tobytes() == dx.array[i : i + 1].tobytes()


@pytest.mark.parametrize(("channels", "outputs", "k", "stride", "padding", "groups"), LAYERS)
def test_large_layers_have_the_same_bits_for_any_number_of_threads(
    isa: str, channels: int, outputs: int, k: int, stride: int, padding: int, groups: int
) -> None:
    x, w = image(6, channels, 37, 41), image(outputs, channels // groups, k, k, seed=1)
    geometry = {"stride": stride, "padding": padding, "groups": groups}
    seen = set()
    for threads in (1, 2, 3, 5):
        _core.set_num_threads(threads)
        y = conv2d(x, w, **geometry)
        dx = conv2d_input(y, w, (37, 41), **geometry)
        dw = conv2d_weight(y, x, k, **geometry)
        seen.add((y.array.tobytes(), dx.array.tobytes(), dw.array.tobytes()))
    assert len(seen) == 1
