"""Kernels that read C-contiguous inputs only get them."""

from __future__ import annotations

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Value


def copy_of(value: Value) -> Call:
    """A call that copies a value into dense memory of its own."""
    from nnfast.ops.shape import clone

    return Call(clone, [value], [Value(value.shape, value.dtype, like=value)], clone.pack(None))


def make_dense(graph: Graph) -> Graph:
    """Copy strided inputs of kernels that need dense ones, each once until it changes."""
    calls: list[Call] = []
    copies: dict[Value, Value] = {}
    for call in graph.calls:
        strided = [v for v in call.inputs if v is not None and not v.is_dense()]
        if strided and not _core.takes_strides(call.op.id):
            for v in strided:
                if v not in copies:
                    calls.append(copy_of(v))
                    copies[v] = calls[-1].outputs[0]
            call = call._replace(inputs=[copies[v] if v in strided else v for v in call.inputs])
        if copies and call.changed:
            changed = {v.memory for v in call.changed}
            copies = {v: c for v, c in copies.items() if v.memory not in changed}
        calls.append(call)
    return Graph(calls, graph.results)
