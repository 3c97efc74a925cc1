"""Steps of the rarer optimizers, as a user makes them: lines of the subject `memory`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.memory import Op, flat

EPS = {"eps": 0.1}  # so that a step depends on the size of the gradient
MU1, MU2 = (0.9 * (1 - 0.96 ** (t * 4e-3) / 2) for t in (1, 2))


def _step(name: str, options: dict[str, Any], library: Any, p: Any, g: Any) -> Callable[[], Any]:
    """Steps of one parameter, which the call returns."""
    p.requires_grad_()
    p.grad = g
    optimizer = getattr(library.optim, name)([p], **options)

    def call() -> Any:
        optimizer.step()
        return p.data

    return call


def _op(
    name: str, buffers: int, reference: Callable[..., np.ndarray], **options: Any
) -> dict[str, Op]:
    """Read and written: parameter and buffers; read: the gradient."""
    side = partial(_step, name, options)
    return {
        f"{name.lower()} step": Op(
            "update",
            partial(flat, count=2),
            (2 + buffers, 1 + buffers),
            reference,
            {"nnfast": side, "torch": side},
        )
    }


def _nadam(p: np.ndarray, g: np.ndarray) -> np.ndarray:
    step = MU2 * 0.1 * g / (1 - MU1 * MU2) + g
    return p - 2e-3 * step / (abs(g) + EPS["eps"])


TABLE = {
    **_op("Adagrad", 1, lambda p, g: p - 0.01 * g / (abs(g) + 0.1), **EPS, fused=True),
    **_op("Adadelta", 2, lambda p, g: p - g / np.sqrt(g * g + 1), **EPS),
    **_op("RMSprop", 1, lambda p, g: p - 0.01 * g / (abs(g) / 10 + 0.1), **EPS),
    **_op("Adamax", 2, lambda p, g: p - 2e-3 * g / (abs(g) + 0.1), **EPS),
    **_op("NAdam", 2, _nadam, **EPS),
    **_op("RAdam", 2, lambda p, g: p - 1e-3 * g),
    **_op("Rprop", 2, lambda p, g: p - 0.01 * np.sign(g)),
    **_op("ASGD", 1, lambda p, g: p * (1 - 1e-6) - 0.01 * g),
}
