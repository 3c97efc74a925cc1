"""Checks of constructor arguments, in the one form of errors."""

from __future__ import annotations

from operator import index
from typing import Any

from nnfast.errors import DTypeError, fail

Pair = int | tuple[int, int]


def whole(where: str, name: str, value: Any, least: int = 0) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool):
        fail(where, f"an integer {name}", repr(value), error=DTypeError)
    try:
        number = index(value)
    except TypeError:
        fail(where, f"an integer {name}", repr(value), error=DTypeError)
    if number < least:
        fail(where, f"{name} >= {least}", f"{name}={number}")
    return number


def pair(where: str, name: str, value: Any, least: int = 0) -> tuple[int, int]:
    """An int for both dimensions, or (height, width)."""
    if not isinstance(value, tuple | list):
        number = whole(where, name, value, least)
        return number, number
    if len(value) != 2:
        fail(where, f"{name} as an integer or (height, width)", repr(value))
    return whole(where, name, value[0], least), whole(where, name, value[1], least)


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
