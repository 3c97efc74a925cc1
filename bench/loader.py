"""A shuffled epoch of the data loader against plain indexing of the same batches.

nnfast draws the permutation of each epoch; the others are given one.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.harness import Arrays, Case
from bench.timing import Call

BATCH = 64
SEED = 0


def cases(toy: bool = False) -> Iterable[Case]:
    """Images of MNIST, alone and with their labels."""
    rows, features = (130, 5) if toy else (60_000, 784)
    for count, name in ((1, "X"), (2, "X and y")):
        yield Case(
            group="loader",
            op=f"epoch of {name}",
            shape=f"{rows}x{features}, batches of {BATCH}",
            sides={"nnfast": _nnfast, "numpy": _numpy, "torch": _torch},
            arrays=partial(_arrays, rows, features, count),
            reference=_last_batch,
            reads=4.0 * rows * features,
            writes=4.0 * rows * features,
        )


def _arrays(rows: int, features: int, count: int, rng: np.random.Generator) -> Arrays:
    """The order of the first epoch, then what is to be read in it."""
    x, y = rng.random((rows, features), np.float32), rng.integers(0, 10, rows)
    return _loader(x).order(0), *(x, y)[:count]


def _loader(*arrays: np.ndarray) -> Any:
    data = importlib.import_module("nnfast.data")
    return data.DataLoader(data.TensorDataset(*arrays), BATCH, shuffle=True, seed=SEED)


def _last_batch(order: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    rows = order[len(order) - 1 - (len(order) - 1) % BATCH :]
    return [a[rows] for a in arrays]


def _nnfast(order: np.ndarray, *arrays: np.ndarray) -> Call:
    loader = _loader(*arrays)
    return lambda: _exhausted(loader)


def _numpy(order: np.ndarray, *arrays: np.ndarray) -> Call:
    return lambda: _exhausted(_batches(lambda a, rows: a[rows], order, arrays))


def _torch(order: np.ndarray, *arrays: np.ndarray) -> Call:
    torch = importlib.import_module("torch")
    tensors = [torch.tensor(a) for a in arrays]
    rows = torch.tensor(order)
    return lambda: _exhausted(_batches(lambda t, i: t.index_select(0, i), rows, tensors))


def _batches(take: Callable[..., Any], order: Any, arrays: Iterable[Any]) -> Iterator[list[Any]]:
    for i in range(0, len(order), BATCH):
        yield [take(a, order[i : i + BATCH]) for a in arrays]


def _exhausted(batches: Iterable[Any]) -> Any:
    """The last batch."""
    return deque(batches, 1)[0]
