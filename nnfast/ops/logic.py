"""Functions of truth values (what is not 0 is true) and tests of numbers; all answer with bools."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops import bits
from nnfast.ops.elementwise import abs, broadcast_shape, eq, lt, ne
from nnfast.ops.operands import BoolTensor, Operand, as_tensor
from nnfast.ops.record import Result, method, op, out
from nnfast.tensor import Tensor, bool_, wrap


class LogicAttrs(NamedTuple):
    function: int  # and, or, xor


@op("logic", attrs=LogicAttrs)
def _logical(input: BoolTensor, other: BoolTensor, function: int) -> Result:
    """And (0), or (1), exclusive or (2) of booleans.

    >>> import nnfast
    >>> nnfast.tensor([True, False]) & nnfast.tensor([True, True])
    tensor([ True, False])
    """
    return out(broadcast_shape("logical", input, other), bool_, LogicAttrs(function))


_TRUE = wrap(np.ones((), bool_))


def _truth(input: Operand, where: str) -> Tensor:
    """Whether x is not 0."""
    x = as_tensor(input, where)
    y: Tensor = x if x.array.dtype == bool_ else ne(x, 0)
    return y


@method
def logical_not(input: Operand) -> Tensor:
    """Whether x is 0.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.logical_not(nnfast.tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    y: Tensor = _logical(_truth(input, "logical_not"), _TRUE, 2)
    return y


@method
def logical_and(input: Operand, other: Operand) -> Tensor:
    """Whether both are not 0.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.logical_and(nnfast.tensor([0.0, 2.0]), nnfast.tensor([1, 1]))
    tensor([False,  True])
    """
    y: Tensor = _logical(_truth(input, "logical_and"), _truth(other, "logical_and"), 0)
    return y


@method
def logical_or(input: Operand, other: Operand) -> Tensor:
    """Whether one of them is not 0.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.logical_or(nnfast.tensor([0.0, 2.0]), nnfast.tensor([0, 1]))
    tensor([False,  True])
    """
    y: Tensor = _logical(_truth(input, "logical_or"), _truth(other, "logical_or"), 1)
    return y


@method
def logical_xor(input: Operand, other: Operand) -> Tensor:
    """Whether exactly one of them is not 0.

    Shapes: two that broadcast to that of the result, of bool. Any dtypes in.

    >>> import nnfast
    >>> nnfast.logical_xor(nnfast.tensor([0.0, 2.0]), nnfast.tensor([1, 1]))
    tensor([ True, False])
    """
    y: Tensor = _logical(_truth(input, "logical_xor"), _truth(other, "logical_xor"), 2)
    return y


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

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isnan(nnfast.tensor([1.0, float("nan"), float("inf")]))
    tensor([False,  True, False])
    """
    y: Tensor = ne(input, input)
    return y


@method
def isinf(input: Operand) -> Tensor:
    """Whether x is inf or -inf.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isinf(nnfast.tensor([1.0, float("nan"), float("-inf")]))
    tensor([False, False,  True])
    """
    y: Tensor = eq(abs(input), math.inf)
    return y


@method
def isfinite(input: Operand) -> Tensor:
    """Whether x is a number other than inf and -inf.

    Shapes: any, the same out, of bool. Any dtype in.

    >>> import nnfast
    >>> nnfast.isfinite(nnfast.tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    y: Tensor = lt(abs(input), math.inf)
    return y
