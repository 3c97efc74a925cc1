"""What a function reads of the world outside its arguments, found in its bytecode.

A plan has such things built in. They are followed through names of the closure and the module,
attributes (`config.scale`, `self.rate`), and the functions, methods and modules called there, as
far as these are the user's: nnfast, NumPy and the standard library are not entered.
"""

from __future__ import annotations

import builtins
import dis
import sys
from collections import deque
from collections.abc import Iterator
from functools import lru_cache, partial
from inspect import getattr_static
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from nnfast.graph.symbol import Untraceable
from nnfast.tensor import Tensor

_LIBRARIES = {"nnfast", "numpy", *sys.stdlib_module_names}
_EFFECTS = {"print", "open", "input", "next", "exec", "eval", "setattr", "delattr"}
_RESTLESS = ("random", "time", "numpy.random")  # modules that answer otherwise at each call
_ROOTS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "STORE_GLOBAL", "STORE_DEREF"}
MISSING = object()
CONTAINERS = list | dict | set | tuple | deque  # and their subclasses: read by what they hold


class Read(NamedTuple):
    """One thing read: an entry of a namespace, a variable of the closure, or an attribute."""

    kind: str  # "name", "cell" or "attribute"
    owner: Any
    name: str
    label: str  # for messages

    def now(self) -> Any:
        """What it stands for; MISSING if it is gone."""
        if self.kind == "name":
            return self.owner.get(self.name, MISSING)
        if self.kind == "attribute":
            return getattr(self.owner, self.name, MISSING)
        try:
            return self.owner.cell_contents
        except ValueError:  # not assigned yet
            return MISSING


def reads(fn: Any, arguments: list[Any]) -> list[Read]:
    """All that calling `fn` may read; raises Untraceable if that differs from call to call."""
    scan = _Scan()
    for x in (fn, *arguments):
        scan.value(x, getattr(x, "__name__", type(x).__name__))
    return list(scan.found.values())


class _Scan:
    def __init__(self) -> None:
        self.found: dict[tuple[str, int, str], Read] = {}
        self.seen: dict[tuple[int, int], Any] = {}  # values keep what the ids stand for alive

    def value(self, x: Any, label: str) -> None:
        """Enter what a name stands for, if it can be called."""
        from nnfast.graph.compiled import Compiled
        from nnfast.nn.module import Module

        if isinstance(x, Tensor | type | ModuleType):
            return
        if isinstance(x, MethodType):
            self.function(x.__func__, x.__self__)
        elif isinstance(x, Compiled):
            self.value(x.fn, label)
        elif isinstance(x, FunctionType):
            self.function(x)
        elif isinstance(x, partial):
            for part in (x.func, *x.args, *x.keywords.values()):
                self.value(part, label)
        elif isinstance(x, Module):
            for module in x.modules():
                self.method(type(module), "forward", module)
        elif _restless(x):
            raise Untraceable(f"{label} gives something else at each call")
        elif not _library(type(x).__module__) and callable(x):
            self.method(type(x), "__call__", x)

    def method(self, kind: type, name: str, instance: Any) -> None:
        """Enter a method that an instance finds in its class."""
        if not _library(kind.__module__):
            self._read(Read("attribute", kind, name, f"{kind.__name__}.{name}"))
        self.function(getattr(kind, name), instance)

    def function(self, fn: Any, instance: Any = None) -> None:
        """Enter a function, whose first argument may be known."""
        if not isinstance(fn, FunctionType) or (id(fn), id(instance)) in self.seen:
            return
        self.seen[id(fn), id(instance)] = fn, instance
        cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        if _library(fn.__globals__.get("__name__", "")):  # a decorator of ours, say
            for name, cell in cells.items():
                inside = Read("cell", cell, name, name).now()
                if isinstance(inside, FunctionType | MethodType):
                    self.value(inside, name)
            return
        self.code(fn.__code__, fn, cells, instance)
        self._read(Read("attribute", fn, "__code__", fn.__name__))
        self._read(Read("attribute", fn, "__defaults__", fn.__name__))
        self._read(Read("attribute", fn, "__kwdefaults__", fn.__name__))

    def code(
        self, code: CodeType, fn: FunctionType, cells: dict[str, CellType], instance: Any
    ) -> None:
        """Follow the chains of names and attributes in `code` and in what it defines inside."""
        first = fn.__code__.co_varnames[:1]
        for kind, root, attributes in _chains(code):
            if instance is not None and (root,) == first and root not in cells:
                self._follow(instance, attributes, root)
            elif kind == "global":
                if root in fn.__globals__:
                    read = Read("name", fn.__globals__, root, root)
                    self._follow(self._read(read), attributes, root)
                elif root in _EFFECTS and hasattr(builtins, root):
                    raise Untraceable(f"it calls {root}")
            elif root in cells:
                self._follow(self._read(Read("cell", cells[root], root, root)), attributes, root)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.code(constant, fn, cells, instance)

    def _read(self, read: Read) -> Any:
        self.found.setdefault((read.kind, id(read.owner), read.name), read)
        return read.now()

    def _follow(self, x: Any, attributes: list[str], label: str) -> None:
        """x.a.b.c: each step is read, the last one entered."""
        for name in attributes:
            label = f"{label}.{name}"
            if isinstance(x, ModuleType):
                if _among(f"{x.__name__}.{name}", _RESTLESS):
                    raise Untraceable(f"{label} gives something else at each call")
                if _library(x.__name__):
                    return
            elif isinstance(x, Tensor) or x is MISSING:
                return
            elif isinstance(x, type):
                static = getattr_static(x, name, None)
                if _library(x.__module__) or isinstance(static, property | classmethod):
                    return
                if isinstance(static, staticmethod):
                    static = static.__func__
                if isinstance(static, FunctionType):
                    self.function(static)
                    return
            else:
                static = getattr(type(x), name, None)
                if isinstance(static, property):
                    self.function(static.fget, x)
                    return
                if isinstance(static, FunctionType) and name not in vars_of(x):
                    self.method(type(x), name, x)
                    return
                if name not in vars_of(x) and _library(type(x).__module__):
                    return
            x = self._read(Read("attribute", x, name, label))
        self.value(x, label)


def vars_of(x: Any) -> dict[str, Any]:
    """The attributes that an object has of its own."""
    found: dict[str, Any] = getattr(x, "__dict__", {})
    return found


def is_record(x: Any) -> bool:
    """Whether it is a plain object of the user's, read by its attributes."""
    from nnfast.nn.module import Module

    kind = type(x)
    if kind is SimpleNamespace or (kind.__module__, kind.__name__) == ("argparse", "Namespace"):
        return True
    return (
        hasattr(x, "__dict__")
        and not _library(kind.__module__)
        and not isinstance(x, Module | Tensor | type | BaseException | CONTAINERS)
        and not callable(x)
    )


def _library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES


def _restless(x: Any) -> bool:
    """Iterators, generators of random numbers, clocks."""
    home = getattr(x, "__module__", None) or type(getattr(x, "__self__", x)).__module__
    return hasattr(type(x), "__next__") or _among(str(home), _RESTLESS)


def _among(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == m or name.startswith(f"{m}.") for m in modules)


@lru_cache(1 << 12)
def _chains(code: CodeType) -> list[tuple[str, str, list[str]]]:
    """(kind, root, attributes) of each `root.a.b` that the code loads or stores."""
    return list(_read_chains(code))


def _read_chains(code: CodeType) -> Iterator[tuple[str, str, list[str]]]:
    chain: tuple[str, str, list[str]] | None = None
    for step in dis.get_instructions(code):
        name = step.opname
        if name == "COPY" and chain is not None:  # x.a += 1 loads x once
            continue
        if chain is not None and name in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR"):
            chain[2].append(step.argval)
            continue
        if chain is not None:
            yield chain
            chain = None
        if name in _ROOTS:
            chain = ("cell" if "DEREF" in name else "global", step.argval, [])
        elif name.startswith("LOAD_FAST"):
            root = step.argval if isinstance(step.argval, str) else step.argval[-1]
            chain = ("local", root, [])
    if chain is not None:
        yield chain
