"""Reductions and statistics: accuracy of long sums, bits on every ISA, slopes at the edge."""

from __future__ import annotations

import math

import numpy as np
import pytest

import nnfast
from nnfast import _core
from tests.conftest import ISAS

EPS = float(np.finfo(np.float32).eps)
# Equal addends round the same way each time: the worst that a long chain of additions can meet.
LONG = [((1 << 20,), None), ((1 << 19, 2), 0), ((100_000, 3, 7), (0, 2)), ((2, 300_000), 1)]


@pytest.mark.parametrize(("shape", "dim"), LONG, ids=str)
def test_error_of_a_long_sum_is_bounded(shape: tuple[int, ...], dim: object, isa: str) -> None:
    x = np.full(shape, 0.1, np.float32)
    exact = x.astype(np.float64).sum(dim)  # type: ignore[arg-type]
    error = abs(nnfast.tensor(x).sum(dim).numpy() - exact) / exact
    roundings = 128 + 6 + math.log2(x.size)  # each at most half of epsilon
    assert np.all(error <= EPS / 2 * roundings)


@pytest.mark.parametrize("shape", [(60_000, 5), (200, 2, 1000), (300, 2, 7)], ids=str)
def test_statistics_of_a_large_batch(
    shape: tuple[int, ...], isa: str, rng: np.random.Generator
) -> None:
    x = (rng.standard_normal(shape) + 5).astype(np.float32)
    _, mean, var, rstd = nnfast.ops.batch_norm_train(nnfast.tensor(x), eps=0.0)
    dims = (0, *range(2, x.ndim))
    exact = x.astype(np.float64)
    for got, want in [
        (mean, exact.mean(dims)),
        (var, exact.var(dims)),
        (rstd, exact.std(dims) ** -1),
    ]:
        assert np.all(abs(got.numpy() / want - 1) <= 8 * EPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((20_001,), None),
        ((7, 8200), 1),
        ((1000, 37), 0),
        ((40, 5, 49), (0, 2)),
        ((3, 2, 5, 3), (0, 2)),
    ],
    ids=str,
)
def test_a_sum_has_the_same_bits_on_every_isa(
    shape: tuple[int, ...], dim: object, dtype: type, rng: np.random.Generator
) -> None:
    x = nnfast.tensor(rng.standard_normal(shape).astype(dtype))
    before = _core.isa()
    try:
        bits = set()
        for isa in ISAS:
            _core.set_isa(isa)
            bits.add(x.sum(dim).numpy().tobytes())
    finally:
        _core.set_isa(before)
    assert len(bits) == 1


def test_the_slope_of_a_deviation_of_zero_is_zero() -> None:
    x = nnfast.tensor([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]], requires_grad=True)
    y = x.std(1)
    assert y.tolist() == [0.0, 1.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0, 0.0], [-0.5, 0.0, 0.5]]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 16, 17, 64, 255, 256, 257])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_extremes_of_short_rows(n: int, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for rows in (1, 7, 16, 35):
        x = rng.integers(-9, 9, (rows, n)).astype(dtype)  # many equals: the first counts
        if dtype != np.int64:
            x[rng.random(x.shape) < 0.02] = np.nan
        t = nnfast.tensor(x)
        for (values, index), at in ((t.max(1), x.argmax(1)), (t.min(1), x.argmin(1))):
            np.testing.assert_array_equal(index.numpy(), at)
            np.testing.assert_array_equal(
                values.numpy(), np.take_along_axis(x, at[:, None], 1)[:, 0]
            )
