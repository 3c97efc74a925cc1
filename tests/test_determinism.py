"""The bits depend on the seed and the shapes: not on threads, not on the rest of the batch."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import nnfast
from nnfast import models, nn, optim
from nnfast.nn.functional import cross_entropy

STEPS = 200


def digest(model: nn.Module) -> str:
    """sha256 of all parameters and buffers."""
    h = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        h.update(name.encode() + value.numpy().tobytes())
    return h.hexdigest()


def small_cnn() -> nn.Sequential:
    """The layers of models.cnn for images of 8 x 8: everything but the size of the planes."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 10),
    )


def trained(threads: int, seed: int = 0, steps: int = STEPS) -> tuple[str, float]:
    """The weights' digest and the last loss."""
    nnfast.set_num_threads(threads)
    nnfast.manual_seed(seed)
    rng = np.random.default_rng(0)
    model = small_cnn()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    images = rng.standard_normal((256, 1, 8, 8)).astype(np.float32)
    labels = rng.integers(0, 10, 256)
    for step in range(steps):
        # Ragged batches: of 40 and, every seventh, of 16.
        rows = slice(0, 16) if step % 7 == 6 else slice(step % 6 * 40, step % 6 * 40 + 40)
        optimizer.zero_grad()
        loss = cross_entropy(model(nnfast.tensor(images[rows])), nnfast.tensor(labels[rows]))
        loss.backward()
        optimizer.step()
    return digest(model), loss.item()


def test_training_gives_the_same_weights_for_any_number_of_threads() -> None:
    results = {n: trained(n) for n in (1, 2, 3, 5)}
    assert len(set(results.values())) == 1, results
    assert np.isfinite(results[1][1])


def test_another_seed_gives_other_weights() -> None:
    """The digest sees something."""
    assert len({trained(1, seed, steps=2)[0] for seed in range(3)}) == 3
    assert trained(1, 0, steps=2) == trained(1, 0, steps=2)


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.AdamW])
def test_adam_too(optimizer: type[optim.Optimizer]) -> None:
    digests = set()
    for threads in (1, 3):
        nnfast.set_num_threads(threads)
        nnfast.manual_seed(0)
        model = nn.Sequential(nn.Linear(300, 200), nn.GELU(), nn.Dropout(0.2), nn.Linear(200, 10))
        steps = optimizer(model.parameters(), lr=1e-3)
        x = nnfast.tensor(np.random.default_rng(0).standard_normal((50, 300)).astype(np.float32))
        for _ in range(20):
            steps.zero_grad()
            (model(x) ** 2).mean().backward()
            steps.step()
        digests.add(digest(model))
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["lenet", "cnn", "mlp"])
def test_a_row_does_not_depend_on_the_batch(isa: str, name: str) -> None:
    nnfast.manual_seed(1)
    model = models.MODELS[name]()
    x = np.random.default_rng(0).standard_normal((64, 1, 28, 28)).astype(np.float32)
    with nnfast.no_grad():
        model(nnfast.tensor(x[:32]))  # batch norm has seen something
        model.eval()
        alone = [model(nnfast.tensor(x[i : i + 1])).numpy()[0] for i in range(64)]
        for size in (1, 2, 3, 7, 64):
            for start in range(0, 64, 13):
                rows = slice(start, min(start + size, 64))
                together = model(nnfast.tensor(x[rows])).numpy()
                assert (together == alone[rows]).all(), f"rows {rows.start} to {rows.stop}"
        for threads in (1, 3):
            nnfast.set_num_threads(threads)
            assert (model(nnfast.tensor(x)).numpy() == alone).all()
