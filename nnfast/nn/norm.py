"""Normalization of channels and of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast import ops
from nnfast.errors import fail
from nnfast.graph.mode import only_eagerly
from nnfast.nn.checks import number, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.update import add_
from nnfast.tensor import Tensor, float32, int64, wrap

_ONE = wrap(np.ones((), int64))


class Tracked(Module):
    """A normalization of channels that may keep running statistics."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _ndims: tuple[int, ...]
    _shapes: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.num_features = whole(where, "num_features", num_features)
        number(where, "eps", eps, 0, math.inf)
        if momentum is not None:
            number(where, "momentum", momentum, 0, 1)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in {"weight": affine, "bias": affine and bias}.items():
            self.register_parameter(name, empty_parameter(self.num_features) if wanted else None)
        for name in ("running_mean", "running_var"):
            stats = Tensor(np.empty(self.num_features, float32)) if track_running_stats else None
            self.register_buffer(name, stats)
        count = Tensor(np.zeros((), int64)) if track_running_stats else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        values = ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0))
        for stats, value in values:
            fill(stats, value)

    def reset_parameters(self) -> None:
        """Running statistics as at the start, weight 1, bias 0."""
        self.reset_running_stats()
        fill(self.weight, 1)
        fill(self.bias, 0)

    def _check(self, input: Tensor) -> None:
        if np.ndim(input) not in self._ndims:
            got = f"{np.ndim(input)} dimensions"
            fail(type(self).__name__, f"an input of shape {self._shapes}", got, input=input)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(Tracked):
    """What BatchNorm1d, 2d and 3d share; they differ in the input's dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        seen = self.num_batches_tracked if self.training else None
        momentum: Any = self.momentum
        if momentum is None:  # the mean over all batches
            momentum = 0.0 if seen is None else 1.0 / (seen + 1).to(input.dtype)
        y: Tensor = ops.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=momentum,
            eps=self.eps,
        )
        if seen is not None:
            add_(seen, _ONE)
        return y


def fill(t: Tensor | None, value: int) -> None:
    """All elements become `value`."""
    only_eagerly("reset_parameters")
    if t is not None:
        t.array[...] = value
        t._version += 1


class BatchNorm1d(_BatchNorm):
    """Each feature normalized over the batch, then scaled and shifted; see BatchNorm2d.

    Shapes: (N, C) or (N, C, L), the same out.

    Ranges: eps >= 0; momentum from 0 to 1, or None.

    >>> import nnfast
    >>> nnfast.nn.BatchNorm1d(1, eps=0.0)(nnfast.tensor([[1.0], [3.0]]))
    tensor([[-1.],
            [ 1.]], node=batch_norm_train)
    """

    _ndims, _shapes = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel normalized over batch and image, then scaled and shifted.

    y = (x - mean) / sqrt(var + eps) * weight + bias. Training uses the batch's mean and variance
    and moves the running ones by `momentum` (None: their mean over all batches); evaluation uses
    the running ones.

    Shapes: (N, C, H, W), the same out.

    Ranges: eps >= 0; momentum from 0 to 1, or None.

    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> import nnfast
    >>> nnfast.nn.BatchNorm2d(3)(nnfast.ones(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    _ndims, _shapes = (4,), "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Each channel normalized over batch and volume; see BatchNorm2d. Shapes: (N, C, D, H, W).

    Ranges: eps >= 0; momentum from 0 to 1, or None.

    >>> import nnfast
    >>> nnfast.nn.BatchNorm3d(2)(nnfast.rand(2, 2, 3, 3, 3)).shape
    (2, 2, 3, 3, 3)
    """

    _ndims, _shapes = (5,), "(N, C, D, H, W)"


class LayerNorm(Module):
    """Each row normalized by itself, then scaled and shifted.

    A row are the elements of the last dimensions, whose sizes are normalized_shape.
    y = (x - mean) / sqrt(var + eps) * weight + bias.

    Shapes: (*, normalized_shape), the same out.

    Ranges: eps >= 0.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> import nnfast
    >>> nnfast.nn.LayerNorm(4)(nnfast.ones(2, 3, 4)).shape
    (2, 3, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(whole("LayerNorm", "normalized_shape", n) for n in sizes)
        number("LayerNorm", "eps", eps, 0, math.inf)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, wanted in {"weight": True, "bias": bias}.items():
            present = wanted and elementwise_affine
            p = empty_parameter(*self.normalized_shape) if present else None
            self.register_parameter(name, p)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        fill(self.weight, 1)
        fill(self.bias, 0)

    def forward(self, input: Tensor) -> Tensor:
        return ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
