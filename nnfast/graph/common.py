"""Calls that compute the same again are left out."""

from __future__ import annotations

from typing import Any

from nnfast.graph.ir import Call, Graph, Value


def share_common(graph: Graph) -> Graph:
    """Of calls with the same kernel, attributes and inputs, the first serves all readers.

    Unless an input changed in between, or both are results.
    """
    known: dict[Any, Call] = {}
    uses: dict[Value, list[Any]] = {}  # the keys of `known` that read a memory
    same: dict[Value, Value] = {}  # what is left out -> what takes its place
    calls = []
    results = set(graph.results)
    for call in graph.calls:
        if not same.keys().isdisjoint(call.reads()):
            call = call._replace(inputs=[_now(v, same) for v in call.inputs])
        if call.changed:
            calls.append(call)
            for changed in call.changed:
                for key in uses.pop(changed.memory, ()):
                    known.pop(key, None)
            continue
        # keepdim is no attribute of a sum, nor a dtype one of a cast
        kinds = tuple([(v.shape, v.dtype) for v in call.outputs])
        key = (call.op.id, call.attrs, kinds, *map(_place, call.inputs))
        first = known.setdefault(key, call)
        if first is call:
            for memory in call.reads():
                uses.setdefault(memory, []).append(key)
        if first is call or not results.isdisjoint(call.outputs):
            calls.append(call)
        else:
            same.update(zip(call.outputs, first.outputs, strict=True))
    return Graph(calls, graph.results)


def left_out(before: Graph, after: Graph) -> list[list[Call]]:
    """The calls that `share_common` left out, each among all that are alike but for the inputs."""
    kept = {id(call.outputs) for call in after.calls}
    gone = {_kind(call) for call in before.calls if id(call.outputs) not in kept}
    found: dict[Any, list[Call]] = {kind: [] for kind in gone}
    for call in before.calls if gone else ():
        if (kind := _kind(call)) in gone:
            found[kind].append(call)
    return list(found.values())


def _kind(call: Call) -> Any:
    kinds = [None if v is None else (v.shape, v.dtype) for v in (*call.inputs, *call.outputs)]
    return call.op.id, call.attrs, *kinds


def _now(v: Value | None, same: dict[Value, Value]) -> Value | None:
    if v is None or v.memory not in same:
        return v
    if v.root is None:
        return same[v]
    return v._replace(root=same[v.root], like=v)


def _place(v: Value | None) -> Any:
    """What is equal for views of the same elements."""
    if v is None or v.root is None:
        return v
    if v.shape == v.root.shape and v.offset == 0 and v.byte_strides() == v.root.byte_strides():
        return v.root if v.dtype == v.root.dtype else (v.root, v.dtype)
    return v.root, v.offset, v.shape, v.dtype, v.byte_strides()
