"""A step with bad numbers changes nothing and says where they began."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.errors import MemoryLimitError, NonFiniteError
from nnfast.nn import functional as F
from tests.plans import bits, mlp, planned, trainer


class Net(nn.Module):
    def __init__(self, divide: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.last = nn.Linear(3, 2)

    def forward(self, x):
        h = self.norm(self.first(x))
        return self.last(h.exp())


def rows(n: int = 5) -> nnfast.Tensor:
    rng = np.random.default_rng(0)
    return nnfast.from_numpy(rng.standard_normal((n, 4)).astype(np.float32))


T = nnfast.zeros(5, 2)


def test_a_bad_step_changes_nothing_and_is_named():
    nnfast.manual_seed(0)
    net = Net()
    opt = optim.Adam(net.parameters())
    step = planned(trainer(net, opt, F.mse_loss))
    for _ in range(3):
        step(rows(), T)
    net.norm.weight.data = nnfast.tensor([1.0, 1e4, 1.0])
    before, state = bits(net), copy.deepcopy(opt.state_dict())
    with pytest.raises(NonFiniteError) as caught:
        step(rows(), T)
    assert bits(net) == before
    for i, saved in state["state"].items():
        mine = opt.state_dict()["state"][i]
        assert all(np.array_equal(mine[k].numpy(), saved[k].numpy()) for k in saved)
    text = str(caught.value)
    assert "Net: exp: expected finite numbers in step 4" in text
    assert "test_finite.py:" in text and "in rows" in text and "infinite" in text
    net.norm.weight.data = nnfast.ones(3)
    step(rows(), T)  # and training goes on
    assert bits(net) != before


def test_a_first_step_that_was_refused_is_still_the_first():
    """Dampening begins with the second step: a flag that the optimizer keeps."""
    results = []
    for refused in (False, True):
        w = nnfast.ones(2, requires_grad=True)
        opt = optim.SGD([w], lr=0.1, momentum=0.9, dampening=0.5)

        @planned
        def step(c, w=w, opt=opt):
            opt.zero_grad()
            (w * c).sum().backward()
            opt.step()

        if refused:
            with pytest.raises(NonFiniteError):
                step(nnfast.tensor([np.inf, 1.0]))
        for _ in range(3):
            step(nnfast.tensor([1.0, 2.0]))
        results.append(w.tolist())
    assert results[0] == results[1]


def test_it_began_in_the_backward_pass():
    w = nnfast.zeros(3, requires_grad=True)
    opt = optim.SGD([w], lr=0.1)

    @planned
    def step():
        opt.zero_grad()
        loss = w.sqrt().sum()
        loss.backward()
        opt.step()
        return loss

    with pytest.raises(NonFiniteError, match=r"infinite in the output.*test_finite.py"):
        step()
    assert w.tolist() == [0.0, 0.0, 0.0]


def test_bad_input_is_named():
    net = mlp(4, 2)
    step = planned(trainer(net, optim.SGD(net.parameters(), lr=0.1), F.mse_loss))
    x = rows()
    x.numpy()[[1, 3], 2] = np.nan
    with pytest.raises(NonFiniteError, match=r"argument 0 .*2 NaN in rows 1, 3"):
        step(x, T)
    net[0].bias.data = nnfast.tensor([np.inf, 0.0])
    with pytest.raises(NonFiniteError, match=r"0\.bias of shape \(2,\): 1 infinite"):
        step(rows(), T)


def test_a_mask_is_not_to_blame():
    """Where something else is: the infinities of a buffer may be meant."""
    net = mlp(4, 2)
    mask = nnfast.tensor([0.0, -np.inf])
    step = planned(
        trainer(
            lambda x: (net(x) + mask).softmax(-1), optim.SGD(net.parameters(), lr=0.1), F.mse_loss
        )
    )
    x = rows()
    x.numpy()[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match=r"argument 0 .*1 NaN in rows 1, before"):
        step(x, T)
    mask.numpy()[0] = -np.inf
    with pytest.raises(NonFiniteError, match=r"a tensor of shape \(2,\): 2 infinite"):
        step(rows(), T)


def test_infinities_that_are_meant():
    """A mask of -inf is no bad number, nor is inference."""
    net = mlp(4, 2)
    mask = nnfast.tensor([0.0, -np.inf])
    opt = optim.SGD(net.parameters(), lr=0.1)

    @planned
    def step(x):
        opt.zero_grad()
        loss = (net(x) + mask).softmax(-1).sum()
        loss.backward()
        opt.step()
        return loss

    assert np.isfinite(step(rows()).item())
    f = planned(lambda x: (x / 0.0).sum())
    assert np.isnan(f(nnfast.zeros(3)).item())


@pytest.mark.parametrize("size", [1, 3, 100, 70000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_place_is_looked_at(isa, size, bad, dtype):
    w = nnfast.from_numpy(np.ones(size, dtype)).requires_grad_()
    opt = optim.SGD([w], lr=0.5)

    def fn(c):
        opt.zero_grad()
        (w * c).sum().backward()
        opt.step()

    step = planned(fn)
    for place in {0, size // 2, size - 1}:
        c = np.ones(size, dtype)
        step(nnfast.from_numpy(c))
        before = w.detach().numpy().copy()
        c[place] = bad
        with pytest.raises(NonFiniteError):
            step(nnfast.from_numpy(c))
        assert np.array_equal(w.detach().numpy(), before)


def test_memory_is_known_before_the_first_step():
    net = mlp(200, 100, 10)
    opt = optim.Adam(net.parameters())
    options = {"memory_limit": 350_000, "disable": ("form_outer",)}
    step = nnfast.compile(**options)(trainer(net, opt, F.mse_loss))
    with pytest.raises(MemoryLimitError, match=r"weight 100x200 78.1 KiB") as caught:
        step(nnfast.ones(64, 200), nnfast.ones(64, 10))
    assert "expected a plan of at most 341.8 KiB" in str(caught.value)
    step(nnfast.ones(1, 200), nnfast.ones(1, 10))
    memory = step.plan.memory()
    weights = sum(p.numel() for p in net.parameters()) * 4
    assert memory.weights == memory.gradients == weights and memory.total <= 350_000


def test_a_plan_is_made_without_running():
    net = mlp(4, 2)
    step = nnfast.compile(trainer(net, optim.SGD(net.parameters(), lr=0.1), F.mse_loss))
    before = bits(net)
    plan = step.prepare(rows(), T)
    assert bits(net) == before and plan.memory().weights == 10 * 4
    step(rows(), T)
    assert step.plan is plan and bits(net) != before
    with pytest.raises(nnfast.errors.StateError, match="has none"):
        nnfast.compile(lambda x: x.item()).prepare(nnfast.ones(1))
