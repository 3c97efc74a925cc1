"""Averages of weights over the steps of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.graph.mode import no_grad
from nnfast.nn.module import Module
from nnfast.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from nnfast.optim.lr_scheduler.scheduler import LRScheduler
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import Tensor, int64

Average = Callable[[Tensor, Tensor, Any], Tensor]


def get_swa_avg_fn() -> Average:
    """(average, weight, n) -> the mean of n + 1 weights: average + (weight - average) / (n + 1).

    >>> import nnfast
    >>> nnfast.optim.swa_utils.get_swa_avg_fn()(nnfast.ones(1), nnfast.zeros(1), 3)
    tensor([0.75])
    """
    return lambda average, weight, n: average + (weight - average) / (int(n) + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """(average, weight, n) -> decay average + (1 - decay) weight.

    >>> import nnfast
    >>> nnfast.optim.swa_utils.get_ema_avg_fn(0.75)(nnfast.ones(1), nnfast.zeros(1), 3)
    tensor([0.75])
    """
    if not 0 <= decay <= 1:
        fail("get_ema_avg_fn", "decay from 0 to 1", f"{decay}")
    return lambda average, weight, n: average * decay + weight * (1 - decay)


def _multi(average_of: Average) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    @no_grad()
    def update(averages: Iterable[Tensor], weights: Iterable[Tensor], n: Any) -> None:
        for average, weight in zip(averages, weights, strict=True):
            average.copy_(average_of(average, weight, n))

    return update


def get_swa_multi_avg_fn() -> Any:
    """The same as get_swa_avg_fn, of lists of tensors, in place.

    >>> import nnfast
    >>> averages, weights = [nnfast.ones(1)], [nnfast.zeros(1)]
    >>> nnfast.optim.swa_utils.get_swa_multi_avg_fn()(averages, weights, 3)
    >>> averages
    [tensor([0.75])]
    """
    return _multi(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Any:
    """The same as get_ema_avg_fn, of lists of tensors, in place.

    >>> import nnfast
    >>> averages, weights = [nnfast.ones(1)], [nnfast.zeros(1)]
    >>> nnfast.optim.swa_utils.get_ema_multi_avg_fn(0.75)(averages, weights, 3)
    >>> averages
    [tensor([0.75])]
    """
    return _multi(get_ema_avg_fn(decay))


class AveragedModel(Module):
    """A copy of a model whose weights are averages of the model's, over calls of
    update_parameters: their mean, or what avg_fn(average, weight, n) or multi_avg_fn(averages,
    weights, n) make of them, n being the number of calls before.

    Buffers are averaged too with use_buffers, else copied.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization,
    2018.

    >>> import nnfast
    >>> from nnfast.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> model = nnfast.nn.Linear(2, 1)
    >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    >>> average.update_parameters(model)
    >>> bool((average.module.weight == model.weight).all())
    True
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Callable[..., Any] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            fail("AveragedModel", "avg_fn or multi_avg_fn", "both")
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", Tensor(np.zeros((), int64)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers
        self.to(device)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the weights of the model as they are now into the averages."""
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(model.parameters())
        if self.use_buffers:
            mine += [b for b in self.module.buffers() if b.is_floating_point()]
            theirs += [b for b in model.buffers() if b.is_floating_point()]
        n = self.n_averaged.clone()
        if int(n) == 0:
            for average, weight in zip(mine, theirs, strict=True):
                average.copy_(weight)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(mine, [w.detach() for w in theirs], n)
        else:
            _multi(self.avg_fn or get_swa_avg_fn())(mine, theirs, n)
        if not self.use_buffers:
            for b, new in zip(self.module.buffers(), model.buffers(), strict=True):
                b.copy_(new)
        self.n_averaged.add_(1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Running statistics of all batch norms anew: the mean over the batches of a loader.

    Of a batch that is a list or tuple the first element is the input.

    >>> import nnfast
    >>> model = nnfast.nn.BatchNorm1d(1)
    >>> nnfast.optim.swa_utils.update_bn([nnfast.tensor([[1.0], [3.0]])], model)
    >>> model.running_mean
    tensor([2.])
    """
    norms = [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not norms:
        return
    was_training, momenta = model.training, [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # the mean of all
    model.train()
    for batch in loader:
        model(batch[0] if isinstance(batch, list | tuple) else batch)
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """The rate goes to swa_lr within anneal_epochs steps, by a cosine or in a line, and stays.

    lr = alpha swa_lr + (1 - alpha) lr_0, alpha = (1 - cos(pi t)) / 2 or t, t from 0 to 1.

    >>> import nnfast
    >>> opt = nnfast.optim.SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = nnfast.optim.swa_utils.SWALR(opt, 0.5, 2, "linear")
    >>> rates = []
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = optimizer
        for group, rate in zip(
            optimizer.param_groups, self._for_each_group("swa_lr", swa_lr), strict=True
        ):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            self._fail("anneal_strategy 'cos' or 'linear'", repr(anneal_strategy))
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            self._fail("an integer anneal_epochs >= 0", repr(anneal_epochs))
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _alpha(self, step: float) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        step = step if self.anneal_epochs else max(1, step)
        before, now = self._alpha(step - 1), self._alpha(step)
        rates = []
        for group in self.optimizer.param_groups:
            swa, lr = group["swa_lr"], group["lr"]
            first = swa if before == 1 else (lr - before * swa) / (1 - before)
            rates.append(swa * now + first * (1 - now))
        return rates
