"""Schedules one after another, and together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from nnfast.optim.lr_scheduler.plateau import ReduceLROnPlateau
from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer


class _Composed(LRScheduler):
    """A schedule made of others, of the same optimizer."""

    def _take(self, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
        self._schedulers = list(schedulers)
        if not self._schedulers:
            self._fail("at least one schedule", "none")
        self.optimizer = self._schedulers[0].optimizer if optimizer is None else optimizer
        for s in self._schedulers:
            if isinstance(s, ReduceLROnPlateau):
                self._fail("schedules that need no metric", "ReduceLROnPlateau")
            if s.optimizer is not self.optimizer:
                self._fail("schedules of one optimizer", "one of another")

    def _undo(self) -> None:
        for s in self._schedulers:
            s._undo()

    def state_dict(self) -> dict[str, Any]:
        """The numbers of all schedules."""
        return {
            **{k: v for k, v in super().state_dict().items() if k != "_schedulers"},
            "_schedulers": [s.state_dict() for s in self._schedulers],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned. Load the optimizer's state too."""
        own = {k: v for k, v in state_dict.items() if k != "_schedulers"}
        super().load_state_dict(own)
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)


class SequentialLR(_Composed):
    """The first schedule up to milestones[0], the second from there to milestones[1], and so on.

    Each begins with its step 0.

    Errors: not one milestone fewer than schedules; schedules of several optimizers.

    >>> import nnfast
    >>> from nnfast.optim import lr_scheduler
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> warm = lr_scheduler.ConstantLR(opt, factor=0.5, total_iters=9)
    >>> fall = lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> schedule = lr_scheduler.SequentialLR(opt, [warm, fall], milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [0.5, 0.5, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._take(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            self._fail(f"{len(schedulers) - 1} milestones", str(len(milestones)))
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        self._schedulers[0]._step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def _step(self, epoch: Any = None) -> None:
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        begins = i > 0 and self._milestones[i - 1] == self.last_epoch
        self._schedulers[i]._step(0 if begins else None)
        self._last_lr = self._schedulers[i].get_last_lr()


class ChainedScheduler(_Composed):
    """All schedules at each step, each changing what the others left.

    >>> import nnfast
    >>> from nnfast.optim import lr_scheduler
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> both = [lr_scheduler.ExponentialLR(opt, 0.5), lr_scheduler.StepLR(opt, 1, 0.5)]
    >>> schedule = lr_scheduler.ChainedScheduler(both)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._take(optimizer, schedulers)
        self._last_lr = self._rates()

    def _step(self, epoch: Any = None) -> None:
        for s in self._schedulers:
            s._step(epoch)
        self._last_lr = self._rates()
