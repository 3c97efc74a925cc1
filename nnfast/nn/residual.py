"""Residual blocks without normalization."""

from __future__ import annotations

from nnfast import ops
from nnfast.creation import ones, zeros
from nnfast.nn import init
from nnfast.nn.activation import ReLU
from nnfast.nn.container import Sequential
from nnfast.nn.conv import Conv2d
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.nn.pool import AvgPool2d
from nnfast.tensor import Tensor


class ScalarBias(Module):
    """y = x + b, b one learned number.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.ScalarBias()(nnfast.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self.bias = Parameter(zeros(1))

    def forward(self, input: Tensor) -> Tensor:
        return input + self.bias


class ScalarScale(Module):
    """y = a x, a one learned number.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.ScalarScale()(nnfast.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = Parameter(ones(1))

    def forward(self, input: Tensor) -> Tensor:
        return input * self.scale


class FixupBlock(Module):
    """relu(x + branch(x)): two convolutions with scalar shifts and a factor, no normalization.

    The shortcut of a block with a stride is an average pool, with more channels zeros behind.
    `branch` goes to init.fixup_ together with those of the other blocks.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).

    Source: Zhang, Dauphin and Ma, Fixup initialization, ICLR 2019.

    >>> import nnfast
    >>> from nnfast import nn
    >>> blocks = [nn.FixupBlock(3, 8), nn.FixupBlock(8, 16, stride=2)]
    >>> nn.init.fixup_([block.branch for block in blocks])
    >>> nn.Sequential(*blocks)(nnfast.ones(2, 3, 8, 8)).shape
    (2, 16, 4, 4)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.added = out_channels - in_channels
        self.branch = Sequential(
            ScalarBias(),
            Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            ScalarBias(),
            ReLU(),
            ScalarBias(),
            Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            ScalarScale(),
            ScalarBias(),
        )
        self.pool = AvgPool2d(1, stride) if stride > 1 else None
        init.fixup_([self.branch])

    def forward(self, input: Tensor) -> Tensor:
        shortcut = input if self.pool is None else self.pool(input)
        if self.added:
            N, _, H, W = shortcut.shape
            shortcut = ops.cat([shortcut, zeros(N, self.added, H, W, dtype=input.dtype)], 1)
        y: Tensor = ops.relu(self.branch(input) + shortcut)
        return y
