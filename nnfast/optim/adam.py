"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update import AdamHyper, adam_update
from nnfast.optim.optimizer import Optimizer


class Adam(Optimizer):
    """Steps of about lr, scaled by running means of the gradient and of its square.

    g = grad + weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    w = w - lr m' / (sqrt(v') + eps), where m' = m / (1 - beta1^t), v' = v / (1 - beta2^t) in
    step t. `amsgrad` takes the largest v so far; `maximize` goes up: -grad;
    `decoupled_weight_decay` makes it AdamW.

    Ranges: lr, eps, weight_decay >= 0; 0 <= betas < 1.

    Sources: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Reddi et al.,
    On the convergence of Adam and beyond, ICLR 2018.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.75], requires_grad=True)
    """

    op, hyper = adam_update, AdamHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            maximize=maximize, decoupled_weight_decay=decoupled_weight_decay,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "eps", "weight_decay")
        self._check_betas(group)

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        buffers: dict[str, float] = {"step": 0, "exp_avg": 0, "exp_avg_sq": 0}
        return {**buffers, "max_exp_avg_sq": 0} if group["amsgrad"] else buffers

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        return with_betas(group)


class AdamW(Adam):
    """Adam with decoupled weight decay: w shrinks by lr weight_decay w, apart from the gradient.

    Ranges: lr, eps, weight_decay >= 0; 0 <= betas < 1.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.

    >>> import nnfast
    >>> nnfast.optim.AdamW([nnfast.ones(2, requires_grad=True)]).defaults["weight_decay"]
    0.01
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            decoupled_weight_decay=True, **how,
        )  # fmt: skip


def with_betas(group: dict[str, Any]) -> dict[str, Any]:
    """The options of Adam's family as their updates name them."""
    beta1, beta2 = group["betas"]
    decoupled = group.get("decoupled_weight_decay", False)
    return {**group, "beta1": beta1, "beta2": beta2, "decoupled": decoupled}
