"""Losses of probabilities of two classes."""

from __future__ import annotations

import numpy as np

from nnfast.errors import fail
from nnfast.graph.trace import on_values
from nnfast.ops.activation import sigmoid
from nnfast.ops.elementwise import broadcast_shape, log, log1p, maximum, sum_to
from nnfast.ops.loss import _check_no_nan, _reduce, _same_shape, _weighted
from nnfast.ops.record import Result, op, out
from nnfast.tensor import Tensor, wrap


def _elementwise(name: str, *inputs: Tensor) -> Result:
    return out(broadcast_shape(name, *inputs), inputs[0].array.dtype)


@op("bce")
def bce(input: Tensor, target: Tensor) -> Result:
    """y = -(t log x + (1 - t) log(1 - x)), with logarithms of at least -100.

    Shapes: input and target (*) -> (*). float32, float64.

    >>> import nnfast
    >>> nnfast.ops.bce(nnfast.tensor([0.5, 0.0]), nnfast.tensor([0.0, 1.0]))
    tensor([  0.6931472, 100.       ])
    """
    return _elementwise("bce", input, target)


@op("bce_backward", outputs=("dx",))
def bce_backward(dy: Tensor, x: Tensor, t: Tensor) -> Result:
    """dx = dy (x - t) / max(x (1 - x), 1e-12)."""
    return _elementwise("bce_backward", dy, x, t)


def _spread(x: Tensor) -> Tensor:
    """x (1 - x), but at least 1e-12."""
    return maximum(x * (1.0 - x), 1e-12)


bce.vjp(
    input=lambda dy, input, target, input_shape: sum_to(
        bce_backward(dy, input, target), input_shape
    ),
    target=lambda dy, input, target_shape: sum_to(
        dy * (maximum(log1p(-input), -100.0) - maximum(log(input), -100.0)), target_shape
    ),
)
bce_backward.vjp(
    dy=lambda ddx, x, t, dy_shape: sum_to(bce_backward(ddx, x, t), dy_shape),
    x=lambda ddx, dy, x, t, x_shape: sum_to(
        ddx * dy * (x * x - x * t * 2.0 + t) / (_spread(x) * _spread(x)), x_shape
    ),
    t=lambda ddx, dy, x, t_shape: sum_to(-ddx * dy / _spread(x), t_shape),
)


@op("bce_with_logits")
def bce_with_logits(input: Tensor, target: Tensor) -> Result:
    """y = log(1 + e^x) - t x: bce of sigmoid(x), without overflow for any x.

    Shapes: input and target (*) -> (*). float32, float64.

    >>> import nnfast
    >>> nnfast.ops.bce_with_logits(nnfast.tensor([0.0, 1000.0]), nnfast.tensor([0.0, 0.0]))
    tensor([6.931472e-01, 1.000000e+03])
    """
    return _elementwise("bce_with_logits", input, target)


@op("bce_with_logits_backward", outputs=("dx",))
def bce_with_logits_backward(dy: Tensor, x: Tensor, t: Tensor) -> Result:
    """dx = dy (sigmoid(x) - t)."""
    return _elementwise("bce_with_logits_backward", dy, x, t)


def _slope(x: Tensor) -> Tensor:
    """The derivative of sigmoid."""
    s = sigmoid(x)
    return s * (1.0 - s)


bce_with_logits.vjp(
    input=lambda dy, input, target, input_shape: sum_to(
        bce_with_logits_backward(dy, input, target), input_shape
    ),
    target=lambda dy, input, target_shape: sum_to(-dy * input, target_shape),
)
bce_with_logits_backward.vjp(
    dy=lambda ddx, x, t, dy_shape: sum_to(bce_with_logits_backward(ddx, x, t), dy_shape),
    x=lambda ddx, dy, x, x_shape: sum_to(ddx * dy * _slope(x), x_shape),
    t=lambda ddx, dy, t_shape: sum_to(-ddx * dy, t_shape),
)


def _check_probabilities(name: str, values: np.ndarray) -> None:
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        fail(
            name,
            "probabilities from 0 to 1 as input",
            f"values from {values.min():g} to {values.max():g}",
            "apply sigmoid, or use binary_cross_entropy_with_logits.",
            input=values,
        )


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """loss = -w (t log x + (1 - t) log(1 - x)) of probabilities x and targets t from 0 to 1.

    Logarithms are at least -100, so that the loss is finite. The mean divides by the number of
    elements.

    Shapes: two of one shape, weight broadcasts to it -> a scalar, or that shape with
    reduction="none". Errors: different shapes, x outside of 0 to 1, NaN in the target.

    >>> import nnfast
    >>> p, t = nnfast.tensor([0.5, 0.25]), nnfast.tensor([1.0, 0.0])
    >>> nnfast.nn.functional.binary_cross_entropy(p, t, reduction="none")
    tensor([0.69314..., 0.28768...])
    """
    name = "binary_cross_entropy"
    x, t = _same_shape(name, input, target, reduction)
    on_values(x, lambda values: _check_probabilities(name, values))
    _check_no_nan(name, t)
    loss: Tensor = bce(x, t)
    if weight is not None:
        loss = loss * _weighted(name, loss, "a weight", weight)
    return _reduce(loss, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), without overflow for any input.

    loss = -w (p t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))), p = pos_weight. The mean
    divides by the number of elements.

    Shapes: two of one shape, weight and pos_weight broadcast to it -> a scalar, or that shape
    with reduction="none". Errors: different shapes, NaN in the target.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.0, 1000.0]), nnfast.tensor([1.0, 1.0])
    >>> nnfast.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    tensor([0.6931472, 0.       ])
    """
    name = "binary_cross_entropy_with_logits"
    x, t = _same_shape(name, input, target, reduction)
    _check_no_nan(name, t)
    if pos_weight is None:
        loss: Tensor = bce_with_logits(x, t)
    else:
        p = _weighted(name, x, "a pos_weight", pos_weight)
        softplus = bce_with_logits(x, wrap(np.ones((), x.dtype)))  # log(1 + e^-x)
        loss = (1.0 - t) * x + (1.0 + (p - 1.0) * t) * softplus
    if weight is not None:
        loss = loss * _weighted(name, loss, "a weight", weight)
    return _reduce(loss, reduction)
