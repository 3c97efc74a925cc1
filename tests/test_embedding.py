"""Tables of rows: bounds of their norms, gradients by frequency, pretrained ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.plans import bits, planned

RNG = np.random.default_rng(3)
TABLE = RNG.standard_normal((7, 5))
INDEX = np.array([[1, 4, 1], [0, 1, 6]])


def test_max_norm_bounds_the_rows_that_are_asked_for() -> None:
    w = nnfast.tensor(TABLE, requires_grad=True)
    y = F.embedding(nnfast.tensor(INDEX), w, max_norm=1.5)
    norms, asked = np.linalg.norm(TABLE, axis=1), np.isin(np.arange(7), INDEX)
    factor = np.where(asked & (norms > 1.5), 1.5 / (norms + 1e-7), 1.0)
    want = TABLE * factor[:, None]
    assert ((factor < 1).sum() > 1) and (factor == 1).any()
    np.testing.assert_allclose(w.detach().numpy(), want, rtol=1e-15)
    assert y.detach().numpy().tobytes() == w.detach().numpy()[INDEX].tobytes()


@pytest.mark.parametrize("bag", [False, True])
def test_gradient_by_frequency(bag: bool) -> None:
    w = nnfast.tensor(TABLE, requires_grad=True)
    dy = RNG.standard_normal((2, 1 if bag else 3, 5))
    i = nnfast.tensor(INDEX)
    if bag:
        y = F.embedding_bag(i, w, mode="sum", scale_grad_by_freq=True)
        y.backward(nnfast.tensor(dy[:, 0]))
    else:
        F.embedding(i, w, scale_grad_by_freq=True).backward(nnfast.tensor(dy))
    want = np.zeros_like(TABLE)
    np.add.at(want, INDEX, np.broadcast_to(dy, (2, 3, 5)))
    want /= np.maximum(np.bincount(INDEX.ravel(), minlength=7), 1)[:, None]
    np.testing.assert_allclose(w.grad.numpy(), want, rtol=1e-14)


OPTIONS: list[dict[str, Any]] = [
    {"max_norm": 1.0},
    {"max_norm": 2.0, "norm_type": 1.0},
    {"max_norm": 0.7, "norm_type": float("inf"), "scale_grad_by_freq": True},
    {"scale_grad_by_freq": True, "padding_idx": 1},
    {"sparse": False},
]


# PyTorch counts the uses in bags otherwise: docs/differences.md.
CASES = [("Embedding", o) for o in OPTIONS] + [
    (kind, o)
    for kind in ("sum", "mean", "max", "runs")
    for o in OPTIONS
    if "scale_grad_by_freq" not in o
]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_pytorch(kind: str, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib in (nnfast, torch):
        w = lib.tensor(TABLE.astype(dtype), requires_grad=True)
        i = lib.tensor(INDEX)
        if kind == "Embedding":
            y = lib.nn.functional.embedding(i, w, **options)
        elif kind == "runs":
            y = lib.nn.functional.embedding_bag(
                i.reshape(-1), w, lib.tensor([0, 2]), mode="sum", **options
            )
        else:
            y = lib.nn.functional.embedding_bag(i, w, mode=kind, **options)
        (y * y).sum().backward()
        results.append([y.detach().numpy(), w.detach().numpy(), w.grad.numpy()])
    for got, want in zip(*results, strict=True):
        roundings = 8 * np.finfo(dtype).eps * np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=0, atol=roundings)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_in_a_compiled_step(options: dict[str, Any]) -> None:
    def train(compiled: bool) -> list[bytes]:
        nnfast.manual_seed(0)
        model = nn.Embedding(7, 5, **options)
        optimizer = nnfast.optim.SGD(model.parameters(), lr=0.5)

        def step(i: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(i) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        call = planned(step) if compiled else step
        for _ in range(3):
            call(nnfast.tensor(INDEX))
        return bits(model)

    assert train(True) == train(False)


def test_pretrained_rows_are_frozen() -> None:
    layer = nn.Embedding.from_pretrained(nnfast.tensor(TABLE), padding_idx=2)
    assert not layer.weight.requires_grad and layer.weight.detach().numpy()[2].any()
    bag = nn.EmbeddingBag.from_pretrained(nnfast.tensor(TABLE), freeze=False, mode="sum")
    assert bag.weight.requires_grad and bag(nnfast.tensor(INDEX)).shape == (2, 5)
    assert repr(nn.Embedding(3, 2, 0, max_norm=1.0)) == (
        "Embedding(3, 2, padding_idx=0, max_norm=1.0)"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Embedding.from_pretrained(nnfast.ones(3)), "embeddings of shape"),
        (lambda: nn.Embedding(3, 2, _weight=nnfast.ones(2, 2)), "_weight of shape"),
        (lambda: nn.Embedding(3, 2, max_norm=-1.0)(nnfast.tensor([1])), "max_norm >= 0"),
        (
            lambda: nn.EmbeddingBag(3, 2, mode="max", scale_grad_by_freq=True)(
                nnfast.tensor([[1]])
            ),
            "scale_grad_by_freq with mode",
        ),
    ],
)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
