"""Checks of constructor arguments, in the one form of errors."""

from __future__ import annotations

from typing import Any, TypeAlias

from nnfast.errors import DTypeError, fail
from nnfast.ops.window import is_integer

Pair: TypeAlias = int | tuple[int, int]  # for both dimensions, or (height, width)


def whole(where: str, name: str, value: Any, least: int = 0) -> int:
    """`value` as an int of at least `least`."""
    if not is_integer(value):
        fail(where, f"an integer {name}", repr(value), error=DTypeError)
    if value < least:
        fail(where, f"{name} >= {least}", f"{name}={value}")
    return int(value)


def number(where: str, name: str, value: Any, least: float, most: float) -> float:
    """`value` as a float from `least` to `most`; NaN is refused."""
    try:
        x = float(value)
    except (TypeError, ValueError):
        fail(where, f"a number as {name}", repr(value), error=DTypeError)
    if not least <= x <= most:
        fail(where, f"{name} from {least:g} to {most:g}", f"{name}={value}")
    return x


def one_of(where: str, name: str, value: Any, *choices: str) -> str:
    """`value` if it is one of `choices`."""
    if value not in choices:
        fail(where, f"{name} one of {', '.join(map(repr, choices))}", repr(value))
    return str(value)
