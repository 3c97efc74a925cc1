"""Schedules along a cosine."""

from __future__ import annotations

from math import cos, floor, log, pi

from nnfast.errors import fail
from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """eta_min + (lr - eta_min) (1 + cos(pi step / T_max)) / 2: down in T_max steps, then up again.

    Ranges: T_max other than 0.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_max == 0:
            fail("CosineAnnealingLR", "T_max other than 0", "0")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, step: int) -> float:
        return (1 + cos(pi * step / self.T_max)) / 2

    def get_lr(self) -> list[float]:
        """The rates now, changed as the cosine changes; from its lowest point as it does at lr."""
        step, low = self.last_epoch, self.eta_min
        if step == 0:
            return self._rates()
        if self._step_count == 1:
            return self.closed_form()
        if (step - 1 - self.T_max) % (2 * self.T_max) == 0:
            up = (1 - cos(pi / self.T_max)) / 2
            return [
                lr + (base - low) * up
                for lr, base in zip(self._rates(), self.base_lrs, strict=True)
            ]
        change = self._height(step) / self._height(step - 1)
        return [low + (lr - low) * change for lr in self._rates()]

    def closed_form(self) -> list[float]:
        """See the class."""
        low, height = self.eta_min, self._height(self.last_epoch)
        return [low + (lr - low) * height for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """eta_min + (lr - eta_min) (1 + cos(pi T_cur / T_i)) / 2, begun again after each T_i steps.

    T_i is T_0 at first and T_mult times as long each time; T_cur counts steps in it. `step(epoch)`
    takes fractions of an epoch.

    Ranges: T_0 and T_mult integers >= 1.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                self._fail(f"an integer {name} >= 1", f"{name}={value!r}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See the class."""
        height = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]

    def _step(self, epoch: float | None = None) -> None:
        if epoch is None:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            super()._step()
        elif epoch < 0:
            self._fail("epoch >= 0", f"epoch={epoch}")
        else:
            self._restart(epoch)
            super()._step(floor(epoch))

    def _restart(self, epoch: float) -> None:
        """Where `epoch` lies in its period."""
        if self.T_mult == 1:
            self.T_i, self.T_cur = self.T_0, epoch % self.T_0
            return
        n = int(log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        self.T_i = self.T_0 * self.T_mult**n
        self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
