"""python -m bench SUBJECT ...: measures and prints; see --help."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import harness, machine, report

SUBJECTS = ("gemm", "conv", "memory")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    top.add_argument("subject", choices=[*SUBJECTS, "all"])
    top.add_argument("--filter", default="", help="only rows with this in group, op or shape")
    top.add_argument("--threads", type=int, nargs="+", default=[1], help="default: 1")
    top.add_argument("--isa", default="", help="cap of nnfast's kernels, as NNFAST_ISA")
    top.add_argument("--peers", nargs="*", default=list(report.PEERS), help="default: all")
    top.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    top.add_argument("--toy", action="store_true", help="tiny shapes, to see that it works")
    top.add_argument("--json", metavar="FILE", help="write header and rows there")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = parser().parse_args(argv)
    absent = {p: m for p in options.peers if (m := harness.missing(p))}
    libraries = ["nnfast", *(p for p in options.peers if p not in absent)]
    info = header(libraries)
    for text in report.header(info):
        print(text)
    for peer, modules in absent.items():
        print(f"skipped: {peer} ({', '.join(modules)} not installed)")
    rows: list[dict[str, Any]] = []
    info["peaks"] = {}
    for threads in options.threads:
        with harness.workers(libraries, threads, options.isa) as at:
            peak = at["nnfast"].call(machine.measure_peak)
            isa = at["nnfast"].call(machine.describe)["isa"]
            text = peak_text(peak)
            info["peaks"][f"{isa}, {threads} threads"] = text
            print(f"\nthreads {threads}, {isa}: {text}\n{report.COLUMNS}")
            for case in selected(options):
                row = measured(case, at, harness.Settings.of(options.quick, options.toy), peak)
                row |= {"isa": isa, "threads": threads}
                rows.append(row)
                print(report.line(row), flush=True)
    print()
    for text in report.summary(rows):
        print(text)
    if options.json:
        Path(options.json).write_text(json.dumps({"header": info, "rows": rows}, indent=1))
    return 0


def selected(options: argparse.Namespace) -> Iterator[harness.Case]:
    """The cases of the subjects that pass --filter."""
    for subject in SUBJECTS if options.subject == "all" else (options.subject,):
        cases: Iterable[harness.Case] = importlib.import_module(f"bench.{subject}").cases(
            options.toy
        )
        yield from (c for c in cases if options.filter in c.name)


def measured(
    case: harness.Case,
    at: dict[str, harness.Worker],
    settings: harness.Settings,
    peak: machine.Peak,
) -> dict[str, Any]:
    """A row: what was measured, and how near that is to the peak."""
    sides = harness.measure(case, at, settings)
    ours = sides["nnfast"].time
    moved = case.reads + case.writes
    least = max(case.flops / peak.flops, moved / peak.bandwidth(case.reads, case.writes))
    return {
        "group": case.group,
        "op": case.op,
        "shape": case.shape,
        "gflops": case.flops / ours / 1e9,
        "gbs": moved / ours / 1e9,
        "peak": least / ours,
        "sides": {side: dataclasses.asdict(s) for side, s in sides.items()},
    }


def peak_text(peak: machine.Peak) -> str:
    """The peak in one line."""
    rates = ", ".join(
        f"{size >> 10} KiB {peak.read[size] / 1e9:.0f} {peak.copy[size] / 1e9:.0f}"
        for size in machine.SIZES
    )
    return (
        f"FMA {peak.flops / 1e9:.0f} GFLOP/s float32, {peak.flops64 / 1e9:.0f} float64; "
        f"read and copy, GB/s: {rates}"
    )


def header(libraries: list[str]) -> dict[str, Any]:
    """Where the figures come from."""
    versions = {}
    for library in libraries:
        versions[library] = importlib.metadata.version(library) if library != "nnfast" else ""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    nnfast = importlib.import_module("nnfast")
    versions["nnfast"] = nnfast.__version__
    return {
        "CPU": cpu_model(),
        "Python": platform.python_version(),
        "compiler": nnfast.config.config()["compiler"],
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
        "commit": git.stdout.strip() or "no git checkout",
    }


def cpu_model() -> str:
    """As the operating system calls it."""
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
