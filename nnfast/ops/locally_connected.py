"""Convolution without shared weights: each output pixel has a kernel of its own."""

from __future__ import annotations

from typing import Any

from nnfast.errors import fail
from nnfast.ops.fold import unfold
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.shape import permute, reshape
from nnfast.tensor import Tensor


def locally_connected2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    """A convolution whose weights differ from pixel to pixel.

    y[n, o, u, v] = b[o, u, v] + sum over c, i, j of
    w[u, v, o, c, i, j] x[n, c, u sh - ph + i dh, v sw - pw + j dw], zero outside of x.

    Shapes: input (N, C, H, W), weight (OH, OW, O, C, KH, KW), bias (O, OH, OW) -> (N, O, OH, OW)
    with OH and OW as of conv2d. float32, float64. Errors: shapes that do not fit.

    Source: Taigman et al., DeepFace, CVPR 2014.

    >>> import nnfast
    >>> x, w = nnfast.ones(1, 1, 3, 3), nnfast.ones(2, 2, 4, 1, 2, 2)
    >>> nnfast.nn.functional.locally_connected2d(x, w).shape
    (1, 4, 2, 2)
    """
    name = "locally_connected2d"
    x, w = as_tensor(input, name), as_tensor(weight, name)
    if x.ndim != 4 or w.ndim != 6 or x.shape[1] != w.shape[3]:
        wanted = "input (N, C, H, W) and a weight (OH, OW, O, C, KH, KW)"
        fail(name, wanted, f"{x.shape} and {w.shape}", input=x, weight=w)
    height, width, out, _, *kernel = w.shape
    columns = unfold(x, tuple(kernel), dilation, padding, stride)  # (N, C KH KW, OH OW)
    if columns.shape[2] != height * width:
        got = f"{height} x {width}"
        fail(name, f"a kernel for each of {columns.shape[2]} pixels", got, input=x, weight=w)
    kernels = reshape(w, (height * width, out, columns.shape[1]))
    y = permute(matmul(kernels, permute(columns, 2, 1, 0)), 2, 1, 0)  # (N, O, OH OW)
    y = reshape(y, (x.shape[0], out, height, width))
    if bias is None:
        return y
    if bias.shape != y.shape[1:]:
        fail(name, f"bias of shape {y.shape[1:]}", f"shape {bias.shape}", input=x, weight=w)
    return y + bias
