"""Updates in place: one step of an optimizer for one parameter, in one pass over memory.

`hyper` is a float64 vector of rates and flags, an input, so that a compiled plan can change the
learning rate and count its steps. These ops have no gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnfast.errors import describe, fail
from nnfast.ops.elementwise import broadcast_shape
from nnfast.ops.operands import AnyTensor, IntTensor
from nnfast.ops.record import Result, op
from nnfast.tensor import Tensor, float64, int64, wrap


class SGDHyper(NamedTuple):
    """Hyper-parameters of `sgd_update`."""

    lr: float
    momentum: float
    dampening: float
    weight_decay: float
    nesterov: bool
    maximize: bool
    first: bool  # momentum_buffer holds nothing yet

    def tensor(self) -> Tensor:
        """As the op takes them."""
        return wrap(np.array(self, float64))


class AdamHyper(NamedTuple):
    """Hyper-parameters of `adam_update`."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool
    maximize: bool

    def tensor(self) -> Tensor:
        """As the op takes them."""
        return wrap(np.array(self, float64))


_DONE = Result(())


def _check_writable(where: str, name: str, x: Tensor) -> None:
    if not x.array.flags.carray:
        fail(
            where,
            f"a contiguous, writable array as {name}",
            f"shape {x.shape}, strides {x.array.strides}, writable: {x.array.flags.writeable}",
            "replace it by a copy: x.data = x.data.clone().",
        )


# Buffers that are one number, with their dtype; all others are like their parameter.
SCALARS = {"step": int64, "mu_product": float64, "eta": float64, "mu": float64}


def check_update(
    where: str, hyper: Tensor, n: int, param: Tensor, **others: Tensor | None
) -> Result:
    """Numbers are scalars, all else of param's shape; what changes is contiguous and writable."""
    shape = param.array.shape
    for name, x in others.items():
        if x is None:
            continue
        if (dtype := SCALARS.get(name)) is not None:
            if x.array.shape != () or x.array.dtype != dtype:
                fail(where, f"{name} as a scalar of {dtype}", describe(**{name: x}))
        elif x.array.shape != shape:
            fail(where, f"{name} of param's shape {shape}", describe(**{name: x}))
        if name != "grad":
            _check_writable(where, name, x)
    _check_writable(where, "param", param)
    h = hyper.array
    if h.shape != (n,) or h.dtype != float64:
        fail(where, f"hyper as a float64 vector of {n}", describe(hyper=hyper))
    return _DONE


@op("sgd_update", mutates=("param", "momentum_buffer"))
def sgd_update(
    param: Tensor, grad: Tensor, hyper: AnyTensor, momentum_buffer: Tensor | None = None
) -> Result:
    """One step of stochastic gradient descent, in place.

    g = grad, -grad if maximize; g = g + weight_decay param; with a momentum_buffer b:
    b = momentum b + (1 - dampening) g, b = g on the first step; g = g + momentum b if nesterov,
    else g = b. param = param - lr g. hyper: see SGDHyper.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning,
    ICML 2013.

    >>> import nnfast
    >>> from nnfast.ops.update import SGDHyper, sgd_update
    >>> w = nnfast.tensor([1.0, 2.0])
    >>> sgd_update(w, nnfast.tensor([0.5, 0.5]), SGDHyper(0.5, 0, 0, 0, 0, 0, 0).tensor())
    >>> w
    tensor([0.75, 1.75])
    """
    return check_update(
        "sgd_update", hyper, len(SGDHyper._fields), param,
        grad=grad, momentum_buffer=momentum_buffer,
    )  # fmt: skip


@op("adam_update", mutates=("param", "exp_avg", "exp_avg_sq", "step", "max_exp_avg_sq"))
def adam_update(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: IntTensor,
    hyper: AnyTensor,
    max_exp_avg_sq: Tensor | None = None,
) -> Result:
    """One step of Adam or AdamW, in place.

    g = grad, -grad if maximize. Decoupled (AdamW): param = param - lr weight_decay param, else
    g = g + weight_decay param. m = m + (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g^2 for
    m = exp_avg, v = exp_avg_sq; with max_exp_avg_sq w (AMSGrad): w = max(w, v) takes the place of
    v in param = param - lr / c1 m / (sqrt(v / c2) + eps), ci = 1 - beta_i^t the bias corrections
    of step t. `step`, an int64 scalar, holds t - 1 before and t after it. hyper: see AdamHyper.

    Shapes: any, one for param, grad and what is kept of each weight. float32, float64.

    Sources: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Loshchilov and
    Hutter, Decoupled weight decay regularization, ICLR 2019; Reddi et al., On the convergence of
    Adam and beyond, ICLR 2018.

    >>> import nnfast
    >>> from nnfast.ops.update import AdamHyper, adam_update
    >>> w, m, v = nnfast.tensor([1.0]), nnfast.zeros(1), nnfast.zeros(1)
    >>> hyper, step = AdamHyper(0.1, 0.9, 0.999, 1e-8, 0, 0, 0).tensor(), nnfast.tensor(0)
    >>> adam_update(w, nnfast.tensor([2.0]), m, v, step, hyper)
    >>> w
    tensor([0.9])
    """
    return check_update(
        "adam_update", hyper, len(AdamHyper._fields), param, grad=grad, exp_avg=exp_avg,
        exp_avg_sq=exp_avg_sq, step=step, max_exp_avg_sq=max_exp_avg_sq,
    )  # fmt: skip


# ---- arithmetic in place -----------------------------------------------------------------------


@op("add", mutates=("input",))
def add_(input: AnyTensor, other: AnyTensor) -> Result:
    """input = input + other, in place; other is of its dtype and broadcasts to its shape."""
    if broadcast_shape("add_", input, other) != input.shape or input.dtype != other.dtype:
        fail("add_", f"{input.dtype} that broadcasts to {input.shape}", describe(other=other))
    _check_writable("add_", "input", input)
    return _DONE


@op("mul", mutates=("input",))
def mul_(input: Tensor, other: Tensor) -> Result:
    """input = input * other, in place; other broadcasts to input's shape."""
    if broadcast_shape("mul_", input, other) != input.shape:
        fail("mul_", f"a factor that broadcasts to {input.shape}", describe(other=other))
    _check_writable("mul_", "input", input)
    return _DONE


class ClipAttrs(NamedTuple):
    low: float
    high: float


@op("clip", attrs=ClipAttrs, mutates=("input",))
def clip_(input: Tensor, low: float, high: float) -> Result:
    """input = min(max(input, low), high), in place."""
    _check_writable("clip_", "input", input)
    return Result((), ClipAttrs(low, high))
