"""What a function can see besides its arguments: names of its closure and module."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

_PLAIN = (int, float, bool, str, type(None))
_CONTAINERS = (list, dict, set)


class Surroundings:
    """The names that a function uses from outside, as they were.

    A plan has them built in, so they must stay the same; a container that the function changed
    while it was traced is put back.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._read = _reader(fn)
        self._before = self._read()
        self._contents = {
            name: (x, x.copy()) for name, x in self._before.items() if isinstance(x, _CONTAINERS)
        }

    def changed(self) -> str | None:
        """The name of one that is no longer what it was; containers are put back."""
        for name, (x, copy) in self._contents.items():
            if not _same(x, copy):
                x.clear()
                (x.extend if isinstance(x, list) else x.update)(copy)
                return name
        return None if self.same() else "a variable outside"

    def same(self) -> bool:
        """Whether each name still stands for the same object, or for an equal plain value."""
        now = self._read()
        return all(
            now.get(name) is x or (isinstance(x, _PLAIN) and _equal(now.get(name), x))
            for name, x in self._before.items()
        )


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)  # 0.0 and -0.0 differ, NaN is NaN


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(a[k] is b[k] for k in a)
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _reader(fn: Callable[..., Any]) -> Callable[[], dict[str, Any]]:
    function = fn.__func__ if isinstance(fn, MethodType) else fn
    if not isinstance(function, FunctionType):
        return dict
    code, cells, names = function.__code__, function.__closure__ or (), function.__globals__
    used = [n for n in code.co_names if n in names]

    def read() -> dict[str, Any]:
        found = {n: names.get(n) for n in used}
        for name, cell in zip(code.co_freevars, cells, strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                found[name] = None
        return found

    return read
