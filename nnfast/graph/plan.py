"""A plan: a traced function as one call of the core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast import _core
from nnfast.graph.chains import fuse_chains
from nnfast.graph.commit import commit_last
from nnfast.graph.common import share_common
from nnfast.graph.dense import copy_of, make_dense
from nnfast.graph.epilogues import fuse_epilogues
from nnfast.graph.explain import Memory, explain, memory
from nnfast.graph.finite import blame
from nnfast.graph.fold import fold_batch_norm
from nnfast.graph.hoist import hoist_constants
from nnfast.graph.ir import Argument, Captured, Graph, Refreshed, Source, Value
from nnfast.graph.memory import Block, keep, plan_memory
from nnfast.graph.pack import pack_weights
from nnfast.graph.prune import prune
from nnfast.graph.updates import join_updates
from nnfast.tensor import KERNEL_DTYPES

if TYPE_CHECKING:
    from pathlib import Path

    from nnfast.nn.module import Module

# In this order. Kernels need what `make_dense` does; a plan may leave out any other.
PASSES: dict[str, Callable[[Graph], Graph]] = {
    "prune": prune,
    "share_common": share_common,
    "fold_batch_norm": fold_batch_norm,
    "fuse_epilogues": fuse_epilogues,
    "join_updates": join_updates,
    "make_dense": make_dense,
    "pack_weights": pack_weights,
    "fuse_chains": fuse_chains,
    "hoist_constants": hoist_constants,
}
OPTIONAL = frozenset(PASSES) - {"make_dense"}
FUSING = OPTIONAL - {"prune"}  # without them each call is one of the function's own
BYTES_OF_A_CALL = 8192  # measured: plans of MLPs and LeNet, Python objects and the core's lists
NOT_FINITE = 2  # as BoundPlan::Outcome in csrc/bind/plan.cpp
_CODES = {dtype: i for i, dtype in enumerate(KERNEL_DTYPES)}  # as DType in csrc/base/view.h


class Plan:
    """Instructions, the memory that they need, and where each array comes from.

    `run` takes the leaves of the arguments and returns new arrays, one for each result.
    `modules` were called while it was traced; `step` holds the number of the present call.
    """

    def __init__(
        self,
        graph: Graph,
        checks: Sequence[tuple[Value, Callable[..., None]]],
        arenas: Any,
        modules: Sequence[Module] = (),
        step: Sequence[int] = (0,),
        disable: Collection[str] = (),
    ) -> None:
        graph = self._traced = _with_results(graph)
        for name, transform in PASSES.items():
            if name not in disable:
                graph = transform(graph)
        graph, self._commit, self.watched = commit_last(graph)
        self.graph, self.modules, self._step = graph, modules, step
        outside = _outside(graph)
        self.captured = [v for v in outside if isinstance(v.source, Captured)]
        self.given = [v for v in outside if v.source and not isinstance(v.source, Captured)]
        self._kept, self.kept = keep(graph)
        mine = set(outside) | set(graph.results) | self._kept.keys()
        self.blocks, self.arena = plan_memory(graph, mine)
        places = {v: k for k, v in enumerate(self.given)}
        self._checks = [
            (places.get(v.memory), v, check) for v, check in checks if _is_outside(v, places)
        ]
        self._sources = [_reader(v) for v in self.given]
        self._results = [(v.shape, v.dtype) for v in graph.results]
        self._arenas = arenas
        self.core = self._build(arenas)
        self.timed = False  # whether runs add to `seconds`
        self.timed_runs = 0
        self.seconds = np.zeros(len(graph.calls))

    def _build(self, arenas: _core.Arenas) -> _core.Plan:
        externals = [*self.captured, *self.given, *self.graph.results]
        changed = {v.memory for c in self.graph.calls for v in c.changed} | set(self.graph.results)
        buffers = {v: i + 1 for i, v in enumerate(externals)}
        buffers |= dict.fromkeys(self._kept, len(externals) + 1)
        operands = _Operands(buffers, self.blocks | self._kept)
        calls = [
            (c.op.id, c.attrs, len(c.inputs), [operands[v] for v in (*c.inputs, *c.outputs)])
            for c in self.graph.calls
        ]
        sources = {m for c in self.graph.calls[: self.graph.prologue] for m in c.reads()}
        return _core.Plan(
            calls,
            operands.specs,
            [(_CODES[v.dtype], v.shape, _elements(v), v in changed) for v in externals],
            [v.source.tensor for v in self.captured],  # type: ignore[union-attr]
            self.arena,
            arenas,
            self._commit,
            [operands[v] for v in self.watched],
            self.graph.prologue,
            self.kept,
            [k for k, v in enumerate(self.captured) if v in sources],
        )

    def run(self, leaves: Sequence[Any]) -> list[np.ndarray] | None:
        """New arrays of the results; None if something does not fit the plan any more."""
        if not self.core.fits():  # before rates and random state are asked for: they move on
            return None
        given = [read(leaves) for read in self._sources]
        for i, value, check in self._checks:
            check(_seen(value, None if i is None else given[i]))
        results = [np.empty(shape, dtype) for shape, dtype in self._results]
        arrays = (*given, *results)
        outcome = self.core.run(arrays, self.seconds if self.timed else None)
        if outcome == NOT_FINITE:
            plain = Plan(self._traced, (), self._arenas, self.modules, self._step, FUSING)
            known = dict(zip((*self.given, *self.graph.results), arrays, strict=True))
            arrays = tuple(known[v] for v in (*plain.given, *plain.graph.results))
            raise blame(plain, arrays, self._step[0])
        self.timed_runs += self.timed
        return results if outcome else None

    @property
    def nbytes(self) -> int:
        """About what the plan itself takes, not the arrays."""
        return BYTES_OF_A_CALL * len(self._traced.calls)

    def memory(self) -> Memory:
        """Bytes that it needs, known before the first run."""
        return memory(self)

    def explain(self) -> str:
        """Its instructions with shapes and bytes, and what memory they need.

        >>> import nnfast
        >>> twice = nnfast.compile(lambda x: (x + x).exp())
        >>> _ = twice(nnfast.ones(2, 3))
        >>> print(twice.plan.explain())
           0  chain[add exp](2x3) -> 2x3 ...
        1 instructions; weights 0 B, state 0 B, arguments 24 B, ...
        """
        return explain(self)

    def draw(self, path: str | Path) -> Path:
        """Write its graph as a picture; returns the path.

        The suffix says the format: .svg, .png, .pdf by graphviz's program dot, or .dot, its text,
        which is written where that program is not installed.
        """
        from nnfast.graph.draw import draw

        return draw(self, path)


def _with_results(graph: Graph) -> Graph:
    """Each result in memory of its own: copied where it is a view or belongs to somebody else."""
    calls, results = list(graph.calls), []
    for v in graph.results:
        if v.root is not None or v.source is not None or v in results:
            calls.append(copy_of(v))
            v = calls[-1].outputs[0]
        results.append(v)
    return Graph(calls, results)


def _outside(graph: Graph) -> list[Value]:
    """Memory that somebody else owns, in order of its first use."""
    seen: dict[Value, None] = {}
    for call in graph.calls:
        for v in (*call.inputs, *call.outputs):
            if v is not None and v.memory.source is not None:
                seen[v.memory] = None
    return list(seen)


def _reader(value: Value) -> Callable[[Sequence[Any]], np.ndarray]:
    """A function that finds the array of a value among the leaves, or makes it."""
    source: Source | None = value.source
    dtype, shape = value.dtype, value.shape
    if isinstance(source, Argument):
        index = source.index
        return lambda leaves: _dense(leaves[index], dtype)
    if isinstance(source, Refreshed):
        refresh = source.refresh
        return _Fresh(refresh, shape, dtype)
    leaf = source.leaf  # type: ignore[union-attr]
    return lambda leaves: _dense(leaf.grad.array, dtype)  # type: ignore[union-attr]


def _dense(a: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The array itself where the core can read it."""
    return a if a.flags.carray and a.dtype == dtype else np.require(a, dtype, ["C", "A"])


class _Fresh:
    """A small array of what `refresh` answers; a new one whenever that changes."""

    def __init__(
        self, refresh: Callable[[], Any], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.refresh, self.shape, self.dtype = refresh, shape, dtype
        self.latest: tuple[Any, np.ndarray] | None = None

    def __call__(self, leaves: Sequence[Any]) -> np.ndarray:
        latest, values = self.latest, self.refresh()
        if latest is None or latest[0] != values:
            array = np.array(values, self.dtype).reshape(self.shape)
            self.latest = latest = values, array
        return latest[1]


def _is_outside(v: Value, given: dict[Value, int]) -> bool:
    """Whether its numbers are known before a run."""
    return v.memory in given or isinstance(v.source, Captured)


def _seen(v: Value, given: np.ndarray | None) -> np.ndarray:
    """The numbers of a captured value, or of what is given with a run, or of a view of that."""
    if given is None:
        return v.source.tensor.array  # type: ignore[union-attr]
    if v.root is None:
        return given
    return np.ndarray(v.shape, v.dtype, given, v.offset, v.byte_strides())


def _elements(v: Value) -> list[int]:
    return [s // v.dtype.itemsize for s in v.byte_strides()]


class _Operands:
    """Numbers of operands; each distinct view is listed once."""

    def __init__(self, buffers: dict[Value, int], blocks: dict[Value, Block]) -> None:
        self.buffers, self.blocks = buffers, blocks
        self.specs: list[tuple[int, int, int, tuple[int, ...], list[int]]] = []
        self.numbers: dict[Value | None, int] = {}

    def __getitem__(self, v: Value | None) -> int:
        number = self.numbers.get(v)
        if number is None:
            number = self.numbers[v] = len(self.specs)
            self.specs.append(self._spec(v))
        return number

    def _spec(self, v: Value | None) -> tuple[int, int, int, tuple[int, ...], list[int]]:
        if v is None:
            return (-1, 0, 0, (), [])
        buffer = self.buffers.get(v.memory, 0)
        block = self.blocks.get(v.memory)
        start = v.offset + (block.offset if block is not None else 0)
        return (buffer, start, _CODES[v.dtype], v.shape, _elements(v))
