"""One plan of a compiled function: how it is made and called, and what it takes for granted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from nnfast import _core
from nnfast.errors import StateError
from nnfast.graph.fewer import fewer
from nnfast.graph.ir import Argument, Graph, Value
from nnfast.graph.mode import CHANGES, MODE
from nnfast.graph.order import order_of
from nnfast.graph.plan import Plan
from nnfast.graph.surroundings import Surroundings, is_leaf, same_entries
from nnfast.graph.symbol import Raises, Symbol, Untraceable
from nnfast.graph.trace import Trace
from nnfast.graph.tree import LEAF, flatten, rebuild
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Op, Result, view
from nnfast.tensor import USED, Tensor


class Entry:
    """A traced function, and the plan that came of it.

    `like`: an earlier one of the same function, which may know its surroundings still, and have
    a plan for a larger batch.
    """

    plan: Plan
    _around: Surroundings
    _surroundings: _core.Guards

    def __init__(
        self,
        fn: Callable[..., Any],
        leaves: Sequence[Any],
        structure: Any,
        arenas: Any,
        step: Sequence[int],
        disable: Collection[str] = (),
        like: Entry | None = None,
    ) -> None:
        self._objects = _objects(leaves, structure)
        known = like if like is not None and like._knows(self._objects) else None
        self._around = known._around if known else Surroundings(fn, *rebuild(leaves, structure))
        self._around.hold_arrays()
        if self._around.reads_gradients and any(map(has_gradient, leaves)):
            raise Untraceable("it may read the gradient of an argument")
        there = self._around.all_tensors()
        outside = [t for t in there if is_leaf(t)]
        before = like.plan.base.captured if like is not None else []
        trace = Trace(outside, self._around.tensors(), before, there)
        trace.there = self._around.modules()
        MODE.trace, grad = trace, MODE.grad
        try:
            self._follow(trace, fn, leaves, structure)
        except BaseException:  # Ctrl-C too
            self._around.changed()
            raise
        finally:
            MODE.trace, MODE.grad = None, grad
            trace.restore()
        for leaf in trace.leaves:
            if leaf not in trace.cleared:
                trace.guards.gradient(leaf)
        if self._around.reads_gradients:  # whether they have one may decide what is done
            for leaf in [leaf for leaf in outside if leaf not in trace.leaves]:
                trace.guards.gradient(leaf)
        name = self._around.changed()
        if name is not None:
            raise Untraceable(f"it changes {name}")
        if trace.kept():
            raise Untraceable("it keeps a tensor beyond its end")
        if trace.shares_memory(x.array for x in leaves if isinstance(x, Tensor)):
            raise Untraceable("it changes a tensor that shares its memory with another")
        graph = Graph(trace.graph.calls, [*self._values, *self._grad_values])
        modules = list(trace.modules)
        smaller = like and fewer(like.plan, graph, trace.checks, modules, step)
        self.plan = smaller or Plan(graph, trace.checks, arenas, modules, step, disable)
        self._modules = [(m, dict(m.__dict__)) for m in trace.modules]
        self._identities = trace.guards
        self._surroundings = self._around.guards() if known is None else known._surroundings.copy()
        self._call = self._make_call(trace, leaves, structure)
        self.attempt = self._call.attempt

    def _knows(self, objects: Any) -> bool:
        """Whether the function, given these, would still read what it read here."""
        return bool(self._objects == objects) and self._surroundings.hold()

    def _make_call(self, trace: Trace, leaves: Sequence[Any], structure: Any) -> _core.Call:
        """What runs the plan: as long as nothing has changed no Python code is between."""
        given = [(i, v.source) for i, v in enumerate(self.plan.given)]
        arguments = [(i, leaves[s.index]) for i, s in given if isinstance(s, Argument)]
        self._orders = {  # of the arguments whose dimensions do not lie in C's
            i: order for i, x in arguments
            if (order := order_of(x.array if isinstance(x, Tensor) else x)) is not None
        }  # fmt: skip
        positional = (
            all(type(x) is Tensor for x in leaves)
            and structure == flatten((tuple(leaves), {}))[1]
            and not self._asked
            and not self._orders
            and not (self._around.reads_gradients and any(x.requires_grad for x in leaves))
            and sum(x.requires_grad for x in leaves) < 2  # they may be one tensor: see `alike`
        )
        return _core.Call(
            self.plan.core,
            self._identities,
            self._surroundings,
            list(leaves) if positional else None,
            self.plan.sources,
            self.plan.checks,
            self._answers,
            None if self._structure == LEAF else partial(rebuild, structure=self._structure),
            {
                "kept": self._kept,
                "left": self._left,
                "after": [*trace.done, *trace.after],
                "dense": self._dense,
                "failed": self.plan.fail,
            },
        )

    def _dense(self, array: Any, i: int) -> np.ndarray:
        """Array number i of a run, as the core can read it."""
        if (order := self._orders.get(i)) is not None:
            array = array.transpose(order)
        return np.require(array, self.plan.given[i].dtype, ["C", "A"])

    def _follow(
        self, trace: Trace, fn: Callable[..., Any], leaves: Sequence[Any], structure: Any
    ) -> None:
        """Call the function on symbols and note what it answers and which gradients it leaves."""
        symbols = _symbols(trace, leaves)
        args, kwargs = rebuild(symbols, structure)
        arguments = {id(t): i for i, t in enumerate(symbols) if isinstance(t, Tensor)}
        grad = MODE.grad
        try:
            answer = fn(*args, **kwargs)
        except Untraceable:
            raise
        except Exception as error:
            raise trace.broken or Raises() from error
        if trace.broken:
            raise trace.broken
        after, shape = flatten((args, kwargs))
        if shape != structure or any(x is not y for x, y in zip(after, symbols, strict=True)):
            raise Untraceable("it changes a list or dict that it is given")
        if MODE.grad != grad:
            raise Untraceable("it switches gradients on or off for its caller")
        # What the function asks of its arguments stays with them, also after later runs.
        self._asked = [
            (i, t.requires_grad)
            for i, (t, x) in enumerate(zip(symbols, leaves, strict=True))
            if isinstance(t, Tensor) and isinstance(x, Tensor)
            if t.requires_grad != x.requires_grad
        ]
        trace.find_set()
        if any(t.grad is not None for t in symbols if isinstance(t, Tensor)):
            raise Untraceable("it leaves a gradient in an argument")
        for leaf in [leaf for leaf in trace.leaves if trace.is_inside(leaf)]:
            del trace.leaves[leaf]  # made inside, it ends with the function
        self._read_answer(answer, arguments)
        self._read_gradients(trace)

    def _read_answer(self, answer: Any, arguments: dict[int, int]) -> None:
        found, self._structure = flatten(answer)
        self._values: list[Value] = []
        # As it is, or the number of a leaf; or the next result, which None, or a function, wraps.
        self._answers: list[Tensor | int | Callable[[Tensor], Tensor] | None] = []
        for x in found:
            if not isinstance(x, Tensor):
                raise Untraceable(f"it returns {type(x).__name__}, not only tensors")
            if id(x) in arguments:
                self._answers.append(arguments[id(x)])
            elif isinstance(x.array, Symbol):
                self._values.append(x.array.value)
                self._answers.append(_inside if x.requires_grad else None)
            else:
                self._answers.append(x)

    def _read_gradients(self, trace: Trace) -> None:
        updated = trace.graph.changed(but="clone")  # which is what an assignment becomes
        self._grad_values: list[Value] = []
        self._kept: list[Tensor] = []  # leaves whose gradient is a result
        self._left: list[tuple[Tensor, Any]] = []  # leaves whose grad becomes this
        for leaf in trace.leaves:
            grad = leaf.grad
            if grad is None:
                self._left.append((leaf, None))
            elif id(leaf) in updated and leaf in trace.cleared:
                self._left.append((leaf, USED))
            else:
                value = trace.value(grad)
                assert value is not None
                self._grad_values.append(value)
                self._kept.append(leaf)

    def valid(self) -> bool:
        """Whether all that the plan takes for granted still holds."""
        if not self._identities.hold():
            return False
        if not self._surroundings.hold():
            if CHANGES.module_hooks or any(
                not same_entries(m.__dict__, was) for m, was in self._modules
            ):
                return False
            if any(v.source.tensor.hooks for v in self.plan.captured):  # type: ignore[union-attr]
                return False
            if not self._around.same():
                return False
            self._around.guard(self._surroundings)  # other objects, but equal ones
        return True

    def run(self, leaves: list[Any]) -> Any:
        """The answer; NotImplemented if a captured tensor has another shape or dtype now, or
        requires gradients that it did not."""
        result = self._call.run(leaves)
        if result is not NotImplemented:
            for i, asked in self._asked:
                leaves[i].requires_grad = asked
        return result


def _objects(leaves: Sequence[Any], structure: Any) -> Any:
    """The arguments that a function may read attributes of, and where; None if there are none."""
    plain = (Tensor, np.ndarray, np.generic, int, float, str, bytes, type(None))
    found = [(i, id(x)) for i, x in enumerate(leaves) if not isinstance(x, plain)]
    return (structure, found) if found else None


def has_gradient(x: Any) -> bool:
    """Whether it is a leaf that has one."""
    return isinstance(x, Tensor) and x.requires_grad and x.grad is not None


def _symbols(trace: Trace, leaves: Sequence[Any]) -> list[Any]:
    """What the function is called with; a tensor given twice that has a gradient stays one."""
    made: dict[int, Any] = {}
    symbols = []
    for i, x in enumerate(leaves):
        symbol = made[id(x)] if id(x) in made else _symbol(trace, i, x)
        if isinstance(x, Tensor) and x.requires_grad:
            made[id(x)] = symbol
        symbols.append(symbol)
    return symbols


def _symbol(trace: Trace, index: int, x: Any) -> Any:
    if isinstance(x, Tensor):
        if x.hooks:
            raise trace.give_up("it calls the hooks of a tensor")
        t = trace.argument(x.array, index)
        t.requires_grad = x.requires_grad
        return t
    return trace.argument(x, index) if isinstance(x, np.ndarray) else x


def _inside(y: Tensor) -> Tensor:
    """A result of a plan, whose history is inside it."""
    return _INSIDE(y.requires_grad_())


def from_a_plan(input: AnyTensor) -> Result:
    return view(lambda a: a, input.shape, input)


def _no_history(dy: Tensor) -> Tensor:
    raise StateError(
        "backward",
        "expected a result of eager ops, got one of a compiled function, whose history a plan does "
        "not keep.",
        "compute the loss and call backward inside the compiled function.",
    )


_INSIDE = Op(from_a_plan, None, None, ("y",), (), (), False, None)
_INSIDE.vjp(input=_no_history)
