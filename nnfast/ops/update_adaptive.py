"""Updates in place of the rarer optimizers, each one pass over memory; see nnfast/ops/update.py.

All take param, grad, hyper (the float64 vector of a NamedTuple below), and `step`, an int64 scalar
that counts: it holds t - 1 before and t after step t. g is grad, -grad if maximize, plus
weight_decay param.
"""

from __future__ import annotations

from typing import NamedTuple

from nnfast.ops.operands import AnyTensor, IntTensor
from nnfast.ops.record import Result, op
from nnfast.ops.update import check_update
from nnfast.tensor import Tensor


class AdagradHyper(NamedTuple):
    """Hyper-parameters of `adagrad_update`."""

    lr: float
    lr_decay: float
    eps: float
    weight_decay: float
    maximize: bool


class AdadeltaHyper(NamedTuple):
    """Hyper-parameters of `adadelta_update`."""

    lr: float
    rho: float
    eps: float
    weight_decay: float
    maximize: bool


class RMSpropHyper(NamedTuple):
    """Hyper-parameters of `rmsprop_update`."""

    lr: float
    alpha: float
    eps: float
    weight_decay: float
    momentum: float
    maximize: bool


class AdamaxHyper(NamedTuple):
    """Hyper-parameters of `adamax_update`."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    maximize: bool


class NAdamHyper(NamedTuple):
    """Hyper-parameters of `nadam_update`."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    momentum_decay: float
    decoupled: bool
    maximize: bool


class RAdamHyper(NamedTuple):
    """Hyper-parameters of `radam_update`."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool
    maximize: bool


class RpropHyper(NamedTuple):
    """Hyper-parameters of `rprop_update`."""

    etaminus: float
    etaplus: float
    min_step: float
    max_step: float
    maximize: bool


class ASGDHyper(NamedTuple):
    """Hyper-parameters of `asgd_update`."""

    lr: float
    lambd: float
    alpha: float
    t0: float
    weight_decay: float
    maximize: bool


@op("adagrad_update", mutates=("param", "step", "sum"))
def adagrad_update(
    param: Tensor, grad: Tensor, hyper: AnyTensor, step: IntTensor, sum: Tensor
) -> Result:
    """One step of AdaGrad, in place.

    s = s + g^2 for s = sum; param = param - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12, 2011.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([3.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.5, 0, 0, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.adagrad_update(w, dw, hyper, step, nnfast.zeros(1))
    >>> w
    tensor([0.5])
    """
    size = len(AdagradHyper._fields)
    return check_update("adagrad_update", hyper, size, param, grad=grad, step=step, sum=sum)


@op("adadelta_update", mutates=("param", "step", "square_avg", "acc_delta"))
def adadelta_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    square_avg: Tensor,
    acc_delta: Tensor,
) -> Result:
    """One step of Adadelta, in place.

    s = rho s + (1 - rho) g^2 for s = square_avg; d = sqrt(a + eps) / sqrt(s + eps) g for
    a = acc_delta; a = rho a + (1 - rho) d^2; param = param - lr d.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([2.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([1.0, 0.0, 1.0, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.adadelta_update(w, dw, hyper, step, nnfast.zeros(1), nnfast.zeros(1))
    >>> w
    tensor([0.10557282])
    """
    return check_update(
        "adadelta_update", hyper, len(AdadeltaHyper._fields), param, grad=grad, step=step,
        square_avg=square_avg, acc_delta=acc_delta,
    )  # fmt: skip


@op("rmsprop_update", mutates=("param", "step", "square_avg", "grad_avg", "momentum_buffer"))
def rmsprop_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    square_avg: Tensor,
    grad_avg: Tensor | None = None,
    momentum_buffer: Tensor | None = None,
) -> Result:
    """One step of RMSprop, in place.

    s = alpha s + (1 - alpha) g^2 for s = square_avg; v = s; with grad_avg m (centered):
    m = m + (1 - alpha) (g - m), v = s - m^2; d = g / (sqrt(v) + eps); with momentum_buffer b:
    d = b = momentum b + d; param = param - lr d.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Sources: Hinton, Neural networks for machine learning, lecture 6, 2012; Graves, Generating
    sequences with recurrent neural networks, 2013 (centered).

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([3.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.25, 0.75, 0, 0, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.rmsprop_update(w, dw, hyper, step, nnfast.zeros(1))
    >>> w
    tensor([0.5])
    """
    return check_update(
        "rmsprop_update", hyper, len(RMSpropHyper._fields), param, grad=grad, step=step,
        square_avg=square_avg, grad_avg=grad_avg, momentum_buffer=momentum_buffer,
    )  # fmt: skip


@op("adamax_update", mutates=("param", "step", "exp_avg", "exp_inf"))
def adamax_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    exp_avg: Tensor,
    exp_inf: Tensor,
) -> Result:
    """One step of Adamax, in place.

    m = m + (1 - beta1) (g - m) for m = exp_avg; u = max(beta2 u, |g| + eps) for u = exp_inf;
    param = param - lr / (1 - beta1^t) m / u.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([3.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.5, 0.5, 0.5, 0, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.adamax_update(w, dw, hyper, step, nnfast.zeros(1), nnfast.zeros(1))
    >>> w
    tensor([0.5])
    """
    return check_update(
        "adamax_update", hyper, len(AdamaxHyper._fields), param, grad=grad, step=step,
        exp_avg=exp_avg, exp_inf=exp_inf,
    )  # fmt: skip


@op("nadam_update", mutates=("param", "step", "exp_avg", "exp_avg_sq", "mu_product"))
def nadam_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    mu_product: AnyTensor,
) -> Result:
    """One step of NAdam, in place.

    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), the product of all so far is P = mu_product, a
    float64 scalar; m = m + (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g^2 for m = exp_avg,
    v = exp_avg_sq; param = param - lr (mu_{t+1} m / (1 - P mu_{t+1}) + (1 - mu_t) g / (1 - P))
    / (sqrt(v / (1 - beta2^t)) + eps). Decoupled: weight decay as in AdamW.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([3.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.5, 0.5, 0.5, 0, 0, 0, 0, 0], dtype=nnfast.float64)
    >>> product = nnfast.tensor(1.0, dtype=nnfast.float64)
    >>> m, v = nnfast.zeros(1), nnfast.zeros(1)
    >>> _ = nnfast.ops.nadam_update(w, dw, hyper, step, m, v, product)
    >>> product
    tensor(0.25, dtype=float64)
    """
    return check_update(
        "nadam_update", hyper, len(NAdamHyper._fields), param, grad=grad, step=step,
        exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, mu_product=mu_product,
    )  # fmt: skip


@op("radam_update", mutates=("param", "step", "exp_avg", "exp_avg_sq"))
def radam_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
) -> Result:
    """One step of RAdam, in place.

    m = m + (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g^2 for m = exp_avg, v = exp_avg_sq;
    c1, c2 as in Adam; r_max = 2 / (1 - beta2) - 1, r = r_max - 2 t beta2^t / c2. If r > 5:
    param = param - lr m / c1 sqrt(c2) R / (sqrt(v) + eps), where
    R^2 = (r - 4) (r - 2) r_max / ((r_max - 4) (r_max - 2) r); before: param = param - lr m / c1.
    Decoupled: weight decay as in AdamW.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([1.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.5, 0.5, 0.5, 0, 0, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.radam_update(w, dw, hyper, step, nnfast.zeros(1), nnfast.zeros(1))
    >>> w
    tensor([0.5])
    """
    return check_update(
        "radam_update", hyper, len(RAdamHyper._fields), param, grad=grad, step=step,
        exp_avg=exp_avg, exp_avg_sq=exp_avg_sq,
    )  # fmt: skip


@op("rprop_update", mutates=("param", "step", "prev", "step_size"))
def rprop_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    prev: Tensor,
    step_size: Tensor,
) -> Result:
    """One step of resilient backpropagation, in place.

    Where g and the gradient before, prev, have the same sign, d = step_size grows by etaplus;
    where they differ, d shrinks by etaminus and g = 0; d stays within min_step and max_step;
    param = param - d sign(g), prev = g.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm, ICNN 1993.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([3.0]), nnfast.tensor(0)
    >>> hyper = nnfast.tensor([0.5, 2.0, 0.0, 1.0, 0], dtype=nnfast.float64)
    >>> size = nnfast.tensor([0.25])
    >>> _ = nnfast.ops.rprop_update(w, dw, hyper, step, nnfast.ones(1), size)
    >>> w, size
    (tensor([0.5]), tensor([0.5]))
    """
    return check_update(
        "rprop_update", hyper, len(RpropHyper._fields), param, grad=grad, step=step,
        prev=prev, step_size=step_size,
    )  # fmt: skip


@op("asgd_update", mutates=("param", "step", "ax", "eta", "mu"))
def asgd_update(
    param: Tensor,
    grad: Tensor,
    hyper: AnyTensor,
    step: IntTensor,
    ax: Tensor,
    eta: AnyTensor,
    mu: AnyTensor,
) -> Result:
    """One step of averaged stochastic gradient descent, in place.

    param = (1 - lambd eta) param - eta g; ax = ax + mu (param - ax), the mean of the parameters;
    then eta = lr / (1 + lambd lr t)^alpha, mu = 1 / max(1, t - t0): float64 scalars.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> import nnfast
    >>> w, dw, step = nnfast.ones(1), nnfast.tensor([1.0]), nnfast.tensor(0)
    >>> eta, mu = (nnfast.tensor(x, dtype=nnfast.float64) for x in (0.5, 1.0))
    >>> hyper = nnfast.tensor([0.5, 0, 0.75, 1e6, 0, 0], dtype=nnfast.float64)
    >>> _ = nnfast.ops.asgd_update(w, dw, hyper, step, nnfast.zeros(1), eta, mu)
    >>> w
    tensor([0.5])
    """
    return check_update(
        "asgd_update", hyper, len(ASGDHyper._fields), param, grad=grad, step=step,
        ax=ax, eta=eta, mu=mu,
    )  # fmt: skip
