"""Values brought within bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import maximum, minimum, ne, where
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, method, op
from nnfast.tensor import Tensor

_BOUNDS = (int, float, np.number, Tensor, type(None))


class ClipAttrs(NamedTuple):
    low: float
    high: float


@op("clip", attrs=ClipAttrs, floats=True)
def _clip(input: Operand, low: float, high: float) -> Result:
    """y = min(max(x, low), high)."""
    return like(input, ClipAttrs(float(low), float(high)))


_clip.vjp(
    input=lambda dy, input, low, high: where(input >= low, where(input <= high, dy, 0.0), 0.0)
)


@method
def clip(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """y = min(max(x, min), max); None is no bound. Gradient 0 outside the bounds.

    Bounds may be tensors that broadcast with x; each gets the gradient where it is taken.

    Shapes: those of input and bounds, broadcast. Floats and integers.

    >>> import nnfast
    >>> nnfast.clip(nnfast.tensor([-2.0, 0.5, 2.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        fail("clip", "min or max", "neither")
    for name, bound in (("min", min), ("max", max)):
        if not isinstance(bound, _BOUNDS):
            fail("clip", f"a number or a tensor as {name}", repr(bound), error=DTypeError)
    whole = isinstance(input, Tensor) and input.dtype.kind != "f"
    if whole and not isinstance(min, Tensor) and not isinstance(max, Tensor):
        y = input if min is None else maximum(input, min)
        return y if max is None else minimum(y, max)
    if whole or isinstance(min, Tensor) or isinstance(max, Tensor):
        return _at_most(_at_least(input, min), max)
    return _clip(input, -np.inf if min is None else min, np.inf if max is None else max)


def _at_least(x: Any, bound: Any) -> Any:
    return x if bound is None else where(x < bound, bound, where(ne(bound, bound), bound, x))


def _at_most(x: Any, bound: Any) -> Any:
    return x if bound is None else where(x > bound, bound, where(ne(bound, bound), bound, x))


clamp = clip
Tensor.clamp = clip  # type: ignore[assignment, method-assign]
