"""More powers, exponentials and logarithms."""

from __future__ import annotations

import math

from nnfast.ops.elementwise import cast, div, log, mul
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import Result, like, method, op
from nnfast.tensor import Tensor


@op("rsqrt", methods=("rsqrt",), floats=True)
def rsqrt(input: Operand) -> Result:
    """y = 1 / sqrt(x); inf at 0, NaN below.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.rsqrt(nnfast.tensor([4.0, 0.25]))
    tensor([0.5, 2. ])
    """
    return like(input)


rsqrt.vjp(input=lambda dy, y: dy * y * y * y * -0.5)


@op("exp2", methods=("exp2",), floats=True)
def exp2(input: Operand) -> Result:
    """y = 2^x, exact for integers.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.exp2(nnfast.tensor([3.0, -1.0]))
    tensor([8. , 0.5])
    """
    return like(input)


exp2.vjp(input=lambda dy, y: dy * y * math.log(2))


@op("expm1", methods=("expm1",), floats=True)
def expm1(input: Operand) -> Result:
    """y = e^x - 1, precise near 0.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.expm1(nnfast.tensor([0.0, 1e-10]))
    tensor([0.e+00, 1.e-10])
    """
    return like(input)


expm1.vjp(input=lambda dy, y: dy * (y + 1.0))


@op("log2", methods=("log2",), floats=True)
def log2(input: Operand) -> Result:
    """y = log x / log 2, exact for powers of 2; -inf at 0, NaN below.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.log2(nnfast.tensor([8.0, 0.5]))
    tensor([ 3., -1.])
    """
    return like(input)


log2.vjp(input=lambda dy, input: dy / (input * math.log(2)))


@method
def log10(input: Operand) -> Tensor:
    """y = log x / log 10; -inf at 0, NaN below.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.log10(nnfast.tensor([1.0, 100.0]))
    tensor([0., 2.])
    """
    y: Tensor = log(input) * (1 / math.log(10))
    return y


@method
def square(input: Operand) -> Tensor:
    """y = x x.

    Shapes: any, the same out. Any dtype.

    >>> import nnfast
    >>> nnfast.square(nnfast.tensor([-3.0, 2.0]))
    tensor([9., 4.])
    """
    y: Tensor = mul(input, input)
    return y


@method
def reciprocal(input: Operand) -> Tensor:
    """y = 1 / x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.reciprocal(nnfast.tensor([4.0, -0.5]))
    tensor([ 0.25, -2.  ])
    """
    y: Tensor = div(1.0, input)
    return y


@method
def ldexp(input: Operand, other: Operand) -> Tensor:
    """y = input 2^other.

    Shapes: two that broadcast to that of y. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.ldexp(nnfast.tensor([1.0, 3.0]), nnfast.tensor([3, -1]))
    tensor([8. , 1.5])
    """
    x, n = as_tensor(input, "ldexp"), as_tensor(other, "ldexp")
    if n.dtype.kind != "f" and x.dtype.kind == "f":
        n = cast(n, x.dtype)  # 2^n is then as wide as x
    y: Tensor = mul(x, exp2(n))
    return y
