"""What a compiled function read outside its arguments when it was traced, and whether it still
holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from nnfast import _core
from nnfast.graph.mode import CHANGES
from nnfast.graph.reads import CONTAINERS, MISSING, Read, is_record, reads, slots_of, vars_of
from nnfast.graph.symbol import Untraceable
from nnfast.tensor import Tensor

if TYPE_CHECKING:
    from nnfast.nn.module import Module

_PLAIN = (int, float, complex, bool, str, bytes, type(None), np.generic)
_LARGEST = 1 << 20  # bytes of a NumPy array whose contents are compared at each call
_LONGEST = 1000  # elements of a container


class Surroundings:
    """All that a function reads from outside, as it was.

    Names must stand for the same objects, or for equal numbers and texts; lists, dicts, sets, plain
    objects and NumPy arrays must hold the same. What the function changes there while it is traced
    is put back.
    """

    def __init__(self, fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self._reads: list[tuple[Read, Any, Any]] = []  # what, its value, a mark of its contents
        self._contents: dict[int, tuple[Any, Any]] = {}  # containers, copied
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []  # copied while it is traced
        found, modules, self.reads_gradients = reads(fn, args, kwargs)
        self._modules = [(m, _tensors_of(m)) for m in modules]
        for read in found:
            x = read.now()
            self._reads.append((read, x, mark(x)))
            self._copy(x)

    def _copy(self, x: Any) -> None:
        inside = _inside(x)
        if inside is None or id(x) in self._contents:
            return
        self._contents[id(x)] = x, _attributes(x) if is_record(x) else copy(x)
        for y in inside:
            self._copy(y)

    def same(self) -> bool:
        """Whether all of it still is what it was."""
        return all(_same(*read) for read in self._reads) and all(
            same_entries(_tensors_of(m), was) for m, was in self._modules
        )

    def _values(self) -> list[Any]:
        """All that it reads by a name, an attribute or in a container."""
        read = [x for _, x, _ in self._reads]
        for _, before in self._contents.values():
            read += before.values() if isinstance(before, dict) else before
        return read

    def tensors(self) -> set[Tensor]:
        """Those among what it reads."""
        return {x for x in self._values() if isinstance(x, Tensor)}

    def hold_arrays(self) -> None:
        """Keep what the NumPy arrays hold, until `changed` puts it back."""
        arrays = {id(x): x for x in self._values() if isinstance(x, np.ndarray)}
        self._arrays = [(x, x.copy()) for x in arrays.values() if x.flags.writeable]

    def leaves(self) -> list[Tensor]:
        """All that may have gradients: those that it reads, and those of modules."""
        return [t for t in self.all_tensors() if _is_leaf(t)]

    def all_tensors(self) -> set[Tensor]:
        """Those that it reads, and those of modules."""
        held = {t for _, was in self._modules for t in was.values() if isinstance(t, Tensor)}
        return self.tensors() | held

    def modules(self) -> set[Module]:
        """Those that it can reach."""
        return {m for m, _ in self._modules}

    def guards(self) -> _core.Guards:
        """As `guard`."""
        guards = _core.Guards()
        self.guard(guards)
        return guards

    def guard(self, guards: _core.Guards) -> None:
        """Guards that hold while every object stays the one that it is now, inside containers too.

        Attributes of modules are not among them: CHANGES says when to look.
        """
        guards.clear()
        guards.attribute(CHANGES, "count")
        self._reads = [(read, read.now(), contents) for read, _, contents in self._reads]
        self._contents.clear()
        for _, x, _ in self._reads:
            self._copy(x)
        for read, x, contents in self._reads:
            if read.kind == "name":
                guards.entry(read.owner, read.name)
            elif read.kind == "cell":
                guards.cell(read.owner)
            elif read.kind == "own":
                if not _is_module(read.owner):
                    guards.entry(vars_of(read.owner), read.name)
            elif read.kind == "gradient":
                guards.gradient(read.owner)
            elif not _is_told(read, x, contents):
                guards.attribute(read.owner, read.name)
            _guard_array(guards, x)
        for x, before in self._contents.values():
            guards.items(vars_of(x) if is_record(x) else x)
            for name in slots_of(x) if is_record(x) else ():
                guards.attribute(x, name)
            for y in before.values() if isinstance(before, dict) else before:
                _guard_array(guards, y)

    def changed(self) -> str | None:
        """The first that is no longer what it was; all are put back."""
        found = [(r, x) for r, x, contents in self._reads if not _same(r, x, contents)]
        for read, x in found:
            _put_back(read, x)
        for x, before in self._contents.values():
            if is_record(x):
                _restore(x, before)
            else:
                _fill(x, before)
        for array, before in self._arrays:
            if array.tobytes() != before.tobytes():
                array[...] = before
        self._arrays.clear()
        return found[0][0].label if found else None


def _guard_array(guards: _core.Guards, x: Any) -> None:
    """The numbers of a NumPy array may change where it lies."""
    if isinstance(x, np.ndarray):
        guards.call(lambda: mark(x), mark(x))


def _is_told(read: Read, x: Any, contents: Any) -> bool:
    """Whether CHANGES counts what would make it another: an attribute of a module."""
    return (
        _is_module(read.owner)
        and read.name in vars_of(read.owner)
        and (contents is None or isinstance(x, _PLAIN))
    )


def _is_module(x: Any) -> bool:
    from nnfast.nn.module import Module

    return isinstance(x, Module)


def _is_leaf(t: Any) -> bool:
    return isinstance(t, Tensor) and t.node is None and t.requires_grad


def _tensors_of(module: Any) -> dict[str, Any]:
    """Parameters, buffers and modules that a module has of its own."""
    return {k: v for k, v in vars_of(module).items() if isinstance(v, Tensor) or _is_module(v)}


def same_entries(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether both have the same objects under the same names."""
    return len(now) == len(before) and all(now.get(k) is v for k, v in before.items())


def _same(read: Read, x: Any, contents: Any) -> bool:
    now = read.now()
    if now is x and (contents is None or isinstance(x, _PLAIN)):
        return True
    return contents is not None and mark(now) == contents


def mark(x: Any, seen: tuple[int, ...] = ()) -> Any:
    """None for what is compared by identity, else something equal for equal contents."""
    if isinstance(x, _PLAIN):
        return type(x), repr(x)  # 0.0 and -0.0 differ, NaN is NaN
    if isinstance(x, np.ndarray):
        if x.nbytes > _LARGEST:
            raise Untraceable("it reads a large NumPy array: make a tensor of it outside")
        if x.dtype.hasobject:
            return None
        return id(x), x.shape, x.dtype, crc32(np.ascontiguousarray(x).tobytes())
    inside = _inside(x)
    if inside is None or id(x) in seen:
        return None
    keys: Any = _attributes(x) if is_record(x) else x if isinstance(x, dict) else ()
    seen = (*seen, id(x))
    return type(x), tuple(_marks(keys, seen)), tuple(_marks(inside, seen))


def _marks(values: Iterable[Any], seen: tuple[int, ...]) -> Iterator[Any]:
    for x in values:
        found = mark(x, seen)
        yield id(x) if found is None else found


def _inside(x: Any) -> Collection[Any] | None:
    """What a container or plain object holds; None for all others."""
    if is_record(x):
        return _attributes(x).values()
    if not isinstance(x, CONTAINERS):
        return None
    if len(x) > _LONGEST:
        raise Untraceable(f"it reads a {type(x).__name__} of {len(x)} elements")
    return x.values() if isinstance(x, dict) else x


def _attributes(x: Any) -> dict[str, Any]:
    """Those of a plain object, as they are now."""
    return vars_of(x) | {name: getattr(x, name) for name in slots_of(x) if hasattr(x, name)}


def _restore(x: Any, before: dict[str, Any]) -> None:
    """Make the attributes of a plain object what they were."""
    slots = slots_of(x)
    _fill(vars_of(x), {name: y for name, y in before.items() if name not in slots})
    for name in slots:
        if name in before:
            object.__setattr__(x, name, before[name])  # also where the class is frozen
        elif hasattr(x, name):
            object.__delattr__(x, name)


def _fill(x: Any, before: Any) -> None:
    """Make a container hold what it held."""
    if isinstance(x, tuple):
        return
    if isinstance(x, dict):
        same = x.keys() == before.keys() and all(x[k] is before[k] for k in x)
    else:
        same = len(x) == len(before) and all(a is b for a, b in zip(x, before, strict=True))
    if not same:
        x.clear()
        (x.extend if isinstance(x, list | deque | bytearray) else x.update)(before)


def _put_back(read: Read, x: Any) -> None:
    if read.kind == "cell":
        read.owner.cell_contents = x
    elif read.kind in ("name", "own"):
        names = read.owner if read.kind == "name" else vars_of(read.owner)
        names.pop(read.name, None) if x is MISSING else names.update({read.name: x})
    elif x is MISSING:
        delattr(read.owner, read.name)
    elif read.name in (*vars_of(read.owner), *slots_of(read.owner)):
        setattr(read.owner, read.name, x)
