"""Reductions: many elements to one."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, computed, op
from nnfast.tensor import wrap


@op(methods=("sum",))
def sum(input: Operand, dim: Any = None, keepdim: bool = False) -> Result:
    """Sum over dimensions."""
    axis = tuple(range(input.ndim)) if dim is None else tuple(np.atleast_1d(dim))
    keep = np.sum(input.array, axis=axis, keepdims=keepdim)
    return computed(lambda a: np.sum(a, axis=axis, keepdims=keepdim), keep.shape, input.dtype)


sum.vjp(input=lambda dy, input_shape: dy + wrap(np.zeros(input_shape, dy.dtype)))
