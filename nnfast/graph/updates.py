"""The updates of many parameters are one instruction: threads share all of them."""

from __future__ import annotations

from collections.abc import Iterable

from nnfast.graph.ir import Call, Graph, Value

FORMING = ("sgd_update", "adam_update")  # have two inputs more: see outer.py
_UPDATES = {
    *FORMING, "adadelta_update", "adagrad_update", "adamax_update", "asgd_update", "nadam_update",
    "radam_update", "rmsprop_update", "rprop_update",
}  # fmt: skip


def join_updates(graph: Graph) -> Graph:
    """Updates of one kind and dtype become one call, where the last of them stood.

    Nothing in between may look at what they change, or change what they look at.
    """
    calls: list[Call] = []
    waiting: list[_Group] = []
    for call in graph.calls:
        group = _Group(call) if call.op.name in _UPDATES else None
        for other in [g for g in waiting if g.meets(call)]:
            waiting.remove(other)
            calls.append(other.call)
        if group is None:
            calls.append(call)
        elif like := [g for g in waiting if g.kind == group.kind]:
            like[0].add(group)
        else:
            waiting.append(group)
    return Graph([*calls, *(g.call for g in waiting)], graph.results)


class _Group:
    """Updates that wait to become one call."""

    def __init__(self, call: Call) -> None:
        self.kind = (call.op, call.outputs[0].dtype)
        self.call = call
        self.reads = set(call.reads())
        self.changes = _memory(call.changed)

    def meets(self, call: Call) -> bool:
        """Whether a call has to find these updates done."""
        return not (
            self.changes.isdisjoint(call.reads()) and self.reads.isdisjoint(_memory(call.changed))
        )

    def add(self, other: _Group) -> None:
        a, b = self.call, other.call
        self.call = Call(
            a.op, [*_all(a), *_all(b)], [*a.outputs, *b.outputs], a.attrs, a.changed + b.changed
        )  # fmt: skip
        self.reads |= other.reads
        self.changes |= other.changes


def _all(call: Call) -> list[Value | None]:
    """The inputs, with those that a single parameter leaves out."""
    each = len(call.op.inputs) + 2 * (call.op.name in FORMING)
    return [*call.inputs, *[None] * (-len(call.inputs) % each)]


def _memory(values: Iterable[Value]) -> set[Value]:
    return {v.memory for v in values}
