"""Cheap values are computed again where memory is scarcest, with the bits of eager code."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.nn import functional as F
from nnfast.ops.update import add_
from tests.plans import bits, planned, trainer

RNG = np.random.default_rng(4)
ROWS, WIDTH, DEPTH = 256, 96, 3


def blocks(activation: type[nn.Module]) -> nn.Module:
    """Blocks as in a transformer: norm, up, activation, down."""
    nnfast.manual_seed(0)
    return nn.Sequential(
        *[
            nn.Sequential(
                nn.LayerNorm(WIDTH),
                nn.Linear(WIDTH, 4 * WIDTH),
                activation(),
                nn.Linear(4 * WIDTH, WIDTH),
            )
            for _ in range(DEPTH)
        ]
    )


def data(dtype=np.float32):
    return [nnfast.tensor(RNG.standard_normal((ROWS, WIDTH)).astype(dtype)) for _ in range(2)]


def counted(plan) -> Counter[str]:
    return Counter(c.op.name for c in plan.graph.calls)


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Mish])
def test_it_takes_less_memory_and_gives_the_same_bits(activation):
    x, t = data()
    steps = {}
    for how in ("eager", "plan", "without"):
        net = blocks(activation)
        step = trainer(net, optim.Adam(net.parameters(), 1e-2), F.mse_loss)
        if how != "eager":
            step = planned(step, disable=("recompute",) if how == "without" else ())
        for _ in range(3):
            step(x, t)
        steps[how] = step, bits(net)
    assert steps["eager"][1] == steps["plan"][1] == steps["without"][1]
    plan, without = (steps[how][0].compiled.plan for how in ("plan", "without"))
    again = counted(plan) - counted(without)
    name = activation.__name__.lower()
    assert again[name] >= DEPTH - 1 and set(again) <= {name, "layer_norm"}
    # Each activation is 4 widths, and lay there with its input.
    assert without.arena - plan.arena >= (DEPTH - 1) * ROWS * 4 * WIDTH * 4


def test_what_is_needed_at_once_is_computed_once():
    """ReLU keeps its output alone: its input is not there any more."""
    x, t = data()
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
    step = planned(trainer(net, optim.SGD(net.parameters(), 0.1), F.mse_loss))
    step(x, t)
    assert counted(step.compiled.plan)["relu"] <= 1


def test_inputs_that_change_in_between():
    """w is another when the value is needed again: what was made of it must be kept."""
    (x, _), (w, one) = data(), data()

    def fn(x):
        y = F.gelu(w)
        z = (x.t() @ y).exp()
        big = (x.repeat(8, 1) @ z).sum()
        add_(w, one)
        return (x @ y.t()).sum() + big, w * big

    def run(call):
        before = w.numpy().copy()
        answers = [[t.numpy().tobytes() for t in call(x / 100)] for _ in range(2)]
        w.numpy()[:] = before
        return answers

    assert run(planned(fn)) == run(fn)
