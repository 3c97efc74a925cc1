"""Pooling layers that are told the size that comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class _AdaptiveAvgPool(Module):
    """What AdaptiveAvgPool1d, 2d and 3d share."""

    _pool: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = self._pool(input, self.output_size)
        return y

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of output_size even windows. Shapes: (N, C, W) -> (N, C, output_size).

    >>> import nnfast
    >>> nnfast.nn.AdaptiveAvgPool1d(2)(nnfast.tensor([[[1.0, 3.0, 5.0, 7.0]]]))
    tensor([[[2., 6.]]])
    """

    _pool = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of output_size windows that cover the image evenly; of 1: global pooling.

    Shapes: (N, C, H, W) -> (N, C, *output_size); None keeps a size.

    >>> import nnfast
    >>> nnfast.nn.AdaptiveAvgPool2d((1, None))(nnfast.ones(2, 3, 5, 7)).shape
    (2, 3, 1, 7)
    """

    _pool = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of output_size even windows. Shapes: (N, C, D, H, W) -> (N, C, *output_size).

    >>> import nnfast
    >>> nnfast.nn.AdaptiveAvgPool3d(2)(nnfast.ones(1, 3, 4, 6, 8)).shape
    (1, 3, 2, 2, 2)
    """

    _pool = staticmethod(ops.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    """What AdaptiveMaxPool1d, 2d and 3d share."""

    _pool: Any

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return self._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of output_size even windows. Shapes: (N, C, W) -> (N, C, OW).

    >>> import nnfast
    >>> nnfast.nn.AdaptiveMaxPool1d(2)(nnfast.tensor([[[1.0, 3.0, 5.0, 7.0]]]))
    tensor([[[3., 7.]]])
    """

    _pool = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of output_size windows that cover the image evenly.

    Shapes: (N, C, H, W) -> (N, C, *output_size); with return_indices also their places h W + w.

    >>> import nnfast
    >>> nnfast.nn.AdaptiveMaxPool2d(2)(nnfast.ones(2, 3, 5, 7)).shape
    (2, 3, 2, 2)
    """

    _pool = staticmethod(ops.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of output_size even windows. Shapes: (N, C, D, H, W) -> alike.

    >>> import nnfast
    >>> nnfast.nn.AdaptiveMaxPool3d(2)(nnfast.ones(1, 3, 4, 6, 8)).shape
    (1, 3, 2, 2, 2)
    """

    _pool = staticmethod(ops.adaptive_max_pool3d)


class _FractionalMaxPool(Module):
    """What both share: the arguments of `_pool`, and random numbers that are given."""

    _pool: Callable[..., Any]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            got = "both" if output_size is not None else "none"
            fail(type(self).__name__, "output_size or output_ratio", got)
        ratio = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,)
        if output_ratio is not None and not all(0 < r < 1 for r in ratio):
            where = type(self).__name__
            fail(where, "output_ratio above 0 and below 1", f"{output_ratio}")
        self.kernel_size, self.return_indices = kernel_size, return_indices
        self.output_size, self.output_ratio = output_size, output_ratio
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return type(self)._pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest elements of windows at random places; sizes shrink by any factor.

    Shapes: (N, C, H, W) -> (N, C, *output_size), or output_ratio of (H, W), in training and in
    evaluation. `_random_samples` (N, C, 2) takes the place of random numbers.

    Source: Graham, Fractional max-pooling, 2014.

    >>> import nnfast
    >>> nnfast.nn.FractionalMaxPool2d(2, output_ratio=0.7)(nnfast.ones(1, 2, 9, 9)).shape
    (1, 2, 6, 6)
    """

    _pool = staticmethod(ops.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest elements of windows at random places. Shapes: (N, C, D, H, W) -> alike.

    `_random_samples`: (N, C, 3); all else as in FractionalMaxPool2d.

    >>> import nnfast
    >>> nnfast.nn.FractionalMaxPool3d(2, output_size=3)(nnfast.ones(1, 1, 6, 6, 6)).shape
    (1, 1, 3, 3, 3)
    """

    _pool = staticmethod(ops.fractional_max_pool3d)
