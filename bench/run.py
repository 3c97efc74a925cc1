"""Runs subjects: the header, the peaks, a line as soon as a row is measured, the summary."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import harness, machine, report

SUBJECTS = {  # modules of this package; with cases(toy), figures(toy) or both
    "gemm": "matrix products",
    "conv": "convolution and its gradients",
    "memory": "memory-bound ops at three sizes",
    "small": "eager calls on 16 floats",
    "ops": "ops that the others do not have, forward and backward",
    "inference": "whole networks in evaluation mode",
    "steps": "training steps of whole networks",
    "loader": "a shuffled epoch of the data loader",
    "footprint": "first call and peak memory of training",
    "bits": "weights after many steps, with several numbers of threads",
    "process": "import, denormals, Python threads, idle CPU",
}


def measure(subjects: list[str], options: argparse.Namespace) -> report.Record:
    """Measure and print; returns what --json writes."""
    absent = {p: m for p in options.peers if (m := harness.missing(p))}
    libraries = ["nnfast", *(p for p in options.peers if p not in absent)]
    record: report.Record = {"header": header(libraries, options.isa), "peaks": {}, "figures": {}}
    record |= {"rows": [], "failed": []}
    for peer, modules in absent.items():
        record["header"][f"skipped: {peer}"] = f"{', '.join(modules)} not installed"
    for key, value in record["header"].items():
        print(f"{key}: {value}")
    for threads in options.threads:
        with harness.workers(libraries, threads, options.isa) as at:
            _measure_on(threads, at, subjects, options, record)
    print()
    for text in report.summary(record["rows"]):
        print(text)
    return record


def _measure_on(
    threads: int,
    at: Mapping[str, harness.Worker],
    subjects: list[str],
    options: argparse.Namespace,
    record: report.Record,
) -> None:
    isa = at["nnfast"].call(machine.isa)
    peak = at["nnfast"].call(machine.measure_peak)
    where = f"{isa}, threads {threads}"
    record["peaks"][where] = str(peak)
    print(f"\n{where}: {peak}")
    settings = harness.Settings.of(options.quick, options.toy)
    for subject in subjects:
        module = importlib.import_module(f"bench.{subject}")
        cases = [c for c in _cases(module, options) if options.filter in c.name]
        if cases:
            print(report.COLUMNS)
        for case in cases:
            try:
                row = {"threads": threads, "isa": isa, **_row(case, at, settings, peak)}
            except (harness.WorkerError, harness.WrongResult) as failure:
                record["failed"].append(f"{case.name}, {where}: {failure}")
                print(f"FAILED {record['failed'][-1]}", flush=True)
                continue
            record["rows"].append(row)
            print(report.line(row), flush=True)
        if hasattr(module, "figures"):
            for name, value in at["nnfast"].call(module.figures, options.toy).items():
                record["figures"][f"{name} ({where})"] = value
                print(f"{name}: {value:.3g}", flush=True)


def _cases(module: Any, options: argparse.Namespace) -> Iterator[harness.Case]:
    for case in module.cases(options.toy) if hasattr(module, "cases") else ():
        sides = {s: b for s, b in case.sides.items() if options.compile or s != "torch compile"}
        yield dataclasses.replace(case, sides=sides)


def _row(
    case: harness.Case,
    at: Mapping[str, harness.Worker],
    settings: harness.Settings,
    peak: machine.Peak,
) -> dict[str, Any]:
    """What was measured, and how near it is to the peak."""
    sides = harness.measure(case, at, settings)
    ours, moved = sides["nnfast"].time, case.reads + case.writes
    flops = peak.flops64 if case.is_double else peak.flops
    least = max(case.flops / flops, moved / peak.bandwidth(case.reads, case.writes))
    return {
        "group": case.group,
        "op": case.op,
        "shape": case.shape,
        "gflops": case.flops / ours / 1e9,
        "gbs": moved / ours / 1e9,
        "peak": least / ours,
        "sides": {side: dataclasses.asdict(s) for side, s in sides.items()},
    }


def header(libraries: list[str], isa: str = "") -> dict[str, str]:
    """Where the figures come from."""
    nnfast = importlib.import_module("nnfast")
    config = nnfast.config.config()
    versions = [f"{x} {importlib.metadata.version(x)}" for x in libraries if x != "nnfast"]
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "CPU": machine.cpu(),
        "Python": platform.python_version(),
        "ISA": f"{isa or nnfast._core.isa()} of {config['isas of this machine']}",
        "compiler": config["compiler"],
        "versions": ", ".join([f"nnfast {nnfast.__version__}", *versions]),
        "commit": git.stdout.strip() or "no git checkout",
    }
