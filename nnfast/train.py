"""The two loops of supervised learning: one epoch of training, and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from nnfast.creation import from_numpy
from nnfast.graph.mode import no_grad
from nnfast.nn import Module
from nnfast.nn.functional import cross_entropy
from nnfast.optim import Optimizer
from nnfast.tensor import Tensor

Batches = Iterable[tuple[np.ndarray, ...]]


class Score(NamedTuple):
    """Mean loss and share of right answers over `count` samples.

    >>> import nnfast
    >>> nnfast.train.Score(loss=0.25, accuracy=0.9, count=100)
    Score(loss=0.25, accuracy=0.9, count=100)
    """

    loss: float
    accuracy: float
    count: int  # type: ignore[assignment]  # hides tuple.count


class _Running:
    """Sums of a score over batches."""

    def __init__(self) -> None:
        self.loss, self.right, self.count = 0.0, 0, 0

    def add(self, loss: Tensor, scores: Tensor, labels: np.ndarray) -> None:
        n = len(labels)
        self.loss += float(loss.item()) * n
        self.right += int((scores.array.argmax(1) == labels).sum())
        self.count += n

    def score(self) -> Score:
        n = max(self.count, 1)
        return Score(self.loss / n, self.right / n, self.count)


Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def training_step(model: Module, optimizer: Optimizer) -> Step:
    """A function of (inputs, labels) that does one update with cross entropy, to be compiled.

    It returns the loss and the scores that the update was made with.

    >>> import nnfast
    >>> model = nnfast.nn.Linear(2, 3)
    >>> step = nnfast.train.training_step(model, nnfast.optim.SGD(model.parameters(), lr=0.1))
    >>> loss, scores = nnfast.compile(step)(nnfast.rand(8, 2), nnfast.zeros(8, dtype=nnfast.int64))
    >>> scores.shape
    (8, 3)
    """

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        scores = model(inputs)
        loss = cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()
        return loss, scores

    return step


def train_epoch(
    model: Module,
    step: Step,
    batches: Batches,
    on_batch: Callable[[int], object] = lambda count: None,
) -> Score:
    """One pass over batches of (inputs, labels), `step` on each; the model learns.

    `on_batch` is told the size of each batch when it is done. The score is that of the outputs
    seen while training, so dropout lowers it.

    >>> import nnfast
    >>> import numpy as np
    >>> model = nnfast.nn.Linear(2, 3)
    >>> step = nnfast.train.training_step(model, nnfast.optim.SGD(model.parameters(), lr=0.1))
    >>> batches = [(np.ones((8, 2), np.float32), np.zeros(8, np.int64))] * 20
    >>> nnfast.train.train_epoch(model, step, batches).count
    160
    """
    model.train()
    running = _Running()
    for inputs, labels in batches:
        loss, scores = step(from_numpy(inputs), from_numpy(labels))
        running.add(loss, scores, labels)
        on_batch(len(labels))
    return running.score()


@no_grad()
def evaluate(model: Module, batches: Batches) -> Score:
    """Mean cross entropy and accuracy over batches of (inputs, labels), in evaluation mode.

    >>> import nnfast
    >>> import numpy as np
    >>> batches = [(np.eye(3, dtype=np.float32), np.arange(3))]
    >>> nnfast.train.evaluate(nnfast.nn.Identity(), batches).accuracy
    1.0
    """
    before = model.training
    model.eval()
    running = _Running()
    for inputs, labels in batches:
        scores = model(from_numpy(inputs))
        running.add(cross_entropy(scores, from_numpy(labels)), scores, labels)
    model.train(before)
    return running.score()
