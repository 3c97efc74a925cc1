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
        made = {v.memory for v in call.outputs}
        inputs = [v for v in call.inputs if v is not None]
        hoists = inputs and not call.changed and not made & results
        if hoists and all(v.memory in kept or is_constant(v) for v in inputs):
            kept |= made
            once.append(call)
        else:
            rest.append(call)
    return Graph([*once, *rest], graph.results, len(once))
