"""Bags of embeddings, similarities, distances and the bilinear map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.modules import both_ways, close, load_same, numpy_of

Array = np.ndarray
RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((9, 4))
NUMBERS = RNG.integers(0, 9, 12)
OFFSETS = np.array([0, 3, 3, 8])  # one of them empty
FACTORS = RNG.standard_normal(12)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


# ---- embedding_bag --------------------------------------------------------------------------


def bags(offsets: Array | None, numbers: Array, last: bool = False) -> list[Array]:
    if offsets is None:
        return list(numbers)
    ends = [*offsets[1:], *([] if last else [len(numbers)])]
    return [numbers[a:b] for a, b in zip(offsets, ends, strict=False)]


def reference(found: list[Array], factors: list[Array], mode: str, padding: int | None) -> Array:
    y = np.zeros((len(found), TABLE.shape[1]))
    for i, (numbers, f) in enumerate(zip(found, factors, strict=True)):
        kept = numbers != (-1 if padding is None else padding)
        rows = TABLE[numbers[kept]] * f[kept, None]
        if len(rows):
            y[i] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, 0)
    return y


FORMS: dict[str, Any] = {
    "rows": (NUMBERS.reshape(3, 4), None, False),
    "offsets": (NUMBERS, OFFSETS, False),
    "with the last": (NUMBERS, np.append(OFFSETS, 12), True),
    "some left out": (NUMBERS, np.append(OFFSETS, 10), True),
    "no bags": (NUMBERS[:0].reshape(0, 4), None, False),
    "empty bags": (NUMBERS[:0].reshape(2, 0), None, False),
}


@pytest.mark.parametrize("padding", [None, int(NUMBERS[0]), int(NUMBERS[4])])
@pytest.mark.parametrize("mode", ["sum", "mean", "max", "weighted"])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_embedding_bag(form: str, mode: str, padding: int | None) -> None:
    numbers, offsets, last = FORMS[form]
    weighted = mode == "weighted"
    mode = "sum" if weighted else mode
    factors = FACTORS[: numbers.size].reshape(numbers.shape) if weighted else None
    given = None if offsets is None else nnfast.from_numpy(offsets)

    def f(index: Any, table: Any, *more: Any) -> Any:
        return F.embedding_bag(
            index, table, given, mode=mode, per_sample_weights=more[0] if more else None,
            include_last_offset=last, padding_idx=padding,
        )  # fmt: skip

    arrays = [numbers, TABLE, *([factors] if weighted else [])]
    y = both_ways(f, arrays)[0]
    each = bags(offsets, np.ones(numbers.shape) if factors is None else factors, last)
    found = bags(offsets, numbers, last)
    close(y, reference(found, each, mode, padding), 16)
    weight = nnfast.tensor(TABLE, requires_grad=True)
    inputs = [weight, *(nnfast.tensor(a, requires_grad=True) for a in arrays[2:])]
    index = nnfast.from_numpy(numbers)
    for order in (1, 2) if padding is None and numbers.size else ():
        nnfast.autograd.gradcheck(lambda *x: f(index, *x), inputs, order=order)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("form", ["rows", "offsets", "with the last"])
def test_embedding_bag_is_pytorchs(form: str, mode: str) -> None:
    torch = pytest.importorskip("torch")
    numbers, offsets, last = FORMS[form]
    padding = int(NUMBERS[4])
    options = {"mode": mode, "include_last_offset": last, "padding_idx": padding}
    mine, theirs = (lib.EmbeddingBag(9, 4, **options) for lib in (nn, torch.nn))
    assert repr(mine) == repr(theirs)
    load_same(mine, theirs)
    y = mine(nnfast.from_numpy(numbers), None if offsets is None else nnfast.from_numpy(offsets))
    z = theirs(torch.tensor(numbers), None if offsets is None else torch.tensor(offsets))
    close(y, numpy_of(z), 16)
    dy = normal(*y.shape)
    y.backward(nnfast.from_numpy(dy))
    z.backward(torch.tensor(dy))
    close(mine.weight.grad, numpy_of(theirs.weight.grad), 16)


# ---- similarities and distances -------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "dim"),
    [((5, 3), (5, 3), 1), ((5, 3), (3,), -1), ((2, 5, 3), (5, 1), 1), ((4,), (4,), 0)],
)
def test_cosine_similarity(a: tuple[int, ...], b: tuple[int, ...], dim: int) -> None:
    x, y = normal(*a, seed=1), normal(*b, seed=2)
    layer = nn.CosineSimilarity(dim)
    wide = np.broadcast_arrays(x, y)
    want = (x * y).sum(dim) / np.prod([np.linalg.norm(v, axis=dim) for v in wide], axis=0)
    close(both_ways(layer, [x, y])[0], want, 32)
    inputs = [nnfast.tensor(v, requires_grad=True) for v in (x, y)]
    for order in (1, 2):
        nnfast.autograd.gradcheck(layer, inputs, order=order)


def test_cosine_similarity_of_nothing_is_0() -> None:
    x = nnfast.zeros(2, 3, requires_grad=True)
    y = F.cosine_similarity(x, nnfast.ones(2, 3))
    y.sum().backward()
    assert y.tolist() == [0, 0] and np.isfinite(numpy_of(x.grad)).all()


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3.0, math.inf])
@pytest.mark.parametrize("b", [(5, 3), (3,), (2, 1, 3)])
def test_pairwise_distance(b: tuple[int, ...], p: float, keepdim: bool) -> None:
    x, y = normal(5, 3, seed=1), normal(*b, seed=2)
    layer = nn.PairwiseDistance(p, 0.01, keepdim)
    want = np.linalg.norm(x - y + 0.01, p, axis=-1, keepdims=keepdim)
    close(both_ways(layer, [x, y])[0], want, 64)
    inputs = [nnfast.tensor(v, requires_grad=True) for v in (x, y)]
    for order in (1, 2) if p else ():
        nnfast.autograd.gradcheck(layer, inputs, order=order)


@pytest.mark.parametrize("p", [1, 2, 3.0, math.inf])
def test_the_gradient_of_no_distance_is_finite(p: float) -> None:
    x = nnfast.ones(2, 3, requires_grad=True)
    F.pairwise_distance(x, nnfast.ones(2, 3), p, eps=0.0).sum().backward()
    assert np.isfinite(numpy_of(x.grad)).all()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_bilinear(lead: tuple[int, ...], bias: bool) -> None:
    layer = nn.Bilinear(3, 5, 2, bias).double()
    x, y = normal(*lead, 3, seed=1), normal(*lead, 5, seed=2)
    want = np.einsum("...i,oij,...j->...o", x, numpy_of(layer.weight), y)
    if layer.bias is not None:
        want = want + numpy_of(layer.bias)
    close(both_ways(layer, [x, y])[0], want, 64)
    inputs = [nnfast.tensor(v, requires_grad=True) for v in (x, y)]
    if x.size:
        for order in (1, 2):
            nnfast.autograd.gradcheck(
                lambda a, b, *_: layer(a, b), [*inputs, *layer.parameters()], order=order
            )


def test_these_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    x, y = normal(4, 3, seed=1), normal(4, 3, seed=2)
    y[0], x[1] = x[0], 0
    for name, args in [("CosineSimilarity", ()), ("CosineSimilarity", (0, 0.5)),
                       ("PairwiseDistance", ()), ("PairwiseDistance", (1.0, 1e-3, True)),
                       ("PairwiseDistance", (3.0,)), ("Bilinear", (3, 3, 2)),
                       ("Bilinear", (3, 3, 2, False))]:  # fmt: skip
        mine, theirs = (getattr(lib, name)(*args) for lib in (nn, torch.nn))
        assert repr(mine) == repr(theirs)
        load_same(mine, theirs)
        a = [nnfast.tensor(v, requires_grad=True) for v in (x, y)]
        b = [torch.tensor(v, requires_grad=True) for v in (x, y)]
        u, v = mine(*a), theirs(*b)
        close(u, numpy_of(v), 64)
        dy = normal(*u.shape)
        u.backward(nnfast.from_numpy(dy))
        v.backward(torch.tensor(dy))
        for p, q in zip([*a, *mine.parameters()], [*b, *theirs.parameters()], strict=True):
            close(p.grad, numpy_of(q.grad), 1024)


I = nnfast.tensor([1, 2, 3])
W = nnfast.ones(4, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.embedding_bag(I, W), "offsets with an input of one dimension"),
        (lambda: F.embedding_bag(I.reshape(1, 3), W, I), "none with two"),
        (lambda: F.embedding_bag(I, W, I), "offsets from 0 on, ascending, up to 3"),
        (lambda: F.embedding_bag(I, W, nnfast.tensor([0, 2, 1])), "ascending"),
        (lambda: F.embedding_bag(I, W, nnfast.tensor([0, 4])), "up to 3"),
        (lambda: F.embedding_bag(I, W, nnfast.tensor([0.0])), "a vector of integers as offsets"),
        (lambda: F.embedding_bag(I + 1, W, nnfast.tensor([0])), "numbers from 0 to 3"),
        (lambda: F.embedding_bag(I, W, nnfast.tensor([0]), mode="min"), "mode 'sum'"),
        (
            lambda: F.embedding_bag(I, W, nnfast.tensor([0]), per_sample_weights=nnfast.ones(3)),
            "per_sample_weights with mode='sum', got 'mean'",
        ),
        (lambda: F.pairwise_distance(W, W, p=-1), "a number p >= 0"),
        (lambda: F.bilinear(W, W, nnfast.ones(3, 2, 1)), "inputs of sizes 2 and 1"),
        (lambda: F.bilinear(W, W[:3], nnfast.ones(3, 2, 2)), "inputs (*, I) and (*, J)"),
        (lambda: F.cosine_similarity(W, W, dim=2), "a dim from -2 to 1"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)
