"""Layers that look like a convolution but share no weights."""

from __future__ import annotations

import math
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import Pair, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.window import Axis, pair
from nnfast.tensor import Tensor


class LocallyConnected2d(Module):
    """A convolution with a kernel of its own for each output pixel, for images of one size.

    Shapes: (N, in_channels, *input_size) -> (N, out_channels, OH, OW), OH and OW as of Conv2d;
    weight (OH, OW, out_channels, in_channels, KH, KW), bias (out_channels, OH, OW).

    Source: Taigman et al., DeepFace, CVPR 2014.

    >>> import nnfast
    >>> layer = nnfast.nn.LocallyConnected2d(1, 4, input_size=6, kernel_size=3)
    >>> layer(nnfast.ones(2, 1, 6, 6)).shape
    (2, 4, 4, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = "LocallyConnected2d"
        self.in_channels = whole(where, "in_channels", in_channels, least=1)
        self.out_channels = whole(where, "out_channels", out_channels, least=1)
        self.input_size = pair(where, "input_size", input_size, least=1)
        self.kernel_size = pair(where, "kernel_size", kernel_size, least=1)
        self.stride, self.padding = (
            pair(where, "stride", stride, least=1),
            pair(where, "padding", padding, least=0),
        )
        self.dilation = pair(where, "dilation", dilation, least=1)
        windows = zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        axes = [Axis(k, s, p, p, d) for k, s, p, d in windows]
        size = [a.count(n) for a, n in zip(axes, self.input_size, strict=True)]
        if min(size) < 1:
            got = f"kernel_size={self.kernel_size}"
            fail(where, f"a kernel within the padded input of {self.input_size}", got)
        self.weight = empty_parameter(*size, self.out_channels, self.in_channels, *self.kernel_size)
        self.register_parameter("bias", empty_parameter(self.out_channels, *size) if bias else None)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Draw the weights anew, from U(-b, b) with b = 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(math.prod(self.weight.shape[3:]))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return ops.locally_connected2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation
        )

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, input_size={self.input_size}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, bias={self.bias is not None}"
        )
