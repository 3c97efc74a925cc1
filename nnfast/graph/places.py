"""Gradients of parts of one tensor are put together as one call.

Each part leaves zeros with its gradient at its place, and these are added up. Where no two parts
overlap, that sum is made in one array: each element is 0 plus one gradient, the same bits.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from struct import Struct

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Kernel, Value, dense_strides

_MOST, _DIMS = 8, 12  # parts; as kPlaces and kMaxDims in csrc
_PLACES = _core.ops()["places"][0]
_PLACE = Struct(f"{1 + _DIMS}q")  # offset and strides, in elements


def join_places(graph: Graph) -> Graph:
    """Sums of `place` alone become one call, where the last addition stood."""
    if not graph.calls_any("place"):
        return graph
    readers = Counter([m for call in graph.calls for m in call.reads()])
    readers.update([v.memory for v in graph.results])
    parts: dict[Value, list[Call]] = {}  # of which calls of `place` a value is the sum
    sums: dict[Value, Call] = {}
    gone: set[int] = set()
    for call in graph.calls:
        y = call.outputs[0]
        if call.op.name == "place" and y.dtype.kind == "f":
            parts[y] = [call]
        found = _summands(call, parts, readers) if call.op.name == "add" else None
        if found is None or _changed(graph, found, call) or _overlap(y.shape, found):
            continue
        parts[y], sums[y] = found, call
        for v in call.inputs:
            if v in sums:
                gone.add(id(sums.pop(v)))
    gone.update(id(part) for y in sums for part in parts[y])
    made = {id(call): _call(parts[y], call) for y, call in sums.items()}
    return Graph([made.get(id(c), c) for c in graph.calls if id(c) not in gone], graph.results)


def _summands(
    call: Call, parts: dict[Value, list[Call]], readers: Counter[Value]
) -> list[Call] | None:
    """The calls of `place` whose sum an addition makes, if nobody else looks at what it adds."""
    y, found = call.outputs[0], []
    for v in call.inputs:
        if v is None or v not in parts or readers[v] > 1 or v.shape != y.shape:
            return None
        found += parts[v]
    return found if len(found) <= _MOST else None


def _overlap(shape: tuple[int, ...], parts: list[Call]) -> bool:
    """Whether two parts have an element in common. Dimensions that all go through alike are left
    out, for the sake of time."""
    steps = dense_strides(shape, 1)
    found = [(*_PLACE.unpack(p.attrs.ljust(_PLACE.size, b"\0")), p.inputs[0].shape) for p in parts]  # type: ignore[union-attr]
    alike = 0
    for d, (n, step) in enumerate(zip(shape, steps, strict=True)):
        if any(part[-1][d : d + 1] != (n,) or part[1 + d] != step for part in found):
            break
        alike += 1
    covered = np.zeros(prod(shape[alike:]), bool)
    for offset, *strides, sizes in found:
        if 0 in sizes:
            continue
        rest = sizes[alike:]
        place = as_strided(covered[offset:], rest, strides[alike : alike + len(rest)])
        if place.any():
            return True
        place[...] = True
    return False


def _changed(graph: Graph, parts: list[Call], last: Call) -> bool:
    """Whether something that is put in its place later would have changed by then."""
    reads = {m for part in parts for m in part.reads()}
    first = min(map(graph.calls.index, parts))
    between = graph.calls[first : graph.calls.index(last)]
    return any(v.memory in reads for c in between for v in c.changed)


def _call(parts: list[Call], last: Call) -> Call:
    places = (p.attrs.ljust(_PLACE.size, b"\0") for p in parts)
    return Call(
        Kernel("places", _PLACES),
        [p.inputs[0] for p in parts],
        last.outputs,
        b"".join(places).ljust(_PLACE.size * _MOST, b"\0"),
        where=last.where,
    )
