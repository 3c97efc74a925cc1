"""Integers as bits, and their divisors.

Bits of int64 and bools have kernels. NumPy computes all else: a compiled function runs eagerly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import broadcast_shape, cast
from nnfast.ops.operands import AnyTensor, Operand, as_tensor
from nnfast.ops.record import Op, Result, like, methods, op, out
from nnfast.tensor import Tensor, bool_, int64, wrap


def _kernel(name: str) -> Op[Any]:
    """Of int64."""

    def rule(input: AnyTensor, other: AnyTensor) -> Result:
        return out(broadcast_shape(name, input, other), int64)

    rule.__name__, rule.__doc__ = f"_{name}", f"The kernel of {name}: int64, with broadcasting."
    return op(name)(rule)


@op("bitwise_not")
def _bitwise_not(input: AnyTensor) -> Result:
    """The kernel of bitwise_not: int64."""
    return like(input)


_bitwise_and, _bitwise_or = _kernel("bitwise_and"), _kernel("bitwise_or")
_bitwise_xor = _kernel("bitwise_xor")
_bitwise_left_shift = _kernel("bitwise_left_shift")
_bitwise_right_shift = _kernel("bitwise_right_shift")
_KERNELS: dict[str, Any] = {
    record.name: record
    for record in (
        _bitwise_and, _bitwise_or, _bitwise_xor, _bitwise_left_shift, _bitwise_right_shift
    )
}  # fmt: skip


def _of_bools(name: str, *tensors: Tensor) -> Tensor:
    from nnfast.ops import logic  # which has the operators

    y: Tensor = getattr(logic, name.replace("bitwise", "logical"))(*tensors)
    return y


_DOC = """{what}

Shapes: two that broadcast to that of the result. {kinds}

>>> import nnfast
>>> nnfast.{name}(nnfast.tensor([{a}]), {b})
tensor([{y}])
"""


def _of_two(
    name: str, compute: Callable[..., Any], what: str, example: tuple[int, int], kinds: str = "iub"
) -> Callable[[Operand, Operand], Tensor]:
    """`compute` of two tensors of these kinds; the example is computed too."""

    def call(input: Operand, other: Operand) -> Tensor:
        tensors = [as_tensor(x, name) for x in (input, other)]
        for x in tensors:
            if x.dtype.kind not in kinds:
                fail(
                    name, "integers" + " or bools" * ("b" in kinds), str(x.dtype), error=DTypeError
                )
        strong = [x.dtype for x in tensors if x.ndim] or [x.dtype for x in tensors]
        dtype = np.result_type(*strong)
        if dtype.kind == "b" and not all(x.dtype.kind == "b" for x in tensors):
            dtype = int64
        if dtype == bool_:
            return _of_bools(name, *tensors)
        if dtype == int64 and name in _KERNELS:
            return _KERNELS[name](*(x if x.dtype == int64 else cast(x, int64) for x in tensors))
        a, b = (x._values() for x in tensors)
        return wrap(np.asarray(compute(a.astype(dtype), b.astype(dtype))))

    call.__name__ = call.__qualname__ = name
    said = "Integers and booleans." if "b" in kinds else "Integers."
    a, b = example
    call.__doc__ = _DOC.format(what=what, kinds=said, name=name, a=a, b=b, y=compute(a, b))
    return call


bitwise_and = _of_two("bitwise_and", np.bitwise_and, "The bits that both have.", (6, 3))
bitwise_or = _of_two("bitwise_or", np.bitwise_or, "The bits that one of them has.", (6, 3))
bitwise_xor = _of_two(
    "bitwise_xor", np.bitwise_xor, "The bits that exactly one of them has.", (6, 3)
)
bitwise_left_shift = _of_two(
    "bitwise_left_shift", np.left_shift, "The bits of a, b places further up.", (3, 2), "iu"
)
bitwise_right_shift = _of_two(
    "bitwise_right_shift", np.right_shift, "The bits of a, b places further down.", (-12, 2), "iu"
)
gcd = _of_two("gcd", np.gcd, "The greatest common divisor.", (12, -8), "iu")
lcm = _of_two("lcm", np.lcm, "The least common multiple.", (4, 6), "iu")


def bitwise_not(input: Tensor) -> Tensor:
    """All bits exchanged: -x - 1 of an integer, `not` of a bool.

    Shapes: any, the same out. Integers and booleans.

    >>> import nnfast
    >>> nnfast.bitwise_not(nnfast.tensor([0, 5])), nnfast.bitwise_and(nnfast.tensor([6]), 3)
    (tensor([-1, -6]), tensor([2]))
    """
    x = as_tensor(input, "bitwise_not")
    if x.dtype.kind not in "iub":
        fail("bitwise_not", "integers or bools", str(x.dtype), error=DTypeError)
    if x.dtype == bool_:
        return _of_bools("bitwise_not", x)
    return _bitwise_not(x) if x.dtype == int64 else wrap(np.invert(x._values()))


methods(
    bitwise_and=bitwise_and,
    bitwise_or=bitwise_or,
    bitwise_xor=bitwise_xor,
    bitwise_not=bitwise_not,
    bitwise_left_shift=bitwise_left_shift,
    bitwise_right_shift=bitwise_right_shift,
    gcd=gcd,
    lcm=lcm,
    __lshift__=bitwise_left_shift,
    __rshift__=bitwise_right_shift,
)
