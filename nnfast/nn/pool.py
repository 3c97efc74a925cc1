"""Pooling layers."""

from __future__ import annotations

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.checks import Pair
from nnfast.nn.module import Module
from nnfast.ops.window import pair
from nnfast.tensor import Tensor


def _check(where: str, kernel_size: Pair, stride: Pair, padding: Pair) -> None:
    kernel = pair(where, "kernel_size", kernel_size, least=1)
    pair(where, "stride", stride, least=1)
    pads = pair(where, "padding", padding, least=0)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        fail(where, f"padding of at most half of kernel_size={kernel_size}", f"padding={padding}")


class MaxPool2d(Module):
    """The maximum of each window; padding counts as -infinity.

    Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.MaxPool2d(2)(nnfast.ones(1, 3, 8, 6)).shape
    (1, 3, 4, 3)
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode
        _check("MaxPool2d", kernel_size, self.stride, padding)
        pair("MaxPool2d", "dilation", dilation, least=1)

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )
        return y

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window.

    Padding counts as zeros; `count_include_pad=False` divides by the elements that are not
    padding, `divisor_override` by a number of your own.

    Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.AvgPool2d(2)(nnfast.ones(1, 3, 8, 6)).shape
    (1, 3, 4, 3)
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        _check("AvgPool2d", kernel_size, self.stride, padding)
        if divisor_override == 0:
            fail("AvgPool2d", "a divisor_override that is not 0", "0")

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        return y

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
