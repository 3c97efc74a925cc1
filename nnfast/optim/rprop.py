"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from nnfast.ops.update_adaptive import RpropHyper, rprop_update
from nnfast.optim.optimizer import Optimizer


class Rprop(Optimizer):
    """Each weight has a step of its own; only the gradient's sign counts. For full batches.

    The step, lr at first, grows by etas[1] while the sign stays and shrinks by etas[0] when it
    turns (the weight then rests), within step_sizes: w = w - step sign(grad). `maximize` goes up.

    Ranges: lr >= 0; 0 < etas[0] < 1 < etas[1].

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm, ICNN 1993.

    >>> import nnfast
    >>> w = nnfast.tensor([1.0], requires_grad=True)
    >>> opt = nnfast.optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.75], requires_grad=True)
    """

    op, hyper = rprop_update, RpropHyper

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **how: Any,
    ) -> None:
        defaults = dict(lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)
        super().__init__(params, defaults, how)

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr")
        down, up = self._check_pair(group, "etas", "etaminus, etaplus")
        if not 0 < down < 1 < up:
            self._fail("0 < etaminus < 1 < etaplus", f"etas={group['etas']}")
        self._check_pair(group, "step_sizes", "smallest, largest")

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0, "prev": 0, "step_size": group["lr"]}

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        (down, up), (low, high) = group["etas"], group["step_sizes"]
        return {**group, "etaminus": down, "etaplus": up, "min_step": low, "max_step": high}
