"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import DTypeError
from nnfast.graph.trace import follow, refreshed
from nnfast.ops.update import AdamHyper, adam_update
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import Tensor, float64, int64, wrap


class Adam(Optimizer):
    """Steps of about lr, scaled by running means of the gradient and of its square.

    g = grad + weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    w = w - lr m' / (sqrt(v') + eps), where m' = m / (1 - beta1^t), v' = v / (1 - beta2^t) in
    step t. `amsgrad` takes the largest v so far; `maximize` goes up: -grad.

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

    _decoupled = False

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
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            self._check_number(group, name)
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            self._fail("betas = (beta1, beta2)", repr(betas), error=DTypeError)
        for i, beta in enumerate(betas):
            self._check_number({f"betas[{i}]": beta}, f"betas[{i}]")
            if beta >= 1:
                self._fail(f"betas[{i}] < 1", f"betas[{i}]={beta}")

    def _update(self, group: dict[str, Any]) -> None:
        hyper = refreshed(lambda: self._hyper(group), (len(AdamHyper._fields),), float64)
        follow(lambda: (group["amsgrad"], len(group["params"])))
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            state = self.state[p]
            if not state:
                state.update(step=wrap(np.zeros((), int64)), exp_avg=_zeros(p))
                state["exp_avg_sq"] = _zeros(p)
            if group["amsgrad"] and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = _zeros(p)
            largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
            adam_update(
                p, grad, state["exp_avg"], state["exp_avg_sq"], state["step"], hyper, largest
            )

    def _hyper(self, group: dict[str, Any]) -> AdamHyper:
        beta1, beta2 = group["betas"]
        return AdamHyper(
            group["lr"], beta1, beta2, group["eps"], group["weight_decay"], self._decoupled,
            group["maximize"],
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay: w shrinks by lr weight_decay w, apart from the gradient.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.

    >>> import nnfast
    >>> nnfast.optim.AdamW([nnfast.ones(2, requires_grad=True)]).defaults["weight_decay"]
    0.01
    """

    _decoupled = True

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
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


def _zeros(p: Tensor) -> Tensor:
    return wrap(np.zeros(p.shape, p.dtype))
