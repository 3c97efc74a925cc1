"""What follows a matrix product or convolution is done to each tile while it is in cache.

y = activation(product + bias + residual), in the order and with the functions of the calls that
it replaces: the same bits. A product is fused with what reads it only if nobody else does.
"""

from __future__ import annotations

import struct

from nnfast.graph.ir import Call, Graph, Value, algorithm

_ACTIVATIONS = {"relu": 1, "leaky_relu": 2, "sigmoid": 3, "tanh": 4, "gelu": 5}  # as Activation
_PARAMETERS = struct.Struct("2d")  # of a map; the first is the slope of leaky_relu
_BIAS, _RESIDUAL = 2, 3  # inputs of a product


def fuse_epilogues(graph: Graph) -> Graph:
    """Activations, biases and residuals become part of the product before them."""
    readers = graph.readers()
    calls: list[Call | None] = []
    products: dict[Value, int] = {}  # by the memory that they fill: where they stand
    for call in graph.calls:
        for x in dict.fromkeys(call.inputs):
            if x is None or x.memory not in products or readers[x.memory] > 1:
                continue
            place = products[x.memory]
            product = calls[place]
            fused = None if product is None else _fused(product, call, x)
            if fused is not None and _may_wait(fused, calls[place + 1 :]):
                calls[place], call = None, fused
                break
        if _is_product(call):
            products[call.outputs[0].memory] = len(calls)
        calls.append(call)
    return Graph([c for c in calls if c is not None], graph.results)


def _is_product(call: Call) -> bool:
    """Whether it has tiles to do more with, and is faster so.

    Convolutions that read the image where it lies, or by Winograd's algorithm, lose more than a
    pass of its own costs (measured). They also begin their sums with the bias.
    """
    name, shape = call.op.name, call.outputs[0].shape
    if name != "conv2d":
        return name in ("linear", "matmul") and len(shape) == 2
    attrs = call.op.unpack(call.attrs)  # type: ignore[union-attr]
    return len(shape) == 4 and attrs.groups == 1 and algorithm(call) in ("gemm", "channels")


def _may_wait(product: Call, others: list[Call | None]) -> bool:
    """Whether a product finds its inputs unchanged after these calls."""
    reads = set(product.reads())
    return not any(v.memory in reads for c in others if c is not None for v in c.changed)


def _fused(product: Call, reader: Call, x: Value) -> Call | None:
    """The product with what its reader does to x, its output; None if a tile cannot do that."""
    made, y = product.outputs[0], reader.outputs[0]
    same = x.shape == y.shape and x.dtype == y.dtype and x.nbytes == made.nbytes and x.is_dense()
    attrs = product.op.unpack(product.attrs)  # type: ignore[union-attr]
    if reader.changed or not same or attrs.activation:
        return None
    inputs = [*product.inputs, None, None][:4]
    if reader.op.name in _ACTIVATIONS:
        slope = _PARAMETERS.unpack(reader.attrs)[0]
        attrs = attrs._replace(activation=_ACTIVATIONS[reader.op.name], slope=slope)
    elif reader.op.name != "add" or not _add(inputs, made, reader, x):
        return None
    packed = product.op.pack(attrs)  # type: ignore[union-attr]
    out = _reshaped(y, made.shape, made)
    return product._replace(inputs=inputs, outputs=[out], attrs=packed, where=reader.where)


def _add(inputs: list[Value | None], made: Value, reader: Call, x: Value) -> bool:
    """Make what the reader adds to x the residual or bias among the inputs, if it can be that."""
    other = next((v for v in reader.inputs if v is not x), None)
    if other is None or other.dtype != made.dtype or not other.is_dense():
        return False
    if other.memory is made.memory:  # a view of the product itself
        return False
    channels = made.shape[1]
    if inputs[_RESIDUAL] is None and other.shape == x.shape:
        inputs[_RESIDUAL] = _reshaped(other, made.shape, made)
    elif inputs[_BIAS] is None and inputs[_RESIDUAL] is None and _is_bias(other, made.shape):
        inputs[_BIAS] = _reshaped(other, (channels,))
    else:
        return False
    return True


def _is_bias(v: Value, shape: tuple[int, ...]) -> bool:
    """Whether it is one number for each column of a matrix, or each channel of an image."""
    padded = (1,) * (len(shape) - len(v.shape)) + v.shape
    return padded == (1, shape[1], *(1 for _ in shape[2:]))


def _reshaped(v: Value, shape: tuple[int, ...], like: Value | None = None) -> Value:
    """A dense value in another shape, that of `like` if it is given."""
    return v if v.shape == shape else Value(shape, v.dtype, v.memory, v.offset, like=like)
