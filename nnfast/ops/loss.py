"""What losses share: one number per sample or element, then their mean or sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.graph.trace import on_values
from nnfast.ops.elementwise import broadcast_shape, cast
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import mean, sum
from nnfast.ops.softmax import check_reduction
from nnfast.tensor import Tensor, float32, float64


def _reduce(loss: Tensor, reduction: str, count: Tensor | None = None) -> Tensor:
    """`loss` reduced; the mean is over `count` if it is given."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    return mean(loss) if count is None else sum(loss) / count


def _check_no_nan(name: str, target: Tensor) -> None:
    def check(values: np.ndarray) -> None:
        if values.size and np.isnan(values.min()):
            fail(name, "a target without NaN", "NaN", target=values)

    on_values(target, check)


def _same_shape(name: str, input: Any, target: Any, reduction: str) -> tuple[Tensor, Tensor]:
    """Both as tensors of one shape, target of a float dtype; checks the reduction too."""
    x, t = as_tensor(input, name), as_tensor(target, name)
    if x.dtype not in (float32, float64):
        fail(name, "float32 or float64 input", str(x.dtype), error=DTypeError, input=x)
    if x.shape != t.shape:
        fail(
            name,
            f"a target of input's shape {x.shape}",
            f"{t.shape}",
            "reshape one of them; losses do not broadcast.",
            input=x,
            target=t,
        )
    check_reduction(name, reduction, x.array.size)
    return x, t if t.array.dtype.kind == "f" else cast(t, x.dtype)


def _weighted(name: str, loss: Tensor, what: str, weight: Any) -> Tensor:
    """`weight` as a tensor that broadcasts to the shape of the losses."""
    w = as_tensor(weight, name)
    if broadcast_shape(name, loss, w) != loss.shape:
        fail(name, f"{what} that broadcasts to {loss.shape}", f"{w.shape}")
    return w
