"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import ASGDHyper, asgd_update
from nnfast.optim.optimizer import Optimizer


class ASGD(Optimizer):
    """Gradient descent with a falling rate that also keeps the mean of the weights.

    g = grad + weight_decay w; w = (1 - lambd eta) w - eta g; a = a + mu (w - a), in the state as
    `ax`; then eta = lr / (1 + lambd lr t)^alpha, mu = 1 / max(1, t - t0) after step t; eta = lr
    and mu = 1 at first. `maximize` goes up: -grad.

    Ranges: lr, weight_decay >= 0.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.ASGD([w], lr=0.25, lambd=0)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.5], requires_grad=True)
    """

    op, hyper = asgd_update, ASGDHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, maximize=maximize
        )
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "weight_decay")

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "eta": group["lr"], "mu": 1, "ax": 0}
