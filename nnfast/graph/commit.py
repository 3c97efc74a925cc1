"""What outlives a step happens last, and only if the numbers are finite."""

from __future__ import annotations

from nnfast.graph.ir import Call, Captured, Gradient, Graph, Value


def commit_last(graph: Graph) -> tuple[Graph, int, list[Value]]:
    """The graph with all changes of captured tensors at its end, where they begin, and what must
    be finite for them to happen.

    That is the loss and all else that is one number, and whatever float arrays the changes
    are made with: gradients, batch statistics. Without an update of a parameter nothing is watched.
    """
    dirty: set[Value] = set()  # memory that holds something else after the commit
    first: list[Call] = []
    last: list[Call] = []
    for call in graph.calls:
        touched = call.writes()
        changes = any([isinstance(m.source, Captured) for m in touched])
        if changes or not dirty.isdisjoint(call.reads()) or not dirty.isdisjoint(touched):
            dirty.update(touched)
            last.append(call)
        else:
            first.append(call)
    trains = any(_is_parameter(v) for call in last for v in call.changed)
    watched = _watched(graph, first, last) if trains else []
    return Graph([*first, *last], graph.results, graph.prologue), len(first), watched


def _is_parameter(v: Value) -> bool:
    source = v.memory.source
    return isinstance(source, Captured) and source.tensor.requires_grad


def _watched(graph: Graph, first: list[Call], last: list[Call]) -> list[Value]:
    made = {m for call in first for m in call.writes()}
    found: dict[Value, None] = {}
    for v in graph.results:
        if v.memory in made and v.shape == () and v.dtype.kind == "f":
            found[v] = None
    for call in last:
        if call.op.name == "clone" and not any(map(_is_parameter, call.changed)):
            continue  # a buffer of the user's may hold any number
        for value in call.inputs:
            if value is None or value.dtype.kind != "f" or not value.is_dense() or 0 in value.shape:
                continue
            if value.memory in made or isinstance(value.memory.source, Gradient):
                found[value] = None
    return list(found)
