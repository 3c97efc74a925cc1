"""A plan as text: its instructions, their arrays, and the memory that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nnfast.graph.ir import Call, Value

if TYPE_CHECKING:
    from nnfast.graph.plan import Plan


_SHOWN = 8  # arrays of a call


class Memory(NamedTuple):
    """Bytes that a plan touches."""

    captured: int  # parameters, moments, running statistics: they live outside
    arguments: int  # and small arrays that are made before each run
    arena: int  # everything in between
    workspace: int  # of the kernel that needs most, with the present number of threads
    results: int  # new with each run

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def memory(plan: Plan) -> Memory:
    """What a plan needs, known before its first run."""
    return Memory(
        sum(v.nbytes for v in plan.captured),
        sum(v.nbytes for v in plan.given),
        plan.arena,
        plan.core.workspace(),
        sum(v.nbytes for v in plan.graph.results),
    )


def explain(plan: Plan) -> str:
    """One line an instruction; after timed runs with the mean time and share of each."""
    seconds = plan.seconds / max(plan.timed_runs, 1)
    lines = []
    for number, (call, time) in enumerate(zip(plan.graph.calls, seconds, strict=True)):
        line = f"{number:4}  {_text(call):70}  {_size(_bytes(call)):>10}"
        if plan.timed_runs:
            line += f"  {time * 1e6:10.1f} us  {time / max(seconds.sum(), 1e-12):6.1%}"
        lines.append(line)
    use = memory(plan)
    parts = ", ".join(f"{name} {_size(n)}" for name, n in zip(use._fields, use, strict=True))
    lines.append(f"{len(lines)} instructions; {parts}; total {_size(use.total)}")
    return "\n".join(lines)


def _text(call: Call) -> str:
    inputs = _shapes(call.inputs)
    outputs = _shapes(call.outputs)
    arrow = "changes" if call.changed else "->"
    return f"{call.op.name}({inputs}) {arrow} {outputs}"


def _shapes(values: Sequence[Value | None]) -> str:
    shown = ["-" if v is None else "x".join(map(str, v.shape)) or "1" for v in values[:_SHOWN]]
    return ", ".join(shown) + (f" ... {len(values)} arrays" if len(values) > _SHOWN else "")


def _bytes(call: Call) -> int:
    """Read and written."""
    made = [] if call.changed else call.outputs
    return sum(v.nbytes for v in (*call.inputs, *made, *call.changed) if v is not None)


def _size(nbytes: int) -> str:
    if nbytes < 1024:
        return f"{nbytes} B"
    return f"{nbytes / 1024:,.1f} KiB" if nbytes < 1 << 20 else f"{nbytes / (1 << 20):,.1f} MiB"
