"""Where in the user's program an instruction comes from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfast import _core

if TYPE_CHECKING:
    from nnfast.nn.module import Module

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class Where(NamedTuple):
    """The innermost module that was being called, and the line of the user's that led there."""

    module: Module | None
    line: str  # "train.py:12"


class _Files(dict[str, str | None]):
    """Names of the user's files by their paths; "" for ours, None for that where tracing begins."""

    def __missing__(self, path: str) -> str:
        name = self[path] = "" if path.startswith(_PACKAGE) else os.path.basename(path)
        return name


_FILES = _Files({os.path.join(os.path.dirname(__file__), "entry.py"): None})


def search() -> tuple[Any, ...]:
    """What the core finds a place with, in the frames of the interpreter: csrc/bind/where.h."""
    return Where, _call(), _FILES


def in_line() -> str:
    """The user's line that is being traced, as the end of a sentence; "" if none is known."""
    file, line = _core.line_of(_FILES)
    return f", in {file}:{line}" if line else ""


def in_line_of(error: BaseException) -> str:
    """The innermost line of the user's that an error came through, as `in_line`."""
    found, step = "", error.__traceback__
    while step is not None:
        if file := _FILES[step.tb_frame.f_code.co_filename]:
            found = f", in {file}:{step.tb_lineno}"
        step = step.tb_next
    return found


@cache
def _call() -> CodeType:
    from nnfast.nn.module import Module

    return Module.__call__.__code__


def path_of(module: Module | None, roots: Iterable[Module]) -> str:
    """The dotted path of a module in the first root that holds it."""
    for root in roots if module is not None else ():
        for name, inside in root.named_modules():
            if inside is module:
                return name or type(root).__name__
    return "" if module is None else type(module).__name__
