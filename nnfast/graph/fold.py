"""Batch normalization in evaluation becomes part of the weights of the product before it.

(x w + b - mean) s + beta = x (w s) + (b - mean) s + beta, s = weight / sqrt(var + eps). That rounds
otherwise than a normalization of its own, by a few ulp of the largest terms.
"""

from __future__ import annotations

import numpy as np

from nnfast.graph.hoist import constants
from nnfast.graph.ir import Call, Captured, Graph, Value
from nnfast.tensor import wrap


def fold_batch_norm(graph: Graph) -> Graph:
    """Scale the weights of convolutions and linear layers that a batch norm follows.

    Only where all of them are captured and stay as they are: the new weights are made once.
    """
    if not graph.calls_any("batch_norm_eval"):
        return graph
    is_constant = constants(graph)
    readers = graph.readers()
    calls: list[Call] = []
    products: dict[Value, Call] = {}  # by their output
    for call in graph.calls:
        x = call.inputs[0] if call.inputs else None
        if call.op.name == "batch_norm_eval" and x in products and readers[x] == 1:
            product = products[x]
            if all(map(is_constant, (*call.inputs[1:], *product.inputs[1:]))):
                calls.remove(product)
                calls += _folded(product, call)
                continue
        if call.op.name in ("conv2d", "linear") and not any(call.inputs[3:]):
            products[call.outputs[0]] = call
        calls.append(call)
    return Graph(calls, graph.results)


def _folded(product: Call, norm: Call) -> list[Call]:
    from nnfast.ops.record import OPS

    calls: list[Call] = []

    def apply(name: str, *inputs: Value) -> Value:
        shape = np.broadcast_shapes(*(v.shape for v in inputs))
        y = Value(shape, inputs[0].dtype)
        calls.append(Call(OPS[name], list(inputs), [y], OPS[name].pack(None)))
        return y

    x, w, b = (*product.inputs, None)[:3]
    _, mean, var, weight, beta = norm.inputs
    assert w is not None and mean is not None and var is not None
    eps: float = norm.op.unpack(norm.attrs).eps  # type: ignore[union-attr]
    root = apply("sqrt", apply("add", var, _number(eps, var)))
    scale = apply("div", _number(1.0, var) if weight is None else weight, root)
    column = Value((*scale.shape, *(1 for _ in w.shape[1:])), scale.dtype, scale)
    shift = apply("neg", mean) if b is None else apply("sub", b, mean)
    shift = apply("mul", shift, scale)
    shift = shift if beta is None else apply("add", shift, beta)
    inputs = [x, apply("mul", w, column), shift]
    calls.append(Call(product.op, inputs, norm.outputs, product.attrs, where=norm.where))
    return calls


def _number(x: float, like: Value) -> Value:
    return Value((), like.dtype, source=Captured(wrap(np.array(x, like.dtype))))
