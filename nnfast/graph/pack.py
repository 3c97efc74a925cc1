"""Weights that stay as they are lie as the kernel reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnfast.graph.hoist import constants
from nnfast.graph.ir import Call, Graph, Value, algorithm

_LARGEST = 4 << 20  # bytes of transformed weights: more than a core's caches hold cost more to read


def pack_weights(graph: Graph) -> Graph:
    """Weights of linear layers in panels, those of Winograd's convolutions transformed.

    Each constant weight is packed once for all that read it.
    """
    is_constant = constants(graph)
    packs: dict[Any, Value] = {}
    calls: list[Call] = []
    for call in graph.calls:
        weight = call.inputs[1] if len(call.inputs) > 1 else None
        packed = _PACKERS.get(call.op.name)
        if weight is not None and packed and is_constant(weight) and 0 not in weight.shape:
            call = packed(call, weight, packs, calls)
        calls.append(call)
    return Graph(calls, graph.results)


def _in_panels(call: Call, weight: Value, packs: dict[Any, Value], calls: list[Call]) -> Call:
    """The linear layer on its weight in panels."""
    from nnfast.ops.matmul import pack_linear

    shape, dtype = pack_linear.rule(weight).specs[0]  # type: ignore[arg-type]
    made = Call(pack_linear, [weight], [Value(shape, dtype)], pack_linear.pack(None))
    return _on(call, made, packs, calls, in_panels=1)


def _transformed(call: Call, weight: Value, packs: dict[Any, Value], calls: list[Call]) -> Call:
    """The convolution on its weight transformed, or as it is."""
    from nnfast.ops.conv import transform_conv2d

    attrs = call.op.unpack(call.attrs)  # type: ignore[union-attr]
    if algorithm(call) != "winograd" or attrs.sh > 1:
        return call
    result = transform_conv2d.rule(weight, attrs.groups)  # type: ignore[arg-type]
    shape, dtype = result.specs[0]
    value = Value(shape, dtype)
    if value.nbytes > _LARGEST:
        return call
    made = Call(transform_conv2d, [weight], [value], transform_conv2d.pack(result.attrs))
    return _on(call, made, packs, calls, transformed=weight.shape[2])


def _on(call: Call, made: Call, packs: dict[Any, Value], calls: list[Call], **attrs: int) -> Call:
    """The call on a packed weight; `made`, which packs it, is added unless another has done it."""
    weight = made.inputs[0]
    assert weight is not None
    of = (weight.memory, weight.offset, weight.shape, weight.byte_strides())
    key = (made.op.name, made.attrs, *of)
    if key not in packs:
        packs[key] = made.outputs[0]
        calls.append(made)
    packed = call.op.pack(call.op.unpack(call.attrs)._replace(**attrs))  # type: ignore[union-attr]
    inputs = [call.inputs[0], packs[key], *call.inputs[2:]]
    return call._replace(inputs=inputs, attrs=packed)


_PACKERS: dict[str, Callable[[Call, Value, dict[Any, Value], list[Call]], Call]] = {
    "linear": _in_panels,
    "conv2d": _transformed,
}
