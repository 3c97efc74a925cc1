"""Where in the user's program an instruction comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nnfast.nn.module import Module

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class Where(NamedTuple):
    """The innermost module that was being called, and the line of the user's that led there."""

    module: Module | None
    line: str  # "train.py:12"


def here() -> Where:
    """Of the calling code, found in the frames of the interpreter."""
    from nnfast.nn.module import Module

    call = Module.__call__.__code__
    module, line = None, ""
    frame = sys._getframe(1)
    while frame is not None and not (module and line):
        code = frame.f_code
        if module is None and code is call:
            module = frame.f_locals["self"]
        elif not line and (file := _users(code.co_filename)):
            line = f"{file}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return Where(module, line)


@lru_cache(1 << 10)
def _users(path: str) -> str:
    """The name of a file of the user's; "" of one of ours."""
    return "" if path.startswith(_PACKAGE) else os.path.basename(path)


def path_of(module: Module | None, roots: Iterable[Module]) -> str:
    """The dotted path of a module in the first root that holds it."""
    for root in roots if module is not None else ():
        for name, inside in root.named_modules():
            if inside is module:
                return name or type(root).__name__
    return "" if module is None else type(module).__name__
