"""What a function reads of the world outside its arguments, found in its bytecode.

A plan has such things built in. They are followed through names of the closure and the module,
attributes (`config.scale`, `self.rate`), and the functions, methods and modules called there, as
far as these are the user's: nnfast, NumPy and the standard library are not entered.
"""

from __future__ import annotations

import builtins
import dis
import os
import sys
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from inspect import getattr_static
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfast.graph.symbol import Untraceable
from nnfast.graph.tree import flatten
from nnfast.tensor import Tensor

if TYPE_CHECKING:
    from nnfast.nn.module import Module

_LIBRARIES = {"nnfast", "numpy", *sys.stdlib_module_names}
_EFFECTS = {"print", "open", "input", "next", "exec", "eval", "setattr", "delattr", "globals"}
# What answers otherwise at each call, and what writes somewhere: modules, or parts of them.
_RESTLESS = (
    *("random", "time", "numpy.random", "secrets", "uuid", "os.urandom", "datetime.date.today"),
    *("weakref", "contextvars", "_contextvars", "array", "threading.Event"),
    *("builtins.ContextVar", "builtins.memoryview", "builtins.mappingproxy"),
    *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")),
)
_WRITES = ("logging", "io", "_io", "queue", "_queue", "sys.stdout", "sys.stderr")
_SILENT = {"__init__", "__new__", "__post_init__", "__repr__", "__str__", "__del__", "__doc__"}
_MADE = {"__init__", "__new__", "__post_init__", "forward"}  # what a new object does
_ANY_NAME = {"getattr", "vars", "__dict__"}  # what may read attributes of any name
_ROOTS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "STORE_GLOBAL", "STORE_DEREF"}
MISSING = object()
# And their subclasses: read by what they hold.
CONTAINERS = list | dict | set | tuple | deque | bytearray


class Read(NamedTuple):
    """One thing read: an entry of a namespace, a variable of the closure, an attribute, or whether
    a tensor has a gradient."""

    # "name", "cell", "attribute", "own": an attribute that is not of the class, or "gradient"
    kind: str
    owner: Any
    name: str
    label: str  # for messages

    def now(self) -> Any:
        """What it stands for; MISSING if it is gone."""
        if self.kind == "name":
            return self.owner.get(self.name, MISSING)
        if self.kind == "attribute":
            return getattr(self.owner, self.name, MISSING)
        if self.kind == "own":
            return vars_of(self.owner).get(self.name, MISSING)
        if self.kind == "gradient":
            return self.owner.grad is not None
        try:
            return self.owner.cell_contents
        except ValueError:  # not assigned yet
            return MISSING


def reads(
    fn: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Read], list[Module], bool]:
    """All that `fn(*args, **kwargs)` may read, the modules that it can reach, and whether its code
    mentions gradients; raises Untraceable if what it reads differs from call to call."""
    scan = _Scan()
    scan.call(fn, args, kwargs)
    scan.objects_reached()
    return list(scan.found.values()), list(scan.modules), "grad" in scan.names


class _Scan:
    def __init__(self) -> None:
        self.found: dict[tuple[str, int, str], Read] = {}
        self.modules: dict[Module, None] = {}
        self._seen: dict[Any, Any] = {}  # values keep what the ids stand for alive
        self.names: dict[str, None] = {}  # that the code mentions
        self._stored: set[str] = set()  # those of attributes that it sets
        self._objects: dict[int, Any] = {}  # whose use is not followed step by step

    def call(self, fn: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Enter what is compiled, whose arguments are known."""
        from nnfast.nn.module import Module

        self.value(fn, getattr(fn, "__name__", type(fn).__name__))
        function, given = fn, args
        if isinstance(fn, MethodType):
            function, given = fn.__func__, (fn.__self__, *args)
        elif not isinstance(fn, FunctionType):
            name = "forward" if isinstance(fn, Module) else "__call__"
            function, given = getattr(type(fn), name, None), (fn, *args)
        known = dict(kwargs)
        if isinstance(function, FunctionType):
            names = function.__code__.co_varnames[: function.__code__.co_argcount]
            known.update(zip(names, given, strict=False))
        known = {name: x for name, x in known.items() if is_record(x) or isinstance(x, Module)}
        for x in flatten((args, kwargs))[0]:
            if not any(x is y for y in known.values()):
                self._whole(x, type(x).__name__)
        if known:
            self.function(function, known)

    def value(self, x: Any, label: str) -> None:
        """Enter what a name stands for, if it can be called or holds what can be."""
        from nnfast.graph.compiled import Compiled
        from nnfast.nn.module import Module

        if isinstance(x, Tensor | ModuleType):
            return
        if x is os.environ or x is os.getenv:
            self._read(Read("attribute", os.environ, "_data", "os.environ"))
        elif isinstance(x, MethodType):
            self._bound(x.__func__, x.__self__)
            if isinstance(x.__self__, Module):
                self._reach(x.__self__)
                if _library(x.__func__.__module__):  # its code is not followed
                    for name in vars_of(x.__self__):
                        self._read(Read("attribute", x.__self__, name, name))
        elif isinstance(x, Compiled):
            self.value(x.fn, label)
        elif isinstance(x, FunctionType) and not _restless(x):
            self.function(x, {})
        elif isinstance(x, partial):
            for name in ("args", "keywords"):
                self._read(Read("attribute", x, name, f"{label}.{name}"))
            for part in (x.func, *x.args, *x.keywords.values()):
                self.value(part, label)
        elif isinstance(x, Module):
            self._reach(x)
            if id(x) not in self._seen:
                self._seen[id(x)] = x
                for module in x.modules():
                    self.method(type(module), "forward", module)
        elif _restless(x):
            raise Untraceable(f"{label} gives something else at each call")
        elif isinstance(wrapped := getattr(x, "__wrapped__", None), FunctionType):
            self.function(wrapped, {})  # of functools.cache
        elif isinstance(x, CONTAINERS) and id(x) not in self._seen:
            self._seen[id(x)] = x
            for y in x.values() if isinstance(x, dict) else x:
                if not _restless(y):
                    self.value(y, label)
        if _is_users(x):
            self._objects[id(x)] = x
            if callable(x) and not isinstance(x, type | Module):
                self.method(type(x), "__call__", x)

    def _reach(self, module: Module) -> None:
        if module not in self.modules:
            self.modules.update(dict.fromkeys(module.modules()))

    def _whole(self, x: Any, label: str) -> None:
        """All that x holds is read."""
        if is_record(x):
            self._read(Read("name", {label: x}, label, label))
        self.value(x, label)

    def method(self, kind: type, name: str, instance: Any) -> None:
        """Enter a method that an instance finds in its class."""
        if not _library(kind.__module__):
            self._read(Read("attribute", kind, name, f"{kind.__name__}.{name}"))
            if instance is not None and hasattr(instance, "__dict__"):
                self._read(Read("own", instance, name, name))  # would take its place
        self._bound(getattr(kind, name), instance)

    def _bound(self, fn: Any, instance: Any) -> None:
        """Enter a function whose first argument is known."""
        first = fn.__code__.co_varnames[:1] if isinstance(fn, FunctionType) else ()
        self.function(fn, {} if instance is None else dict.fromkeys(first, instance))

    def function(self, fn: Any, known: dict[str, Any]) -> None:
        """Enter a function, some of whose arguments are known."""
        key = (id(fn), *[(name, id(x)) for name, x in known.items()])
        if not isinstance(fn, FunctionType) or key in self._seen:
            return
        self._seen[key] = fn, known
        cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        if _library(fn.__globals__.get("__name__", "")):  # a decorator of ours, say
            for name, cell in cells.items():
                inside = Read("cell", cell, name, name).now()
                if isinstance(inside, FunctionType | MethodType):
                    self.value(inside, name)
            return
        self.code(fn.__code__, fn, cells, known)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self._read(Read("attribute", fn, name, fn.__name__))
        for default in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
            self.value(default, fn.__name__)

    def code(
        self, code: CodeType, fn: FunctionType, cells: dict[str, CellType], known: dict[str, Any]
    ) -> None:
        """Follow the chains of names and attributes in `code` and in what it defines inside."""
        self.names.update(dict.fromkeys(code.co_names))
        self._stored |= _stores(code)
        if not {"super", "getattr"}.isdisjoint(code.co_names):
            self._objects.update({id(x): x for x in known.values() if _is_users(x)})
        for kind, root, attributes in _chains(code):
            if root in known and root not in cells:
                if attributes:
                    self._follow(known[root], attributes, root)
                else:
                    self._whole(known[root], root)
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
                self.code(constant, fn, cells, known)
            elif isinstance(constant, str) and constant.isidentifier():  # getattr(x, "rate")
                self.names[constant] = None

    def _read(self, read: Read) -> Any:
        self.found.setdefault((read.kind, id(read.owner), read.name), read)
        return read.now()

    def _follow(self, x: Any, attributes: Sequence[str], label: str) -> None:
        """x.a.b.c: each step is read, the last one entered."""
        from nnfast.graph.compiled import Compiled
        from nnfast.nn.module import Module

        for i, name in enumerate(attributes):
            if isinstance(x, Compiled):
                x = x.fn
            if isinstance(x, Module):
                self._reach(x)
            label = f"{label}.{name}"
            _refuse(x, attributes[i:], label)
            if isinstance(x, ModuleType):
                if x is os and name in ("environ", "getenv"):
                    return self.value(os.environ, label)
                if _library(x.__name__):
                    return
            elif isinstance(x, Tensor):
                if name == "grad":
                    self._read(Read("gradient", x, name, label))
                elif name == "requires_grad":
                    self._read(Read("attribute", x, name, label))
                return
            elif x is MISSING:
                return
            else:
                own = not isinstance(x, type) and name in vars_of(x)
                kind = x if isinstance(x, type) else type(x)
                static = None if own else getattr_static(kind, name, None)
                if isinstance(static, property | classmethod | staticmethod | FunctionType):
                    self._member(kind, name, static, None if kind is x else x)
                    return
                if not own and _library(kind.__module__):
                    if isinstance(x, CONTAINERS):
                        self.value(x, label)
                    return
            x = self._read(Read("attribute", x, name, label))
        self.value(x, label)

    def _member(self, kind: type, name: str, static: Any, instance: Any) -> None:
        """Enter what a class has under a name."""
        if isinstance(static, classmethod):
            self._bound(static.__func__, kind)
        elif isinstance(static, property):
            self._bound(static.fget, instance)
        elif isinstance(static, staticmethod):
            self.method(kind, name, None)
        elif isinstance(static, FunctionType):
            self.method(kind, name, instance)
        elif not name.startswith("__"):
            self.value(self._read(Read("attribute", kind, name, name)), name)

    def objects_reached(self) -> None:
        """Enter what the code may find in objects that it holds, by the names that it mentions."""
        done: dict[int, set[str]] = {}
        known: dict[type, tuple[set[str], set[str]]] = {}  # of a class: its names, its protocol
        count = -1
        while count < (count := len(self._objects) + len(self.modules) + len(self.names)):
            names = set(self.names)
            any_name = not names.isdisjoint(_ANY_NAME)
            for x in [*self._objects.values(), *self.modules]:
                kind = x if isinstance(x, type) else type(x)
                if kind not in known:
                    bases = [base for base in kind.__mro__ if not _library(base.__module__)]
                    known[kind] = {name for base in bases for name in vars(base)}, _protocol(kind)
                members, protocol = known[kind]
                found = names & members | protocol
                own = {*vars_of(x), *self._stored}
                found |= _MADE & members if kind is x else own if any_name else names & own
                before = done.setdefault(id(x), set())
                for name in sorted(found - before):
                    self._of_object(x, kind, name)
                before |= found

    def _of_object(self, x: Any, kind: type, name: str) -> None:
        instance = None if x is kind else x
        if instance is not None and name in (*vars_of(x), *slots_of(x), *self._stored):
            self._own(x, name)
        for base in kind.__mro__:
            if name in vars(base) and not _library(base.__module__):
                self._member(base, name, vars(base)[name], instance)

    def _own(self, x: Any, name: str) -> None:
        """Read what an object has of its own; which tensors and modules a module has is known."""
        from nnfast.nn.module import Module

        now = getattr(x, name, MISSING)
        if not (isinstance(x, Module) and isinstance(now, Tensor | Module)):
            self._read(Read("attribute", x, name, name))
        self.value(now, name)


def _is_users(x: Any) -> bool:
    """Whether it is a class of the user's, or an object of one."""
    kind = x if isinstance(x, type) else type(x)
    return not _library(kind.__module__)


def _protocol(kind: type) -> set[str]:
    """The methods of its objects that Python calls without their name."""
    bases = [base for base in kind.__mro__ if not _library(base.__module__)]
    names = {name for base in bases for name in vars(base)}
    return {name for name in names - _SILENT if name[:2] == name[-2:] == "__"}


def vars_of(x: Any) -> dict[str, Any]:
    """The attributes that an object has of its own, but for those in slots."""
    found: dict[str, Any] = getattr(x, "__dict__", {})
    return found


def slots_of(x: Any) -> list[str]:
    """The names of its attributes that lie in slots."""
    return [
        name
        for kind in type(x).__mro__ if not _library(kind.__module__)
        for name, y in kind.__dict__.items() if isinstance(y, MemberDescriptorType)
    ]  # fmt: skip


def is_record(x: Any) -> bool:
    """Whether it is a plain object of the user's, read by its attributes."""
    from nnfast.nn.module import Module

    kind = type(x)
    if kind is SimpleNamespace or (kind.__module__, kind.__name__) == ("argparse", "Namespace"):
        return True
    if isinstance(x, UserDict | UserList | ChainMap):  # what they hold is an attribute
        return True
    return (
        not _library(kind.__module__)
        and (hasattr(x, "__dict__") or bool(slots_of(x)))
        and not isinstance(x, Module | Tensor | type | BaseException | CONTAINERS)
        and not callable(x)
    )


def _library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES


def _restless(x: Any) -> bool:
    """Iterators, generators of random numbers, clocks."""
    kind = type(getattr(x, "__self__", x))
    home = getattr(x, "__module__", None) or kind.__module__
    names = str(home), f"{kind.__module__}.{kind.__name__}"
    return hasattr(type(x), "__next__") or any(_among(name, _RESTLESS) for name in names)


def _refuse(x: Any, attributes: Sequence[str], label: str) -> None:
    """Raise if what x has under these names differs from call to call, or writes somewhere."""
    kind = x if isinstance(x, type) else type(x)
    home = x.__name__ if isinstance(x, ModuleType) else f"{kind.__module__}.{kind.__name__}"
    found = ".".join((home, *attributes))
    if _among(found, _WRITES):
        raise Untraceable(f"it uses {label}, which may write")
    if _among(found, _RESTLESS) or hasattr(kind, "__next__"):
        raise Untraceable(f"{label} gives something else at each call")


def _among(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == m or name.startswith(f"{m}.") for m in modules)


@lru_cache(1 << 12)
def _stores(code: CodeType) -> set[str]:
    """The attributes of whatever it may be that the code sets."""
    return {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_ATTR"}


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
