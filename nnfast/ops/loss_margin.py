"""Losses with a margin: of scores, of pairs and of triplets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.trace import on_values
from nnfast.ops.activation import relu
from nnfast.ops.activation_smooth import _softplus, logsigmoid
from nnfast.ops.distance import pairwise_distance
from nnfast.ops.elementwise import cast, minimum, sqrt, where
from nnfast.ops.loss import _reduce, _same_shape, _weighted
from nnfast.ops.loss_class import _Classes, _classes, select_class
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import mean, sum
from nnfast.ops.shape import reshape, unsqueeze
from nnfast.ops.softmax import check_labels, check_reduction, check_target
from nnfast.tensor import Tensor, float32, float64, int64, wrap

# ---- scores of two classes ------------------------------------------------------------------


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """loss = log(1 + e^(-t x)), t = 1 or -1; without overflow.

    Shapes: two of one shape -> a scalar, or that shape with reduction="none". Errors: different
    shapes.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.0, -100.0]), nnfast.tensor([1.0, 1.0])
    >>> nnfast.nn.functional.soft_margin_loss(x, t, reduction="none")
    tensor([  0.6931472, 100.       ])
    """
    x, t = _same_shape("soft_margin_loss", input, target, reduction)
    return _reduce(_softplus(-t * x, 1.0, 40.0), reduction)


def hinge_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """loss = max(0, margin - t x), t = 1 or -1: the support vector machine of two classes.

    Shapes: two of one shape -> a scalar, or that shape with reduction="none". Errors: different
    shapes.

    Source: Cortes and Vapnik, Support-vector networks, 1995.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.25, 2.0]), nnfast.tensor([-1.0, 1.0])
    >>> nnfast.nn.functional.hinge_loss(x, t, reduction="none")
    tensor([1.25, 0.  ])
    """
    x, t = _same_shape("hinge_loss", input, target, reduction)
    return _reduce(relu(margin - t * x), reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """loss = x where t = 1, max(0, margin - x) where t = -1; x a distance.

    Shapes: two of one shape -> a scalar, or that shape with reduction="none". Errors: different
    shapes.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.25, 0.25]), nnfast.tensor([1.0, -1.0])
    >>> nnfast.nn.functional.hinge_embedding_loss(x, t, reduction="none")
    tensor([0.25, 0.75])
    """
    x, t = _same_shape("hinge_embedding_loss", input, target, reduction)
    unlike = where(t == 1, 0.0, relu(margin - x))
    return _reduce(unlike + where(t == -1, 0.0, x), reduction)


# ---- scores of many classes -----------------------------------------------------------------


def _violations(c: _Classes, name: str, margin: float) -> tuple[Tensor, Tensor]:
    """max(0, margin + x_j - x_y) of each class j other than the true one y, and where y is j."""
    check_target(name, c.x, c.target)
    check_labels(name, c.target, c.x.shape[1], -100, c.x)
    classes = wrap(np.arange(c.x.shape[1]))
    is_true = unsqueeze(c.target, 1) == reshape(classes, (1, -1, *[1] * (c.x.ndim - 2)))
    x_true = unsqueeze(select_class(c.x, c.target), 1)
    return where(is_true, 0.0, relu(margin + c.x - x_true)), is_true


def multiclass_svm_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """loss[n] = sum over j other than y of max(0, x[n, j] - x[n, y] + margin), y = target[n].

    Shapes: input (N, C), (N, C, d1, ...) or (C,) of scores; target (N,), (N, d1, ...) or () of
    class numbers -> a scalar, or one loss for each sample with reduction="none". Errors: class
    numbers out of range.

    Source: Weston and Watkins, Multi-class support vector machines, 1998.

    >>> import nnfast
    >>> x = nnfast.tensor([[3.2, 5.1, -1.7]])
    >>> nnfast.nn.functional.multiclass_svm_loss(x, nnfast.tensor([0]))
    tensor(2.8999...)
    """
    name = "multiclass_svm_loss"
    c = _classes(name, input, target, None, -100, reduction, probabilities=False)
    excess, _ = _violations(c, name, margin)
    return _reduce(reshape(sum(excess, 1), c.shape), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """loss[n] = w[y] / C sum over j other than y of max(0, margin - x[n, y] + x[n, j])^p.

    Shapes: input (N, C) or (C,) of scores, target (N,) or () of class numbers y, weight (C,) -> a
    scalar, or one loss for each sample with reduction="none". Errors: p other than 1 and 2, class
    numbers out of range.

    >>> import nnfast
    >>> x = nnfast.tensor([[0.0, 0.5, -2.0, 1.0]])
    >>> nnfast.nn.functional.multi_margin_loss(x, nnfast.tensor([3]))
    tensor(0.125)
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        fail(name, "p = 1 or 2", f"p={p!r}")
    c = _classes(name, input, target, weight, -100, reduction, probabilities=False)
    if c.x.ndim != 2:
        fail(name, "input of shape (N, C) or (C,)", f"{c.x.shape}", input=input)
    excess, is_true = _violations(c, name, margin)
    if p == 2:
        excess = excess * excess
    loss = sum(excess, 1) / c.x.shape[1]
    if c.weight is not None:
        loss = loss * sum(where(is_true, c.weight, 0.0), 1)
    return _reduce(reshape(loss, c.shape), reduction)


def _check_lists(values: np.ndarray, classes: int) -> None:
    if values.size and not (values.min() >= -1 and values.max() < classes):
        raise ArgumentError(
            "multilabel_margin_loss",
            f"expected class numbers from 0 to {classes - 1} and -1 behind them as target, got "
            f"values from {values.min()} to {values.max()}.",
        )


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """loss = 1 / C sum over true j and other i of max(0, 1 - x[j] + x[i]).

    Each row of the target lists the true classes, the first -1 ends the list. Shapes: two of one
    shape (N, C) or (C,), target of integers -> a scalar, or one loss for each sample with
    reduction="none". Errors: class numbers out of range. Memory: N C^2 numbers.

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.1, 0.2, 0.4, 0.8]), nnfast.tensor([3, 0, -1, 1])
    >>> nnfast.nn.functional.multilabel_margin_loss(x, t)
    tensor(0.85)
    """
    name = "multilabel_margin_loss"
    x, t = as_tensor(input, name), as_tensor(target, name)
    if x.ndim not in (1, 2) or x.shape != t.shape or x.shape[-1] == 0:
        fail(name, "two of one shape (N, C) or (C,)", f"{x.shape} and {t.shape}")
    if x.dtype not in (float32, float64) or t.dtype.kind not in "iu":
        got = f"{x.dtype} and {t.dtype}"
        fail(name, "float scores and integers as target", got, error=DTypeError)
    C = x.shape[-1]
    on_values(t, lambda values: _check_lists(values, C))
    rows, shape = reshape(x, (-1, C)), x.shape[:-1]
    check_reduction(name, reduction, rows.shape[0])
    listed = reshape(t if t.dtype == int64 else cast(t, int64), (-1, C))
    ended = matmul(cast(listed < 0, x.dtype), wrap(np.triu(np.ones((C, C), x.dtype))))
    listed = where(ended > 0, -1, listed)
    # one_hot[n, k, i]: the k-th true class of row n is i.
    one_hot = cast(unsqueeze(listed, 2) == wrap(np.arange(C)), x.dtype)
    x_true = sum(one_hot * unsqueeze(rows, 1), 2)
    is_true = sum(one_hot, 1) > 0
    excess = relu(1.0 - unsqueeze(x_true, 2) + unsqueeze(rows, 1))
    counts = cast(unsqueeze(listed, 2) >= 0, x.dtype) * cast(unsqueeze(is_true == 0, 1), x.dtype)
    return _reduce(reshape(sum(excess * counts, [1, 2]) / C, shape), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """loss = -1 / C sum over c of w (t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid.

    Shapes: two of one shape (..., C), weight broadcasts to it -> a scalar, or (...) with
    reduction="none". Errors: different shapes.

    >>> import nnfast
    >>> x, t = nnfast.zeros(1, 3), nnfast.tensor([[1.0, 0.0, 1.0]])
    >>> nnfast.nn.functional.multilabel_soft_margin_loss(x, t)
    tensor(0.6931...)
    """
    name = "multilabel_soft_margin_loss"
    x, t = _same_shape(name, input, target, reduction)
    if x.ndim == 0:
        fail(name, "input of shape (..., C)", "a scalar")
    loss = -(t * logsigmoid(x) + (1.0 - t) * logsigmoid(-x))
    if weight is not None:
        loss = loss * _weighted(name, loss, "a weight", weight)
    return _reduce(mean(loss, -1), reduction)


# ---- pairs ----------------------------------------------------------------------------------


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """loss = max(0, margin - t (x1 - x2)): t = 1 if x1 should be the larger, else -1.

    Shapes: three of as many dimensions, which broadcast -> a scalar, or their common shape with
    reduction="none". Errors: other shapes.

    >>> import nnfast
    >>> a, b, t = nnfast.tensor([1.0, 1.0]), nnfast.tensor([3.0, 3.0]), nnfast.tensor([1.0, -1.0])
    >>> nnfast.nn.functional.margin_ranking_loss(a, b, t, reduction="none")
    tensor([2., 0.])
    """
    name = "margin_ranking_loss"
    a, b, t = (as_tensor(x, name) for x in (input1, input2, target))
    if not a.ndim == b.ndim == t.ndim:
        got = f"{a.shape}, {b.shape} and {t.shape}"
        fail(name, "input1, input2 and target of as many dimensions", got)
    loss = relu(margin - t * (a - b))
    check_reduction(name, reduction, loss.numel())
    return _reduce(loss, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """loss = 1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1.

    Shapes: inputs (N, D) and target (N,), or (D,) and () -> a scalar, or target's shape with
    reduction="none". Errors: other shapes.

    >>> import nnfast
    >>> a, b = nnfast.tensor([[1.0, 0.0]]), nnfast.tensor([[0.0, 2.0]])
    >>> nnfast.nn.functional.cosine_embedding_loss(a, b, nnfast.tensor([1.0]))
    tensor(1.)
    """
    name = "cosine_embedding_loss"
    a, b, t = (as_tensor(x, name) for x in (input1, input2, target))
    if a.ndim not in (1, 2) or a.shape != b.shape or t.shape != a.shape[:-1]:
        got = f"{a.shape}, {b.shape} and {t.shape}"
        fail(name, "inputs (N, D) and a target (N,), or (D,) and ()", got)
    check_reduction(name, reduction, t.numel())
    tiny = 1e-12
    squares = (sum(a * a, -1) + tiny) * (sum(b * b, -1) + tiny)
    cos = sum(a * b, -1) / sqrt(squares)
    like = where(t == 1, 1.0 - cos, 0.0)
    return _reduce(like + where(t == -1, relu(cos - margin), 0.0), reduction)


# ---- triplets -------------------------------------------------------------------------------


def _triplet(
    name: str, inputs: Any, distance: Callable[..., Tensor], margin: float, swap: bool, how: str
) -> Tensor:
    a, p, n = (as_tensor(x, name) for x in inputs)
    if not a.ndim == p.ndim == n.ndim:
        got = f"{a.shape}, {p.shape} and {n.shape}"
        fail(name, "anchor, positive and negative of as many dimensions", got)
    if not margin > 0:
        fail(name, "margin > 0", f"margin={margin}")
    near, far = distance(a, p), distance(a, n)
    if swap:
        far = minimum(far, distance(p, n))
    loss = relu(near - far + margin)
    check_reduction(name, how, loss.numel())
    return _reduce(loss, how)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """loss = max(0, |a - p| - |a - n| + margin), with p-norms along the last dimension.

    eps is added to each difference, so that the gradient of the norm exists. swap: the smaller of
    |a - n| and |p - n| counts.

    Shapes: three of (N, D) or (D,) -> a scalar, or (N,) or () with reduction="none". Errors: other
    numbers of dimensions, margin <= 0.

    Source: Balntas et al., Learning shallow convolutional feature descriptors with triplet losses,
    2016.

    >>> import nnfast
    >>> a, p, n = nnfast.tensor([[0.0, 0.0]]), nnfast.tensor([[3.0, 4.0]]), nnfast.ones(1, 2)
    >>> nnfast.nn.functional.triplet_margin_loss(a, p, n, p=1.0)
    tensor(6.)
    """
    return _triplet(
        "triplet_margin_loss",
        (anchor, positive, negative),
        lambda a, b: pairwise_distance(a, b, p, eps),
        margin,
        swap,
        reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of one's own (the Euclidean one if None).

    Shapes: anchor, positive and negative (N, E) or (E,) -> a scalar, or that without E.

    >>> import nnfast
    >>> a, p, n = nnfast.zeros(1, 2), nnfast.ones(1, 2), nnfast.ones(1, 2)
    >>> def city(a, b): return (a - b).abs().sum(-1)
    >>> F = nnfast.nn.functional
    >>> F.triplet_margin_with_distance_loss(a, p, n, distance_function=city)
    tensor(1.)
    """
    return _triplet(
        "triplet_margin_with_distance_loss",
        (anchor, positive, negative),
        distance_function or pairwise_distance,
        margin,
        swap,
        reduction,
    )
