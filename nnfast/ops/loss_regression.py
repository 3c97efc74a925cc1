"""Losses of numbers and of distributions."""

from __future__ import annotations

import math
from typing import Any

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.trace import on_values
from nnfast.ops.clip import _clip, clip
from nnfast.ops.elementwise import abs, exp, log, where
from nnfast.ops.loss import _reduce, _same_shape
from nnfast.ops.operands import as_tensor
from nnfast.ops.shape import expand, unsqueeze
from nnfast.tensor import Tensor


def _weigh(
    name: str, loss: Tensor, weight: Tensor | None, reduction: str
) -> tuple[Tensor, Tensor | None]:
    """The losses times their weights, and what the mean of such divides by."""
    if weight is None:
        return loss, None
    w, _ = _same_shape(name, weight, loss, reduction)
    return loss * w, w.sum()


def mse_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """loss = w (x - t)^2, the squared error.

    The mean divides by the number of elements, or by the sum of the weights. Shapes: all of one
    shape -> a scalar, or that shape with reduction="none". Errors: different shapes.

    >>> import nnfast
    >>> nnfast.nn.functional.mse_loss(nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 4.0]))
    tensor(2.)
    """
    x, t = _same_shape("mse_loss", input, target, reduction)
    d = x - t
    loss, count = _weigh("mse_loss", d * d, weight, reduction)
    return _reduce(loss, reduction, count)


def l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """loss = w |x - t|, the absolute error; gradient 0 where it is 0.

    The mean divides by the number of elements, or by the sum of the weights. Shapes: all of one
    shape -> a scalar, or that shape with reduction="none". Errors: different shapes.

    >>> import nnfast
    >>> nnfast.nn.functional.l1_loss(nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 4.0]))
    tensor(1.)
    """
    x, t = _same_shape("l1_loss", input, target, reduction)
    loss, count = _weigh("l1_loss", abs(x - t), weight, reduction)
    return _reduce(loss, reduction, count)


def _positive(name: str, what: str, value: Any, zero: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail(name, f"a number as {what}", repr(value), error=DTypeError)
    if not (value >= 0 if zero else value > 0):
        fail(name, f"{what} {'>=' if zero else '>'} 0", f"{what}={value}")
    return float(value)


def _huber(d: Tensor, delta: float) -> Tensor:
    """d^2 / 2 within delta, beyond it the line of slope delta."""
    c = _clip(d, -delta, delta)
    y: Tensor = c * (d - c * 0.5)
    return y


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """loss = w d^2 / 2 where |d| <= delta, else w delta (|d| - delta / 2); d = x - t.

    The mean divides by the number of elements. Shapes: all of one shape -> a scalar, or that shape
    with reduction="none". Errors: different shapes, delta <= 0.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.5, 3.0]), nnfast.zeros(2)
    >>> nnfast.nn.functional.huber_loss(x, t, reduction="none", delta=2.0)
    tensor([0.125, 4.   ])
    """
    name = "huber_loss"
    d = _positive(name, "delta", delta)
    x, t = _same_shape(name, input, target, reduction)
    loss, _ = _weigh(name, _huber(x - t, d), weight, reduction)
    return _reduce(loss, reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """loss = d^2 / (2 beta) where |d| <= beta, else |d| - beta / 2; d = x - t.

    |d| itself for beta = 0. Shapes: two of one shape -> a scalar, or that shape with
    reduction="none". Errors: different shapes, beta < 0.

    Source: Girshick, Fast R-CNN, ICCV 2015.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.5, 3.0]), nnfast.zeros(2)
    >>> nnfast.nn.functional.smooth_l1_loss(x, t, reduction="none")
    tensor([0.125, 2.5  ])
    """
    name = "smooth_l1_loss"
    b = _positive(name, "beta", beta, zero=True)
    if b == 0:
        return l1_loss(input, target, reduction)
    x, t = _same_shape(name, input, target, reduction)
    return _reduce(_huber(x - t, b) * (1 / b), reduction)


def _x_log_x(x: Tensor) -> Tensor:
    """x log x, 0 at 0."""
    y: Tensor = x * log(where(x == 0, 1.0, x))
    return y


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """loss = t (log t - x): relative entropy of the distribution t and log probabilities x.

    0 where t is 0; log_target: the target is log t. reduction="batchmean" divides the sum by the
    number of samples, which is what the formula of the divergence says; "mean" by that of elements.

    Shapes: two of one shape -> a scalar, or that shape with reduction="none". Errors: different
    shapes.

    Source: Kullback and Leibler, On information and sufficiency, 1951.

    >>> import nnfast
    >>> x, t = nnfast.tensor([[0.5, 0.5]]).log(), nnfast.tensor([[1.0, 0.0]])
    >>> nnfast.nn.functional.kl_div(x, t, reduction="batchmean")
    tensor(0.6931472)
    """
    name = "kl_div"
    batch = reduction == "batchmean"
    x, t = _same_shape(name, input, target, "sum" if batch else reduction)
    loss = exp(t) * (t - x) if log_target else _x_log_x(t) - t * x
    if not batch:
        return _reduce(loss, reduction)
    if x.ndim == 0 or x.shape[0] == 0:
        fail(name, "at least one sample", f"shape {x.shape}", input=x)
    return _reduce(loss, "sum") / x.shape[0]


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """loss = e^x - t x: negative log likelihood of counts t, e^x the expected ones.

    log_input=False: x - t log(x + eps), x the expected ones themselves. full: Stirling's formula
    for log(t!) is added where t > 1: t log t - t + log(2 pi t) / 2.

    Shapes: two of one shape -> a scalar, or that shape with reduction="none". Errors: different
    shapes.

    >>> import nnfast
    >>> nnfast.nn.functional.poisson_nll_loss(nnfast.zeros(2), nnfast.tensor([1.0, 3.0]))
    tensor(1.)
    """
    x, t = _same_shape("poisson_nll_loss", input, target, reduction)
    loss = exp(x) - t * x if log_input else x - t * log(x + eps)
    if full:
        n = where(t > 1, t, 1.0)
        stirling = n * log(n) - n + log(n * (2 * math.pi)) * 0.5
        loss = loss + where(t > 1, stirling, 0.0)
    return _reduce(loss, reduction)


def _check_variances(values: Any) -> None:
    if values.size and values.min() < 0:
        raise ArgumentError(
            "gaussian_nll_loss", f"expected variances of at least 0, got {values.min():g}."
        )


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """loss = (log v + (x - t)^2 / v) / 2: negative log likelihood of t, normal of mean x.

    v = max(var, eps); the gradient passes to var as if there were no bound. full adds
    log(2 pi) / 2.

    Shapes: input and target of one shape; var of that shape, or with a last dimension of 1 or
    none, one for each row, or a number -> a scalar, or input's shape with reduction="none".
    Errors: other shapes, a negative var, eps <= 0.

    Source: Nix and Weigend, Estimating the mean and variance of the target distribution, 1994.

    >>> import nnfast
    >>> x, t = nnfast.tensor([1.0, 3.0]), nnfast.tensor([1.0, 1.0])
    >>> nnfast.nn.functional.gaussian_nll_loss(x, t, 1.0, reduction="none")
    tensor([0., 2.])
    """
    name = "gaussian_nll_loss"
    x, t = _same_shape(name, input, target, reduction)
    least = _positive(name, "eps", eps)
    v = as_tensor(var, name).to(x.dtype)
    if v.ndim and v.shape == x.shape[:-1] != x.shape:
        v = unsqueeze(v, -1)
    if v.ndim and v.shape not in (x.shape, (*x.shape[:-1], 1)):
        fail(name, f"a var of shape {x.shape}, or one for each row", f"{v.shape}", input=x, var=v)
    on_values(v, _check_variances)
    v = v + (clip(v, min=least) - v).detach()
    d = x - t
    loss = (log(expand(v, x.shape)) + d * d / v) * 0.5
    return _reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
