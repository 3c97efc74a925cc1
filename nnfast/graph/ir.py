"""The graph of a traced function: values, and the calls of ops that make them, in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfast import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from nnfast.graph.where import Where
    from nnfast.ops.record import Op
    from nnfast.tensor import Tensor


@dataclass(eq=False, slots=True)
class Value:
    """An array of a plan. A view has a `root`, in whose memory it lies."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    root: Value | None = None
    offset: int = 0  # bytes from the root's first
    strides: tuple[int, ...] | None = None  # bytes; None: C-contiguous
    source: Source | None = None  # None: a call makes it (or its root's)
    like: Value | None = None  # where a pass made it: what it has its shape from

    @property
    def memory(self) -> Value:
        """Itself, or what it is a view of."""
        return self if self.root is None else self.root

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def byte_strides(self) -> tuple[int, ...]:
        """Strides in bytes."""
        if self.strides is not None:
            return self.strides
        return dense_strides(self.shape, self.dtype.itemsize)

    def is_dense(self) -> bool:
        """Whether its elements lie one behind the other, in C order."""
        if self.strides is None or 0 in self.shape:
            return True
        dense = dense_strides(self.shape, self.dtype.itemsize)
        return self.strides == dense or all(
            n == 1 or a == b for n, a, b in zip(self.shape, self.strides, dense, strict=True)
        )


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


@dataclass(eq=False, slots=True)
class Call:
    """One call of a kernel; not changed once it is made.

    Where it changes an input in place, `changed` names it, and it is an output too. `overwrites`:
    for each output, the inputs in whose memory it may be written, should they end here.
    """

    op: Op[Any] | Kernel
    inputs: Sequence[Value | None]
    outputs: Sequence[Value]
    attrs: bytes
    changed: tuple[Value, ...] = ()
    where: Where | None = None  # None: a pass made it
    overwrites: tuple[tuple[Value, ...], ...] = ()
    _reads: tuple[Value, ...] | None = field(default=None, init=False, repr=False)
    _writes: tuple[Value, ...] | None = field(default=None, init=False, repr=False)

    @property
    def algorithm(self) -> str:
        """How it is computed; "" where there is one way only."""
        shapes = [v.shape for v in self.inputs if v is not None]
        return _core.algorithm(self.op.id, self.attrs, shapes, self.outputs[0].shape)

    def reads(self) -> tuple[Value, ...]:
        """The memory it reads."""
        if self._reads is None:
            self._reads = tuple([v.root or v for v in self.inputs if v is not None])
        return self._reads

    def writes(self) -> tuple[Value, ...]:
        """The memory it makes or changes."""
        if self._writes is None:
            self._writes = tuple([v.root or v for v in self.outputs])
        return self._writes

    def of(self, inputs: Sequence[Value | None], attrs: bytes | None = None) -> Call:
        """The same call, of other inputs."""
        return Call(
            self.op, inputs, self.outputs, self.attrs if attrs is None else attrs,
            self.changed, self.where, self.overwrites,
        )  # fmt: skip


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
        used = [v.root or v for call in self.calls for v in call.inputs if v is not None]
        return {v: None for v in used if type(v.source) is Captured}

    def changed(self, but: str = "") -> set[int]:
        """The ids of the tensors outside that calls, those of an op left out, change."""
        changed = [v.source for call in self.calls if call.op.name != but for v in call.changed]
        return {id(x.tensor) for x in changed if isinstance(x, Captured)}
