"""Normalization layers that treat each example by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.checks import number, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.norm import Tracked, fill
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor


class GroupNorm(Module):
    """Groups of channels of each example normalized, then each channel scaled and shifted.

    Shapes: (N, num_channels, *), the same out.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of the group.

    Ranges: eps >= 0; num_groups divides num_channels.

    Source: Wu and He, Group normalization, ECCV 2018.

    >>> import nnfast
    >>> nnfast.nn.GroupNorm(2, 6)(nnfast.ones(2, 6, 4, 4)).shape
    (2, 6, 4, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = whole("GroupNorm", "num_groups", num_groups, least=1)
        self.num_channels = whole("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            fail("GroupNorm", f"num_groups that divides {num_channels}", f"{num_groups}")
        number("GroupNorm", "eps", eps, 0, math.inf)
        self.eps, self.affine = eps, affine
        for name, wanted in {"weight": affine, "bias": affine and bias}.items():
            self.register_parameter(name, empty_parameter(self.num_channels) if wanted else None)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        fill(self.weight, 1)
        fill(self.bias, 0)

    def forward(self, input: Tensor) -> Tensor:
        return ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _InstanceNorm(Tracked):
    """What InstanceNorm1d, 2d and 3d share; they differ in the input's dimensions."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)
        self.to(device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        x = input if input.ndim == self._ndims[-1] else ops.unsqueeze(input, 0)
        if x.shape[1] != self.num_features:
            got = f"C={x.shape[1]}"
            fail(
                type(self).__name__, f"input with C={self.num_features} channels", got, input=input
            )
        y = ops.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return y if x is input else ops.squeeze(y, 0)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each example normalized; see InstanceNorm2d. Shapes: (N, C, L) or (C, L).

    >>> import nnfast
    >>> nnfast.nn.InstanceNorm1d(1)(nnfast.tensor([[[1.0, 3.0]]]))
    tensor([[[-0.999995,  0.999995]]])
    """

    _ndims, _shapes = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each example normalized by itself, then (affine) scaled and shifted.

    With track_running_stats, evaluation uses running statistics, as batch norm does.

    Shapes: (N, C, H, W) or (C, H, W), the same out.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of the channel of the example.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    >>> import nnfast
    >>> nnfast.nn.InstanceNorm2d(3)(nnfast.ones(2, 3, 4, 5)).shape
    (2, 3, 4, 5)
    """

    _ndims, _shapes = (3, 4), "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each example normalized; see InstanceNorm2d.

    Shapes: (N, C, D, H, W) or (C, D, H, W), the same out.

    >>> import nnfast
    >>> nnfast.nn.InstanceNorm3d(2)(nnfast.rand(1, 2, 3, 3, 3)).shape
    (1, 2, 3, 3, 3)
    """

    _ndims, _shapes = (4, 5), "(N, C, D, H, W) or (C, D, H, W)"


class CrossMapLRN2d(Module):
    """LocalResponseNorm of images under its oldest name; the window reaches (size - 1) // 2 far.

    y = x / (k + alpha / size * sum of the squares in the window)^beta.

    Shapes: (N, C, H, W), the same out.

    >>> import nnfast
    >>> nnfast.nn.CrossMapLRN2d(3)(nnfast.ones(1, 4, 2, 2)).shape
    (1, 4, 2, 2)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = whole("CrossMapLRN2d", "size", size, least=1)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:
            fail("CrossMapLRN2d", "an input of shape (N, C, H, W)", "another", input=input)
        window = 2 * ((self.size - 1) // 2) + 1
        alpha = self.alpha * window / self.size
        return ops.local_response_norm(input, window, alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class RMSNorm(Module):
    """Each row divided by the root of its mean square, then scaled.

    Shapes: (*, normalized_shape), the same out. eps: that of the dtype if None.

    y = x / sqrt(mean of x^2 + eps) * weight.

    Source: Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.

    >>> import nnfast
    >>> nnfast.nn.RMSNorm(2, eps=0.0)(nnfast.tensor([[1.0, 7.0]])).tolist()
    [[0.20000000298023224, 1.399999976158142]]
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(whole("RMSNorm", "normalized_shape", n) for n in sizes)
        if eps is not None:
            number("RMSNorm", "eps", eps, 0, math.inf)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = empty_parameter(*self.normalized_shape) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Weight 1."""
        fill(self.weight, 1)

    def forward(self, input: Tensor) -> Tensor:
        return ops.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        affine = f"elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class LocalResponseNorm(Module):
    """Each element damped by those at its place in the channels around; see F.local_response_norm.

    Shapes: (N, C, *), the same out.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural
    networks, 2012.

    >>> import nnfast
    >>> nnfast.nn.LocalResponseNorm(5)(nnfast.ones(2, 8, 4, 4)).shape
    (2, 8, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = whole("LocalResponseNorm", "size", size, least=1)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return ops.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
