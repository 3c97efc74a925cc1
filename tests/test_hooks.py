"""Hooks of tensors and modules, against what they promise and against PyTorch."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import backward, grad
from nnfast.errors import NNFastError, StateError
from tests.plans import falls_back, planned


def ones(*values: float) -> nnfast.Tensor:
    return nnfast.tensor(list(values), requires_grad=True)


# ---- tensors --------------------------------------------------------------------------------


def test_a_hook_sees_the_whole_gradient_once() -> None:
    x = ones(1.0, 2.0)
    y = x * 3
    seen: list[Any] = []
    x.register_hook(lambda g: seen.append(("x", g.tolist())))
    z = y * y + y  # the hook comes after the use
    y.register_hook(lambda g: seen.append(("y", g.tolist())))
    (z + x).sum().backward()
    assert seen == [("y", [7.0, 13.0]), ("x", [22.0, 40.0])]
    assert x.grad.tolist() == [22.0, 40.0]


def test_what_a_hook_returns_takes_the_place() -> None:
    x = ones(1.0)
    y = x * 2
    handles = [y.register_hook(lambda g: g + 1), y.register_hook(lambda g: g * 10)]
    x.register_hook(lambda g: -g)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [-40.0]
    handles[0].remove()
    handles[0].remove()
    x.grad = None
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [-20.0]
    with handles[1]:
        pass
    assert grad(y.sum(), x, retain_graph=True)[0].tolist() == [-2.0]
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [-2.0]


def test_a_hook_outlives_its_tensor_but_not_the_graph() -> None:
    x, seen = ones(1.0), []

    def layer(x: nnfast.Tensor) -> nnfast.Tensor:
        h = x * 2
        h.register_hook(lambda g: seen.append(g.item()))
        return h * 3

    y = layer(x)
    gc.collect()
    y.sum().backward()
    assert seen == [3.0]

    class Big:
        pass

    big = Big()
    ref = weakref.ref(big)
    y = x * 2
    y.register_hook(lambda g, big=big: None)
    del big, y
    gc.collect()
    assert ref() is None


def test_hooks_of_captured_tensors() -> None:
    x = ones(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    assert grad((y * y).sum(), y, retain_graph=True)[0].tolist() == [20.0, 40.0]
    assert grad((y * y).sum(), x)[0].tolist() == [40.0, 80.0]


def test_second_gradients_go_through_hooks() -> None:
    x = ones(3.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (dx,) = grad(y.sum(), x, create_graph=True)
    assert dx.item() == 18 and grad(dx.sum(), x)[0].item() == 12


def test_outputs_of_one_node_have_hooks_of_their_own() -> None:
    x = nnfast.tensor([[3.0, 1.0], [0.5, 2.0]], requires_grad=True)
    values, _ = x.max(1)
    values.register_hook(lambda g: g * 2)
    values.sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_retained_gradients() -> None:
    x = ones(1.0, 2.0)
    y = x * 3
    assert not y.retains_grad and not x.retains_grad
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()
    y.register_hook(lambda g: g * 2)  # a retained gradient is what all hooks have left
    assert y.retains_grad and not x.retains_grad
    for k in (1, 2):
        (y * y).sum().backward(retain_graph=True)
        assert y.grad.tolist() == [12.0 * k, 24.0 * k]
    assert grad(y.sum(), x)[0].tolist() == [6.0, 6.0]


def test_after_accumulation() -> None:
    x = ones(1.0, 2.0)
    seen: list[Any] = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * x).sum().backward()
    (x * x + x).sum().backward()
    assert seen == [[2.0, 4.0], [5.0, 9.0]]
    grad((x * x).sum(), x)
    assert len(seen) == 2
    (x * x).sum().backward(inputs=x)
    assert len(seen) == 3
    handle.remove()
    x.sum().backward()
    assert len(seen) == 3


def test_backward_into_some_inputs_alone() -> None:
    x, w = ones(1.0, 2.0), ones(3.0, 4.0)
    y = x * w
    z = (y * y).sum()
    z.backward(inputs=[w, y], retain_graph=True)
    assert x.grad is None and w.grad.tolist() == [6.0, 32.0] and y.grad.tolist() == [6.0, 16.0]
    backward(z, inputs=x)
    assert x.grad.tolist() == [18.0, 64.0]
    a, b = ones(1.0), ones(1.0)
    (a + b).sum().backward(inputs=[a, b])
    a.grad.numpy()[0] = 7
    assert b.grad.tolist() == [1.0]
    for wrong in ([], [nnfast.zeros(2)]):
        with pytest.raises(NNFastError, match="tensors that require gradients as inputs"):
            ones(1.0).sum().backward(inputs=wrong)


def test_detach_in_place() -> None:
    x = ones(1.0)
    y = x * 2
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    (y * x).sum().backward()
    assert x.grad.tolist() == [2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nnfast.zeros(2).register_hook(print), "expected a tensor that requires gradients"),
        (lambda: nnfast.zeros(2).retain_grad(), "expected a tensor that requires gradients"),
        (lambda: (ones(1.0) * 2).register_post_accumulate_grad_hook(print), "expected a leaf"),
        (lambda: hooked(lambda g: 3.0), "a tensor or None from a hook, got float"),
        (lambda: hooked(lambda g: nnfast.zeros(2)), "a gradient of shape (1,) from a hook"),
    ],
)
def test_wrong_hooks(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


def hooked(hook: Any) -> None:
    x = ones(1.0)
    x.register_hook(hook)
    x.sum().backward()


# ---- modules --------------------------------------------------------------------------------


class Scale(nn.Module):
    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any, *more: Any, shift: float = 0.0, fail: bool = False) -> Any:
        if fail:
            raise ValueError("as asked")
        y = x * self.factor + shift
        return (y, *[m * 3 for m in more]) if more else y


def test_forward_hooks() -> None:
    m, seen = Scale(), []
    m.register_forward_pre_hook(lambda mod, args: seen.append(("pre", mod is m, len(args))))
    m.register_forward_hook(lambda mod, args, y: seen.append(("post", args[0].item(), y.item())))
    assert m(nnfast.tensor([1.0])).item() == 2
    assert seen == [("pre", True, 1), ("post", 1.0, 2.0)]
    first = m.register_forward_pre_hook(lambda mod, args: args[0] + 1, prepend=True)
    m.register_forward_hook(lambda mod, args, y: y * 10)
    assert m(nnfast.tensor([1.0])).item() == 40 and seen[-1] == ("post", 2.0, 4.0)
    first.remove()
    assert m(nnfast.tensor([1.0])).item() == 20
    assert copy.deepcopy(m)(nnfast.tensor([1.0])).item() == 20


def test_hooks_with_keywords() -> None:
    m = Scale()
    m.register_forward_pre_hook(
        lambda mod, args, kwargs: (args, {**kwargs, "shift": 5.0}), with_kwargs=True
    )
    m.register_forward_hook(lambda mod, args, kwargs, y: y + kwargs["shift"], with_kwargs=True)
    assert m(nnfast.tensor([1.0])).item() == 12


def test_always_called() -> None:
    m, seen = Scale(), []
    m.register_forward_hook(lambda mod, args, y: seen.append("sometimes"))
    m.register_forward_hook(lambda mod, args, y: seen.append(y), always_call=True)
    with pytest.raises(ValueError, match="as asked"):
        m(nnfast.tensor([1.0]), fail=True)
    assert seen == [None]
    m.register_forward_hook(lambda mod, args, y: 1 / 0, always_call=True)
    with pytest.raises(ValueError, match="as asked"), pytest.warns(UserWarning, match="division"):
        m(nnfast.tensor([1.0]), fail=True)


def test_backward_hooks() -> None:
    m, seen = Scale(), []
    x, w = ones(1.0), ones(10.0)
    m.register_full_backward_pre_hook(lambda mod, dy: (dy[0] * 100, *dy[1:]))
    m.register_full_backward_hook(
        lambda mod, dx, dy: seen.append([None if g is None else g.item() for g in (*dx, *dy)])
    )
    m.register_full_backward_hook(lambda mod, dx, dy: (dx[0] + 1, dx[1], None))
    y, z = m(x, w, 7.0)[:2]
    (y + z).sum().backward(retain_graph=True)
    assert seen == [[200.0, 3.0, None, 100.0, 1.0, None]]
    assert x.grad.item() == 201 and w.grad.item() == 3
    (y + z).sum().backward()
    assert x.grad.item() == 402 and len(seen) == 2


def test_backward_hooks_where_something_is_missing() -> None:
    m, seen = Scale(), []
    m.register_full_backward_hook(lambda mod, dx, dy: seen.append((dx, dy[0].item())))
    m.register_forward_hook(lambda mod, args, y: y)
    x = ones(1.0)
    y = m(x, ones(2.0))[0]
    y.sum().backward()  # the other output has no gradient
    assert seen[0][0][1] is None and seen[0][0][0].item() == 2
    m.factor = ones(2.0)
    m(nnfast.tensor([1.0])).sum().backward()  # no input needs a gradient
    assert seen[1] == ((None,), 1.0)
    with nnfast.no_grad():
        m(x)


def both_models() -> list[Any]:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nnfast.manual_seed(0)
    mine = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in mine.state_dict().items()})
    return [(nnfast, mine), (torch, theirs)]


def test_order_and_values_are_pytorchs() -> None:
    logs = []
    for library, model in both_models():
        log: list[Any] = []

        def add(what: str, *values: Any, log: list[Any] = log) -> None:
            log.append((what, *[None if v is None else np.array(v.tolist()) for v in values]))

        for name, m in model.named_modules():
            m.register_forward_pre_hook(lambda m, a, n=name: add("pre " + n, *a))
            m.register_forward_hook(lambda m, a, y, n=name: add("post " + n, *a, y))
            m.register_full_backward_pre_hook(lambda m, dy, n=name: add("back pre " + n, *dy))
            m.register_full_backward_hook(lambda m, dx, dy, n=name: add("back " + n, *dx, *dy))
        x = library.tensor([[1.0, -2.0, 0.5]], requires_grad=True)
        (model(x) ** 2).sum().backward()
        add("x", x.grad)
        logs.append(log)
    assert [e[0] for e in logs[0]] == [e[0] for e in logs[1]]
    for a, b in zip(*logs, strict=True):
        for p, q in zip(a[1:], b[1:], strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6)


# ---- with compiled functions ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["forward_pre", "forward", "full_backward_pre", "full_backward"])
def test_a_module_with_hooks_runs_eagerly(kind: str) -> None:
    m, calls = nn.Linear(2, 2), []
    getattr(m, f"register_{kind}_hook")(lambda *args: calls.append(1))
    x = ones(1.0, 2.0).detach().reshape(1, 2).requires_grad_()

    def step(x: nnfast.Tensor) -> Any:
        loss = m(x).sum()
        loss.backward()
        return loss

    falls_back(nnfast.compile(step), x, match="hooks of a Linear")
    assert len(calls) == 2


def test_hooks_registered_later_are_noticed() -> None:
    m, calls = nn.Linear(2, 2), []
    x = nnfast.ones(1, 2)
    predict = nnfast.compile(lambda x: m(x))
    want = predict(x).tolist()
    handle = m.register_forward_hook(lambda mod, args, y: calls.append(1))
    with pytest.warns(UserWarning, match="hooks of a Linear"):
        assert predict(x).tolist() == want
    assert len(calls) == 1
    handle.remove()
    assert predict(x).tolist() == want and len(calls) == 1


def test_hooks_of_parameters_make_a_step_eager() -> None:
    w = ones(1.0, 2.0)
    opt = nnfast.optim.SGD([w], lr=1.0)

    def step() -> Any:
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        opt.step()
        return loss

    run = nnfast.compile(step)
    run()
    assert w.tolist() == [-1.0, -2.0]
    w.register_hook(lambda g: g * 0)
    with pytest.warns(UserWarning, match="hooks of a tensor"):
        run()
    assert w.tolist() == [-1.0, -2.0]

    def inside(x: nnfast.Tensor) -> Any:
        y = x * 2
        y.register_hook(lambda g: g * 3)
        return grad(y.sum(), x)[0]

    x = ones(1.0)
    assert [y.item() for y in falls_back(nnfast.compile(inside), x, match="hook")] == [6.0, 6.0]
    slope = nnfast.compile(lambda x: grad((x * x).sum(), x)[0])
    assert slope(x).item() == 2
    with x.register_hook(lambda g: g * 3), pytest.warns(UserWarning, match="hooks of a tensor"):
        assert slope(x).item() == 6
    assert slope(x).item() == 2


def test_backward_into_inputs_inside_a_plan() -> None:
    a, b = ones(1.0, 2.0), ones(3.0, 4.0)

    def step() -> Any:
        a.grad = b.grad = None
        loss = (a * b).sum()
        loss.backward(inputs=[a])
        return loss

    planned(step)()
    assert a.grad.tolist() == [3.0, 4.0] and b.grad is None


def test_a_tensor_needs_a_gradient_to_be_hooked_in_a_module() -> None:
    with pytest.raises(StateError):
        nnfast.ones(2).register_hook(print)
    with pytest.raises(NNFastError, match="expected a function, got int"):
        nn.ReLU().register_forward_hook(3)
