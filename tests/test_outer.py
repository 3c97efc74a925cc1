"""The pass form_outer: gradients of one row are formed by their updates."""

from __future__ import annotations

import numpy as np
import pytest

import nnfast
import nnfast.nn.functional as F
from nnfast import nn, optim
from nnfast.errors import NonFiniteError
from tests.passes import names

TRAINERS = {
    "adam": lambda p: optim.Adam(p, lr=1e-2, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2, amsgrad=True),
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, maximize=True),
}


def trained(make, compiled: bool, rows: int = 1, dtype=np.float32, clip: bool = False, disable=()):
    """Some steps of a net: its state, and the kernels of the plan."""
    nnfast.manual_seed(3)
    net = nn.Sequential(nn.Linear(700, 90), nn.ReLU(), nn.Linear(90, 5), nn.Tanh(), nn.Linear(5, 3))
    net.to(dtype)
    opt = make(net.parameters())

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        opt.step()
        return loss

    run = nnfast.compile(step, disable=disable) if compiled else step
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = rng.standard_normal((rows, 700)).astype(dtype)
        x[:, ::7] = -0.0  # signs of zeros too
        run(nnfast.tensor(x), nnfast.tensor(rng.integers(0, 3, rows)))
    found = [t.numpy().tobytes() for t in net.state_dict().values()]
    found += [t.numpy().tobytes() for s in opt.state.values() for t in s.values()]
    return found, names(run) if compiled else []


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRAINERS)
def test_an_update_forms_the_gradient_of_one_row_with_the_bits_of_the_product(name, dtype, threads):
    with nnfast.threads(threads):
        found, kernels = trained(TRAINERS[name], True, dtype=dtype)
    assert found == trained(TRAINERS[name], False, dtype=dtype)[0]
    assert kernels.count("largest_product") == 2  # rows of 700 and 90; the one of 5 is too short
    assert kernels.count("matmul") == 1
    assert sum(k.endswith("update") for k in kernels) == 1


def test_it_works_without_joined_updates():
    found, kernels = trained(TRAINERS["adam"], True, disable=("join_updates",))
    assert found == trained(TRAINERS["adam"], False)[0]
    assert kernels.count("largest_product") == 2


@pytest.mark.parametrize("options", [{"rows": 2}, {"clip": True}, {"disable": ("form_outer",)}])
def test_other_gradients_are_products(options):
    found, kernels = trained(TRAINERS["adam"], True, **options)
    assert "largest_product" not in kernels
    options.pop("disable", None)
    assert found == trained(TRAINERS["adam"], False, **options)[0]


@pytest.mark.parametrize(
    ("x", "scale", "good"),
    [(1e30, 1e8, True), (1e30, 1e10, False), (-1e30, 1e10, False), (np.inf, 1.0, False),
     (np.nan, 1.0, False), (np.nan, 0.0, False)],
)  # fmt: skip
def test_a_step_with_a_bad_product_is_not_done(x, scale, good):
    """Its factors may be finite."""
    w = nn.Parameter(nnfast.zeros(2, 80))
    opt = optim.SGD([w], lr=1e-30)

    @nnfast.compile
    def step(x, dy):
        opt.zero_grad()
        loss = (F.linear(x, w) * dy).sum()
        loss.backward()
        opt.step()
        return loss

    row = np.ones((1, 80), np.float32)
    step(nnfast.tensor(row), nnfast.ones(1, 2))
    before = w.detach().numpy().copy()
    assert names(step).count("largest_product") == 1
    w.data = nnfast.zeros(2, 80)  # so that the loss is finite unless x is not
    row[0, 41] = x
    if good:
        step(nnfast.tensor(row), nnfast.tensor([[0.0, scale]]))
        assert w.detach().numpy()[1, 41] != 0
    else:
        with pytest.raises(NonFiniteError):
            step(nnfast.tensor(row), nnfast.tensor([[0.0, scale]]))
        assert not w.detach().numpy().any()
    assert before.any()
