"""Initialization of residual nets without normalization."""

from __future__ import annotations

from collections.abc import Sequence

from nnfast.errors import fail
from nnfast.generator import Generator
from nnfast.nn.init import fill
from nnfast.nn.init.data import weighted
from nnfast.nn.module import Module


def fixup_(
    branches: Sequence[Module], classifier: Module | None = None, generator: Generator | None = None
) -> None:
    """Fixed-update initialization of the residual branches of a net and of its classifier.

    Of a net with L branches of m layers each: the last layer of each branch and the classifier
    become 0, the others He's normal weights times L^(-1 / (2 m - 2)); biases become 0. So an
    update changes the net's output as much whatever its depth. The net also needs a learned
    scalar factor in each branch and a scalar shift before each of its layers: `FixupBlock` has
    them.

    Source: Zhang, Dauphin and Ma, Fixup initialization: residual learning without normalization,
    ICLR 2019.

    >>> import nnfast
    >>> from nnfast import nn
    >>> branch = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    >>> nn.init.fixup_([branch])
    >>> branch(nnfast.ones(1, 8)).abs().sum().item()
    0.0
    """
    if not branches:
        fail("fixup_", "at least one residual branch", "none")
    for branch in branches:
        layers = weighted(branch)
        if not layers:
            fail("fixup_", "branches with linear layers or convolutions", repr(branch))
        m = len(layers)
        for layer in layers[:-1]:
            fill.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            scale = len(branches) ** (-1 / (2 * m - 2))
            fill._set("fixup_", layer.weight, layer.weight.array * scale)
        fill.zeros_(layers[-1].weight)
    outside = weighted(classifier) if classifier is not None else []
    for layer in outside:
        fill.zeros_(layer.weight)
    for layer in [*outside, *(layer for branch in branches for layer in weighted(branch))]:
        if layer.bias is not None:
            fill.zeros_(layer.bias)
