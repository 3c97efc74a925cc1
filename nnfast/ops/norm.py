"""Normalization: of channels by the batch or by running statistics, and of rows by their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, StateError, fail
from nnfast.ops.composite import from_composite
from nnfast.ops.elementwise import sqrt
from nnfast.ops.operands import as_tensor
from nnfast.ops.record import Result, like, op, outs
from nnfast.ops.reduce import mean as mean_of
from nnfast.ops.reduce import sum
from nnfast.ops.update import add_, mul_
from nnfast.tensor import Tensor


class BatchNormAttrs(NamedTuple):
    """relu: of the results, or what their gradient has passed; see graph/norms.py."""

    eps: float
    relu: int = 0


class RunningStatsAttrs(NamedTuple):
    momentum: float
    unbias: float


def _check(where: str, input: Tensor, **parameters: Tensor | None) -> int:
    """C, after checks that input is (N, C, ...) and each parameter (C,)."""
    if input.array.ndim < 2:
        fail(where, "input of shape (N, C) or (N, C, ...)", f"shape {input.shape}", input=input)
    C: int = input.array.shape[1]
    for name, p in parameters.items():
        if p is not None and p.array.shape != (C,):
            fail(
                where,
                f"{name} of shape ({C},), input's channels",
                f"shape {p.shape}",
                "num_features of the layer must be the channels C of (N, C, ...).",
                input=input,
                **{name: p},
            )
    return C


def _eps(where: str, eps: Any) -> BatchNormAttrs:
    return BatchNormAttrs(_number(where, "eps", eps, least=0.0))


def _number(where: str, name: str, value: Any, least: float = -math.inf) -> float:
    """`value` as a finite float of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        fail(where, f"a number as {name}", repr(value), error=DTypeError)
    if not (math.isfinite(value) and value >= least):
        bound = f" >= {least:g}" if least > -math.inf else ""
        fail(where, f"a finite {name}{bound}", f"{value}")
    return float(value)


def _columns(p: Tensor, x: Tensor) -> Tensor:
    """A value per channel in the shape in which it broadcasts with x."""
    return p.reshape((-1, *[1] * (x.ndim - 2)))


def _sum_channels(x: Tensor) -> Tensor:
    return sum(x, (0, *range(2, x.ndim)))


# ---- training -------------------------------------------------------------------------------


@op(
    "batch_norm_train",
    attrs=BatchNormAttrs,
    outputs=("y", "mean", "var", "rstd"),
    aux=("mean", "var", "rstd"),
)
def batch_norm_train(
    input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Result:
    """Batch normalization by the statistics of the batch; see batch_norm.

    mean[c] and var[c] are taken over all elements of channel c, var without Bessel's correction
    and in a second pass, rstd = 1 / sqrt(var + eps), y = (x - mean) rstd w + b.

    Shapes: input (N, C, ...), weight and bias (C,) -> as input, and three of (C,).

    >>> import nnfast
    >>> nnfast.ops.batch_norm_train(nnfast.tensor([[1.0], [3.0]]), eps=0.0)[0]
    tensor([[-1.],
            [ 1.]])
    """
    where = "batch_norm"
    C = _check(where, input, weight=weight, bias=bias)
    if math.prod((input.shape[0], *input.shape[2:])) < 2:
        fail(
            where,
            "more than 1 value per channel in training",
            f"shape {input.shape}",
            "use a larger batch, or switch to evaluation with model.eval().",
            input=input,
        )
    spec = ((C,), input.dtype)
    return outs((input.shape, input.dtype), spec, spec, spec, attrs=_eps(where, eps))


batch_norm_train.vjp_joint(
    lambda dy, input, weight, mean, rstd, eps: batch_norm_train_backward(
        dy, input, mean, rstd, weight, eps
    )
)


@op("batch_norm_train_backward", attrs=BatchNormAttrs, outputs=("dx", "dw", "db"))
def batch_norm_train_backward(
    dy: Tensor,
    input: Tensor,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None = None,
    eps: float = 1e-5,
) -> Result:
    """Gradients of batch_norm_train with respect to input, weight and bias.

    Over each channel of n elements: db = sum dy, dw = rstd sum dy (x - mean),
    dx = w rstd (dy - db / n - (x - mean) rstd dw / n). mean and rstd are those of x.
    """
    where = "batch_norm_train_backward"
    C = _check(where, input, weight=weight, mean=mean, rstd=rstd)
    if dy.shape != input.shape:
        fail(where, f"dy of input's shape {input.shape}", f"shape {dy.shape}")
    spec = ((C,), input.dtype)
    return outs((input.shape, input.dtype), spec, spec, attrs=_eps(where, eps))


def _backward_composed(
    dy: Tensor, input: Tensor, weight: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """batch_norm_train_backward, mean and rstd as functions of the input."""
    dims = (0, *range(2, input.ndim))
    centered = input - mean_of(input, dims, True)
    r = 1.0 / sqrt(mean_of(centered * centered, dims, True) + eps)
    normal = centered * r
    dw, db = _sum_channels(dy * normal), _sum_channels(dy)
    inner = dy - mean_of(dy, dims, True) - normal * mean_of(dy * normal, dims, True)
    dx = inner * r
    return (dx if weight is None else dx * _columns(weight, input)), dw, db


from_composite(batch_norm_train_backward, _backward_composed)


@op("batch_norm_update", attrs=RunningStatsAttrs, mutates=("running_mean", "running_var"))
def batch_norm_update(
    running_mean: Tensor,
    running_var: Tensor,
    mean: Tensor,
    var: Tensor,
    momentum: float,
    unbias: float,
) -> Result:
    """The running statistics moved towards those of a batch, in place.

    running_mean = (1 - momentum) running_mean + momentum mean, and running_var likewise towards
    var unbias. Shapes: all the same. No gradient.
    """
    where = "batch_norm_update"
    for x in (running_var, mean, var):
        if x.shape != running_mean.shape:
            fail(where, f"statistics of one shape {running_mean.shape}", f"shape {x.shape}")
    _check_running(where, running_mean, running_mean=running_mean, running_var=running_var)
    return Result((), RunningStatsAttrs(_number(where, "momentum", momentum), unbias))


def _check_running(where: str, input: Tensor, **stats: Tensor) -> None:
    """Raise unless the running statistics have input's dtype and can be changed in place."""
    for name, x in stats.items():
        if x.dtype != input.dtype:
            fail(where, f"{name} of input's dtype {input.dtype}", str(x.dtype), error=DTypeError)
        if not x.array.flags.carray:
            fail(
                where,
                f"a contiguous, writable array as {name}",
                f"strides {x.array.strides}, writable: {x.array.flags.writeable}",
                "replace it by a copy: x.data = x.data.clone().",
                **{name: x},
            )


# ---- evaluation -----------------------------------------------------------------------------


@op("batch_norm_eval", attrs=BatchNormAttrs)
def batch_norm_eval(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Result:
    """Batch normalization by given statistics: y = (x - mean) w / sqrt(var + eps) + b.

    Shapes: input (N, C, ...), all others (C,) -> as input.

    >>> import nnfast
    >>> x, one = nnfast.tensor([[1.0], [3.0]]), nnfast.ones(1)
    >>> nnfast.ops.batch_norm_eval(x, one, one, eps=0.0)
    tensor([[0.],
            [2.]])
    """
    where = "batch_norm"
    _check(where, input, running_mean=mean, running_var=var, weight=weight, bias=bias)
    return like(input, _eps(where, eps))


def _eval_scale(var: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    return 1.0 / sqrt(var + eps) if weight is None else weight / sqrt(var + eps)


def _eval_dw(dy: Tensor, input: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """Of a weight: what dy and the normalized input have in common."""
    return _sum_channels(dy * batch_norm_eval(input, mean, var, None, None, eps))


batch_norm_eval.vjp(
    input=lambda dy, input, var, weight, eps: dy * _columns(_eval_scale(var, weight, eps), input),
    mean=lambda dy, var, weight, eps: -_sum_channels(dy) * _eval_scale(var, weight, eps),
    var=lambda dy, input, mean, var, weight, eps: (
        _eval_dw(dy, input, mean, var, eps)
        * (-0.5 if weight is None else weight * -0.5)
        / (var + eps)
    ),
    weight=_eval_dw,
    bias=lambda dy: _sum_channels(dy),
)


# ---- both -----------------------------------------------------------------------------------


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel shifted and scaled to mean 0 and variance 1, then by weight and bias.

    y = (x - mean) / sqrt(var + eps) * weight + bias. In training mean and var are those of the
    channel over the batch, and the running statistics, if given, move towards them in place:
    running = (1 - momentum) running + momentum new, with the unbiased variance. Otherwise mean
    and var are the running ones. A momentum that changes from batch to batch is a tensor.

    Shapes: input (N, C) or (N, C, ...), all others (C,) -> as input. float32, float64.

    Errors: parameters of another size, one value per channel in training, no running statistics
    in evaluation.

    Source: Ioffe and Szegedy, Batch normalization: accelerating deep network training by
    reducing internal covariate shift, 2015.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> nnfast.nn.functional.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    where = "batch_norm"
    if (running_mean is None) != (running_var is None):
        fail(where, "running_mean and running_var, or neither", "one of them")
    if not training:
        if running_mean is None:
            raise StateError(
                where,
                "expected running statistics in evaluation, got none.",
                "pass running_mean and running_var, or training=True.",
            )
        return batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    if running_mean is None or running_var is None:
        y: Tensor = batch_norm_train(input, weight, bias, eps)[0]
        return y
    step = momentum if isinstance(momentum, Tensor) else _number(where, "momentum", momentum)
    x, running_mean, running_var = (as_tensor(t, where) for t in (input, running_mean, running_var))
    _check(where, x, running_mean=running_mean, running_var=running_var)
    _check_running(where, x, running_mean=running_mean, running_var=running_var)
    y, mean, var, _ = batch_norm_train(x, weight, bias, eps)
    n = y.array.size // max(y.shape[1], 1)
    unbias = n / max(n - 1, 1)
    if isinstance(step, Tensor):
        _move(running_mean, mean.detach(), step)
        _move(running_var, var.detach() * unbias, step)
    else:
        batch_norm_update(running_mean, running_var, mean, var, step, unbias)
    return y


def _move(running: Tensor, new: Tensor, momentum: Tensor) -> None:
    mul_(running, 1.0 - momentum)
    add_(running, new * momentum)


# ---- of rows --------------------------------------------------------------------------------


class LayerNormAttrs(NamedTuple):
    eps: float
    dims: int  # how many, the last ones, are normalized together


def _check_rows(where: str, input: Tensor, dims: int, **parameters: Tensor | None) -> None:
    """Raise unless rows have elements and each parameter has their shape."""
    if not 0 < dims <= input.ndim or 0 in input.shape[input.ndim - dims :]:
        fail(
            where,
            "an input that ends in normalized_shape, of at least one element",
            f"shape {input.shape} and {dims} dimensions",
            input=input,
        )
    row = input.shape[input.ndim - dims :]
    for name, p in parameters.items():
        if p is not None and p.shape != row:
            fail(where, f"{name} of shape {row}", f"shape {p.shape}", input=input, **{name: p})


@op(
    "layer_norm",
    attrs=LayerNormAttrs,
    outputs=("y", "mean", "rstd"),
    aux=("mean", "rstd"),
)
def _layer_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    dims: int = 1,
) -> Result:
    """Layer normalization over the last `dims` dimensions; also mean and rstd of each row."""
    where = "layer_norm"
    _check_rows(where, input, dims, weight=weight, bias=bias)
    rows = (input.shape[: input.ndim - dims], input.dtype)
    attrs = LayerNormAttrs(_number(where, "eps", eps, least=0.0), dims)
    return outs((input.shape, input.dtype), rows, rows, attrs=attrs)


_layer_norm.vjp_joint(
    lambda dy, input, weight, mean, rstd, eps, dims: layer_norm_backward(
        dy, input, mean, rstd, weight, eps, dims
    )
)


@op("layer_norm_backward", attrs=LayerNormAttrs, outputs=("dx", "dw", "db"))
def layer_norm_backward(
    dy: Tensor,
    input: Tensor,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None = None,
    eps: float = 1e-5,
    dims: int = 1,
) -> Result:
    """Gradients of layer_norm with respect to input, weight and bias.

    Over each row of n elements, g = dy w and z = (x - mean) rstd:
    dx = rstd (g - sum of g / n - z sum of g z / n). Over all rows: dw = sum of dy z,
    db = sum of dy. mean and rstd are those of x.
    """
    where = "layer_norm_backward"
    _check_rows(where, input, dims, weight=weight)
    rows = input.shape[: input.ndim - dims]
    if dy.shape != input.shape or mean.shape != rows or rstd.shape != rows:
        got = f"{dy.shape}, {mean.shape} and {rstd.shape}"
        fail(where, f"dy, mean and rstd of shapes {input.shape}, {rows} and {rows}", got)
    row = (input.shape[input.ndim - dims :], input.dtype)
    attrs = LayerNormAttrs(_number(where, "eps", eps, least=0.0), dims)
    return outs((input.shape, input.dtype), row, row, attrs=attrs)


def _rows_composed(
    dy: Tensor, input: Tensor, weight: Tensor | None, eps: float, dims: int
) -> tuple[Tensor, Tensor, Tensor]:
    """layer_norm_backward, mean and rstd as functions of the input."""
    first = input.ndim - dims
    row = tuple(range(first, input.ndim))
    centered = input - mean_of(input, row, True)
    r = 1.0 / sqrt(mean_of(centered * centered, row, True) + eps)
    normal = centered * r
    g = dy if weight is None else dy * weight
    inner = g - mean_of(g, row, True) - normal * mean_of(g * normal, row, True)
    dw = dy * normal
    over = tuple(range(first))
    return inner * r, sum(dw, over) if over else dw, sum(dy, over) if over else dy * 1.0


from_composite(layer_norm_backward, _rows_composed)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each row shifted and scaled to mean 0 and variance 1, then by weight and bias.

    A row are the elements of the last dimensions, whose sizes are normalized_shape.
    y = (x - mean) / sqrt(var + eps) * weight + bias, var without Bessel's correction.

    Shapes: input (*, normalized_shape), weight and bias normalized_shape -> as input. float32,
    float64. Errors: another shape.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 3.0], [10.0, 30.0]])
    >>> nnfast.nn.functional.layer_norm(x, 2, eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    where = "layer_norm"
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    x = as_tensor(input, where)
    if not shape or x.shape[-len(shape) :] != shape:
        got = f"shape {x.shape} and normalized_shape={shape}"
        fail(where, "an input whose last sizes are normalized_shape", got, input=x)
    y: Tensor = _layer_norm(x, weight, bias, eps, len(shape))[0]
    return y
