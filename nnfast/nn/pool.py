"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.module import Module
from nnfast.ops.window import sizes
from nnfast.tensor import Tensor


def _check(where: str, n: int, kernel_size: Any, stride: Any, padding: Any) -> None:
    kernel = sizes(where, "kernel_size", kernel_size, 1, n)
    sizes(where, "stride", stride, 1, n)
    pads = sizes(where, "padding", padding, 0, n)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        fail(where, f"padding of at most half of kernel_size={kernel_size}", f"padding={padding}")


# ---- largest --------------------------------------------------------------------------------


class _MaxPool(Module):
    """What MaxPool1d, 2d and 3d share."""

    _dims: int
    _pool: Any

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode
        _check(where, self._dims, kernel_size, self.stride, padding)
        sizes(where, "dilation", dilation, 1, self._dims)

    def forward(self, input: Tensor) -> Any:
        return self._pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of each window; see MaxPool2d.

    Shapes: (N, C, W) -> (N, C, OW).

    >>> import nnfast
    >>> nnfast.nn.MaxPool1d(2)(nnfast.ones(1, 3, 8)).shape
    (1, 3, 4)
    """

    _dims, _pool = 1, staticmethod(ops.max_pool1d)


class MaxPool2d(_MaxPool):
    """The maximum of each window; padding counts as -infinity.

    With return_indices also where in its plane each lies, h W + w, for MaxUnpool2d.

    Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.MaxPool2d(2)(nnfast.ones(1, 3, 8, 6)).shape
    (1, 3, 4, 3)
    """

    _dims, _pool = 2, staticmethod(ops.max_pool2d)


class MaxPool3d(_MaxPool):
    """The maximum of each window; see MaxPool2d.

    Shapes: (N, C, D, H, W) -> (N, C, OD, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.MaxPool3d(2)(nnfast.ones(1, 3, 4, 6, 8)).shape
    (1, 3, 2, 3, 4)
    """

    _dims, _pool = 3, staticmethod(ops.max_pool3d)


class _MaxUnpool(Module):
    """What MaxUnpool1d, 2d and 3d share."""

    _dims: int
    _unpool: Any

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        where = type(self).__name__
        self.kernel_size = sizes(where, "kernel_size", kernel_size, 1, self._dims)
        given = kernel_size if stride is None else stride
        self.stride = sizes(where, "stride", given, 1, self._dims)
        self.padding = sizes(where, "padding", padding, 0, self._dims)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        y: Tensor = self._unpool(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
        return y

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Zeros but for what MaxPool1d chose; see MaxUnpool2d. Shapes: (N, C, W) -> (N, C, OW).

    >>> import nnfast
    >>> pool, back = nnfast.nn.MaxPool1d(2, return_indices=True), nnfast.nn.MaxUnpool1d(2)
    >>> back(*pool(nnfast.tensor([[[1.0, 2.0, 4.0, 3.0]]])))
    tensor([[[0., 2., 4., 0.]]])
    """

    _dims, _unpool = 1, staticmethod(ops.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Zeros but for what MaxPool2d chose, where it found it.

    Shapes: two of (N, C, H, W) -> (N, C, OH, OW), OH = (H - 1) stride - 2 padding + KH or that of
    `output_size`.

    >>> import nnfast
    >>> pool = nnfast.nn.MaxPool2d(2, return_indices=True)
    >>> nnfast.nn.MaxUnpool2d(2)(*pool(nnfast.tensor([[[1.0, 3.0], [2.0, 0.0]]])))
    tensor([[[0., 3.],
             [0., 0.]]])
    """

    _dims, _unpool = 2, staticmethod(ops.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Zeros but for what MaxPool3d chose; see MaxUnpool2d.

    Shapes: (N, C, D, H, W) -> (N, C, OD, OH, OW).

    >>> import nnfast
    >>> pool, back = nnfast.nn.MaxPool3d(2, return_indices=True), nnfast.nn.MaxUnpool3d(2)
    >>> back(*pool(nnfast.ones(1, 1, 2, 4, 6))).shape
    (1, 1, 2, 4, 6)
    """

    _dims, _unpool = 3, staticmethod(ops.max_unpool3d)


# ---- mean -----------------------------------------------------------------------------------


class AvgPool1d(Module):
    """The mean of each window; see AvgPool2d.

    Shapes: (N, C, W) -> (N, C, OW).

    >>> import nnfast
    >>> nnfast.nn.AvgPool1d(2)(nnfast.ones(1, 3, 8)).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        where = "AvgPool1d"
        _check(where, 1, kernel_size, kernel_size if stride is None else stride, padding)
        self.kernel_size = sizes(where, "kernel_size", kernel_size, 1, 1)
        given = kernel_size if stride is None else stride
        self.stride = sizes(where, "stride", given, 1, 1)
        self.padding = sizes(where, "padding", padding, 0, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return ops.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """What AvgPool2d and 3d share."""

    _dims: int
    _pool: Any

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        _check(where, self._dims, kernel_size, self.stride, padding)
        if divisor_override == 0:
            fail(where, "a divisor_override that is not 0", "0")

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = self._pool(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip
        return y

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window.

    Padding counts as zeros; `count_include_pad=False` divides by the elements that are not
    padding, `divisor_override` by a number of your own.

    Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.AvgPool2d(2)(nnfast.ones(1, 3, 8, 6)).shape
    (1, 3, 4, 3)
    """

    _dims, _pool = 2, staticmethod(ops.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window; see AvgPool2d.

    Shapes: (N, C, D, H, W) -> (N, C, OD, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.AvgPool3d(2)(nnfast.ones(1, 3, 4, 6, 8)).shape
    (1, 3, 2, 3, 4)
    """

    _dims, _pool = 3, staticmethod(ops.avg_pool3d)


# ---- norms ----------------------------------------------------------------------------------


class _LPPool(Module):
    """What LPPool1d, 2d and 3d share."""

    _pool: Any

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = self._pool(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )
        return y

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x^p)^(1/p) of each window, p = norm_type. Shapes: (N, C, W) -> (N, C, OW).

    >>> import nnfast
    >>> nnfast.nn.LPPool1d(2, 2)(nnfast.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    _pool = staticmethod(ops.lp_pool1d)


class LPPool2d(_LPPool):
    """(sum of x^p)^(1/p) of each window, p = norm_type.

    Shapes: (N, C, H, W) -> (N, C, OH, OW).

    >>> import nnfast
    >>> nnfast.nn.LPPool2d(2, (2, 1))(nnfast.tensor([[[3.0], [4.0]]]))
    tensor([[[5.]]])
    """

    _pool = staticmethod(ops.lp_pool2d)


class LPPool3d(_LPPool):
    """(sum of x^p)^(1/p) of each window, p = norm_type. Shapes: (N, C, D, H, W) -> alike.

    >>> import nnfast
    >>> nnfast.nn.LPPool3d(2, 2)(nnfast.ones(1, 3, 4, 6, 8)).shape
    (1, 3, 2, 3, 4)
    """

    _pool = staticmethod(ops.lp_pool3d)
