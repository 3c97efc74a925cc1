"""Random tensors: uniform, normal, integers, permutations, and draws with given probabilities.

The numbers follow from the generator's seed and the number of draws before, so they are the same
on every machine and for any number of threads; those of `randn` may differ in the last bit from
one instruction set to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.creation import sizes
from nnfast.device import check_device
from nnfast.errors import DTypeError, fail
from nnfast.generator import Generator as Generator
from nnfast.generator import default_generator as default_generator
from nnfast.generator import manual_seed as manual_seed
from nnfast.graph.mode import tracing
from nnfast.graph.trace import on_values, refreshed
from nnfast.ops.elementwise import broadcast_shapes, cast, log1p, minimum, where
from nnfast.ops.operands import as_tensor
from nnfast.ops.random import _normal, _uniform
from nnfast.ops.record import methods
from nnfast.ops.scan import cumsum
from nnfast.ops.shape import clone, unsqueeze
from nnfast.ops.slices import narrow
from nnfast.ops.sort import topk
from nnfast.tensor import Tensor, float32, float64, int64, wrap


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1): `rand(2, 3)` or `rand((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> x = nnfast.rand(2, 3)
    >>> x.shape, bool((x >= 0).numpy().all()), bool((x < 1).numpy().all())
    ((2, 3), True, True)
    """
    check_device("rand", device)
    return _draw("rand", _uniform, size, generator, dtype, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal: `randn(2, 3)` or `randn((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> nnfast.randn(2, 3, dtype=nnfast.float64).dtype
    dtype('float64')
    """
    check_device("randn", device)
    return _draw("randn", _normal, size, generator, dtype, requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
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
    check_device("randint", device)
    if size is None:
        low, high, size = 0, low, high
    low, high = _integer("randint", "low", low), _integer("randint", "high", high)
    if not -(2**63) <= low < high < 2**63:
        fail("randint", "low < high, both of 64 bits", f"low={low}, high={high}")

    def within(bits: np.ndarray) -> np.ndarray:
        return (bits % np.uint64(high - low) + np.uint64(low % 2**64)).view(int64)

    shape = sizes("randint", (size,))
    return _integers("randint", within, shape, generator, dtype, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A random order of 0, 1, ..., n - 1: the order that sorts n random numbers of 64 bits.

    >>> import nnfast
    >>> sorted(nnfast.randperm(5).tolist())
    [0, 1, 2, 3, 4]
    """
    check_device("randperm", device)
    if _integer("randperm", "n", n) < 0:
        fail("randperm", "n >= 0", f"n={n}")

    def order(bits: np.ndarray) -> np.ndarray:
        return np.argsort(bits, kind="stable")

    return _integers("randperm", order, (int(n),), generator, dtype, requires_grad)


def bernoulli(input: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element of `input`, else 0.

    >>> import nnfast
    >>> nnfast.bernoulli(nnfast.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = _probabilities("bernoulli", input)
    _check_probabilities(p)
    u = _uniform(_generator(generator).next_rng(), p.shape, float64)
    return cast(u < p, p.dtype)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers, one for each element of mean and std broadcast together, or of `size`.

    >>> import nnfast
    >>> nnfast.normal(nnfast.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    """
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if isinstance(std, int | float) and not std >= 0:
        fail("normal", "std >= 0", f"{std}")
    shape = broadcast_shapes("normal", *[x.shape for x in given], ())
    z = randn(*([size] if size is not None else [shape]), generator=generator)
    return z * std + mean


def multinomial(
    input: Any,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of columns, drawn with probabilities proportional to a row's weights.

    Shapes: weights (n) -> (num_samples), (rows, n) -> (rows, num_samples). Without replacement
    the draws of a row differ: those whose exponential clocks of these rates ring first.

    >>> import nnfast
    >>> nnfast.multinomial(nnfast.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    w = _probabilities("multinomial", input)
    if w.ndim not in (1, 2) or w.shape[-1] == 0 or num_samples < 1:
        fail("multinomial", "weights (n) or (rows, n) and num_samples > 0", f"{w.shape}", input=w)
    on_values(w, lambda values: _check_weights(values, 1 if replacement else num_samples))
    rng = _generator(generator).next_rng()
    if not replacement:
        rings = -log1p(-_uniform(rng, w.shape, float64)) / w.double()
        rings = where(w > 0, rings, np.inf)
        return topk(rings, num_samples, -1, largest=False).indices
    reached = cumsum(w.double(), -1)
    total = narrow(reached, -1, w.shape[-1] - 1, 1)
    u = _uniform(rng, (*w.shape[:-1], num_samples), float64) * total
    passed = unsqueeze(reached, -2) <= unsqueeze(u, -1)
    return minimum(passed.sum(-1), _last_positive(w))


def _last_positive(w: Tensor) -> Tensor:
    """The number of the last column of each row that may be drawn."""
    columns = wrap(np.arange(w.shape[-1]))
    return where(w > 0, columns, 0).amax(-1, keepdim=True)


def _check_weights(values: np.ndarray, least: int) -> None:
    if not (np.isfinite(values).all() and (values >= 0).all()):
        fail("multinomial", "finite weights >= 0", "others", input=values)
    if ((values > 0).sum(-1) < least).any():
        fail("multinomial", f"at least {least} weights > 0 in each row", "fewer", input=values)


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`rand` of the shape and dtype of `input`.

    >>> import nnfast
    >>> nnfast.rand_like(nnfast.ones(2, 3)).shape
    (2, 3)
    """
    check_device("rand_like", device)
    return rand(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`randn` of the shape and dtype of `input`.

    >>> import nnfast
    >>> nnfast.randn_like(nnfast.ones(2, 3)).shape
    (2, 3)
    """
    check_device("randn_like", device)
    return randn(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """`randint` of the shape and dtype of `input`.

    >>> import nnfast
    >>> nnfast.randint_like(nnfast.zeros(3), 5, 6)
    tensor([5., 5., 5.])
    """
    check_device("randint_like", device)
    bounds = (0, low) if high is None else (low, high)
    return randint(*bounds, input.shape, dtype=dtype or input.dtype)


# ---- arguments ------------------------------------------------------------------------------


methods(bernoulli=bernoulli, multinomial=multinomial)


def _probabilities(where: str, input: Any) -> Tensor:
    p = as_tensor(input, where)
    if p.dtype.kind != "f":
        fail(where, "probabilities as a float tensor", str(p.dtype), error=DTypeError)
    return p.detach()


def _check_probabilities(p: Tensor) -> None:
    def check(values: np.ndarray) -> None:
        if not ((values >= 0) & (values <= 1)).all():
            fail("bernoulli", "probabilities from 0 to 1", "others", input=values)

    on_values(p, check)


def _generator(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _draw(
    where: str, op: Any, size: Any, generator: Generator | None, dtype: Any, requires_grad: bool
) -> Tensor:
    target = np.dtype(float32 if dtype is None else dtype)
    if target.kind != "f":
        fail(where, "a float dtype", str(target), "use randint for integers.", DTypeError)
    drawn = target if target in (float32, float64) else float32
    x = op(_generator(generator).next_rng(), sizes(where, size), drawn)
    y: Tensor = x if drawn == target else cast(x, target)
    return y.requires_grad_() if requires_grad else y


def _integers(
    where: str,
    make: Callable[[np.ndarray], np.ndarray],
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: Any,
    requires_grad: bool,
) -> Tensor:
    """What `make` makes of random numbers of 64 bits; a plan draws anew before each run."""
    source = _generator(generator)

    def draw() -> np.ndarray:
        return make(_uniform(source.next_rng(), shape, int64).array.view(np.uint64))

    try:
        target = np.dtype(int64 if dtype is None else dtype)
    except TypeError as e:
        raise DTypeError(where, f"expected a dtype, got {dtype!r}: {e}.") from None
    values = refreshed(draw, shape, int64)
    if tracing() is not None:
        values = clone(values)  # a call, so that all draws are made, in their order
    y = values if target == int64 else cast(values, target)
    return y.requires_grad_() if requires_grad else y


def _integer(where: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        fail(where, f"an integer as '{name}'", repr(value), error=DTypeError)
    return int(value)
