"""Older names: upsampling, and pooling functions that answer with indices."""

from __future__ import annotations

from typing import Any

from nnfast import ops
from nnfast.tensor import Tensor


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of `interpolate`.

    Shapes: as `interpolate`.

    >>> import nnfast
    >>> nnfast.nn.functional.upsample(nnfast.ones(1, 1, 2, 3), scale_factor=2).shape
    (1, 1, 4, 6)
    """
    return ops.interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by the nearest pixel.

    Shapes: as `interpolate`.

    >>> import nnfast
    >>> nnfast.nn.functional.upsample_nearest(nnfast.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return ops.interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by bilinear weights, corners aligned.

    Shapes: (N, C, H, W) -> (N, C, OH, OW). float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.upsample_bilinear(nnfast.tensor([[[[0.0, 2.0]]]]), size=(1, 3))
    tensor([[[[0., 1., 2.]]]])
    """
    return ops.interpolate(input, size, scale_factor, "bilinear", align_corners=True)


_DOC = """`{pool}` with return_indices=True: (y, indices).

Shapes: as `{pool}`, twice; indices of int64.

>>> import nnfast
>>> x = nnfast.ones({shape})
>>> y, indices = nnfast.nn.functional.{pool}_with_indices(x, {given})
>>> y.shape, indices.shape
({of}, {of})
"""


def _with_indices(pool: Any, dims: int, given: str = "2, 2") -> Any:
    """A pooling function that answers with indices too, whatever it is told."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return pool(*args, **{**kwargs, "return_indices": True})

    name = pool.__name__
    call.__name__ = call.__qualname__ = f"{name}_with_indices"
    shape, of = ", ".join("11444"[: dims + 2]), (1, 1, *[2] * dims)
    call.__doc__ = _DOC.format(pool=name, shape=shape, of=of, given=given)
    return call


max_pool1d_with_indices = _with_indices(ops.max_pool1d, 1)
max_pool2d_with_indices = _with_indices(ops.max_pool2d, 2)
max_pool3d_with_indices = _with_indices(ops.max_pool3d, 3)
adaptive_max_pool1d_with_indices = _with_indices(ops.adaptive_max_pool1d, 1, "2")
adaptive_max_pool2d_with_indices = _with_indices(ops.adaptive_max_pool2d, 2, "2")
adaptive_max_pool3d_with_indices = _with_indices(ops.adaptive_max_pool3d, 3, "2")
fractional_max_pool2d_with_indices = _with_indices(ops.fractional_max_pool2d, 2)
fractional_max_pool3d_with_indices = _with_indices(ops.fractional_max_pool3d, 3)
