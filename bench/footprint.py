"""What training costs besides time: plans, the first call, another batch size, peak memory.

Each figure comes from a process of its own. Memory is the growth of the peak of resident memory
from before the first step, when library, network and batch are there.
"""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import harness

ROWS = (("ResNet-20", 64), ("GPT 4x128, T=64", 16), ("ResNet-18, 64x64", 16), ("CNN 32-64", 64))
TOY = (("CNN 2-3", 3),)
STEPS = 4
FEWER = 8  # smaller batches, less one


def figures(toy: bool = False) -> dict[str, float]:
    """All of them; of a tiny network for the tests."""
    found = {}
    for name, batch in TOY if toy else ROWS:
        plans = _alone("tell_plans", name, batch)
        found[f"{name}, batch {batch}: first plan, ms"] = plans["first"]
        found[f"{name}, batch {batch}: plan of a smaller batch, ms"] = plans["fewer"]
        ours = _alone("tell", "nnfast", name, batch)
        found[f"{name}, batch {batch}: first call without the step, ms"] = ours["first"]
        found[f"{name}, batch {batch}: first call of another batch size, ms"] = ours["ragged"]
        found[f"{name}, batch {batch}: peak memory, MB"] = ours["memory"]
        found[f"{name}, batch {batch}: peak memory beyond what the plan said, MB"] = (
            ours["memory"] - ours["planned"]
        )
        if not harness.missing("torch"):
            theirs = _alone("tell", "torch fused Adam, channels_last", name, batch)
            plain = _alone("tell", "torch", name, batch)
            least = min(theirs["memory"], plain["memory"])
            found[f"{name}, batch {batch}: peak memory over PyTorch's"] = ours["memory"] / least
    return found


def _alone(function: str, *arguments: Any) -> dict[str, float]:
    code = f"from bench import footprint; footprint.{function}{arguments!r}"
    told: dict[str, float] = json.loads(subprocess.check_output([sys.executable, "-P", "-c", code]))
    return told


def tell_plans(name: str, batch: int) -> None:
    """Print how long our plans take to make, the median for smaller batches, as JSON."""
    steps = importlib.import_module("bench.steps")
    arrays = steps.training_arrays(name, batch, np.random.default_rng(0))
    _, step, (x, y) = steps.TRAINERS["nnfast"](name, *arrays)
    first = _milliseconds(step.prepare, x, y)
    fewer = [_milliseconds(step.prepare, x[k:], y[k:]) for k in range(1, min(batch, FEWER))]
    print(json.dumps({"first": first, "fewer": statistics.median(fewer)}))


def tell(side: str, name: str, batch: int) -> None:
    """Print what a library needs to train a network, as JSON."""
    steps = importlib.import_module("bench.steps")
    arrays = steps.training_arrays(name, batch, np.random.default_rng(0))
    _, step, (x, y) = steps.TRAINERS[side](name, *arrays)
    before = _resident()
    first = _milliseconds(step, x, y)
    usual = min(_milliseconds(step, x, y) for _ in range(STEPS))
    told = {"first": first - usual, "memory": (_peak() - before) / 1e6}
    if side == "nnfast":
        memory = step.plan.memory()
        told["planned"] = (memory.total - memory.arguments) / 1e6
        less = x[1:], y[1:]
        first = _milliseconds(step, *less)
        told["ragged"] = first - min(_milliseconds(step, *less) for _ in range(STEPS))
    print(json.dumps(told))


def _milliseconds(call: Callable[..., Any], *arguments: Any) -> float:
    begin = time.perf_counter()
    call(*arguments)
    return 1e3 * (time.perf_counter() - begin)


def _resident() -> int:
    """Bytes of memory that the process has now; the peak is counted from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    """The most bytes since then."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))
