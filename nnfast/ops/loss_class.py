"""Losses of class numbers and of probabilities of classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import cast, where
from nnfast.ops.loss import _check_no_nan, _reduce
from nnfast.ops.operands import IntTensor, as_tensor, integers
from nnfast.ops.record import Result, op, out, outs
from nnfast.ops.reduce import sum
from nnfast.ops.shape import expand, reshape
from nnfast.ops.softmax import (
    REDUCTIONS,
    CrossEntropyAttrs,
    check_ignore_index,
    check_labels,
    check_reduction,
    check_target,
    log_softmax,
    softmax_cross_entropy,
)
from nnfast.tensor import Tensor, float32, float64, int64


class SelectAttrs(NamedTuple):
    ignore_index: int


def _check_values(input: Tensor, target: Tensor, ignore_index: int = -100) -> None:
    check_labels("select_class", target, input.shape[1], ignore_index, input)


@op("select", attrs=SelectAttrs, values=_check_values)
def select_class(input: Tensor, target: IntTensor, ignore_index: int = -100) -> Result:
    """y[n, ...] = x[n, target[n, ...], ...], 0 where target is ignore_index.

    Shapes: input (N, C, ...), target (N, ...) of class numbers -> (N, ...).

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> nnfast.ops.select_class(x, nnfast.tensor([2, 0]))
    tensor([3., 4.])
    """
    check_target("select_class", input, target)
    attrs = SelectAttrs(check_ignore_index("select_class", ignore_index))
    return out(target.array.shape, input.array.dtype, attrs)


def _check_values_again(dy: Tensor, target: Tensor, classes: int, ignore_index: int = -100) -> None:
    check_labels("select_class_backward", target, classes, ignore_index)


@op("select_backward", attrs=SelectAttrs, outputs=("dx",), values=_check_values_again)
def select_class_backward(
    dy: Tensor, target: IntTensor, classes: int, ignore_index: int = -100
) -> Result:
    """dx (N, classes, ...) is dy at the target's class, 0 elsewhere and where it is ignored."""
    name = "select_class_backward"
    if dy.array.shape != target.array.shape or dy.array.ndim == 0:
        fail(name, "dy and target of one shape (N, ...)", f"{dy.shape} and {target.shape}")
    shape = (*dy.array.shape[:1], classes, *dy.array.shape[1:])
    return out(shape, dy.array.dtype, SelectAttrs(check_ignore_index(name, ignore_index)))


select_class.vjp(
    input=lambda dy, target, input_shape, ignore_index: select_class_backward(
        dy, target, input_shape[1], ignore_index
    )
)
select_class_backward.vjp(
    dy=lambda ddx, target, ignore_index: select_class(ddx, target, ignore_index)
)


def _check_nll(
    input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean"
) -> None:
    check_labels("nll_loss", target, input.shape[1], ignore_index, input)


@op("nll", attrs=CrossEntropyAttrs, outputs=("loss", "count"), aux=("count",), values=_check_nll)
def _nll(
    input: Tensor, target: IntTensor, ignore_index: int = -100, reduction: str = "mean"
) -> Result:
    """-x[n, target[n]], 0 where target is ignore_index, reduced; and how many are not ignored.

    >>> import nnfast
    >>> logp = nnfast.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    >>> nnfast.nn.functional.nll_loss(logp, nnfast.tensor([1, 0]), reduction="sum")
    tensor(5.)
    """
    name = "nll_loss"
    ignored = check_ignore_index(name, ignore_index)
    check_target(name, input, target)
    attrs = CrossEntropyAttrs(ignored, check_reduction(name, reduction, target.array.size))
    dtype = input.array.dtype
    return outs((() if attrs.reduction else target.array.shape, dtype), ((), dtype), attrs=attrs)


@op("nll_backward", attrs=CrossEntropyAttrs, outputs=("dx",))
def nll_backward(
    dy: Tensor,
    target: IntTensor,
    count: Tensor,
    classes: int,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Result:
    """dx (N, classes, ...) is -dy, or its share, at the target's class, 0 elsewhere."""
    shape = (*target.array.shape[:1], classes, *target.array.shape[1:])
    reduced = check_reduction("nll_backward", reduction, target.array.size)
    if dy.array.shape != (() if reduced else target.array.shape):
        fail("nll_backward", "a dy for each loss", f"shape {dy.shape}", dy=dy)
    return out(shape, dy.array.dtype, CrossEntropyAttrs(ignore_index, reduced))


_nll.vjp(
    input=lambda dloss, input_shape, target, count, ignore_index, reduction: nll_backward(
        dloss, target, count, input_shape[1], ignore_index, REDUCTIONS[reduction]
    )
)


def _nll_second(
    ddx: Tensor, target: Tensor, count: Tensor, ignore_index: int, reduction: int
) -> Tensor:
    kind = REDUCTIONS[reduction]
    total: Tensor = _nll(ddx, target, ignore_index, "sum" if kind == "mean" else kind)[0]
    return total / count if kind == "mean" else total


nll_backward.vjp(dy=_nll_second)


class _Classes(NamedTuple):
    """Checked arguments of a loss over classes, a single sample as a batch of one."""

    x: Tensor  # (N, C, ...)
    target: Tensor  # (N, ...) of class numbers, or probabilities of x's shape
    weight: Tensor | None  # (1, C, 1, ...)
    shape: tuple[int, ...]  # of the losses
    soft: bool  # target holds probabilities


def _classes(
    name: str,
    input: Any,
    target: Any,
    weight: Any,
    ignore_index: Any,
    reduction: str,
    probabilities: bool,
) -> _Classes:
    x, t = as_tensor(input, name), as_tensor(target, name)
    shown: dict[str, Any] = {"input": x, "target": t}
    if x.array.ndim == 0:
        fail(name, "input of shape (C,), (N, C) or (N, C, ...)", "a scalar", **shown)
    if x.dtype not in (float32, float64):
        fail(name, "float32 or float64 input", str(x.dtype), error=DTypeError, **shown)
    check_ignore_index(name, ignore_index)
    soft = t.array.dtype.kind == "f" and probabilities and t.shape == x.shape
    if t.array.dtype.kind not in "iu" and not soft:
        fail(
            name,
            "class numbers of an integer dtype as target"
            + (" or probabilities of input's shape" if probabilities else ""),
            f"{t.dtype} of shape {t.shape}",
            "convert class numbers with target.long().",
            DTypeError,
            **shown,
        )
    if x.array.ndim == 1:
        x = reshape(x, (1, -1))
        t = reshape(t, (1, *t.shape))
        shape: tuple[int, ...] = ()
    else:
        shape = (x.shape[0], *x.shape[2:])
    if x.shape[1] == 0:
        fail(name, "at least one class", "none", **shown)
    if not soft:
        t = t if t.dtype == int64 else integers(t, name, "target")
    elif t.dtype != x.dtype:
        fail(name, f"probabilities of input's dtype {x.dtype}", str(t.dtype), error=DTypeError)
    else:
        _check_no_nan(name, t)
    check_reduction(name, reduction, t.array.size)
    return _Classes(x, t, _class_weight(name, weight, x), shape, soft)


def _class_weight(name: str, weight: Any, x: Tensor) -> Tensor | None:
    if weight is None:
        return None
    w = as_tensor(weight, name)
    if w.shape != (x.shape[1],) or w.dtype != x.dtype:
        fail(
            name,
            f"a {x.dtype} weight for each of {x.shape[1]} classes, shape ({x.shape[1]},)",
            f"{w.dtype} of shape {w.shape}",
            input=x,
            weight=w,
        )
    return reshape(w, (1, -1, *[1] * (x.ndim - 2)))


def _counted(name: str, c: _Classes, ignore_index: int) -> tuple[Tensor, Tensor]:
    """The weight of each sample, 0 where it is ignored, and their sum; checks the labels."""
    check_target(name, c.x, c.target)
    check_labels(name, c.target, c.x.shape[1], ignore_index, c.x)
    if c.weight is None:
        w = cast(c.target != ignore_index, c.x.dtype)
    else:
        w = select_class(expand(c.weight, c.x.shape), c.target, ignore_index)
    return w, sum(w)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of softmax(input) and the target: class numbers, or probabilities of classes.

    Class numbers: loss[n] = -w[t] log softmax(x[n])[t], t = target[n], 0 where t is ignore_index;
    the mean divides by the sum of the w[t]. Probabilities: loss[n] = -sum over c of
    w[c] target[n, c] log softmax(x[n])[c]; the mean divides by the number of samples.
    label_smoothing e mixes the target with the uniform distribution: (1 - e) target + e / C.

    Shapes: input (N, C), (N, C, d1, ...) or (C,) of logits; target (N,), (N, d1, ...) or () of
    class numbers, or probabilities of input's shape; weight (C,). A scalar, or with
    reduction="none" one loss for each sample. float32, float64.

    Errors: class numbers out of range, a target of another shape or dtype, NaN in probabilities,
    the mean of an empty batch.

    Source: Goodfellow, Bengio and Courville, Deep learning, section 6.2, 2016; Szegedy et al.,
    Rethinking the inception architecture for computer vision, 2016 (label smoothing).

    >>> import nnfast
    >>> logits = nnfast.tensor([[2.0, 0.0], [0.0, 0.0]])
    >>> nnfast.nn.functional.cross_entropy(logits, nnfast.tensor([0, 1]), reduction="none")
    tensor([0.12692..., 0.69314...])
    """
    plain = weight is None and type(label_smoothing) is float and label_smoothing == 0
    if plain and _is_batch_of_labels(input, target):
        return softmax_cross_entropy(input, target, ignore_index, reduction)[0]
    name = "cross_entropy"
    smoothing = _fraction(name, "label_smoothing", label_smoothing)
    c = _classes(name, input, target, weight, ignore_index, reduction, probabilities=True)
    if c.soft:
        loss, count = _soft_loss(c, smoothing), None
    elif smoothing:
        loss, count = _smoothed_loss(name, c, ignore_index, smoothing)
    elif c.weight is not None:
        w, count = _counted(name, c, ignore_index)
        loss = softmax_cross_entropy(c.x, c.target, ignore_index)[0] * w
    else:
        y: Tensor = softmax_cross_entropy(c.x, c.target, ignore_index, reduction)[0]
        return reshape(y, ()) if c.shape == () else y
    return _reduce(reshape(loss, c.shape), reduction, count)


def _is_batch_of_labels(input: Any, target: Any) -> bool:
    """Whether `softmax_cross_entropy` takes them as they are: the case that should be fast."""
    return (
        isinstance(input, Tensor)
        and isinstance(target, Tensor)
        and input.ndim > 1
        and target.dtype is int64
        and input.dtype in (float32, float64)
        and input.array.size > 0
    )


def _soft_loss(c: _Classes, smoothing: float) -> Tensor:
    t = c.target
    if smoothing:
        t = t * (1 - smoothing) + smoothing / c.x.shape[1]
    if c.weight is not None:
        t = t * c.weight
    return -sum(log_softmax(c.x, 1) * t, 1)


def _smoothed_loss(
    name: str, c: _Classes, ignore_index: int, smoothing: float
) -> tuple[Tensor, Tensor]:
    w, count = _counted(name, c, ignore_index)
    logp = log_softmax(c.x, 1)
    hard = select_class(logp, c.target, ignore_index) * w
    uniform = sum(logp if c.weight is None else logp * c.weight, 1)
    uniform = where(c.target != ignore_index, uniform, 0.0)
    return -(hard * (1 - smoothing) + uniform * (smoothing / c.x.shape[1])), count


def _fraction(name: str, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        fail(name, f"a number as {what}", repr(value), error=DTypeError)
    if not 0 <= value <= 1:
        fail(name, f"{what} from 0 to 1", str(value))
    return float(value)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """loss[n] = -w[t] x[n, t], t = target[n]: negative log likelihood, x of log probabilities.

    0 where t is ignore_index; the mean divides by the sum of the w[t]. Shapes and errors: as
    cross_entropy with class numbers.

    >>> import nnfast
    >>> logp = nnfast.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    >>> nnfast.nn.functional.nll_loss(logp, nnfast.tensor([1, 0]))
    tensor(2.5)
    """
    if weight is None and _is_batch_of_labels(input, target):
        return _nll(input, target, ignore_index, reduction)[0]
    name = "nll_loss"
    c = _classes(name, input, target, weight, ignore_index, reduction, probabilities=False)
    if c.weight is None:
        y: Tensor = _nll(c.x, c.target, ignore_index, reduction)[0]
        return reshape(y, c.shape) if reduction == "none" and y.shape != c.shape else y
    w, count = _counted(name, c, ignore_index)
    loss = -select_class(c.x, c.target, ignore_index) * w
    return _reduce(reshape(loss, c.shape), reduction, count)
