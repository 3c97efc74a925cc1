"""Weights of linear layers that stay as they are lie as the kernel reads them."""

from __future__ import annotations

from nnfast.graph.hoist import constants
from nnfast.graph.ir import Call, Graph, Value


def pack_weights(graph: Graph) -> Graph:
    """Each captured weight of a linear layer is packed, once for all that read it."""
    from nnfast.ops.matmul import pack_linear

    is_constant = constants(graph)
    packs: dict[tuple[Value, int, tuple[int, ...], tuple[int, ...]], Value] = {}
    calls: list[Call] = []
    for call in graph.calls:
        weight = call.inputs[1] if call.op.name == "linear" else None
        if weight is None or 0 in weight.shape or not is_constant(weight):
            calls.append(call)
            continue
        key = (weight.memory, weight.offset, weight.shape, weight.byte_strides())
        if key not in packs:
            shape, dtype = pack_linear.rule(weight).specs[0]  # type: ignore[arg-type]
            packs[key] = Value(shape, dtype)
            calls.append(Call(pack_linear, [weight], [packs[key]], pack_linear.pack(None)))
        attrs = call.op.unpack(call.attrs)._replace(in_panels=1)  # type: ignore[union-attr]
        inputs = [call.inputs[0], packs[key], *call.inputs[2:]]
        calls.append(call.of(inputs, call.op.pack(attrs)))  # type: ignore[union-attr]
    return Graph(calls, graph.results)
