"""nn.init: distributions, with bounds of 5 standard deviations of each statistic, and structure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Generator
from nnfast.errors import NNFastError
from nnfast.nn import init
from nnfast.tensor import Tensor

SIGMAS = 5
SHAPE = (400, 50, 3, 3)  # fan_in 450, fan_out 3600
DTYPES = ["float32", "float64"]
RANDOM: list[tuple[Any, tuple[Any, ...]]] = [
    (init.uniform_, (-1.0, 3.0)),
    (init.normal_, (1.0, 2.0)),
    (init.trunc_normal_, (0.0, 1.0, -1.0, 2.0)),
    (init.xavier_uniform_, (2.0,)),
    (init.xavier_normal_, (2.0,)),
    (init.kaiming_uniform_, ()),
    (init.kaiming_normal_, ()),
    (init.orthogonal_, ()),
    (init.sparse_, (0.3,)),
]


def gen(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


def check_moments(w: Tensor, mean: float, std: float, fourth: float) -> None:
    """Mean and variance within 5 standard deviations; `fourth` is E (x - mean)^4 / std^4."""
    x = w.numpy().astype(np.float64).ravel()
    n = x.size
    assert abs(x.mean() - mean) < SIGMAS * std / math.sqrt(n)
    variance = ((x - mean) ** 2).mean()
    assert abs(variance - std**2) < SIGMAS * std**2 * math.sqrt((fourth - 1) / n)


UNIFORM, NORMAL = 9 / 5, 3  # fourth moments


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform(dtype: str) -> None:
    w = init.uniform_(nnfast.zeros(SHAPE, dtype=dtype), -1, 3, gen())
    assert w.numpy().min() >= -1 and w.numpy().max() <= 3 and w.dtype == dtype
    check_moments(w, 1, 4 / math.sqrt(12), UNIFORM)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal(dtype: str) -> None:
    check_moments(init.normal_(nnfast.zeros(SHAPE, dtype=dtype), -1, 3, gen()), -1, 3, NORMAL)
    assert init.normal_(nnfast.zeros(3), 2.0, 0.0).tolist() == [2, 2, 2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (0, 0.02, -2, 2), (1, 2, -1, 2), (0, 1, 3, 4), (0, 1, -7, -5), (5, 1, -1, 6)],
)
def test_trunc_normal(mean: float, std: float, a: float, b: float, dtype: str) -> None:
    w = init.trunc_normal_(nnfast.zeros(200_000, dtype=dtype), mean, std, a, b, gen())
    x = w.numpy().astype(np.float64)
    assert x.min() >= a and x.max() <= b
    # Moments of the truncated standard normal, by the midpoint rule.
    low, high = max((a - mean) / std, -9), min((b - mean) / std, 9)
    z = low + (np.arange(20_000) + 0.5) * (high - low) / 20_000
    p = np.exp(-z * z / 2 + min(abs(low), abs(high)) ** 2 / 2 * (low * high > 0))
    p /= p.sum()
    m = float(p @ z)
    s = math.sqrt(p @ (z - m) ** 2)
    fourth = float(p @ (z - m) ** 4) / s**4
    check_moments(nnfast.from_numpy((x - mean) / std), m, s, fourth)
    for q in (0.1, 0.5, 0.9):  # and its distribution function
        at = float(z[np.searchsorted(np.cumsum(p), q)])
        share = ((x - mean) / std < at).mean()
        assert abs(share - q) < SIGMAS * math.sqrt(q * (1 - q) / x.size) + 1e-4


def test_trunc_normal_far_out() -> None:
    """Where the normal distribution has no probability left in floating point."""
    x = init.trunc_normal_(nnfast.zeros(100), 0, 1, 50, 51).numpy()
    assert ((x >= 50) & (x <= 51)).all()
    assert init.trunc_normal_(nnfast.zeros(5), 0, 1, 2, 2).tolist() == [2] * 5


@pytest.mark.parametrize("dtype", DTYPES)
def test_xavier(dtype: str) -> None:
    std = 2 * math.sqrt(2 / (450 + 3600))
    w = nnfast.zeros(SHAPE, dtype=dtype)
    check_moments(init.xavier_normal_(w, 2, gen()), 0, std, NORMAL)
    check_moments(init.xavier_uniform_(w, 2, gen()), 0, std, UNIFORM)
    assert abs(w.numpy()).max() <= math.sqrt(3) * std * (1 + 1e-6)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(
    ("nonlinearity", "a", "gain"),
    [("leaky_relu", 0, 2**0.5), ("relu", 7, 2**0.5), ("leaky_relu", 1, 1), ("tanh", 0, 5 / 3)],
)
def test_kaiming(mode: str, nonlinearity: str, a: float, gain: float) -> None:
    std = gain / math.sqrt({"fan_in": 450, "fan_out": 3600}[mode])
    w = nnfast.zeros(SHAPE)
    check_moments(init.kaiming_normal_(w, a, mode, nonlinearity, gen()), 0, std, NORMAL)
    check_moments(init.kaiming_uniform_(w, a, mode, nonlinearity, gen()), 0, std, UNIFORM)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 7), (5, 12), (12, 5), (6, 2, 3, 2), (1, 4)])
def test_orthogonal(shape: tuple[int, ...], dtype: str) -> None:
    w = init.orthogonal_(nnfast.zeros(shape, dtype=dtype), 2, gen()).numpy()
    w = w.reshape(shape[0], -1).astype(np.float64)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=8 * 12 * eps, rtol=0)


def test_orthogonal_is_uniform() -> None:
    """Elements of a random rotation have the mean 0 and the variance 1 / n."""
    g, n, rounds = gen(), 4, 4000
    w = np.array([init.orthogonal_(nnfast.zeros(n, n), 1, g).numpy() for _ in range(rounds)])
    assert (abs(w.mean(0)) < SIGMAS * math.sqrt(1 / n / rounds)).all()
    fourth = 3 / (n * (n + 2))
    assert (abs((w**2).mean(0) - 1 / n) < SIGMAS * math.sqrt((fourth - 1 / n**2) / rounds)).all()


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 1.0])
def test_sparse(sparsity: float) -> None:
    w = init.sparse_(nnfast.zeros(101, 700), sparsity, 3.0, gen()).numpy()
    zeros = math.ceil(sparsity * 101)
    assert ((w == 0).sum(0) == zeros).all()
    if 0 < sparsity < 1:
        p = zeros / 101
        assert (abs((w == 0).mean(1) - p) < SIGMAS * math.sqrt(p * (1 - p) / 700)).all()
        check_moments(nnfast.from_numpy(w[w != 0]), 0, 3, NORMAL)


def test_constants() -> None:
    w = nnfast.zeros(2, 3)
    assert init.constant_(w, 2.5) is w and w.tolist() == [[2.5] * 3] * 2
    assert init.ones_(w).tolist() == [[1] * 3] * 2 and init.zeros_(w).tolist() == [[0] * 3] * 2
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert w._version == 4


@pytest.mark.parametrize("shape", [(3, 3, 5), (4, 2, 3, 3), (2, 4, 3, 1, 3)])
def test_dirac_passes_its_input_on(shape: tuple[int, ...]) -> None:
    w = init.dirac_(nnfast.ones(shape)).numpy()
    n = min(shape[:2])
    assert w.sum() == n
    middle = tuple(k // 2 for k in shape[2:])
    assert all(w[(i, i, *middle)] == 1 for i in range(n))


def test_dirac_groups() -> None:
    w = init.dirac_(nnfast.zeros(4, 2, 3), groups=2).numpy()[:, :, 1]
    assert w.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1), ("conv2d", None, 1), ("conv_transpose3d", None, 1),
        ("sigmoid", None, 1), ("tanh", None, 5 / 3), ("relu", None, math.sqrt(2)),
        ("selu", None, 0.75), ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 2, math.sqrt(0.4)),
    ],
)  # fmt: skip
def test_gains(name: str, param: Any, gain: float) -> None:
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)


# ---- in place, reproducible -----------------------------------------------------------------


@pytest.mark.parametrize(("fill", "args"), RANDOM, ids=lambda x: getattr(x, "__name__", ""))
def test_random_ones(fill: Any, args: tuple[Any, ...]) -> None:
    w = nnfast.zeros(6, 4, requires_grad=True)
    array = w.array
    assert fill(w, *args, generator=gen(3)) is w
    assert w.array is array and w._version == 1 and w.is_leaf and w.requires_grad
    first = w.tolist()
    assert fill(w, *args, generator=gen(3)).tolist() == first
    assert fill(w, *args, generator=gen(4)).tolist() != first
    nnfast.manual_seed(3)
    assert fill(w, *args).tolist() == first
    strided = nnfast.from_numpy(np.zeros((4, 12), np.float32)[:, ::2].T)
    assert fill(strided, *args, generator=gen(3)).tolist() == first
    assert fill(nnfast.zeros(0, 4), *args).shape == (0, 4)


def test_float16() -> None:
    w = init.kaiming_normal_(nnfast.zeros(3, 4, dtype="float16"))
    assert w.dtype == np.float16 and abs(w.numpy()).max() > 0


def test_invalidates_what_was_saved() -> None:
    w = nnfast.ones(2, requires_grad=True)
    loss = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(NNFastError, match="changed in place"):
        loss.backward()


W = nnfast.zeros(2, 3)


def read_only() -> Tensor:
    array = np.zeros((2, 2))
    array.flags.writeable = False
    return nnfast.from_numpy(array)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.uniform_(W, 1, 0), "uniform_: expected a <= b, got a=1, b=0"),
        (lambda: init.normal_(W, 0, -1), "normal_: expected std >= 0, got std=-1"),
        (lambda: init.trunc_normal_(W, a=1, b=0), "trunc_normal_: expected a <= b and std > 0"),
        (lambda: init.trunc_normal_(W, std=0), "trunc_normal_: expected a <= b and std > 0"),
        (lambda: init.eye_(nnfast.zeros(3)), "eye_: expected a tensor of 2 dimensions, got 1"),
        (lambda: init.dirac_(W), "dirac_: expected a tensor of 3, 4 or 5 dimensions, got 2"),
        (lambda: init.dirac_(nnfast.zeros(3, 1, 1), 2), "groups that divide the first dimension"),
        (lambda: init.xavier_normal_(nnfast.zeros(3)), "a weight of at least 2 dimensions, got 1"),
        (lambda: init.kaiming_normal_(nnfast.zeros(3)), "a weight of at least 2 dimensions"),
        (lambda: init.kaiming_normal_(W, mode="in"), "expected mode 'fan_in' or 'fan_out', got 'i"),
        (lambda: init.calculate_gain("swish"), "expected one of linear, conv1d, conv2d, conv3d, "),
        (lambda: init.calculate_gain("leaky_relu", "a"), "expected a number as slope, got 'a'"),
        (lambda: init.orthogonal_(nnfast.zeros(3)), "orthogonal_: expected at least 2 dimensions"),
        (lambda: init.sparse_(nnfast.zeros(3), 0.1), "sparse_: expected a tensor of 2 dimensions"),
        (lambda: init.sparse_(W, 1.5), "sparse_: expected sparsity from 0 to 1, got 1.5"),
        (lambda: init.ones_(nnfast.tensor([1])), "ones_: expected a writable float tensor, got i"),
        (lambda: init.ones_(read_only()), "ones_: expected a writable float tensor, got float64"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)
