"""Kernels that read C-contiguous inputs only get them."""

from __future__ import annotations

from dataclasses import replace

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Value


def copy_of(value: Value) -> Call:
    """A call that copies a value into dense memory of its own."""
    from nnfast.ops.shape import clone

    return Call(clone, [value], [Value(value.shape, value.dtype)], clone.pack(None))


def make_dense(graph: Graph) -> Graph:
    """Copy strided inputs of kernels that need dense ones, each once until it changes."""
    calls: list[Call] = []
    copies: dict[Value, Value] = {}
    for call in graph.calls:
        if not _core.takes_strides(call.op.id):
            call = replace(call, inputs=list(call.inputs))
            for i, v in enumerate(call.inputs):
                if v is None or v.is_dense():
                    continue
                if v not in copies:
                    calls.append(copy_of(v))
                    copies[v] = calls[-1].outputs[0]
                call.inputs[i] = copies[v]
        for changed in call.changed:
            copies = {v: c for v, c in copies.items() if v.memory is not changed.memory}
        calls.append(call)
    return Graph(calls, graph.results)
