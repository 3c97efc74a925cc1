"""Functions of truth values (what is not 0 is true) and tests of numbers; all answer with bools."""

from __future__ import annotations

import math
from typing import Any

from nnfast.errors import DTypeError, fail
from nnfast.ops import bits
from nnfast.ops.elementwise import abs, cast, eq, lt, ne
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import method
from nnfast.tensor import Tensor, bool_, float32


def _truth(input: Operand, where: str) -> Tensor:
    """1.0 or 0.0: sums and products of these are logic."""
    x = as_tensor(input, where)
    y: Tensor = cast(x if x.dtype == bool_ else ne(x, 0), float32)
    return y


@method
def logical_not(input: Operand) -> Tensor:
    """Whether x is 0.

    >>> import nnfast
    >>> nnfast.logical_not(nnfast.tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    y: Tensor = eq(input, 0)
    return y


@method
def logical_and(input: Operand, other: Operand) -> Tensor:
    """Whether both are not 0.

    >>> import nnfast
    >>> nnfast.logical_and(nnfast.tensor([0.0, 2.0]), nnfast.tensor([1, 1]))
    tensor([False,  True])
    """
    return _truth(input, "logical_and") * _truth(other, "logical_and") != 0


@method
def logical_or(input: Operand, other: Operand) -> Tensor:
    """Whether one of them is not 0.

    >>> import nnfast
    >>> nnfast.logical_or(nnfast.tensor([0.0, 2.0]), nnfast.tensor([0, 1]))
    tensor([False,  True])
    """
    return _truth(input, "logical_or") + _truth(other, "logical_or") != 0


@method
def logical_xor(input: Operand, other: Operand) -> Tensor:
    """Whether exactly one of them is not 0.

    >>> import nnfast
    >>> nnfast.logical_xor(nnfast.tensor([0.0, 2.0]), nnfast.tensor([1, 1]))
    tensor([ True, False])
    """
    return _truth(input, "logical_xor") != _truth(other, "logical_xor")


def _operator(of_bools: Any, of_integers: Any, sign: str) -> Any:
    """An operator of Python's: logic of masks, bits of integers."""

    def operator(self: Tensor, *other: Operand) -> Tensor:
        kinds = {as_tensor(x, sign).dtype.kind for x in (self, *other)}
        if not kinds <= {"b", "i", "u"}:
            fail(sign, "bools or integers", "floats", "compare first, as in x > 0.", DTypeError)
        y: Tensor = (of_bools if kinds == {"b"} else of_integers)(self, *other)
        return y

    return operator


_and = _operator(logical_and, bits.bitwise_and, "&")
_or = _operator(logical_or, bits.bitwise_or, "|")
_xor = _operator(logical_xor, bits.bitwise_xor, "^")
Tensor.__invert__ = _operator(logical_not, bits.bitwise_not, "~")  # type: ignore[method-assign]
Tensor.__and__ = Tensor.__rand__ = _and  # type: ignore[method-assign]
Tensor.__or__ = Tensor.__ror__ = _or  # type: ignore[method-assign]
Tensor.__xor__ = Tensor.__rxor__ = _xor  # type: ignore[method-assign]


@method
def isnan(input: Operand) -> Tensor:
    """Whether x is not a number.

    >>> import nnfast
    >>> nnfast.isnan(nnfast.tensor([1.0, float("nan"), float("inf")]))
    tensor([False,  True, False])
    """
    y: Tensor = ne(input, input)
    return y


@method
def isinf(input: Operand) -> Tensor:
    """Whether x is inf or -inf.

    >>> import nnfast
    >>> nnfast.isinf(nnfast.tensor([1.0, float("nan"), float("-inf")]))
    tensor([False, False,  True])
    """
    y: Tensor = eq(abs(input), math.inf)
    return y


@method
def isfinite(input: Operand) -> Tensor:
    """Whether x is a number other than inf and -inf.

    >>> import nnfast
    >>> nnfast.isfinite(nnfast.tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    y: Tensor = lt(abs(input), math.inf)
    return y
