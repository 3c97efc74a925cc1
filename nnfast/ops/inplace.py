"""Changes in place.

Where no gradient is recorded, the new values are written into the memory of the tensor, and who
shares it sees them; nodes that saved values in that memory refuse to be used. Where one is
recorded, or a function that is traced made the tensor, the memory stays as it is, for those nodes:
the tensor takes on another array and another history. That is the same for everybody, unless
somebody shares its memory, so then it is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast import _core
from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.mode import MODE, tracing
from nnfast.ops.elementwise import cast
from nnfast.ops.operands import as_tensor
from nnfast.tensor import Tensor, wrap

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def change(name: str, x: Tensor, compute: Callable[[Tensor], Any]) -> Tensor:
    """x becomes compute(x), in place; returns x."""
    if not isinstance(x, Tensor):
        fail(name, "a tensor", type(x).__name__, error=DTypeError)
    if x.requires_grad and x.node is None and MODE.grad:
        raise StateError(
            name,
            f"expected a tensor without gradient, or a result of an op, got a leaf of shape "
            f"{x.shape} that requires gradients.",
            "change it under no_grad(), or compute a new tensor.",
        )
    before = _before(x)
    trace = tracing()
    since = 0 if trace is None else len(trace.graph.calls)
    y = as_tensor(compute(before), name)
    holders = 2 + (sys.getrefcount(before) > 2)  # of x.array: x, this call, a node that saved it
    del before
    if y.shape != x.shape:
        fail(name, f"a result of shape {x.shape}, to be written in place", f"shape {y.shape}")
    if _RANK[y.dtype.kind] > _RANK[x.dtype.kind]:
        got = f"{y.dtype} to be written to {x.dtype}"
        fail(name, "a result of the tensor's kind", got, "convert it first.", DTypeError)
    if y.dtype != x.dtype:
        y = cast(y, x.dtype)
    if trace is not None or (MODE.grad and (x.requires_grad or y.requires_grad)):
        return _become(name, x, y, holders, since)
    return write(name, x, y.array)


def _before(x: Tensor) -> Tensor:
    """x as it is now: what nodes save."""
    old = wrap(x.array)
    if (trace := tracing()) is not None and trace.is_outside(x):
        trace.alias(old, x)
    old.node, old.slot, old.requires_grad = x.node, x.slot, x.requires_grad
    return old


def write(name: str, x: Tensor, values: Any) -> Tensor:
    """Values of x's shape, or a number, into the memory of x."""
    written(name, x)
    np.copyto(x.array, values, casting="unsafe")
    x._version += 1
    return x


def written(name: str, x: Tensor) -> None:
    """The memory of x is about to be written to."""
    if not x.array.flags.writeable:
        fail(name, "writable memory", "read-only memory", "use x.clone().", StateError, x=x)
    _core.note_write(x.array)


def _become(name: str, x: Tensor, y: Tensor, holders: int, since: int) -> Tensor:
    """x takes on the array of y and, where histories are recorded, the history of y.

    `since`: the call of a trace with which y was begun.
    """
    alone = sys.getrefcount(x.array) <= holders
    if (trace := tracing()) is not None:
        recorded = MODE.grad and (x.requires_grad or y.requires_grad)
        if not recorded and trace.is_outside(x) and trace.assign(x, y, since):
            return x
        if not recorded and alone and trace.assign_part(x, y, since):
            return x
        if not (alone and trace.owns(x)):
            raise trace.give_up(f"{name} changes a tensor of shape {x.shape} that others see")
    elif not alone or x.array.base is not None:
        raise StateError(
            name,
            f"expected a tensor with memory of its own, got one of shape {x.shape} that shares it "
            "with a view or with what an op saved, whose gradient would be wrong.",
            "compute a new tensor: x = x + y instead of x += y.",
        )
    x.array = y.array
    if MODE.grad:
        x.node, x.slot, x.requires_grad = y.node, y.slot, y.requires_grad
    x._version += 1
    return x
