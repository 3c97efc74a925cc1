"""What a call costs: bytes that it moves, floating-point operations that it does."""

from __future__ import annotations

from math import prod

from nnfast.graph.ir import Call


def bytes_of(call: Call) -> int:
    """Read and written, each array once."""
    made = [] if call.changed else call.outputs
    return sum(v.nbytes for v in (*call.inputs, *made, *call.changed) if v is not None)


def flops_of(call: Call) -> int:
    """Additions and multiplications of products, by the direct algorithm; else one an element.

    A chain does one for each of its maps, a function such as exp counts as one.
    """
    name, shapes = call.op.name, [v.shape for v in call.inputs if v is not None]
    size = max((prod(v.shape) for v in call.outputs), default=0)
    if name in ("linear", "matmul"):
        return 2 * size * shapes[0][-1]
    if name == "conv2d":
        return 2 * size * _terms(call)
    if name == "conv2d_input":  # each pixel of dy and tap of the weight
        return 2 * prod(shapes[0]) * prod(shapes[1][1:])
    if name == "conv2d_weight":
        return 2 * prod(shapes[0]) * prod(call.outputs[0].shape[1:])
    if name.startswith("chain["):
        return size * len(name.split())
    return max(size, *(prod(s) for s in shapes), 0)


def _terms(call: Call) -> int:
    """Products in an element of a convolution, whatever form its weight has."""
    x, w = (v.shape for v in call.inputs[:2] if v is not None)
    attrs = call.op.unpack(call.attrs)  # type: ignore[union-attr]
    return x[-3] // attrs.groups * (attrs.transformed**2 or prod(w[2:]))
