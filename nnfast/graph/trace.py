"""Tracing: a function is called once on symbols, and its ops leave a graph behind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast import _core
from nnfast.graph.ir import (
    Argument,
    Call,
    Captured,
    Gradient,
    Graph,
    Refreshed,
    Source,
    Value,
)
from nnfast.graph.mode import MODE, no_grad, tracing
from nnfast.graph.order import Turned, made, memory_order, order_of
from nnfast.graph.parts import with_part
from nnfast.graph.symbol import Symbol, Untraceable
from nnfast.graph.where import in_line, search
from nnfast.tensor import KERNEL_DTYPES, Tensor, wrap

if TYPE_CHECKING:
    from nnfast.graph.node import Node
    from nnfast.nn.module import Module
    from nnfast.ops.record import Op, Result


class Trace(_core.Trace):
    """What one tracing has seen so far.

    `leaves`: whose gradients the function may set. `held`: gradients that it reads under another
    name. `before`: values of tensors from outside that an earlier graph captured; they serve again.
    `outside`: all tensors that it reads, which were there before it began.
    """

    def __init__(
        self,
        leaves: Iterable[Tensor] = (),
        held: Collection[Tensor] = (),
        before: Iterable[Value] = (),
        outside: Collection[Tensor] = (),
    ) -> None:
        self.graph = Graph(self.calls)
        self.broken: Untraceable | None = None
        self.modules: dict[Module, None] = {}  # that were called
        self.there: set[Module] = set()  # that the function can reach
        self.guards = _core.Guards()
        self.checks: list[tuple[Value, Callable[[np.ndarray], None], int]] = []
        self.done: list[Callable[[], object]] = []  # to do after each run
        self.after: list[Callable[[], None]] = []  # then, what changes rates
        self.leaves: dict[Tensor, Tensor | None] = {}  # that got a gradient; what they had
        self.cleared: set[Tensor] = set()  # whose gradient the function forgot first
        self.begun: set[Tensor] = set()  # buffers of optimizers that it filled first
        self._given: set[Value] = set()
        self._made: set[int] = set()  # ids of tensors that the function made itself
        self._grads: dict[Tensor, Tensor | None] = {t: t.grad for t in leaves}  # when it began
        self._leaf_of = {  # by the id of its gradient
            id(grad): t for t, grad in self._grads.items()
            if isinstance(grad, Tensor) and grad not in held
        }  # fmt: skip
        self._know([*before], self._leaf_of)
        self._there = outside
        self._keep: list[Tensor] = []  # so that ids stay unique
        self._sources: dict[int, Tensor] = {}  # id of an alias -> the tensor it was made of
        self._search = search()
        self._turned = Turned()

    # ---- values ---------------------------------------------------------------------------

    def _outside(self, shape: tuple[int, ...], dtype: Any, source: Source) -> Tensor:
        return self.symbol(Value(shape, dtype, source=source))

    def argument(self, array: np.ndarray, index: int) -> Tensor:
        """The symbol of an argument, whose dimensions lie in memory as they will in each run."""
        if (order := order_of(array)) is not None:
            return self.symbol(made(array.shape, array.dtype, order, Argument(index))[1])
        return self._outside(array.shape, array.dtype, Argument(index))

    def refreshed(self, source: Refreshed, shape: tuple[int, ...], dtype: Any) -> Tensor:
        """The symbol of a small array that is filled before each run."""
        if self.after:
            raise self.give_up("it asks for rates or random numbers after a schedule's step")
        return self._outside(shape, np.dtype(dtype), source)

    def gradient(self, leaf: Tensor) -> Tensor | None:
        """`leaf.grad`, as the backward pass finds it."""
        grad = leaf.grad
        if leaf in self.leaves:
            return grad
        if grad is not self._grads.get(leaf, grad):
            self.clear(leaf)  # the function has set it
            return grad
        self.leaves[leaf] = grad
        if grad is None or isinstance(grad.array, Symbol):
            return grad
        leaf.grad = self._outside(grad.array.shape, grad.array.dtype, Gradient(leaf))
        return leaf.grad

    def clear(self, leaf: Tensor) -> None:
        """The function forgets the gradient of a leaf."""
        if leaf not in self.leaves:
            self.leaves[leaf] = self._grads.get(leaf, leaf.grad)
            self.cleared.add(leaf)

    def find_set(self) -> None:
        """Look for leaves whose gradient the function has set, but not by `backward`."""
        for leaf, before in self._grads.items():
            if leaf.grad is not before:
                self.clear(leaf)

    def restore(self) -> None:
        """Give each leaf the gradient that it had."""
        for leaf, before in (self._grads | self.leaves).items():
            leaf.grad = before

    def owned(self, grad: Tensor) -> Tensor:
        """`grad` in memory that no other leaf's gradient shares."""
        value = self.value(grad)
        assert value is not None
        if value.root is not None or value.source is not None or value in self._given:
            grad = _copy(grad)
            value = self.value(grad)
        self._given.add(value)
        return grad

    def alias(self, new: Tensor, source: Tensor) -> None:
        """`new` was made of `source` and shares its memory."""
        if not isinstance(new.array, Symbol):
            self._keep.append(new)
            self._sources[id(new)] = self._source_of(source)

    def made(self, x: Tensor) -> None:
        """The function made x of data."""
        self._made.add(id(x))
        self._keep.append(x)

    def is_inside(self, x: Tensor) -> bool:
        """Whether x is an argument, or what the function computed, or made of data."""
        return isinstance(x.array, Symbol) or id(x) in self._made

    def array_taken(self, x: Tensor) -> None:
        """The user's code asks for the array of x, or replaces it: nobody sees what it does."""
        if not self.is_inside(x):
            raise self.give_up(f"it takes the array of a tensor of shape {x.shape}")

    def owns(self, x: Tensor) -> bool:
        """Whether nobody else sees the memory of x: made by the function, and no view of it."""
        if not isinstance(x.array, Symbol):
            return id(x) in self._made and x.array.base is None
        value = x.array.value
        if value.root is not None or value.source is not None:
            return False
        return all(s is x.array or s.value.memory is not value for s in self.alive())

    def converted(self, symbol: Symbol, dtype: np.dtype[Any]) -> Symbol:
        """An argument in another dtype than it came in."""
        if not isinstance(symbol.value.source, Argument):
            raise self.give_up(f"it converts a computed {symbol.dtype} tensor to {dtype}")
        new: Symbol = self._outside(symbol.shape, dtype, symbol.value.source).array  # type: ignore
        return new

    def _from_outside(self, x: Tensor) -> Value:
        """The value of a tensor that is met for the first time, or another one's alias."""
        self._keep.append(x)
        source = self._source_of(x)
        known = self._known.get(id(source))
        if known is None and id(source) in self._leaf_of:
            known = self._gradient_before(source)
        elif known is None:
            known = self._capture(source)
        self._known[id(x)] = self._known[id(source)] = known
        return known

    def _source_of(self, x: Tensor) -> Tensor:
        return self._sources.get(id(x), x)

    def _capture(self, x: Tensor) -> Value:
        a = x.array
        if a.dtype not in KERNEL_DTYPES or any(s < 0 for s in a.strides):
            raise self.give_up(f"it uses a {a.dtype} array of strides {a.strides}")
        kept = wrap(a) if id(x) in self._made else x  # x may become something else
        self._keep.append(x)
        return Value(a.shape, a.dtype, strides=a.strides, source=Captured(kept))

    def _gradient_before(self, grad: Tensor) -> Value:
        """The value of what a leaf has as its gradient whenever the plan runs."""
        a, leaf = grad.array, self._leaf_of[id(grad)]
        if not a.flags.c_contiguous:
            raise self.give_up(f"it reads a gradient of strides {a.strides}")
        self.guards.gradient(leaf)
        self._keep.append(grad)
        return Value(a.shape, a.dtype, source=Gradient(leaf))

    # ---- calls: csrc/bind/trace.cpp notes them ----------------------------------------------

    def _refuse(self, dtype: Any) -> None:
        raise self.give_up(f"it computes with {dtype}")

    def _refuse_computed(self, op: Op[Any]) -> None:
        raise self.give_up(f"{op.name} runs in NumPy here")

    def _in_memory_order(
        self, op: Op[Any], inputs: list[Value | None], result: Result, packed: bytes
    ) -> tuple[list[Value | None], list[Value], bytes, list[Value]] | None:
        """The inputs, outputs and attributes of a call in the order of memory, and the values that
        the function gets; None if it runs as it is."""
        turned = memory_order(op, packed, inputs, result.specs[0][0])
        if turned is None:
            return None
        order, out_order, packed = turned
        views = [None if v is None else self._turned.of(v, order) for v in inputs]
        results = [made(*spec, out_order) for spec in result.specs]
        return views, [there for there, _ in results], packed, [view for _, view in results]

    def place(self, node: Node) -> None:
        """The gradient rule of a node is about to run: it belongs where the node was left."""
        self.backward_of = self._places.get(node.number)

    def _begin_anew(self, x: Tensor) -> None:
        """What the function made of data, and is about to change, is again what it was in the
        next run."""
        if id(self._source_of(x)) not in self._made:
            return
        shared = id(x) in self._sources or any([x is made for made in self._sources.values()])
        if shared or self._has_view(self.value(x)):
            raise self.give_up(f"it changes a tensor of shape {x.shape} that others see")
        x.array = _copy(x).array

    def is_outside(self, x: Tensor) -> bool:
        """Whether x is a tensor that was there before, no argument, or shares the memory of one."""
        return not isinstance(x.array, Symbol) and self._source_of(x) in self._there

    def assign(self, x: Tensor, y: Tensor, since: int, part: Symbol | None = None) -> bool:
        """Note that y is written to the memory of x, which is from outside; False if it cannot be.

        Who reads x from now on reads y, so that of several changes the last is made: if y was made
        since that call, so that nobody else has it. No view of x may be alive but `part`.
        """
        from nnfast.ops.shape import clone

        new, array = self.value(y), x.array
        value = self._known.get(id(x)) or self._from_outside(x)
        self._met.add(value)
        before = self._assigned.get(value)
        fit = isinstance(value.source, Captured) and array.flags.carray
        if not fit or self._has_view(value, before.inputs[0] if before else None, but=part):
            return False
        assert new is not None
        call = Call(clone, [new], [value], clone.pack(None), (value,), self.here())
        self._assigned.pop(value, None)
        if before is not None:
            self.graph.calls.remove(before)
        if any([new in call.outputs for call in self.graph.calls[since:]]):
            self._assigned[value] = call
        self.graph.calls.append(call)
        _core.note_write(array)
        x._version += 1
        return True

    def assign_part(self, x: Tensor, y: Tensor, since: int) -> bool:
        """As `assign`, where x is a view of such a tensor: the whole becomes another."""
        part = x.array.value if isinstance(x.array, Symbol) else None
        whole = None if part is None else self._whole_of(part)
        if part is None or whole is None:
            return False
        with no_grad():
            new = with_part(whole, part, y)
        if new is None or not self.assign(whole, new, since, x.array):
            return False
        view = Value(part.shape, part.dtype, self.value(whole), part.offset, part.strides)
        x.array = self.symbol(view, x.array.writeable).array
        x._version += 1
        return True

    def _whole_of(self, part: Value) -> Tensor | None:
        """The tensor from outside that a value is a view of."""
        now = [v for v, call in self._assigned.items() if call.inputs[0] is part.root]
        source = (now[0] if now else part.memory).source
        found = source.tensor if isinstance(source, Captured) and part.root is not None else None
        return found if found is not None and found in self._there else None

    def is_there(self, x: Tensor, y: Tensor) -> bool:
        """Whether y is a view of the same place as x."""
        a, b = [t.array.value if isinstance(t.array, Symbol) else None for t in (x, y)]
        if a is None or b is None or a.root is not b.root or a.root is None:
            return False
        return (a.offset, a.shape, a.byte_strides()) == (b.offset, b.shape, b.byte_strides())

    def _forget(self, x: Tensor) -> None:
        """The memory of x is about to change: what was given these numbers is read where it is."""
        now = self.value(x)
        for value in [v for v, call in self._assigned.items() if call.inputs[0] is now]:
            if self._has_view(now):
                raise self.give_up(f"it changes a tensor of shape {x.shape} that others see")
            del self._assigned[value]

    def _has_view(self, *values: Value | None, but: Symbol | None = None) -> bool:
        """Whether somebody holds a view of one of these."""
        alive = [s for s in self.alive() if s.value.root is not None]
        return any([s.value.root in values for s in alive if s is not but])

    def _view(self, op: Op[Any], x: Tensor, result: Result) -> Tensor:
        """A view that is seen for the first time."""
        value = self.value(x)
        shape, dtype = result.specs[0]
        assert value is not None and result.compute is not None
        if op.name == "reshape":
            from nnfast.ops.shape import keeps_memory

            if not value.is_dense() and not keeps_memory(x.array, shape):
                value = self.value(_copy(x))
                assert value is not None
            if value.is_dense():
                return self.symbol(Value(shape, dtype, value.memory, value.offset))
        layout = x.array.layout if isinstance(x.array, Symbol) else x.array
        new = np.asarray(result.compute(layout))
        strides = new.strides
        if strides and min(strides) < 0:
            raise self.give_up("it uses a view with a negative step")
        offset = value.offset + (_address(new) - _address(layout) if new.size else 0)
        view = Value(shape, value.dtype, value.memory, offset, strides)
        return self.symbol(view, new.flags.writeable)

    # ---- its end --------------------------------------------------------------------------

    def give_up(self, reason: str) -> Untraceable:
        """The error to raise where a plan is impossible."""
        self.broken = Untraceable(reason + in_line())
        return self.broken

    def kept(self) -> bool:
        """Whether somebody still holds a symbol, when the function has ended."""
        self._keep.clear()
        return bool(self.alive())

    def shares_memory(self, leaves: Iterable[np.ndarray]) -> bool:
        """Whether a tensor that the function changes lies in the memory of another."""
        changed = self.graph.changed()
        met = [v.source.tensor for v in self._met if isinstance(v.source, Captured)]
        arrays = [(t.array, id(t) in changed) for t in met]
        return _core.share_memory([*arrays, *((a, False) for a in leaves)])


def _copy(x: Tensor) -> Any:
    from nnfast.ops.record import OPS

    return OPS["clone"](x)


def _address(array: np.ndarray) -> int:
    """Of its first element; strides are not negative."""
    return _core.bounds(array)[0]


def follow(
    read: Callable[[], Any], options: dict[str, Any] | None = None, names: tuple[str, ...] = ()
) -> None:
    """A plan made now is valid only while `read()` gives what it gives now.

    It is not asked while the entries `names` of `options` are the same numbers.
    """
    if (trace := tracing()) is not None:
        trace.guards.call(read, read(), options, names)


def follow_gradients(leaves: Iterable[Tensor]) -> None:
    """The function is about to read `grad` of these: a plan reads it anew at each run."""
    if (trace := tracing()) is not None:
        for leaf in leaves:
            trace.gradient(leaf)


def when_done(action: Callable[[], object]) -> None:
    """Note now that an op has run; where a function is traced, after each run of its plan."""
    if (trace := tracing()) is not None:
        trace.done.append(action)
    else:
        action()


def after_run(action: Callable[[], None]) -> None:
    """Change rates now; where a function is traced, after each run of its plan."""
    if (trace := tracing()) is not None:
        trace.after.append(action)
    else:
        action()


def on_values(x: Tensor, check: Callable[[np.ndarray], None], below: int = -1) -> None:
    """Call `check` on the values of x, now or, if x is an argument of a plan, before each run.

    `below`: the check accepts whole numbers from 0 to below - 1, so that a run need not call it.

    In a plan that is before each run, of arguments, captured tensors and views of either. What it
    computes itself is not checked: its kernels are safe with any values.
    """
    trace = tracing()
    value = None if trace is None else trace.value(x)
    if trace is None or value is None:
        return check(x.array)
    if any([value.memory in call.writes() for call in trace.graph.calls if call.changed]):
        return None
    if isinstance(value.source, Captured):
        check(x.array)
    trace.checks.append((value, check, below))


def seen_below(x: Tensor, n: int) -> bool:
    """Whether all of x is seen to be from 0 to n - 1: then `on_values` has nothing to look for."""
    return MODE.trace is None and _core.all_below(x.array, n)


def refreshed(
    make: Callable[[], Any],
    shape: tuple[int, ...],
    dtype: Any,
    options: dict[str, Any] | None = None,
    names: tuple[str, ...] = (),
) -> Tensor:
    """A small tensor of what changes from step to step: made now, and before each run of a plan.

    It is not made again while the entries `names` of `options` are the same numbers.
    """
    if (trace := tracing()) is not None:
        return trace.refreshed(Refreshed(make, options, names), shape, dtype)
    return wrap(np.array(make(), dtype).reshape(shape))
