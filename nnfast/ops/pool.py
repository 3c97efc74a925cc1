"""Pooling: one number for each window of an image, its largest or its mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.graph.mode import MODE
from nnfast.graph.trace import on_values
from nnfast.ops.operands import IntTensor
from nnfast.ops.record import Result, op, out, outs
from nnfast.ops.window import Axis, Pair, check_image, check_size, is_integer, pair, window_shape
from nnfast.tensor import Tensor, int64


class PoolAttrs(NamedTuple):
    KH: int
    KW: int
    sh: int
    sw: int
    ph: int
    pw: int
    dh: int
    dw: int
    ceil_mode: bool
    include_pad: bool = False
    divisor: int = 0

    def axes(self) -> tuple[Axis, Axis]:
        """The windows, along height and width."""
        return (
            Axis(self.KH, self.sh, self.ph, self.ph, self.dh),
            Axis(self.KW, self.sw, self.pw, self.pw, self.dw),
        )

    def avg_arguments(self) -> dict[str, Any]:
        """The keyword arguments of avg_pool2d that mean the same."""
        return {
            "kernel_size": (self.KH, self.KW),
            "stride": (self.sh, self.sw),
            "padding": (self.ph, self.pw),
            "ceil_mode": bool(self.ceil_mode),
            "count_include_pad": bool(self.include_pad),
            "divisor_override": self.divisor or None,
        }


def _attrs(
    where: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> PoolAttrs:
    kernel = pair(where, "kernel_size", kernel_size, 1)
    sh, sw = kernel if stride is None else pair(where, "stride", stride, 1)
    ph, pw = pair(where, "padding", padding, 0)
    if 2 * ph > kernel[0] or 2 * pw > kernel[1]:
        fail(
            where,
            "padding of at most half the kernel",
            f"padding={(ph, pw)} with kernel_size={kernel}",
            "pad the input itself if windows of padding only are wanted.",
        )
    dh, dw = pair(where, "dilation", dilation, 1)
    return PoolAttrs(*kernel, sh, sw, ph, pw, dh, dw, bool(ceil_mode))


def _check_plane(where: str, x: Tensor) -> None:
    check_image(where, "input", x)
    if 0 in x.shape[-2:]:
        fail(where, "images of at least one pixel", f"H x W = {x.shape[-2:]}", input=x)


def _check_index(where: str, name: str, x: Tensor, index: Tensor, same: bool) -> None:
    check_image(where, name, x, index=index)
    if (x.shape if same else x.shape[:-2]) != (index.shape if same else index.shape[:-2]):
        args: dict[str, Any] = {name: x, "index": index}
        fail(where, f"an index for each window of {name}", f"shape {index.shape}", **args)


# ---- largest --------------------------------------------------------------------------------


@op("max_pool2d", attrs=PoolAttrs, outputs=("y", "index"), aux=("index",))
def _max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Result:
    """The largest element of each window, and where in its plane it lies: h * W + w, int64.

    >>> import nnfast
    >>> import nnfast.nn.functional as F
    >>> F.max_pool2d(nnfast.tensor([[[1.0, 3.0, 2.0]]]), (1, 3), return_indices=True)[1]
    tensor([[[1]]])
    """
    where = "max_pool2d"
    attrs = _attrs(where, kernel_size, stride, padding, dilation, ceil_mode)
    _check_plane(where, input)
    h, w = attrs.axes()
    shape = (*input.shape[:-2], *window_shape(where, (h, w), input, attrs.ceil_mode))
    if h.extent * input.shape[-1] + w.extent >= 2**31:
        fail(where, "windows that span less than 2**31 elements", f"{h.extent} rows", input=input)
    return outs((check_size(where, shape), input.dtype), (shape, int64), attrs=attrs)


@op("max_pool2d", attrs=PoolAttrs)
def _largest(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Result:
    """The largest element of each window, for when nobody asks where it lies.

    >>> import nnfast
    >>> nnfast.nn.functional.max_pool2d(nnfast.tensor([[[1.0, 3.0, 2.0]]]), (1, 3))
    tensor([[[3.]]])
    """
    both: Result = _max_pool2d.rule(input, kernel_size, stride, padding, dilation, ceil_mode)
    return Result(both.specs[:1], both.attrs)


_largest.vjp(
    input=lambda dy, input, attrs: max_pool2d_backward(
        dy,
        _max_pool2d(
            input,
            (attrs.KH, attrs.KW),
            (attrs.sh, attrs.sw),
            (attrs.ph, attrs.pw),
            (attrs.dh, attrs.dw),
            attrs.ceil_mode,
        )[1],
        input.shape[-2:],
    )
)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window.

    y[n, c, u, v] = max over i < KH, j < KW of x[n, c, u sh - ph + i dh, v sw - pw + j dw], where
    padding counts as -inf. NaN wins. The gradient goes to the first largest element.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW), OH = floor((H + 2 ph - dh (KH - 1)
    - 1) / sh) + 1, or ceil with `ceil_mode`, whose last window must start inside the image or its
    left padding. kernel_size, stride (default: kernel_size), padding (at most half the kernel),
    dilation: an integer or a pair. With `return_indices` also the int64 positions h W + w.
    float32, float64.

    Errors: a kernel larger than the padded input, padding above half the kernel, stride or
    dilation below 1.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0]]])
    >>> nnfast.nn.functional.max_pool2d(x, 2)
    tensor([[[8., 6.]]])
    """
    if not (return_indices or (MODE.grad and getattr(input, "requires_grad", False))):
        return _largest(input, kernel_size, stride, padding, dilation, ceil_mode)
    y, index = _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
    return (y, index) if return_indices else y


@op("max_pool2d_backward", outputs=("dx",))
def max_pool2d_backward(dy: Tensor, index: IntTensor, size: Pair) -> Result:
    """Each dy added at its index in a plane of `size` (H, W) zeros, windows in order."""
    where = "max_pool2d_backward"
    _check_index(where, "dy", dy, index, same=True)
    return out(check_size(where, (*dy.shape[:-2], *pair(where, "size", size, 1))), dy.dtype)


@op("max_pool2d_gather")
def max_pool2d_gather(input: Tensor, index: IntTensor) -> Result:
    """The elements of each plane at its indices: the gradient of max_pool2d_backward.

    >>> import nnfast
    >>> from nnfast.ops.pool import max_pool2d_gather
    >>> max_pool2d_gather(nnfast.tensor([[[5.0, 6.0, 7.0]]]), nnfast.tensor([[[2, 0]]]))
    tensor([[[7., 5.]]])
    """
    _check_index("max_pool2d_gather", "input", input, index, same=False)
    return out(index.shape, input.dtype)


_max_pool2d.vjp(
    input=lambda dy, index, input_shape: max_pool2d_backward(dy, index, input_shape[-2:])
)
max_pool2d_backward.vjp(dy=lambda ddx, index: max_pool2d_gather(ddx, index))
max_pool2d_gather.vjp(
    input=lambda dy, index, input_shape: max_pool2d_backward(dy, index, input_shape[-2:])
)


def _check_places(input: Tensor, index: Tensor, size: Pair) -> None:
    n = size[0] * size[1]
    on_values(index, lambda places: _check_range(places, n), n)


def _check_range(places: np.ndarray, n: int) -> None:
    if places.size and not 0 <= places.min() <= places.max() < n:
        got = f"{places.min()} to {places.max()}"
        fail("max_unpool2d", f"indices from 0 to {n - 1}, of a plane of the output", got)


@op("max_unpool2d", values=_check_places)
def _max_unpool2d(input: Tensor, index: IntTensor, size: Pair) -> Result:
    """Each element at its index in a plane of `size` (H, W) zeros; of equal indices the last.

    >>> import nnfast
    >>> from nnfast.ops.pool import _max_unpool2d
    >>> _max_unpool2d(nnfast.tensor([[[5.0, 6.0]]]), nnfast.tensor([[[2, 0]]]), (1, 3))
    tensor([[[6., 0., 5.]]])
    """
    where = "max_unpool2d"
    _check_index(where, "input", input, index, same=True)
    return out(check_size(where, (*input.shape[:-2], *size)), input.dtype)


_max_unpool2d.vjp(input=lambda dy, index: max_pool2d_gather(dy, index))


# ---- mean -----------------------------------------------------------------------------------


def _avg_attrs(
    where: str,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> PoolAttrs:
    attrs = _attrs(where, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and not is_integer(divisor_override):
        got = f"divisor_override={divisor_override!r}"
        fail(where, "divisor_override as an integer", got, error=DTypeError)
    if divisor_override is not None and not 0 < abs(divisor_override) < 2**31:
        fail(where, "a divisor_override other than 0", f"{divisor_override}")
    return attrs._replace(include_pad=bool(count_include_pad), divisor=divisor_override or 0)


@op("avg_pool2d", attrs=PoolAttrs)
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Result:
    """The mean of each window.

    y[n, c, u, v] = sum over i < KH, j < KW of x[n, c, u sh - ph + i, v sw - pw + j] / d, zero
    outside of x. d is `divisor_override`, or the number of elements of the window: within image
    and padding, or (`count_include_pad=False`) within the image alone.

    Shapes, arguments and errors: as max_pool2d. float32, float64.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0]]])
    >>> nnfast.nn.functional.avg_pool2d(x, 2)
    tensor([[[4.5, 4.5]]])
    """
    where = "avg_pool2d"
    attrs = _avg_attrs(
        where, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    _check_plane(where, input)
    shape = (*input.shape[:-2], *window_shape(where, attrs.axes(), input, attrs.ceil_mode))
    return out(check_size(where, shape), input.dtype, attrs)


@op("avg_pool2d_backward", attrs=PoolAttrs, outputs=("dx",))
def avg_pool2d_backward(
    dy: Tensor,
    size: Pair,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Result:
    """Gradient of avg_pool2d with respect to its input of `size` (H, W).

    Each dy / d is added to the elements of its window.
    """
    where = "avg_pool2d_backward"
    attrs = _avg_attrs(
        where, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    check_image(where, "dy", dy)
    size = pair(where, "size", size, 1)
    expected = tuple(a.count(n, attrs.ceil_mode) for a, n in zip(attrs.axes(), size, strict=True))
    if expected != dy.shape[-2:]:
        fail(where, f"dy of {expected[0]} x {expected[1]} windows", f"{dy.shape[-2:]}", dy=dy)
    return out(check_size(where, (*dy.shape[:-2], *size)), dy.dtype, attrs)


avg_pool2d.vjp(
    input=lambda dy, input_shape, attrs: avg_pool2d_backward(
        dy, input_shape[-2:], **attrs.avg_arguments()
    )
)
avg_pool2d_backward.vjp(dy=lambda ddx, attrs: avg_pool2d(ddx, **attrs.avg_arguments()))
