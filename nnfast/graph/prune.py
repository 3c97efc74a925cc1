"""Calls whose results nobody uses are left out."""

from __future__ import annotations

from nnfast.graph.ir import Graph, Value


def prune(graph: Graph) -> Graph:
    """Keep what leads to a result, or to a change of something outside."""
    needed: set[Value] = {v.memory for v in graph.results}
    kept = []
    for call in reversed(graph.calls):
        made = [v.memory for v in call.outputs]
        if any(m in needed or m.source is not None for m in made):
            kept.append(call)
            needed.update(call.reads())
    return Graph(kept[::-1], graph.results)
