"""A shuffled epoch of the loader against plain NumPy indexing of the same batches.

    python bench/bench_loader.py

Both sides run in turn in one process on one thread, and the batches are compared before the clock
starts. Ours includes drawing the permutation; NumPy's is given one. A figure is the fastest of
all rounds, with the spread up to the slowest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from nnfast.data import DataLoader, TensorDataset


def measure(
    arrays: tuple[np.ndarray, ...], batch_size: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of every round: ours, NumPy's."""
    loader = DataLoader(TensorDataset(*arrays), batch_size, shuffle=True, seed=0)
    order = loader.order(0)
    _check(loader, arrays, order)

    def ours() -> None:
        for _ in loader:
            pass

    def plain() -> None:
        for i in range(0, len(order), batch_size):
            rows = order[i : i + batch_size]
            _ = [array[rows] for array in arrays]

    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):  # the first one warms up
        times[0].append(_seconds(ours))
        times[1].append(_seconds(plain))
    return times[0][1:], times[1][1:]


def _check(loader: DataLoader, arrays: tuple[np.ndarray, ...], order: np.ndarray) -> None:
    start = 0
    for batch in loader:
        rows = order[start : start + loader.batch_size]
        for got, array in zip(batch, arrays, strict=True):
            np.testing.assert_array_equal(got, array[rows])
        start += len(rows)
    if start != len(order):
        raise AssertionError(f"the epoch has {start} rows instead of {len(order)}")


def _seconds(run: Callable[[], None]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--features", type=int, default=784)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    x = rng.random((options.rows, options.features), dtype=np.float32)
    y = rng.integers(0, 10, options.rows)
    print(f"shuffled epoch of {x.shape} float32, batches of {options.batch_size}, milliseconds")
    print(f"{'arrays':8}{'nnfast':>20}{'NumPy X[idx]':>20}{'ratio':>8}")
    for name, arrays in (("X", (x,)), ("X and y", (x, y))):
        ours, plain = measure(arrays, options.batch_size, options.rounds)
        cells = [f"{min(t) * 1e3:.2f} .. {max(t) * 1e3:.2f}" for t in (ours, plain)]
        print(f"{name:8}{cells[0]:>20}{cells[1]:>20}{min(ours) / min(plain):8.2f}")


if __name__ == "__main__":
    main()
