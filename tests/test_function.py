"""Functions with a backward pass of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.autograd import Function, grad, gradcheck, gradgradcheck
from nnfast.errors import NNFastError
from tests.modules import both_ways

RNG = np.random.default_rng(9)


def exponential(base: Any) -> Any:
    class Exp(base):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (y,) = ctx.saved_tensors
            return dy * y

    return Exp


def swap(base: Any) -> Any:
    """(x, n, y) -> (n y, x y, whole part of x): several inputs and results."""

    class Swap(base):
        @staticmethod
        def forward(ctx: Any, x: Any, n: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            ctx.n = n
            whole = x.floor()
            ctx.mark_non_differentiable(whole)
            return n * y, x * y, whole

        @staticmethod
        def backward(ctx: Any, da: Any, db: Any, dwhole: Any = None) -> Any:
            x, y = ctx.saved_tensors
            needs_x, _, needs_y = ctx.needs_input_grad
            return (db * y if needs_x else None, None, da * ctx.n + db * x if needs_y else None)

    return Swap


def test_gradients_of_any_order() -> None:
    Exp, Swap = exponential(Function), swap(Function)
    x, y = (nnfast.tensor(RNG.standard_normal(3), requires_grad=True) for _ in range(2))
    assert gradcheck(Exp.apply, (x,)) and gradgradcheck(Exp.apply, (x,))
    call = lambda x, y: Swap.apply(x, 2.0, y)[:2]
    assert gradcheck(call, (x, y)) and gradgradcheck(call, (x, y))


@pytest.mark.parametrize("needed", [(True, True), (True, False), (False, True), (False, False)])
def test_is_pytorchs(needed: tuple[bool, bool]) -> None:
    torch = pytest.importorskip("torch")
    a, b = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))
    results = []
    for lib, base in ((nnfast, Function), (torch, torch.autograd.Function)):
        x, y = (lib.tensor(v, requires_grad=n) for v, n in zip((a, b), needed, strict=True))
        found = swap(base).apply(x, 3.0, y)
        assert [t.requires_grad for t in found] == [any(needed), any(needed), False]
        if any(needed):
            (found[0].sum() + (found[1] ** 2).sum()).backward()
        grads = [np.zeros(1) if t.grad is None else t.grad.numpy() for t in (x, y)]
        results.append([t.detach().numpy() for t in found] + grads)
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_one_result_unused_and_used_twice() -> None:
    x, y = nnfast.tensor([2.0], requires_grad=True), nnfast.tensor([5.0], requires_grad=True)
    a, b, _ = swap(Function).apply(x, 3.0, y)
    assert [g.item() for g in grad(b, (x, y), retain_graph=True)] == [5.0, 2.0]
    assert [g.item() for g in grad(b, (x, y), retain_graph=True)] == [5.0, 2.0]
    assert grad(a * 2, y)[0].item() == 6.0
    z = exponential(Function).apply(x * 2) + x
    z.backward()
    assert x.grad.item() == pytest.approx(1 + 2 * np.exp(4.0), rel=1e-6)


def test_setup_context() -> None:
    class Double(Function):
        @staticmethod
        def forward(x: Any, factor: float) -> Any:  # type: ignore[override]
            return x * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy * ctx.factor, None

    x = nnfast.ones(2, requires_grad=True)
    Double.apply(x, 4.0).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_straight_through_in_a_plan() -> None:
    Exp = exponential(Function)

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = Exp.apply(x)
        return y, *grad((y * y).sum(), x)

    both_ways(step, [RNG.standard_normal((3, 2))])


def test_refuses() -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy if len(dy.shape) == 1 else (dy[0], dy)

    x = nnfast.ones(2, requires_grad=True)
    with pytest.raises(NNFastError, match="2 gradients, one for each"):
        Wrong.apply(x, x).sum().backward()
    z = nnfast.ones(2, 2, requires_grad=True)
    with pytest.raises(NNFastError, match=r"a gradient of shape \(2, 2\) for argument 0"):
        Wrong.apply(z, z).sum().backward()
    a = nnfast.ones(1, requires_grad=True)
    assert grad((a * 2).sum(), (a, x), materialize_grads=True)[1].tolist() == [0.0, 0.0]


class _Parts(Function):
    """The exponential, saved as a result; a mask, which has no gradient; a sum."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y, x > 0, x.sum(0)

    @staticmethod
    def backward(ctx: Any, dy: Any, dmask: Any, dsum: Any) -> Any:
        (y,) = ctx.saved_tensors
        return dy * y + dsum


def test_each_result_has_a_gradient_and_saved_ones_a_history() -> None:
    x = nnfast.tensor([[0.5, -1.0], [2.0, 0.0]], dtype=nnfast.float64, requires_grad=True)
    y, mask, total = _Parts.apply(x)
    assert mask.tolist() == [[True, False], [True, False]] and not mask.requires_grad
    loss = y.sum() + 3 * total.sum()
    del y, total  # the saved result lives on in the node
    (dx,) = grad(loss, x, create_graph=True)
    np.testing.assert_allclose(dx.detach().numpy(), np.exp(x.detach().numpy()) + 3, rtol=1e-12)
    (ddx,) = grad(dx.sum(), x)
    np.testing.assert_allclose(ddx.numpy(), np.exp(x.detach().numpy()), rtol=1e-12)
