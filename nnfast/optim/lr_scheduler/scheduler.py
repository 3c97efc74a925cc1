"""What all schedules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.graph.trace import after_run, follow
from nnfast.optim.optimizer import Optimizer


class LRScheduler:
    """Base of all schedules; a subclass says in `get_lr` what the rates are now.

    `last_epoch` counts steps from 0; the constructor makes step 0. Given `last_epoch` (not -1) it
    goes on from there: every group must then have its "initial_lr".

    >>> import nnfast
    >>> class Halved(nnfast.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = Halved(opt)
    >>> schedule.step()
    >>> opt.param_groups[0]["lr"], schedule.get_last_lr()
    (0.5, [0.5])
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            self._fail("an Optimizer", type(optimizer).__name__, DTypeError)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                hint = "load the optimizer's state first."
                self._fail(f"'initial_lr' in param_groups[{i}]", "none", StateError, hint)
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        raise NotImplementedError

    def closed_form(self) -> list[float]:
        """The same from `last_epoch` alone, whatever the rates are now."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        follow(lambda: list(self._last_lr))
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go to the next step, or to step `epoch`, and set the rates."""
        after_run(lambda: self._step(epoch))

    def _step(self, epoch: Any = None) -> None:
        self._step_count += 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set(self.get_lr() if epoch is None else self.closed_form())

    def _undo(self) -> None:
        """Forget that the constructor made step 0."""
        self.last_epoch -= 1

    def _set(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = list(rates)

    def _rates(self) -> list[float]:
        """What the groups have now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All numbers that it holds; functions and the optimizer are left out."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer" and _is_plain(v)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned. Load the optimizer's state too."""
        self.__dict__.update(state_dict)

    def _fail(
        self,
        expected: str,
        got: str,
        error: type[ArgumentError] | type[DTypeError] | type[StateError] = ArgumentError,
        hint: str = "",
    ) -> Any:
        fail(type(self).__name__, expected, got, hint, error)

    def _for_each_group(self, name: str, value: Any) -> list[Any]:
        """A value for each group: given as a list, or the same for all."""
        n = len(self.optimizer.param_groups)
        if not isinstance(value, list | tuple):
            return [value] * n
        if len(value) != n:
            self._fail(f"{n} values as {name}", str(len(value)))
        return list(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return not isinstance(value, Callable)  # type: ignore[arg-type]
