"""`nnfast.compile`: a function of tensors becomes a plan for each kind of arguments."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import update_wrapper
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from nnfast import _core
from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.entry import Entry
from nnfast.graph.mode import MODE, tracing
from nnfast.graph.plan import OPTIONAL, Plan
from nnfast.graph.symbol import Untraceable
from nnfast.graph.tree import flatten
from nnfast.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

MAX_PLANS = 64  # of one function; the one not used for longest goes


class Compiled(Generic[P, R]):
    """A function that runs as plans; see `compile`."""

    def __init__(self, fn: Callable[P, R], disable: Collection[str] = ()) -> None:
        self.fn = fn
        self._disable = disable
        update_wrapper(self, fn, updated=())
        self._entries: OrderedDict[Any, list[Entry] | None] = OrderedDict()
        self._arenas = _core.Arenas()  # memory that all plans share, one run at a time
        self._latest: Entry | None = None
        self._noted = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if tracing() is not None:  # inside another compiled function
            return self.fn(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        key = (structure, MODE.grad, tuple([_kind(x) for x in leaves]))
        try:
            entries = self._entries.get(key, ())
        except TypeError:  # an argument that has no hash
            self._note(Untraceable("an argument cannot be compared with earlier ones"))
            return self.fn(*args, **kwargs)
        if entries is None:  # known to be untraceable
            return self.fn(*args, **kwargs)
        for entry in entries:
            if entry.valid():
                done, result = entry.run(leaves)
                if done:
                    self._latest = entry
                    return result
        return self._first(key, leaves, args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _first(self, key: Any, leaves: list[Any], args: Any, kwargs: Any) -> R:
        try:
            entry = Entry(self.fn, leaves, key[0], self._arenas, self._disable)
        except Untraceable as error:
            self._note(error)
            self._entries[key] = None  # tracing it again would repeat what it does outside
            return self.fn(*args, **kwargs)
        known = [e for e in self._entries.pop(key, None) or () if e.valid()]
        self._entries[key] = [entry, *known]
        while len(self._entries) > MAX_PLANS:
            self._entries.popitem(last=False)
        self._latest = entry
        done, result = entry.run(leaves)
        assert done
        return result

    def _note(self, error: Untraceable) -> None:
        if self._noted:
            return
        self._noted = True
        name = getattr(self.fn, "__name__", type(self.fn).__name__)
        warnings.warn(
            f"nnfast.compile: {name} runs eagerly, with the same result, because {error}.",
            stacklevel=4,
        )

    @property
    def plan(self) -> Plan:
        """The plan that ran last."""
        if self._latest is None:
            raise StateError("compile", "expected a planned call before looking at the plan.")
        return self._latest.plan


def compile(fn: Callable[P, R], *, disable: Collection[str] = ()) -> Compiled[P, R]:
    """Make of a function of tensors one planned call of the core; also a decorator.

    The function is called once with tensors that have a shape but no data. What its ops would
    have done becomes a plan: forward, backward and updates in one call, in memory planned
    beforehand. Arrays of another shape or dtype, another mode of a module, get a plan of their
    own. Parameters, optimizer state and random generators are shared with eager code. A function
    that looks at values, or changes what a plan cannot know of, runs eagerly and says so once.

    Gradients that an update in the function used up are not kept: `grad` then holds a note that
    says so. Gradients that it only computes are left in `grad`, as in eager code.

    `disable`: names of passes to leave out, to look for one that is wrong or slow; see PASSES in
    nnfast/graph/plan.py.

    >>> import nnfast
    >>> twice = nnfast.compile(lambda x: x + x)
    >>> twice(nnfast.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if not callable(fn):
        fail("compile", "a function or module", type(fn).__name__, error=DTypeError)
    unknown = set(disable) - OPTIONAL
    if unknown:
        fail("compile", f"disable from {sorted(OPTIONAL)}", f"{sorted(unknown)}")
    return Compiled(fn, disable)


def _kind(x: Any) -> Any:
    """What a plan depends on of an argument."""
    if isinstance(x, Tensor):
        return x.array.shape, x.array.dtype, x.requires_grad
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype
    return type(x), x, repr(x) if isinstance(x, float) else ""  # 0.0 and -0.0 differ
