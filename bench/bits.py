"""The same bits: weights after many training steps of whole networks, by their hash.

Plans with several numbers of threads and eager steps begin with the same weights and see the same
batch; a figure is how many different ends there were: 1 if all bits are the same.
"""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import numpy as np

from bench import steps

THREADS = (1, 2, 3, 5)
STEPS = 200
BATCH = 4  # at most: enough for batch norm, and for every kernel to cut its work
TOY = (("CNN 2-3", 3, 5),)


def figures(toy: bool = False) -> dict[str, float]:
    """Different ends of each network."""
    rows = TOY if toy else [(name, min(batch, BATCH), STEPS) for name, batch in steps.ROWS]
    return {
        f"{name}, batch {batch}: different weights after {count} steps": float(
            len(_ends(name, batch, count))
        )
        for name, batch, count in rows
    }


def _ends(name: str, batch: int, count: int) -> set[str]:
    nnfast = importlib.import_module("nnfast")
    arrays = steps.training_arrays(name, batch, np.random.default_rng(0))
    before = nnfast.get_num_threads()
    try:
        runs = [*((True, threads) for threads in THREADS), (False, 2)]
        return {_end(name, arrays, count, *run) for run in runs}
    finally:
        nnfast.set_num_threads(before)


def _end(name: str, arrays: Any, count: int, compiled: bool, threads: int) -> str:
    """The hash of all weights and running statistics at the end."""
    nnfast = importlib.import_module("nnfast")
    nnfast.set_num_threads(threads)
    nnfast.manual_seed(0)
    module, step, data = steps.own_trainer(name, *arrays, compiled=compiled)
    for _ in range(count):
        step(*data)
    state = module.state_dict().values()
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in state)).hexdigest()
