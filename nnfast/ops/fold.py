"""Patches of images as columns and back, and channels that become pixels or change places."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnfast.errors import fail
from nnfast.ops.gather import take, take_backward
from nnfast.ops.operands import as_tensor
from nnfast.ops.pad import pad
from nnfast.ops.shape import permute, reshape, squeeze, unsqueeze
from nnfast.ops.window import Axis, is_integer, pair
from nnfast.tensor import Tensor, wrap


def _axes(
    name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Axis, Axis]:
    kernel, steps = pair(name, "kernel_size", kernel_size, 1), pair(name, "stride", stride, 1)
    pads, gaps = pair(name, "padding", padding, 0), pair(name, "dilation", dilation, 1)
    h, w = (Axis(k, s, p, p, d) for k, s, p, d in zip(kernel, steps, pads, gaps, strict=True))
    return h, w


def _places(h: Axis, w: Axis, size: tuple[int, int], blocks: tuple[int, int]) -> Tensor:
    """Where in its padded plane each tap of each block lies, (KH KW, OH OW) flattened."""
    rows, cols = (
        np.arange(a.kernel)[:, None] * a.dilation + np.arange(n) * a.stride
        for a, n in zip((h, w), blocks, strict=True)
    )
    width = size[1] + 2 * w.begin
    return wrap((rows[:, None, :, None] * width + cols[None, :, None, :]).reshape(-1))


def _blocks(name: str, h: Axis, w: Axis, size: tuple[int, int]) -> tuple[int, int]:
    blocks = h.count(size[0]), w.count(size[1])
    if min(blocks) < 1:
        padded = f"{size[0] + 2 * h.begin} x {size[1] + 2 * w.begin}"
        fail(name, f"a kernel within the padded image of {padded}", f"{h.extent} x {w.extent}")
    return blocks


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The patches of an image that a convolution sees, each as a column.

    y[n, (c KH + i) KW + j, u OW + v] = x[n, c, u sh - ph + i dh, v sw - pw + j dw], zero outside.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C KH KW, OH OW), OH and OW as of conv2d. float32,
    float64. Errors: a kernel larger than the padded image.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0, 2.0, 3.0]]])
    >>> nnfast.nn.functional.unfold(x, (1, 2))
    tensor([[1., 2.],
            [2., 3.]])
    """
    name = "unfold"
    x = as_tensor(input, name)
    if x.ndim not in (3, 4):
        fail(name, "input of shape (N, C, H, W) or (C, H, W)", f"{x.ndim} dimensions", input=x)
    h, w = _axes(name, kernel_size, dilation, padding, stride)
    batch = x if x.ndim == 4 else unsqueeze(x, 0)
    n, c, *size = batch.shape
    blocks = _blocks(name, h, w, (size[0], size[1]))
    padded = pad(batch, (w.begin, w.end, h.begin, h.end))
    planes = reshape(padded, (n, c, padded.shape[2] * padded.shape[3]))
    y = take(planes, _places(h, w, (size[0], size[1]), blocks), 2)
    y = reshape(y, (n, c * h.kernel * w.kernel, prod(blocks)))
    return y if x.ndim == 4 else squeeze(y, 0)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Columns added up at the places where `unfold` takes them from: its adjoint.

    Shapes: (N, C KH KW, OH OW) or without N -> (N, C, *output_size). float32, float64.
    Errors: a number of rows or columns that does not follow from the sizes.

    >>> import nnfast
    >>> nnfast.nn.functional.fold(nnfast.ones(2, 2), (1, 3), (1, 2))
    tensor([[[1., 2., 1.]]])
    """
    name = "fold"
    x = as_tensor(input, name)
    if x.ndim not in (2, 3):
        fail(name, "input of shape (N, C KH KW, L) or (C KH KW, L)", f"{x.ndim} dimensions")
    h, w = _axes(name, kernel_size, dilation, padding, stride)
    size = pair(name, "output_size", output_size, 1)
    blocks = _blocks(name, h, w, size)
    taps = h.kernel * w.kernel
    if x.shape[-1] != prod(blocks) or x.shape[-2] % taps:
        wanted = f"a multiple of {taps} rows and {prod(blocks)} columns"
        fail(name, wanted, f"{x.shape[-2]} x {x.shape[-1]}", input=x)
    batch = x if x.ndim == 3 else unsqueeze(x, 0)
    n, c = batch.shape[0], batch.shape[1] // taps
    columns = reshape(batch, (n, c, taps * prod(blocks)))
    padded = (size[0] + 2 * h.begin, size[1] + 2 * w.begin)
    y = take_backward(columns, _places(h, w, size, blocks), prod(padded), 2)
    y = reshape(y, (n, c, *padded))
    y = y[:, :, h.begin : h.begin + size[0], w.begin : w.begin + size[1]]
    return y if x.ndim == 3 else squeeze(y, 0)


# ---- channels -------------------------------------------------------------------------------


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """r^2 channels become squares of r x r pixels, r being upscale_factor.

    y[c, h r + i, w r + j] = x[(c r + i) r + j, h, w].

    Shapes: (*, C r^2, H, W) -> (*, C, H r, W r). Errors: channels that r^2 does not divide.

    Source: Shi et al., Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network, CVPR 2016.

    >>> import nnfast
    >>> nnfast.nn.functional.pixel_shuffle(nnfast.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    name = "pixel_shuffle"
    x, r = _image(name, input), _factor(name, "upscale_factor", upscale_factor)
    *lead, c, height, width = x.shape
    if c % (r * r):
        fail(name, f"channels that {r}^2 divides", f"{c}", input=x)
    split = reshape(x, (prod(lead), c // (r * r), r, r, height, width))
    y = permute(split, 0, 1, 4, 2, 5, 3)
    return reshape(y, (*lead, c // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Squares of r x r pixels become r^2 channels: takes pixel_shuffle back.

    Shapes: (*, C, H r, W r) -> (*, C r^2, H, W). Errors: sizes that r does not divide.

    >>> import nnfast
    >>> nnfast.nn.functional.pixel_unshuffle(nnfast.ones(1, 4, 6), 2).shape
    (4, 2, 3)
    """
    name = "pixel_unshuffle"
    x, r = _image(name, input), _factor(name, "downscale_factor", downscale_factor)
    *lead, c, height, width = x.shape
    if height % r or width % r:
        fail(name, f"height and width that {r} divides", f"{height} x {width}", input=x)
    split = reshape(x, (prod(lead), c, height // r, r, width // r, r))
    y = permute(split, 0, 1, 3, 5, 2, 4)
    return reshape(y, (*lead, c * r * r, height // r, width // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of several groups interleaved: the first of each group, the second of each ...

    Shapes: (N, C, *) -> the same. Errors: groups that do not divide C.

    Source: Zhang et al., ShuffleNet, CVPR 2018.

    >>> import nnfast
    >>> x = nnfast.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    >>> nnfast.nn.functional.channel_shuffle(x, 2).flatten()
    tensor([1., 3., 2., 4.])
    """
    name = "channel_shuffle"
    x, g = as_tensor(input, name), _factor(name, "groups", groups)
    if x.ndim < 3 or x.shape[1] % g:
        fail(name, f"input of shape (N, C, ...) with C that {g} divides", f"{x.shape}")
    n, c, *space = x.shape
    y = permute(reshape(x, (n, g, c // g, prod(space))), 0, 2, 1, 3)
    return reshape(y, x.shape)


def _image(name: str, input: Tensor) -> Tensor:
    x = as_tensor(input, name)
    if x.ndim < 3:
        fail(name, "input of shape (*, C, H, W)", f"shape {x.shape}", input=x)
    return x


def _factor(name: str, what: str, value: Any) -> int:
    if not is_integer(value) or value < 1:
        fail(name, f"{what} of at least 1", repr(value))
    return int(value)
