"""Shape: views of the same elements, and the gather and scatter that indexing needs."""

from __future__ import annotations

from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Result, op, view


@op(methods=("reshape", "view"))
def reshape(input: AnyTensor, *shape: int) -> Result:
    """The same elements in another shape."""
    new = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    return view(lambda a: a.reshape(new), input.array.reshape(new).shape, input)


reshape.vjp(input=lambda dy, input_shape: dy.reshape(input_shape))
