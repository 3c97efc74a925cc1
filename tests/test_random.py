"""Random numbers: the generator's bits, their distributions, dropout, creation functions.

Statistical bounds are 5 standard deviations of the statistic, from the sample size; seeds are
fixed, so a test that passes once passes always.
"""

from __future__ import annotations

import doctest
import math
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Generator, _core
from nnfast.errors import NNFastError
from nnfast.ops.random import _dropout, _normal, _uniform
from tests import philox
from tests.plans import planned

SIGMAS = 5
RNGS = [(0, 0), (0, 1), (1, 0), (2**63 - 1, 2**40), (-(2**63), 2**33 + 7), (-1, -1)]


def rng_of(seed: int, offset: int = 0) -> nnfast.Tensor:
    return nnfast.from_numpy(np.array([seed, offset], np.int64))


# ---- bits -----------------------------------------------------------------------------------

# Known answers published with the reference implementation, Random123 (kat_vectors).
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_reference_against_known_answers(counter: str, key: str, answer: str) -> None:
    c, k = ([int(word, 16) for word in text.split()] for text in (counter, key))
    got = philox.philox4x32(c, (k[0], k[1]))
    assert " ".join(f"{int(word):08x}" for word in got) == answer


@pytest.mark.parametrize("key", RNGS)
def test_bits_are_those_of_the_reference(isa: str, key: tuple[int, int]) -> None:
    rng = rng_of(*key)
    for n in [*range(70), 4095, 4096, 4097, 40000]:
        got = _uniform(rng, (n,), nnfast.int64).numpy()
        np.testing.assert_array_equal(got.view(np.uint32), philox.words(rng.numpy(), 2 * n))


def test_bits_do_not_depend_on_threads_or_isa() -> None:
    x = nnfast.from_numpy(np.linspace(-1, 1, 100_003))
    before, draws = _core.isa(), set()
    try:
        for isa in _core.isas():
            _core.set_isa(isa)
            for n in (1, 2, 3):
                _core.set_num_threads(n)
                r = rng_of(1, 2)
                parts = [_uniform(r, (100_003,), d) for d in (np.float32, np.float64, np.int64)]
                parts.append(_dropout(x, r, 0.3))
                draws.add(b"".join(p.numpy().tobytes() for p in parts))
    finally:
        _core.set_isa(before)
    assert len(draws) == 1


def test_normal_does_not_depend_on_threads(isa: str) -> None:
    draws = set()
    for n in (1, 2, 3):
        _core.set_num_threads(n)
        draws.add(_normal(rng_of(3), (100_003,)).numpy().tobytes())
    assert len(draws) == 1


# ---- distributions --------------------------------------------------------------------------

N = 400_000


def check_mean(x: np.ndarray, mean: float, variance: float, what: str = "mean") -> None:
    error = abs(float(np.mean(x, dtype=np.float64)) - mean)
    assert error < SIGMAS * math.sqrt(variance / x.size), f"{what}: off by {error}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rand_is_uniform(isa: str, dtype: Any) -> None:
    x = nnfast.rand(N, generator=Generator().manual_seed(5), dtype=dtype).numpy()
    assert x.dtype == dtype and x.min() >= 0 and x.max() < 1
    check_mean(x, 1 / 2, 1 / 12)
    check_mean(x.astype(float) ** 2, 1 / 3, 1 / 5 - 1 / 9)
    counts = np.bincount((x * 64).astype(int), minlength=64)
    chi2 = float(((counts - N / 64) ** 2 / (N / 64)).sum())
    assert abs(chi2 - 63) < SIGMAS * math.sqrt(2 * 63)
    for lag in (1, 2, 8, 16, 32, 48, 64):  # lanes, words and groups are independent
        check_mean((x[lag:] - 0.5) * (x[:-lag] - 0.5), 0, 1 / 144, f"lag {lag}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_randn_is_normal(isa: str, dtype: Any) -> None:
    z = nnfast.randn(N, generator=Generator().manual_seed(6), dtype=dtype).numpy()
    assert z.dtype == dtype and np.isfinite(z).all()
    z = z.astype(float)
    # The mean of z^k has the variance (E z^2k - (E z^k)^2) / n; E z^2k = 1 3 5 ... (2k - 1).
    moments = [math.prod(range(1, k, 2)) if k % 2 == 0 else 0 for k in range(13)]
    for k in range(1, 7):
        check_mean(z**k, moments[k], moments[2 * k] - moments[k] ** 2, f"moment {k}")
    for lag in (1, 8, 16, 32, 64):
        check_mean(z[lag:] * z[:-lag], 0, 1, f"lag {lag}")
    for limit in (0.5, 1, 2, 3, 4):
        p = math.erfc(limit / math.sqrt(2))
        check_mean(abs(z) > limit, p, p * (1 - p), f"beyond {limit}")


def test_draws_of_other_seeds_and_offsets_are_independent() -> None:
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    z = [_normal(rng_of(*key), (N,), np.float64).numpy() for key in keys]
    for i in range(4):
        for j in range(i):
            check_mean(z[i] * z[j], 0, 1, f"{i} {j}")


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-3, 4), (0, 1), (-(2**63), 2**63 - 1)])
def test_randint(low: int, high: int) -> None:
    x = nnfast.randint(low, high, (N,), generator=Generator().manual_seed(7))
    assert x.dtype == np.int64 and x.shape == (N,)
    values = x.numpy()
    assert values.min() >= low and values.max() < high
    if high - low > 100:
        check_mean(values / 2.0**63, 0, 1 / 3)
        return
    counts = np.bincount(values - low, minlength=high - low)
    for count in counts:
        p = 1 / (high - low)
        assert abs(count - N * p) <= SIGMAS * math.sqrt(N * p * (1 - p))


def test_randint_arguments() -> None:
    assert nnfast.randint(3, (2, 2)).shape == (2, 2)
    assert nnfast.randint(3, 5).shape == (5,)
    assert nnfast.randint(0, 3, (4,), dtype=np.float32).dtype == np.float32
    x = nnfast.randint(5, high=6, size=(3,), dtype=np.int32)
    assert x.dtype == np.int32 and x.tolist() == [5, 5, 5]


def test_randperm_is_uniform() -> None:
    g, n, rounds = Generator().manual_seed(8), 5, 4000
    counts = np.zeros((n, n))
    for _ in range(rounds):
        counts[nnfast.randperm(n, generator=g).numpy(), np.arange(n)] += 1
    p = 1 / n
    assert (abs(counts - rounds * p) < SIGMAS * math.sqrt(rounds * p * (1 - p))).all()
    assert sorted(nnfast.randperm(1000).tolist()) == list(range(1000))
    assert nnfast.randperm(0).shape == (0,) and nnfast.randperm(3).dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli(dtype: Any) -> None:
    p = np.full(N, 0.3, dtype)
    x = nnfast.bernoulli(p, generator=Generator().manual_seed(9)).numpy()
    assert x.dtype == dtype and set(np.unique(x)) == {0, 1}
    check_mean(x, 0.3, 0.21)
    edges = nnfast.bernoulli(np.array([0, 1] * 1000, dtype)).numpy()
    np.testing.assert_array_equal(edges, [0, 1] * 1000)


# ---- generators -----------------------------------------------------------------------------


def test_equal_seeds_draw_equal_numbers() -> None:
    a, b = Generator().manual_seed(1), Generator().manual_seed(1)
    for _ in range(3):
        np.testing.assert_array_equal(nnfast.rand(9, generator=a), nnfast.rand(9, generator=b))
    first, second = nnfast.rand(9, generator=a).numpy(), nnfast.rand(9, generator=a).numpy()
    assert (first != second).any()


def test_state_goes_on_where_it_was() -> None:
    g = Generator().manual_seed(2**64 - 3)
    nnfast.rand(3, generator=g)
    state = g.get_state()
    assert state.tolist() == [-3, 1]
    a = nnfast.randn(5, generator=g)
    other = Generator()
    other.set_state(state)
    np.testing.assert_array_equal(a, nnfast.randn(5, generator=other))
    assert other.initial_seed() == 2**64 - 3


def test_manual_seed_governs_all_defaults() -> None:
    def draw() -> list[Any]:
        nnfast.manual_seed(11)
        x = nnfast.ones(100)
        draws = [nnfast.rand(3), nnfast.randn(3), nnfast.randint(9, (3,)), nnfast.randperm(9)]
        draws += [nnfast.bernoulli(x * 0.5), nnfast.ops.dropout(x)]
        return [t.tolist() for t in draws]

    assert draw() == draw()
    assert nnfast.manual_seed(-1).initial_seed() == 2**64 - 1


def test_unseeded_generators_differ() -> None:
    assert Generator().initial_seed() != Generator().initial_seed()
    g = Generator()
    assert g.seed() == g.initial_seed()


# ---- dropout --------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_with_probability_p(isa: str, p: float) -> None:
    y = _dropout(nnfast.ones(N), rng_of(1), p).numpy()
    dropped = y == 0
    check_mean(dropped, p, p * (1 - p))
    check_mean(y, 1, p / (1 - p))
    np.testing.assert_array_equal(y[~dropped], np.float32(1 / (1 - p)))


def test_dropout_of_nothing_and_of_everything(isa: str) -> None:
    x = nnfast.tensor([1.0, math.nan, math.inf] * 50, requires_grad=True)
    assert nnfast.ops.dropout(x, 0.0) is x and nnfast.ops.dropout(x, 0.7, training=False) is x
    np.testing.assert_array_equal(_dropout(x, rng_of(0), 0.0).detach(), x.detach())
    y = nnfast.ops.dropout(x, 1.0)
    assert y.tolist() == [0.0] * 150
    y.sum().backward()
    assert x.grad.tolist() == [0.0] * 150
    almost = _dropout(x, rng_of(0), 1 - 2.0**-53).detach().numpy()
    assert (almost == 0).all()


def test_dropout_has_the_same_mask_forward_and_backward() -> None:
    x = nnfast.from_numpy(np.full((33, 7), 2.0)).requires_grad_()
    y = nnfast.ops.dropout(x, 0.4)
    (y * y).sum().backward(create_graph=True)
    kept = y.detach().numpy() != 0
    np.testing.assert_allclose(x.grad.detach(), np.where(kept, 4 / 0.36, 0), rtol=1e-15)
    second, x.grad = x.grad, None
    second.sum().backward()
    np.testing.assert_allclose(x.grad, np.where(kept, 2 / 0.36, 0), rtol=1e-15)


def test_dropout_sees_elements_not_memory() -> None:
    x = np.arange(1.0, 301).reshape(20, 15)
    want = _dropout(x, rng_of(4), 0.5).numpy()
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1]):
        np.testing.assert_array_equal(_dropout(same, rng_of(4), 0.5), want)
    single = _dropout(x.astype(np.float32), rng_of(4), 0.5).numpy()
    np.testing.assert_array_equal(single != 0, want != 0)


def test_every_call_drops_others() -> None:
    nnfast.manual_seed(0)
    x = nnfast.ones(1000)
    assert nnfast.ops.dropout(x).tolist() != nnfast.ops.dropout(x).tolist()


# ---- shapes and errors ----------------------------------------------------------------------


def test_shapes_and_dtypes() -> None:
    for create in (nnfast.rand, nnfast.randn):
        assert create(2, 3).shape == create((2, 3)).shape == create([2, 3]).shape == (2, 3)
        assert create().shape == () and create(0, 4).shape == (0, 4)
        assert create(2).dtype == np.float32 and not create(2).requires_grad
        assert create(2, dtype=np.float64, requires_grad=True).requires_grad
        assert create(2, dtype="float16").dtype == np.float16
    assert nnfast.rand(0).tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nnfast.rand(-1), "rand: expected sizes >= 0, got (-1,)"),
        (lambda: nnfast.rand("a"), "rand: expected sizes, got 'a'"),
        (lambda: nnfast.randn(2, dtype=np.int64), "randn: expected a float dtype, got int64"),
        (lambda: nnfast.randint(3, 3, (1,)), "randint: expected low < high, both of 64 bits, got"),
        (lambda: nnfast.randint(0.5, 3, (1,)), "randint: expected an integer as 'low', got 0.5"),
        (lambda: nnfast.randint(0, 2**63, (1,)), "randint: expected low < high, both of 64"),
        (lambda: nnfast.randperm(-1), "randperm: expected n >= 0, got n=-1"),
        (lambda: nnfast.randperm(2.0), "randperm: expected an integer as 'n', got 2.0"),
        (lambda: nnfast.bernoulli([0.5, 1.5]), "bernoulli: expected probabilities from 0 to 1"),
        (lambda: nnfast.bernoulli([math.nan]), "bernoulli: expected probabilities from 0 to 1"),
        (lambda: nnfast.bernoulli([0, 1]), "bernoulli: expected probabilities as a float tensor"),
        (lambda: nnfast.manual_seed(0.5), "manual_seed: expected an integer, got 0.5"),
        (lambda: nnfast.manual_seed(2**64), "manual_seed: expected a seed of 64 bits"),
        (lambda: Generator().set_state([1]), "set_state: expected what get_state returned, got"),
        (lambda: nnfast.ops.dropout(X, 1.5), "dropout: expected a probability p from 0 to 1, got"),
        (lambda: nnfast.ops.dropout(X, math.nan), "dropout: expected a probability p from 0 to 1"),
        (lambda: nnfast.ops.dropout(X, "a", training=False), "a probability p from 0 to 1, got p="),
        (lambda: nnfast.ops.dropout(nnfast.tensor([1, 2])), "dropout: expected float32 or float64"),
        (lambda: _dropout(X, np.zeros(3, int), 0.5), "dropout: expected rng = (seed, offset), got"),
        (lambda: _uniform(np.zeros(1, int), (2,)), "uniform: expected rng = (seed, offset)"),
        (lambda: _uniform(rng_of(0), (2,), np.int32), "uniform: expected float32, float64 or int"),
        (lambda: _normal(rng_of(0), (2,), np.int64), "normal: expected float32 or float64, got"),
        (lambda: _normal(np.zeros(2), (2,)), "normal: expected integers as 'rng', got float64"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


X = nnfast.ones(3)


@pytest.mark.parametrize("name", ["nnfast.generator", "nnfast.random", "nnfast.ops.random"])
def test_examples_in_the_documentation(name: str) -> None:
    module = __import__(name, fromlist=["_"])
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


# ---- in plans -------------------------------------------------------------------------------


@pytest.mark.parametrize("unused", [False, True])
def test_integers_and_orders_in_plans(unused: bool) -> None:
    """Drawn anew before each run, in the order in which they are written."""

    def mix(x: Any) -> Any:
        order = nnfast.randperm(6)
        noisy = nnfast.nn.functional.dropout(x, 0.5)
        rows = nnfast.randint(-3, 6, (4,))
        return (noisy if unused else noisy[order] + x[rows].sum()) + nnfast.rand(6, 2)

    x = nnfast.arange(12.0).reshape(6, 2)
    run = planned(mix)
    found = []
    for fn in (mix, run):
        nnfast.manual_seed(3)
        found.append([fn(x).tolist() for _ in range(4)])
    assert found[0] == found[1] and found[0][0] != found[0][1]


def test_another_dtype_of_integers() -> None:
    assert nnfast.randint(5, (3,), dtype="float32").dtype == np.float32
    assert nnfast.randperm(3, dtype=nnfast.int32).dtype == np.int32
    assert nnfast.randint(5, (3,), dtype="float32", requires_grad=True).requires_grad
