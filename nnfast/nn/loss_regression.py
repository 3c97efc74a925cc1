"""Losses of numbers and of distributions as modules."""

from __future__ import annotations

import math

from nnfast import ops
from nnfast.nn.checks import number, one_of
from nnfast.nn.loss import _Loss
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class MSELoss(_Loss):
    """(input - target)^2.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.MSELoss()(nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.L1Loss()(nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where |d| <= beta, else |d| - beta / 2; d = input - target.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    Ranges: beta >= 0; 0 is the absolute value.

    Source: Girshick, Fast R-CNN, ICCV 2015.

    >>> import nnfast
    >>> nnfast.nn.SmoothL1Loss(reduction="sum")(nnfast.tensor([0.5, 3.0]), nnfast.zeros(2))
    tensor(2.625)
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = number("SmoothL1Loss", "beta", beta, 0, math.inf)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); d = input - target.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    Ranges: delta > 0.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> import nnfast
    >>> nnfast.nn.HuberLoss(reduction="sum")(nnfast.tensor([0.5, 3.0]), nnfast.zeros(2))
    tensor(2.625)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = number("HuberLoss", "delta", delta, 0, math.inf)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(Module):
    """target (log target - input): relative entropy; the input is log probabilities.

    reduction="batchmean" divides the sum by the number of samples, as the divergence is defined.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    Source: Kullback and Leibler, On information and sufficiency, 1951.

    >>> import nnfast
    >>> loss = nnfast.nn.KLDivLoss(reduction="batchmean")
    >>> loss(nnfast.tensor([[0.5, 0.5]]).log(), nnfast.tensor([[1.0, 0.0]]))
    tensor(0.6931472)
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        choices = ("none", "mean", "sum", "batchmean")
        self.reduction = one_of("KLDivLoss", "reduction", reduction, *choices)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.kl_div(input, target, self.reduction, self.log_target)


class PoissonNLLLoss(_Loss):
    """exp(input) - target input: negative log likelihood of counts.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.PoissonNLLLoss()(nnfast.zeros(2), nnfast.tensor([1.0, 3.0]))
    tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full = log_input, full
        self.eps = number("PoissonNLLLoss", "eps", eps, -math.inf, math.inf)

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return ops.poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log var + (input - target)^2 / var) / 2: negative log likelihood of normal targets.

    Shapes: input and target (*), var (*), or without the last dimension, or 1 there -> a scalar, or
    (*).

    Ranges: eps >= 0; a variance below it counts as eps.

    Source: Nix and Weigend, Estimating the mean and variance of the target probability
    distribution, 1994.

    >>> import nnfast
    >>> x, t = nnfast.tensor([1.0, 3.0]), nnfast.tensor([1.0, 1.0])
    >>> nnfast.nn.GaussianNLLLoss()(x, t, nnfast.ones(2))
    tensor(1.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = number("GaussianNLLLoss", "eps", eps, 0, math.inf)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return ops.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
