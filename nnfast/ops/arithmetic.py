"""Sums, differences and quotients with the keywords that their operators do not have; mixtures."""

from __future__ import annotations

from typing import NamedTuple

from nnfast.errors import fail
from nnfast.ops import elementwise
from nnfast.ops.elementwise import broadcast_shape, sum_to
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, is_float, methods, op, out
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


@op("lerp", floats=True)
def lerp(input: Operand, end: Operand, weight: Operand) -> Result:
    """y = input + weight (end - input); from the other end where |weight| is at least 1 / 2.

    Shapes: three that broadcast to that of the result. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.lerp(nnfast.zeros(1), nnfast.ones(1), 0.25)
    tensor([0.25])
    """
    return out(broadcast_shape("lerp", input, end, weight), input.array.dtype)


lerp.vjp(
    input=lambda dy, weight, input_shape: sum_to(dy * (1.0 - weight), input_shape),
    end=lambda dy, weight, end_shape: sum_to(dy * weight, end_shape),
    weight=lambda dy, input, end, weight_shape: sum_to(dy * (end - input), weight_shape),
)


class AddcmulAttrs(NamedTuple):
    value: float


@op("addcmul", attrs=AddcmulAttrs)
def _addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float = 1.0) -> Result:
    """y = input + value tensor1 tensor2, of floats."""
    shape = broadcast_shape("addcmul", input, tensor1, tensor2)
    return out(shape, input.array.dtype, AddcmulAttrs(float(value)))


_addcmul.vjp(
    input=lambda dy, input_shape: sum_to(dy, input_shape),
    tensor1=lambda dy, tensor2, value, tensor1_shape: sum_to(dy * tensor2 * value, tensor1_shape),
    tensor2=lambda dy, tensor1, value, tensor2_shape: sum_to(dy * tensor1 * value, tensor2_shape),
)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value tensor1 tensor2.

    Shapes: three that broadcast to that of the result. Floats and integers.

    >>> import nnfast
    >>> nnfast.addcmul(nnfast.ones(2), nnfast.ones(2), nnfast.ones(2), value=0.5)
    tensor([1.5, 1.5])
    """
    if all(isinstance(x, Tensor) and x.dtype.kind == "f" for x in (input, tensor1, tensor2)):
        y: Tensor = _addcmul(input, tensor1, tensor2, value)
        return y
    return add(input, tensor1 * tensor2, alpha=value)
