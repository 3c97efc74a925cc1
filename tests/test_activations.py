"""Activations and elementwise functions that ops compose: NumPy, PyTorch, eagerly and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import grad, gradcheck, gradgradcheck
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.modules import both_ways, close, load_same, numpy_of

Array = np.ndarray
RNG = np.random.default_rng

# ---- layers -------------------------------------------------------------------------------------

LAYERS: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = [
    ("SiLU", (), (5, 6)),
    ("Mish", (), (5, 6)),
    ("Softplus", (), (5, 6)),
    ("Softplus", (2.5, 1.5), (5, 6)),
    ("LogSigmoid", (), (5, 6)),
    ("ELU", (), (5, 6)),
    ("ELU", (0.5,), (5, 6)),
    ("CELU", (), (5, 6)),
    ("CELU", (2.0, True), (5, 6)),
    ("SELU", (True,), (5, 6)),
    ("Softsign", (), (5, 6)),
    ("Tanhshrink", (), (5, 6)),
    ("Hardtanh", (), (5, 6)),
    ("Hardtanh", (-0.5, 1.5), (5, 6)),
    ("ReLU6", (), (5, 6)),
    ("Hardsigmoid", (), (5, 6)),
    ("Hardswish", (), (5, 6)),
    ("PReLU", (), (5, 6)),
    ("PReLU", (6,), (5, 6)),
    ("PReLU", (3, 0.1), (2, 3, 4, 5)),
    ("Threshold", (0.3, -7.0), (5, 6)),
    ("Hardshrink", (), (5, 6)),
    ("Hardshrink", (0.25,), (5, 6)),
    ("Softshrink", (0.25,), (5, 6)),
    ("Softmin", (1,), (5, 6)),
    ("Softmax2d", (), (2, 3, 4, 5)),
    ("Softmax2d", (), (3, 4, 5)),
    ("GLU", (), (5, 6)),
    ("GLU", (1,), (3, 4, 5)),
]
# Arguments at which pieces meet, besides random ones.
MEETINGS = np.array([-6, -3, -1, -0.5, -0.25, -0.0, 0, 0.25, 0.3, 0.5, 1, 1.5, 3, 6, 40, -40])


def arguments(shape: tuple[int, ...], seed: int = 0) -> Array:
    x = RNG(seed).standard_normal(shape) * 3
    x.flat[: MEETINGS.size] = MEETINGS[: x.size]
    return x


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layers_are_pytorchs(case: tuple[str, tuple[Any, ...], tuple[int, ...]]) -> None:
    torch = pytest.importorskip("torch")
    name, args, shape = case
    mine, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(mine) == repr(theirs)
    load_same(mine, theirs)
    a = arguments(shape)
    x, z = nnfast.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    y, u = mine(x * 1), theirs(z * 1)
    close(y, numpy_of(u), 8)
    dy = RNG(1).standard_normal(y.shape)
    inputs, theirs_inputs = [x, *mine.parameters()], [z, *theirs.parameters()]
    dxs = grad(y, inputs, nnfast.tensor(dy), create_graph=True)
    dzs = torch.autograd.grad(u, theirs_inputs, torch.tensor(dy), create_graph=True)
    sixth = 2**29 if name == "Hardsigmoid" else 1  # PyTorch's 1/6 is one of float32
    for dx, dz in zip(dxs, dzs, strict=True):
        close(dx, numpy_of(dz), (16 + a.size) * sixth)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layers_compile(case: tuple[str, tuple[Any, ...], tuple[int, ...]], dtype: str) -> None:
    name, args, shape = case
    layer = getattr(nn, name)(*args).to(dtype)

    def step(x: Any) -> Any:
        x = x * 1
        x.requires_grad_()
        return layer(x), grad((layer(x) * layer(x)).sum(), [x])[0]

    y, dx = both_ways(step, [arguments(shape).astype(dtype)])
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layers_of_nothing_and_of_any_strides(case: Any) -> None:
    name, args, shape = case
    layer = getattr(nn, name)(*args)
    assert layer(nnfast.zeros(0, *shape[1:])).shape[0] == 0
    x = arguments(shape).astype("f")
    same = layer(nnfast.tensor(x)).detach().numpy()
    backwards = layer(nnfast.from_numpy(np.asfortranarray(x))).detach().numpy()
    if name in ("Softmin", "Softmax2d"):  # sums go through memory in its order
        np.testing.assert_allclose(backwards, same, rtol=8 * np.finfo("f").eps)
    else:
        assert np.array_equal(backwards, same)


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layers_are_differentiated_twice(case: Any) -> None:
    name, args, shape = case
    layer = getattr(nn, name)(*args).double()
    x = RNG(2).standard_normal(shape[:2] + shape[2:]) + 0.013  # on no kink
    t = nnfast.tensor(x, requires_grad=True)
    assert gradcheck(layer, (t,)) and gradgradcheck(layer, (t,))


def test_layers_of_the_lectures() -> None:
    x = nnfast.tensor([-2.0, -0.0, 0.0, 0.5], requires_grad=True)
    assert nn.Sign()(x).tolist() == [-1, 0, 0, 1]
    assert nn.HardThreshold()(x).tolist() == [0, 1, 1, 1]
    assert nn.HardThreshold(0.5)(x).tolist() == [0, 0, 0, 1]


def test_hardtanh_knows_older_names() -> None:
    x = nnfast.tensor([-3.0, 0.5, 3.0])
    layer = nn.Hardtanh(min_value=-2, max_value=1)
    assert layer(x).tolist() == nn.Hardtanh(-2, 1)(x).tolist() == [-2, 0.5, 1]
    with pytest.raises(NNFastError, match="min_val < max_val"):
        nn.Hardtanh(min_value=1)


def test_rrelu() -> None:
    _ = nnfast.manual_seed(0)
    layer, n = nn.RReLU(0.2, 0.6), 10_000
    x = nnfast.tensor(np.full(n, -1.0), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.2 and slopes.max() < 0.6
    # A uniform distribution's mean within five standard deviations.
    assert abs(slopes.mean() - 0.4) < 5 * 0.4 / np.sqrt(12 * n)
    assert np.array_equal(x.grad.numpy(), slopes)  # the slope drawn is that of the gradient
    assert layer(nnfast.ones(3)).tolist() == [1, 1, 1]
    assert layer.eval()(nnfast.tensor([-1.0, 2.0])).tolist() == pytest.approx([-0.4, 2])
    draw = nnfast.compile(lambda x: F.rrelu(x, training=True))
    a, b = (draw(nnfast.tensor(np.full(99, -1.0))).numpy() for _ in range(2))
    assert (a != b).any()


def test_prelu_learns_its_slope() -> None:
    layer = nn.PReLU(2)
    assert layer.weight.tolist() == [0.25, 0.25]
    layer(nnfast.tensor([[-1.0, -2.0], [3.0, -4.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [-1, -6]


# ---- ends of the line ---------------------------------------------------------------------------

ENDS = {
    "silu": (0, np.inf),
    "mish": (0, np.inf),
    "hardswish": (0, np.inf),
    "softplus": (0, np.inf),
    "elu": (-1, np.inf),
    "celu": (-1, np.inf),
    "relu6": (0, 6),
    "hardtanh": (-1, 1),
    "hardsigmoid": (0, 1),
    "logsigmoid": (-np.inf, 0),
}


@pytest.mark.parametrize("name", ENDS)
def test_limits_and_nan(isa: str, name: str) -> None:
    x = nnfast.tensor([-np.inf, np.inf, np.nan], requires_grad=True)
    y = getattr(F, name)(x)
    y.sum().backward()
    assert y.tolist()[:2] == list(ENDS[name])
    assert np.isnan(y.tolist()[2])
    assert set(x.grad.tolist()[:2]) <= {0, 1}


# ---- functions ----------------------------------------------------------------------------------

BINARY = ("atan2", "fmod", "remainder", "logical_and", "logical_or", "logical_xor")
UNARY: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("sin", "cos", "tan", "atan", "sinh", "cosh", "asinh"), (-3, 3)),
    **dict.fromkeys(("asin", "acos", "atanh"), (-0.95, 0.95)),
    "acosh": (1.1, 9),
    **dict.fromkeys(("exp2", "expm1", "square"), (-3, 3)),
    **dict.fromkeys(("log2", "log10", "rsqrt", "reciprocal"), (0.1, 9)),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), (-9, 9)),
}
SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (7, 5)]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    for shape in SHAPES:
        a = np.asarray(RNG(3).uniform(*UNARY[name], shape))
        x, z = nnfast.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        y, u = getattr(nnfast, name)(x), getattr(torch, name)(z)
        close(y, numpy_of(u), 8)
        close(getattr(x, name)(), numpy_of(u), 8)
        y.sum().backward()
        u.sum().backward()
        close(x.grad, numpy_of(z.grad), 32)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    for p, q in [((), ()), ((3,), ()), ((4, 1), (1, 5)), ((0, 3), (3,)), ((6, 7), (6, 7))]:
        rng = RNG(4)
        a, b = (np.asarray(np.round(rng.standard_normal(s) * 9) + 0.25) for s in (p, q))
        x, v = (nnfast.tensor(t, requires_grad=True) for t in (a, b))
        z, w = (torch.tensor(t, requires_grad=True) for t in (a, b))
        y, u = getattr(nnfast, name)(x, v), getattr(torch, name)(z, w)
        close(y.to("float64"), numpy_of(u.double()), 4)
        assert str(y.dtype) == str(u.dtype).rpartition(".")[2]
        if u.requires_grad:
            y.sum().backward()
            u.sum().backward()
            close(x.grad, numpy_of(z.grad), 64)
            close(v.grad, numpy_of(w.grad), 64)


def test_python_signs_of_division() -> None:
    a, b = np.array([(x, y) for x in (-7, -6, 6, 7) for y in (-3, 3, 2)]).T
    for dtype in ("int64", "float32", "float64"):
        x, y = nnfast.tensor(a.astype(dtype)), nnfast.tensor(b.astype(dtype))
        assert (x % y).tolist() == [p % q for p, q in zip(a, b, strict=True)]
        assert (x // y).tolist() == [p // q for p, q in zip(a, b, strict=True)]
        assert (x % y).dtype == (x // y).dtype == dtype
    assert (7 % nnfast.tensor([4, -4])).tolist() == [3, -1]
    assert (7 // nnfast.tensor([4, -4])).tolist() == [1, -2]


def test_logic() -> None:
    x = nnfast.tensor([True, True, False, False])
    y = nnfast.tensor([True, False, True, False])
    assert (x & y).tolist() == [True, False, False, False]
    assert (x | y).tolist() == [True, True, True, False]
    assert (x ^ y).tolist() == [False, True, True, False]
    assert (~x).tolist() == [False, False, True, True]
    assert (True & x).tolist() == x.tolist()
    assert (nnfast.tensor([6]) & nnfast.tensor([3])).tolist() == [2]
    with pytest.raises(NNFastError, match="expected"):
        nnfast.tensor([1.0]) & x
    odd = nnfast.tensor([1.0, np.nan, np.inf, -np.inf])
    assert nnfast.isnan(odd).tolist() == [False, True, False, False]
    assert nnfast.isinf(odd).tolist() == [False, False, True, True]
    assert nnfast.isfinite(odd).tolist() == [True, False, False, False]
    assert nnfast.isfinite(nnfast.tensor([1, 2])).tolist() == [True, True]


def test_functions_of_three() -> None:
    a, b, c = RNG(5).standard_normal((3, 4, 5))
    x, y, z = map(nnfast.tensor, (a, b, c))
    close(nnfast.lerp(x, y, 0.25), a + 0.25 * (b - a), 4)
    close(x.lerp(y, z), a + c * (b - a), 4)
    close(nnfast.addcmul(x, y, z, value=0.5), a + 0.5 * b * c, 4)
    close(nnfast.addcdiv(x, y, z), a + b / c, 16)


def test_round_to_decimals() -> None:
    x = nnfast.tensor([1.2345, -987.65], dtype="float64")
    assert nnfast.round(x, decimals=2).tolist() == [1.23, -987.65]
    assert nnfast.round(x, decimals=-2).tolist() == [0, -1000]


# ---- errors -------------------------------------------------------------------------------------

X = nnfast.ones(4, 3)
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.PReLU(2)(X), r"prelu: expected weight of shape \(1,\) or \(3,\), got \(2,\)"),
    (lambda: nn.PReLU(0), "PReLU: expected num_parameters >= 1"),
    (lambda: F.glu(X), "glu: expected an even size of dim 1, got 3"),
    (lambda: F.glu(nnfast.tensor(1.0)), "glu: expected at least one dimension"),
    (lambda: F.softshrink(X, -1.0), "softshrink: expected lambd >= 0, got lambd=-1"),
    (lambda: F.celu(X, 0.0), "celu: expected alpha other than 0"),
    (lambda: nn.Hardtanh(1.0, 1.0), "Hardtanh: expected min_val < max_val, got 1.0 and 1.0"),
    (lambda: nn.RReLU(0.5, 0.1), "RReLU: expected lower <= upper"),
    (lambda: nn.Softmax2d()(X), r"Softmax2d: expected input \(N, C, H, W\) or \(C, H, W\)"),
    (lambda: nn.ELU("a"), "ELU: expected a number as alpha"),
    (lambda: nnfast.round(X, decimals=0.5), "round: expected an integer decimals, got 0.5"),
    (lambda: nnfast.atan2(X, nnfast.ones(5)), "atan2: expected shapes that broadcast"),
]


@pytest.mark.parametrize("call, message", ERRORS)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
