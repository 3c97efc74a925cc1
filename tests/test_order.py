"""Ops of transposed inputs run in the order of memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.nn import functional as F
from tests.passes import names, randn, same_bits

PERMUTATIONS = list(itertools.permutations(range(4)))
SHAPE = (3, 5, 1, 4)

# What each gives of an array; along a dimension.
ALONG = {
    "sum": (lambda v, d: v.sum(d), lambda v, d: v.sum(d)),
    "mean, kept": (lambda v, d: v.mean(d, keepdim=True), lambda v, d: v.mean(d, keepdims=True)),
    "amax": (lambda v, d: v.amax(d), lambda v, d: v.max(d)),
    "max": (lambda v, d: v.max(d)[0], lambda v, d: v.max(d)),
    "argmin": (lambda v, d: v.argmin(d), lambda v, d: v.argmin(d)),
    "var": (lambda v, d: v.var(d), lambda v, d: v.var(d, ddof=1) if v.shape[d] > 1 else None),
    "cumsum": (lambda v, d: v.cumsum(d), lambda v, d: v.cumsum(d)),
    "cat": (lambda v, d: nnfast.cat([v, v * 2], d), lambda v, d: np.concatenate([v, v * 2], d)),
    "softmax": (
        lambda v, d: F.softmax(v, d),
        lambda v, d: np.exp(v) / np.exp(v).sum(d, keepdims=True),
    ),
}
TURNED = {
    "relu": (lambda v: v.relu(), lambda v: np.maximum(v, 0)),
    "chain": (lambda v: (v.exp() + v) * 2.0, lambda v: (np.exp(v) + v) * 2),
    "where": (lambda v: nnfast.where(v > 0, v, 0.5), lambda v: np.where(v > 0, v, 0.5)),
    "sum of all": (lambda v: v.sum(), lambda v: v.sum()),
    "two dims": (lambda v: v.sum((1, 3)), lambda v: v.sum((1, 3))),
    "less the sum": (lambda v: v - v.sum((0, 3), True), lambda v: v - v.sum((0, 3), keepdims=True)),
    "a row": (lambda v: v + nnfast.arange(v.shape[-1]), lambda v: v + np.arange(v.shape[-1])),
    "mixed": (lambda v: v + v.contiguous(), lambda v: v + v),
    "a part": (lambda v: v[:, 1:].tanh(), lambda v: np.tanh(v[:, 1:])),
}  # fmt: skip


def agree(f, reference, x: np.ndarray, perm) -> None:
    """The values of NumPy, in eager code and, with the same bits, in a plan."""
    v = np.transpose(x.astype(np.float64), perm)
    want = reference(v)
    if want is None:
        return
    fn = lambda x: f(x.permute(*perm))
    got = fn(nnfast.tensor(x))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)
    same_bits(fn, nnfast.tensor(x))


@pytest.mark.parametrize("name", TURNED)
def test_values_in_every_order(name: str, rng: np.random.Generator, isa: str) -> None:
    x = rng.standard_normal(SHAPE).astype(np.float32)
    for perm in PERMUTATIONS:
        agree(*TURNED[name], x, perm)


@pytest.mark.parametrize("name", ALONG)
def test_values_along_a_dimension(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal(SHAPE).astype(np.float32)
    f, reference = ALONG[name]
    for perm in PERMUTATIONS:
        for d in range(4):
            agree(lambda v, d=d: f(v, d), lambda v, d=d: reference(v, d), x, perm)


def test_results_lie_as_the_inputs_do() -> None:
    x, b = randn(4, 5, 6, 7), randn(5)
    v = x.permute(0, 2, 3, 1)
    for y in (v.exp(), v + b, v * v, v.softmax(-1), v > 0, nnfast.cat([v, v], 0)):
        assert y.stride() == v.stride()
    assert v.sum(-1).is_contiguous() and v.mean((1, 2)).is_contiguous()
    assert (v + v.contiguous()).is_contiguous()  # no order suits both
    assert x.exp().is_contiguous() and x[:, :, :1].exp().is_contiguous()


def test_what_is_not_once_in_memory_stays_in_c_order() -> None:
    row = randn(6)
    for v in (row.expand(5, 6).mT, row.reshape(6, 1).expand(6, 5).mT):
        y = v * 2.0
        assert y.is_contiguous() and np.array_equal(y.numpy(), v.numpy() * 2)
    x = nnfast.from_numpy(randn(5, 6).numpy()[::-1].T)
    assert (x * 2.0).is_contiguous() and np.array_equal((x * 2.0).numpy(), x.numpy() * 2)


@pytest.mark.parametrize("shape", [(300, 400), (3, 30_000), (30_000, 3)])
def test_bits_do_not_depend_on_threads(shape: tuple[int, int]) -> None:
    v = randn(*shape).mT
    fs = [lambda: v.exp() + v, lambda: v.sum(0), lambda: v.sum(1), lambda: v.softmax(0)]
    bits, before = [], nnfast.get_num_threads()
    try:
        for n in (1, 2, 3):
            nnfast.set_num_threads(n)
            bits.append([f().numpy().tobytes() for f in fs])
    finally:
        nnfast.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]


def test_gradients_of_turned_inputs() -> None:
    x, w = randn(3, 4, 5, requires_grad=True), randn(4, 6)

    def loss(v, w):
        h = (v.tanh() * v).matmul(w).relu()
        return (h.softmax(1).amax(-1) ** 2).sum() + h.mean((0, 2)).exp().sum()

    a, b = loss(x.permute(0, 2, 1), w), loss(x.permute(0, 2, 1).contiguous(), w)
    (da,), (db,) = nnfast.autograd.grad(a, [x]), nnfast.autograd.grad(b, [x])
    np.testing.assert_allclose(da.numpy(), db.numpy(), rtol=2e-5, atol=1e-6)


def test_a_chain_in_a_plan_reads_memory_in_order() -> None:
    x = randn(30, 40)
    compiled = same_bits(lambda x: ((x.mT.exp() + 1.0) * 2.0).sum(0), x)
    assert names(compiled) == ["chain[exp add mul]", "sum"]


def test_parameters_of_turned_results_can_be_trained() -> None:
    w = nn.Parameter(randn(3, 4).mT * 0.1)
    opt = nnfast.optim.SGD([w], lr=0.1)
    (w.mT.exp() * 2.0).sum().backward()
    assert w.grad is not None
    before = w.detach().numpy().copy()
    opt.step()
    np.testing.assert_allclose(w.detach().numpy(), before - 0.1 * w.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 7, 8, 40])
@pytest.mark.parametrize("m", [3, 50, 1100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_inputs_in_different_orders_meet(n: int, m: int, dtype: type, isa: str) -> None:
    a = np.arange(2 * n * m, dtype=dtype).reshape(2, n, m)
    b = a[:, ::-1].reshape(2, m, n).copy()
    x, y = nnfast.from_numpy(a), nnfast.from_numpy(b)
    turned = a.transpose(0, 2, 1)
    assert np.array_equal((x.mT + y).numpy(), turned + b)
    assert np.array_equal((y - x.mT + y[:, :1]).numpy(), b - turned + b[:, :1])
    assert np.array_equal((x.mT > y).numpy(), turned > b)
    assert np.array_equal(nnfast.where(x.mT > y, x.mT, y).numpy(), np.maximum(turned, b))
    assert np.array_equal(x.mT.contiguous().numpy(), turned)
    assert np.array_equal(x[:, : n - 1].mT.contiguous().numpy(), turned[:, :, : n - 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_arguments_lie_in_a_plan_as_they_come(dtype: type) -> None:
    fns = (
        lambda x: x.sum(0), lambda x: x.sum(-1), lambda x: x.mean(0, dtype=nnfast.float32),
        lambda x: (x * 0.37).softmax(-1), lambda x: (x * 0.1).exp().sum(0), lambda x: x.amax(0),
    )  # fmt: skip
    x = (randn(37, 43, 11) * 9).to(nnfast.tensor(dtype()).dtype)
    turns = [x, x.permute(2, 0, 1), x.mT, x.permute(2, 1, 0), x[:, 3:9].mT, x[:1].mT, x[::2, ::3]]
    turns += [t.contiguous() for t in turns]
    for fn in fns:
        compiled = nnfast.compile(fn)
        for t in turns * 2:
            assert compiled(t).numpy().tobytes() == fn(t).numpy().tobytes()
            assert compiled(t.numpy()).numpy().tobytes() == fn(t).numpy().tobytes()


def test_a_turned_argument_is_answered_and_has_gradients() -> None:
    x, w = randn(40, 50).mT.requires_grad_(), randn(50, 40)

    def fn(x, w):
        return x, (x.exp() * w).sum(0), x.mT

    compiled = nnfast.compile(fn)
    for _ in range(2):
        for t in (x, x.detach(), x.detach().contiguous()):
            same, total, view = compiled(t, w)
            assert same is t
            assert total.detach().numpy().tobytes() == fn(t, w)[1].detach().numpy().tobytes()
            assert np.array_equal(view.detach().numpy(), t.detach().numpy().T)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_turned_inputs_are_stacked(count: int, isa: str) -> None:
    a = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    for order in itertools.permutations(range(4)):
        x = nnfast.from_numpy(a).permute(order)
        parts = [x + i for i in range(count)]
        expected = [a.transpose(order) + i for i in range(count)]
        for dim in range(5):
            assert np.array_equal(nnfast.stack(parts, dim).numpy(), np.stack(expected, dim))
            assert np.array_equal(nnfast.stack([x] * count, dim)[..., 0].numpy(),
                                  np.stack([a.transpose(order)] * count, dim)[..., 0])  # fmt: skip
    same_bits(lambda x: nnfast.stack([x.mT, x.mT.exp()], 1).sum(0), nnfast.from_numpy(a))


def test_copies_of_empty_views() -> None:
    x = randn(4, 4)
    for fn in (lambda x: x.mT[:, 0:0], lambda x: x.mT[0:0], lambda x: x.mT[1:1].clone()):
        assert fn(x).clone().shape == fn(x).contiguous().shape == same_bits(fn, x)(x).shape
