"""What runs inside a worker: build a call, check that it works, time it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

SETTLE = 0.02  # seconds: idle threads of the library before may spin that long on our cores
BLOCK = 50e-6  # seconds: calls that are shorter are timed several at once

Call = Callable[[], Any]

_calls: dict[str, tuple[Call, int, bool]] = {}  # side -> call, calls a block, with gradients


def load(modules: tuple[str, ...]) -> None:
    """Import a library."""
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # what a library made at import need not be looked at after each case


def no_grad(library: str) -> Any:
    """The context in which a user of the library computes without gradients."""
    if library == "torch":
        return importlib.import_module("torch").inference_mode()
    if library == "nnfast":
        return importlib.import_module("nnfast").no_grad()
    return contextlib.nullcontext()


def prepare(
    side: str,
    build: Callable[..., Call],
    arrays: tuple[np.ndarray, ...],
    grad: bool,
    warm_up: float,
) -> list[np.ndarray]:
    """Build the call of a side, warm it up, and return what its first run computed."""
    with contextlib.nullcontext() if grad else no_grad(library_of(side)):
        call = build(*arrays)
        result = [np.array(x) for x in flat(call())]
        count, spent = 0, 0.0
        while count < 1 or spent < warm_up:
            spent += seconds(call, 1)
            count += 1
    _calls[side] = call, max(1, round(BLOCK * count / spent)), grad
    return result


def run(side: str, budget: float) -> list[float]:
    """Seconds of a call, block by block, for about `budget` seconds and at least once."""
    call, block, grad = _calls[side]
    times: list[float] = []
    if budget > 0:
        time.sleep(SETTLE)
    gc.disable()
    with contextlib.nullcontext() if grad else no_grad(library_of(side)):
        seconds(call, block)  # its own threads wake up
        while budget > 0 or not times:
            times.append(seconds(call, block))
            budget -= times[-1] * block
    gc.enable()
    return times


def forget() -> None:
    """Free what the last case needed."""
    _calls.clear()
    gc.collect()


def seconds(call: Call, count: int) -> float:
    """Mean time of so many calls."""
    rounds = range(count)
    begin = time.perf_counter()
    for _ in rounds:
        call()
    return (time.perf_counter() - begin) / count


def library_of(side: str) -> str:
    """`torch` of the side `torch channels_last`."""
    return side.partition(" ")[0]


def flat(result: Any) -> Iterable[Any]:
    """The arrays or tensors of a result that may be nested."""
    if isinstance(result, tuple | list):
        for x in result:
            yield from flat(x)
    elif result is not None:
        yield result.detach() if hasattr(result, "detach") else result
