"""What tests of plans share."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.nn import functional as F

RNG = np.random.default_rng(5)
X = nnfast.from_numpy(RNG.standard_normal((6, 1, 28, 28), dtype=np.float32))
Y = nnfast.from_numpy(RNG.integers(0, 10, 6))


def mlp(*sizes: int, norm: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if norm else []), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def bits(model: nn.Module) -> list[bytes]:
    """Parameters and buffers."""
    return [t.numpy().tobytes() for t in model.state_dict().values()]


def trainer(model, optimizer, loss=F.cross_entropy):
    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


def planned(fn, **options):
    """A compiled function that must not fall back."""
    compiled = nnfast.compile(fn, **options)

    def call(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return compiled(*args, **kwargs)

    call.compiled = compiled
    return call


def falls_back(fn, *args, match=""):
    """The answers of two compiled calls; exactly one warning."""
    with pytest.warns(UserWarning, match=f"runs eagerly, with the same result, because.*{match}"):
        first = fn(*args)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return first, fn(*args)
