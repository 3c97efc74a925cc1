"""The graph of a plan as a picture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from nnfast.errors import FormatError, fail
from nnfast.graph.finite import source_of
from nnfast.graph.ir import Value
from nnfast.graph.where import path_of

if TYPE_CHECKING:
    from nnfast.graph.plan import Plan


_SUFFIXES = (".svg", ".png", ".pdf", ".dot")


def draw(plan: Plan, path: str | Path) -> Path:
    """Write the graph of a plan; see `Plan.draw`."""
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        fail("draw", f"a path that ends in {', '.join(_SUFFIXES)}", f"'{target.name}'")
    text = dot(plan)
    program = shutil.which("dot")
    if target.suffix == ".dot" or program is None:
        target = target.with_suffix(".dot")
        target.write_text(text)
        return target
    kind = target.suffix[1:]
    done = subprocess.run([program, f"-T{kind}"], input=text.encode(), capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise FormatError("draw", f"expected a picture from {program}, got: {said}")
    target.write_bytes(done.stdout)
    return target


def dot(plan: Plan) -> str:
    """The graph in the language of graphviz: boxes are instructions, ellipses come from outside."""
    lines = ["digraph plan {", "  node [shape=box, fontname=sans, fontsize=10];"]
    makers: dict[Value, str] = {}
    for i, value in enumerate((*plan.captured, *plan.given)):
        makers[value] = f"v{i}"
        lines.append(
            f"  v{i} [shape=ellipse, label={_quoted(source_of(value, plan.modules), value)}];"
        )
    for i, call in enumerate(plan.graph.calls):
        place = path_of(call.where.module, plan.modules) if call.where else ""
        name = f"{i} {call.op.name}" + (f"\n{place}" if place else "")
        lines.append(f"  c{i} [label={_quoted(name, *call.outputs[:1])}];")
        for v in dict.fromkeys(call.reads()):
            if v in makers:
                lines.append(f"  {makers[v]} -> c{i};")
        for v in call.outputs:
            makers[v.memory] = f"c{i}"
    for i, value in enumerate(plan.graph.results):
        lines.append(f"  r{i} [shape=ellipse, label={_quoted(f'result {i}', value)}];")
        lines.append(f"  {makers[value]} -> r{i};")
    return "\n".join([*lines, "}\n"])


def _quoted(text: str, *values: Value) -> str:
    shapes = "\n".join("x".join(map(str, v.shape)) or "1" for v in values)
    escaped = f"{text}\n{shapes}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
