"""What depends on captured tensors alone is computed once, and again after one of them changed."""

from __future__ import annotations

from collections.abc import Callable

from nnfast.graph.ir import Captured, Graph, Value


def constants(graph: Graph) -> Callable[[Value | None], bool]:
    """A test of values: whether they are captured and nothing in the graph changes them."""
    changed = {v.memory for call in graph.calls for v in call.changed}

    def is_constant(v: Value | None) -> bool:
        return v is None or (isinstance(v.memory.source, Captured) and v.memory not in changed)

    return is_constant


def hoist_constants(graph: Graph) -> Graph:
    """Such calls come first, as the prologue of the plan, which keeps what they make."""
    is_constant = constants(graph)
    results = {v.memory for v in graph.results}
    kept: set[Value] = set()
    once, rest = [], []
    for call in graph.calls:
        reads = call.reads()
        if (
            reads
            and not call.changed
            and all([m in kept or is_constant(m) for m in reads])
            and results.isdisjoint(call.writes())
        ):
            kept.update(call.writes())
            once.append(call)
        else:
            rest.append(call)
    return Graph([*once, *rest], graph.results, len(once))
