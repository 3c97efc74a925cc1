"""What the machine can do: multiply-adds and memory bandwidth, measured in the nnfast worker."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing import seconds

SIZES = (16 << 10, 1 << 20, 64 << 20)  # bytes read; as many are written by a copy
TRIES = 40
ROUNDS = 100_000  # of multiply-adds in a try: some tenths of a millisecond
BYTES = 20 << 20  # read in a try, at least


@dataclass
class Peak:
    """Rates of this machine with the threads and the ISA of the worker."""

    flops: float  # float32 operations per second; a multiply-add counts two
    flops64: float
    read: dict[int, float]  # size -> bytes per second
    copy: dict[int, float]  # size -> bytes per second, read and written

    def bandwidth(self, reads: float, writes: float) -> float:
        """Bytes per second of an op that does nothing but move memory of this size."""
        size = max(reads, writes, 1)
        nearest = min(SIZES, key=lambda s: abs(np.log(s / size)))
        return (self.read if reads > 4 * writes else self.copy)[nearest]

    def __str__(self) -> str:
        rates = ", ".join(
            f"{size >> 10} KiB {self.read[size] / 1e9:.0f} and {self.copy[size] / 1e9:.0f}"
            for size in SIZES
        )
        return (
            f"{self.flops / 1e9:.0f} GFLOP/s float32, {self.flops64 / 1e9:.0f} float64; "
            f"read and copy GB/s: {rates}"
        )


def measure_peak() -> Peak:
    """The best of several tries each."""
    core = importlib.import_module("nnfast._core")
    flops = [core.probe_fma(ROUNDS, d) / _best(core.probe_fma, ROUNDS, d) for d in (False, True)]
    read, copy = {}, {}
    x, y = (np.full(SIZES[-1] // 4, value, np.float32) for value in (1, 2))
    for size in SIZES:
        n, times = size // 4, max(1, BYTES // size)
        read[size] = size * times / _best(core.probe_read, x[:n], times)
        copy[size] = 2 * size * times / _best(core.probe_copy, x[:n], y[:n], times)
    return Peak(*flops, read, copy)


def _best(function: Callable[..., Any], *arguments: Any) -> float:
    return min(seconds(lambda: function(*arguments), 1) for _ in range(TRIES))


def isa() -> str:
    """The instruction set of this process's kernels."""
    return str(importlib.import_module("nnfast._core").isa())


def cpu() -> str:
    """Model and number of processors, as the operating system tells."""
    model = platform.processor()
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            model = text.partition(":")[2].strip()
    return f"{model}, {os.cpu_count()} processors"
