"""Calls in the order of memory: what an op of transposed inputs leaves, lies as they do.

The core says for which calls that is so, and in which order (csrc/ops/order.h); eager calls do the
same. In a graph such a call has views of its inputs whose dimensions stand in that order, mostly
the memory itself; what the function gets is a view of what the call makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast import _core
from nnfast.graph.ir import Source, Value, dense_strides
from nnfast.tensor import KERNEL_DTYPES

if TYPE_CHECKING:
    from nnfast.ops.record import Op

Order = Sequence[int]
_MAP, _NO_PARAMETERS = _core.ops()["relu"][0], bytes(16)  # any map will do: they turn as they come


def memory_order(
    op: Op[Any], packed: bytes, inputs: Sequence[Value | None], shape: tuple[int, ...]
) -> tuple[Order, Order, bytes] | None:
    """The orders of inputs and outputs, and the attributes; None if the call runs as it is."""
    layouts = [None if v is None else (v.shape, v.byte_strides()) for v in inputs]
    return _core.memory_order(op.id, packed, layouts, shape)


def order_of(array: np.ndarray) -> tuple[int, ...] | None:
    """The order of an array's dimensions in memory; None if it is C's, or kernels do not see it."""
    if array.flags.c_contiguous or array.dtype not in KERNEL_DTYPES:
        return None
    layout = (array.shape, array.strides)
    turned = _core.memory_order(_MAP, _NO_PARAMETERS, [layout], array.shape)
    return None if turned is None else tuple(turned[0])


class Turned(dict[tuple[Value, tuple[int, ...]], Value]):
    """Values with their dimensions in another order, each once, so that passes see it is one."""

    def of(self, value: Value, order: Order) -> Value:
        """The view of a value; the memory itself if it lies so. Dimensions it lacks are 1."""
        key = value, tuple(order)
        found = self.get(key)
        if found is None:
            found = self[key] = self._view(value, order)
        return found

    @staticmethod
    def _view(value: Value, order: Order) -> Value:
        lacks = len(order) - len(value.shape)
        shape, strides = (1,) * lacks + value.shape, (0,) * lacks + value.byte_strides()
        view = Value(
            tuple([shape[d] for d in order]), value.dtype, value.memory, value.offset,
            tuple([strides[d] for d in order]),
        )  # fmt: skip
        root = value.memory
        whole = view.shape == root.shape and not view.offset and root.strides is None
        return root if whole and view.is_dense() else view


def made(
    shape: tuple[int, ...], dtype: Any, order: Order, source: Source | None = None
) -> tuple[Value, Value]:
    """What a call in that order makes, or comes from that source, and the view of that shape."""
    there = Value(tuple([shape[d] for d in order]), np.dtype(dtype), source=source)
    if list(order) == sorted(order):
        return there, there
    steps = dense_strides(there.shape, there.dtype.itemsize)
    strides = tuple([steps[list(order).index(d)] for d in range(len(order))])
    return there, Value(shape, there.dtype, there, 0, strides)
