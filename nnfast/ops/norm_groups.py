"""Normalization of each example by itself: groups of channels, channels, neighbours, rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import StateError, fail
from nnfast.graph.mode import no_grad
from nnfast.ops.clip import clip
from nnfast.ops.composite import from_composite
from nnfast.ops.elementwise import abs, cast, ne, pow, sqrt, where
from nnfast.ops.norm import (
    _check,
    _check_running,
    _columns,
    _layer_norm,
    _number,
    _sum_channels,
    batch_norm_eval,
    batch_norm_update,
)
from nnfast.ops.operands import as_tensor
from nnfast.ops.pad import pad
from nnfast.ops.pool import avg_pool2d
from nnfast.ops.record import Result, Spec, op, outs
from nnfast.ops.reduce import Dims, amax, amin, mean, sum, sum_squares, var
from nnfast.ops.shape import reshape
from nnfast.ops.window import is_integer
from nnfast.tensor import Tensor

_FEW = 64  # elements of a channel


class GroupNormAttrs(NamedTuple):
    eps: float
    groups: int


def _check_groups(
    where: str, input: Tensor, groups: Any, weight: Tensor | None, bias: Tensor | None = None
) -> Spec:
    """The shape and dtype of a value for each group; raises where they do not fit."""
    C = _check(where, input, weight=weight, bias=bias)
    if not is_integer(groups) or groups < 1 or C % groups:
        fail(where, f"num_groups that divides C={C}", f"{groups}", input=input)
    return (input.shape[0], int(groups)), input.dtype


@op("group_norm", attrs=GroupNormAttrs, outputs=("y", "mean", "rstd"), aux=("mean", "rstd"))
def _group_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    eps: float = 1e-5,
) -> Result:
    """Group normalization; also mean and rstd of each group, (N, groups)."""
    where = "group_norm"
    stats = _check_groups(where, input, groups, weight, bias)
    attrs = GroupNormAttrs(_number(where, "eps", eps, least=0.0), int(groups))
    return outs((input.shape, input.dtype), stats, stats, attrs=attrs)


_group_norm.vjp_joint(
    lambda dy, input, weight, mean, rstd, groups, eps: group_norm_backward(
        dy, input, mean, rstd, weight, groups, eps
    )
)


@op("group_norm_backward", attrs=GroupNormAttrs, outputs=("dx", "dw", "db"))
def group_norm_backward(
    dy: Tensor,
    input: Tensor,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None = None,
    groups: int = 1,
    eps: float = 1e-5,
) -> Result:
    """Gradients of group_norm with respect to input, weight and bias.

    Over each group of n elements, g = dy w and z = (x - mean) rstd:
    dx = rstd (g - sum of g / n - z sum of g z / n). Of each channel: dw = sum of dy z,
    db = sum of dy. mean and rstd are those of x.
    """
    where = "group_norm_backward"
    stats = _check_groups(where, input, groups, weight)
    if dy.shape != input.shape or mean.shape != stats[0] or rstd.shape != stats[0]:
        got = f"{dy.shape}, {mean.shape} and {rstd.shape}"
        fail(where, f"dy as input, mean and rstd of shape {stats[0]}", got, input=input)
    attrs = GroupNormAttrs(_number(where, "eps", eps, least=0.0), int(groups))
    channel = (input.shape[1:2], input.dtype)
    return outs((input.shape, input.dtype), channel, channel, attrs=attrs)


def _groups_composed(
    dy: Tensor, input: Tensor, weight: Tensor | None, eps: float, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    """group_norm_backward, mean and rstd as functions of the input."""
    rows = (input.shape[0], groups, input.shape[1] // groups * prod(input.shape[2:]))
    x = reshape(input, rows)
    centered = x - mean(x, 2, True)
    r = 1.0 / sqrt(mean(centered * centered, 2, True) + eps)
    normal = centered * r
    g = reshape(dy if weight is None else dy * _columns(weight, dy), rows)
    inner = g - mean(g, 2, True) - normal * mean(g * normal, 2, True)
    dw, db = _sum_channels(dy * reshape(normal, input.shape)), _sum_channels(dy)
    return reshape(inner * r, input.shape), dw, db


from_composite(group_norm_backward, _groups_composed)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Groups of channels of each example shifted and scaled to mean 0 and variance 1.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of each group of
    C / num_groups channels of one example, var without Bessel's correction.

    Shapes: input (N, C, *), weight and bias (C,) -> as input. float32, float64.
    Errors: num_groups that does not divide C, one value per group, parameters of another size.

    Source: Wu and He, Group normalization, ECCV 2018.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 3.0, 10.0, 30.0]])
    >>> nnfast.nn.functional.group_norm(x, 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    where = "group_norm"
    x = as_tensor(input, where)
    if x.array.size == 1 or (x.ndim > 1 and x.array.size == num_groups):
        fail(where, "more than 1 value per group", f"shape {x.shape}", input=x)
    if x.ndim > 1 and prod(x.shape[2:]) < _FEW and 0 not in x.shape:
        _check_groups(where, x, num_groups, weight, bias)
        return _by_rows(x, num_groups, weight, bias, eps)
    y: Tensor = _group_norm(x, weight, bias, num_groups, eps)[0]
    return y


def _by_rows(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """The same where channels have so few elements that a call of a kernel for each is dear."""
    rows = reshape(x, (x.shape[0], groups, x.shape[1] // groups * prod(x.shape[2:])))
    y = reshape(_layer_norm(rows, None, None, eps, 1)[0], x.shape)
    y = y if weight is None else y * _columns(weight, x)
    return y if bias is None else y + _columns(bias, x)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each example shifted and scaled to mean 0 and variance 1.

    With `use_input_stats` mean and var are those of the channel in its example, and the running
    statistics, if given, move towards their means over the examples (var then with Bessel's
    correction) as those of batch_norm do. Otherwise mean and var are the running ones.

    Shapes: input (N, C, *) with at least one dimension of space, all others (C,) -> as input.
    Errors: one value per channel, no running statistics where they are wanted.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 3.0], [10.0, 30.0]]])
    >>> nnfast.nn.functional.instance_norm(x, eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    name = "instance_norm"
    x = as_tensor(input, name)
    if x.ndim < 3:
        fail(name, "input of shape (N, C, L) or (N, C, ...)", f"shape {x.shape}", input=x)
    if (running_mean is None) != (running_var is None):
        fail(name, "running_mean and running_var, or neither", "one of them")
    if not use_input_stats:
        if running_mean is None:
            what = "expected running statistics with use_input_stats=False, got none."
            raise StateError(name, what)
        y: Tensor = batch_norm_eval(x, running_mean, running_var, weight, bias, eps)
        return y
    if prod(x.shape[2:]) < 2:
        fail(name, "more than 1 value per channel", f"shape {x.shape}", input=x)
    if running_mean is not None and running_var is not None:
        _track(name, x, as_tensor(running_mean, name), as_tensor(running_var, name), momentum)
    return group_norm(x, max(x.shape[1], 1), weight, bias, eps)


@no_grad()
def _track(
    where: str, x: Tensor, running_mean: Tensor, running_var: Tensor, momentum: float
) -> None:
    _check_running(where, x, running_mean=running_mean, running_var=running_var)
    space = tuple(range(2, x.ndim))
    means, variances = mean(mean(x, space), 0), mean(var(x, space), 0)
    batch_norm_update(running_mean, running_var, means, variances, momentum, 1.0)


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Each row divided by the root of its mean square: y = x / sqrt(mean of x^2 + eps) * weight.

    A row are the elements of the last dimensions, whose sizes are normalized_shape. eps: that of
    the dtype if None.

    Shapes: input (*, normalized_shape), weight normalized_shape -> as input. float32, float64.

    Source: Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.

    >>> import nnfast
    >>> nnfast.nn.functional.rms_norm(nnfast.tensor([[1.0, 7.0]]), 2, eps=0.0)
    tensor([[0.2, 1.4]])
    """
    name = "rms_norm"
    x = as_tensor(input, name)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        got = f"shape {x.shape} and normalized_shape={shape}"
        fail(name, "an input whose last sizes are normalized_shape", got, input=x)
    if weight is not None and weight.shape != shape:
        fail(name, f"weight of shape {shape}", f"shape {weight.shape}", input=x, weight=weight)
    least = float(np.finfo(x.dtype).eps) if eps is None else _number(name, "eps", eps, 0.0)
    rows = tuple(range(x.ndim - len(shape), x.ndim))
    y = x * (1.0 / sqrt(mean(x * x, rows, True) + least))
    return y if weight is None else y * weight


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Each element damped by those at its place in the `size` channels around its own.

    y = x / (k + alpha / size * sum of x^2 over channels c - size // 2 to c + (size - 1) // 2)^beta.

    Shapes: (N, C, *) with at least one dimension of space, the same out. float32, float64.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional
    neural networks, NeurIPS 2012.

    >>> import nnfast
    >>> x = nnfast.tensor([[[3.0], [0.0]]])
    >>> nnfast.nn.functional.local_response_norm(x, 1, alpha=1.0, beta=1.0)
    tensor([[[0.3],
             [0. ]]])
    """
    name = "local_response_norm"
    x = as_tensor(input, name)
    if x.ndim < 3:
        fail(name, "input of shape (N, C, ...) with at least 3 dimensions", f"{x.ndim}", input=x)
    if not is_integer(size) or size < 1:
        fail(name, "a size of at least 1", repr(size))
    if 0 in x.shape:
        return x
    squares = reshape(x * x, (x.shape[0], x.shape[1], prod(x.shape[2:])))
    squares = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = reshape(avg_pool2d(squares, (size, 1), 1), x.shape)
    return x / pow(means * alpha + k, beta)


# ---- vectors --------------------------------------------------------------------------------


def vector_norm(x: Tensor, p: float, dim: Dims) -> Tensor:
    """(sum of |x|^p over dim)^(1/p), dimensions kept as 1; gradient 0 where it is 0.

    inf: the largest |x|; -inf: the smallest; 0: how many are not 0.
    """
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(x), dim, True)
    if p == 0:
        return sum(cast(ne(x, 0.0), x.dtype), dim, True)
    if p == 1:
        return sum(abs(x), dim, True)
    total = sum_squares(x, dim, True) if p == 2 else sum(pow(abs(x), p), dim, True)
    flat = total == 0  # the slope of a root at 0 is infinite
    root = where(flat, 1.0, total)
    return where(flat, 0.0, sqrt(root) if p == 2 else pow(root, 1.0 / p))


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Vectors along `dim` scaled to norm 1: y = x / max(||x||_p, eps).

    Shapes: any, the same out. `dim` may be several. float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.normalize(nnfast.tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    x = as_tensor(input, "normalize")
    return x / clip(vector_norm(x, p, dim), eps)
