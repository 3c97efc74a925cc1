"""Schedules that go up and down, with the momentum the other way round."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, floor, pi
from typing import Any

from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer


class _WithMomentum(LRScheduler):
    """A schedule that also sets the momentum, or the first of `betas`."""

    cycle_momentum: bool

    def _check_momentum(self, optimizer: Optimizer) -> None:
        if self.cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            self._fail("an optimizer with momentum or betas", type(optimizer).__name__)

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """From base_lr to max_lr in step_size_up steps, back in step_size_down, over and over.

    The height of a cycle is full ("triangular"), half that of the one before ("triangular2"), or
    gamma^step ("exp_range"); or scale_fn(cycle), scale_fn(step) if scale_mode="iterations".
    `cycle_momentum` goes from max_momentum to base_momentum and back meanwhile.

    Errors: `cycle_momentum` with an optimizer that has neither momentum nor betas.

    Source: Smith, Cyclical learning rates for training neural networks, WACV 2017.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = nnfast.optim.lr_scheduler.CyclicLR(opt, 1.0, 2.0, step_size_up=2)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [1.0, 1.5, 2.0, 1.5, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            self._fail("mode 'triangular', 'triangular2' or 'exp_range'", repr(mode))
        self.optimizer = optimizer
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        own_steps = scale_fn is None and mode == "exp_range"
        self.scale_mode = "iterations" if own_steps else scale_mode if scale_fn else "cycle"
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.max_lrs = self._for_each_group("max_lr", max_lr)
        self.cycle_momentum = cycle_momentum
        self._check_momentum(optimizer)
        self.base_momentums = self._for_each_group("base_momentum", base_momentum)
        self.max_momentums = self._for_each_group("max_momentum", max_momentum)
        lows = self._for_each_group("base_lr", base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lows, strict=True):
                group["lr"] = group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def _scale(self) -> float:
        """From 0, the low rate, to 1, the high one, times what the mode says."""
        cycle = floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        up = self.step_ratio
        height = x / up if x <= up else (x - 1) / (up - 1)
        at = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self.scale_fn is not None:
            return height * self.scale_fn(at)
        factors = {"triangular": 1.0, "triangular2": 2.0 ** (1 - at)}
        return height * factors.get(self.mode, self.gamma**at)

    def get_lr(self) -> list[float]:
        """See the class."""
        scale = self._scale()
        if self.cycle_momentum:
            ends = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, ends, strict=True):
                self._set_momentum(group, high - (high - low) * scale)
        return [
            low + (high - low) * scale
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]


class OneCycleLR(_WithMomentum):
    """Up from max_lr / div_factor to max_lr, then down to max_lr / div_factor / final_div_factor.

    It goes up in pct_start of total_steps (or epochs times steps_per_epoch), along a cosine or
    linear (`anneal_strategy`); `three_phase` comes down to the initial rate as long as it went up
    first. `cycle_momentum` goes from max_momentum to base_momentum and back meanwhile.

    Ranges: total_steps > 0; 0 <= pct_start <= 1. Errors: a step beyond total_steps.

    Source: Smith and Topin, Super-convergence, 2018.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], momentum=0.9)
    >>> schedule = nnfast.optim.lr_scheduler.OneCycleLR(
    ...     opt, 1.0, total_steps=10, anneal_strategy="linear", div_factor=4
    ... )
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.625]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                self._fail("total_steps, or epochs and steps_per_epoch", "neither")
            total_steps = epochs * steps_per_epoch  # type: ignore[operator]
        if not isinstance(total_steps, int) or total_steps <= 0:
            self._fail("an integer total_steps > 0", repr(total_steps))
        if not 0 <= pct_start <= 1:
            self._fail("0 <= pct_start <= 1", f"pct_start={pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            self._fail("anneal_strategy 'cos' or 'linear'", repr(anneal_strategy))
        self.optimizer = optimizer
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.cycle_momentum = cycle_momentum
        self._check_momentum(optimizer)
        self._phases = _phases(total_steps, pct_start, three_phase)
        if last_epoch == -1:
            self._prepare(max_lr, div_factor, final_div_factor, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _prepare(self, max_lr: Any, divide: float, end: float, base: Any, top: Any) -> None:
        """Note the corners in the groups, as their state."""
        tops = self._for_each_group("max_lr", max_lr)
        bases = self._for_each_group("base_momentum", base)
        highs = self._for_each_group("max_momentum", top)
        for i, group in enumerate(self.optimizer.param_groups):
            low = tops[i] / divide
            group.update(initial_lr=low, max_lr=tops[i], min_lr=low / end)
            if self.cycle_momentum:
                group.update(base_momentum=bases[i], max_momentum=highs[i])

    def get_lr(self) -> list[float]:
        """See the class."""
        step, begin = self.last_epoch, 0.0
        if step > self.total_steps:
            self._fail(f"at most {self.total_steps} steps", f"step {step}")
        for phase in self._phases[:-1]:
            if step <= phase[0]:
                break
            begin = phase[0]
        else:
            phase = self._phases[-1]
        end, rates, momenta = phase
        part = (step - begin) / (end - begin)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for g in groups:
                self._set_momentum(g, self._between(g[momenta[0]], g[momenta[1]], part))
        return [self._between(g[rates[0]], g[rates[1]], part) for g in groups]

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2 * (1 + cos(pi * part))


def _phases(
    total: int, up: float, three: bool
) -> list[tuple[float, tuple[str, str], tuple[str, str]]]:
    """Last step, and from which rate and momentum to which."""
    rising = (up * total - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
    back = ("base_momentum", "max_momentum")
    if not three:
        return [rising, (total - 1, ("max_lr", "min_lr"), back)]
    return [
        rising,
        (2 * up * total - 2, ("max_lr", "initial_lr"), back),
        (total - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
    ]
