"""`nnfast.compile`: a function of tensors becomes a plan for each kind of arguments."""

from __future__ import annotations

import gc
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache, update_wrapper, wraps
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from nnfast import _core
from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.entry import Entry, has_gradient
from nnfast.graph.explain import check_limit
from nnfast.graph.mode import MODE, tracing
from nnfast.graph.order import order_of
from nnfast.graph.plan import OPTIONAL, Plan
from nnfast.graph.symbol import Raises, Untraceable
from nnfast.graph.tree import flatten
from nnfast.graph.where import in_line_of
from nnfast.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

MODES = 4  # plans kept of one kind of arguments: train and eval, with and without gradients
TRIES = 32  # kinds of arguments without a plan, after which a function that has none is left alone
NUMBERS = 64  # plans that differ in numbers alone, after which a note says so
RECENT = 8  # kinds that a new one is compared with
REFUSED = 1000  # kinds that are remembered as such
PLAN_BYTES = 64 << 20  # that all plans of a function may take, besides their common arena


class Compiled(Generic[P, R]):
    """A function that runs as plans; see `compile`.

    That of a module is a module too, and has what the module has, under the same names.

    >>> import nnfast
    >>> double = nnfast.compile(lambda x: 2 * x)
    >>> double(nnfast.ones(2))
    tensor([2., 2.])
    """

    def __new__(cls, fn: Callable[P, R], *options: Any, **named: Any) -> Compiled[P, R]:
        return object.__new__(_compiled_as(fn) if _is_module(fn) else cls)

    def __init__(
        self,
        fn: Callable[P, R],
        memory_limit: int | None = None,
        disable: Collection[str] = (),
    ) -> None:
        update_wrapper(self, fn, updated=())
        self._disable = disable
        self._limit = memory_limit
        self._entries: OrderedDict[Any, list[Entry]] = OrderedDict()  # the latest used last
        self._refused: set[Any] = set()  # kinds of arguments that have no plan
        self._tries = 0  # that found none
        self._arenas = _core.Arenas()  # memory that all plans share, one run at a time
        self._latest: Entry | None = None
        self._by_numbers = 0  # plans made for arguments that differ from others in numbers alone
        self._noted = False
        self._step = [0]  # calls so far
        self.fn = fn  # from here on attributes are those of a module

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        self._step[0] += 1
        if not kwargs and self._latest is not None:
            result = self._latest.attempt(args)
            if result is not NotImplemented:
                return result
        return self._look(args, kwargs)

    def _look(self, args: Any, kwargs: Any) -> R:
        """A call for which the latest plan will not do as it is."""
        if tracing() is not None:  # inside another compiled function
            return self.fn(*args, **kwargs)
        try:
            key, leaves = self._key(args, kwargs)
            for entry in self._entries.get(key, ()):
                if entry.valid() and (result := entry.run(leaves)) is not NotImplemented:
                    self._used(key, entry)
                    return result
            entry = self._first(key, leaves)
        except Untraceable as error:
            self._note(error)
            return self.fn(*args, **kwargs)
        except Raises as raised:
            result = self.fn(*args, **kwargs)  # does what comes first, and raises it again
            self._refuse(key)
            cause = raised.__cause__
            assert cause is not None
            self._note(Untraceable(f"tracing it raises {type(cause).__name__}{in_line_of(cause)}"))
            return result
        result = entry.run(leaves)
        return self.fn(*args, **kwargs) if result is NotImplemented else result

    def prepare(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The plan for such arguments, made if need be, without running it.

        >>> import nnfast
        >>> twice = nnfast.compile(lambda x: x + x)
        >>> twice.prepare(nnfast.ones(256)).memory().total
        2048
        """
        key, leaves = self._key(args, kwargs)
        for entry in self._entries.get(key, ()):
            if entry.valid():
                return entry.plan
        try:
            return self._first(key, leaves).plan
        except Raises as raised:
            assert raised.__cause__ is not None
            raise raised.__cause__ from None
        except Untraceable as error:
            message = f"expected a plan, but {_name_of(self.fn)} has none: {error}."
            raise StateError("compile", message) from None

    def __getattr__(self, name: str) -> Any:
        """Of a module: what it has of its own."""
        fn = self.__dict__.get("fn")
        if not _is_module(fn) or name.startswith("__"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return getattr(fn, name)

    def __setattr__(self, name: str, value: Any) -> None:
        fn = self.__dict__.get("fn")
        if name in self.__dict__ or name.startswith("__") or not _is_module(fn):
            object.__setattr__(self, name, value)
        else:
            setattr(fn, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.fn, name) if _is_module(self.fn) else object.__delattr__(self, name)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        plans = sum(map(len, self._entries.values()))
        return f"<compiled {_name_of(self.fn)}: {plans} plans; .plan is the latest>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled[P, R]:
        return Compiled(deepcopy(self.fn, memo), self._limit, self._disable)

    def __reduce__(self) -> Any:
        return Compiled, (self.fn, self._limit, self._disable)

    def _key(self, args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
        """What a plan depends on of the arguments, and their leaves."""
        if kwargs or any([type(x) is not Tensor for x in args]):
            leaves, structure = flatten((args, kwargs))
        else:  # the ordinary call
            leaves, structure = list(args), _tensors(len(args))
        key = (structure, MODE.grad, tuple([_kind(x) for x in leaves]), _alike(leaves))
        try:
            refused = key in self._refused
        except TypeError:
            raise Untraceable("an argument has no hash to compare it by") from None
        if refused or (self._tries >= TRIES and not self._entries):
            raise Untraceable("it was so before")
        return key, leaves

    def _first(self, key: Any, leaves: list[Any]) -> Entry:
        """A new plan, beside those of the same arguments in other modes."""
        try:
            with _uncollected():
                entry = Entry(
                    self.fn, leaves, key[0], self._arenas, self._step, self._disable, self._latest
                )
        except Untraceable:
            self._refuse(key)  # tracing it again would repeat what it does outside
            raise
        if self._limit is not None:
            check_limit(entry.plan, self._limit)
        known = [e for e in self._entries.get(key, ()) if e.plan.core.fits()]
        self._entries[key] = [entry, *known[: MODES - 1]]
        self._count_numbers(key)
        self._used(key, entry)
        while len(self._entries) > 1 and self._bytes() > PLAN_BYTES:
            self._entries.popitem(last=False)
        return entry

    def _count_numbers(self, key: Any) -> None:
        """Say so if plan after plan is made for other numbers."""
        kind = _but_for_numbers(key)
        others = [k for k in list(self._entries)[-RECENT:] if k != key]
        if kind not in map(_but_for_numbers, others):
            return
        self._by_numbers += 1
        if self._by_numbers == NUMBERS:
            warnings.warn(
                f"nnfast.compile: {NUMBERS} plans differ in the numbers alone that "
                f"{_name_of(self.fn)} is called with: give what changes as a tensor.",
                stacklevel=5,
            )

    def _refuse(self, key: Any) -> None:
        if key in self._entries:  # other arguments of this kind have a plan
            return
        self._tries += 1
        if len(self._refused) >= REFUSED:
            self._refused.clear()
        self._refused.add(key)

    def _used(self, key: Any, entry: Entry) -> None:
        if entry is not self._latest:
            self._latest = entry
            with suppress(KeyError):  # another thread may have dropped it
                self._entries.move_to_end(key)

    def _bytes(self) -> int:
        return sum(e.plan.nbytes for entries in list(self._entries.values()) for e in entries)

    def _note(self, error: Untraceable) -> None:
        if self._noted:
            return
        self._noted = True
        warnings.warn(
            f"nnfast.compile: {_name_of(self.fn)} runs eagerly, with the same result, because "
            f"{error}.",
            stacklevel=4,
        )

    @property
    def plan(self) -> Plan:
        """The plan that ran last."""
        if self._latest is None:
            raise StateError(
                "compile",
                "expected a planned call before looking at the plan.",
                "call the function, or prepare(...) with its arguments.",
            )
        return self._latest.plan


@overload
def compile(
    fn: Callable[P, R], *, memory_limit: int | None = None, disable: Collection[str] = ()
) -> Compiled[P, R]: ...
@overload
def compile(
    fn: None = None, *, memory_limit: int | None = None, disable: Collection[str] = ()
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...


def compile(
    fn: Any = None, *, memory_limit: int | None = None, disable: Collection[str] = ()
) -> Any:
    """Make of a function of tensors one planned call of the core; also a decorator.

    The function is called once with tensors that have a shape but no data. What its ops would
    have done becomes a plan: forward, backward and updates in one call, in memory planned
    beforehand. Arrays of another shape or dtype, another mode of a module, get a plan of their
    own. Parameters, optimizer state and random generators are shared with eager code.

    The plan has everything else built in that the function reads: numbers, lists, attributes of
    the closure, the module, and of what it calls there. They are compared before each run; if one
    has changed, a new plan is made. So give a number that changes at each call, as a weight of a
    loss that grows, as a tensor. A function that looks at values of tensors, changes something
    outside but tensors in place, prints, or draws numbers from elsewhere, runs eagerly and says so
    once. Functions of other libraries are called once, as the plan is made: give them to the plan
    as arguments.

    A step whose loss or gradients are not finite changes nothing and raises NonFiniteError, which
    names the instruction where it began.

    Gradients that an update in the function used up are not kept: `grad` then holds a note that
    says so. Gradients that it only computes are left in `grad`, as in eager code.

    A compiled module is a module: `train()`, `parameters()`, `state_dict()`, its length, its parts
    and all else that it has are those of the one it is made of. So it may be part of another, whose
    `state_dict` has the keys that it would have without `compile`. Gradients do not go through its
    results: to train, compile the whole step.

    `memory_limit`: bytes that `plan.memory().total` may reach; MemoryLimitError before the first
    step names the largest arrays. `disable`: names of passes to leave out, to look for one that
    is wrong or slow; see PASSES in nnfast/graph/plan.py.

    >>> import nnfast
    >>> twice = nnfast.compile(lambda x: x + x)
    >>> twice(nnfast.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if fn is None:
        return lambda fn: compile(fn, memory_limit=memory_limit, disable=disable)
    if not callable(fn):
        fail("compile", "a function or module", type(fn).__name__, error=DTypeError)
    unknown = set(disable) - OPTIONAL
    if unknown:
        fail("compile", f"disable from {sorted(OPTIONAL)}", f"{sorted(unknown)}")
    return Compiled(fn, memory_limit, disable)


def _name_of(fn: Any) -> str:
    return str(getattr(fn, "__name__", type(fn).__name__))


def _but_for_numbers(key: Any) -> Any:
    """A kind of arguments, with the types of numbers in place of their values."""
    structure, grad, kinds, alike = key
    return structure, grad, tuple(k[0] if k[0] in (int, float) else k for k in kinds), alike


def _is_module(fn: Any) -> bool:
    from nnfast.nn.module import Module

    return isinstance(fn, Module)


class _OfModule:
    """What a module has in its class, as an attribute of the compiled one."""

    def __init__(self, kind: type, name: str) -> None:
        self.kind, self.name = kind, name

    def __get__(self, compiled: Any, owner: type | None = None) -> Any:
        if compiled is None:
            return getattr(self.kind, self.name)
        found = getattr(compiled.fn, self.name)
        return _returning(compiled, found) if isinstance(found, MethodType) else found


def _compiled_as(module: Any) -> type[Compiled[Any, Any]]:
    """The class of a compiled module: a module too, whose members are those of the one it is of."""
    from nnfast.nn.module import Module

    kind = type(module)
    members = {name: _OfModule(kind, name) for name in set(dir(kind)) - set(dir(Compiled))}
    return type("Compiled", (Compiled, Module), members)


def _returning(compiled: Any, method: Any) -> Any:
    """A method of a module, which returns the compiled one where it would return the module."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        y = method(*args, **kwargs)
        return compiled if y is compiled.fn else y

    return call


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would look again and again at what plans are made of."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@cache
def _tensors(n: int) -> Any:
    """The structure of n tensors as arguments."""
    return flatten(((0,) * n, {}))[1]


def _alike(leaves: list[Any]) -> tuple[int, ...] | None:
    """Which arguments are one tensor, where it has a gradient, the sum of both; None if none."""
    ids = [id(x) if isinstance(x, Tensor) and x.requires_grad else i for i, x in enumerate(leaves)]
    return None if len(set(ids)) == len(ids) else tuple([ids.index(i) for i in ids])


def _kind(x: Any) -> Any:
    """What a plan depends on of an argument."""
    if isinstance(x, Tensor):
        a = x.array
        return a.shape, a.dtype, order_of(a), x.requires_grad, bool(x.hooks), has_gradient(x)
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, order_of(x)
    return type(x), x, repr(x) if isinstance(x, float) else ""  # 0.0 and -0.0 differ
