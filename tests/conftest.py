"""Fixtures: each ISA, each number of threads, and a state that no test leaves behind."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.graph.mode import MODE
from tests import passes

ISAS = _core.isas()[: _core.isas().index(_core.isa()) + 1]  # NNFAST_ISA caps
# With NNFAST_ISA set, only that one: the others have runs of their own.
TESTED = ISAS[-1:] if os.environ.get("NNFAST_ISA") else ISAS
SEED = pytest.StashKey[int]()

# Subprocesses import the same nnfast as the tests, whatever folder they start in.
os.environ["PYTHONPATH"] = str(Path(nnfast.__file__).parents[1])
os.environ["PYTHONSAFEPATH"] = "1"


@pytest.fixture(params=TESTED)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that this machine can run, or the one that NNFAST_ISA names."""
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """1, 2 and 3 threads, more than there may be cores."""
    before = _core.num_threads()
    _core.set_num_threads(request.param)
    yield request.param
    _core.set_num_threads(before)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that depends on the test's name alone; NNFAST_TEST_SEED is added for fresh luck.

    A failing test prints it.
    """
    name = zlib.crc32(request.node.nodeid.encode())
    value = name + int(os.environ.get("NNFAST_TEST_SEED", "0"))
    request.node.stash[SEED] = value
    return value


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """Random numbers from `seed`."""
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def clean_state(request: pytest.FixtureRequest, seed: int) -> Iterator[None]:
    """Each test draws its own numbers, and leaves threads, modes and error state as they were."""
    for module in (request.module, passes):
        if isinstance(rng := getattr(module, "RNG", None), np.random.Generator):
            rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    threads, limit, errors = _core.num_threads(), _core.thread_limit(), np.geterr()
    yield
    left = MODE.grad
    MODE.grad = True
    _core.set_num_threads(threads)
    _core.set_thread_limit(limit)
    _core.force_conv("")
    np.seterr(**errors)
    assert left, "the test left gradients switched off"


def run_untraced(op: Any, inputs: Any, result: Any) -> Any:
    """For a function that stands in `MODE.trace`: the op as it runs without one."""
    trace, MODE.trace = MODE.trace, None
    try:
        return op.execute(inputs, result)
    finally:
        MODE.trace = trace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed and SEED in item.stash:
        report.sections.append(("seed", f"seed={item.stash[SEED]} ({item.nodeid})"))
    return report
