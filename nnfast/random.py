"""Random tensors: rand, randn, randint, randperm, bernoulli. All but the last are leaves.

The numbers follow from the generator's seed and the number of draws before, so they are the same
on every machine and for any number of threads; those of `randn` may differ in the last bit from
one instruction set to another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.generator import Generator as Generator
from nnfast.generator import default_generator as default_generator
from nnfast.generator import manual_seed as manual_seed
from nnfast.ops.random import _normal, _uniform
from nnfast.tensor import Tensor, as_array, float32, float64, int64, wrap


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1): `rand(2, 3)` or `rand((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> x = nnfast.rand(2, 3)
    >>> x.shape, bool((x >= 0).numpy().all()), bool((x < 1).numpy().all())
    ((2, 3), True, True)
    """
    return _draw("rand", _uniform, size, generator, dtype, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal: `randn(2, 3)` or `randn((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> nnfast.randn(2, 3, dtype=nnfast.float64).dtype
    dtype('float64')
    """
    return _draw("randn", _normal, size, generator, dtype, requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from `low` up to and without `high`: `randint(high, size)` starts at 0.

    64 random bits modulo the number of values: probabilities are equal up to a part in
    2^64 / (high - low).

    >>> import nnfast
    >>> x = nnfast.randint(10, (1000,))
    >>> x.dtype, bool((x >= 0).numpy().all()), bool((x < 10).numpy().all())
    (dtype('int64'), True, True)
    """
    if size is None:
        low, high, size = 0, low, high
    low, high = _integer("randint", "low", low), _integer("randint", "high", high)
    if not -(2**63) <= low < high < 2**63:
        fail("randint", "low < high, both of 64 bits", f"low={low}, high={high}")
    bits = _bits(_sizes("randint", (size,)), generator) % np.uint64(high - low)
    values = (bits + np.uint64(low % 2**64)).view(int64)
    return _cast("randint", values, dtype, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A random order of 0, 1, ..., n - 1: the order that sorts n random numbers of 64 bits.

    >>> import nnfast
    >>> sorted(nnfast.randperm(5).tolist())
    [0, 1, 2, 3, 4]
    """
    if _integer("randperm", "n", n) < 0:
        fail("randperm", "n >= 0", f"n={n}")
    order = np.argsort(_bits((int(n),), generator), kind="stable")
    return _cast("randperm", order, dtype, requires_grad)


def bernoulli(input: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element of `input`, else 0.

    >>> import nnfast
    >>> nnfast.bernoulli(nnfast.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = as_array(input, "bernoulli")
    if p.dtype.kind != "f":
        fail("bernoulli", "probabilities as a float tensor", str(p.dtype), error=DTypeError)
    if not ((p >= 0) & (p <= 1)).all():
        fail("bernoulli", "probabilities from 0 to 1", "others", input=p)
    u = _uniform(_generator(generator).next_rng(), p.shape, float64).array
    return wrap((u < p).astype(p.dtype))


# ---- arguments ------------------------------------------------------------------------------


def _generator(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _draw(
    where: str, op: Any, size: Any, generator: Generator | None, dtype: Any, requires_grad: bool
) -> Tensor:
    target = np.dtype(float32 if dtype is None else dtype)
    if target.kind != "f":
        fail(where, "a float dtype", str(target), "use randint for integers.", DTypeError)
    drawn = target if target in (float32, float64) else float32
    x = op(_generator(generator).next_rng(), _sizes(where, size), drawn)
    return Tensor(x.array.astype(target, copy=False), requires_grad)


def _bits(shape: tuple[int, ...], generator: Generator | None) -> np.ndarray:
    rng = _generator(generator).next_rng()
    return _uniform(rng, shape, int64).array.view(np.uint64)


def _cast(where: str, values: np.ndarray, dtype: Any, requires_grad: bool) -> Tensor:
    try:
        target = np.dtype(int64 if dtype is None else dtype)
    except TypeError as e:
        raise DTypeError(where, f"expected a dtype, got {dtype!r}: {e}.") from None
    return Tensor(values.astype(target, copy=False), requires_grad)


def _integer(where: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        fail(where, f"an integer as '{name}'", repr(value), error=DTypeError)
    return int(value)


def _sizes(where: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    sizes = size[0] if len(size) == 1 and not isinstance(size[0], int | np.integer) else size
    try:
        shape = tuple(int(n) for n in sizes)
    except (TypeError, ValueError):
        raise ArgumentError(where, f"expected sizes, got {sizes!r}.") from None
    if any(n < 0 for n in shape):
        fail(where, "sizes >= 0", str(shape))
    return shape
