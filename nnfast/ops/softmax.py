"""Softmax over one dimension, its logarithm, and the cross entropy of class numbers in one go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnfast.errors import fail
from nnfast.ops.elementwise import exp, where
from nnfast.ops.operands import IntTensor
from nnfast.ops.record import Result, check_dim, like, op, outs
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


@op("softmax", attrs=SoftmaxAttrs, methods=("softmax",))
def softmax(input: Tensor, dim: int) -> Result:
    """y_i = exp(x_i) / sum over j of exp(x_j), along a dimension; without overflow.

    Shapes: any, the same out. float32, float64. Errors: a dim that input does not have.

    Source: Bridle, Probabilistic interpretation of feedforward classification network outputs,
    1990.

    >>> import nnfast
    >>> nnfast.softmax(nnfast.tensor([[0.0, 0.0], [1000.0, 0.0]]), dim=1)
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    return _along("softmax", input, dim)


softmax.vjp(input=lambda dy, y, dim: softmax_backward(dy, y, dim))


@op("softmax_backward", attrs=SoftmaxAttrs, outputs=("dx",))
def softmax_backward(dy: Tensor, y: Tensor, dim: int) -> Result:
    """dx = y (dy - sum of dy y along dim)."""
    return _along("softmax_backward", y, dim, dy)


softmax_backward.vjp(
    dy=lambda ddx, y, dim: softmax_backward(ddx, y, dim),
    y=lambda ddx, dy, y, dim: ddx * (dy - sum(dy * y, dim, True)) - dy * sum(ddx * y, dim, True),
)


@op("log_softmax", attrs=SoftmaxAttrs, methods=("log_softmax",))
def log_softmax(input: Tensor, dim: int) -> Result:
    """y_i = x_i - log of the sum over j of exp(x_j), along a dimension; without overflow.

    Shapes: any, the same out. float32, float64. Errors: a dim that input does not have.

    >>> import nnfast
    >>> nnfast.log_softmax(nnfast.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    return _along("log_softmax", input, dim)


log_softmax.vjp(input=lambda dy, y, dim: log_softmax_backward(dy, y, dim))


@op("log_softmax_backward", attrs=SoftmaxAttrs, outputs=("dx",))
def log_softmax_backward(dy: Tensor, y: Tensor, dim: int) -> Result:
    """dx = dy - exp(y) times the sum of dy along dim."""
    return _along("log_softmax_backward", y, dim, dy)


log_softmax_backward.vjp(
    dy=lambda ddx, y, dim: ddx - sum(ddx * exp(y), dim, True),
    y=lambda ddx, dy, y, dim: -ddx * exp(y) * sum(dy, dim, True),
)


# ---- cross entropy --------------------------------------------------------------------------


class CrossEntropyAttrs(NamedTuple):
    ignore_index: int


def check_labels(name: str, input: Tensor, target: Tensor, ignore_index: int) -> None:
    """Raise unless input is (N, C, ...) and target (N, ...) of class numbers below C, or
    ignore_index.
    """
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
    labels = target.array
    if labels.size == 0 or labels.view(np.uint64).max() < shape[1]:  # a negative one is huge
        return
    wrong = ((labels < 0) | (labels >= shape[1])) & (labels != ignore_index)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        fail(
            name,
            f"class numbers from 0 to {shape[1] - 1} (or ignore_index={ignore_index}) as target",
            f"{labels[place]} at {place}",
            "number the classes from 0, and give the network an output for each.",
            input=input,
            target=target,
        )


@op(
    "softmax_cross_entropy",
    attrs=CrossEntropyAttrs,
    outputs=("loss", "peak", "total", "count"),
    aux=("peak", "total", "count"),
)
def softmax_cross_entropy(input: Tensor, target: IntTensor, ignore_index: int = -100) -> Result:
    """Cross entropy of softmax(x) and class numbers, one loss a sample; see cross_entropy.

    loss = log of the sum over c of exp(x[c]) - x[target], 0 where target is ignore_index. Also
    peak = max over c of x[c], total = sum over c of exp(x[c] - peak), for the gradient, and how
    many samples are not ignored.

    Shapes: input (N, C, ...), target (N, ...) -> three of (N, ...), and a scalar.

    >>> import nnfast
    >>> nnfast.ops.softmax_cross_entropy(nnfast.zeros(2, 4), nnfast.tensor([1, -100]))[0]
    tensor([1.3862944, 0.       ])
    """
    check_labels("cross_entropy", input, target, ignore_index)
    shape, dtype = target.array.shape, input.array.dtype
    attrs = CrossEntropyAttrs(int(ignore_index))
    return outs((shape, dtype), (shape, dtype), (shape, dtype), ((), dtype), attrs=attrs)


softmax_cross_entropy.vjp(
    input=lambda dloss, input, target, peak, total, ignore_index: softmax_cross_entropy_backward(
        dloss, input, target, peak, total, ignore_index
    )
)


@op("softmax_cross_entropy_backward", attrs=CrossEntropyAttrs, outputs=("dx",))
def softmax_cross_entropy_backward(
    dy: Tensor, input: Tensor, target: IntTensor, peak: Tensor, total: Tensor, ignore_index: int
) -> Result:
    """dx[c] = dy (exp(x[c] - peak) / total - [c is target]), 0 where target is ignore_index.

    peak and total are those of softmax_cross_entropy for x.
    """
    name = "softmax_cross_entropy_backward"
    check_labels(name, input, target, ignore_index)
    for x in (dy, peak, total):
        if x.array.shape != target.array.shape:
            fail(name, f"dy, peak and total of target's shape {target.shape}", f"{x.shape}")
    return like(input, CrossEntropyAttrs(int(ignore_index)))


def _per_unit(
    dy: Tensor, input: Tensor, target: Tensor, peak: Tensor, total: Tensor, ignore_index: int
) -> Tensor:
    """dx for dy = 1."""
    one = wrap(np.ones(dy.shape, dy.dtype))
    return softmax_cross_entropy_backward(one, input, target, peak, total, ignore_index)


def _curvature(ddx: Tensor, dy: Tensor, input: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """ddx through the second derivatives of the loss: peak and total move with x."""
    dy = unsqueeze(where(target != ignore_index, dy, 0.0), 1)
    return softmax_backward(ddx * dy, softmax(input, 1), 1)


softmax_cross_entropy_backward.vjp(
    dy=lambda ddx, dy, input, target, peak, total, ignore_index: sum(
        ddx * _per_unit(dy, input, target, peak, total, ignore_index), 1
    ),
    input=lambda ddx, dy, input, target, ignore_index: _curvature(
        ddx, dy, input, target, ignore_index
    ),
)
