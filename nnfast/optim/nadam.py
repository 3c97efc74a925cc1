"""NAdam."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import NAdamHyper, nadam_update
from nnfast.optim.adam import with_betas
from nnfast.optim.optimizer import Optimizer


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    m, v, v' as in Adam; mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), P_t = mu_1 ... mu_t;
    w = w - lr (mu_{t+1} m / (1 - P_{t+1}) + (1 - mu_t) g / (1 - P_t)) / (sqrt(v') + eps) in step
    t. `decoupled_weight_decay` decays as AdamW does; `maximize` goes up: -grad.

    Ranges: lr, eps, weight_decay, momentum_decay >= 0; 0 <= betas < 1.

    Source: Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.NAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> 0.6 < w.item() < 1
    True
    """

    op, hyper = nadam_update, NAdamHyper

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "eps", "weight_decay", "momentum_decay")
        self._check_betas(group)

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "mu_product": 1, "exp_avg": 0, "exp_avg_sq": 0}

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        return with_betas(group)
