"""Measure nnfast side by side with NumPy, PyTorch, JAX and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench import compare, report, run


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = top.add_subparsers(dest="subject", required=True, metavar="subject")
    for subject, what in (run.SUBJECTS | {"all": "all of them"}).items():
        sub = commands.add_parser(subject, help=what, description=what)
        sub.set_defaults(command=measure)
        add = sub.add_argument
        add("--filter", default="", help="only rows with this text in their group, op or shape")
        add("--threads", type=int, nargs="+", default=[1], help="numbers of threads; default: 1")
        add("--isa", default="", help="cap of nnfast's kernels, as NNFAST_ISA")
        add("--peers", nargs="*", choices=report.PEERS, default=report.PEERS, help="default: all")
        add("--compile", action="store_true", help="torch.compile too: up to a minute for a row")
        add("--quick", action="store_true", help="fewer and shorter rounds")
        add("--toy", action="store_true", help="tiny shapes, to see that it works")
        add("--json", type=Path, metavar="FILE", help="write header and rows there")
    sub = commands.add_parser("compare", help="two --json files, row by row")
    sub.add_argument("before", type=Path)
    sub.add_argument("after", type=Path)
    sub.set_defaults(command=lambda o: compare.show(load(o.before), load(o.after)))
    sub = commands.add_parser("report", help="write --json files as one Markdown page")
    sub.add_argument("files", type=Path, nargs="+")
    sub.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    sub.set_defaults(command=lambda o: write(o.output, report.markdown([load(f) for f in o.files])))
    return top


def write(file: Path, text: str) -> None:
    """Write a text file."""
    file.write_text(text)


def load(file: Path) -> report.Record:
    """What --json wrote."""
    try:
        record: report.Record = json.loads(file.read_text())
        return record if "rows" in record else unusable(file, "no rows in it")
    except (OSError, ValueError, TypeError) as error:
        unusable(file, getattr(error, "strerror", "") or "no such text in it")


def unusable(file: Path, why: str) -> NoReturn:
    """End with the one line that says what is wrong."""
    sys.exit(
        f"bench: expected a file that --json wrote, got {file}: {why}. "
        "Hint: first `python -m bench SUBJECT --json FILE`."
    )


def measure(options: argparse.Namespace) -> int:
    """Run a subject, print its rows, write them; 1 if nnfast failed at one."""
    subjects = list(run.SUBJECTS) if options.subject == "all" else [options.subject]
    record = run.measure(subjects, options)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if record["failed"] else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parser().parse_args(argv)
    return int(options.command(options) or 0)


if __name__ == "__main__":
    sys.exit(main())
