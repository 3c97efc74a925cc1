"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from nnfast.errors import NNFastError
from nnfast.graph.mode import tracing
from nnfast.graph.trace import when_done
from nnfast.ops.update import SGDHyper, sgd_update
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import Tensor


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's too, and weight decay.

    g = grad + weight_decay w; with momentum: b = momentum b + (1 - dampening) g, b = g on the
    first step, then g = b, or g + momentum b if nesterov; w = w - lr g. `maximize` goes up: -grad.

    Ranges: lr, momentum, weight_decay >= 0; `nesterov` needs momentum > 0 and dampening = 0.

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

    op, hyper = sgd_update, SGDHyper

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
        **how: Any,
    ) -> None:
        self._empty: set[Tensor] = set()  # buffers that hold nothing yet
        defaults = dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            self._fail(
                "momentum > 0 and dampening = 0 for Nesterov's momentum",
                f"momentum={group['momentum']}, dampening={group['dampening']}",
            )

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {} if group["momentum"] == 0 else {"momentum_buffer": 0}

    def _fill(self, p: Tensor, initial: dict[str, float]) -> None:
        is_new = "momentum_buffer" not in self.state[p]
        super()._fill(p, initial)
        if is_new:
            self._empty.add(self.state[p]["momentum_buffer"])

    def _update(self, group: dict[str, Any]) -> None:
        params = self._ready(group)
        if self._empty and group["momentum"] != 0:
            trace = tracing()
            empty = self._empty - trace.begun if trace else self._empty  # in a second step in it
            new = [p for p in params if self.state[p]["momentum_buffer"] in empty]
            params = [p for p in params if self.state[p]["momentum_buffer"] not in empty]
            self._begin(group, new)
        self._run(group, params, lambda: {**group, "first": False})

    def _begin(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """The first step of these parameters; later runs of a plan are none any more."""
        buffers = {self.state[p]["momentum_buffer"] for p in params}

        def options() -> dict[str, Any]:
            return {**group, "first": not self._empty.isdisjoint(buffers)}

        try:
            self._run(group, params, options, of_group=False)
        except NNFastError:
            for p in params:
                self.state[p].clear()
            raise
        when_done(lambda: self._empty.difference_update(buffers))
        if (trace := tracing()) is not None:
            trace.begun |= buffers
