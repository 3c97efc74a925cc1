"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import NNFastError
from nnfast.graph.trace import follow, refreshed
from nnfast.ops.update import SGDHyper, sgd_update
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import Tensor, float64, wrap


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
        follow(lambda: (group["momentum"] == 0, len(group["params"])))
        params = [p for p in group["params"] if p.grad is not None]
        if group["momentum"] == 0:
            hyper = self._hyper(group, [])
            for p in params:
                sgd_update(p, p.grad, hyper)
            return
        for p in params:
            if "momentum_buffer" not in self.state[p]:
                buffer = wrap(np.empty(p.shape, p.dtype))
                self.state[p].update(momentum_buffer=buffer, empty=True)
        new = [self.state[p] for p in params if "empty" in self.state[p]]
        try:
            self._with_momentum(group, params, new)
        except NNFastError:
            for state in new:
                state.clear()
            raise

    def _with_momentum(
        self, group: dict[str, Any], params: list[Tensor], new: list[dict[str, Any]]
    ) -> None:
        fresh = ["empty" in self.state[p] for p in params]
        first, later = self._hyper(group, new), self._hyper(group, [])
        for p, is_fresh in zip(params, fresh, strict=True):
            hyper = first if is_fresh else later
            buffer = self.state[p]["momentum_buffer"]
            sgd_update(p, p.grad, hyper, buffer)  # type: ignore[arg-type]

    def _hyper(self, group: dict[str, Any], new: list[dict[str, Any]]) -> Tensor:
        """The options of a group; `first` as long as the buffers of `new` are empty."""

        def make() -> SGDHyper:
            empty = [state.pop("empty", False) for state in new]
            return SGDHyper(
                group["lr"], group["momentum"], group["dampening"], group["weight_decay"],
                group["nesterov"], group["maximize"], any(empty),
            )  # fmt: skip

        return refreshed(make, (len(SGDHyper._fields),), float64)
