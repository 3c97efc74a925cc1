"""The command `nnfast`: train, predict, info, bench."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nnfast.cli import bench, info, predict, train
from nnfast.errors import NNFastError


def parser() -> argparse.ArgumentParser:
    """The command line, one module a subcommand."""
    top = argparse.ArgumentParser(
        prog="nnfast", description="Train and run neural networks on an ordinary CPU."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for module in (train, predict, info, bench):
        name = module.__name__.rpartition(".")[2]
        doc = (module.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=doc, description=doc)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 for an error, 130 when interrupted."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (NNFastError, OSError) as error:
        print(f"nnfast {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"nnfast {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return 0
