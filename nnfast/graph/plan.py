"""A plan: a traced function as one call of the core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nnfast import _core
from nnfast.graph.chains import fuse_chains
from nnfast.graph.commit import commit_last
from nnfast.graph.common import left_out, share_common
from nnfast.graph.dense import copy_of, make_dense
from nnfast.graph.epilogues import fuse_epilogues
from nnfast.graph.explain import Memory, explain, memory
from nnfast.graph.finite import blame
from nnfast.graph.fold import fold_batch_norm
from nnfast.graph.hoist import hoist_constants
from nnfast.graph.ir import Argument, Call, Captured, Graph, Refreshed, Source, Value, dense_strides
from nnfast.graph.memory import Block, keep, plan_memory
from nnfast.graph.norms import fuse_norms
from nnfast.graph.outer import form_outer
from nnfast.graph.pack import pack_weights
from nnfast.graph.places import join_places
from nnfast.graph.pools import mask_pooled
from nnfast.graph.prune import prune
from nnfast.graph.recompute import recompute
from nnfast.graph.updates import join_updates
from nnfast.tensor import KERNEL_DTYPES

if TYPE_CHECKING:
    from pathlib import Path

    from nnfast.nn.module import Module

# In this order. Kernels need what `make_dense` does; a plan may leave out any other.
PASSES: dict[str, Callable[[Graph], Graph]] = {
    "prune": prune,
    "share_common": share_common,
    "join_places": join_places,
    "mask_pooled": mask_pooled,
    "fold_batch_norm": fold_batch_norm,
    "fuse_epilogues": fuse_epilogues,
    "fuse_norms": fuse_norms,
    "form_outer": form_outer,
    "join_updates": join_updates,
    "make_dense": make_dense,
    "pack_weights": pack_weights,
    "fuse_chains": fuse_chains,
    "recompute": recompute,
    "hoist_constants": hoist_constants,
}
# What is called on the numbers of a value, and below what whole numbers need not be looked at.
Checks = Sequence[tuple[Value, Callable[..., None], int]]
OPTIONAL = frozenset(PASSES) - {"make_dense"}
FUSING = OPTIONAL - {"prune"}  # without them each call is one of the function's own
BYTES_OF_A_CALL = 8192  # measured: plans of MLPs and LeNet, Python objects and the core's lists
_CODES = {dtype: i for i, dtype in enumerate(KERNEL_DTYPES)}  # as DType in csrc/base/view.h


class Plan:
    """Instructions, the memory that they need, and where each array comes from.

    `sources` and `checks` say how the arrays that come with a run are found and looked at; see
    csrc/bind/call.h. `modules` were called while it was traced; `step` holds the number of the
    present call. `base` is the plan that it was made from: itself, or see fewer.py.

    >>> import nnfast
    >>> double = nnfast.compile(lambda x: 2 * x)
    >>> _ = double(nnfast.ones(2))
    >>> type(double.plan).__name__
    'Plan'
    """

    base: Plan
    shared: Sequence[Sequence[Call]]

    def __init__(
        self,
        graph: Graph,
        checks: Checks,
        arenas: Any,
        modules: Sequence[Module] = (),
        step: Sequence[int] = (0,),
        disable: Collection[str] = (),
    ) -> None:
        graph = self.traced = with_results(graph)
        self.base, self.shared = self, ()
        for name, transform in PASSES.items():
            if name not in disable:
                before, graph = graph, transform(graph)
                if transform is share_common:
                    self.shared = left_out(before, graph)
        graph, self._commit, self.watched = commit_last(graph)
        self.graph = graph
        outside = _outside(graph)
        self.captured = [v for v in outside if isinstance(v.source, Captured)]
        self.graded = [v.source.tensor.requires_grad for v in self.captured]  # type: ignore[union-attr]
        self.given = [v for v in outside if v.source and not isinstance(v.source, Captured)]
        self._kept, self.kept = keep(graph)
        mine = set(outside) | set(graph.results) | self._kept.keys()
        self.blocks, self.arena = plan_memory(graph, mine)
        self._note(checks, modules, step)
        self.core = self._build(arenas)

    def _note(
        self,
        checks: Checks,
        modules: Sequence[Module],
        step: Sequence[int],
    ) -> None:
        """How what is given with a run is found and looked at."""
        self.modules, self._step = modules, step
        places = {v: k for k, v in enumerate(self.given)}
        self.checks = [
            (places.get(v.memory, -1), _check_of(v, check), below)
            for v, check, below in checks
            if v.memory in places or isinstance(v.source, Captured)
        ]
        self.sources = [_source(v) for v in self.given]

    def _build(self, arenas: _core.Arenas) -> _core.Plan:
        externals = [*self.captured, *self.given, *self.graph.results]
        changed = {v.memory for c in self.graph.calls for v in c.changed} | set(self.graph.results)
        buffers = {v: i + 1 for i, v in enumerate(externals)}
        buffers |= dict.fromkeys(self._kept, len(externals) + 1)
        operands = _Operands(externals, buffers, self.blocks | self._kept)
        calls = [
            (c.op.id, c.attrs, len(c.inputs), [operands[v] for v in (*c.inputs, *c.outputs)])
            for c in self.graph.calls
        ]
        sources = {m for c in self.graph.calls[: self.graph.prologue] for m in c.reads()}
        watched = [operands[v] for v in self.watched]
        self.operands: list[Value | None] = list(operands)
        return _core.Plan(
            calls,
            operands.specs,
            [(_CODES[v.dtype], v.shape, elements(v), v in changed) for v in externals],
            [v.source.tensor for v in self.captured],  # type: ignore[union-attr]
            self.arena,
            arenas,
            self._commit,
            watched,
            self.graph.prologue,
            self.kept,
            [k for k, v in enumerate(self.captured) if v in sources],
        )

    def fail(self, arrays: tuple[np.ndarray, ...]) -> NoReturn:
        """Raise what says where a run on these arrays first made bad numbers."""
        plain = Plan(self.traced, (), _core.Arenas(), self.modules, self._step, FUSING)
        known = dict(zip((*self.given, *self.traced.results), arrays, strict=True))
        arrays = tuple(known[v] for v in (*plain.given, *plain.traced.results))
        raise blame(plain, arrays, self._step[0])

    @property
    def timed(self) -> bool:
        """Whether runs add to what `explain` says of time."""
        return self.core.timed

    @timed.setter
    def timed(self, on: bool) -> None:
        self.core.timed = on

    @property
    def nbytes(self) -> int:
        """About what the plan itself takes, not the arrays."""
        return BYTES_OF_A_CALL * len(self.base.traced.calls)

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

    def __str__(self) -> str:
        return self.explain()

    def draw(self, path: str | Path) -> Path:
        """Write its graph as a picture; returns the path.

        The suffix says the format: .svg, .png, .pdf by graphviz's program dot, or .dot, its text,
        which is written where that program is not installed.
        """
        from nnfast.graph.draw import draw

        return draw(self, path)


def with_results(graph: Graph) -> Graph:
    """Each result in memory of its own: copied where it is a view or belongs to somebody else.

    >>> import numpy as np
    >>> given = Value((2,), np.dtype("float32"), source=Argument(0))
    >>> with_results(Graph([], [given])).calls[0].op.name
    'clone'
    """
    calls, results = list(graph.calls), []
    for v in graph.results:
        if v.root is not None or v.source is not None or v in results:
            calls.append(copy_of(v))
            v = calls[-1].outputs[0]
        results.append(v)
    return Graph(calls, results)


def _outside(graph: Graph) -> list[Value]:
    """Memory that somebody else owns, in order of its first use."""
    used = dict.fromkeys([m for c in graph.calls for m in (*c.reads(), *c.writes())])
    return [m for m in used if m.source is not None]


def _source(value: Value) -> tuple[Any, ...]:
    """Where the core finds the array of a value: (argument, leaf, function, options, names)."""
    source: Source | None = value.source
    if isinstance(source, Argument):
        return source.index, None, None, None, ()
    if isinstance(source, Refreshed):
        refresh, dtype, shape = source.refresh, value.dtype, value.shape
        make = lambda: np.array(refresh(), dtype).reshape(shape)
        return -1, None, make, source.options, source.names
    return -1, source.leaf, None, None, ()  # type: ignore[union-attr]


def _check_of(v: Value, check: Callable[..., None]) -> Callable[[np.ndarray | None], None]:
    """`check` of the numbers of a captured value, or of what is given with a run, or its view."""
    if isinstance(v.source, Captured):
        tensor = v.source.tensor
        return lambda given: check(tensor.array)
    if v.root is None:
        return check
    return lambda given: check(np.ndarray(v.shape, v.dtype, given, v.offset, v.byte_strides()))


def elements(v: Value) -> Sequence[int]:
    """Strides in elements.

    >>> import numpy as np
    >>> elements(Value((2, 3), np.dtype("float32")))
    (3, 1)
    """
    if v.strides is None:
        return dense_strides(v.shape, 1)
    return [s // v.dtype.itemsize for s in v.strides]


class _Operands(dict[Value | None, int]):
    """Numbers of operands: the externals themselves come first; each other view is listed once."""

    def __init__(
        self, externals: Sequence[Value], buffers: dict[Value, int], blocks: dict[Value, Block]
    ) -> None:
        super().__init__({v: i for i, v in enumerate(externals)})
        self.buffers, self.blocks = buffers, blocks
        self.specs: list[tuple[int, int, int, tuple[int, ...], Sequence[int]]] = []

    def __missing__(self, v: Value | None) -> int:
        number = self[v] = len(self)
        self.specs.append(self._spec(v))
        return number

    def _spec(self, v: Value | None) -> tuple[int, int, int, tuple[int, ...], Sequence[int]]:
        if v is None:
            return (-1, 0, 0, (), ())
        buffer = self.buffers.get(v.memory, 0)
        block = self.blocks.get(v.memory)
        start = v.offset + (block.offset if block is not None else 0)
        return (buffer, start, _CODES[v.dtype], v.shape, elements(v))
