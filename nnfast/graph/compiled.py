"""`nnfast.compile`: a function of tensors becomes a plan, one for each kind of arguments."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.ir import Captured, Graph, Value
from nnfast.graph.mode import MODE
from nnfast.graph.plan import Plan
from nnfast.graph.symbol import Symbol, Untraceable
from nnfast.graph.trace import Trace
from nnfast.graph.tree import flatten, rebuild
from nnfast.tensor import Tensor, wrap

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that runs as plans; see `compile`."""

    def __init__(self, fn: Callable[P, R]) -> None:
        self.fn = fn
        update_wrapper(self, fn)
        self._entries: OrderedDict[Any, list[Entry]] = OrderedDict()
        self._noted = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if MODE.trace is not None:  # inside another compiled function
            return self.fn(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        key = (structure, MODE.grad, tuple([_kind(x) for x in leaves]))
        entries = self._entries.get(key)
        if entries is not None:
            for entry in entries:
                if entry.valid():
                    done, result = entry.run(leaves)
                    if done:
                        return result
        return self._first(key, leaves, args, kwargs)

    def _first(self, key: Any, leaves: list[Any], args: Any, kwargs: Any) -> R:
        try:
            entry = Entry(self.fn, leaves, key[0])
        except Untraceable as error:
            self._note(error)
            return self.fn(*args, **kwargs)
        self._entries[key] = [entry]
        done, result = entry.run(leaves)
        assert done
        return result  # type: ignore[no-any-return]

    def _note(self, error: Untraceable) -> None:
        if not self._noted:
            self._noted = True
            name = getattr(self.fn, "__name__", type(self.fn).__name__)
            warnings.warn(
                f"nnfast.compile: {name} runs eagerly, with the same result, because {error}.",
                stacklevel=4,
            )

    @property
    def plan(self) -> Plan:
        """The plan of the latest arguments."""
        if not self._entries:
            raise StateError("compile", "expected a first call before looking at the plan.")
        return next(reversed(self._entries.values()))[0].plan


def compile(fn: Callable[P, R]) -> Compiled[P, R]:
    """Make of a function of tensors one planned call of the core; also a decorator.

    The function is called once with tensors that have a shape but no data. What its ops would
    have done becomes a plan: forward, backward and updates in one call, in memory planned
    beforehand. Arrays of another shape or dtype, another mode of a module, get a plan of their
    own. Parameters, optimizer state and random generators are shared with eager code. A function
    that looks at values, or changes what a plan cannot know of, runs eagerly and says so once.

    >>> import nnfast
    >>> from nnfast import nn
    >>> double = nnfast.compile(lambda x: x + x)
    >>> double(nnfast.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if not callable(fn):
        fail("compile", "a function or module", type(fn).__name__, error=DTypeError)
    return Compiled(fn)


def _kind(x: Any) -> Any:
    """What a plan depends on of an argument."""
    if isinstance(x, Tensor):
        return x.array.shape, x.array.dtype, x.requires_grad
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype
    return type(x), x


class Entry:
    """One plan, how to call it, and what it takes for granted."""

    def __init__(self, fn: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> None:
        trace = Trace()
        symbols = [_symbol(trace, i, x) for i, x in enumerate(leaves)]
        args, kwargs = rebuild(symbols, structure)
        del symbols
        MODE.trace, grad = trace, MODE.grad
        try:
            answer = fn(*args, **kwargs)
            if trace.broken:
                raise trace.broken
            del args, kwargs
            self._read_answer(trace, answer)
            self._read_leaves(trace)
            graph = Graph(trace.graph.calls, [*self._values, *self._grad_values])
        finally:
            MODE.trace, MODE.grad = None, grad
            for leaf, before in trace.leaves.items():
                leaf.grad = before
        del answer
        if trace.alive():
            raise Untraceable("it keeps a tensor beyond its end (appends it to a list, say)")
        self.plan = Plan(graph, trace.checks)
        self.guards = trace.guards
        self.modules = [(m, m.training) for m in trace.modules]
        self.wanted = [
            (t, t.requires_grad) for t in (
                v.source.tensor for v in self.plan.captured if isinstance(v.source, Captured)
            )
        ]  # fmt: skip

    def _read_answer(self, trace: Trace, answer: Any) -> None:
        found, self._structure = flatten(answer)
        self._constants: list[Tensor | None] = []
        self._values: list[Value] = []
        for x in found:
            if isinstance(x, Tensor) and isinstance(x.array, Symbol):
                self._values.append(x.array.value)
                self._constants.append(None)
            elif isinstance(x, Tensor):
                self._constants.append(x)
            else:
                raise Untraceable(f"it returns a {type(x).__name__}, not a tensor")

    def _read_leaves(self, trace: Trace) -> None:
        """Which gradients the plan leaves behind, and which it forgets or uses up."""
        updated = {
            id(v.source.tensor)
            for c in trace.graph.calls for v in c.changed if isinstance(v.source, Captured)
        }  # fmt: skip
        self._grad_values: list[Value] = []
        self._kept: list[Tensor] = []  # leaves whose gradient is a result
        self._dropped: list[Tensor] = []
        for leaf, before in trace.leaves.items():
            grad = leaf.grad
            if leaf not in trace.cleared:
                absent = before is None
                trace.guards.append((lambda leaf=leaf: leaf.grad is None, absent))  # type: ignore
            if grad is None or (id(leaf) in updated and leaf in trace.cleared):
                self._dropped.append(leaf)
            else:
                value = trace.value(grad)
                assert value is not None
                self._grad_values.append(value)
                self._kept.append(leaf)

    def valid(self) -> bool:
        """Whether all that the plan takes for granted still holds."""
        for module, training in self.modules:
            if module.training is not training:
                return False
        for tensor, wanted in self.wanted:
            if tensor.requires_grad is not wanted:
                return False
        return all([read() == expected for read, expected in self.guards])

    def run(self, leaves: Sequence[Any]) -> tuple[bool, Any]:
        """Run the plan; False if a parameter has another shape or dtype than it had."""
        arrays = self.plan.run([x.array if isinstance(x, Tensor) else x for x in leaves])
        if arrays is None:
            return False, None
        tensors = iter([wrap(a) for a in arrays])
        found = [next(tensors) if c is None else c for c in self._constants]
        for leaf in self._kept:
            leaf.grad = next(tensors)
        for leaf in self._dropped:
            leaf.grad = None
        return True, rebuild(found, self._structure)


def _symbol(trace: Trace, index: int, x: Any) -> Any:
    if isinstance(x, Tensor):
        t = trace.argument(x.array, index)
        t.requires_grad = x.requires_grad
        return t
    if isinstance(x, np.ndarray):
        return trace.argument(x, index)
    return x
