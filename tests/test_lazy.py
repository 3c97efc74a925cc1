"""Lazy layers become ordinary ones at their first input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError

CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "Linear": ((3,), {}, (5, 4)),
    "Conv1d": ((6, 3), {"groups": 2}, (2, 4, 7)),
    "Conv2d": ((6, 3), {"bias": False}, (4, 7, 7)),
    "Conv3d": ((2, 3), {}, (1, 4, 5, 5, 5)),
    "ConvTranspose1d": ((6, 3), {"groups": 2}, (2, 4, 7)),
    "ConvTranspose2d": ((2, 3), {}, (2, 4, 7, 7)),
    "ConvTranspose3d": ((2, 3), {}, (1, 4, 5, 5, 5)),
    "BatchNorm1d": ((1e-3,), {}, (5, 4)),
    "BatchNorm2d": ((), {"affine": False}, (2, 4, 3, 3)),
    "BatchNorm3d": ((), {}, (2, 4, 3, 3, 3)),
    "InstanceNorm1d": ((), {}, (2, 4, 3)),
    "InstanceNorm2d": ((), {"affine": True, "track_running_stats": True}, (2, 4, 3, 3)),
    "InstanceNorm3d": ((), {"affine": True}, (2, 4, 3, 3, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_becomes_the_layer(name: str) -> None:
    args, options, shape = CASES[name]
    lazy = getattr(nn, f"Lazy{name}")(*args, **options)
    layer = getattr(nn, name)(4, *args, **options)
    assert list(lazy.state_dict()) == list(layer.state_dict())
    assert lazy.has_uninitialized_params()
    held = list(lazy.parameters())
    x = nnfast.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    y = lazy.eval()(x)
    assert type(lazy) is type(layer) and not lazy.training
    assert [p is q for p, q in zip(held, lazy.parameters(), strict=True)] == [True] * len(held)
    layer.load_state_dict(lazy.state_dict())
    assert (layer.eval()(x) == y).all()
    again = getattr(nn, f"Lazy{name}")(*args, **options)
    if lazy.state_dict():
        again.load_state_dict(lazy.state_dict())
        assert type(again) is type(layer) and (again.eval()(x) == y).all()


def test_an_optimizer_made_before_trains() -> None:
    net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1, dtype=nnfast.float64))
    net.double()
    opt = nnfast.optim.SGD(net.parameters(), lr=0.1)
    x = nnfast.ones(3, 4, dtype=nnfast.float64)
    losses = []
    for _ in range(3):
        opt.zero_grad()
        loss = (net(x) - 1).square().mean()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    assert losses[2] < losses[0] and net[0].weight.shape == (8, 4)
    assert net[0].weight.dtype == nnfast.float64


def test_hooks_stay_and_a_state_without_weight_is_refused() -> None:
    seen: list[int] = []
    layer = nn.LazyLinear(2)
    layer.register_forward_hook(lambda m, a, y: seen.append(1))
    layer(nnfast.ones(1, 3))
    layer(nnfast.ones(1, 3))
    assert seen == [1, 1] and repr(nn.LazyLinear(2)) == "LazyLinear(2)"
    with pytest.raises(NNFastError, match="a weight in the state"):
        nn.LazyLinear(2).load_state_dict({})
