"""Calls whose results nobody uses are left out, but for those that draw random numbers: what is
drawn after them must be what it would have been."""

from __future__ import annotations

from nnfast.graph.ir import Call, Graph, Refreshed, Value


def prune(graph: Graph) -> Graph:
    """Keep what leads to a result, or to a change of something outside."""
    needed: set[Value] = {v.memory for v in graph.results}
    kept = []
    for call in reversed(graph.calls):
        if any([m in needed or m.source is not None for m in call.writes()]) or _draws(call):
            kept.append(call)
            needed.update(call.reads())
    return Graph(kept[::-1], graph.results)


def _draws(call: Call) -> bool:
    return any(isinstance(m.source, Refreshed) and m.source.options is None for m in call.reads())
