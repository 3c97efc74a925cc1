"""The graph of a traced function: values, and the calls of ops that make them, in order.

A `Value` is an array of a plan: shape, dtype, source (None: a call makes it). A view has a `root`,
in whose memory it lies, and an `offset` and `strides` in bytes (None: C-contiguous). Where a pass
made it, `like` is what it has its shape from.

A `Call` is one call of a kernel, not changed once it is made. Where it changes an input in place,
`changed` names it, and it is an output too. `where` is None where a pass made it. `overwrites`: for
each output, the inputs in whose memory it may be written, should they end here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfast import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nnfast.tensor import Tensor


Value = _core.Value
Call = _core.OpCall


@lru_cache(1 << 12)
def dense_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Byte strides of a C-contiguous array."""
    strides, step = [], itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@dataclass(eq=False, slots=True)
class Argument:
    """Given with each run: leaf number `index` of the arguments, converted to `dtype`."""

    index: int


@dataclass(eq=False, slots=True)
class Captured:
    """A tensor that lives outside: a parameter, a moment, a running mean."""

    tensor: Tensor


@dataclass(eq=False, slots=True)
class Refreshed:
    """A small array that `refresh` fills before each run: rates, random state.

    It is not asked while the entries `names` of `options` are the same numbers.
    """

    refresh: Callable[[], Any]
    options: dict[str, Any] | None = None
    names: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Gradient:
    """What `leaf.grad` holds when a run begins."""

    leaf: Tensor


Source = Argument | Captured | Refreshed | Gradient


class Kernel(NamedTuple):
    """What only plans call: it has no record."""

    name: str
    id: int
    inputs: tuple[str, ...] = ()
    over: Mapping[int, int] = {}


def algorithm(call: Call) -> str:
    """How it is computed; "" where there is one way only."""
    shapes = [v.shape for v in call.inputs if v is not None]
    return _core.algorithm(call.op.id, call.attrs, shapes, call.outputs[0].shape)


@dataclass(eq=False, slots=True)
class Graph:
    """Calls in an order in which they can run, and the values that somebody outside wants."""

    calls: list[Call] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    prologue: int = 0  # so many of the first calls depend on captured tensors alone

    def calls_any(self, *names: str) -> bool:
        """Whether there is a call of one of these ops."""
        return any([call.op.name in names for call in self.calls])

    def readers(self) -> Counter[Value]:
        """How many calls read each memory; who takes the results is one more."""
        found = Counter([m for call in self.calls for m in set(call.reads())])
        found.update([v.memory for v in self.results])
        return found

    def captured(self) -> dict[Value, None]:
        """Those of tensors that live outside, in order of their first use."""
        used = dict.fromkeys([m for call in self.calls for m in call.reads()])
        return {v: None for v in used if type(v.source) is Captured}

    def changed(self, but: str = "") -> set[int]:
        """The ids of the tensors outside that calls, those of an op left out, change."""
        calls = [call for call in self.calls if call.changed and call.op.name != but]
        changed = [v.source for call in calls for v in call.changed]
        return {id(x.tensor) for x in changed if type(x) is Captured}
