"""RAdam."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import RAdamHyper, radam_update
from nnfast.optim.adam import with_betas
from nnfast.optim.optimizer import Optimizer


class RAdam(Optimizer):
    """Adam that waits with its denominator until enough steps say what the variance is.

    m, m', v, v' as in Adam; r_max = 2 / (1 - beta2) - 1, r = r_max - 2 t beta2^t / (1 - beta2^t).
    Where r > 5: w = w - lr m' R / sqrt(v'),
    R^2 = (r - 4) (r - 2) r_max / ((r_max - 4) (r_max - 2) r); before: w = w - lr m'.
    `decoupled_weight_decay` decays as AdamW does; `maximize` goes up: -grad.

    Ranges: lr, eps, weight_decay >= 0; 0 <= betas < 1.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.5], requires_grad=True)
    """

    op, hyper = radam_update, RAdamHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "eps", "weight_decay")
        self._check_betas(group)

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "exp_avg": 0, "exp_avg_sq": 0}

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        return with_betas(group)
