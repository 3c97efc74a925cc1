"""Functions of images that are composed of other ops, against NumPy and against what they mean."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import gradcheck
from nnfast.nn import functional as F

RNG = np.random.default_rng(7)


def normal(*shape: int) -> nnfast.Tensor:
    return nnfast.tensor(RNG.standard_normal(shape), requires_grad=True)


# ---- padding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "name"),
    [("constant", ""), ("reflect", ""), ("replicate", "edge"), ("circular", "wrap")],
)
@pytest.mark.parametrize("pads", [(1, 2), (2, 0, 0, 3), (1, 0, 2, 2, 0, 1)])
def test_pad_as_numpy(mode: str, name: str, pads: tuple[int, ...]) -> None:
    x = normal(2, 4, 3, 4, 5)[(0,) * (3 - len(pads) // 2)]
    sides = list(zip(pads[::2], pads[1::2], strict=True))
    widths = [(0, 0)] * (x.ndim - len(sides)) + sides[::-1]
    want = np.pad(x.detach().numpy(), widths, name or mode)
    np.testing.assert_array_equal(F.pad(x, pads, mode).detach().numpy(), want)
    assert gradcheck(lambda x: F.pad(x, pads, mode), (x.detach().requires_grad_(),))


@pytest.mark.parametrize(
    ("pads", "kwargs", "text"),
    [
        ((1,), {}, "an even number of at most 6 numbers"),
        ((1, 1, 1, 1, 1, 1, 1, 1), {}, "an even number of at most 6 numbers"),
        ((1, 1.5), {}, "integers as pad"),
        (1, {}, "integers as pad"),
        ((-3, -2), {}, "at most the 4 of dim 2 taken away"),
        ((1, 1), {"mode": "mirror"}, "mode one of"),
        ((1, 1), {"mode": "reflect", "value": 1.0}, "no value with mode='reflect'"),
        ((4, 0), {"mode": "reflect"}, "less than 4 elements to reflect"),
        ((5, 0), {"mode": "circular"}, "at most 4 elements to repeat"),
        ((-2, -2), {"mode": "replicate"}, "at least one element before and after"),
        ((2**62, 0), {}, "an output of less than 2**59 elements"),
    ],
)
def test_bad_pads(pads: Any, kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=text.replace("*", r"\*")):
        F.pad(normal(2, 3, 4), pads, **kwargs)


def test_bad_padding_layers() -> None:
    for padding in (1.5, (1, 2, 3), (1, 2.0)):
        with pytest.raises(nnfast.NNFastError, match="padding as an integer or 2 of them"):
            nn.ReflectionPad1d(padding)
    with pytest.raises(nnfast.NNFastError, match="an input of 3 or 4 dimensions for 4 numbers"):
        nn.ReflectionPad2d(1)(normal(3, 4))


# ---- convolution --------------------------------------------------------------------------------


def correlate(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """y[o, u] = sum over c and taps of w[o, c, taps] x[c, u + taps], in any dimensions."""
    y = np.zeros((len(w), *(n - k + 1 for n, k in zip(x.shape[1:], w.shape[2:], strict=True))))
    for at in np.ndindex(w.shape[2:]):
        seen = x[(slice(None), *(slice(i, i + n) for i, n in zip(at, y.shape[1:], strict=True)))]
        y += np.tensordot(w[(..., *at)], seen, 1)
    return y


@pytest.mark.parametrize(("n", "conv"), [(1, F.conv1d), (3, F.conv3d)])
def test_convolution(n: int, conv: Any) -> None:
    x, w, b = normal(2, *(6, 5, 7)[:n]), normal(3, 2, *(3, 2, 4)[:n]), normal(3)
    whole = correlate(x.detach().numpy(), w.detach().numpy())
    shifted = whole + b.detach().numpy().reshape(-1, *[1] * n)
    np.testing.assert_allclose(conv(x, w, b).detach().numpy(), shifted, rtol=1e-12)
    with_steps = whole[(slice(None), *[slice(None, None, 2)] * n)]
    np.testing.assert_allclose(conv(x, w, stride=2).detach().numpy(), with_steps, rtol=1e-12)
    assert gradcheck(lambda *a: conv(*a, stride=2, padding=1, dilation=1), (x, w, b))


TRANSPOSED = [
    (F.conv1d, F.conv_transpose1d, (9,), (3,)),
    (F.conv2d, F.conv_transpose2d, (9, 8), (3, 2)),
    (F.conv3d, F.conv_transpose3d, (5, 6, 4), (2, 3, 1)),
]


@pytest.mark.parametrize(("conv", "transposed", "size", "kernel"), TRANSPOSED)
@pytest.mark.parametrize("arguments", [(1, 0, 1, 1), (2, 1, 2, 1), (3, 1, 1, 2)])
def test_transposed_convolution_is_the_adjoint(
    conv: Any, transposed: Any, size: Any, kernel: Any, arguments: tuple[int, ...]
) -> None:
    """<conv(x), y> = <x, transposed(y)>, whatever rest the stride leaves."""
    stride, padding, groups, dilation = arguments
    x, w = normal(2, 4, *size), normal(6, 4 // groups, *kernel)
    rest = [
        (n + 2 * padding - dilation * (k - 1) - 1) % stride
        for n, k in zip(size, kernel, strict=True)
    ]
    y = conv(x, w, None, stride, padding, dilation, groups)
    dy = normal(*y.shape)
    dx = transposed(dy, w, None, stride, padding, tuple(rest), groups, dilation)
    assert dx.shape == x.shape
    np.testing.assert_allclose((y * dy).sum().item(), (x * dx).sum().item(), rtol=1e-10)


def test_padding_modes_are_pads() -> None:
    x = normal(2, 3, 7, 6).float()
    for mode in ("reflect", "replicate", "circular"):
        conv = nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode=mode)
        want = F.conv2d(F.pad(x, (2, 2, 1, 1), mode), conv.weight, conv.bias)
        np.testing.assert_array_equal(conv(x).detach().numpy(), want.detach().numpy())


BAD_CONVS = [
    (lambda: F.conv1d(normal(2, 3, 4, 5), normal(1, 3, 2)), "input of shape (N, C, W) or (C, W)"),
    (lambda: F.conv1d(normal(3, 4), normal(1, 3, 2, 2)), "a weight of shape (O, C/groups, KW)"),
    (lambda: F.conv1d(normal(3, 4), normal(1, 3, 2), stride=(1, 2)), "stride as an integer"),
    (lambda: F.conv3d(normal(1, 3, 4, 4), normal(2, 1, 4, 2, 2)), "within the padded input"),
    (lambda: F.conv3d(normal(3, 4), normal(1, 3, 2, 2, 2)), "input of shape (N, C, D, H, W)"),
    (lambda: F.conv_transpose2d(normal(3, 4, 4), normal(2, 3, 2, 2)), "input with C=2 channels"),
    (lambda: F.conv_transpose1d(normal(3, 4), normal(3, 1, 2), output_padding=1),
     "output_padding below stride or dilation"),
    (lambda: F.conv_transpose1d(normal(3, 2), normal(3, 1, 2), padding=2), "at least one element"),
    (lambda: F.conv_transpose2d(normal(3, 4, 4), normal(3, 2, 2, 2), normal(3)),
     "bias of shape (2,)"),
    (lambda: nn.Conv1d(2, 2, 3, 2, "same"), "stride 1 with padding='same'"),
    (lambda: nn.Conv1d(2, 2, (3, 3)), "kernel_size as an integer, got (3, 3)"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode one of"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), "padding_mode one of 'zeros'"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), "padding as an integer or a pair"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD_CONVS)
def test_bad_convolutions(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()


# ---- pooling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", [1, 2, 3, 5, 7, 9])
def test_adaptive_windows(out: int) -> None:
    """Window i covers floor(i n / out) up to ceil((i + 1) n / out), also beside infinities."""
    x = RNG.standard_normal((2, 7, 5))
    x[0, 0, 0], x[1, 6, 4] = np.inf, np.nan
    edges = [[(i * n // out, -(-(i + 1) * n // out)) for i in range(out)] for n in x.shape[1:]]
    seen = [[x[:, a:b, c:d].reshape(2, -1) for c, d in edges[1]] for a, b in edges[0]]
    for fn, reduced in ((F.adaptive_avg_pool2d, np.mean), (F.adaptive_max_pool2d, np.max)):
        want = np.array([[reduced(w, 1) for w in row] for row in seen]).transpose(2, 0, 1)
        np.testing.assert_allclose(fn(nnfast.tensor(x), out).numpy(), want, rtol=1e-13)
    row = F.adaptive_max_pool1d(nnfast.tensor(x[:, 0]), out).numpy()
    np.testing.assert_array_equal(row, [[w[c:d].max() for c, d in edges[1]] for w in x[:, 0]])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2)),
        lambda x: F.adaptive_avg_pool3d(x, (2, 1, 3)),
        lambda x: F.adaptive_max_pool3d(x, (1, 2, 3)),
        lambda x: F.max_pool3d(x, 2, 1),
        lambda x: F.avg_pool3d(x, (1, 2, 2), 1),
        lambda x: F.lp_pool2d(x * x + 1.0, 3, 2),
        lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=nnfast.ones(2, 2) * 0.3),
    ],
)
def test_gradients_of_pools(fn: Any) -> None:
    x = nnfast.tensor(RNG.permutation(2 * 5 * 4).reshape(2, 5, 4) / 4.0, requires_grad=True)
    if fn(x[None]).ndim == 4:  # of a volume
        x = x.detach()[None].requires_grad_()
    assert gradcheck(fn, (x,))


def test_fractional_pooling_covers_the_image() -> None:
    """Windows begin at 0 and end with the image; steps are a or one of its neighbours."""
    nnfast.manual_seed(4)
    x = nnfast.tensor(np.arange(20.0 * 20).reshape(1, 20, 20))
    starts = set()
    for _ in range(20):
        y = F.fractional_max_pool2d(x, 2, 12).numpy()[0]  # the last element of each window
        rows = y[:, 0] // 20 - 1
        assert rows[0] == 0 and rows[-1] == 18 and set(np.diff(rows)) <= {1, 2}
        starts.add(tuple(rows))
    assert len(starts) > 5


BAD_POOLS = [
    (lambda: F.max_pool1d(normal(3, 4), 5), "a kernel within the padded input"),
    (lambda: F.max_pool1d(normal(4), 2), "input of shape (N, C, W)"),
    (lambda: F.max_pool1d(normal(3, 4), (2, 2)), "kernel_size as an integer, got (2, 2)"),
    (lambda: F.avg_pool1d(normal(3, 4), 2, padding=2), "padding of at most half the kernel"),
    (lambda: F.adaptive_avg_pool2d(normal(3, 4, 4), (1, 2, 3)), "output_size as an integer or 2"),
    (lambda: F.adaptive_avg_pool2d(normal(3, 4, 4), -1), "output_size of at least 0"),
    (lambda: F.adaptive_max_pool2d(normal(3, 0, 4), 2), "at least one element in each dimension"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2), "output_size or output_ratio, got none"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2, 4), "windows that fit"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2, output_ratio=1.0), "below 1"),
    (lambda: nn.FractionalMaxPool2d(2), "output_size or output_ratio"),
    (lambda: nn.MaxPool1d(2, padding=2), "at most half of kernel_size=2"),
    (lambda: F.max_unpool2d(normal(1, 2, 2), nnfast.tensor([[[0, 1], [2, 16]]]), 2),
     "indices from 0 to 15"),
    (lambda: F.max_unpool2d(normal(1, 2, 2), nnfast.tensor([[[0, 1]]]), 2), "an index for each"),
    (lambda: F.max_unpool1d(normal(1, 2), nnfast.tensor([[0, 1]]), 2, output_size=(6,)),
     "an output_size less than stride=(2,) from (4,)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD_POOLS)
def test_bad_pools(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()
