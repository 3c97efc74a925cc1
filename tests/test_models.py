"""The models of the command line: sizes, state, and that they learn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import nnfast
from nnfast import models, nn
from nnfast.errors import ArgumentError, NNFastError
from nnfast.optim import Adam

PARAMETERS = {"lenet": 61_706, "cnn": 421_738, "mlp": 101_770}


@pytest.mark.parametrize("name", list(models.MODELS))
def test_model(name: str) -> None:
    model = models.MODELS[name]()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    for batch in (0, 1, 3):
        assert model.eval()(nnfast.zeros(batch, 1, 28, 28)).shape == (batch, 10)


def test_cnn_without_batch_norm() -> None:
    model = models.cnn(batch_norm=False)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model)
    assert sum(p.numel() for p in model.parameters()) == 421_642


@pytest.mark.parametrize("name", list(models.MODELS))
def test_a_row_does_not_depend_on_the_others(name: str) -> None:
    model = models.MODELS[name]().eval()
    x = np.random.default_rng(0).standard_normal((5, 1, 28, 28)).astype(np.float32)
    with nnfast.no_grad():
        together = model(nnfast.tensor(x)).numpy()
        for i in range(5):
            assert (model(nnfast.tensor(x[i : i + 1])).numpy()[0] == together[i]).all()


@pytest.mark.parametrize("name", list(models.MODELS))
def test_learns_by_heart(name: str) -> None:
    """Twenty steps of Adam on ten random images lower the loss to a fifth."""
    nnfast.manual_seed(0)
    x = nnfast.tensor(np.random.default_rng(0).standard_normal((10, 1, 28, 28)).astype(np.float32))
    labels = nnfast.tensor(np.arange(10))
    model, loss_of = models.MODELS[name](), nn.CrossEntropyLoss()
    optimizer = Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


def test_mlp_sizes() -> None:
    assert [m.out_features for m in models.mlp(4, 3, 2, 1) if isinstance(m, nn.Linear)] == [3, 2, 1]
    with pytest.raises(ArgumentError) as e:
        models.mlp(4)
    assert str(e.value) == "mlp: expected at least the sizes of input and output, got (4,)."


@pytest.mark.parametrize(
    ("name", "shape", "start"),
    [
        ("lenet", (2, 3, 28, 28), "0: conv2d: expected"),
        ("lenet", (2, 1, 32, 32), "7: linear: expected input with 400 features"),
        ("cnn", (2, 28, 28), "0: conv2d: expected"),
        ("cnn", (2, 1, 27, 28), "9: linear: expected input with 3136 features"),
        ("mlp", (2, 783), "1: linear: expected input with 784 features"),
    ],
)
def test_wrong_images(name: str, shape: tuple[int, ...], start: str) -> None:
    with pytest.raises(NNFastError) as e:
        models.MODELS[name]()(nnfast.zeros(shape))
    assert str(e.value).startswith(start)


def test_examples() -> None:
    assert not doctest.testmod(models).failed
