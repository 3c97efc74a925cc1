"""Edges where it is easy to miss PyTorch's meaning: each line once differed from it.

Where PyTorch is installed every line runs there too; the expected values stand here for those
who have none.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError

INF = math.inf

# A function of the library, and what it gives.
VALUES: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("logsumexp of nothing", lambda T: T.logsumexp(T.zeros(0, 2), 0), [-INF, -INF]),
    ("amax of booleans", lambda T: T.amax(T.tensor([[True, False]]), 1), [True]),
    ("max of booleans", lambda T: T.max(T.tensor([False, False])), False),
    ("powers of integers", lambda T: T.tensor([2, -3]) ** 3, [8, -27]),
    ("a power of integers", lambda T: 2 ** T.tensor([0, 5]), [1, 32]),
    ("integer matrices", lambda T: T.tensor([[1, 2]]) @ T.tensor([[3], [4]]), [[11]]),
    ("integer vectors", lambda T: T.dot(T.tensor([1, 2]), T.tensor([3, 4])), 11),
    ("add with alpha", lambda T: T.add(T.ones(2), T.tensor([1.0, 2.0]), alpha=3), [4.0, 7.0]),
    ("sub with alpha", lambda T: T.tensor([5, 6]).sub(T.tensor([1, 2]), alpha=2), [3, 2]),
    (
        "div rounded down",
        lambda T: T.div(T.tensor([-7, 7]), 2, rounding_mode="floor"),
        [-4, 3],
    ),
    (
        "div rounded to 0",
        lambda T: T.tensor([-7, 7]).div(2, rounding_mode="trunc"),
        [-3, 3],
    ),
    (
        "div of floats rounded to 0",
        lambda T: T.div(T.tensor([-7.0, 7.0]), 2, rounding_mode="trunc"),
        [-3.0, 3.0],
    ),
    (
        "einsum sums over dots that the result has not",
        lambda T: T.einsum("b...->b", T.ones(2, 3, 4)),
        [12.0, 12.0],
    ),
    (
        "cosine similarity along a broadcast dimension",
        lambda T: T.nn.functional.cosine_similarity(T.ones(4, 1), T.ones(1, 1) * 2, dim=0),
        [1.0],
    ),
    (
        "lp_pool of infinite order",
        lambda T: T.nn.functional.lp_pool1d(T.tensor([[-3.0, 1.0, 2.0, -4.0]]), INF, 2),
        [[3.0, 4.0]],
    ),
    (
        "lp_pool of minus infinite order",
        lambda T: T.nn.functional.lp_pool1d(T.tensor([[-3.0, 1.0, 2.0, -4.0]]), -INF, 2),
        [[1.0, 2.0]],
    ),
    (
        "vectors scaled to as many elements as are not 0",
        lambda T: T.nn.functional.normalize(T.tensor([[3.0, 0.0, -4.0]]), p=0.0),
        [[1.5, 0.0, -2.0]],
    ),
    (
        "vectors scaled by their smallest element",
        lambda T: T.nn.functional.normalize(T.tensor([[3.0, -4.0]]), p=-INF),
        [[1.0, -4.0 / 3.0]],
    ),
    (
        "einsum of numbered dimensions",
        lambda T: T.einsum(T.ones(2, 3), [0, 30], T.ones(3, 4), [30, 2], [2, 0]),
        [[3.0, 3.0]] * 4,
    ),
    (
        "einsum of numbers and dots",
        lambda T: T.einsum(T.tensor([[1.0], [2.0]]), [..., 1], T.tensor([3.0]), [1]),
        [3.0, 6.0],
    ),
    (
        "grid_sample of no channels",
        lambda T: T.nn.functional.grid_sample(
            T.ones(1, 0, 2, 2), T.ones(1, 1, 1, 2), align_corners=False
        ),
        np.ones((1, 0, 1, 1)),
    ),
    (
        "softmax as another dtype",
        lambda T: T.nn.functional.softmax(T.zeros(2), dim=0, dtype=T.float64),
        [0.5, 0.5],
    ),
    ("softmax of rows without dim", lambda T: T.nn.functional.softmax(T.zeros(1, 2)), [[0.5, 0.5]]),
    ("softmax of 3 dimensions", lambda T: T.nn.Softmax()(T.zeros(2, 1, 1)), [[[0.5]], [[0.5]]]),
    ("softmin of a vector", lambda T: T.nn.functional.softmin(T.zeros(2)), [0.5, 0.5]),
    ("zeros in place of no gradient", lambda T: _unused_gradient(T), [0.0, 0.0]),
    ("log_softmax without dim", lambda T: T.nn.LogSoftmax()(T.zeros(1, 1)), [[0.0]]),
]


def _unused_gradient(T: Any) -> Any:
    x, y = T.ones(2, requires_grad=True), T.ones(3, requires_grad=True)
    return T.autograd.grad(y.sum(), [x, y], only_inputs=True, materialize_grads=True)[0]


@pytest.mark.parametrize(("call", "expected"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_values(call: Callable[[Any], Any], expected: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = call(nnfast)
        planned = nnfast.compile(lambda: call(nnfast))()
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    assert np.array_equal(planned.numpy(), y.numpy()) and planned.dtype == y.dtype


@pytest.mark.parametrize(("call", "expected"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_values_are_those_of_pytorch(call: Callable[[Any], Any], expected: Any) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = call(torch), call(nnfast)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)
    assert ours.dtype == theirs.numpy().dtype


def test_softmax_without_dim_warns() -> None:
    with pytest.warns(UserWarning, match="softmax takes dim=1"):
        nn.functional.softmax(nnfast.zeros(1, 2))


# What PyTorch refuses.
MISTAKES: list[tuple[str, Callable[[Any], Any]]] = [
    ("a fraction as dim", lambda T: T.sum(T.ones(2), 1.5)),
    ("a fraction as dim of flip", lambda T: T.flip(T.ones(2), 1.5)),
    ("a dim twice", lambda T: T.ones(1).squeeze((0, 0))),
    ("minus a mask", lambda T: -T.tensor([True])),
    ("1 - mask", lambda T: 1 - T.tensor([True])),
    ("minus True", lambda T: T.ones(1) - True),
    ("a negative power of integers", lambda T: T.tensor([2]) ** -1),
    ("a product of masks", lambda T: T.tensor([[True]]) @ T.tensor([[True]])),
    ("a fraction of integers", lambda T: T.add(T.tensor([1]), T.tensor([1]), alpha=0.5)),
    ("an unknown rounding", lambda T: T.div(T.ones(1), 2, rounding_mode="up")),
    ("roll of a scalar", lambda T: T.roll(T.tensor(1.0), 1, 0)),
    ("repeats of a scalar's dim", lambda T: T.repeat_interleave(T.tensor(1.0), 2, 1)),
    ("repeats beyond all memory", lambda T: T.repeat_interleave(T.ones(2), 2**62)),
    ("a place beyond all memory", lambda T: T.ones(2)[2**63]),
    ("places for other samples", lambda T: T.trapezoid(T.ones(3), T.ones(2))),
    ("an equation that is a number", lambda T: T.einsum(3, T.ones(2))),
    ("einsum of a number above 51", lambda T: T.einsum(T.ones(2), [52])),
    ("lp_pool of order 0", lambda T: T.nn.functional.lp_pool1d(T.ones(1, 1, 4), 0.0, 2)),
    ("unflatten of a scalar", lambda T: T.tensor(1.0).unflatten(0, (2, 3))),
    ("two unknown sizes", lambda T: T.ones(0, 4).unflatten(1, (-1, -1))),
    ("unique slices of a scalar", lambda T: T.unique(T.tensor(1.0), dim=0)),
    ("an order that is no number", lambda T: T.linalg.vector_norm(T.ones(2), "one")),
    ("a negative length", lambda T: T.bincount(T.tensor([1]), minlength=-1)),
    ("a negative order of differences", lambda T: T.diff(T.ones(2), n=-1)),
    ("a quantile of nothing", lambda T: T.quantile(T.zeros(2, 0), 0.5, dim=0)),
    ("dropout1d of images", lambda T: T.nn.functional.dropout1d(T.ones(1, 1, 2, 2))),
    (
        "a scale of a given size",
        lambda T: T.nn.functional.interpolate(T.ones(1, 1, 2), 3, recompute_scale_factor=True),
    ),
    ("a buffer in place of a weight", lambda T: T.nn.Linear(1, 1).register_buffer("bias", None)),
    ("steps of no length", lambda T: _schedule(T, "StepLR", 0)),
    ("a cosine of no length", lambda T: _schedule(T, "CosineAnnealingLR", 0)),
]


def _schedule(T: Any, name: str, length: int) -> None:
    optimizer = T.optim.SGD([T.nn.Parameter(T.ones(1))], lr=1.0)
    schedule = getattr(T.optim.lr_scheduler, name)(optimizer, length)
    optimizer.step()
    schedule.step()


@pytest.mark.parametrize("call", [m[1] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistakes_are_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises(NNFastError):
        call(nnfast)


@pytest.mark.parametrize("call", [m[1] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_pytorch_refuses_them_too(call: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    errors = RuntimeError, TypeError, ValueError, IndexError, KeyError, ZeroDivisionError
    with pytest.raises(errors):
        call(torch)


def test_a_layer_without_inputs_trains_in_a_plan() -> None:
    """Its weight and the weight's gradient have no elements."""
    layer = nn.Linear(0, 2)
    optimizer = nnfast.optim.SGD(layer.parameters(), lr=1.0)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = layer(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    before = layer.bias.tolist()
    assert nnfast.compile(step)(nnfast.ones(3, 0)).item() == pytest.approx(3 * sum(before))
    assert layer.bias.tolist() == pytest.approx([b - 3 for b in before])


def test_the_mean_over_all_batches_has_a_plan() -> None:
    """How far the statistics move depends on the count of batches."""
    layers = [nn.BatchNorm1d(2, momentum=None, dtype=nnfast.float64) for _ in range(2)]
    planned = nnfast.compile(layers[1])
    batches = np.random.default_rng(0).standard_normal((3, 5, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in map(nnfast.tensor, batches):
            assert np.array_equal(layers[0](x).detach().numpy(), planned(x).detach().numpy())
    for layer in layers:
        np.testing.assert_allclose(layer.running_mean.numpy(), batches.mean((0, 1)), rtol=1e-12)
        unbiased = batches.var(1, ddof=1).mean(0)
        np.testing.assert_allclose(layer.running_var.numpy(), unbiased, rtol=1e-12)


def test_sequences_are_joined_and_repeated() -> None:
    a, b = nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh(), nn.GELU())
    assert [type(m).__name__ for m in a + b] == ["ReLU", "Tanh", "GELU"] and len(a) == 1
    assert (b * 2)[0] is (2 * b)[2] is b[0] and len(b * 2) == 4
    a += b
    assert len(a) == 3 and a[1] is b[0]


def test_a_buffer_may_be_registered_again() -> None:
    m = nn.Module()
    m.register_buffer("b", nnfast.zeros(1))
    m.register_buffer("b", nnfast.ones(2), persistent=False)
    assert m.b.tolist() == [1.0, 1.0] and not m.state_dict()


def test_an_index_of_nothing_assigns_to_all() -> None:
    x = nnfast.ones(2, requires_grad=True)
    y = x * 1
    y[()] = 3.0
    (y * x).sum().backward()
    assert y.tolist() == [3.0, 3.0] and x.grad is not None and x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "trunc", "round"])
def test_steps_have_no_gradient_even_of_infinity(name: str) -> None:
    x = nnfast.tensor([0.5, -0.25, 3.0], requires_grad=True)

    def step() -> nnfast.Tensor:
        (1.0 / (getattr(nnfast, name)(x) * 0.0)).sum().backward()
        grad, x.grad = x.grad, None
        return grad

    assert step().tolist() == nnfast.compile(step)().tolist() == [0.0, 0.0, 0.0]
