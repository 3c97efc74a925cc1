"""Tensors that a compiled function makes of data or of other tensors: each run makes them anew."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import nnfast
from nnfast import Tensor, nn
from nnfast.nn import functional as F

OF_DATA: dict[str, Callable[[], Tensor]] = {
    "from_numpy": lambda: nnfast.from_numpy(np.zeros(2, np.float32)),
    "from_dlpack": lambda: nnfast.from_dlpack(np.zeros(2, np.float32)),
    "tensor": lambda: nnfast.tensor([0.0, 0.0]),
    "tril_indices": lambda: nnfast.tril_indices(2, 1),
    "zeros": lambda: nnfast.zeros(2),
}
OF_TENSORS: dict[str, Callable[[Tensor], Tensor]] = {
    "tensor": nnfast.tensor,
    "asarray": lambda t: nnfast.asarray(t, copy=True),
    "new_tensor": lambda t: t.new_tensor(t),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda t: pickle.loads(pickle.dumps(t)),
    "clone": lambda t: t.clone(),
}


def results(fn: Callable[..., Tensor], between: Callable[[], object] = lambda: None) -> list[str]:
    """What three calls return."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some run eagerly, with a note
        for k in range(3):
            found.append(str(fn(nnfast.full((2,), float(k + 1))).tolist()))
            between()
    return found


@pytest.mark.parametrize("name", OF_DATA)
def test_what_is_made_of_data_begins_anew(name: str) -> None:
    def fn(x: Tensor) -> Tensor:
        t = OF_DATA[name]()
        t.add_(1)
        t[0] = 5
        return t + x

    assert results(nnfast.compile(fn)) == results(fn)


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("name", OF_TENSORS)
def test_what_is_made_of_a_tensor_has_its_present_numbers(name: str, changed: bool) -> None:
    found = []
    for compiled in (False, True):
        buffer = nnfast.zeros(2)

        def fn(x: Tensor, buffer: Tensor = buffer) -> Tensor:
            t = OF_TENSORS[name](buffer)
            if changed:
                t.add_(1)
            return t + x

        run = nnfast.compile(fn) if compiled else fn
        found.append(results(run, lambda buffer=buffer: buffer.add_(10)))
    assert found[0] == found[1]


def test_a_weight_kept_over_its_change() -> None:
    found = []
    for compiled in (False, True):
        layer = nn.Linear(2, 1, bias=False)
        nn.init.zeros_(layer.weight)

        @nnfast.no_grad()
        def fn(x: Tensor, layer: nn.Linear = layer) -> Tensor:
            old = copy.deepcopy(layer.weight)
            layer.weight.add_(x)
            return (layer.weight - old).sum()

        found.append(results(nnfast.compile(fn) if compiled else fn))
    assert found[0] == found[1]


def test_a_parameter_that_is_replaced_by_one_on_its_memory_is_still_planned() -> None:
    layer = nn.Linear(2, 1)

    def step(x: Tensor) -> Tensor:
        opt.zero_grad()
        loss = F.mse_loss(layer(x), x[:, :1])
        loss.backward()
        opt.step()
        return loss

    run = nnfast.compile(step)
    opt = nnfast.optim.SGD(layer.parameters(), lr=0.1)
    run(nnfast.ones(3, 2))
    layer.weight = nn.Parameter(layer.weight.detach())
    opt = nnfast.optim.SGD(layer.parameters(), lr=0.1)
    assert run.prepare(nnfast.ones(3, 2)) is run.plan


def test_a_gradient_outlives_a_change_of_its_weight() -> None:
    """Only what an update has used is gone."""
    w = nn.Parameter(nnfast.ones(2))
    opt = nnfast.optim.SGD([w], lr=0.5)

    @nnfast.compile
    def gradients(x: Tensor) -> Tensor:
        opt.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        with nnfast.no_grad():
            w.clamp_(-0.5, 0.5)
        return loss

    gradients(nnfast.full((2,), 3.0))
    opt.step()
    assert w.tolist() == [-1.0, -1.0]


def test_an_argument_without_a_plan_does_not_take_the_plan_of_others() -> None:
    w = nnfast.ones(2)

    @nnfast.compile
    def add(x: Tensor) -> Tensor:
        w.add_(x)
        return w * 1.0

    add(nnfast.ones(2))
    plan = add.plan
    with pytest.warns(UserWarning):
        add(w)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add.prepare(nnfast.ones(2))
    assert add.plan is plan and add(nnfast.ones(2)).tolist() == [5.0, 5.0]
