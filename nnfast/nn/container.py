"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from operator import index
from typing import Any, Self, overload

from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.nn.module import Module


class _Indexed(Module):
    """Modules in an order, named by their position unless they were given names."""

    def __len__(self) -> int:
        return len(self._own("module"))

    def __iter__(self) -> Iterator[Any]:
        return (module for _, module in self._own("module"))

    @overload
    def __getitem__(self, idx: int) -> Any: ...
    @overload
    def __getitem__(self, idx: slice) -> Self: ...
    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return self._slice(idx)
        return self._own("module")[self._position(idx)][1]

    def _slice(self, idx: slice) -> Self:
        return type(self)(list(self)[idx])  # type: ignore[call-arg]

    def __setitem__(self, idx: int, module: Module) -> None:
        self.add_module(self._own("module")[self._position(idx)][0], module)

    def __delitem__(self, idx: int | slice) -> None:
        modules = list(self)
        del modules[idx if isinstance(idx, slice) else self._position(idx)]
        self._replace(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        free = (str(i) for i in count(len(self)) if str(i) not in self._kinds)
        self.add_module(next(free), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, idx: int, module: Module) -> Self:
        """Add a module before position `idx`; the later ones are renumbered."""
        modules = list(self)
        modules.insert(idx, module)
        self._replace(modules)
        return self

    def pop(self, idx: int = -1) -> Any:
        """Remove and return the module at position `idx`."""
        module = self[idx]
        del self[idx]
        return module

    def _position(self, idx: int) -> int:
        try:
            i = index(idx)
        except TypeError:
            fail(type(self).__name__, "an integer index or a slice", repr(idx), error=DTypeError)
        if not -len(self) <= i < len(self):
            name = type(self).__name__
            raise IndexRangeError(name, f"expected an index below {len(self)}, got {idx}.")
        return i % len(self)

    def _replace(self, modules: list[Any]) -> None:
        """Hold these modules instead, numbered from 0."""
        names = [name for name, _ in self._own("module")]
        if not all(name.isdigit() for name in names):
            fail(type(self).__name__, "numbered modules", f"names {names}", "build a new one.")
        for name in names:
            delattr(self, name)
        self.extend(modules)


class IndexRangeError(ArgumentError, IndexError):
    """So that code written for lists works."""


class Sequential(_Indexed):
    """Modules one after the other. Takes modules, or one OrderedDict of names to modules.

    >>> from nnfast import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], dict) else None
        for name, module in named or ((str(i), module) for i, module in enumerate(args)):
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*list(self) * times)

    __rmul__ = __mul__

    def _slice(self, idx: slice) -> Self:
        return type(self)(dict(self._own("module")[idx]))  # the names stay, as in PyTorch


class ModuleList(_Indexed):
    """A list of modules that registers what is in it; it has no forward of its own.

    >>> from nnfast import nn
    >>> nn.ModuleList([nn.Tanh(), nn.Tanh()])
    ModuleList(
      (0-1): 2 x Tanh()
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def _listed_children(self) -> list[tuple[str, Any]]:
        """Neighbours that read the same as one line, `(0-3): 4 x Linear(...)`."""
        groups: list[tuple[str, int, int]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if groups and groups[-1][0] == text:
                groups[-1] = (text, groups[-1][1], i)
            else:
                groups.append((text, i, i))
        return [
            (f"{first}-{last}", Text(f"{last - first + 1} x {text}"))
            if last > first
            else (str(first), Text(text))
            for text, first, last in groups
        ]


class Text(str):
    """A string whose repr is itself."""

    def __repr__(self) -> str:
        return str(self)


class ModuleDict(Module):
    """A dict of modules that registers what is in it; it has no forward of its own.

    >>> from nnfast import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(4, 10)})
    >>> heads["digit"].out_features
    10
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        self.update(() if modules is None else modules)

    def __getitem__(self, key: str) -> Any:
        return self._get("ModuleDict", key, "module", of=key)

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._own("module"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: str) -> bool:
        return self._kinds.get(key) == "module"

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in self._own("module")]

    def values(self) -> list[Any]:
        """The modules."""
        return [module for _, module in self._own("module")]

    def items(self) -> list[tuple[str, Any]]:
        """(name, module) pairs."""
        return self._own("module")

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules."""
        pairs = modules.items() if isinstance(modules, Mapping | ModuleDict) else modules
        for key, module in pairs:
            self[key] = module

    def pop(self, key: str) -> Any:
        """Remove and return a module."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for key in self.keys():
            del self[key]
