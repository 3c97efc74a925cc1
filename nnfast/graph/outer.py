"""The gradient of a weight that one row went through is a column times a row: its update forms it.

So it is neither written nor read. The bits are those of the product. It is finite if its largest
element is, which is made in its place, for the step to look at (see commit.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Kernel, Value
from nnfast.graph.updates import FORMING

_LARGEST = _core.ops()["largest_product"][0]
_SHORTEST = 64  # row that is worth its while
_GRAD = 1  # input of an update


def form_outer(graph: Graph) -> Graph:
    """Products of a column and a row that only an update reads become part of that update."""
    if not graph.calls_any(*FORMING):
        return graph
    readers = graph.readers()
    calls: list[Call] = []
    products: dict[Value, int] = {}  # where they stand
    for call in graph.calls:
        grad = call.inputs[_GRAD] if call.op.name in FORMING else None
        if grad in products and readers[grad] == 1 and len(call.inputs) == len(call.op.inputs):
            place = products.pop(grad)
            if _unchanged(calls[place].reads(), calls[place + 1 :]):
                column, row = calls[place].inputs[:2]
                peak = Value((), grad.dtype)
                calls[place] = Call(
                    Kernel("largest_product", _LARGEST, ("column", "row")),
                    [column, row], [peak], b"", where=calls[place].where,
                )  # fmt: skip
                inputs = list(call.inputs)
                inputs[_GRAD] = column
                call = call._replace(inputs=[*inputs, row, peak])
        if _is_outer(call):
            products[call.outputs[0]] = len(calls)
        calls.append(call)
    return Graph(calls, graph.results)


def _is_outer(call: Call) -> bool:
    """Whether it is the plain product of a column and a row."""
    if call.op.name != "matmul":
        return False
    a, b = (v.shape if v is not None else () for v in call.inputs[:2])
    attrs = call.op.unpack(call.attrs)  # type: ignore[union-attr]
    return (
        len(a) == len(b) == 2
        and a[1] == 1
        and a[0] > 0
        and b[1] >= _SHORTEST
        and not any(call.inputs[2:])
        and (attrs.alpha, attrs.activation, attrs.in_panels) == (1, 0, 0)
    )


def _unchanged(memory: Sequence[Value], calls: list[Call]) -> bool:
    return not any(v.memory in memory for c in calls for v in c.changed)
