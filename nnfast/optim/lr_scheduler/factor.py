"""Schedules that multiply the rate by a factor of the step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Any

from nnfast.errors import DTypeError, fail
from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer


class FactorLR(LRScheduler):
    """lr = initial lr times `scale(step)`, applied as changes: what else changes lr remains."""

    def scale(self, step: int) -> float:
        """Of the initial rate."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """The rates now, times the change of the factor."""
        before = 1.0 if self.last_epoch == 0 else self.scale(self.last_epoch - 1)
        now = self.scale(self.last_epoch)
        if before == 0:
            return self.closed_form()
        return [lr * (now / before) for lr in self._rates()]

    def closed_form(self) -> list[float]:
        """The initial rates, times the factor."""
        return [lr * self.scale(self.last_epoch) for lr in self.base_lrs]


class StepLR(FactorLR):
    """lr gamma^floor(step / step_size).

    Ranges: step_size >= 1.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            fail("StepLR", "step_size >= 1", f"{step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        return self.gamma ** (step // self.step_size)


class MultiStepLR(FactorLR):
    """lr gamma^n, n the number of milestones that were reached; one listed twice counts twice.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.MultiStepLR(opt, [1, 4], gamma=0.5)
    >>> schedule.scale(3), schedule.scale(4)
    (0.5, 0.25)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        reached = sum(times for at, times in self.milestones.items() if at <= step)
        return float(self.gamma**reached)


class ConstantLR(FactorLR):
    """lr factor until step total_iters, then lr.

    Ranges: 0 <= factor <= 1.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.ConstantLR(opt, factor=0.5, total_iters=4)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            self._fail("0 <= factor <= 1", f"factor={factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        return self.factor if step < self.total_iters else 1.0


class LinearLR(FactorLR):
    """lr times a factor that goes from start_factor to end_factor in total_iters steps.

    Ranges: 0 < start_factor <= 1, 0 <= end_factor <= 1.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.LinearLR(opt, start_factor=0.5, total_iters=4)
    >>> [schedule.scale(t) for t in (0, 1, 4, 9)]
    [0.5, 0.625, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            self._fail("0 < start_factor <= 1", f"start_factor={start_factor}")
        if not 0 <= end_factor <= 1:
            self._fail("0 <= end_factor <= 1", f"end_factor={end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        part = min(step / max(self.total_iters, 1), 1.0)
        return self.start_factor + (self.end_factor - self.start_factor) * part


class ExponentialLR(FactorLR):
    """lr gamma^step.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> nnfast.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5).scale(3)
    0.125
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        return self.gamma**step


class PolynomialLR(FactorLR):
    """lr (1 - step / total_iters)^power, 0 from there on.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> nnfast.optim.lr_scheduler.PolynomialLR(opt, total_iters=4, power=2).scale(2)
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        return (1 - min(step / max(self.total_iters, 1), 1.0)) ** self.power


class InverseSquareRootLR(FactorLR):
    """lr min(t / warmup_steps, sqrt(warmup_steps / t)), t = step + 1: up to lr, then slowly down.

    Ranges: warmup_steps >= 1.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.InverseSquareRootLR(opt, warmup_steps=4)
    >>> [schedule.scale(t - 1) for t in (1, 4, 16)]
    [0.25, 1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 1, last_epoch: int = -1) -> None:
        if warmup_steps < 1:
            self._fail("warmup_steps >= 1", f"warmup_steps={warmup_steps}")
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def scale(self, step: int) -> float:
        """See the class."""
        t = step + 1
        return min(t / self.warmup_steps, sqrt(self.warmup_steps / t))


Functions = Callable[[int], float] | Sequence[Callable[[int], float]]


class LambdaLR(LRScheduler):
    """lr lr_lambda(step); a list has one function for each group.

    `state_dict` leaves functions out; the attributes of callable objects are saved.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.LambdaLR(opt, lambda step: 1 / (1 + step))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Functions, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        self.lr_lambdas = self._for_each_group("lr_lambda", lr_lambda)
        for f in self.lr_lambdas:
            if not callable(f):
                self._fail("functions of the step", type(f).__name__, DTypeError)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See the class."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * f(self.last_epoch) for lr, f in pairs]

    def state_dict(self) -> dict[str, Any]:
        """See the class."""
        objects = [None if hasattr(f, "__code__") else dict(vars(f)) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": objects}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned. Load the optimizer's state too."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for f, attributes in zip(functions, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(f).update(attributes)


class MultiplicativeLR(LambdaLR):
    """lr lr_lambda(1) ... lr_lambda(step).

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.lr_scheduler.MultiplicativeLR(opt, lambda step: 0.5)
    >>> schedule.step(), schedule.step()
    (None, None)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[float]:
        """See the class."""
        if self.last_epoch == 0:
            return self._rates()
        return [
            lr * f(self.last_epoch) for lr, f in zip(self._rates(), self.lr_lambdas, strict=True)
        ]
