"""Convolutions of one and three dimensions, and transposed ones, by way of conv2d.

A signal is an image of height 1. A volume is a stack of images: the slices that a kernel sees at
one depth are channels of one image. The transposed convolution is conv2d's gradient of the input.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from nnfast.errors import fail
from nnfast.ops.conv import conv2d, conv2d_input
from nnfast.ops.elementwise import add
from nnfast.ops.join import cat
from nnfast.ops.operands import as_tensor
from nnfast.ops.pad import pad
from nnfast.ops.shape import permute, reshape, squeeze, unsqueeze
from nnfast.ops.slices import place
from nnfast.ops.window import check_size, sizes
from nnfast.tensor import Tensor

_AXES = ["W", "H, W", "D, H, W"]
_KERNELS = ["KW", "KH, KW", "KD, KH, KW"]


def _inputs(
    where: str, n: int, input: Tensor, weight: Tensor, channels: str
) -> tuple[Tensor, Tensor]:
    """Both as tensors; raises unless they have n dimensions of space."""
    x, w = as_tensor(input, where), as_tensor(weight, where)
    if x.ndim not in (n + 1, n + 2):
        wanted = f"(N, C, {_AXES[n - 1]}) or (C, {_AXES[n - 1]})"
        fail(where, f"input of shape {wanted}", f"{x.ndim} dimensions", input=x, weight=w)
    if w.ndim != n + 2 or 0 in w.shape[2:]:
        wanted = f"({channels}, {_KERNELS[n - 1]})"
        fail(where, f"a weight of shape {wanted}", f"shape {w.shape}", input=x, weight=w)
    return x, w


# ---- one dimension --------------------------------------------------------------------------


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """1-D convolution (cross-correlation) over signals of several channels; see conv2d.

    y[n, o, v] = b[o] + sum over c, j of w[o, c, j] x[n, c, v s - p + j d].

    Shapes: input (N, C, W) or (C, W), weight (O, C/groups, KW), bias (O,) -> (N, O, OW),
    OW = floor((W + 2 p - d (KW - 1) - 1) / s) + 1. `padding` may be "valid" or "same".
    float32, float64. Errors: as conv2d.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0, 4.0]])
    >>> nnfast.nn.functional.conv1d(x, nnfast.tensor([[[1.0, -1.0]]]))
    tensor([[-1., -2.]])
    """
    where = "conv1d"
    x, w = _inputs(where, 1, input, weight, "O, C/groups")
    (s,), (d,) = sizes(where, "stride", stride, 1, 1), sizes(where, "dilation", dilation, 1, 1)
    p = padding if isinstance(padding, str) else (0, *sizes(where, "padding", padding, 0, 1))
    y = conv2d(unsqueeze(x, -2), unsqueeze(w, -2), bias, (1, s), p, (1, d), groups)
    return squeeze(y, -2)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """1-D transposed convolution; see conv_transpose2d.

    Shapes: input (N, C, W) or (C, W), weight (C, O/groups, KW), bias (O,) -> (N, O, OW),
    OW = (W - 1) s - 2 p + d (KW - 1) + output_padding + 1.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0]])
    >>> nnfast.nn.functional.conv_transpose1d(x, nnfast.tensor([[[1.0, -1.0]]]), stride=2)
    tensor([[ 1., -1.,  2., -2.]])
    """
    where = "conv_transpose1d"
    x, w = _inputs(where, 1, input, weight, "C, O/groups")
    (s,), (d,) = sizes(where, "stride", stride, 1, 1), sizes(where, "dilation", dilation, 1, 1)
    (p,) = sizes(where, "padding", padding, 0, 1)
    (more,) = sizes(where, "output_padding", output_padding, 0, 1)
    y = conv_transpose2d(
        unsqueeze(x, -2), unsqueeze(w, -2), bias, (1, s), (0, p), (0, more), groups, (1, d)
    )
    return squeeze(y, -2)


# ---- two dimensions -------------------------------------------------------------------------


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """2-D transposed convolution: each element of the input lays a scaled kernel into the output.

    y[n, o, h, w] = b[o] + sum over c, u, v, i, j with u sh - ph + i dh = h, v sw - pw + j dw = w
    of w[c, o, i, j] x[n, c, u, v]: the gradient of a conv2d of the same arguments with respect to
    its input.

    Shapes: input (N, C, H, W) or (C, H, W), weight (C, O/groups, KH, KW), bias (O,) ->
    (N, O, OH, OW), OH = (H - 1) sh - 2 ph + dh (KH - 1) + output_padding + 1. float32, float64.

    Errors: channels, groups or bias that do not fit; output_padding that is neither below stride
    nor below dilation; an empty output.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> nnfast.nn.functional.conv_transpose2d(x, nnfast.ones(1, 1, 2, 2))
    tensor([[[ 1.,  3.,  2.],
             [ 4., 10.,  6.],
             [ 3.,  7.,  4.]]])
    """
    where = "conv_transpose2d"
    x, w = _inputs(where, 2, input, weight, "C, O/groups")
    s, d = sizes(where, "stride", stride, 1, 2), sizes(where, "dilation", dilation, 1, 2)
    p = sizes(where, "padding", padding, 0, 2)
    more = sizes(where, "output_padding", output_padding, 0, 2)
    if x.shape[-3] != w.shape[0]:
        fail(where, f"input with C={w.shape[0]} channels", f"C={x.shape[-3]}", input=x, weight=w)
    shape = transposed_shape(where, x, w.shape[2:], s, p, more, d)
    # Of a convolution that gives the input, the last window may need room beyond the output.
    windows = [
        (n + 2 * q - f * (k - 1) - 1) // t + 1
        for n, q, f, k, t in zip(shape, p, d, w.shape[2:], s, strict=True)
    ]
    unseen = [m - n for m, n in zip(windows, x.shape[-2:], strict=True)]
    if any(unseen):
        x = pad(x, (0, unseen[1], 0, unseen[0]))
    y: Tensor = conv2d_input(x, w, shape, s, p, d, groups)
    return _plus_bias(where, y, bias, 2)


def transposed_shape(
    where: str,
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """The sizes of space that a transposed convolution gives."""
    for more, s, d in zip(output_padding, stride, dilation, strict=True):
        if more >= s and more >= d:
            got = f"output_padding={more}, stride={s}, dilation={d}"
            fail(where, "output_padding below stride or dilation", got)
    space = zip(
        x.shape[-len(kernel) :], kernel, stride, padding, output_padding, dilation, strict=True
    )
    shape = tuple((n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, p, more, d in space)
    if min(shape) < 1:
        fail(where, "an output of at least one element", f"{shape}", "use less padding.", input=x)
    return check_size(where, shape)


def _plus_bias(where: str, y: Tensor, bias: Tensor | None, n: int) -> Tensor:
    if bias is None:
        return y
    b, channels = as_tensor(bias, where), y.shape[-n - 1]
    if b.shape != (channels,):
        fail(where, f"bias of shape ({channels},)", f"shape {b.shape}", bias=b)
    return y + reshape(b, (-1, *[1] * n))


# ---- three dimensions -----------------------------------------------------------------------


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """3-D convolution (cross-correlation) over volumes of several channels; see conv2d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W), weight (O, C/groups, KD, KH, KW), bias (O,) ->
    (N, O, OD, OH, OW). `padding` may be "valid" or "same". float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.conv3d(nnfast.ones(1, 2, 2, 2), nnfast.ones(1, 1, 2, 2, 2))
    tensor([[[[8.]]]])
    """
    where = "conv3d"
    x, w = _inputs(where, 3, input, weight, "O, C/groups")
    sd, sh, sw = sizes(where, "stride", stride, 1, 3)
    dd, dh, dw = sizes(where, "dilation", dilation, 1, 3)
    kd = w.shape[2]
    plane: Any = padding
    if isinstance(padding, str):
        total = dd * (kd - 1) if padding == "same" else 0
        before, behind = total // 2, total - total // 2
        if padding == "same" and sd != 1:
            fail(where, "stride=1 with padding='same'", f"stride={stride}")
    else:
        before, *plane = sizes(where, "padding", padding, 0, 3)
        behind = before
    batch = x if x.ndim == 5 else unsqueeze(x, 0)
    batch = pad(batch, (0, 0, 0, 0, before, behind))
    depths = (batch.shape[2] - dd * (kd - 1) - 1) // sd + 1
    if depths < 1:
        fail(where, "a kernel within the padded input", f"a depth of {kd}", input=x, weight=w)
    rows = permute(batch, 0, 2, 1, 3, 4)  # (N, D, C, H, W)
    seen = [unsqueeze(rows[:, i * dd : i * dd + (depths - 1) * sd + 1 : sd], 3) for i in range(kd)]
    n, _, c, _, height, width = seen[0].shape
    images = reshape(cat(seen, 3), (n * depths, c * kd, height, width))
    kernels = reshape(w, (w.shape[0], w.shape[1] * kd, *w.shape[3:]))
    y = conv2d(images, kernels, bias, (sh, sw), plane, (dh, dw), groups)
    y = permute(reshape(y, (n, depths, *y.shape[1:])), 0, 2, 1, 3, 4)
    return y if x.ndim == 5 else squeeze(y, 0)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """3-D transposed convolution; see conv_transpose2d.

    Shapes: input (N, C, D, H, W) or (C, D, H, W), weight (C, O/groups, KD, KH, KW), bias (O,) ->
    (N, O, OD, OH, OW).

    >>> import nnfast
    >>> x = nnfast.ones(1, 1, 2, 2, 2)
    >>> nnfast.nn.functional.conv_transpose3d(x, nnfast.ones(1, 4, 2, 2, 2), stride=2).shape
    (1, 4, 4, 4, 4)
    """
    where = "conv_transpose3d"
    x, w = _inputs(where, 3, input, weight, "C, O/groups")
    s, d = sizes(where, "stride", stride, 1, 3), sizes(where, "dilation", dilation, 1, 3)
    p = sizes(where, "padding", padding, 0, 3)
    more = sizes(where, "output_padding", output_padding, 0, 3)
    shape = transposed_shape(where, x, w.shape[2:], s, p, more, d)
    batch = x if x.ndim == 5 else unsqueeze(x, 0)
    n, c, depth, *plane = batch.shape
    kd = w.shape[2]
    images = reshape(permute(batch, 0, 2, 1, 3, 4), (n * depth, c, *plane))
    kernels = reshape(w, (w.shape[0], w.shape[1] * kd, *w.shape[3:]))
    y = conv_transpose2d(images, kernels, None, s[1:], p[1:], more[1:], groups, d[1:])
    slices = reshape(
        y, (n, depth, y.shape[1] // kd, kd, *y.shape[2:])
    )  # what each depth adds to kd of them
    whole = (n, max((depth - 1) * s[0] + d[0] * (kd - 1) + 1, p[0] + shape[0]), *slices.shape[2:3])
    parts = []
    for i in range(kd):
        first = i * d[0]
        at = (slice(None), slice(first, first + (depth - 1) * s[0] + 1, s[0]))
        parts.append(place(slices[:, :, :, i], at, (*whole, *y.shape[2:])))
    volume = reduce(add, parts)[:, p[0] : p[0] + shape[0]]
    y = _plus_bias(where, permute(volume, 0, 2, 1, 3, 4), bias, 3)
    return y if x.ndim == 5 else squeeze(y, 0)
