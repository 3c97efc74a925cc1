"""RMSprop."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import RMSpropHyper, rmsprop_update
from nnfast.optim.optimizer import Optimizer


class RMSprop(Optimizer):
    """The gradient over the root of its running mean square.

    g = grad + weight_decay w; s = alpha s + (1 - alpha) g^2; d = g / (sqrt(s) + eps);
    w = w - lr d. `centered` takes s - m^2 for s, m the running mean of g; with momentum:
    b = momentum b + d, w = w - lr b. `maximize` goes up: -grad.

    Ranges: lr, alpha, eps, weight_decay, momentum >= 0.

    Sources: Hinton, Neural networks for machine learning, lecture 6, 2012; Graves, Generating
    sequences with recurrent neural networks, 2013 (centered).

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.RMSprop([w], lr=0.25, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.5], requires_grad=True)
    """

    op, hyper = rmsprop_update, RMSpropHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(
            lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "alpha", "eps", "weight_decay", "momentum")

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        buffers: dict[str, float] = {"step": 0, "square_avg": 0}
        if group["centered"]:
            buffers["grad_avg"] = 0
        if group["momentum"] > 0:
            buffers["momentum_buffer"] = 0
        return buffers
