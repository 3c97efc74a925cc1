"""A plan as text: its instructions, their arrays, and the memory that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nnfast.errors import MemoryLimitError
from nnfast.graph.cost import bytes_of, flops_of
from nnfast.graph.finite import name_of
from nnfast.graph.ir import Call, Value, algorithm
from nnfast.graph.memory import need
from nnfast.graph.where import path_of

if TYPE_CHECKING:
    from nnfast.graph.plan import Plan

_SHOWN = 8  # arrays of a call


class Memory(NamedTuple):
    """Bytes that a plan touches, known before its first run."""

    weights: int  # captured tensors that require gradients
    state: int  # other captured ones (moments, running statistics), and what is made of them once
    arguments: int  # and small arrays that are made before each run
    gradients: int  # that updates are made with
    activations: int  # everything else in between: what of it lives at the same time
    workspace: int  # of the kernel that needs most, with the present number of threads
    results: int  # new with each run
    arena: int  # where gradients and activations lie: the largest plan of a function says how much

    @property
    def total(self) -> int:
        """All of them, each once."""
        return sum(self[:-1])


def memory(plan: Plan) -> Memory:
    """What a plan needs, known before its first run."""
    captured = [(v.nbytes, v.source.tensor.requires_grad) for v in plan.captured]  # type: ignore
    weights = sum(n for n, wanted in captured if wanted)
    gradients = sum(v.nbytes for v in plan.watched if v.memory in plan.blocks and v.shape)
    used = plan.arena if plan.base is plan else need(plan.blocks)
    return Memory(
        weights,
        sum(n for n, _ in captured) - weights + plan.kept,
        sum(v.nbytes for v in plan.given),
        min(gradients, used),
        max(used - gradients, 0),
        plan.core.workspace(),
        sum(v.nbytes for v in plan.graph.results),
        plan.arena,
    )


def check_limit(plan: Plan, limit: int) -> None:
    """Raise MemoryLimitError, with the largest arrays by name, if a plan needs more."""
    use = memory(plan)
    if use.total <= limit:
        return
    arrays: dict[Value, str] = {}
    for v in plan.captured:
        arrays[v] = name_of(v.source.tensor, plan.modules)  # type: ignore[union-attr]
    for call in plan.graph.calls:
        path = path_of(call.where.module, plan.modules) if call.where else ""
        for v in call.outputs:
            arrays.setdefault(v.memory, f"{path} {call.op.name}".strip())
    largest = sorted(arrays, key=lambda v: -v.nbytes)[:5]
    named = ", ".join(f"{arrays[v]} {_shape(v)} {_size(v.nbytes)}" for v in largest)
    raise MemoryLimitError(
        "compile",
        f"expected a plan of at most {_size(limit)}, got one of {_size(use.total)} "
        f"({_parts(use)}); its largest arrays: {named}.",
        "use a smaller batch or model.",
    )


def explain(plan: Plan) -> str:
    """One line an instruction, with the algorithm of a convolution, bytes and operations; after
    timed runs with mean time, share, GFLOP/s and GB/s of each."""
    seconds = plan.core.seconds / max(plan.core.timed_runs, 1)
    lines = []
    for number, (call, time) in enumerate(zip(plan.graph.calls, seconds, strict=True)):
        nbytes, flops = bytes_of(call), flops_of(call)
        text = f"{_text(call)} {algorithm(call)}"
        line = f"{number:4}  {text:70}  {_size(nbytes):>10}  {flops / 1e6:9.3f} MFLOP"
        if plan.core.timed_runs and number < plan.graph.prologue:
            line += "  once"
        elif plan.core.timed_runs:
            time = max(time, 1e-12)
            line += f"  {time * 1e6:10.1f} us  {time / max(seconds.sum(), 1e-12):6.1%}"
            line += f"  {flops / time / 1e9:7.1f} GFLOP/s  {nbytes / time / 1e9:6.1f} GB/s"
        lines.append(line)
    use = memory(plan)
    lines.append(f"{len(lines)} instructions; {_parts(use)}; total {_size(use.total)}")
    return "\n".join(lines)


def _parts(use: Memory) -> str:
    return ", ".join(f"{name} {_size(n)}" for name, n in zip(use._fields, use, strict=True))


def _text(call: Call) -> str:
    inputs = _shapes(call.inputs)
    outputs = _shapes(call.outputs)
    arrow = "changes" if call.changed else "->"
    return f"{call.op.name}({inputs}) {arrow} {outputs}"


def _shape(v: Value | None) -> str:
    return "-" if v is None else "x".join(map(str, v.shape)) or "1"


def _shapes(values: Sequence[Value | None]) -> str:
    shown = [_shape(v) for v in values[:_SHOWN]]
    return ", ".join(shown) + (f" ... {len(values)} arrays" if len(values) > _SHOWN else "")


def _size(nbytes: int) -> str:
    if nbytes < 1024:
        return f"{nbytes} B"
    return f"{nbytes / 1024:,.1f} KiB" if nbytes < 1 << 20 else f"{nbytes / (1 << 20):,.1f} MiB"
