"""A schedule that looks at how training goes."""

from __future__ import annotations

from math import inf
from typing import Any

from nnfast.graph.trace import after_run
from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """max(lr factor, min_lr) when a metric has not improved for more than `patience` steps.

    Better means, for mode "min", below best (1 - threshold) ("rel") or best - threshold ("abs"),
    for "max" above best (1 + threshold) or best + threshold. After a reduction it does not count
    for `cooldown` steps. A reduction of less than `eps` is left out.

    Ranges: factor < 1; `mode` "min" or "max"; `threshold_mode` "rel" or "abs".

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            self._fail("factor < 1", f"factor={factor}")
        if mode not in ("min", "max"):
            self._fail("mode 'min' or 'max'", repr(mode))
        if threshold_mode not in ("rel", "abs"):
            self._fail("threshold_mode 'rel' or 'abs'", repr(threshold_mode))
        self.optimizer = optimizer
        self.mode, self.factor, self.patience, self.eps = mode, factor, patience, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.cooldown_counter = cooldown, 0
        self.min_lrs = self._for_each_group("min_lr", min_lr)
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = 0
        self.last_epoch = 0
        self._last_lr = self._rates()

    def is_better(self, a: float, best: float) -> bool:
        """Whether a is better than best by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        margin = sign * self.threshold
        return sign * a > sign * (
            best * (1 + margin) if self.threshold_mode == "rel" else best + margin
        )

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Note the metric of an epoch and reduce the rates if it is time to."""
        current = float(metrics)
        after_run(lambda: self._observe(current, epoch))

    def _observe(self, current: float, epoch: int | None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self._rates()
        if self.num_bad_epochs > self.patience:
            lower = [
                max(lr * self.factor, low) for lr, low in zip(rates, self.min_lrs, strict=True)
            ]
            rates = [b if a - b > self.eps else a for a, b in zip(rates, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(rates)
