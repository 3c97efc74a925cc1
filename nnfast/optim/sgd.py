"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.ops.update import SGDHyper, sgd_update
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import wrap


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's too, and weight decay.

    g = grad + weight_decay w; with momentum: b = momentum b + (1 - dampening) g, b = g on the
    first step, then g = b, or g + momentum b if nesterov; w = w - lr g. `maximize` goes up: -grad.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning,
    ICML 2013.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            self._check_number(group, name)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            self._fail(
                "momentum > 0 and dampening = 0 for Nesterov's momentum",
                f"momentum={group['momentum']}, dampening={group['dampening']}",
            )

    def _update(self, group: dict[str, Any]) -> None:
        hyper = SGDHyper(
            group["lr"], group["momentum"], group["dampening"], group["weight_decay"],
            group["nesterov"], group["maximize"], False,
        )  # fmt: skip
        later, first = hyper.tensor(), hyper._replace(first=True).tensor()
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if hyper.momentum == 0:
                sgd_update(p, grad, later)
                continue
            state = self.state[p]
            buffer = state.get("momentum_buffer")
            if buffer is not None:
                sgd_update(p, grad, later, buffer)
            else:
                buffer = wrap(np.empty(p.shape, p.dtype))
                sgd_update(p, grad, first, buffer)
                state["momentum_buffer"] = buffer
