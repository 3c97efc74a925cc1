"""Convolution, and its two gradients: three ops whose gradients are each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnfast.errors import DTypeError, fail
from nnfast.ops.record import Result, Shape, op, out
from nnfast.ops.reduce import sum
from nnfast.ops.window import Axis, Pair, check_image, check_size, is_integer, pair, window_shape
from nnfast.tensor import Tensor

_WEIGHT = "weight must be (O, C/groups, KH, KW)."


class ConvAttrs(NamedTuple):
    sh: int
    sw: int
    ph: int
    pw: int
    ph_end: int
    pw_end: int
    dh: int
    dw: int
    groups: int
    activation: int = 0  # what follows here and a residual, the kernel's fourth input, are for
    slope: float = 0.0  # plans: y = activation(convolution + bias + residual)
    transformed: int = 0  # size of the kernel whose weight transform_conv2d made; for plans too

    def axes(self, kernel: Pair) -> tuple[Axis, Axis]:
        """The windows of a kernel of that height and width."""
        return (
            Axis(kernel[0], self.sh, self.ph, self.ph_end, self.dh),
            Axis(kernel[1], self.sw, self.pw, self.pw_end, self.dw),
        )

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that mean the same."""
        return {
            "stride": (self.sh, self.sw),
            "padding": ((self.ph, self.ph_end), (self.pw, self.pw_end)),
            "dilation": (self.dh, self.dw),
            "groups": self.groups,
        }


def _paddings(where: str, padding: Any, stride: Pair, kernel: Pair, dilation: Pair) -> list[Pair]:
    """Padding before and behind, for height and width."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding == "same":
        if stride != (1, 1):
            fail(where, "stride=1 with padding='same'", f"stride={stride}")
        # Where the total is odd, the larger half goes behind, as in PyTorch.
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(t // 2, t - t // 2) for t in total]
    if isinstance(padding, str):
        fail(where, "padding='same', 'valid' or integers", f"padding={padding!r}")
    if isinstance(padding, tuple) and len(padding) == 2 and isinstance(padding[0], tuple):
        return [pair(where, "padding", p, 0) for p in padding]
    return [(p, p) for p in pair(where, "padding", padding, 0)]


def _attrs(
    where: str, kernel: Pair, stride: Any, padding: Any, dilation: Any, groups: Any
) -> ConvAttrs:
    sh, sw = pair(where, "stride", stride, 1)
    dh, dw = pair(where, "dilation", dilation, 1)
    if not is_integer(groups):
        fail(where, "groups as an integer", f"groups={groups!r}", error=DTypeError)
    if groups < 1:
        fail(where, "groups of at least 1", f"groups={groups}")
    (ph, ph_end), (pw, pw_end) = _paddings(where, padding, (sh, sw), kernel, (dh, dw))
    return ConvAttrs(sh, sw, ph, pw, ph_end, pw_end, dh, dw, int(groups))


def _check_weight(where: str, weight: Tensor, **shown: Any) -> Pair:
    """The kernel's height and width; raises unless weight is (O, C/groups, KH, KW)."""
    if weight.ndim != 4 or 0 in weight.shape[2:]:
        fail(
            where,
            "a weight of shape (O, C/groups, KH, KW) with KH and KW of at least 1",
            f"shape {weight.shape}",
            **shown,
            weight=weight,
        )
    return weight.shape[2], weight.shape[3]


def _check_groups(where: str, name: str, channels: int, groups: int, **shown: Any) -> None:
    if channels % groups:
        fail(
            where,
            f"{name} that groups={groups} divides",
            f"{channels}",
            "choose groups so that it divides both input and output channels.",
            **shown,
        )


def _check_windows(where: str, size: Shape, axes: tuple[Axis, Axis], dy: Tensor) -> None:
    """Raise unless windows over `size` pixels give the pixels of dy."""
    expected = (axes[0].count(size[0]), axes[1].count(size[1]))
    if expected != dy.shape[-2:]:
        fail(where, f"dy of {expected[0]} x {expected[1]} pixels", f"{dy.shape[-2:]}", dy=dy)


@op("conv2d", attrs=ConvAttrs)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """2-D convolution (cross-correlation) over images of several channels.

    y[n, o, u, v] = b[o] + sum over c, i, j of
    w[o, c, i, j] x[n, c, u sh - ph + i dh, v sw - pw + j dw], zero outside of x; with groups,
    each group of output channels sees its own C/groups input channels.

    Shapes: input (N, C, H, W) or (C, H, W), weight (O, C/groups, KH, KW), bias (O,) ->
    (N, O, OH, OW), OH = floor((H + 2 ph - dh (KH - 1) - 1) / sh) + 1. stride, dilation: an
    integer or a pair; padding too, or "valid" (0), "same" (OH = H, for stride 1), or
    ((top, bottom), (left, right)). float32, float64.

    Errors: channels, groups or bias that do not fit, stride or dilation below 1, negative
    padding, a kernel larger than the padded input.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import nnfast
    >>> x = nnfast.ones(1, 1, 3, 3)
    >>> nnfast.nn.functional.conv2d(x, nnfast.ones(1, 1, 2, 2), padding="valid")
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    where = "conv2d"
    args: dict[str, Any] = {"input": input, "weight": weight}
    check_image(where, "input", input, weight=weight)
    kernel = _check_weight(where, weight, input=input)
    attrs = _attrs(where, kernel, stride, padding, dilation, groups)
    outputs, channels = weight.shape[:2]
    if input.shape[-3] != channels * groups:
        fail(
            where,
            f"x with C={channels * groups} channels (weight's C/G={channels}, groups={groups})",
            f"C={input.shape[-3]}",
            _WEIGHT,
            **args,
        )
    _check_groups(where, "a number of output channels", outputs, groups, **args)
    if bias is not None and bias.shape != (outputs,):
        fail(
            where, f"bias of shape ({outputs},)", f"shape {bias.shape}", _WEIGHT, **args, bias=bias
        )
    shape = (*input.shape[:-3], outputs, *window_shape(where, attrs.axes(kernel), **args))
    return out(check_size(where, shape), input.dtype, attrs)


@op("conv2d_input", attrs=ConvAttrs, outputs=("dx",))
def conv2d_input(
    dy: Tensor,
    weight: Tensor,
    size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv2d with respect to its input of `size` (H, W): a transposed convolution.

    dx[n, c, h, w] = sum over o, u, v, i, j with u sh - ph + i dh = h, v sw - pw + j dw = w of
    w[o, c, i, j] dy[n, o, u, v].

    Shapes: dy (N, O, OH, OW) or (O, OH, OW), weight (O, C/groups, KH, KW) -> (N, C, H, W).

    >>> import nnfast
    >>> from nnfast.ops.conv import conv2d_input
    >>> conv2d_input(nnfast.ones(1, 1, 2, 2), nnfast.ones(1, 1, 2, 2), size=3)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    where = "conv2d_input"
    args: dict[str, Any] = {"dy": dy, "weight": weight}
    check_image(where, "dy", dy, weight=weight)
    kernel = _check_weight(where, weight, dy=dy)
    attrs = _attrs(where, kernel, stride, padding, dilation, groups)
    size = pair(where, "size", size, 0)
    outputs, channels = weight.shape[:2]
    if dy.shape[-3] != outputs:
        fail(where, f"dy with O={outputs} channels", f"O={dy.shape[-3]}", _WEIGHT, **args)
    _check_groups(where, "a number of output channels", outputs, groups, **args)
    _check_windows(where, size, attrs.axes(kernel), dy)
    shape = (*dy.shape[:-3], channels * groups, *size)
    return out(check_size(where, shape), dy.dtype, attrs)


@op("conv2d_weight", attrs=ConvAttrs, outputs=("dweight",))
def conv2d_weight(
    dy: Tensor,
    input: Tensor,
    size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv2d with respect to its weight of `size` (KH, KW).

    dweight[o, c, i, j] = sum over n, u, v of
    dy[n, o, u, v] x[n, c, u sh - ph + i dh, v sw - pw + j dw].

    Shapes: dy (N, O, OH, OW) or (O, OH, OW), input (N, C, H, W) or (C, H, W) ->
    (O, C/groups, KH, KW).

    >>> import nnfast
    >>> from nnfast.ops.conv import conv2d_weight
    >>> conv2d_weight(nnfast.ones(1, 1, 2, 2), nnfast.ones(1, 1, 3, 3), size=2)
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    where = "conv2d_weight"
    args: dict[str, Any] = {"dy": dy, "input": input}
    check_image(where, "dy", dy, input=input)
    kernel = pair(where, "size", size, 1)
    attrs = _attrs(where, kernel, stride, padding, dilation, groups)
    if dy.shape[:-3] != input.shape[:-3]:
        fail(where, "dy and input of the same batch", f"{dy.shape} and {input.shape}", **args)
    outputs, channels = dy.shape[-3], input.shape[-3]
    _check_groups(where, "a number of output channels", outputs, groups, **args)
    _check_groups(where, "a number of input channels", channels, groups, **args)
    _check_windows(where, input.shape[-2:], attrs.axes(kernel), dy)
    shape = (outputs, channels // groups, *kernel)
    return out(check_size(where, shape), dy.dtype, attrs)


_LANES, _FREQUENCIES = 16, 36  # of the widest vectors, of a tile: csrc/kernels/winograd.h


class TransformAttrs(NamedTuple):
    groups: int


@op("transform_conv2d", attrs=TransformAttrs, outputs=("transformed",))
def transform_conv2d(weight: Tensor, groups: int = 1) -> Result:
    """The weight of a conv2d as Winograd's algorithm multiplies it on the ISA in use.

    For weights that are used again and again: conv2d takes it in place of the weight where
    ConvAttrs.transformed is K, and gives the same bits. Weight (O, C/groups, K, K), K from 2 to 5
    -> (groups, O/groups rounded up to 16, 36, C/groups, or one more to make it odd).
    """
    outputs, channels = weight.shape[:2]
    rows = -(-(outputs // groups) // _LANES) * _LANES
    shape = (groups, rows, _FREQUENCIES, channels | 1)
    return out(shape, weight.dtype, TransformAttrs(groups))


def _sum_pixels(dy: Tensor) -> Tensor:
    """dy summed over all but its channels: the gradient of the bias."""
    return sum(dy, (0, 2, 3) if dy.ndim == 4 else (1, 2))


conv2d.vjp(
    input=lambda dy, weight, input_shape, attrs: conv2d_input(
        dy, weight, input_shape[-2:], **attrs.arguments()
    ),
    weight=lambda dy, input, weight_shape, attrs: conv2d_weight(
        dy, input, weight_shape[-2:], **attrs.arguments()
    ),
    bias=lambda dy: _sum_pixels(dy),
)
conv2d_input.vjp(
    dy=lambda ddx, weight, attrs: conv2d(ddx, weight, None, **attrs.arguments()),
    weight=lambda ddx, dy, weight_shape, attrs: conv2d_weight(
        dy, ddx, weight_shape[-2:], **attrs.arguments()
    ),
)
conv2d_weight.vjp(
    dy=lambda ddweight, input, attrs: conv2d(input, ddweight, None, **attrs.arguments()),
    input=lambda ddweight, dy, input_shape, attrs: conv2d_input(
        dy, ddweight, input_shape[-2:], **attrs.arguments()
    ),
)
