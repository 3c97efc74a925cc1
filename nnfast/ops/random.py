"""Random numbers and dropout, as functions of rng: the int64 pair (seed, offset).

rng is an input, not an attribute, so that a compiled plan can advance it; equal rng means equal
bits, with any number of threads. A 32-bit word of the stream (csrc/base/philox.h) makes one
float32, two make one float64 or int64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.generator import default_generator
from nnfast.ops.operands import IntTensor
from nnfast.ops.record import Result, Shape, like, op, out
from nnfast.tensor import Tensor, float32, float64, int64


def _check_rng(where: str, rng: Tensor) -> None:
    if rng.array.shape != (2,):
        fail(where, "rng = (seed, offset)", f"shape {rng.shape}", "use generator.next_rng().")


@op("uniform")
def _uniform(rng: IntTensor, shape: Shape, dtype: Any = float32) -> Result:
    """Uniform in [0, 1); of dtype int64: uniform over all values.

    Equally spaced: multiples of 2^-23 (float32) or 2^-52 (float64). The same bits on every ISA.

    >>> import nnfast
    >>> from nnfast.ops.random import _uniform
    >>> _uniform(nnfast.tensor([0, 0]), (3,))
    tensor([0.39904642, 0.97224116, 0.01944935])
    """
    _check_rng("uniform", rng)
    if dtype not in (float32, float64, int64):
        fail("uniform", "float32, float64 or int64", str(dtype), error=DTypeError)
    return out(shape, dtype)


@op("normal")
def _normal(rng: IntTensor, shape: Shape, dtype: Any = float32) -> Result:
    """Standard normal: sqrt(-2 log u) (cos, sin)(2 pi v), u and v uniform.

    Reaches 6.7 (float32) and 8.5 (float64) standard deviations. Source: Box and Muller, A note on
    the generation of random normal deviates, 1958.

    >>> import nnfast
    >>> from nnfast.ops.random import _normal
    >>> _normal(nnfast.tensor([0, 0]), (2, 3)).shape
    (2, 3)
    """
    _check_rng("normal", rng)
    if dtype not in (float32, float64):
        fail("normal", "float32 or float64", str(dtype), error=DTypeError)
    return out(shape, dtype)


class DropoutAttrs(NamedTuple):
    p: float


@op("dropout", attrs=DropoutAttrs)
def _dropout(input: Tensor, rng: IntTensor, p: float) -> Result:
    """y = x / (1 - p) where kept, else 0; element i is kept if its random word says so.

    The gradient draws the same words again, so no mask is stored. The mask is the same for
    float32 and float64, and on every ISA.

    >>> import nnfast
    >>> from nnfast.ops.random import _dropout
    >>> _dropout(nnfast.ones(6), nnfast.tensor([0, 0]), 0.5)
    tensor([2., 0., 2., 0., 0., 2.])
    """
    _check_rng("dropout", rng)
    _check_probability(p)
    return like(input, DropoutAttrs(p))


_dropout.vjp(input=lambda dy, rng, p: _dropout(dy, rng, p))


def _check_probability(p: float) -> None:
    if not isinstance(p, int | float | np.floating) or not 0 <= p <= 1:
        fail("dropout", "a probability p from 0 to 1", f"p={p!r}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each element is 0 with probability p, else x / (1 - p); unchanged if not training.

    Shapes: any, the same out. dtypes: float32, float64. Errors: p outside 0 to 1. A dropped
    element is 0 whatever it was, NaN included.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 15, 2014.

    >>> import nnfast
    >>> _ = nnfast.manual_seed(0)
    >>> y = nnfast.ops.dropout(nnfast.ones(1000), p=0.2)
    >>> sorted(set(y.tolist()))
    [0.0, 1.25]
    """
    _check_probability(p)
    if not training or p == 0:
        return input
    return _dropout(input, default_generator.next_rng(), p)
