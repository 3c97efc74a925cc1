"""Sums, differences and quotients with the keywords that their operators do not have."""

from __future__ import annotations

from nnfast.errors import fail
from nnfast.ops import elementwise
from nnfast.ops.operands import Operand
from nnfast.ops.record import is_float, methods
from nnfast.ops.rounding import floor_divide, fmod, trunc
from nnfast.tensor import Tensor


def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """y = input + alpha other.

    Shapes: two that broadcast to that of y. Any dtypes, promoted to a common one.

    >>> import nnfast
    >>> nnfast.add(nnfast.tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """
    y: Tensor = elementwise.add(input, _scaled("add", input, other, alpha))
    return y


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """y = input - alpha other.

    Shapes: two that broadcast to that of y. Floats and integers, promoted to a common dtype.

    >>> import nnfast
    >>> nnfast.sub(nnfast.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    y: Tensor = elementwise.sub(input, _scaled("sub", input, other, alpha))
    return y


def _scaled(where: str, input: Operand, other: Operand, alpha: float) -> Operand:
    if alpha == 1:
        return other
    floats = isinstance(alpha, int) or any(is_float(x) for x in (input, other))
    if not floats:
        fail(where, "an integer alpha for integers", f"alpha={alpha}")
    return other * alpha


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """y = input / other; "trunc" rounds it towards 0, "floor" down. Integers give float32 if None.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.div(nnfast.tensor([1, 2]), 2)
    tensor([0.5, 1. ])
    >>> nnfast.div(nnfast.tensor([-7.0]), 2, rounding_mode="floor")
    tensor([-4.])
    """
    y: Tensor
    if rounding_mode is None:
        y = elementwise.div(input, other)
    elif rounding_mode == "floor":
        y = floor_divide(input, other)
    elif rounding_mode == "trunc":
        rest: Tensor = fmod(input, other)
        floats = rest.dtype.kind == "f"
        y = trunc(elementwise.div(input, other)) if floats else floor_divide(input - rest, other)
    else:
        fail("div", "rounding_mode 'trunc', 'floor' or None", repr(rounding_mode))
    return y


methods(add=add, sub=sub, div=div)
