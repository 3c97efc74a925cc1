"""Convolution layers."""

from __future__ import annotations

from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.checks import Pair, one_of, whole
from nnfast.nn.linear import default_init, empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.window import pair
from nnfast.tensor import Tensor


class Conv2d(Module):
    """2-D convolution (cross-correlation) over images.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW) with
    OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1; weight
    (out_channels, in_channels / groups, KH, KW). `padding` may be "valid" (none) or "same"
    (OH = H, stride 1).

    >>> import nnfast
    >>> nnfast.nn.Conv2d(1, 6, kernel_size=5, padding=2)(nnfast.ones(4, 1, 28, 28)).shape
    (4, 6, 28, 28)
    """

    weight: Parameter
    bias: Parameter | None
    padding: str | tuple[int, int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        self.in_channels = whole("Conv2d", "in_channels", in_channels, least=1)
        self.out_channels = whole("Conv2d", "out_channels", out_channels, least=1)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, least=1)
        self.stride = pair("Conv2d", "stride", stride, least=1)
        self.padding = self._padding(padding)
        self.dilation = pair("Conv2d", "dilation", dilation, least=1)
        self.groups = self._groups(groups)
        self.padding_mode = one_of("Conv2d", "padding_mode", padding_mode, "zeros")
        self.weight = empty_parameter(
            self.out_channels, self.in_channels // self.groups, *self.kernel_size
        )
        self.register_parameter("bias", empty_parameter(self.out_channels) if bias else None)
        self.reset_parameters()

    def _padding(self, padding: Any) -> str | tuple[int, int]:
        if not isinstance(padding, str):
            return pair("Conv2d", "padding", padding, least=0)
        if padding == "same" and self.stride != (1, 1):
            fail("Conv2d", "stride 1 with padding='same'", f"stride={self.stride}")
        return one_of("Conv2d", "padding", padding, "same", "valid")

    def _groups(self, groups: int) -> int:
        groups = whole("Conv2d", "groups", groups, least=1)
        channels = {"in_channels": self.in_channels, "out_channels": self.out_channels}
        for name, n in channels.items():
            if n % groups:
                fail("Conv2d", f"{name} that groups={groups} divides", f"{name}={n}")
        return groups

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        default_init(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return y

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)
