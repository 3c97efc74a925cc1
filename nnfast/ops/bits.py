"""Integers as bits, and their divisors. NumPy computes them: a compiled function runs eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import methods
from nnfast.tensor import Tensor, wrap


def _of_two(
    name: str, compute: Callable[..., Any], doc: str, kinds: str = "iub"
) -> Callable[[Operand, Operand], Tensor]:
    def call(input: Operand, other: Operand) -> Tensor:
        tensors = [as_tensor(x, name) for x in (input, other)]
        for x in tensors:
            if x.dtype.kind not in kinds:
                fail(
                    name, "integers" + " or bools" * ("b" in kinds), str(x.dtype), error=DTypeError
                )
        strong = [x.dtype for x in tensors if x.ndim] or [x.dtype for x in tensors]
        dtype = np.result_type(*strong)
        a, b = (x._values() for x in tensors)
        if dtype.kind == "b" and not all(x.dtype.kind == "b" for x in tensors):
            dtype = np.dtype(np.int64)
        return wrap(np.asarray(compute(a.astype(dtype), b.astype(dtype))))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


bitwise_and = _of_two("bitwise_and", np.bitwise_and, "The bits that both have.")
bitwise_or = _of_two("bitwise_or", np.bitwise_or, "The bits that one of them has.")
bitwise_xor = _of_two("bitwise_xor", np.bitwise_xor, "The bits that exactly one of them has.")
bitwise_left_shift = _of_two(
    "bitwise_left_shift", np.left_shift, "The bits of a, b places further up.", "iu"
)
bitwise_right_shift = _of_two(
    "bitwise_right_shift", np.right_shift, "The bits of a, b places further down.", "iu"
)
gcd = _of_two("gcd", np.gcd, "The greatest common divisor.", "iu")
lcm = _of_two("lcm", np.lcm, "The least common multiple.", "iu")


def bitwise_not(input: Tensor) -> Tensor:
    """All bits exchanged: -x - 1 of an integer, `not` of a bool.

    >>> import nnfast
    >>> nnfast.bitwise_not(nnfast.tensor([0, 5])), nnfast.bitwise_and(nnfast.tensor([6]), 3)
    (tensor([-1, -6]), tensor([2]))
    """
    x = as_tensor(input, "bitwise_not")
    if x.dtype.kind not in "iub":
        fail("bitwise_not", "integers or bools", str(x.dtype), error=DTypeError)
    return wrap(np.invert(x._values()))


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
