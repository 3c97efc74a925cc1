"""gradcheck finds wrong rules and accepts right ones; grad() means what PyTorch's means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Tensor
from nnfast.autograd import backward, grad, gradcheck, gradgradcheck
from nnfast.autograd.gradcheck import GradcheckError
from nnfast.errors import ArgumentError, DTypeError, StateError

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Function = Callable[..., Any]


def draw(*shape: int, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return nnfast.tensor(values, requires_grad=True)


def with_gradient_of(carrier: Tensor, value: Tensor) -> Tensor:
    """The value of one and the gradient of the other."""
    return value.detach() + (carrier - carrier.detach())


def one_element_wrong(x: Tensor) -> Tensor:
    factor = np.ones(x.shape)
    factor.flat[x.numel() // 2] = 1.5
    return with_gradient_of(nnfast.tanh(x) * nnfast.tensor(factor), nnfast.tanh(x))


RIGHT: dict[str, tuple[Function, list[Any]]] = {
    "product": (lambda x, y: x * y, [draw(3, 4), draw(3, 4, seed=1)]),
    "broadcast": (lambda x, y: x * y + y, [draw(3, 1), draw(4, seed=1)]),
    "polynomial": (lambda x: x * x * x - 2.0 * x, [draw(5)]),
    "composed": (lambda x, w: nnfast.tanh(x @ w).sum(), [draw(4, 3), draw(3, 2, seed=1)]),
    "large": (lambda x: nnfast.exp(x).sum() * 1e6, [draw(1000)]),
    "small": (lambda x: nnfast.exp(x) * 1e-6, [draw(3)]),
    "several outputs": (lambda x: (x * x, nnfast.exp(x)), [draw(4)]),
    "strided": (lambda x: x * x, [nnfast.tensor(np.ones((4, 6))[::2, ::-3], requires_grad=True)]),
    "empty": (lambda x: x * x, [draw(0, 3)]),
    "scalar": (lambda x: x * x, [draw()]),
    "other arguments": (
        lambda x, n, c: x * n + c,
        [draw(3), 4, nnfast.ones(3, dtype=nnfast.float64)],
    ),
    "integer output": (lambda x: (x * x, x > 0), [draw(3)]),
    "zero gradient": (lambda x: x * 0.0, [draw(3)]),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("order", [1, 2])
def test_right_rules_pass(name: str, order: int) -> None:
    fn, inputs = RIGHT[name]
    for seed in range(5):
        assert gradcheck(fn, inputs, order=order, seed=seed) is True
    assert all(x.grad is None for x in inputs if isinstance(x, Tensor))


WRONG: dict[str, tuple[Function, list[Any]]] = {
    "off by 0.05%": (lambda x: with_gradient_of(1.0005 * x * x, x * x), [draw(50)]),
    "off by 0.05% in a scalar": (lambda x: with_gradient_of(0.9995 * x * x, x * x), [draw()]),
    "wrong sign": (lambda x: with_gradient_of(-nnfast.exp(x), nnfast.exp(x)), [draw(5)]),
    "missing term": (lambda x: x.detach() * x, [draw(5)]),
    "missing input": (lambda x, y: x * y.detach(), [draw(5), draw(5, seed=1)]),
    "no gradient at all": (lambda x, y: (x * x).detach() + 0.0 * y, [draw(5), draw(5, seed=1)]),
    "one element of a thousand": (one_element_wrong, [draw(1000)]),
    "second output": (lambda x: (x * x, with_gradient_of(2.0 * x, x)), [draw(5)]),
    "output without gradient": (lambda x: (x * x, nnfast.exp(x).detach()), [draw(5)]),
    "swapped elements": (lambda x: with_gradient_of(x[::-1] * x[::-1], x * x), [draw(5)]),
    "broadcast": (lambda x, y: with_gradient_of(x + y * 3.0, x + y), [draw(3, 4), draw(4, seed=1)]),
    "NaN": (lambda x: with_gradient_of(x * float("nan"), x), [draw(5)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_are_rejected(name: str) -> None:
    fn, inputs = WRONG[name]
    for seed in range(20):
        with pytest.raises(GradcheckError, match=r"expected .* as the derivative of output"):
            gradcheck(fn, inputs, seed=seed)


def test_wrong_second_derivative_of_a_right_first_one() -> None:
    def fn(x: Tensor) -> Tensor:
        slope = (3.0 * x * x).detach()  # right, but a constant for whoever differentiates again
        return with_gradient_of(slope * x, x * x * x)

    def slightly(x: Tensor) -> Tensor:
        slope = 3.0 * x * x
        return (
            with_gradient_of(with_gradient_of(1.0005 * slope, slope).detach() * x, x * x * x) + 0.0
        )

    x = draw(5)
    for wrong in (fn, slightly):
        for seed in range(20):
            assert gradcheck(wrong, x, seed=seed)
            with pytest.raises(GradcheckError, match="order=2"):
                gradcheck(wrong, x, order=2, seed=seed)
            with pytest.raises(GradcheckError, match="order=2"):
                gradgradcheck(wrong, x, seed=seed)


def test_the_message_lets_one_repeat_it() -> None:
    x = draw(3)
    with pytest.raises(GradcheckError) as e:
        gradcheck(lambda x: x.detach() * x, x, seed=11)
    text = str(e.value)
    assert text.startswith("gradcheck: expected ") and "seed=11, order=1" in text
    assert "along a random direction of input 0" in text and "inputs[0]: (3,) float64" in text
    with pytest.raises(GradcheckError) as again:
        gradcheck(lambda x: x.detach() * x, x, seed=11)
    assert str(again.value) == text


def test_gradcheck_refuses() -> None:
    narrow = nnfast.ones(3, requires_grad=True)
    text = r"gradcheck: expected float64 inputs, got inputs\[0\]: \(3,\) float32"
    with pytest.raises(DTypeError, match=text):
        gradcheck(lambda x: x * x, narrow)
    with pytest.raises(DTypeError, match="float32"):
        gradcheck(lambda x, y: x * y, [draw(3), narrow])
    with pytest.raises(
        StateError, match="gradcheck: expected an input that requires gradients, got none"
    ):
        gradcheck(lambda x: x * x, nnfast.ones(3, dtype=nnfast.float64))
    with pytest.raises(ArgumentError, match="gradcheck: expected order=1 or order=2, got order=3"):
        gradcheck(lambda x: x * x, draw(3), order=3)


def test_gradcheck_does_not_touch_its_inputs() -> None:
    x = draw(4)
    before = x.array.copy()
    x.array.flags.writeable = False
    y = x * 2.0  # a result, with a history of its own
    for order in (1, 2):
        assert gradcheck(lambda x, y: x * y, [x, y], order=order)
    assert (x.array == before).all() and x.grad is None
    y.sum().backward()


# ---- grad, and PyTorch's --------------------------------------------------------------------


def test_grad_leaves_nothing_behind() -> None:
    x, w = draw(3), draw(3, seed=1)
    dx, dw = grad((x * w).sum(), [x, w])
    assert dx is not None and dw is not None
    assert dx.tolist() == w.tolist() and dw.tolist() == x.tolist()
    assert x.grad is None and w.grad is None and not dx.requires_grad


def test_grad_of_a_result() -> None:
    x = draw(3)
    hidden = x * 2.0
    y = (hidden * hidden).sum()
    (dh,) = grad(y, hidden)
    assert dh is not None and np.allclose(dh.array, 4 * x.array)


def test_grad_runs_only_what_lies_between() -> None:
    x, w = draw(3), draw(3, seed=1)
    below = x * x
    y = (below * w).sum()
    grad(y, w)
    grad(below.sum(), x)  # its saved values were not freed by the first call


def test_grad_outputs() -> None:
    x = draw(3)
    weights = nnfast.tensor([1.0, 10.0, 100.0], dtype=nnfast.float64)
    (dx,) = grad([x * 2.0, (x * 3.0).sum()], x, [weights, None])
    assert dx is not None and np.allclose(dx.array, [5, 23, 203])


def test_unused_inputs() -> None:
    x, w = draw(3), draw(3, seed=1)
    assert grad(x.sum(), [w, x], allow_unused=True)[0] is None
    text = r"grad: expected outputs that depend on every input, got inputs\[0\]: \(3,\) float64"
    with pytest.raises(StateError, match=text):
        grad(x.sum(), [w, x])


def test_an_input_given_twice() -> None:
    x = draw(3)
    a, b = grad((x * x).sum(), [x, x])
    assert a is not None and b is not None and a.tolist() == b.tolist()


def test_third_derivative() -> None:
    x = nnfast.tensor([2.0], dtype=nnfast.float64, requires_grad=True)
    y, values = x * x * x * x, []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)  # type: ignore[assignment]
        values.append(y.item())
    assert values == [32.0, 48.0, 48.0, 24.0]


def test_gradient_penalty() -> None:
    """A loss that contains a gradient, with backward() as its last step."""
    x, w = draw(4, 3), draw(3, 2, seed=1)
    (dx,) = grad(nnfast.tanh(x @ w).sum(), x, create_graph=True)
    assert dx is not None
    (dx * dx).sum().backward()

    def penalty(w: Tensor) -> Tensor:
        z = wrap_leaf(x)
        with nnfast.enable_grad():
            (dz,) = grad(nnfast.tanh(z @ w).sum(), z, create_graph=True)
        assert dz is not None
        return (dz * dz).sum()

    def wrap_leaf(t: Tensor) -> Tensor:
        return t.detach().requires_grad_()

    assert gradcheck(penalty, w)
    assert w.grad is not None


def test_backward_of_several() -> None:
    x = draw(3)
    backward([(x * x).sum(), x], [None, nnfast.ones(3, dtype=nnfast.float64)])
    assert x.grad is not None and np.allclose(x.grad.array, 2 * x.array + 1)


REFUSED: list[tuple[Function, type[Exception], str]] = [
    (
        lambda x: grad(x.sum(), []),
        ArgumentError,
        "grad: expected at least one tensor as 'inputs', got none",
    ),
    (
        lambda x: grad([], x),
        ArgumentError,
        "grad: expected at least one tensor as 'outputs', got none",
    ),
    (lambda x: grad(x.sum(), [1.0]), DTypeError, "grad: expected tensors as 'inputs', got float"),
    (
        lambda x: grad(x.sum(), nnfast.ones(2)),
        StateError,
        "grad: expected inputs that require gradients, got inputs[0]: (2,) float32, which does not",
    ),
    (lambda x: grad(x * x, x), ArgumentError, "backward: expected a scalar, got shape (3,)"),
    (
        lambda x: grad([x.sum(), x.sum()], x, [None]),
        ArgumentError,
        "grad: expected one gradient for each of 2 outputs, got 1",
    ),
    (
        lambda x: grad(x.sum(), x, 1.0 if False else [1.0]),
        DTypeError,
        "grad: expected gradients that are tensors or None, got float",
    ),
    (
        lambda x: grad(x * x, x, nnfast.ones(4, dtype=nnfast.float64)),
        ArgumentError,
        "backward: expected a gradient of shape (3,), got shape (4,)",
    ),
    (
        lambda x: grad(nnfast.ones(()), x),
        StateError,
        "backward: expected a tensor that requires gradients, got one of shape ()",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED, ids=[r[2][:50] for r in REFUSED])
def test_grad_refuses(call: Function, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as e:
        call(draw(3))
    assert str(e.value).startswith(text)


def both(fn: Function) -> tuple[list[Any], list[Any]]:
    """What fn(module, leaf) gives with nnfast and with PyTorch, as nested lists."""
    arrays = [np.random.default_rng(i).standard_normal((3, 2)) for i in range(3)]
    ours = fn(nnfast, grad, *[nnfast.tensor(a, requires_grad=True) for a in arrays])
    theirs = fn(torch, torch.autograd.grad, *[torch.tensor(a, requires_grad=True) for a in arrays])
    return tuple([None if t is None else t.tolist() for t in ts] for ts in (ours, theirs))  # type: ignore[return-value]


def _first_and_second(lib: Any, grad: Any, x: Any, w: Any, unused: Any) -> list[Any]:
    y = lib.tanh(x @ w.T) * 2.0
    dx, dw = grad(y.sum(), [x, w], create_graph=True)
    return [dx, dw, *grad((dx * dw).sum(), [x, w])]


def _unused(lib: Any, grad: Any, x: Any, w: Any, unused: Any) -> list[Any]:
    return list(grad((x * w).sum(), [unused, w, x], allow_unused=True))


def _several(lib: Any, grad: Any, x: Any, w: Any, unused: Any) -> list[Any]:
    ys = [x * w, lib.exp(w).sum()]
    return list(grad(ys, [x, w], grad_outputs=[unused.detach(), None]))


def _accumulated(lib: Any, grad: Any, x: Any, w: Any, unused: Any) -> list[Any]:
    y = (x * x * w).sum()
    y.backward(retain_graph=True)
    y.backward()
    (x.sum() * w.sum()).backward()
    return [x.grad, w.grad, unused.grad]


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("fn", [_first_and_second, _unused, _several, _accumulated])
def test_same_as_pytorch(fn: Function) -> None:
    ours, theirs = both(fn)
    assert len(ours) == len(theirs) > 1
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.allclose(a, b, rtol=1e-12)
