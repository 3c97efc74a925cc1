"""Adadelta."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import AdadeltaHyper, adadelta_update
from nnfast.optim.optimizer import Optimizer


class Adadelta(Optimizer):
    """Steps as large as those of late, relative to the gradients of late.

    g = grad + weight_decay w; s = rho s + (1 - rho) g^2; d = sqrt(a + eps) / sqrt(s + eps) g;
    a = rho a + (1 - rho) d^2; w = w - lr d. `maximize` goes up: -grad.

    Ranges: lr, eps, weight_decay >= 0; 0 <= rho <= 1.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.Adadelta([w], rho=0.75, eps=1.0)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> print(f"{w.item():.4f}")
    -0.4142
    """

    op, hyper = adadelta_update, AdadeltaHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "rho", "eps", "weight_decay")
        if group["rho"] > 1:
            self._fail("rho <= 1", f"rho={group['rho']}")

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "square_avg": 0, "acc_delta": 0}
