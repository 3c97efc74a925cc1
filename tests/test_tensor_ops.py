"""Shape, order, scans, summaries and products: against NumPy, PyTorch, in plans, twice derived."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from tests.peers import (
    Function,
    agrees_with_torch,
    close,
    has_two_gradients,
    runs_in_a_plan,
    values,
)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.tril(x, 1)


def _diagonals(x: np.ndarray) -> np.ndarray:
    return np.stack([np.diag(row, -1) for row in x.reshape(-1, x.shape[-1])])


def _cumulated(x: np.ndarray) -> np.ndarray:
    return np.log(np.cumsum(np.exp(x), 1))


# name: the function, the same in NumPy, and the shapes of its inputs.
CASES: dict[str, tuple[Function, Any, tuple[tuple[int, ...], ...]]] = {
    # views
    "movedim": (
        lambda L, x: L.movedim(x, (0, 1), (2, 0)),
        lambda x: np.moveaxis(x, (0, 1), (2, 0)),
        ((2, 3, 4),),
    ),
    "swapaxes": (lambda L, x: x.swapaxes(0, -1), lambda x: x.swapaxes(0, -1), ((2, 3, 4),)),
    "squeeze": (lambda L, x: L.squeeze(x, (0, 2)), lambda x: x[0], ((1, 2, 3),)),
    "unflatten": (
        lambda L, x: L.unflatten(x, 1, (2, -1)),
        lambda x: x.reshape(2, 2, 3),
        ((2, 6),),
    ),
    "narrow": (lambda L, x: L.narrow(x, 1, -3, 2), lambda x: x[:, -3:-1], ((2, 5),)),
    "select": (lambda L, x: L.select(x, -1, 2), lambda x: x[..., 2], ((2, 3, 4),)),
    "expand_as": (
        lambda L, x, y: x.expand_as(y) * y,
        lambda x, y: x * y,
        ((3, 1), (2, 3, 4)),
    ),
    "ravel": (lambda L, x: L.ravel(x.mT), lambda x: x.T.ravel(), ((2, 3),)),
    # joining and parting
    "cat": (
        lambda L, *xs: L.cat(xs, 1),
        lambda *xs: np.concatenate(xs, 1),
        ((2, 3), (2, 1), (2, 0), (2, 2)),
    ),
    "cat of many": (
        lambda L, x: L.cat([x * k for k in range(20)], -1),
        lambda x: np.concatenate([x * k for k in range(20)], -1),
        ((2, 3),),
    ),
    "stack": (lambda L, *xs: L.stack(xs, -1), lambda *xs: np.stack(xs, -1), ((2, 3),) * 3),
    "hstack": (lambda L, *xs: L.hstack(xs), lambda *xs: np.hstack(xs), ((2, 3), (2, 1))),
    "vstack": (lambda L, *xs: L.vstack(xs), lambda *xs: np.vstack(xs), ((3,), (3,))),
    "split": (
        lambda L, x: L.split(x, [1, 4, 0], 1),
        lambda x: [x[:, :1], x[:, 1:], x[:, 5:]],
        ((2, 5),),
    ),
    "chunk": (lambda L, x: L.chunk(x, 3), lambda x: [x[:2], x[2:4], x[4:]], ((5, 2),)),
    "tensor_split": (lambda L, x: L.tensor_split(x, 3), lambda x: np.array_split(x, 3), ((5, 2),)),
    "unbind": (lambda L, x: L.unbind(x, 1), lambda x: [x[:, i] for i in range(3)], ((2, 3),)),
    # elements in another order
    "flip": (lambda L, x: L.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), ((2, 3, 4),)),
    "roll": (
        lambda L, x: L.roll(x, (1, -2), (0, 1)),
        lambda x: np.roll(x, (1, -2), (0, 1)),
        ((3, 4),),
    ),
    "roll flat": (lambda L, x: L.roll(x, 5), lambda x: np.roll(x, 5), ((3, 4),)),
    "rot90": (lambda L, x: L.rot90(x, 3, (1, 2)), lambda x: np.rot90(x, 3, (1, 2)), ((2, 3, 4),)),
    "repeat": (lambda L, x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), ((2, 3),)),
    "tile": (lambda L, x: L.tile(x, (2,)), lambda x: np.tile(x, 2), ((2, 3),)),
    "repeat_interleave": (
        lambda L, x: L.repeat_interleave(x, 3, 1),
        lambda x: np.repeat(x, 3, 1),
        ((2, 3),),
    ),
    "meshgrid": (
        lambda L, x, y: L.meshgrid(x, y, indexing="xy"),
        lambda x, y: np.meshgrid(x, y),
        ((2,), (3,)),
    ),
    "diagonal": (
        lambda L, x: L.diagonal(x, 1, 0, 2),
        lambda x: np.diagonal(x, 1, 0, 2),
        ((3, 2, 4),),
    ),
    "diag_embed": (
        lambda L, x: L.diag_embed(x, -1).reshape(-1, 4, 4),
        _diagonals,
        ((2, 3),),
    ),
    "tril": (lambda L, x: L.tril(x, 1), _triangle, ((2, 3, 4),)),
    "triu": (lambda L, x: L.triu(x, -1), lambda x: np.triu(x, -1), ((3, 4),)),
    "trace": (lambda L, x: L.trace(x), np.trace, ((3, 4),)),
    # along a dimension
    "cumsum": (lambda L, x: L.cumsum(x, 1), lambda x: np.cumsum(x, 1), ((2, 5, 3),)),
    "cumprod": (lambda L, x: L.cumprod(x, 1), lambda x: np.cumprod(x, 1), ((2, 5, 3),)),
    "cummax": (
        lambda L, x: L.cummax(x, 0)[0],
        lambda x: np.maximum.accumulate(x, 0),
        ((5, 3),),
    ),
    "cummin": (
        lambda L, x: L.cummin(x, 0)[0],
        lambda x: np.minimum.accumulate(x, 0),
        ((5, 3),),
    ),
    "logcumsumexp": (lambda L, x: L.logcumsumexp(x, 1), _cumulated, ((3, 5),)),
    "prod": (lambda L, x: L.prod(x, 1), lambda x: np.prod(x, 1), ((2, 5, 3),)),
    "prod of all": (lambda L, x: L.prod(x), np.prod, ((2, 3),)),
    "diff": (lambda L, x: L.diff(x, 2, 0), lambda x: np.diff(x, 2, 0), ((5, 3),)),
    "sort": (lambda L, x: L.sort(x, 0)[0], lambda x: np.sort(x, 0), ((5, 3),)),
    "argsort": (lambda L, x: L.argsort(x, 1), lambda x: np.argsort(x, 1), ((3, 40),)),
    "topk": (lambda L, x: L.topk(x, 2, 1)[0], lambda x: -np.sort(-x, 1)[:, :2], ((3, 5),)),
    "topk of many": (
        lambda L, x: L.topk(x, 3, 1, largest=False)[0],
        lambda x: np.sort(x, 1)[:, :3],
        ((3, 40),),
    ),
    "kthvalue": (
        lambda L, x: L.kthvalue(x, 2, 0)[0],
        lambda x: np.sort(x, 0)[1],
        ((5, 3),),
    ),
    "median": (lambda L, x: L.median(x, 1)[0], lambda x: np.sort(x, 1)[:, 1], ((3, 4),)),
    "quantile": (
        lambda L, x: L.quantile(x, 0.3, 1),
        lambda x: np.quantile(x, 0.3, 1),
        ((3, 5),),
    ),
    # summaries
    "var_mean": (
        lambda L, x: L.var_mean(x, 1, unbiased=False),
        lambda x: (x.var(1), x.mean(1)),
        ((3, 5),),
    ),
    "std_mean": (
        lambda L, x: L.std_mean(x, 0, keepdim=True),
        lambda x: (x.std(0, ddof=1, keepdims=True), x.mean(0, keepdims=True)),
        ((3, 5),),
    ),
    "aminmax": (lambda L, x: L.aminmax(x, dim=1), lambda x: (x.min(1), x.max(1)), ((3, 5),)),
    "norm": (lambda L, x: L.norm(x, dim=1), lambda x: np.linalg.norm(x, axis=1), ((3, 5),)),
    "norm 3": (
        lambda L, x: L.norm(x, 3, (0, 2)),
        lambda x: (abs(x) ** 3).sum((0, 2)) ** (1 / 3),
        ((3, 2, 2),),
    ),
    "norm inf": (lambda L, x: L.norm(x, float("inf"), 0), lambda x: abs(x).max(0), ((3, 5),)),
    "matrix_norm": (
        lambda L, x: L.linalg.matrix_norm(x, 1),
        lambda x: abs(x).sum(-2).max(-1),
        ((2, 3, 4),),
    ),
    "dist": (lambda L, x, y: L.dist(x, y, 1), lambda x, y: abs(x - y).sum(), ((3,), (3,))),
    # products
    "bmm": (lambda L, x, y: L.bmm(x, y), np.matmul, ((2, 3, 4), (2, 4, 2))),
    "mv": (lambda L, x, y: L.mv(x, y), np.matmul, ((3, 4), (4,))),
    "dot": (lambda L, x, y: L.dot(x, y), np.dot, ((4,), (4,))),
    "inner": (lambda L, x, y: L.inner(x, y), np.inner, ((2, 3), (4, 3))),
    "outer": (lambda L, x, y: L.outer(x, y), np.outer, ((2,), (3,))),
    "addmm": (
        lambda L, c, x, y: L.addmm(c, x, y, beta=0.5, alpha=2),
        lambda c, x, y: 0.5 * c + 2 * (x @ y),
        ((4,), (2, 3), (3, 4)),
    ),
    "baddbmm": (
        lambda L, c, x, y: L.baddbmm(c, x, y),
        lambda c, x, y: c + x @ y,
        ((2, 1, 2), (2, 3, 4), (2, 4, 2)),
    ),
    "addr": (
        lambda L, c, x, y: L.addr(c, x, y, alpha=3),
        lambda c, x, y: c + 3 * np.outer(x, y),
        ((2, 3), (2,), (3,)),
    ),
    "cross": (lambda L, x, y: L.linalg.cross(x, y), np.cross, ((2, 3), (2, 3))),
    "kron": (lambda L, x, y: L.kron(x, y), np.kron, ((2, 3), (2, 2))),
    "tensordot": (
        lambda L, x, y: L.tensordot(x, y, ([1, 2], [1, 0])),
        lambda x, y: np.tensordot(x, y, ([1, 2], [1, 0])),
        ((2, 3, 4), (4, 3, 2)),
    ),
    "lerp": (lambda L, x, y: L.lerp(x, y, 0.3), lambda x, y: x + 0.3 * (y - x), ((3,), (3,))),
    "addcdiv": (
        lambda L, c, x, y: L.addcdiv(c, x, y * y + 1, value=2),
        lambda c, x, y: c + 2 * x / (y * y + 1),
        ((3,),) * 3,
    ),
}
EQUATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "ij,jk": ((2, 3), (3, 2)),
    "ii->i": ((3, 3),),
    "iij->j": ((2, 2, 3),),
    "ij->": ((2, 3),),
    "i,j->ji": ((2,), (3,)),
    "...ij,...jk->...ik": ((2, 1, 2, 3), (3, 3, 2)),
    "i...->...": ((2, 3),),
    "bhqd,bhkd->bhqk": ((2, 2, 3, 4), (2, 2, 2, 4)),
    "ab,bc,cd->ad": ((2, 3), (3, 2), (2, 4)),
    "bn,anm,bm->ba": ((2, 3), (3, 3, 2), (2, 2)),
    ",i->i": ((), (3,)),
    "ij,...j->i...": ((2, 3), (2, 2, 3)),
    "ij,jk->ik ": ((2, 0), (0, 3)),
}
for _equation, _shapes in EQUATIONS.items():
    CASES[f"einsum {_equation}"] = (
        lambda L, *xs, e=_equation: L.einsum(e, *xs),
        lambda *xs, e=_equation: np.einsum(e.strip(), *xs),
        _shapes,
    )


def _draw(name: str, dtype: str = "float64") -> list[np.ndarray]:
    """Inputs whose values all differ, so that no order is chance."""
    rng = np.random.default_rng(len(name))
    return [
        ((rng.permutation(int(np.prod(s))).reshape(s) - np.prod(s) / 2 + 0.25) / 4).astype(dtype)
        for s in CASES[name][2]
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_value(name: str, dtype: str) -> None:
    f, reference, _ = CASES[name]
    arrays = _draw(name, dtype)
    want = reference(*[a.astype(np.float64) for a in arrays])
    parts = list(want) if isinstance(want, tuple | list) else [want]
    got = values(f(nnfast, *[nnfast.tensor(a) for a in arrays]))
    close(got, [np.asarray(p) for p in parts], name, dtypes=False)
    assert all(y.dtype in (np.dtype(dtype), np.int64) for y in got)


@pytest.mark.parametrize("name", CASES)
def test_value_of_other_layouts(name: str) -> None:
    f = CASES[name][0]
    arrays = _draw(name)
    moved = [np.asfortranarray(a)[..., ::-1].copy()[..., ::-1] if a.ndim else a for a in arrays]
    want = f(nnfast, *[nnfast.tensor(a) for a in arrays])
    got = f(nnfast, *[nnfast.from_numpy(a) if a.ndim else nnfast.tensor(a) for a in moved])
    close(values(got), values(want), name)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_torch(name: str) -> None:
    agrees_with_torch(CASES[name][0], *_draw(name))


@pytest.mark.parametrize("name", CASES)
def test_runs_in_a_plan(name: str) -> None:
    runs_in_a_plan(CASES[name][0], *_draw(name, "float32"))


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("argsort", "einsum ij,jk->ik ")])
def test_gradients(name: str) -> None:
    has_two_gradients(CASES[name][0], *_draw(name))


# ---- what has no gradient -------------------------------------------------------------------


@pytest.mark.parametrize("dim", [None, 0, (0, 2)])
def test_truth(dim: Any) -> None:
    x = np.random.default_rng(1).random((3, 4, 2)) < 0.6
    for a in (x, x.astype(np.float32), x.astype(np.int64)):
        t = nnfast.tensor(a)
        np.testing.assert_array_equal(t.any(dim).numpy(), np.any(a, dim))
        np.testing.assert_array_equal(
            t.all(dim, keepdim=True).numpy(), np.all(a, dim, keepdims=True)
        )
        np.testing.assert_array_equal(t.count_nonzero(dim).numpy(), np.count_nonzero(a, dim))
    assert not nnfast.zeros(0).any() and nnfast.zeros(0).all()


def test_what_is_not_a_number_is_left_out() -> None:
    x = nnfast.tensor([[1.0, np.nan], [3.0, 5.0], [np.nan, np.nan]])
    assert x.nansum(1).tolist() == [1, 8, 0]
    np.testing.assert_array_equal(x.nanmean(1).numpy(), [1, 4, np.nan])


def test_a_norm_of_zero_has_gradient_zero() -> None:
    for p in (1, 2, 3, 0.5, float("inf")):
        x = nnfast.zeros(3, dtype=nnfast.float64, requires_grad=True)
        x.norm(p).backward()
        assert x.grad is not None and np.isfinite(x.grad.numpy()).all()


def test_gradient_of_a_product_with_zeros() -> None:
    x = nnfast.tensor([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]], requires_grad=True)
    x.prod(1).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0, 6, 0], [0, 0, 0]]


def test_order_of_what_is_not_a_number() -> None:
    x = nnfast.tensor([np.nan, 2.0, -np.inf, np.inf, np.nan, 2.0])
    assert x.argsort().tolist() == [2, 1, 5, 3, 0, 4]
    assert x.argsort(descending=True).tolist() == [0, 4, 3, 1, 5, 2]
    assert np.isnan(x.median().item()) and np.isnan(x.quantile(0.5).item())
    assert np.isnan(x.cummax(0).values.numpy()).all()


def test_by_value() -> None:
    x = nnfast.tensor([3, 1, 3, 0])
    found, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert (found.tolist(), inverse.tolist(), counts.tolist()) == (
        [0, 1, 3],
        [2, 1, 2, 0],
        [1, 1, 2],
    )
    assert x.bincount(minlength=6).tolist() == [1, 1, 0, 2, 0, 0]
    assert x.bincount(nnfast.full((4,), 0.5)).tolist() == [0.5, 0.5, 0, 1]
    edges = nnfast.tensor([1.0, 2.0, 4.0])
    assert nnfast.bucketize(nnfast.tensor([0.0, 2.0, 9.0]), edges).tolist() == [0, 1, 3]
    assert nnfast.bucketize(nnfast.tensor([2.0]), edges, right=True).tolist() == [2]
    rows = nnfast.stack([edges, edges * 2])
    assert nnfast.searchsorted(rows, nnfast.tensor([[2.0], [2.0]])).tolist() == [[1], [0]]
    assert nnfast.histc(nnfast.tensor([0.0, 1.0, 1.5, 9.0]), 2, 0, 2).tolist() == [1, 2]


def test_isclose() -> None:
    a = nnfast.tensor([1.0, 1.0, np.inf, np.nan, np.inf])
    b = nnfast.tensor([1.000001, 1.1, np.inf, np.nan, -np.inf])
    assert nnfast.isclose(a, b).tolist() == [True, False, True, False, False]
    assert nnfast.isclose(a, b, equal_nan=True).tolist() == [True, False, True, True, False]
    assert nnfast.equal(a[:2], a[:2]) and not nnfast.equal(a[:2], a[:3])


# ---- empty, scalar and bad input ------------------------------------------------------------

SMALL: list[Function] = [
    lambda L, x: L.flip(x, (0,)),
    lambda L, x: L.roll(x, 1),
    lambda L, x: L.ravel(x),
    lambda L, x: L.tile(x, (2, 2)),
    lambda L, x: L.cumsum(x, 0),
    lambda L, x: L.cumprod(x, 0),
    lambda L, x: L.sort(x, dim=0)[0],
    lambda L, x: L.cat([x, x]),
    lambda L, x: L.stack([x, x]),
    lambda L, x: L.any(x),
    lambda L, x: L.norm(x),
    lambda L, x: L.split(x, 2),
    lambda L, x: L.unbind(x),
    lambda L, x: L.tril(x),
    lambda L, x: L.movedim(x, 0, 0),
    lambda L, x: L.logcumsumexp(x, 0),
    lambda L, x: L.repeat_interleave(x, 2),
    lambda L, x: L.diagonal(x),
]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (0, 3, 1), (1, 1)])
@pytest.mark.parametrize("number", range(len(SMALL)))
def test_empty_and_scalar(number: int, shape: tuple[int, ...]) -> None:
    agrees_with_torch(SMALL[number], np.ones(shape))


BAD: list[Function] = [
    lambda L, x: L.cat([]),
    lambda L, x: L.cat([x, x[0]]),
    lambda L, x: L.stack([x, x[:1]]),
    lambda L, x: L.split(x, [1, 1], 1),
    lambda L, x: L.split(x, -1),
    lambda L, x: L.chunk(x, 0),
    lambda L, x: L.narrow(x, 0, 1, 5),
    lambda L, x: L.select(x, 0, 3),
    lambda L, x: L.flip(x, (0, 0)),
    lambda L, x: L.roll(x, (1, 2), (0,)),
    lambda L, x: L.movedim(x, (0, 0), (0, 1)),
    lambda L, x: x.repeat(2),
    lambda L, x: L.repeat_interleave(x, L.tensor([1, -1]), 0),
    lambda L, x: L.meshgrid(x[0], x[1], indexing="no"),
    lambda L, x: L.diag(x[None]),
    lambda L, x: L.cumsum(x, 2),
    lambda L, x: L.topk(x, 9),
    lambda L, x: L.kthvalue(x, 0),
    lambda L, x: L.quantile(x, 1.5),
    lambda L, x: L.bincount(L.tensor([-1])),
    lambda L, x: L.mm(x, x),
    lambda L, x: L.bmm(x, x),
    lambda L, x: L.dot(x[0], x[0, :1]),
    lambda L, x: L.einsum("ij,jk->ik", x, x),
    lambda L, x: L.einsum("ij->iij", x),
    lambda L, x: L.einsum("ij", x, x),
    lambda L, x: L.einsum("i", x),
    lambda L, x: L.tensordot(x, x, 1),
    lambda L, x: L.linalg.cross(x[:, :2], x[:, :2]),
    lambda L, x: x.expand(2**40, 2, 3, 2**40),
    lambda L, x: x.expand(2**70, 2, 3),
    lambda L, x: x.repeat(2**40, 2**40),
    lambda L, x: x.reshape(2**70, -1),
    lambda L, x: L.zeros(2**40, 2**40),
    lambda L, x: L.full((2**62, 4), 1.0),
    lambda L, x: L.arange(0, 1e30),
    lambda L, x: L.eye(2**40),
    lambda L, x: L.linspace(0, 1, 2**60),
    lambda L, x: L.arange(2**63, 2**63 + 2),
    lambda L, x: x[2**70],
    lambda L, x: x.narrow(0, 2**70, 1),
    lambda L, x: x[:1, :1].expand(2**40, 1) + x[:1, :1].expand(1, 2**40),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_arguments_are_refused(number: int) -> None:
    with pytest.raises(nnfast.NNFastError):
        BAD[number](nnfast, nnfast.ones(2, 3))
