"""Adamax."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import AdamaxHyper, adamax_update
from nnfast.optim.adam import with_betas
from nnfast.optim.optimizer import Optimizer


class Adamax(Optimizer):
    """Adam with the largest gradient of late in place of the root mean square.

    g = grad + weight_decay w; m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps);
    w = w - lr / (1 - beta1^t) m / u in step t. `maximize` goes up: -grad.

    Ranges: lr, eps, weight_decay >= 0; 0 <= betas < 1.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.Adamax([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.75], requires_grad=True)
    """

    op, hyper = adamax_update, AdamaxHyper

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "eps", "weight_decay")
        self._check_betas(group)

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "exp_avg": 0, "exp_inf": 0}

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        return with_betas(group)
