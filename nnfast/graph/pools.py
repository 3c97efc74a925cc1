"""The gradient of max pooling after relu is masked before it is spread, where it is small.

A window's gradient goes to the element whose value is the window's result, so this result says as
well whether relu let the element pass. The same bits, and relu's result need not be kept.
"""

from __future__ import annotations

from nnfast.graph.ir import Call, Graph, Value


def mask_pooled(graph: Graph) -> Graph:
    """relu_backward(max_pool2d_backward(dy, index), x), where y, index = max_pool2d(x), becomes
    max_pool2d_backward(relu_backward(dy, y), index)."""
    if not graph.calls_any("max_pool2d_backward"):
        return graph
    readers = graph.readers()
    changed = {v.memory for call in graph.calls for v in call.changed}
    pools: dict[Value | None, Call] = {}  # by their indices
    spread: dict[Value | None, int] = {}  # by the gradient: which call spreads it
    calls: list[Call] = []
    for call in graph.calls:
        if call.op.name == "max_pool2d" and changed.isdisjoint((*call.reads(), *call.writes())):
            pools.update((index, call) for index in call.outputs[1:])
        elif call.op.name == "max_pool2d_backward" and readers[call.outputs[0]] == 1:
            spread[call.outputs[0]] = len(calls)
        elif call.op.name == "relu_backward" and call.inputs[0] in spread:
            place = spread[call.inputs[0]]
            pool = pools.get(calls[place].inputs[1])
            if pool and pool.inputs[0] is call.inputs[1]:
                calls[place], call = _swapped(calls[place], call, pool.outputs[0])
        calls.append(call)
    return Graph(calls, graph.results)


def _swapped(spread: Call, mask: Call, y: Value) -> tuple[Call, Call]:
    """The mask, of a window's results, and what spreads what is left."""
    dy, index = spread.inputs
    small = Value(y.shape, y.dtype, like=y)
    return (
        Call(mask.op, [dy, y], [small], mask.attrs, where=mask.where),
        Call(spread.op, [small, index], mask.outputs, spread.attrs, where=spread.where),
    )
