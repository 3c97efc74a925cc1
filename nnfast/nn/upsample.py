"""Layers that make images larger or smaller, and that lay out their patches and channels."""

from __future__ import annotations

from typing import Any

from nnfast import ops
from nnfast.nn.checks import whole
from nnfast.nn.module import Module
from nnfast.ops.window import pair
from nnfast.tensor import Tensor


class Upsample(Module):
    """Images of another size, by interpolation; see `nn.functional.interpolate`.

    Shapes: (N, C, *space) -> (N, C, *size), or floor(space scale_factor).

    >>> import nnfast
    >>> nnfast.nn.Upsample(scale_factor=2, mode="bilinear")(nnfast.ones(1, 3, 4, 5)).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        if isinstance(scale_factor, tuple | list):
            self.scale_factor: Any = tuple(float(f) for f in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return ops.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample by the nearest pixel. Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.UpsamplingNearest2d(scale_factor=2)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 6)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Bilinear Upsample with aligned corners. Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.UpsamplingBilinear2d(size=(1, 3))(nnfast.tensor([[[[0.0, 2.0]]]]))
    tensor([[[[0., 1., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """r^2 channels become r x r pixels, r = upscale_factor: y[c, h r + i, w r + j].

    Shapes: (*, C r^2, H, W) -> (*, C, H r, W r).

    Source: Shi et al., Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network, CVPR 2016.

    >>> import nnfast
    >>> nnfast.nn.PixelShuffle(2)(nnfast.ones(1, 8, 3, 4)).shape
    (1, 2, 6, 8)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = whole("PixelShuffle", "upscale_factor", upscale_factor, least=1)

    def forward(self, input: Tensor) -> Tensor:
        return ops.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """r x r pixels become r^2 channels, r = downscale_factor: takes PixelShuffle back.

    Shapes: (*, C, H r, W r) -> (*, C r^2, H, W).

    Source: Shi et al., Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network, CVPR 2016.

    >>> import nnfast
    >>> nnfast.nn.PixelUnshuffle(2)(nnfast.ones(1, 1, 4, 6)).shape
    (1, 4, 2, 3)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        name = "downscale_factor"
        self.downscale_factor = whole("PixelUnshuffle", name, downscale_factor, least=1)

    def forward(self, input: Tensor) -> Tensor:
        return ops.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels of several groups interleaved. Shapes: (N, C, *), the same out.

    >>> import nnfast
    >>> nnfast.nn.ChannelShuffle(2)(nnfast.arange(4).reshape(1, 4, 1)).flatten()
    tensor([0, 2, 1, 3])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = whole("ChannelShuffle", "groups", groups, least=1)

    def forward(self, input: Tensor) -> Tensor:
        return ops.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class _Patches(Module):
    """What Unfold and Fold share."""

    def __init__(self, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        super().__init__()
        where = type(self).__name__
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride
        for name, value in (("kernel_size", kernel_size), ("dilation", dilation)):
            pair(where, name, value, least=1)
        pair(where, "padding", padding, least=0)
        pair(where, "stride", stride, least=1)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Unfold(_Patches):
    """The patches of an image that a convolution sees, each as a column.

    Shapes: (N, C, H, W) -> (N, C KH KW, OH OW).

    >>> import nnfast
    >>> nnfast.nn.Unfold(3)(nnfast.ones(1, 2, 5, 6)).shape
    (1, 18, 12)
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        return ops.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Patches):
    """Columns added up where Unfold takes them from.

    Shapes: (N, C KH KW, OH OW) -> (N, C, *output_size).

    >>> import nnfast
    >>> nnfast.nn.Fold((5, 6), 3)(nnfast.ones(1, 18, 12)).shape
    (1, 2, 5, 6)
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return ops.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
