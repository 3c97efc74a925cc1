"""What the machine can do: multiply-adds and memory bandwidth, in the nnfast worker."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.timing import seconds

SIZES = (16 << 10, 1 << 20, 64 << 20)  # bytes read, or bytes read and bytes written
TRIES = 40
TRIAL = 1e-3  # seconds, about


@dataclass
class Peak:
    """Rates of this machine with a number of threads and the worker's ISA."""

    flops: float  # float32 operations per second, an FMA counts two
    flops64: float
    read: dict[int, float]  # array size -> bytes per second
    copy: dict[int, float]  # ... read and written

    def bandwidth(self, reads: float, writes: float) -> float:
        """Bytes per second that a perfect op of this size reaches."""
        size = max(reads, writes)
        nearest = min(SIZES, key=lambda s: abs(np.log(s / max(size, 1))))
        return (self.read if reads > 4 * writes else self.copy)[nearest]


def measure_peak() -> Peak:
    """The best of several tries each. Runs in a worker, with its threads and ISA."""
    core = importlib.import_module("nnfast._core")
    rounds = 100_000
    flops = [core.probe_fma(rounds, d) / best(core.probe_fma, rounds, d) for d in (False, True)]
    read, copy = {}, {}
    x, y = (np.full(max(SIZES) // 4, value, np.float32) for value in (1, 2))
    for size in SIZES:
        n, times = size // 4, max(1, int(TRIAL * 20e9) // size)
        read[size] = size * times / best(core.probe_read, x[:n], times)
        copy[size] = 2 * size * times / best(core.probe_copy, x[:n], y[:n], times)
    return Peak(*flops, read, copy)


def best(function: Any, *arguments: Any) -> float:
    """The least time of a call."""
    return min(seconds(lambda: function(*arguments), 1) for _ in range(TRIES))


def describe() -> dict[str, str]:
    """ISA, compiler and version of nnfast in this worker."""
    nnfast = importlib.import_module("nnfast")
    config = nnfast.config.config()
    return {key: config[key].partition(" (")[0] for key in ("isa", "compiler")}
