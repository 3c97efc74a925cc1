"""Windows that slide over images: sizes and checks that convolution and pooling share."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.record import Shape
from nnfast.tensor import Tensor

Pair = tuple[int, int]
_LARGEST = 2**31 - 1


def is_integer(value: Any) -> bool:
    """Whether it is an integer, but no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def sizes(where: str, name: str, value: Any, least: int, n: int) -> tuple[int, ...]:
    """A size for each of n dimensions: one integer for all or n of them, none below `least`."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(given) == n and all([type(v) is int and least <= v <= _LARGEST for v in given]):
        return given  # the ordinary case
    if len(given) != n or not all(is_integer(v) for v in given):
        several = {1: "", 2: " or a pair of them"}.get(n, f" or {n} of them")
        fail(where, f"{name} as an integer{several}", repr(value), error=DTypeError)
    if not all(least <= v <= _LARGEST for v in given):
        fail(where, f"{name} from {least} to {_LARGEST}", f"{name}={value!r}")
    return tuple(int(v) for v in given)


def pair(where: str, name: str, value: Any, least: int) -> Pair:
    """A size for height and width: one integer for both or two of them, none below `least`."""
    height, width = sizes(where, name, value, least, 2)
    return height, width


class Axis(NamedTuple):
    """How a window slides along one dimension."""

    kernel: int
    stride: int
    begin: int  # padding before
    end: int  # padding behind
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Elements from the first tap to the last, gaps included."""
        return (self.kernel - 1) * self.dilation + 1

    def count(self, size: int, ceil_mode: bool = False) -> int:
        """How many windows fit into `size` elements and their padding.

        With `ceil_mode` the last may reach over the end, but must start before the end padding.
        """
        room = size + self.begin + self.end - self.extent
        n = (room + (self.stride - 1 if ceil_mode else 0)) // self.stride + 1
        if ceil_mode and (n - 1) * self.stride >= size + self.begin:
            n -= 1
        return max(n, 0)


def window_shape(
    where: str, axes: tuple[Axis, Axis], input: Tensor, ceil_mode: bool = False, **shown: Any
) -> Pair:
    """OH and OW of windows over the last two dimensions of `input`; raises where none fits."""
    h, w = axes
    H, W = input.shape[-2:]
    size = h.count(H, ceil_mode), w.count(W, ceil_mode)
    if min(size) < 1:
        fail(
            where,
            f"a kernel within the padded input of {H + h.begin + h.end} x {W + w.begin + w.end}",
            f"one of {h.extent} x {w.extent}"
            + (" (with its dilation)" if h.dilation > 1 or w.dilation > 1 else ""),
            "use a smaller kernel or more padding.",
            input=input,
            **shown,
        )
    return size


def check_image(where: str, name: str, x: Tensor, **shown: Any) -> None:
    """Raise unless x is (N, C, H, W) or (C, H, W)."""
    if x.ndim not in (3, 4):
        fail(
            where,
            f"{name} of shape (N, C, H, W) or (C, H, W)",
            f"{x.ndim} dimensions",
            "a grey image needs a channel dimension of size 1.",
            **{name: x, **shown},
        )


def check_size(where: str, shape: Shape) -> Shape:
    """The shape; raises if such an array could not be addressed."""
    if prod(shape) >= 2**59:
        fail(where, "an output of less than 2**59 elements", f"shape {shape}")
    return shape
