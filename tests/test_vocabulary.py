"""Functions of tensors under PyTorch's names, with its arguments, against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.ops import powers
from tests.plans import planned


@pytest.mark.parametrize("low", [None, -0.5, "row"])
@pytest.mark.parametrize("high", [None, 0.5, "column"])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_clamp_takes_tensors_and_keeps_integers(low: Any, high: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    if low is high is None or {type(low), type(high)} == {float, str}:
        return  # PyTorch takes numbers or tensors
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((4, 3)) * 3).astype(dtype)
    x[0, 0] = 0
    tensors = {"row": x[:1] - 1, "column": x[:, :1]}
    results = []
    for lib in (nnfast, torch):
        float_ = dtype == "float64"
        t = lib.tensor(x, requires_grad=float_)
        bounds = [
            lib.tensor(tensors[b], requires_grad=float_) if isinstance(b, str) else b
            for b in (low, high)
        ]
        y = t.clamp(*bounds)
        results.append([y.detach().numpy()])
        if float_:
            (y * lib.tensor(np.arange(12.0).reshape(4, 3))).sum().backward()
            leaves = [t, *(b for b in bounds if hasattr(b, "grad"))]
            results[-1] += [a.grad.numpy() for a in leaves]
    for mine, theirs in zip(*results, strict=True):
        assert mine.dtype.kind == theirs.dtype.kind
        np.testing.assert_array_equal(mine, theirs)


RNG = np.random.default_rng(6)
A, B = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((3, 1))
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.5, 1e-3])
I, J = RNG.integers(-20, 20, (3, 4)), RNG.integers(1, 9, (4,))


def _holes(t: Any, x: Any) -> Any:
    """Without numbers where x > 0, and in one row."""
    y = t.where(x > 0, float("nan"), x)
    return t.where(t.arange(3)[:, None] == 1, float("nan"), y)


# name -> a call of it: (library, tensors) -> tensors; with the arrays that it takes
CALLS: dict[str, tuple[Any, tuple[np.ndarray, ...]]] = {
    "nan_to_num": (lambda t, x: x.nan_to_num(1.0, posinf=7.0), (SPECIAL,)),
    "isposinf": (lambda t, x: (t.isposinf(x), t.isneginf(x), t.isreal(x)), (SPECIAL,)),
    "fmax": (lambda t, x: (t.fmax(x, x.flip(0)), t.fmin(x, x.flip(0))), (SPECIAL,)),
    "fmax gradients": (lambda t, x, y: t.fmax(x, y) + t.fmin(x, y) * 2, (A, B)),
    "logaddexp": (lambda t, x, y: t.logaddexp(x, y), (A * 50, B)),
    "logaddexp of infinities": (lambda t, x: t.logaddexp(x, x), (SPECIAL[2:4],)),
    "logaddexp2": (lambda t, x, y: t.logaddexp2(x, y), (A * 50, B)),
    "xlogy": (lambda t, x, y: t.xlogy(x, y), (A, B**2)),
    "xlogy of 0": (lambda t, x: t.xlogy(x * 0.0, x), (SPECIAL[[0, 4, 5, 6]],)),
    "logit": (lambda t, x: (t.logit(x), x.logit(0.3)), (1 / (1 + np.exp(-A)),)),
    "float_power": (lambda t, x: t.float_power(x, 2), (np.float32(A),)),
    "hypot": (lambda t, x, y: t.hypot(x, y), (A * 1e200, B * 1e200)),
    "signbit": (lambda t, x: t.signbit(x), (SPECIAL[[0, 1, 2, 3, 5, 6]],)),
    "copysign": (lambda t, x, y: t.copysign(x, y.detach()), (A, B)),
    "heaviside": (lambda t, x: t.heaviside(x.detach(), t.tensor(0.5, dtype=t.float64)), (I * 1.0,)),
    "frac": (lambda t, x: x.frac(), (A * 10,)),
    "sinc": (lambda t, x: t.sinc(x), (A,)),
    "degrees": (lambda t, x: (t.deg2rad(x), t.rad2deg(x)), (A,)),
    "rsub": (lambda t, x, y: t.rsub(x, y, alpha=2), (A, B)),
    "isin": (lambda t, x: (t.isin(x, x[:1]), t.isin(x, x[0, :2], invert=True)), (I,)),
    "aliases": (
        lambda t, x: (t.arcsin(x), t.arctan(x), t.absolute(x), t.negative(x), x.multiply(2),
                      x.subtract(x, alpha=3), x.greater(0), x.not_equal(x), t.fix(x * 4), +x,
                      x.divide(3, rounding_mode="floor"), x.clamp_min(0.1), t.clamp_max(x, 0.1)),
        (np.tanh(A),),
    ),
    "in place": (
        lambda t, x: (x.mul(1).arctan_(), x.mul(1).nan_to_num_(), x.mul(1).cumsum_(0),
                      x.mul(1).clamp_max_(0.0), x[0].mul(1).tril_(), x.mul(1).greater_(0.0),
                      x[0].mul(1).fill_diagonal_(5.0), x.mul(1).logical_not_()),
        (A,),
    ),
    "bits": (
        lambda t, x, y: (x & y, x | 5, x ^ y, ~x, x << 2, x >> y, t.bitwise_not(x > 0),
                         t.gcd(x, y), t.lcm(x, y), t.bitwise_and(x > 0, y > 4)),
        (I, J),
    ),
    "atleast": (
        lambda t, x: (t.atleast_2d(x), *t.atleast_3d(x, x[0]), *t.atleast_1d([x.sum(), x])),
        (A[0, 0],),
    ),
    "stacks": (
        lambda t, x, y: (t.column_stack([x[0], y]), t.dstack([x[0], x[1]]), t.row_stack([x[0]] * 2),
                         t.block_diag(x[0], y, y[0])),
        (A, B),
    ),
    "cartesian_prod": (lambda t, x, y: t.cartesian_prod(x, y), (A[0, 0], B[:, 0])),
    "combinations": (
        lambda t, x: (t.combinations(x, 3), x.sum() * t.combinations(x, 2, with_replacement=True)),
        (A[0, 0],),
    ),
    "parts": (lambda t, x: (*x.hsplit(3), *t.vsplit(x, [1]), *t.dsplit(x, 2)), (A,)),
    "windows": (lambda t, x: (x.unfold(1, 2, 1), x.unfold(-1, 3, 2), x.unfold(0, 1, 1)), (A,)),
    "sum_to_size": (lambda t, x: (x.sum_to_size(3, 1), x.sum_to_size((1, 1, 4))), (A,)),
    "take": (lambda t, x, i: t.take(x, i), (A, I)),
    "put": (
        lambda t, x, i, y: (x.put(i, y, accumulate=True), x.put(i[:1, :2], y[:1, :2])),
        (A, I, RNG.standard_normal(I.shape)),
    ),
    "unravel_index": (lambda t, i: t.unravel_index(i, (7, 5)), (abs(I),)),
    "scatters": (
        lambda t, x, y: (t.select_scatter(x, x[1] * 2, 0, 1), t.slice_scatter(x, y, 2, 1, 4, 2),
                         t.diagonal_scatter(x, x[:, :, 0], 1, 1, 2), t.diagflat(y[0, 0], -1)),
        (A, RNG.standard_normal((2, 3, 2))),
    ),
    "cov": (
        lambda t, x: (t.cov(x), t.cov(x, correction=0), t.cov(x[0]), t.corrcoef(x),
                      t.cov(x, fweights=t.tensor([1, 2, 0, 3])),
                      t.cov(x, aweights=t.tensor([1.0, 0.5, 2.0, 0.1], dtype=t.float64))),
        (A[0],),
    ),
    "trapezoid": (
        lambda t, x, y: (t.trapezoid(x), t.trapezoid(x, dx=0.5, dim=0), t.trapz(x, y, dim=1),
                         t.cumulative_trapezoid(x, dim=1)),
        (A, np.cumsum(B**2)),
    ),
    "unique_consecutive": (
        lambda t, x: (*t.unique_consecutive(x, True, True), *x.unique_consecutive(
            return_counts=True, dim=0), t.unique_consecutive(x[:0])),
        (np.array([[1, 1, 2], [1, 1, 2], [2, 2, 2], [1, 1, 2]]),),
    ),
    "msort": (lambda t, x: (t.msort(x), x.renorm(2, 1, 0.7), t.renorm(x, 1, 0, 2.0)), (A,)),
    "mode": (
        lambda t, x: (t.mode(x).values, x.mode(0, True).values, t.mode(x, 0).indices,
                      (x * 1.0).mode(1).values),
        (np.array([[1, 2, 2, 1], [3, 3, 0, 1], [3, 2, 0, 1], [0, 2, 5, 6]]),),
    ),
    "functions in place": (lambda t, x: (t.abs_(x.mul(1)), t.clamp_(x.mul(1), 0.1, 0.5)), (A,)),
    "diff": (lambda t, x: t.diff(x, 2, 1, prepend=x[:, :1], append=x[:, :2]), (A,)),
    "keywords": (
        lambda t, x: (x.permute(dims=(2, 0, 1)), t.flip(x, dims=(0, 2)), t.tile(x, dims=(2, 1)),
                      x[:1].expand(size=(5, 3, 4)), x[:, :1][:1].squeeze(0, 1),
                      t.reshape(x, shape=(4, 6)), t.nansum(x, 0, dtype=t.float64),
                      *t.split(tensor=x, split_size_or_sections=2, dim=1), x.type(t.float64)),
        (A,),
    ),
    "nanmedian": (  # PyTorch names any NaN where there is nothing else
        lambda t, x: (t.nanmedian(x), _holes(t, x).nanmedian(1).values, t.nanmedian(_holes(t, x)),
                      t.nanmedian(_holes(t, x), 2, keepdim=True).values, *t.nanmedian(x, 2),
                      t.nanmedian(x[0, 0, 0], 0).values),
        (A,),
    ),
    "nanquantile": (
        lambda t, x: (*(t.nanquantile(_holes(t, x), 0.3, 2, interpolation=how) for how in (
                          "linear", "lower", "higher", "nearest", "midpoint")),
                      _holes(t, x).nanquantile(0.5), t.nanquantile(x, 0.5, keepdim=True)),
        (A,),
    ),
    "several nanquantiles": (
        lambda t, x: t.nanquantile(_holes(t, x), t.tensor([0.1, 0.75], dtype=t.float64), 0, True),
        (A,),
    ),
    "matrix_power": (
        lambda t, x: (*(t.matrix_power(x, n) for n in (0, 1, 2, 3, 7)), x[0].matrix_power(6)),
        (A[:, :, :3],),
    ),
    "chains": (
        lambda t, x, y: (t.chain_matmul(x), t.chain_matmul(x, y, x, y), t.chain_matmul(y, x),
                         t.linalg.multi_dot([x[0], y, x, y[:, 0]]),
                         t.linalg.multi_dot((x, y[:, 1])), t.linalg.vecdot(x, x[0], dim=0)),
        (A[0], A[1].T),
    ),
    "vander": (
        lambda t, x: (t.vander(x.detach()), t.vander(x.detach(), 2, True),
                      t.vander(x.detach(), 1), t.vander(x.detach(), 5)),
        (B[:, 0],),
    ),
    "vander of integers": (lambda t, x: (t.vander(x), t.vander(x[:0]), t.vander(x, 0)), (J,)),
    "ldexp": (lambda t, x, n: (t.ldexp(x, n), x.ldexp(n - 4), x.mul(1).ldexp_(n)), (A, J)),
    "of scalars": (
        lambda t, x, y, i: (
            x.index_select(0, i), x.index_select(0, i[0]), y.index_select(1, i[0]),
            x.index_add(0, i, y[0, 0], alpha=2), x.index_add(-1, i[0], y[0, 0]),
            x.index_copy(0, i, y[0, 0]), x.index_copy(0, i[0], y[0, :1]),
            y[0].index_copy(0, i[0], x), x.index_fill(0, i, 2.0), x.index_fill(0, i[0], x * 2),
            x.index_reduce(0, i, y[0, 0], "mean"), x.gather(0, i), x.gather(0, i[0]),
            y[0].gather(0, i[0]), x.gather(0, t.cat([i, i])), x.gather(0, i[:0]),
            x.scatter(0, i, 2.0), x.scatter(0, i[0], y[0, 0]), x.scatter(0, i, y[0, :1]),
            y[0].scatter(0, i[0], x), x.scatter_add(0, i, y[0, :1]),
        ),
        (np.array(1.5), A[0], np.array([0])),
    ),
    "masked_scatter": (
        lambda t, x, y: (x[:, :1].masked_scatter(y[:, 0] > -9, x),
                         t.masked_scatter(x, x > 0, x * 2)),
        (A[0], B),
    ),
    "histc": (lambda t, x: (t.histc(x, 4), t.histc(x * 0 + 2, 4), t.histc(x[:0], 4)), (A[0],)),
    "methods": (
        lambda t, x, w: (x.prelu(w), x.hardshrink(0.3), x[0, 0].ger(x[0, 1]),
                         *x.split(split_size=2, dim=1), *x.split_with_sizes([1, 3], 2),
                         *t.split_with_sizes(x, (1, 1)), t.detach(x)),
        (A, np.array([0.25, -0.5, 1.5])),
    ),
    "searchsorted": (
        lambda t, x, y: (t.searchsorted(x, y, out_int32=True),
                         t.searchsorted(x.flip(0), y, sorter=t.arange(x.shape[0] - 1, -1, -1))),
        (np.sort(A.ravel()), B),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:index_reduce", "ignore:torch.chain_matmul")
@pytest.mark.parametrize("name", CALLS)
def test_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, arrays = CALLS[name]
    results: list[list[np.ndarray]] = []
    for lib in (nnfast, torch):
        finite = [a.dtype.kind == "f" and bool(np.isfinite(a).all()) for a in arrays]
        xs = [lib.tensor(a, requires_grad=f) for a, f in zip(arrays, finite, strict=True)]
        y = call(lib, *xs)
        found = list(y) if isinstance(y, tuple) else [y]
        recorded = [t for t in found if t.requires_grad]
        if recorded:
            sum((t * t).sum() if name != "hypot" else t.sum() for t in recorded).backward()
        grads = [x.grad for x in xs if x.grad is not None]
        results.append([t.detach().numpy() for t in (*found, *grads)])
    assert len(results[0]) == len(results[1])
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        scale = np.abs(want[np.isfinite(want)]).max(initial=1) if want.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, want, rtol=0, atol=64 * np.finfo(float).eps * scale)


# what a compiled function cannot plan: NumPy computes it, or its shape depends on values
IN_NUMPY = ("bits", "histc", "masked_scatter", "mode", "searchsorted", "several nanquantiles",
            "unique_consecutive")  # fmt: skip
KINDS = ("sum", "prod", "mean", "amax", "amin")


def test_bits_and_scattered_extremes_are_planned() -> None:
    def fn(x: Any, i: Any) -> Any:
        scattered = [x.scatter_reduce(1, i, x, kind, include_self=False) for kind in KINDS]
        bits = (i & 3, i | 4, i ^ 1, ~i, i << 2, i >> 1, i.bitwise_and(i))
        return (*scattered, *bits, x.cummax(1)[0], x.cumprod(1), x.prod())

    x, i = nnfast.tensor([[1.0, -2.0], [3.0, 0.5]]), nnfast.tensor([[0, 1], [1, 1]])
    for got, want in zip(planned(fn)(x, i), fn(x, i), strict=True):
        assert np.array_equal(got.numpy(), want.numpy())


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_scatter_reduce(reduce: str, include_self: bool, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = RNG.integers(-3, 4, (4, 5)).astype(dtype)  # with zeros and ties
    if not include_self and dtype != "int64":
        x += 0.5  # PyTorch lets what is left out take its share of the gradient
    src = RNG.integers(-3, 4, (3, 6)).astype(dtype)
    index, rows = RNG.integers(0, 5, (3, 6)), np.array([3, 0, 3])
    results = []
    for lib in (nnfast, torch):
        a, b = (lib.tensor(v, requires_grad=dtype != "int64") for v in (x, src))
        y = [lib.scatter_reduce(a, 1, lib.tensor(index), b, reduce, include_self=include_self)]
        if reduce != "sum":
            y.append(a.index_reduce(0, lib.tensor(rows), b[:, :5], reduce,
                                    include_self=include_self))  # fmt: skip
        if dtype != "int64":
            sum((t * t).sum() for t in y).backward()
            y += [a.grad, b.grad]
        results.append([t.detach().numpy() for t in y])
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype
        roundings = 16 * np.finfo("float32" if dtype == "float32" else "float64").eps
        np.testing.assert_allclose(got, want, rtol=roundings, atol=roundings)


@pytest.mark.parametrize("reduce", KINDS)
def test_scatter_reduce_has_gradients_of_any_order(reduce: str) -> None:
    x = nnfast.tensor(RNG.standard_normal(3), requires_grad=True)
    src = nnfast.tensor(RNG.standard_normal(5), requires_grad=True)
    i = nnfast.tensor([0, 2, 2, 0, 2])
    call = lambda x, src: nnfast.scatter_reduce(x, 0, i, src, reduce)
    assert nnfast.autograd.gradcheck(call, (x, src))
    assert nnfast.autograd.gradgradcheck(call, (x, src))


def test_scatter_reduce_means_what_it_says() -> None:
    x, src, i = np.array([2.0, 3.0, 5.0]), np.array([4.0, 6.0, 1.0]), np.array([0, 0, 2])
    want = {"sum": [12, 3, 6], "prod": [48, 3, 5], "mean": [4, 3, 3], "amax": [6, 3, 5],
            "amin": [2, 3, 1]}  # fmt: skip
    for reduce, values in want.items():
        given = (nnfast.tensor(i), nnfast.tensor(src), reduce)
        assert nnfast.scatter_reduce(nnfast.tensor(x), 0, *given).tolist() == values
    y = nnfast.tensor(x)
    y.scatter_reduce_(0, nnfast.tensor(i), nnfast.tensor(src), "amax", include_self=False)
    assert y.tolist() == [6, 3, 1]
    z = nnfast.scatter(y, 0, nnfast.tensor([1]), 2.0, reduce="multiply")
    assert z.tolist() == [6, 6, 1]


@pytest.mark.parametrize(
    "name",
    [n for n in CALLS if n not in IN_NUMPY],
)
def test_runs_in_a_plan(name: str) -> None:
    from tests.modules import both_ways

    call, arrays = CALLS[name]
    if all(np.isfinite(a).all() for a in arrays):
        both_ways(lambda *xs: call(nnfast, *xs), arrays)


def test_powers_and_chains_as_numpy_does() -> None:
    x, y = A[0], A[1].T
    assert np.allclose(nnfast.matrix_power(nnfast.tensor(x[:, :3]), 5).numpy(),
                       np.linalg.matrix_power(x[:, :3], 5))  # fmt: skip
    chain = [x, y, x, y[:, 0]]
    assert np.allclose(nnfast.linalg.multi_dot([nnfast.tensor(a) for a in chain]).numpy(),
                       np.linalg.multi_dot(chain))  # fmt: skip
    for N, increasing in ((None, False), (2, True), (5, False), (1, True), (0, False)):
        got = nnfast.vander(nnfast.tensor(B[:, 0]), N, increasing)
        assert np.allclose(got.numpy(), np.vander(B[:, 0], N, increasing))
    assert nnfast.ldexp(nnfast.tensor(x), nnfast.tensor(J)).tolist() == np.ldexp(x, J).tolist()
    least, cuts = powers._order((10, 100, 5, 50))  # (A B) C: 5,000 and 2,500 products, not 75,000
    assert least == 7500 and cuts[0, 2] == 1


def test_powers_have_gradients_of_any_order() -> None:
    x = nnfast.tensor(B[:, 0], requires_grad=True)
    m = nnfast.tensor(A[0, :, :3], requires_grad=True)
    for fn, of in ((nnfast.vander, x), (lambda m: nnfast.matrix_power(m, 3), m)):
        assert nnfast.autograd.gradcheck(fn, of) and nnfast.autograd.gradgradcheck(fn, of)


def test_scalars_have_one_slice() -> None:
    x, i = nnfast.tensor(5.0), nnfast.tensor([0])
    assert x.index_select(0, i).shape == () and x.gather(0, i).shape == (1,)
    assert x.index_add(0, i, nnfast.tensor(2.0)).item() == 7
    assert x.scatter_add(0, i, nnfast.tensor([2.0])).item() == 7
    assert x.index_fill(0, i, 3.0).item() == x.index_copy(0, i, nnfast.tensor(3.0)).item() == 3


def test_shapes_changed_in_place() -> None:
    x = nnfast.ones(1, 2)
    y = x.unsqueeze_(0)
    assert y is x and x.shape == (1, 1, 2) and x.squeeze_().shape == (2,)
    z = nnfast.ones(2, 3, requires_grad=True) * 2
    z.t_()
    assert z.shape == (3, 2)
    with pytest.raises(nnfast.NNFastError, match="leaf"):
        nnfast.ones(2, 3, requires_grad=True).t_()


def test_what_is_not_a_number_is_left_out() -> None:
    x = A.copy()
    x[A > 0] = np.nan
    got = nnfast.nanquantile(nnfast.tensor(x), 0.3, 0).numpy()
    rows = [r[~np.isnan(r)] for r in x.reshape(2, -1).T]
    want = [np.quantile(r, 0.3) if r.size else np.nan for r in rows]
    np.testing.assert_allclose(got.ravel(), want)
    middle = nnfast.nanmedian(nnfast.tensor(x), 0).values.numpy()
    lower = [np.sort(r)[(r.size - 1) // 2] if r.size else np.nan for r in rows]
    np.testing.assert_array_equal(middle.ravel(), lower)


def test_what_tensors_say_of_themselves() -> None:
    x = nnfast.ones(2, 3, requires_grad=True)
    assert not (x.is_sparse or x.is_quantized or x.is_meta or x.is_pinned())
    assert (x.ndimension(), x.get_device(), x.is_cpu, x.is_cuda, x.itemsize) == (
        2,
        -1,
        True,
        False,
        4,
    )
    assert x.grad_fn is None and (x * 2).grad_fn is not None
    assert x.is_signed() and not x.is_complex() and x.is_same_size(x) and x[0, 0].is_nonzero()
    assert x.data_ptr() == x.array.ctypes.data and x.numpy(force=True).shape == (2, 3)
    with pytest.raises(nnfast.NNFastError, match="'cpu'"):
        x.cuda()
    assert nnfast.conv2d is nnfast.nn.functional.conv2d
    nnfast.manual_seed(0)
    drawn = nnfast.zeros(20000)
    assert abs(drawn.geometric_(0.25).mean().item() - 4) < 0.15  # 6 standard deviations
    assert abs(drawn.cauchy_(3.0, 0.5).median().item() - 3) < 0.05
    assert abs(drawn.log_normal_(1.0, 0.5).log().mean().item() - 1) < 0.03
    assert nnfast.ones(3).multinomial(2).shape == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nnfast.ones(2) & 1, "bools or integers"),
        (lambda: nnfast.gcd(nnfast.ones(2), 1), "integers"),
        (lambda: nnfast.ones(3).unfold(0, 4, 1), "a size up to 3"),
        (lambda: nnfast.ones(3).hsplit(2), "parts of equal size"),
        (lambda: nnfast.ones(2, 2).sum_to_size(3), "a size that broadcasts"),
        (lambda: nnfast.select_scatter(nnfast.ones(2, 2), nnfast.ones(3), 0, 0), "a src of shape"),
        (lambda: nnfast.take(nnfast.ones(2), nnfast.tensor([2])), "numbers from -2 to 1"),
        (lambda: nnfast.cov(nnfast.ones(2, 2, 2)), "at most two"),
        (lambda: nnfast.trapezoid(nnfast.ones(2), nnfast.ones(2), dx=1.0), "x or dx"),
        (
            lambda: nnfast.ones(3).scatter_reduce(0, nnfast.tensor([0]), nnfast.ones(1), "max"),
            "reduce one of",
        ),
        (lambda: nnfast.matrix_power(nnfast.ones(2, 3), 2), "square"),
        (lambda: nnfast.matrix_power(nnfast.eye(2), -1), "n >= 0"),
        (lambda: nnfast.matrix_power(nnfast.eye(2), 1.5), "an integer n"),
        (lambda: nnfast.chain_matmul(nnfast.ones(2)), "matrices"),
        (lambda: nnfast.chain_matmul(nnfast.eye(2), nnfast.eye(3)), "follow from each other"),
        (lambda: nnfast.linalg.multi_dot([nnfast.eye(2)]), "at least two"),
        (lambda: nnfast.vander(nnfast.eye(2)), "a vector"),
        (lambda: nnfast.vander(nnfast.ones(2), -1), "N >= 0"),
        (lambda: nnfast.histc(nnfast.tensor([1, 2])), "floats"),
        (lambda: nnfast.histc(nnfast.tensor([1.0, float("nan")])), "finite"),
        (lambda: nnfast.tensor(1.0).index_select(0, nnfast.tensor([0, 0])), "one number"),
        (
            lambda: nnfast.tensor(1.0).index_add(0, nnfast.tensor([0]), nnfast.ones(1)),
            r"a source of shape \(\)",
        ),
        (lambda: nnfast.ones(2).index_add(0, nnfast.tensor(0), nnfast.tensor(1.0)), "a source"),
        (
            lambda: nnfast.index_reduce(nnfast.ones(3), 0, nnfast.tensor([0]), nnfast.ones(1),
                                        "sum"),
            "reduce one of",
        ),
    ],
)  # fmt: skip
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=message):
        call()
