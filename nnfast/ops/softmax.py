"""Softmax over one dimension, its logarithm, and the cross entropy of class numbers in one go."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast import _core
from nnfast.errors import DTypeError, fail
from nnfast.graph.trace import on_values, seen_below
from nnfast.ops.convert import to
from nnfast.ops.elementwise import exp, where
from nnfast.ops.operands import IntTensor
from nnfast.ops.record import Result, Shape, check_dim, like, method, op, outs
from nnfast.ops.reduce import sum
from nnfast.ops.shape import unsqueeze
from nnfast.tensor import Tensor, wrap


class SoftmaxAttrs(NamedTuple):
    dim: int


def _along(name: str, x: Tensor, dim: int, *others: Tensor) -> Result:
    """The shape of x, after a check of dim and that the others have it too."""
    for other in others:
        if other.array.shape != x.array.shape:
            fail(name, "inputs of one shape", f"{x.shape} and {other.shape}")
    return like(x, SoftmaxAttrs(check_dim(name, dim, x.array.ndim)))


@op("softmax", attrs=SoftmaxAttrs)
def _softmax(input: Tensor, dim: int) -> Result:
    """y_i = exp(x_i) / sum over j of exp(x_j), along a dimension; without overflow."""
    return _along("softmax", input, dim)


_softmax.vjp(input=lambda dy, y, dim: softmax_backward(dy, y, dim))


@method
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """y_i = exp(x_i) / sum over j of exp(x_j), along a dimension; without overflow.

    `dtype`: that of the result; the input is converted first.

    Shapes: any, the same out. float32, float64. Errors: a dim that input does not have.

    Source: Bridle, Probabilistic interpretation of feedforward classification network outputs,
    1990.

    >>> import nnfast
    >>> nnfast.softmax(nnfast.tensor([[0.0, 0.0], [1000.0, 0.0]]), dim=1)
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    return _softmax(input if dtype is None else to(input, dtype), dim)


@op("softmax_backward", attrs=SoftmaxAttrs, outputs=("dx",))
def softmax_backward(dy: Tensor, y: Tensor, dim: int) -> Result:
    """dx = y (dy - sum of dy y along dim)."""
    return _along("softmax_backward", y, dim, dy)


softmax_backward.vjp(
    dy=lambda ddx, y, dim: softmax_backward(ddx, y, dim),
    y=lambda ddx, dy, y, dim: ddx * (dy - sum(dy * y, dim, True)) - dy * sum(ddx * y, dim, True),
)


@op("log_softmax", attrs=SoftmaxAttrs)
def _log_softmax(input: Tensor, dim: int) -> Result:
    """y_i = x_i - log of the sum over j of exp(x_j), along a dimension; without overflow."""
    return _along("log_softmax", input, dim)


_log_softmax.vjp(input=lambda dy, y, dim: log_softmax_backward(dy, y, dim))


@method
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """y_i = x_i - log of the sum over j of exp(x_j), along a dimension; without overflow.

    `dtype`: that of the result; the input is converted first.

    Shapes: any, the same out. float32, float64. Errors: a dim that input does not have.

    >>> import nnfast
    >>> nnfast.log_softmax(nnfast.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    return _log_softmax(input if dtype is None else to(input, dtype), dim)


@op("log_softmax_backward", attrs=SoftmaxAttrs, outputs=("dx",))
def log_softmax_backward(dy: Tensor, y: Tensor, dim: int) -> Result:
    """dx = dy - exp(y) times the sum of dy along dim."""
    return _along("log_softmax_backward", y, dim, dy)


log_softmax_backward.vjp(
    dy=lambda ddx, y, dim: ddx - sum(ddx * exp(y), dim, True),
    y=lambda ddx, dy, y, dim: -ddx * exp(y) * sum(dy, dim, True),
)


# ---- cross entropy --------------------------------------------------------------------------


REDUCTIONS = ("none", "mean", "sum")  # in the order of csrc/ops/attrs.h


class CrossEntropyAttrs(NamedTuple):
    ignore_index: int
    reduction: int  # which of REDUCTIONS


def check_reduction(name: str, reduction: str, size: int) -> int:
    """Its number; raises unless it is one, and has at least one loss to take the mean of."""
    if reduction not in REDUCTIONS:
        fail(name, "reduction='none', 'mean' or 'sum'", repr(reduction))
    if size == 0 and reduction == "mean":
        fail(
            name,
            "at least one sample",
            "an empty batch",
            "the mean of nothing is undefined; skip the batch, or use reduction='sum'.",
        )
    return REDUCTIONS.index(reduction)


def check_ignore_index(name: str, ignore_index: Any) -> int:
    """As an int; raises unless it is one of 64 bits."""
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int | np.integer):
        fail(name, "an integer ignore_index", repr(ignore_index), error=DTypeError)
    if not -(2**63) <= ignore_index < 2**63:
        fail(name, "an ignore_index of 64 bits", f"{ignore_index}")
    return int(ignore_index)


def check_target(name: str, input: Tensor, target: Tensor) -> None:
    """Raise unless input is (N, C, ...) and target (N, ...)."""
    shape = input.array.shape
    if len(shape) < 2 or shape[1] == 0:
        fail(name, "input of shape (N, C, ...) with C >= 1", f"{shape}", input=input)
    if target.array.shape != (shape[0], *shape[2:]):
        fail(
            name,
            f"a target of class numbers of shape {(shape[0], *shape[2:])}",
            f"shape {target.shape}",
            "input is (N, C, ...) with C classes, target (N, ...).",
            input=input,
            target=target,
        )


def check_labels(
    name: str, target: Tensor, classes: int, ignore_index: int, input: Tensor | None = None
) -> None:
    """Raise unless all of target are class numbers below `classes`, or ignore_index."""
    if seen_below(target, classes):
        return
    like = None if input is None else (input.shape, input.dtype)
    check = lambda labels: _check_classes(name, labels, classes, ignore_index, like)
    on_values(target, check, classes)


def _check_classes(
    name: str, labels: np.ndarray, classes: int, ignore_index: int, like: tuple[Shape, Any] | None
) -> None:
    if _core.all_below(labels, classes):
        return
    wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        input = {} if like is None else {"input": np.broadcast_to(np.zeros((), like[1]), like[0])}
        fail(
            name,
            f"class numbers from 0 to {classes - 1} (or ignore_index={ignore_index}) as target",
            f"{labels[place]} at {place}",
            "number the classes from 0, and give the network an output for each.",
            **input,
            target=labels,
        )


def _check_values(
    input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "none"
) -> None:
    check_labels("cross_entropy", target, input.array.shape[1], ignore_index, input)


def _check_values_again(
    dy: Tensor,
    input: Tensor,
    target: Tensor,
    peak: Tensor,
    total: Tensor,
    count: Tensor,
    ignore_index: int = -100,
    reduction: str = "none",
) -> None:
    check_labels("softmax_cross_entropy_backward", target, input.shape[1], ignore_index, input)


@op(
    "softmax_cross_entropy",
    attrs=CrossEntropyAttrs,
    outputs=("loss", "peak", "total", "count"),
    aux=("peak", "total", "count"),
    values=_check_values,
)
def softmax_cross_entropy(
    input: Tensor, target: IntTensor, ignore_index: int = -100, reduction: str = "none"
) -> Result:
    """Cross entropy of softmax(x) and class numbers; see cross_entropy.

    loss = log of the sum over c of exp(x[c]) - x[target] for each sample, 0 where target is
    ignore_index, or their sum, or that over the count of those not ignored. Also, for the
    gradient: peak = max over c of x[c], total = sum over c of exp(x[c] - peak), and the count.

    Shapes: input (N, C, ...), target (N, ...) -> (N, ...) or a scalar, twice (N, ...), a scalar.

    >>> import nnfast
    >>> nnfast.ops.softmax_cross_entropy(nnfast.zeros(2, 4), nnfast.tensor([1, -100]))[0]
    tensor([1.3862944, 0.       ])
    """
    name = "cross_entropy"
    ignore_index = check_ignore_index(name, ignore_index)
    check_target(name, input, target)
    attrs = CrossEntropyAttrs(ignore_index, check_reduction(name, reduction, target.array.size))
    dtype = input.array.dtype
    each = target.array.shape, dtype
    return outs(((), dtype) if attrs.reduction else each, each, each, ((), dtype), attrs=attrs)


softmax_cross_entropy.vjp(
    input=lambda dloss, input, target, peak, total, count, ignore_index, reduction: (
        softmax_cross_entropy_backward(
            dloss, input, target, peak, total, count, ignore_index, REDUCTIONS[reduction]
        )
    )
)


@op(
    "softmax_cross_entropy_backward",
    attrs=CrossEntropyAttrs,
    outputs=("dx",),
    values=_check_values_again,
)
def softmax_cross_entropy_backward(
    dy: Tensor,
    input: Tensor,
    target: IntTensor,
    peak: Tensor,
    total: Tensor,
    count: Tensor,
    ignore_index: int = -100,
    reduction: str = "none",
) -> Result:
    """dx[c] = dy (exp(x[c] - peak) / total - [c is target]), 0 where target is ignore_index.

    dy is one for each sample, or one for the sum, or one for the mean and then divided by count.
    peak, total and count are those of softmax_cross_entropy.
    """
    name = "softmax_cross_entropy_backward"
    ignore_index = check_ignore_index(name, ignore_index)
    check_target(name, input, target)
    attrs = CrossEntropyAttrs(ignore_index, check_reduction(name, reduction, target.array.size))
    shape = target.array.shape
    expected = (() if attrs.reduction else shape, shape, shape, ())
    given = (dy.array.shape, peak.array.shape, total.array.shape, count.array.shape)
    if given != expected:
        fail(name, f"dy, peak, total and count of shapes {expected}", f"{given}")
    return like(input, attrs)


def _each(dy: Tensor, target: Tensor, count: Tensor, attrs: CrossEntropyAttrs) -> Tensor:
    """dy of each sample: 0 of those ignored."""
    if REDUCTIONS[attrs.reduction] == "mean":
        dy = dy / count
    return where(target != attrs.ignore_index, dy, 0.0)


def _wrt_dy(
    ddx: Tensor,
    input: Tensor,
    target: Tensor,
    peak: Tensor,
    total: Tensor,
    count: Tensor,
    attrs: CrossEntropyAttrs,
) -> Tensor:
    one = wrap(np.ones(target.shape, input.dtype))
    unit = softmax_cross_entropy_backward(
        one, input, target, peak, total, count, attrs.ignore_index
    )
    ddy = sum(ddx * unit, 1)
    if attrs.reduction:
        ddy = sum(ddy)
    return ddy / count if REDUCTIONS[attrs.reduction] == "mean" else ddy


def _wrt_input(
    ddx: Tensor,
    dy: Tensor,
    input: Tensor,
    target: Tensor,
    count: Tensor,
    attrs: CrossEntropyAttrs,
) -> Tensor:
    """ddx through the second derivatives of the loss: peak and total move with x."""
    weight = unsqueeze(_each(dy, target, count, attrs), 1)
    return softmax_backward(ddx * weight, softmax(input, 1), 1)


softmax_cross_entropy_backward.vjp(dy=_wrt_dy, input=_wrt_input)
