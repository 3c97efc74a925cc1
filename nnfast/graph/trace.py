"""Tracing: a function is called once on symbols, and its ops leave a graph behind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import starmap
from typing import TYPE_CHECKING, Any
from weakref import ref

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
from nnfast.graph.mode import MODE, Tracing, no_grad, tracing
from nnfast.graph.order import Turned, made, memory_order
from nnfast.graph.parts import with_part
from nnfast.graph.symbol import Symbol, Untraceable
from nnfast.graph.where import Where, here, in_line
from nnfast.tensor import KERNEL_DTYPES, Tensor, wrap

if TYPE_CHECKING:
    from nnfast.graph.node import Node
    from nnfast.nn.module import Module
    from nnfast.ops.record import Op, Result


class Trace(Tracing):
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
        self.graph = Graph()
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
        again = [(x, v) for v in before if (x := self._as_it_was(v)) is not None]
        self._captured = [x for x, _ in again]
        self._again = {id(x) for x in self._captured}  # perhaps no more in use
        self._there = outside
        self._known = {id(x): v for x, v in again}  # by the id of a tensor from outside
        self._keep: list[Tensor] = []  # so that ids stay unique
        self._assigned: dict[Value, Call] = {}  # of tensors from outside: what they are now
        self._sources: dict[int, Tensor] = {}  # id of an alias -> the tensor it was made of
        self._symbols: list[ref[Symbol]] = []
        self._views: list[ref[Symbol]] = []
        self._turned = Turned()
        self._places: dict[int, Where] = {}  # number of a node -> where it was left
        self.backward_of: Where | None = None  # the node whose gradient rule runs now

    # ---- values ---------------------------------------------------------------------------

    def symbol(self, value: Value, layout: np.ndarray | None = None) -> Tensor:
        """A tensor without data that stands for a value; `layout` as in Symbol."""
        symbol = Symbol(value, layout)
        weak = ref(symbol)
        self._symbols.append(weak)
        if value.root is not None:
            self._views.append(weak)
        return wrap(symbol)  # type: ignore[arg-type]

    def _outside(self, shape: tuple[int, ...], dtype: Any, source: Source) -> Tensor:
        return self.symbol(Value(shape, dtype, source=source))

    def argument(self, array: np.ndarray, index: int) -> Tensor:
        """The symbol of an argument."""
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
        self._given.add(value)  # type: ignore[arg-type]
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
        alive = [s for weak in self._symbols if (s := weak()) is not None]
        return all(s is x.array or s.value.memory is not value for s in alive)

    def converted(self, symbol: Symbol, dtype: np.dtype[Any]) -> Symbol:
        """An argument in another dtype than it came in."""
        if not isinstance(symbol.value.source, Argument):
            raise self.give_up(f"it converts a computed {symbol.dtype} tensor to {dtype}")
        new: Symbol = self._outside(symbol.shape, dtype, symbol.value.source).array  # type: ignore
        return new

    def value(self, x: Tensor | None) -> Value | None:
        """The value that a tensor stands for; one from outside is captured."""
        if x is None:
            return None
        value: Value
        symbol: Any = x.array
        if type(symbol) is not Symbol:
            value = self._known.get(id(x)) or self._from_outside(x)
            return self._assigned[value].inputs[0] if value in self._assigned else value
        value = symbol.value
        if value.source is not None and value.dtype not in KERNEL_DTYPES:
            raise self.give_up(f"it computes with {value.dtype}")
        return value

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
        self._captured.append(kept)
        self._keep.append(x)
        return Value(a.shape, a.dtype, strides=a.strides, source=Captured(kept))

    def _as_it_was(self, value: Value) -> Tensor | None:
        """The tensor that an earlier trace captured, if its value is right in this one too."""
        assert isinstance(value.source, Captured)
        x = value.source.tensor
        a = x.array
        same = a.shape == value.shape and a.strides == value.strides and a.dtype == value.dtype
        return x if same and id(x) not in self._leaf_of else None

    def _gradient_before(self, grad: Tensor) -> Value:
        """The value of what a leaf has as its gradient whenever the plan runs."""
        a, leaf = grad.array, self._leaf_of[id(grad)]
        if not a.flags.c_contiguous:
            raise self.give_up(f"it reads a gradient of strides {a.strides}")
        self.guards.gradient(leaf)
        self._keep.append(grad)
        return Value(a.shape, a.dtype, source=Gradient(leaf))

    # ---- calls ----------------------------------------------------------------------------

    def __call__(
        self, op: Op[Any], inputs: list[Tensor | None], result: Result, packed: bytes | None
    ) -> Any:
        """Note one call of an op and leave a node; its outputs are symbols."""
        where = self.backward_of or here()
        if packed is not None and op.mutates:
            return self._change(op, inputs, packed, where)
        if result.is_view:
            outputs = [self._view(op, inputs[0], result)]
        elif packed is None:
            raise self.give_up(f"{op.name} runs in NumPy here")
        else:
            outputs = self._results(op, [*map(self.value, inputs)], result, packed, where)
        if MODE.grad:
            op._leave_node(inputs, result, outputs)
            if (node := outputs[0].node) is not None:
                self._places[node.number] = where
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _results(
        self, op: Op[Any], inputs: list[Value | None], result: Result, packed: bytes, where: Where
    ) -> list[Tensor]:
        turned = memory_order(op, packed, inputs, result.specs[0][0]) if result.specs else None
        if turned is None:
            values = [*starmap(Value, result.specs)]
            self.graph.calls.append(Call(op, inputs, values, packed, (), where))
            return [*map(self.symbol, values)]
        order, out_order, packed = turned
        views = [None if v is None else self._turned.of(v, order) for v in inputs]
        results = [made(*spec, out_order) for spec in result.specs]
        call = Call(op, views, [there for there, _, _ in results], packed, (), where)
        self.graph.calls.append(call)
        return [self.symbol(view, layout) for _, view, layout in results]

    def place(self, node: Node) -> None:
        """The gradient rule of a node is about to run: it belongs where the node was left."""
        self.backward_of = self._places.get(node.number)

    def _change(
        self, op: Op[Any], inputs: list[Tensor | None], packed: bytes, where: Where
    ) -> None:
        """Note a call that changes some of its inputs."""
        for x in map(inputs.__getitem__, op.changes):
            if x is not None:
                self._begin_anew(x)
                self._forget(x)
                x._version += 1
        values = [*map(self.value, inputs)]
        changed = [v for v in map(values.__getitem__, op.changes) if v is not None]
        self.graph.calls.append(Call(op, values, changed, packed, tuple(changed), where))

    def _begin_anew(self, x: Tensor) -> None:
        """What the function made of data, and is about to change, is again what it was in the
        next run."""
        if isinstance(x.array, Symbol) or id(self._source_of(x)) not in self._made:
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
        before = self._assigned.get(value)
        fit = isinstance(value.source, Captured) and array.flags.carray
        if not fit or self._has_view(value, before.inputs[0] if before else None, but=part):
            return False
        assert new is not None
        call = Call(clone, [new], [value], clone.pack(None), (value,), self.backward_of or here())
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
        x.array = self.symbol(view, x.array.layout).array
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
        alive = [s for weak in self._views if (s := weak()) is not None]
        return any([s.value.root in values for s in alive if s is not but])

    def _view(self, op: Op[Any], x: Tensor | None, result: Result) -> Tensor:
        value = self.value(x)
        assert x is not None and value is not None and result.compute is not None
        if op.name == "reshape" and value.is_dense():
            return self._reshape(value, result)
        layout = x.array.layout if isinstance(x.array, Symbol) else x.array
        if op.name == "reshape":
            from nnfast.ops.shape import keeps_memory

            if not keeps_memory(layout, result.specs[0][0]):
                return self._reshape(_copy(x).array.value, result)
        new = np.asarray(result.compute(layout))
        strides = new.strides
        if strides and min(strides) < 0:
            raise self.give_up("it uses a view with a negative step")
        offset = value.offset + (_address(new) - _address(layout) if new.size else 0)
        view = Value(result.specs[0][0], value.dtype, value.root or value, offset, strides)
        return self.symbol(view, new)

    def _reshape(self, dense: Value, result: Result) -> Tensor:
        shape, dtype = result.specs[0]
        return self.symbol(Value(shape, dtype, dense.root or dense, dense.offset))

    # ---- its end --------------------------------------------------------------------------

    def give_up(self, reason: str) -> Untraceable:
        """The error to raise where a plan is impossible."""
        self.broken = Untraceable(reason + in_line())
        return self.broken

    def kept(self) -> bool:
        """Whether somebody still holds a symbol, when the function has ended."""
        self._keep.clear()
        return any([weak() is not None for weak in self._symbols])

    def shares_memory(self, leaves: Iterable[np.ndarray]) -> bool:
        """Whether a tensor that the function changes lies in the memory of another."""
        changed = self.graph.changed()
        unused = self._again - changed - {id(v.source.tensor) for v in self.graph.captured()}  # type: ignore[union-attr]
        arrays = [(t.array, id(t) in changed) for t in self._captured if id(t) not in unused]
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
