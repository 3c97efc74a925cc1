"""Gradients of parts of one tensor are put together as one call, with the bits of eager code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import nnfast
from nnfast.nn import functional as F

RNG = np.random.default_rng(3)


def gradient(cut):
    """The gradient of the squares of the parts that `cut` makes, and of their first elements."""

    def fn(x, signs):
        x = (x * 1.0).requires_grad_()
        loss = sum((part * part * signs[: part.shape[0]].mean()).sum() for part in cut(x))
        (dx,) = nnfast.autograd.grad(loss, (x,))
        return dx

    return fn


CUTS = {
    "chunks": lambda x: x.chunk(3, dim=-1),
    "chunks of rows": lambda x: x.split(2),
    "heads": lambda x: [p.reshape(4, 3, 2).transpose(1, 2) for p in x.chunk(3, dim=-1)],
    "overlapping": lambda x: [x[:, :8], x[:, 4:], x[1:3]],
    "steps": lambda x: [x[::2], x[1::2], x[:, ::3], x[..., None, 1:5:2]],
    "holes": lambda x: [x[0], x[2, 3:]],
    "many": lambda x: [x[:, i] for i in range(18)],
}


def planned(fn, disable=()):
    compiled = nnfast.compile(fn, disable=disable)

    def call(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return compiled(*args)

    return call, compiled


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CUTS)
def test_the_gradient_of_parts(name, dtype):
    values = RNG.standard_normal((4, 18)).astype(dtype)
    values[RNG.random((4, 18)) < 0.3] = -0.0
    x, signs = nnfast.tensor(values), nnfast.tensor(RNG.standard_normal(4).astype(dtype))
    fn = gradient(CUTS[name])
    call, compiled = planned(fn)
    assert call(x, signs).numpy().tobytes() == fn(x, signs).numpy().tobytes()
    calls = [c.op.name for c in compiled.plan.graph.calls]
    assert ("places" in calls) == (name not in ("overlapping", "steps"))
    assert name == "many" or ("place" in calls) == ("places" not in calls)
    plain, without = planned(fn, disable=("join_places",))
    assert plain(x, signs).numpy().tobytes() == fn(x, signs).numpy().tobytes()
    assert "places" not in [c.op.name for c in without.plan.graph.calls]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_ones_on_threads(threads):
    """Queries, keys and values of attention."""
    x = nnfast.tensor(RNG.standard_normal((8, 64, 384), dtype=np.float32))

    def fn(x):
        x = (x * 1.0).requires_grad_()
        q, k, v = (p.reshape(8, 64, 4, 32).transpose(1, 2) for p in x.chunk(3, dim=-1))
        (dx,) = nnfast.autograd.grad(F.scaled_dot_product_attention(q, k, v).sum(), (x,))
        return dx

    before = nnfast.get_num_threads()
    try:
        nnfast.set_num_threads(threads)
        call, compiled = planned(fn)
        assert call(x).numpy().tobytes() == fn(x).numpy().tobytes()
        assert sum(c.op.name == "places" for c in compiled.plan.graph.calls) == 1
    finally:
        nnfast.set_num_threads(before)


def test_a_sum_that_somebody_else_reads():
    """The first two parts are a result of their own: they stay as they are."""

    def fn(x, y):
        a = x * 1.0
        a.requires_grad_()
        (d,) = nnfast.autograd.grad((a[:2] * y[:2]).sum() + (a[1:] * y[1:]).sum(), (a,))
        (e,) = nnfast.autograd.grad((a[:1] * y[:1]).sum(), (a,))
        return d, d + e

    x, y = (nnfast.tensor(RNG.standard_normal((4, 5), dtype=np.float32)) for _ in range(2))
    call, _ = planned(fn)
    for got, expected in zip(call(x, y), fn(x, y), strict=True):
        assert got.numpy().tobytes() == expected.numpy().tobytes()


def test_parts_that_overlap_are_added_as_they_were():
    """(a + b) + (c + d) is not ((a + b) + c) + d, and -0 + -0 is -0."""

    def fn(x, c):
        x = (x * 1.0).requires_grad_()
        y = x + 1
        loss = (y[0:1] * c[0]).sum() + (y[0:1] * c[1]).sum()
        loss = loss + (x[0:1] * c[2]).sum() + (x[0:1] * c[3]).sum()
        (dx,) = nnfast.autograd.grad(loss, (x,), retain_graph=True)
        (dy,) = nnfast.autograd.grad((x[0:2] * -0.0).sum() + (x[1:3] * -0.0).sum(), (x,))
        return dx, dy

    x, c = nnfast.ones(3), nnfast.tensor([1.0, 1e8, -1e8, 1.0])
    call, _ = planned(fn)
    for got, expected in zip(call(x, c), fn(x, c), strict=True):
        assert got.numpy().tobytes() == expected.numpy().tobytes()
