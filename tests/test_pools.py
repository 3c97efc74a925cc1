"""Max pooling after relu: plans mask the small gradient, with the bits of eager code."""

from __future__ import annotations

import numpy as np
import pytest

import nnfast
from nnfast.nn import functional as F

RNG = np.random.default_rng(7)
WINDOWS = {
    "halves": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 2, "padding": 1},
    "gaps": {"kernel_size": 2, "stride": 3},
    "dilated": {"kernel_size": 2, "stride": 1, "dilation": 2},
}


def gradient(change=lambda r: r, other=lambda r: 0.0, **window):
    """The gradient of x through relu and the pool; `other` reads relu's result too."""

    def fn(x, w):
        x = (x * 1.0).requires_grad_()
        r = F.relu(x)
        y = F.max_pool2d(change(r), **window)
        loss = (y * w[..., : y.shape[-2], : y.shape[-1]]).sum() + other(r)
        return nnfast.autograd.grad(loss, (x,))[0]

    return fn


def images(dtype=np.float32):
    """With equal values, zeros of both signs and NaN, of which several meet in a window."""
    x = RNG.integers(-3, 4, (2, 3, 9, 8)).astype(dtype)
    x[RNG.random(x.shape) < 0.1] = np.nan
    x[RNG.random(x.shape) < 0.2] *= -0.0
    w = RNG.standard_normal((2, 3, 9, 8)).astype(dtype)
    w[RNG.random(w.shape) < 0.2] = -0.0
    return nnfast.tensor(x), nnfast.tensor(w)


def ops(compiled):
    return [
        call.op.name for call in compiled.plan.graph.calls if call.op.name.endswith("_backward")
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_mask_comes_first_with_the_same_bits(window, dtype):
    fn, args = gradient(**WINDOWS[window]), images(dtype)
    swapped, plain = nnfast.compile(fn), nnfast.compile(fn, disable=("mask_pooled",))
    for compiled in (swapped, plain):
        assert compiled(*args).numpy().tobytes() == fn(*args).numpy().tobytes()
    assert ops(swapped) == ["relu_backward", "max_pool2d_backward"]
    assert ops(plain) == ["max_pool2d_backward", "relu_backward"]


@pytest.mark.parametrize(
    "other",
    [
        {"other": lambda r: (r * r).sum()},
        {"change": lambda r: r * 2},
        {"change": lambda r: r.clone().add_(1.0)},
    ],
)
def test_what_does_not_fit_stays(other):
    """relu's result is read by others too, or it is not what is pooled."""
    fn, args = gradient(kernel_size=2, **other), images()
    compiled = nnfast.compile(fn, disable=("fuse_chains",))
    assert compiled(*args).numpy().tobytes() == fn(*args).numpy().tobytes()
    assert ops(compiled).index("relu_backward") > ops(compiled).index("max_pool2d_backward")


def test_relus_result_need_not_be_kept():
    def peak(disable=()):
        x = nnfast.ones(8, 16, 32, 32)
        compiled = nnfast.compile(gradient(kernel_size=2), disable=disable)
        compiled(x, nnfast.ones(8, 16, 32, 32))
        return compiled.plan.memory().activations

    assert peak() < peak(("mask_pooled",))
