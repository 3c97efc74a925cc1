"""Runs one case on every library: each in a process of its own, in turns, one at a time.

A case is one op on one shape. Each side of it is a function `build(*arrays) -> call`, sent to the
worker of its library together with the arrays, so that all sides get the same. The result of the
first call is compared with float64 before anything is timed. Then the sides take turns, nnfast
first, for several rounds; the worker whose turn it is not is stopped, with all its threads. The
figure is the shortest time, its spread the median above it.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import timing

LIBRARIES = {  # library -> modules it needs
    "nnfast": ("nnfast",),
    "numpy": ("numpy",),
    "torch": ("torch",),
    "jax": ("jax",),
    "onnxruntime": ("onnxruntime", "onnx"),
}
HOPELESS = 5  # a side so many times slower than the fastest takes no more turns
SURE = 2  # rounds that all sides take: something else may have held the processor in one
LARGEST_ERROR = 1e-3  # of a peer: it computes something else
WIDER = {"float32": np.float64, "float64": np.longdouble}  # references are computed in
Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Case:
    """One op on one shape."""

    group: str  # geometric means are taken of a group
    op: str
    shape: str
    sides: Mapping[str, Callable[..., timing.Call]]  # "torch", "torch channels_last", ...
    arrays: Callable[[np.random.Generator], Arrays]
    reference: Callable[..., Any]  # what the first call returns, in float64; of float64 arrays
    tolerance: float = 2e-6  # norm-wise, of nnfast
    flops: float = 0.0
    reads: float = 0.0  # bytes, each counted once
    writes: float = 0.0
    is_double: bool = False  # float64
    grad: bool = False  # calls record for a backward pass
    compared: Callable[..., Any] | None = None  # what is made of each array before comparing

    @property
    def name(self) -> str:
        """What --filter looks at."""
        return f"{self.group} {self.op} {self.shape}"


@dataclass
class Side:
    """What was measured of one side."""

    time: float  # the shortest call
    spread: float  # the median above it, as a part of it
    error: float  # norm-wise, against float64


@dataclass
class Settings:
    """How long to measure."""

    rounds: int = 5
    budget: float = 0.03  # seconds a side and round
    warm_up: float = 0.01  # seconds of a side, before

    @classmethod
    def of(cls, quick: bool = False, toy: bool = False) -> Settings:
        """Those of --quick and --toy, or the usual ones."""
        return cls(1, 0.0, 0.0) if toy else cls(3, 0.01) if quick else cls()


class Worker:
    """A process with one library, stopped unless it works for us."""

    def __init__(self, library: str, threads: int, isa: str = "") -> None:
        cpus = sorted(os.sched_getaffinity(0))[-threads:]
        self.library = library
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.worker", *map(str, cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(threads, isa),
        )
        self._send(timing.load, LIBRARIES[library])

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function there."""
        os.kill(self._process.pid, signal.SIGCONT)
        self._send(function, *arguments)
        return self.answer()

    def _send(self, function: Callable[..., Any], *arguments: Any) -> None:
        assert self._process.stdin
        pickle.dump((function, arguments), self._process.stdin, protocol=5)
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What the function returned that it runs; then the worker is stopped."""
        assert self._process.stdout
        good, answer = pickle.load(self._process.stdout)
        os.kill(self._process.pid, signal.SIGSTOP)
        if not good:
            raise WorkerError(f"{self.library}: {answer}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class WrongResult(ValueError):
    """A side computes something else than float64 says."""


class WorkerError(RuntimeError):
    """A function failed in a worker; the message is its traceback."""


def environment(threads: int, isa: str) -> dict[str, str]:
    """Environment of a worker: every library's own way to say how many threads."""
    env = dict(os.environ)
    for name in ("NNFAST", "OMP", "OPENBLAS", "MKL"):
        env[f"{name}_NUM_THREADS"] = str(threads)
    if isa:
        env["NNFAST_ISA"] = isa
    if threads == 1:  # with more, XLA takes as many as the process may run on
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    env["JAX_PLATFORMS"] = "cpu"
    env["PYTHONPATH"] = os.pathsep.join(p or os.getcwd() for p in sys.path)
    return env


def missing(library: str) -> list[str]:
    """Modules that the library needs and that are not installed."""
    return [m for m in LIBRARIES[library] if importlib.util.find_spec(m) is None]


@contextmanager
def workers(libraries: list[str], threads: int, isa: str = "") -> Iterator[dict[str, Worker]]:
    """A worker for each library."""
    started: dict[str, Worker] = {}
    try:
        for library in libraries:
            started[library] = Worker(library, threads, isa)
        for worker in started.values():
            worker.answer()  # all have started at once
        yield started
    finally:
        for worker in started.values():
            worker.close()


def measure(case: Case, at: Mapping[str, Worker], settings: Settings) -> dict[str, Side]:
    """Every side of a case that has a worker. A peer that fails is left out, and named."""
    arrays = case.arrays(np.random.default_rng(0))
    wide = (a.astype(WIDER.get(a.dtype.name, a.dtype)) for a in arrays)
    reference = list(timing.flat(case.reference(*wide)))
    errors: dict[str, float] = {}
    try:
        for side, build in case.sides.items():
            worker = at.get(timing.library_of(side))
            if worker is None:
                continue
            try:
                result = worker.call(
                    timing.prepare, side, build, arrays, case.grad, settings.warm_up
                )
                errors[side] = checked_error(case, side, result, reference)
            except (WorkerError, WrongResult) as failure:
                if side == "nnfast":
                    raise
                print(f"left out of {case.name}: {str(failure).splitlines()[-1]}")
        times = _take_turns(list(errors), at, settings)
    finally:
        for worker in at.values():
            worker.call(timing.forget)
    return {
        side: Side(min(t), statistics.median(t) / min(t) - 1, errors[side])
        for side, t in times.items()
    }


def _take_turns(
    sides: list[str], at: Mapping[str, Worker], settings: Settings
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(settings.rounds):
        best = min((min(t) for t in times.values() if t), default=float("inf"))
        for side, t in times.items():
            if turn < SURE or min(t) < HOPELESS * best:
                t += at[timing.library_of(side)].call(timing.run, side, settings.budget)
    return times


def checked_error(
    case: Case, side: str, result: list[np.ndarray], reference: list[np.ndarray]
) -> float:
    """The norm-wise error of a result; raises WrongResult if it is no rounding error."""
    if case.compared:
        result = [case.compared(a) for a in result]
    shapes = [a.shape for a in result], [a.shape for a in reference]
    if shapes[0] != shapes[1]:
        raise WrongResult(f"{case.name}: {side} returned shapes {shapes[0]}, not {shapes[1]}")
    error = max(map(norm_error, result, reference), default=0.0)
    if not error <= (case.tolerance if side == "nnfast" else LARGEST_ERROR):
        raise WrongResult(f"{case.name}: {side} has an error of {error:.1e} against float64")
    return error


def norm_error(result: np.ndarray, reference: np.ndarray) -> float:
    """|result - reference| / |reference|, Euclidean."""
    size = float(np.sqrt((reference * reference).sum()))
    apart = result.astype(reference.dtype) - reference
    return float(np.sqrt((apart * apart).sum())) / (size or 1.0)
