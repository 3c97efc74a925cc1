"""AdaGrad."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import AdagradHyper, adagrad_update
from nnfast.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    """Each weight has a rate that falls with the sum of its squared gradients.

    g = grad + weight_decay w; s = s + g^2, s = initial_accumulator_value at first;
    w = w - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps) in step t. `maximize` goes up: -grad.

    Ranges: lr, lr_decay, weight_decay, initial_accumulator_value, eps >= 0.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12, 2011.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.Adagrad([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.75], requires_grad=True)
    """

    op, hyper = adagrad_update, AdagradHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; their sums are there before the first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self._fill(p, self._initial(group))

    def _check(self, group: dict[str, Any]) -> None:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        self._check_numbers(group, *names)

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "sum": group["initial_accumulator_value"]}
