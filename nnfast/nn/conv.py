"""Convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.checks import one_of, whole
from nnfast.nn.linear import default_init, empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.window import sizes
from nnfast.tensor import Tensor

_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
_MODES |= {"circular": "circular"}


class _Conv(Module):
    """What all convolutions share; they differ in their dimensions and in the op."""

    weight: Parameter
    bias: Parameter | None
    padding: str | tuple[int, ...]
    _dims: int
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.in_channels = whole(where, "in_channels", in_channels, least=1)
        self.out_channels = whole(where, "out_channels", out_channels, least=1)
        self.kernel_size = sizes(where, "kernel_size", kernel_size, 1, self._dims)
        self.stride = sizes(where, "stride", stride, 1, self._dims)
        self.padding = self._padding(where, padding)
        self.dilation = sizes(where, "dilation", dilation, 1, self._dims)
        self.output_padding = (0,) * self._dims
        self.groups = self._groups(where, groups)
        modes = ("zeros",) if self._transposed else tuple(_MODES)
        self.padding_mode = one_of(where, "padding_mode", padding_mode, *modes)
        channels = (self.out_channels, self.in_channels // self.groups)
        if self._transposed:
            channels = (self.in_channels, self.out_channels // self.groups)
        self.weight = empty_parameter(*channels, *self.kernel_size)
        self.register_parameter("bias", empty_parameter(self.out_channels) if bias else None)
        self.reset_parameters()
        self.to(device, dtype)

    def _padding(self, where: str, padding: Any) -> str | tuple[int, ...]:
        if not isinstance(padding, str) or self._transposed:
            return sizes(where, "padding", padding, 0, self._dims)
        if padding == "same" and any(s != 1 for s in self.stride):
            fail(where, "stride 1 with padding='same'", f"stride={self.stride}")
        return one_of(where, "padding", padding, "same", "valid")

    def _groups(self, where: str, groups: int) -> int:
        groups = whole(where, "groups", groups, least=1)
        channels = {"in_channels": self.in_channels, "out_channels": self.out_channels}
        for name, n in channels.items():
            if n % groups:
                fail(where, f"{name} that groups={groups} divides", f"{name}={n}")
        return groups

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        default_init(self.weight, self.bias)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with what padding_mode puts around it, and the padding left to the op."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        return ops.pad(input, self._sides(), _MODES[self.padding_mode]), 0

    def _sides(self) -> list[int]:
        """The padding as `pad` takes it: that of the last dimension first."""
        if isinstance(self.padding, str):
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            pairs = [(t // 2, t - t // 2) for t in total]
        else:
            pairs = [(p, p) for p in self.padding]
        return [n for both in reversed(pairs) for n in both]

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        zeros, ones = (0,) * self._dims, (1,) * self._dims
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """1-D convolution (cross-correlation) over signals; see Conv2d.

    Shapes: (N, in_channels, W) -> (N, out_channels, OW); weight
    (out_channels, in_channels / groups, KW).

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> nnfast.nn.Conv1d(2, 4, kernel_size=3, stride=2)(nnfast.ones(1, 2, 9)).shape
    (1, 4, 4)
    """

    _dims = 1

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return ops.conv1d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv2d(_Conv):
    """2-D convolution (cross-correlation) over images.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW) with
    OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1; weight
    (out_channels, in_channels / groups, KH, KW). `padding` may be "valid" (none) or "same"
    (OH = H, stride 1); what it consists of is by padding_mode: "zeros", "reflect", "replicate" or
    "circular", see `nn.functional.pad`.

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> nnfast.nn.Conv2d(1, 6, kernel_size=5, padding=2)(nnfast.ones(4, 1, 28, 28)).shape
    (4, 6, 28, 28)
    """

    _dims = 2

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        y: Tensor = ops.conv2d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )
        return y


class Conv3d(_Conv):
    """3-D convolution (cross-correlation) over volumes; see Conv2d.

    Shapes: (N, in_channels, D, H, W) -> (N, out_channels, OD, OH, OW); weight
    (out_channels, in_channels / groups, KD, KH, KW).

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> nnfast.nn.Conv3d(1, 2, kernel_size=3)(nnfast.ones(1, 1, 5, 6, 7)).shape
    (1, 2, 3, 4, 5)
    """

    _dims = 3

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return ops.conv3d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class _ConvTranspose(_Conv):
    """What the transposed convolutions share."""

    padding: tuple[int, ...]
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode,
        )  # fmt: skip
        where = type(self).__name__
        self.output_padding = sizes(where, "output_padding", output_padding, 0, self._dims)
        self.to(device, dtype)

    def _missing(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding that gives output_size, or that of the layer."""
        if output_size is None:
            return self.output_padding
        where = type(self).__name__
        wanted = tuple(output_size)[-self._dims :]
        space = zip(
            input.shape[-self._dims :], self.kernel_size, self.stride, self.padding,
            self.dilation, strict=True,
        )  # fmt: skip
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in space]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if len(tuple(output_size)) not in (self._dims, self._dims + 2) or not all(
            a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)
        ):
            fail(where, f"output_size from {least} to {most}", f"{tuple(output_size)}", input=input)
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution; see ConvTranspose2d.

    Shapes: (N, in_channels, W) -> (N, out_channels, OW); weight
    (in_channels, out_channels / groups, KW).

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> nnfast.nn.ConvTranspose1d(4, 2, kernel_size=3, stride=2)(nnfast.ones(1, 4, 4)).shape
    (1, 2, 9)
    """

    _dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self._missing(input, output_size)
        return ops.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution, which a Conv2d of the same arguments takes back in size.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW) with
    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1; weight
    (in_channels, out_channels / groups, KH, KW). A convolution with a stride gives the same size
    for several inputs: output_padding, or `output_size` in the call, says which is meant.

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> up = nnfast.nn.ConvTranspose2d(3, 1, kernel_size=3, stride=2, padding=1)
    >>> up(nnfast.ones(1, 3, 4, 4)).shape
    (1, 1, 7, 7)
    >>> up(nnfast.ones(1, 3, 4, 4), output_size=(8, 8)).shape
    (1, 1, 8, 8)
    """

    _dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self._missing(input, output_size)
        return ops.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose3d(_ConvTranspose):
    """3-D transposed convolution; see ConvTranspose2d.

    Shapes: (N, in_channels, D, H, W) -> (N, out_channels, OD, OH, OW); weight
    (in_channels, out_channels / groups, KD, KH, KW).

    Ranges: sizes, stride, dilation >= 1, padding >= 0; groups divides in_channels and out_channels.

    >>> import nnfast
    >>> nnfast.nn.ConvTranspose3d(4, 2, kernel_size=2, stride=2)(nnfast.ones(1, 4, 2, 3, 4)).shape
    (1, 2, 4, 6, 8)
    """

    _dims = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self._missing(input, output_size)
        return ops.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip
