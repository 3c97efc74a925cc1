"""Winning tickets of the lottery: small weights are pruned, the others go back to their start."""

from __future__ import annotations

import numpy as np

from nnfast.errors import fail
from nnfast.graph.mode import only_eagerly
from nnfast.nn.init.data import weighted
from nnfast.nn.init.fill import _set
from nnfast.nn.module import Module


class LotteryTicket:
    """Iterative pruning by magnitude, with rewinding, of the weights of a model.

    Made before training, it keeps the initial parameters and a mask of each weight of a linear
    layer or a convolution. A round is: train (calling `apply` after each step of the optimizer),
    `prune`, `rewind`.

    Source: Frankle and Carbin, The lottery ticket hypothesis, ICLR 2019.

    >>> import nnfast
    >>> _ = nnfast.manual_seed(0)
    >>> model = nnfast.nn.Linear(10, 10)
    >>> ticket = nnfast.nn.LotteryTicket(model)
    >>> ticket.prune(0.2)
    >>> ticket.prune(0.5)
    >>> ticket.rewind()
    >>> int((model.weight == 0).sum().item()), ticket.remaining
    (60, 0.4)
    """

    def __init__(self, model: Module) -> None:
        self._weights = [layer.weight for layer in weighted(model)]
        if not self._weights:
            fail("LotteryTicket", "a model with linear layers or convolutions", repr(model))
        self.masks = [np.ones(w.shape, bool) for w in self._weights]
        self._start = [(p, p.array.copy()) for p in model.parameters()]

    @property
    def remaining(self) -> float:
        """Part of the weights that are not pruned."""
        kept = sum(int(mask.sum()) for mask in self.masks)
        return kept / sum(mask.size for mask in self.masks)

    def prune(self, fraction: float, across_layers: bool = False) -> None:
        """Set the smallest `fraction` of the remaining weights to 0 for good.

        Of each layer, or of all together.
        """
        only_eagerly("prune")
        if not 0 <= fraction <= 1:
            fail("prune", "a fraction from 0 to 1", f"{fraction}")
        sizes = [abs(w.array[mask]) for w, mask in zip(self._weights, self.masks, strict=True)]
        if across_layers:
            ends = np.cumsum([s.size for s in sizes])[:-1]
            kept = np.split(_largest(np.concatenate(sizes), fraction), ends)
        else:
            kept = [_largest(s, fraction) for s in sizes]
        for mask, keep in zip(self.masks, kept, strict=True):
            mask[mask] = keep
        self.apply()

    def apply(self) -> None:
        """Set pruned weights to 0 again, after a step of the optimizer."""
        for w, mask in zip(self._weights, self.masks, strict=True):
            _set("apply", w, np.where(mask, w.array, 0))

    def rewind(self) -> None:
        """Set all parameters to what they were in the beginning, pruned weights to 0."""
        for p, values in self._start:
            _set("rewind", p, values)
        self.apply()


def _largest(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """Whether each is among the largest; of equal ones, those behind are."""
    keep = np.ones(sizes.size, bool)
    keep[np.argsort(sizes, kind="stable")[: round(fraction * sizes.size)]] = False
    return keep
