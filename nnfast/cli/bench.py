"""Measure nnfast side by side with other libraries; needs a checkout of the source."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import nnfast
from nnfast.errors import fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever `python -m bench` takes."""
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        help="of python -m bench: a subject and its options; see `nnfast bench gemm -h`",
    )


def run(arguments: argparse.Namespace) -> None:
    """Hand the arguments to the bench of the checkout."""
    sys.path.append(str(_checkout()))  # last: bench runs the installed nnfast
    if importlib.import_module("bench.__main__").main(arguments.arguments):
        fail("bench", "right results in every row", "rows that failed")


def _checkout() -> Path:
    """The folder that nnfast was imported from, or the current one, if it holds the bench."""
    for folder in (Path(nnfast.__file__).parents[1], Path.cwd()):
        if (folder / "bench" / "__main__.py").exists():
            return folder
    fail(
        "bench",
        "the folder bench/ beside the package or in the current folder",
        "none",
        "the bench is not part of the installed package: run it in a checkout of nnfast, with "
        'pip install -e ".[bench]".',
    )
