"""Batches from arrays in memory: no workers, no collating, one gather per array and batch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail


class TensorDataset:
    """Arrays of equal length, indexed together: `dataset[i]` is a tuple with one row of each.

    Any dtype and any number of dimensions from 1; nothing is copied, so read-only and memory-mapped
    arrays are welcome. A value with a `.numpy()` (a tensor) gives its array. Raises ArgumentError
    for no arrays, no rows or lengths that differ.

    >>> dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([0, 1, 0]))
    >>> len(dataset), dataset[1:]
    (3, (array([[2, 3],
           [4, 5]]), array([1, 0])))
    """

    def __init__(self, *tensors: Any) -> None:
        arrays = tuple(_to_array(i, tensor) for i, tensor in enumerate(tensors))
        shown: dict[str, Any] = {f"tensors[{i}]": array for i, array in enumerate(arrays)}
        if not arrays:
            fail("TensorDataset", "at least one array", "none", "TensorDataset(X, y).")
        if any(array.ndim == 0 for array in arrays):
            fail("TensorDataset", "arrays with a first axis", "a scalar", "one row each.", **shown)
        lengths = [len(array) for array in arrays]
        if len(set(lengths)) > 1:
            hint = "row i of each array belongs to sample i."
            fail("TensorDataset", "arrays of equal length", str(lengths), hint, **shown)
        if lengths[0] == 0:
            hint = "look at what was selected or read before."
            fail("TensorDataset", "at least one row", "an empty dataset", hint, **shown)
        self.tensors = arrays

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        """The rows of `index`: views for an integer or slice, copies for an array of indices."""
        return tuple(array[index] for array in self.tensors)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(f'{a.shape} {a.dtype}' for a in self.tensors)})"


class DataLoader:
    """Batches of a TensorDataset: each a tuple of new, C-contiguous arrays, free to change.

    As in PyTorch, except that `batch_size` is 64 unless given. The last batch is smaller where
    `batch_size` does not divide the length; `drop_last` leaves it out. Every iteration is one epoch
    and, with `shuffle`, has an order of its own that depends on (length, seed, epoch) alone: the
    same on every machine. `seed=None` draws a seed and keeps it in `loader.seed`. Set
    `loader.epoch` (the number of the next epoch, from 0) to resume exactly.

    Raises DTypeError for anything but a TensorDataset, ArgumentError for a wrong number.

    >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2)
    >>> len(loader), [x.tolist() for (x,) in loader]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        dataset: TensorDataset,
        batch_size: int = 64,
        shuffle: bool = False,
        *,
        seed: int | None = None,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(dataset, TensorDataset):
            hint = "DataLoader(TensorDataset(X, y), batch_size=64, shuffle=True)."
            fail("DataLoader", "a TensorDataset", type(dataset).__name__, hint, error=DTypeError)
        self.dataset = dataset
        self.batch_size = _integer("DataLoader", "batch_size", batch_size, 1)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self.seed = _integer("DataLoader", "seed", seed, 0)
        self.epoch = 0
        if len(self) == 0:
            got = f"{len(dataset)} rows, batch_size={batch_size} and drop_last=True"
            fail("DataLoader", "at least one batch", got, "use a smaller batch_size.")

    @property
    def epoch(self) -> int:
        """The number of the next epoch; an iteration adds one when it starts."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch = _integer("DataLoader", "epoch", value, 0)

    def __len__(self) -> int:
        n, size = len(self.dataset), self.batch_size
        return n // size if self.drop_last else -(-n // size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._shuffled(epoch) if self.shuffle else self._in_order()

    def order(self, epoch: int) -> np.ndarray:
        """The rows in the order of `epoch`: int64 (N,), counted before `drop_last`."""
        n = len(self.dataset)
        epoch = _integer("DataLoader", "epoch", epoch, 0)
        return _permutation(n, self.seed, (epoch,)) if self.shuffle else np.arange(n)

    def _in_order(self) -> Iterator[tuple[np.ndarray, ...]]:
        tensors, size = self.dataset.tensors, self.batch_size
        for i in range(0, len(self) * size, size):
            yield tuple([array[i : i + size].copy() for array in tensors])

    def _shuffled(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        gathers, size = [_gather(array) for array in self.dataset.tensors], self.batch_size
        order = self.order(epoch)
        for i in range(0, len(self) * size, size):
            rows = order[i : i + size]
            yield tuple([gather(rows) for gather in gathers])


def split(n: int, parts: Sequence[int] | Sequence[float], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Divide the indices 0 .. n-1 at random: one sorted int64 array for each of `parts`.

    `parts` are counts with sum n, or fractions with sum 1. Depends on (n, parts, seed) alone.
    Raises ArgumentError for anything else.

    >>> train, valid = split(6, (4, 2), seed=1)
    >>> sorted([*train, *valid]) == list(range(6))
    True
    """
    n = _integer("split", "n", n, 0)
    seed = _integer("split", "seed", seed, 0)
    ends = _ends(n, parts)
    order = _permutation(n, seed, ())
    return tuple(np.sort(piece) for piece in np.split(order, ends[:-1]))


def _ends(n: int, parts: Sequence[int] | Sequence[float]) -> list[int]:
    """Where each part ends; fractions are rounded at the ends, so that none is lost."""
    hint = "for example (55000, 5000) or (0.9, 0.1)."
    values = np.asarray(parts)
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iuf":
        fail("split", "parts: a list of counts or of fractions", repr(parts), hint)
    if not (values >= 0).all():
        fail("split", "parts >= 0", repr(parts), hint)
    if values.dtype.kind == "f":
        if not math.isclose(values.sum(), 1.0, abs_tol=1e-6):
            fail("split", "fractions with sum 1", f"sum {values.sum()}", hint)
        return [*(round(float(end) * n) for end in np.cumsum(values)[:-1]), n]
    counts = [int(value) for value in values]
    if sum(counts) != n:
        fail("split", f"counts with sum n={n}", f"sum {sum(counts)}", hint)
    return [sum(counts[: i + 1]) for i in range(len(counts))]


def _permutation(n: int, seed: int, key: tuple[int, ...]) -> np.ndarray:
    """A permutation of 0 .. n-1 that every version of NumPy and every machine gives alike.

    Sorts raw Philox words, which NumPy keeps stable (it does not promise that for `permutation`).
    The low bits of each word hold its index, so no two are equal and any sort has one result.
    """
    words = np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)).random_raw(n)
    low = np.uint64((1 << max(n - 1, 0).bit_length()) - 1)
    words &= ~low
    words |= np.arange(n, dtype=np.uint64)
    words.sort()
    words &= low
    return words.view(np.int64)


def _gather(array: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The fastest way to copy rows: `take`, which would first copy a strided array whole."""
    if array.flags.c_contiguous and array.flags.aligned:
        return lambda rows: array.take(rows, axis=0)
    return lambda rows: np.ascontiguousarray(array[rows])


def _to_array(i: int, value: Any) -> np.ndarray:
    try:
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError) as error:
        hint = "rows must have one shape and dtype."
        fail("TensorDataset", f"an array as tensors[{i}]", str(error), hint, error=DTypeError)


def _integer(where: str, name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        fail(where, f"{name} to be an integer >= {least}", repr(value), f"pass a whole {name}.")
    return number
