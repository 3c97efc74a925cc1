"""Changes in place: values, shared memory, history, and saved values that are no longer so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.errors import StateError
from nnfast.ops.changes import IN_PLACE
from tests.peers import Function, agrees_with_torch, runs_in_a_plan
from tests.plans import planned

X = np.array([[0.5, 1.5, 2.0], [3.0, 0.25, 1.0]])
INDEX = np.array([[0, 1, 1]])

CALLS: dict[str, Function] = {
    "add_": lambda L, x, y: x.add_(y, alpha=2),
    "sub_": lambda L, x, y: x.sub_(y),
    "mul_": lambda L, x, y: x.mul_(y),
    "div_": lambda L, x, y: x.div_(y),
    "pow_": lambda L, x, y: x.pow_(3),
    "neg_": lambda L, x, y: x.neg_(),
    "sqrt_": lambda L, x, y: x.sqrt_(),
    "exp_": lambda L, x, y: x.exp_(),
    "clamp_": lambda L, x, y: x.clamp_(0.4, 1.7),
    "tanh_": lambda L, x, y: x.tanh_(),
    "zero_": lambda L, x, y: x.zero_(),
    "fill_": lambda L, x, y: x.fill_(4),
    "copy_": lambda L, x, y: x.copy_(y[:1]),
    "lerp_": lambda L, x, y: x.lerp_(y, 0.25),
    "addcmul_": lambda L, x, y: x.addcmul_(y, y, value=2),
    "addcdiv_": lambda L, x, y: x.addcdiv_(y, y + 1),
    "masked_fill_": lambda L, x, y: x.masked_fill_(y > 1, 0.5),
    "scatter_": lambda L, x, y: x.scatter_(0, L.tensor(INDEX), y[:1]),
    "scatter_add_": lambda L, x, y: x.scatter_add_(0, L.tensor(INDEX), y[:1]),
    "index_add_": lambda L, x, y: x.index_add_(0, L.tensor([1]), y[:1]),
    "index_fill_": lambda L, x, y: x.index_fill_(1, L.tensor([1]), 2.0),
    "+=": lambda L, x, y: x.__iadd__(y),
    "-=": lambda L, x, y: x.__isub__(1),
    "*=": lambda L, x, y: x.__imul__(y),
    "/=": lambda L, x, y: x.__itruediv__(2),
}


def _with_history(f: Function) -> Function:
    def call(L: Any, x: Any, y: Any) -> Any:
        z = x * 2
        return f(L, z, y) * x + z

    return call


@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradient(name: str) -> None:
    agrees_with_torch(_with_history(CALLS[name]), X, X[::-1].copy())


@pytest.mark.parametrize("name", CALLS)
def test_in_a_plan(name: str) -> None:
    f = _with_history(CALLS[name])
    runs_in_a_plan(f, X.astype(np.float32), X[::-1].astype(np.float32))


@pytest.mark.parametrize("name", CALLS)
def test_without_gradient_the_history_stays(name: str) -> None:
    """Eagerly and in a plan: a change under no_grad has no gradient of its own."""

    def fn(w: Any, y: Any) -> Any:
        x = w * y + 1.0
        with nnfast.no_grad():
            CALLS[name](nnfast, x, y)
        return nnfast.autograd.grad((x * y).sum() + w.sum(), (w,))[0], x.detach()

    w = nnfast.tensor(X, requires_grad=True)
    y = nnfast.tensor(X[::-1].copy())
    expected = fn(w, y)
    np.testing.assert_allclose(expected[0].numpy(), (y * y + 1).numpy(), rtol=1e-15)
    for got, value in zip(nnfast.compile(fn)(w, y), expected, strict=True):
        assert got.numpy().tobytes() == value.numpy().tobytes()


@pytest.mark.parametrize("name", CALLS)
def test_memory_is_written(name: str) -> None:
    """Without gradients, whoever shares the memory sees the new values."""
    a = X.copy()
    view, y = nnfast.from_numpy(a)[:, :], nnfast.tensor(X[::-1].copy())
    want = CALLS[name](nnfast, nnfast.tensor(X), y)
    CALLS[name](nnfast, view, y)
    np.testing.assert_array_equal(a, want.numpy())


@pytest.mark.parametrize("name", CALLS)
def test_it_returns_the_tensor_itself(name: str) -> None:
    x, y = nnfast.tensor(X), nnfast.tensor(X)
    assert CALLS[name](nnfast, x, y) is x
    z = nnfast.tensor(X, requires_grad=True) * 2
    assert CALLS[name](nnfast, z, y) is z


def test_every_method_has_a_name_in_place() -> None:
    for name in IN_PLACE:
        assert callable(getattr(nnfast.Tensor, f"{name}_")), name


def test_parameters_are_updated_by_hand() -> None:
    w = nnfast.ones(2, requires_grad=True)
    (w * w).sum().backward()
    with nnfast.no_grad():
        same = w
        same -= 0.25 * w.grad
    assert w.tolist() == [0.5, 0.5] and same is w and w.requires_grad
    w.data.mul_(2)
    assert w.tolist() == [1, 1]


def test_a_leaf_that_requires_gradients_is_refused() -> None:
    w = nnfast.ones(2, requires_grad=True)
    for change in (lambda: w.add_(1), lambda: w.zero_(), lambda: w.__setitem__(0, 1.0)):
        with pytest.raises(StateError, match="leaf"):
            change()


@pytest.mark.parametrize("how", ["itself", "a view", "detached", "data"])
@pytest.mark.parametrize("saved", ["input", "output"])
def test_a_changed_saved_value_is_noticed(saved: str, how: str) -> None:
    w = nnfast.tensor([1.0, 2.0], requires_grad=True)
    x = w * 1
    y = x * x if saved == "input" else x.exp()
    z = x if saved == "input" else y
    with nnfast.no_grad():
        target = {"itself": z, "a view": z[:1], "detached": z.detach(), "data": z.data}[how]
        target.mul_(3)
    with pytest.raises(StateError, match="changed in place"):
        y.sum().backward()


def test_memory_that_was_changed_before_is_as_good_as_any() -> None:
    x = nnfast.ones(3)
    x.add_(1)
    w = nnfast.ones(3, requires_grad=True)
    (w * x).sum().backward()
    assert w.grad is not None and w.grad.tolist() == [2, 2, 2]


def test_what_shares_memory_with_history_is_refused() -> None:
    w = nnfast.ones(3, requires_grad=True)
    y = w * 2
    part = y[:1]
    for x in (part, y):
        with pytest.raises(StateError, match="memory of its own"):
            x.add_(1)
    del part, x
    y.add_(1)
    assert y.tolist() == [3, 3, 3]


def test_what_does_not_fit_is_refused() -> None:
    x = nnfast.zeros(2, 3)
    whole = nnfast.tensor([1, 2])
    bad: list[Any] = [
        lambda: x.add_(nnfast.ones(4, 2, 3)),
        lambda: x[0].copy_(nnfast.ones(2)),
        lambda: whole.add_(0.5),
        lambda: whole.div_(2),
        lambda: nnfast.tensor([True]).add_(1),
        lambda: whole.normal_(),
        lambda: x.uniform_(1, 0),
        lambda: x.bernoulli_(2.0),
        lambda: x.fill_(nnfast.ones(2)),
        lambda: nnfast.ones(2).expand(3, 2).add_(1),
    ]
    for change in bad:
        with pytest.raises(nnfast.NNFastError):
            change()
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]] and whole.tolist() == [1, 2]


def test_a_tensor_outside_is_changed_by_a_plan() -> None:
    count = nnfast.zeros(())

    def step(x: Any) -> Any:
        count.add_(1)
        return x * 2

    compiled = planned(step)
    for _ in range(3):
        compiled(nnfast.ones(2))
    assert count.item() == 3


def test_random_numbers() -> None:
    g = nnfast.Generator().manual_seed(1)
    x = nnfast.zeros(4000)
    assert 0.45 < x.uniform_(generator=g).mean().item() < 0.55
    assert (x.uniform_(2, 3, generator=g) >= 2).all() and (x < 3).all()
    assert abs(x.normal_(5, 2, generator=g).mean().item() - 5) < 0.2
    assert abs(x.std().item() - 2) < 0.2
    assert abs(x.exponential_(4, generator=g).mean().item() - 0.25) < 0.03
    assert abs(x.bernoulli_(0.3, generator=g).mean().item() - 0.3) < 0.05
    assert set(x.random_(3, generator=g).tolist()) == {0, 1, 2}
    assert set(nnfast.zeros(50, dtype=nnfast.int64).random_(2, 4, generator=g).tolist()) == {2, 3}
    first = nnfast.zeros(3).normal_(generator=g.manual_seed(2))
    assert nnfast.equal(first, nnfast.zeros(3).normal_(generator=g.manual_seed(2)))
