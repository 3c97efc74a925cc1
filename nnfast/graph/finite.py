"""The first bad number of a step: the step is run again and every instruction looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast.errors import NonFiniteError
from nnfast.graph.ir import Argument, Call, Captured, Gradient, Value
from nnfast.graph.where import path_of

if TYPE_CHECKING:
    from nnfast.graph.plan import Plan

_ROWS = 8  # of a batch that a message names


def blame(plan: Plan, arrays: tuple[np.ndarray, ...], step: int) -> NonFiniteError:
    """The error that says where a step of `plan` on these arrays first left the finite numbers.

    That is an instruction that made infinities or NaN of finite inputs; if there is none, they
    came from outside.
    """
    found: list[tuple[Call, list[Any], list[Any]]] = []

    def visit(i: int, inputs: list[Any], outputs: list[Any]) -> bool:
        bad = all(map(_finite, inputs)) and not all(map(_finite, outputs))
        if bad:
            found.append((plan.graph.calls[i], inputs, outputs))
        return bad

    plan.core.replay(arrays, visit)
    if found:
        return _made(*found[0], plan.modules, step)
    return _given(plan, arrays, plan.modules, step)


def _made(
    call: Call, inputs: list[Any], outputs: list[Any], roots: Any, step: int
) -> NonFiniteError:
    bad = next(y for y in outputs if not _finite(y))
    ranges = ", ".join(
        f"{name} {_range(x)}"
        for name, x in zip(call.op.inputs, inputs, strict=False)
        if x is not None
    )
    line = f" (called from {call.where.line})" if call.where and call.where.line else ""
    error = NonFiniteError(
        call.op.name,
        f"expected finite numbers in step {step}, got {_count(bad)} in the output of shape "
        f"{bad.shape}{_rows(bad)}{line}; the inputs: {ranges}. The update was skipped.",
        "look at the data of these rows, lower the learning rate, or clip the gradients.",
    )
    error.path = path_of(call.where.module, roots) if call.where else ""
    return error


def _given(plan: Plan, arrays: tuple[np.ndarray, ...], roots: Any, step: int) -> NonFiniteError:
    outside = [(v, v.source.tensor.array) for v in plan.captured]  # type: ignore[union-attr]
    outside += zip(plan.given, arrays, strict=False)
    bad = [(v, a) for v, a in outside if not _finite(a)]
    bad = [(v, a) for v, a in bad if not _is_mask(v, a)] or bad
    named = "; ".join(
        f"{source_of(v, roots)} of shape {v.shape}: {_count(a)}{_rows(a)}" for v, a in bad[:4]
    )
    return NonFiniteError(
        "compile",
        f"expected finite numbers in step {step}, got {named or 'others'}, before any arithmetic. "
        "The update was skipped.",
        "look at what was handed in.",
    )


def _is_mask(v: Value, a: Any) -> bool:
    """Whether it may well hold infinities: a buffer without NaN."""
    source = v.source
    return (
        isinstance(source, Captured) and not source.tensor.requires_grad and not np.isnan(a).any()
    )


def source_of(v: Value, roots: Any) -> str:
    """What a value from outside is called."""
    if isinstance(v.source, Captured):
        return name_of(v.source.tensor, roots)
    if isinstance(v.source, Gradient):
        return f"gradient of {name_of(v.source.leaf, roots)}"
    return f"argument {v.source.index}" if isinstance(v.source, Argument) else "rate or seed"


def name_of(tensor: Any, roots: Any) -> str:
    """The name of a parameter or buffer in one of the modules."""
    for root in roots:
        for named in (root.named_parameters(), root.named_buffers()):
            for name, t in named:
                if t is tensor:
                    return str(name)
    return "a tensor"


def _finite(a: Any) -> bool:
    return a is None or a.dtype.kind != "f" or bool(np.isfinite(a).all())


def _count(a: np.ndarray) -> str:
    nan, inf = int(np.isnan(a).sum()), int(np.isinf(a).sum())
    return " and ".join(f"{n} {what}" for n, what in ((nan, "NaN"), (inf, "infinite")) if n)


def _rows(a: np.ndarray) -> str:
    """Which rows of the first dimension, where there is one."""
    if a.ndim == 0 or a.shape[0] < 2:
        return ""
    rows = np.flatnonzero(~np.isfinite(a).all(axis=tuple(range(1, a.ndim))))
    more = ", ..." if len(rows) > _ROWS else ""
    return f" in rows {', '.join(map(str, rows[:_ROWS].tolist()))}{more}"


def _range(a: np.ndarray) -> str:
    if a.size == 0:
        return f"{a.shape}"
    return f"{a.shape} from {a.min():.6g} to {a.max():.6g}"
