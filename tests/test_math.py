"""The vector math functions keep the errors and special values stated in csrc/simd/math.h."""

import math
from functools import cache

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.nn import functional as F

mpmath = pytest.importorskip("mpmath")
mpmath.mp.dps = 40

OPS = {
    "exp": nnfast.exp,
    "log": nnfast.log,
    "log1p": nnfast.log1p,
    "tanh": nnfast.tanh,
    "sigmoid": nnfast.sigmoid,
    "erf": nnfast.erf,
    "gelu": lambda x: F.gelu(x, approximate="none"),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    **{
        name: getattr(nnfast, name)
        for name in (
            *("exp2", "expm1", "log2", "log10", "rsqrt", "sin", "cos", "tan", "asin", "acos"),
            *("atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
        )
    },
}

# The errors stated in csrc/simd/math_*.h, in ulp, for float32 and float64 on the worst ISA.
MAX_ULP = {
    "exp": (1.2, 1.2),
    "log": (0.85, 0.81),
    "log1p": (1.4, 1.3),
    "tanh": (2.1, 2.2),
    "sigmoid": (2.1, 1.9),
    "erf": (1.4, 1.3),
    "gelu": (5.2, 4.2),
    "gelu_tanh": (2.4, 2.4),  # for x >= -1
    "pow": (0.51, 1.3),
    "silu": (2.5, 1.6),
    "mish": (4.3, 2.9),
    "exp2": (1.3, 1.2),
    "expm1": (1.7, 2.1),
    "log2": (1.8, 1.4),
    "log10": (2.1, 2.7),
    "rsqrt": (1.5, 1.5),
    "sin": (1.6, 2.1),
    "cos": (1.6, 2.1),
    "tan": (3.4, 2.9),
    "asin": (3.6, 3.0),
    "acos": (3.6, 3.0),
    "atan": (2.7, 2.4),
    "sinh": (2.4, 2.2),
    "cosh": (1.7, 1.5),
    "asinh": (2.0, 1.5),
    "acosh": (2.2, 1.8),
    "atanh": (2.2, 1.8),
}

BITS = {np.float32: (np.uint32, 32), np.float64: (np.uint64, 64)}
inf, nan = math.inf, math.nan


def run(name, x):
    return OPS[name](nnfast.tensor(x)).numpy()


def tanh_exponent(x):
    """2u = 2 sqrt(2 / pi) (x + 0.044715 x^3): gelu_tanh(x) = x sigmoid(2u)."""
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def sigmoid64(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


# float64 is precise enough to judge float32 by.
REFERENCE64 = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid64,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "gelu": lambda x: x * 0.5 * np.vectorize(math.erfc, otypes=[float])(-x * math.sqrt(0.5)),
    "gelu_tanh": lambda x: x * sigmoid64(tanh_exponent(x)),
    "silu": lambda x: x * sigmoid64(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log2": np.log2,
    "log10": np.log10,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}


def sigmoid_mp(x):
    return 1 / (1 + mpmath.exp(-x))


REFERENCE_MP = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": sigmoid_mp,
    "erf": mpmath.erf,
    "gelu": lambda x: x * mpmath.erfc(-x * mpmath.sqrt(0.5)) / 2,
    "gelu_tanh": lambda x: (
        x * sigmoid_mp(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))
    ),
}
REFERENCE_MP |= {
    "silu": lambda x: x * sigmoid_mp(x),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    **{
        name: getattr(mpmath, name)
        for name in (
            *("expm1", "log10", "sin", "cos", "tan", "asin", "acos", "atan"),
            *("sinh", "cosh", "asinh", "acosh", "atanh"),
        )
    },
}

# Where a function of float64 is neither constant nor out of range.
DOMAIN64 = {
    "exp": (-708, 709.7),
    "log": (1e-300, 1e300),
    "log1p": (-1, 1e300),
    "tanh": (-20, 20),
    "sigmoid": (-708, 40),
    "erf": (-6, 6),
    "gelu": (-37.5, 10),
    "gelu_tanh": (-21.4, 10),
    "silu": (-700, 50),
    "mish": (-700, 50),
    "exp2": (-1020, 1023),
    "expm1": (-50, 709.7),
    "log2": (1e-300, 1e300),
    "log10": (1e-300, 1e300),
    "rsqrt": (1e-300, 1e300),
    **dict.fromkeys(("sin", "cos", "tan"), (-1e5, 1e3)),
    **dict.fromkeys(("asin", "acos", "atanh"), (-1, 1)),
    "atan": (-100, 100),
    **dict.fromkeys(("sinh", "cosh"), (-710.4, 710.4)),
    "asinh": (-1e300, 1e300),
    "acosh": (1, 1e300),
}


@cache
def samples32(name):
    """Finite arguments of all magnitudes, 2^20 of them, and the exact values."""
    bits = np.arange(0, 2**32, 2**12, dtype=np.uint64)
    bits += np.random.default_rng(1).integers(0, 2**12, bits.size, dtype=np.uint64)
    x = bits.astype(np.uint32).view(np.float32)
    edges = np.float32([0.5, 0.75, 1, 1.5, 2, 4, 10, 80, 87, 88])
    x = np.concatenate([x, *(s * np.nextafter(edges, t) for s in (1, -1) for t in (0, 1, inf))])
    x = x[np.isfinite(x) & (np.abs(x) >= np.finfo(np.float32).tiny)]
    x = x[in_domain(name, x)].astype(np.float32)
    with np.errstate(all="ignore"):
        return x, REFERENCE64[name](x.astype(np.float64)), np.zeros(1)


@cache
def samples64(name):
    """20,000 arguments and the exact values, each as a sum of two floats."""
    random = np.random.default_rng(2)
    low, high = DOMAIN64[name]
    uniform = random.uniform(low, min(high, 1e3), 8_000)
    near_0 = random.uniform(-1, 1, 6_000) * 2.0 ** random.uniform(-60, 1, 6_000)
    near_1 = 1 + random.uniform(-1, 1, 6_000) * 2.0 ** random.uniform(-50, -1, 6_000)
    x = np.concatenate([uniform, near_0, near_1])
    x = x[in_domain(name, x)]
    exact = [REFERENCE_MP[name](mpmath.mpf(v)) for v in x.tolist()]
    high_part = np.array([float(v) for v in exact])
    return (
        x,
        high_part,
        np.array([float(v - h) for v, h in zip(exact, high_part.tolist(), strict=False)]),
    )


DOMAIN = {
    **dict.fromkeys(("log", "log2", "log10", "rsqrt"), (0, inf)),
    "log1p": (-1, inf),
    "acosh": (1, inf),
    **dict.fromkeys(("asin", "acos", "atanh"), (-1, 1)),
}


def in_domain(name, x):
    low, high = DOMAIN.get(name, (-inf, inf))
    return (x > low) & (x < high)


def ulp_errors(got, exact, exact_rest):
    """|got - exact| in units of the last place of exact; results about to be flushed aside."""
    info = np.finfo(got.dtype)
    exponent = np.frexp(exact)[1] - 1
    unit = np.ldexp(1.0, np.maximum(exponent, info.minexp) - info.nmant)
    error = np.abs((got.astype(np.float64) - exact) - exact_rest) / unit
    # Results near the smallest normal number: sums there may be flushed to zero in part.
    small = np.abs(exact) < 2.0**8 * info.tiny
    assert np.all(np.abs(got[small] - exact[small]) <= 2 * info.tiny)
    return np.where(small, 0, error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPS)
def test_error(isa, name, dtype):
    x, exact, rest = (samples32 if dtype is np.float32 else samples64)(name)
    got = run(name, x)
    assert got.dtype == dtype
    finite = np.abs(exact) <= np.finfo(dtype).max
    assert np.all(got[~finite] == np.copysign(inf, exact[~finite]))
    x, got, exact = x[finite], got[finite], exact[finite]
    error = ulp_errors(got, exact, rest[finite] if rest.size > 1 else rest)
    bound = np.full(x.shape, MAX_ULP[name][dtype is np.float64])
    if name == "gelu_tanh":  # in the left tail the rounding of the exponent 2u shows
        bound += 2.6 * np.maximum(-tanh_exponent(x.astype(np.float64)), 0) * (x < -1)
    worst = np.argmax(error / bound)
    assert error[worst] <= bound[worst], f"{name}({x[worst]!r}): {error[worst]:.3f} ulp"


# In units of 2^-24; absolute, for the derivative of gelu has a zero.
MAX_GELU_GRADIENT_ERROR = {"none": 2.8, "tanh": 3.7}


def gelu_gradient64(x, approximate):
    if approximate == "none":
        density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return np.vectorize(math.erfc, otypes=[float])(-x * math.sqrt(0.5)) / 2 + x * density
    s = sigmoid64(tanh_exponent(x))
    slope = 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    return s + x * slope * s * sigmoid64(-tanh_exponent(x))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_gradient_error(isa, approximate):
    x = np.linspace(-20, 20, 2**16 + 1, dtype=np.float32)
    t = nnfast.tensor(x, requires_grad=True)
    F.gelu(t, approximate=approximate).sum().backward()
    error = np.abs(t.grad.numpy() - gelu_gradient64(x.astype(np.float64), approximate))
    assert error.max() * 2**24 <= MAX_GELU_GRADIENT_ERROR[approximate]


@pytest.mark.parametrize("name", ["silu", "mish"])
def test_gradient_error_around_its_zero(isa, name):
    x = np.linspace(-20, 20, 2**16 + 1, dtype=np.float32)
    t = nnfast.tensor(x, requires_grad=True)
    OPS[name](t).sum().backward()
    x64 = x.astype(np.float64)
    s = sigmoid64(x64)
    y = np.tanh(np.logaddexp(0, x64))
    exact = s * (1 + x64 * sigmoid64(-x64)) if name == "silu" else y + x64 * s * (1 - y * y)
    assert np.abs(t.grad.numpy() - exact).max() * 2**24 <= 4.0


LARGE = {np.float32: 3e38, np.float64: 1e308}
SPECIAL = {
    "exp": [(0, 1), (-0.0, 1), (inf, inf), (-inf, 0), (1e4, inf), (-1e4, 0)],
    "log": [(0, -inf), (-0.0, -inf), (1, 0), (inf, inf), (-1, nan), (-inf, nan)],
    "log1p": [(0, 0), (-0.0, -0.0), (-1, -inf), (inf, inf), (-2, nan), (-inf, nan)],
    "tanh": [(0, 0), (-0.0, -0.0), (inf, 1), (-inf, -1), (100, 1), (-100, -1)],
    "sigmoid": [(0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0), (1e4, 1), (-1e4, 0)],
    "erf": [(0, 0), (-0.0, -0.0), (inf, 1), (-inf, -1), (100, 1), (-100, -1)],
    "gelu": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -0.0), (100, 100), (-100, -0.0)],
    "gelu_tanh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -0.0), (100, 100), (-100, -0.0)],
    "silu": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -0.0), (100, 100), (-1e4, -0.0)],
    "mish": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -0.0), (100, 100), (-1e4, -0.0)],
    "exp2": [(0, 1), (3, 8), (-3, 0.125), (inf, inf), (-inf, 0), (1e4, inf), (-1e4, 0)],
    "expm1": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -1), (1e4, inf), (-1e4, -1)],
    "log2": [(0, -inf), (8, 3), (0.125, -3), (inf, inf), (-1, nan), (-inf, nan)],
    "log10": [(0, -inf), (1, 0), (inf, inf), (-1, nan), (-inf, nan)],
    "rsqrt": [(0, inf), (4, 0.5), (inf, 0), (-1, nan)],
    "sin": [(0, 0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "cos": [(0, 1), (-0.0, 1), (inf, nan), (-inf, nan)],
    "tan": [(0, 0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "asin": [(0, 0), (-0.0, -0.0), (1, math.pi / 2), (-1, -math.pi / 2), (2, nan), (-inf, nan)],
    "acos": [(1, 0), (0, math.pi / 2), (-1, math.pi), (2, nan), (-inf, nan)],
    "atan": [(0, 0), (-0.0, -0.0), (inf, math.pi / 2), (-inf, -math.pi / 2), (1, math.pi / 4)],
    "sinh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (1e4, inf)],
    "cosh": [(0, 1), (-0.0, 1), (inf, inf), (-inf, inf), (1e4, inf)],
    "asinh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "acosh": [(1, 0), (inf, inf), (0.5, nan), (-3, nan), (-inf, nan)],
    "atanh": [(0, 0), (-0.0, -0.0), (1, inf), (-1, -inf), (2, nan), (inf, nan)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(isa, name, dtype):
    x, expected = np.array([*SPECIAL[name], (nan, nan)], dtype).T
    got = run(name, np.ascontiguousarray(x))
    np.testing.assert_array_equal(got, expected)
    number = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_values_do_not_overflow(isa, dtype):
    x = np.array([LARGE[dtype], -LARGE[dtype]], dtype)
    assert run("gelu", x).tolist() == run("gelu_tanh", x).tolist() == [x[0], 0]
    assert run("log", x)[0] == pytest.approx(math.log(LARGE[dtype]))
    assert run("log1p", x)[0] == pytest.approx(math.log(LARGE[dtype]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_numbers_count_as_zero(isa, dtype):
    tiny = np.finfo(dtype).tiny
    x = np.array([tiny / 4, -tiny / 4], dtype)
    assert np.array_equal(run("exp", x), [1, 1])
    assert np.array_equal(run("log", x), [-inf, -inf])
    for name in ("log1p", "tanh", "erf", "gelu"):
        assert np.all(np.abs(run(name, x)) < tiny)


ANGLES = [0, -0.0, 1, -1, 2.5, -2.5, 1e-30, 1e30, inf, -inf, nan]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_atan2_of_all_quadrants(isa, dtype):
    y, x = (v.ravel() for v in np.array(np.meshgrid(ANGLES, ANGLES), dtype))
    expected = np.arctan2(y.astype(np.float64), x.astype(np.float64)).astype(dtype)
    got = nnfast.atan2(nnfast.tensor(y), nnfast.tensor(x)).numpy()
    np.testing.assert_allclose(got, expected, rtol=3 * np.finfo(dtype).eps)
    number = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_of_any_size(isa, name, dtype):
    random = np.random.default_rng(6)
    x = (random.uniform(-1, 1, 999) * 2.0 ** random.uniform(20, 120, 999)).astype(dtype)
    exact = np.array([float(REFERENCE_MP[name](mpmath.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(run(name, x), exact, rtol=4 * np.finfo(dtype).eps)


ROUNDED = [0.0, -0.0, 0.3, -0.3, 0.5, -0.5, 1.5, 2.5, -2.5, 0.7, -0.7, 1e6 + 0.5, inf, -inf, nan]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round"])
def test_rounding_is_exact(isa, name, dtype):
    mantissa = np.finfo(dtype).nmant
    random = np.random.default_rng(7)
    large = random.uniform(-1, 1, 4096) * 2.0 ** random.uniform(-3, mantissa + 3, 4096)
    x = np.concatenate([ROUNDED, large, np.round(large * 2) / 2]).astype(dtype)
    expected = getattr(np, name)(x)
    got = getattr(nnfast, name)(nnfast.tensor(x)).numpy()
    np.testing.assert_array_equal(got, expected)
    number = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got)[number], np.signbit(expected)[number])


DIVIDED = [0.0, -0.0, 1, -1, 2.5, -2.5, 7, -7, 1e-3, 1e20, -1e20, 0.1, -0.3, inf, -inf, nan]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_division_with_rounding_as_numpy(isa, name, dtype):
    values = DIVIDED if dtype != np.int64 else [0, 1, -1, 2, -2, 7, -7, 2**62, -(2**63), 2**63 - 1]
    a, b = (v.ravel() for v in np.meshgrid(np.array(values, dtype), np.array(values, dtype)))
    if dtype == np.int64:
        a, b = a[b != 0], b[b != 0]
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    got = getattr(nnfast, name)(nnfast.tensor(a), nnfast.tensor(b)).numpy()
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fmod_is_exact_beside_multiples(isa, dtype):
    """Where a rounded quotient is one more than the true one, and where it has too many bits."""
    random = np.random.default_rng(9)
    b = (random.uniform(1, 2, 9999) * 2.0 ** random.integers(-9, 9, 9999)).astype(dtype)
    quotients = np.floor(2.0 ** random.uniform(0, np.finfo(dtype).nmant + 4, 9999)).astype(dtype)
    multiples = quotients * b
    for a in (multiples, np.nextafter(multiples, dtype(0)), np.nextafter(multiples, dtype(inf))):
        a = a * random.choice([-1, 1], 9999).astype(dtype)
        expected = np.fmod(a, b)
        got = nnfast.fmod(nnfast.tensor(a), nnfast.tensor(b)).numpy()
        np.testing.assert_array_equal(got, expected)
        assert np.array_equal(np.signbit(got), np.signbit(expected))


def test_integers_are_not_divided_by_zero():
    for name in ("fmod", "remainder", "floor_divide"):
        with pytest.raises(nnfast.NNFastError, match="other than 0"):
            getattr(nnfast, name)(nnfast.tensor([1, 2]), nnfast.tensor([1, 0]))


POW_ARGUMENTS = [0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1e30, -1e30, inf, -inf, nan]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pow_special_values(isa, dtype):
    a, b = (v.ravel() for v in np.array(np.meshgrid(POW_ARGUMENTS, POW_ARGUMENTS), dtype))
    with np.errstate(all="ignore"):
        expected = np.power(a.astype(np.float64), b.astype(np.float64)).astype(dtype)
    got = nnfast.pow(nnfast.tensor(a), nnfast.tensor(b)).numpy()
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps)
    number = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got)[number], np.signbit(expected)[number])


@cache
def pow_samples(dtype):
    random = np.random.default_rng(3)
    a = np.exp(random.uniform(-20, 20, 4_000)).astype(dtype)
    b = (random.uniform(-80, 80, 4_000) / np.log(a.astype(np.float64))).astype(dtype)
    exact = [
        mpmath.power(mpmath.mpf(u), mpmath.mpf(v))
        for u, v in zip(a.tolist(), b.tolist(), strict=False)
    ]
    high_part = np.array([float(v) for v in exact])
    return (
        a,
        b,
        high_part,
        np.array([float(v - h) for v, h in zip(exact, high_part.tolist(), strict=False)]),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pow_error(isa, dtype):
    a, b, exact, rest = pow_samples(dtype)
    got = nnfast.pow(nnfast.tensor(a), nnfast.tensor(b)).numpy()
    assert ulp_errors(got, exact, rest).max() <= MAX_ULP["pow"][dtype is np.float64]


@pytest.fixture
def isa_restored():
    before = _core.isa()
    yield
    _core.set_isa(before)


@pytest.mark.skipif(
    not {"avx2", "avx512"} <= set(_core.isas()), reason="needs a processor with both ISAs"
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPS)
def test_same_bits_with_avx2_and_avx512(isa_restored, name, dtype):
    integer, bits = BITS[dtype]
    x = np.random.default_rng(4).integers(0, 2**bits, 2**16, dtype=integer).view(dtype)
    x = np.concatenate([x, np.random.default_rng(5).uniform(-20, 20, 2**16).astype(dtype)])
    results = []
    for isa in ("avx2", "avx512"):
        _core.set_isa(isa)
        results.append(run(name, x))
    a, b = results
    number = ~np.isnan(a)
    assert np.array_equal(number, ~np.isnan(b))
    assert np.array_equal(a.view(integer)[number], b.view(integer)[number])
