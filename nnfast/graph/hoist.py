"""What depends on captured tensors alone is computed once, and again after one of them changed."""

from __future__ import annotations

from collections.abc import Callable

from nnfast.graph.ir import Call, Captured, Graph, Value


def constants(graph: Graph) -> Callable[[Value | None], bool]:
    """A test of values: whether they are captured and nothing in the graph changes them, or made
    of such and wanted inside of the graph only."""
    changed = {v.memory for call in graph.calls for v in call.changed}
    outside = changed | {v.memory for v in graph.results}
    made: set[Value] = set()

    def is_constant(v: Value | None) -> bool:
        if v is None or v.memory in made:
            return True
        return isinstance(v.memory.source, Captured) and v.memory not in changed

    for call in graph.calls:
        reads = call.reads()
        pure = reads and not call.changed and outside.isdisjoint(call.writes())
        if pure and all(map(is_constant, reads)):
            made.update(call.writes())
    return is_constant


def hoist_constants(graph: Graph) -> Graph:
    """Such calls come first, as the prologue of the plan, which keeps what they make."""
    is_constant = constants(graph)
    once: list[Call] = []
    rest: list[Call] = []
    for call in graph.calls:
        hoists = call.outputs and all(map(is_constant, call.outputs))
        (once if hoists else rest).append(call)
    return Graph([*once, *rest], graph.results, len(once))
