"""fuse_norms: a residual and relu become part of a batch norm in training; so do gradients."""

from __future__ import annotations

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.nn import functional as F
from nnfast.ops.update import add_
from tests.passes import names, randn, same_bits

SHAPES = [(5, 3), (3, 4, 5), (16, 3, 5, 5), (2, 5, 8, 8), (9, 3, 13, 11), (2, 2, 70, 71)]


def norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, training=True)


def gradients(y, *leaves):
    """Of a sum in which each element counts differently."""
    weights = nnfast.tensor(np.linspace(-1, 1, y.numel()).reshape(y.shape), dtype=y.dtype)
    (y * weights).sum().backward()
    found = tuple(leaf.grad for leaf in leaves)
    for leaf in leaves:
        leaf.grad = None
    return found


def leaves(shape, dtype, affine=True):
    x = randn(*shape, dtype=dtype, requires_grad=True)
    w, b = (randn(shape[1], dtype=dtype, requires_grad=True) for _ in range(2))
    return (x, w, b) if affine else (x,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_relu_and_its_gradient(shape, dtype, affine):
    mine = leaves(shape, dtype, affine)

    def step():
        x, w, b = (*mine, None, None)[:3]
        y = norm(x, w, b).relu()
        return (y, *gradients(y, *mine))

    found = names(same_bits(step))
    assert [n for n in found if "norm" in n] == ["batch_norm_train", "batch_norm_train_backward"]
    assert not any("relu" in n for n in found)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_residual_and_then_relu(shape):
    x, w, b = leaves(shape, np.float32)
    r = randn(*shape, requires_grad=True)

    def step():
        y = (r + norm(x, w, b)).relu()
        return (y, *gradients(y, x, w, b, r))

    found = names(same_bits(step))
    assert "relu" not in found
    assert "relu_backward" in " ".join(found)  # its result goes to the residual too


def test_of_two_norms_the_later_takes_the_sum():
    x, w, b = leaves((4, 3, 9, 9), np.float32)

    def fn(x, w, b):
        return F.relu(norm(x, w, b) + norm(x * 2, b, w))

    assert names(same_bits(fn, x, w, b)).count("batch_norm_train") == 2
    assert not {"add", "relu"} & set(names(same_bits(fn, x, w, b)))


def test_what_comes_later_is_added_by_a_call_of_its_own():
    x, w, b = leaves((4, 3, 9, 9), np.float32)
    found = names(same_bits(lambda x, w, b: norm(x, w, b) + x.exp(), x, w, b))
    assert found[0] == "batch_norm_train"
    assert len(found) > 1


def test_not_beyond_relu_nor_a_second_sum():
    x, w, b = leaves((4, 3, 9, 9), np.float32)
    found = names(same_bits(lambda x, w, b: norm(x, w, b).relu() + x, x, w, b))
    assert found == ["batch_norm_train", "add"]
    found = names(same_bits(lambda x, w, b: norm(x, w, b) + x + x, x, w, b))
    assert found == ["batch_norm_train", "add"]


def test_not_where_somebody_else_looks():
    x, w, b = leaves((4, 3, 9, 9), np.float32)

    def fn(x, w, b):
        y = norm(x, w, b)
        return y.relu(), y.sum(), y[1:].relu(), y.reshape(4, -1).relu()

    same_bits(fn, x, w, b)
    same_bits(lambda x, w, b: norm(x, w, b) + b.reshape(3, 1, 1), x, w, b)
    same_bits(lambda x, w, b: norm(x, w, b) + norm(x, w, b), x, w, b)


def test_a_residual_that_changes_in_between():
    x, w, b = leaves((4, 3, 9, 9), np.float32)

    def fn(x, w, b):
        r = x * 2
        y = norm(x, w, b)
        with nnfast.no_grad():
            add_(r, x)
        return y + r

    same_bits(fn, x.detach(), w.detach(), b.detach())


def test_a_bias_that_changes_before_the_gradient():
    x, w, b = leaves((4, 3, 9, 9), np.float32)
    start = b.detach().clone()

    def step():
        y = norm(x, w, b).relu()
        with nnfast.no_grad():
            b.copy_(start + 1)
        return gradients(y, x, w)

    compiled = nnfast.compile(step)
    expected = step()
    b.data.copy_(start)
    for got, e in zip(compiled(), expected, strict=True):
        assert got.numpy().tobytes() == e.numpy().tobytes()


def test_what_is_not_finite_stays_so():
    x, w, b = leaves((3, 4, 10, 10), np.float32)
    x.data[1, 2, 3, 4] = np.nan
    x.data[1, 1, 3, 4] = np.inf

    def step(x, w, b):
        return norm(x, w, b).relu()

    y = same_bits(step, x.detach(), w.detach(), b.detach())(x.detach(), w.detach(), b.detach())
    assert np.isnan(y.numpy()[:, 2]).all()


def test_a_batch_that_is_smaller():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                          nn.Linear(8 * 8 * 8, 4), nn.BatchNorm1d(4), nn.ReLU())  # fmt: skip
    x = randn(12, 3, 10, 10)
    state = {k: v.clone() for k, v in model.state_dict().items()}

    def run(step):
        model.load_state_dict(state)
        results = []
        for n in (12, 7, 12):
            results += [step(x[:n]), *(p.grad.clone() for p in model.parameters())]
        return [r.detach().numpy().tobytes() for r in results]

    def step(x):
        model.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        return loss

    assert run(nnfast.compile(step)) == run(step)
