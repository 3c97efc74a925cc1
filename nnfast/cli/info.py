"""Show version, instruction set, threads and compiler."""

from __future__ import annotations

import argparse

from nnfast.config import show_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(arguments: argparse.Namespace) -> None:
    """Print the configuration."""
    show_config()
