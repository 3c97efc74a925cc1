"""fuse_epilogues: bias, residual and activation become part of the product before them."""

from __future__ import annotations

import numpy as np
import pytest

import nnfast
from nnfast.nn import functional as F
from nnfast.ops.update import add_
from tests.passes import names, randn, same_bits

ACTIVATIONS = {
    "relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.3), "sigmoid": F.sigmoid,
    "tanh": F.tanh, "gelu": F.gelu,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_follow_a_linear_layer(name, dtype):
    act = ACTIVATIONS[name]
    for m, n, k in ((1, 1, 1), (3, 10, 7), (33, 50, 300), (1, 130, 600)):
        x, w, b = randn(m, k, dtype=dtype), randn(n, k, dtype=dtype), randn(n, dtype=dtype)
        compiled = same_bits(lambda x, w, b: act(F.linear(x, w, b)), x, w, b)
        assert names(compiled) == ["linear"]


def test_a_residual_and_then_an_activation():
    x, w, r = randn(5, 7), randn(9, 7), randn(5, 9)
    assert names(same_bits(lambda x, w, r: F.relu(r + F.linear(x, w)), x, w, r)) == ["linear"]
    compiled = same_bits(lambda x, w, r: F.relu(F.linear(x, w)) + r, x, w, r)
    assert names(compiled) == ["linear", "add"]  # the sum comes after the activation
    compiled = same_bits(lambda x, w, r: F.linear(x, w) + r + r, x, w, r)
    assert names(compiled) == ["linear", "add"]


def test_a_bias_is_added_by_the_product():
    x, w, b = randn(5, 7), randn(7, 9), randn(9)
    assert names(same_bits(lambda x, w, b: (x @ w + b).tanh(), x, w, b)) == ["matmul"]
    compiled = same_bits(lambda x, w, b: (b.reshape(1, 9) + x @ w).tanh(), x, w, b)
    assert names(compiled) == ["matmul"]
    compiled = same_bits(lambda x, w, b: x @ w + b.reshape(9, 1)[:5], x, w, b)
    assert names(compiled) == ["matmul", "add"]  # one number a row is no bias


def test_layers_over_sequences():
    x, w, b, r = randn(4, 5, 7), randn(9, 7), randn(9), randn(4, 5, 9)
    compiled = same_bits(lambda x, w, b, r: F.gelu(F.linear(x, w, b)) * 2.0, x, w, b, r)
    assert names(compiled) == ["linear", "mul"]
    compiled = same_bits(lambda x, w, b, r: F.linear(x, w, b) + r, x, w, b, r)
    assert names(compiled) == ["linear"]


def test_a_product_that_others_read_stays_as_it_is():
    def fn(x, w):
        y = F.linear(x, w)
        return y.relu(), y.sum()

    assert names(same_bits(fn, randn(3, 4), randn(5, 4))) == ["linear", "relu", "sum"]
    same_bits(lambda x, w: (lambda y: y + y)(F.linear(x, w)), randn(3, 4), randn(5, 4))
    same_bits(lambda x, w: F.linear(x, w)[1:].relu(), randn(3, 4), randn(5, 4))
    same_bits(lambda x, w: F.linear(x, w).mT.relu(), randn(3, 4), randn(5, 4))
    same_bits(lambda x, w: F.linear(x, w) + F.linear(x, w).mean(), randn(3, 4), randn(5, 4))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 2), (3, (1, 2))])
def test_convolutions_that_are_products(kernel, stride):
    rows = 5 if stride != 1 else 65
    x, w, b = randn(2, 8, 9, 11), randn(rows, 8, kernel, kernel), randn(rows)
    r = randn(*F.conv2d(x, w, b, stride).shape)
    compiled = same_bits(lambda x, w, b: F.conv2d(x, w, b, stride).relu(), x, w, b)
    assert names(compiled) == ["conv2d"]
    compiled = same_bits(lambda x, w, r: (F.conv2d(x, w, None, stride) + r).relu(), x, w, r)
    assert names(compiled) == ["conv2d"]
    bias = b.reshape(rows, 1, 1)
    compiled = same_bits(lambda x, w, b: (b + F.conv2d(x, w, None, stride)).tanh(), x, w, bias)
    assert names(compiled) == ["conv2d"]


def test_other_convolutions_stay_apart():
    x, w = randn(2, 8, 9, 11), randn(5, 8, 3, 3)
    assert names(same_bits(lambda x, w: F.conv2d(x, w).relu(), x, w)) == ["conv2d", "relu"]
    w = randn(8, 1, 1, 1)
    compiled = same_bits(lambda x, w: F.conv2d(x, w, groups=8).relu(), x, w)
    assert names(compiled) == ["conv2d", "relu"]
    compiled = same_bits(
        lambda x, w: F.conv2d(x, w).relu(), randn(2, 8, 32, 32), randn(64, 8, 1, 1)
    )
    assert names(compiled) == ["conv2d", "relu"]
    compiled = same_bits(lambda x, w: F.conv2d(x, w).relu(), x[0], randn(65, 8, 1, 1))
    assert names(compiled) == ["conv2d", "relu"]  # one image, no batch


def test_a_weight_that_changes_before_the_activation():
    def make():
        w = nnfast.tensor([[1.0, 2.0]])

        def fn(x):
            y = F.linear(x, w)
            add_(w, nnfast.tensor([[1.0, 1.0]]))
            return y.relu() + w.sum()

        return fn, w

    (eager, a), (fn, b) = make(), make()
    x = nnfast.tensor([[1.0, 1.0]])
    assert eager(x).tolist() == nnfast.compile(fn)(x).tolist() == [[8.0]]
    assert a.tolist() == b.tolist()


def test_a_view_of_the_product_is_no_residual():
    x, w = randn(3, 2), randn(4, 2)
    for other in (
        lambda v: v.unsqueeze(0).squeeze(0), lambda v: v.mT.mT, lambda v: v.reshape(3, 4),
    ):  # fmt: skip
        same_bits(lambda x, w, o=other: (lambda v: v + o(v))(F.linear(x.exp(), w)), x, w)
        same_bits(lambda x, w, o=other: (lambda v: o(v) + v)(F.linear(x.exp(), w)).relu(), x, w)
    same_bits(lambda x, w: (lambda v: v + v[0])(F.linear(x.exp(), w)), x, w)
