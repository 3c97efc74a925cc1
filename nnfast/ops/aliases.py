"""Second names that PyTorch has for what has a name already."""

from __future__ import annotations

from typing import Any

from nnfast.ops.arithmetic import div, sub
from nnfast.ops.clip import clip
from nnfast.ops.elementwise import abs, ge, gt, le, lt, mul, ne, neg, sign
from nnfast.ops.join import vstack
from nnfast.ops.record import method, methods
from nnfast.ops.rounding import trunc
from nnfast.ops.trigonometry import acos, acosh, asin, asinh, atan, atan2, atanh
from nnfast.tensor import Tensor

absolute = abs
arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
divide = true_divide = div
fix = trunc
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
multiply, negative, subtract = mul, neg, sub
row_stack = vstack
sgn = sign


@method
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """y = max(x, min).

    Shapes: those of input and bound, broadcast. Floats and integers.

    >>> import nnfast
    >>> nnfast.clamp_min(nnfast.tensor([1.0, 5.0]), 3)
    tensor([3., 5.])
    """
    return clip(input, min)


@method
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """y = min(x, max).

    Shapes: those of input and bound, broadcast. Floats and integers.

    >>> import nnfast
    >>> nnfast.clamp_max(nnfast.tensor([1.0, 5.0]), 3)
    tensor([1., 3.])
    """
    return clip(input, max=max)


@method
def positive(input: Tensor) -> Tensor:
    """x itself.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.positive(nnfast.tensor([-1.0]))
    tensor([-1.])
    """
    return input


methods(
    absolute=absolute, arccos=arccos, arccosh=arccosh, arcsin=arcsin, arcsinh=arcsinh,
    arctan=arctan, arctan2=arctan2, arctanh=arctanh, divide=divide, true_divide=true_divide,
    fix=fix, greater=greater, greater_equal=greater_equal, less=less, less_equal=less_equal,
    not_equal=not_equal, multiply=multiply, negative=negative, subtract=subtract, sgn=sgn,
    __pos__=positive,
)  # fmt: skip
