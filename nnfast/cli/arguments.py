"""Types of command-line arguments, with messages that say what is expected."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def positive(kind: type[int]) -> Callable[[str], int]:
    """A number above 0."""

    def parse(text: str) -> int:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if value <= 0:
            raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
        return value

    return parse


def fraction(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, got '{text}'")
    return value
