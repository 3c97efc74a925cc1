"""Cheap values that would lie idle while memory is scarcest are computed again when needed.

The same kernels run on the same inputs, so the bits are the same. It is done only where the inputs
are there anyhow, as the input of GELU or of a layer norm is, which their gradient rules read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Value

_NORMS = ("layer_norm", "rms_norm")  # as cheap as a map: one pass over memory
_SMALLEST = 1 << 16  # bytes


def recompute(graph: Graph) -> Graph:
    """Compute again what is idle at the call where most bytes are held, until there is no such."""
    while (found := _idle(graph)) is not None:
        graph = _again(graph, *found)
    return graph


def _idle(graph: Graph) -> tuple[int, int] | None:
    """The largest value that is idle at the peak and cheap: by what call it is made, and at which
    it is needed next."""
    uses: dict[Value, list[int]] = {}
    for i, call in enumerate(graph.calls):
        for m in {*[v.memory for v in call.outputs], *call.reads()}:
            uses.setdefault(m, []).append(i)
    peak = _peak(graph, uses)
    results = {v.memory for v in graph.results}
    found: list[tuple[int, int, int]] = []
    for i, call in enumerate(graph.calls[:peak]):
        y = call.outputs[0]
        if y.nbytes < _SMALLEST or y in results or not _is_cheap(call):
            continue
        later = [k for k in uses[y] if k > peak]
        idle = peak not in uses[y] and any(i < k < peak for k in uses[y])
        if idle and later and _is_there(graph, call, i, later[0], uses):
            found.append((y.nbytes, i, later[0]))
    return max(found)[1:] if found else None


def _peak(graph: Graph, uses: dict[Value, list[int]]) -> int:
    """The call at which values that calls make take most bytes."""
    change = [0] * (len(graph.calls) + 1)
    for m, calls in uses.items():
        if m.source is None:
            change[calls[0]] += m.nbytes
            change[calls[-1] + 1] -= m.nbytes
    held, most, peak = 0, -1, 0
    for i, n in enumerate(change):
        held += n
        if held > most:
            most, peak = held, i
    return peak


def _is_cheap(call: Call) -> bool:
    if call.changed or any(v.root is not None for v in call.outputs):
        return False
    if call.op.name in _NORMS:
        return True
    is_map = _core.is_map(call.op.id) or call.op.name.startswith("chain[")
    return is_map and len(call.outputs) == 1


def _is_there(graph: Graph, call: Call, i: int, at: int, uses: dict[Value, list[int]]) -> bool:
    """Whether the inputs of call i are as they were, and needed anyhow, at call `at`."""
    reads = set(call.reads())
    if not all(m.source is not None or uses[m][-1] >= at for m in reads):
        return False
    touched = (v.memory for c in graph.calls[i + 1 : at] for v in (*c.changed, *c.outputs))
    return reads.isdisjoint(touched)


def _again(graph: Graph, i: int, at: int) -> Graph:
    """The graph with call i once more before call `at`, for those that read its result from there
    on."""
    call = graph.calls[i]
    copy = replace(call, outputs=[replace(v) for v in call.outputs], overwrites=())
    old, new = call.outputs[0], copy.outputs[0]
    later = [replace(c, inputs=list(_moved(c, old, new))) for c in graph.calls[at:]]
    return Graph([*graph.calls[:at], copy, *later], graph.results)


def _moved(call: Call, old: Value, new: Value) -> Iterator[Value | None]:
    """The inputs of a call, those in the memory of `old` in that of `new`."""
    for v in call.inputs:
        if v is not None and v.memory is old:
            v = new if v is old else replace(v, root=new)
        yield v
