"""Elementwise maps that follow from each other become one call, computed block by block.

What only they read never leaves the cache. The kernels are the same, and so are the bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Kernel, Value

# As in csrc/ops/attrs.h and strided.h.
STEPS, TEMPORARIES, INPUTS = 16, 6, 12
_CHAIN = _core.ops()["chain"][0]
_STEP, _PARAMETERS = struct.Struct("5q2d"), struct.Struct("2d")


class _Chain:
    """Maps that may run as one, at the place of the last of them."""

    def __init__(self, calls: dict[int, Call]) -> None:
        self.calls = dict(sorted(calls.items()))
        self.made = {c.outputs[0] for c in self.calls.values()}
        self.given = dict.fromkeys(
            v for c in self.calls.values() for v in c.inputs if v not in self.made and v
        )
        first = next(iter(self.made))
        self.shape, self.dtype = first.shape, first.dtype
        self.reads = {v.memory for v in self.given}

    def fits(self, call: Call) -> bool:
        """Whether it could go on with a map: all it reads of the chain, it reads as it is."""
        y = call.outputs[0]
        return (y.shape, y.dtype) == (self.shape, self.dtype) and all(
            v in self.made or v.memory not in self.made for v in call.inputs if v is not None
        )


def fuse_chains(graph: Graph) -> Graph:
    """Join each map with those that made its inputs, unless somebody else looks in between."""
    open_chains: dict[Value, _Chain] = {}  # by what they make
    ends: dict[int, _Chain] = {}
    for i, call in enumerate(graph.calls):
        touched = list(dict.fromkeys([open_chains[m] for m in call.reads() if m in open_chains]))
        if call.changed and open_chains:
            changed = {v.memory for v in call.changed}
            touched += [c for c in set(open_chains.values()) if not changed.isdisjoint(c.reads)]
        grown = _grown(touched, i, call) if _is_link(call) else None
        for chain in touched:
            for v in chain.made:
                open_chains.pop(v, None)
        if grown is not None:
            for old in touched:
                if old.calls.keys() <= grown.calls.keys():
                    del ends[max(old.calls)]
            ends[i] = grown
            open_chains.update(dict.fromkeys(grown.made, grown))
    return _rebuilt(graph, [c for c in ends.values() if len(c.calls) > 1])


def _is_link(call: Call) -> bool:
    """A map whose inputs go through memory one behind the other, or stand still, in each row."""
    y = call.outputs[0]
    if not _core.is_map(call.op.id) or call.changed or y.dtype.kind != "f":
        return False
    inner = max((d for d, n in enumerate(y.shape) if n > 1), default=0) - len(y.shape)
    for v in call.inputs:
        if v is None or not v.shape or len(v.shape) < -inner or v.shape[inner] == 1:
            continue
        if v.byte_strides()[inner] != v.dtype.itemsize:
            return False
    return True


def _grown(touched: Iterable[_Chain], i: int, call: Call) -> _Chain:
    """The call joined with as many of these chains as will go."""
    grown = _Chain({i: call})
    for chain in touched:
        if chain.fits(call):
            more = _Chain(grown.calls | chain.calls)
            if len(more.calls) <= STEPS and len(more.given) <= INPUTS and _slots(more) is not None:
                grown = more
    return grown


def _slots(chain: _Chain, outputs: Iterable[Value] = ()) -> dict[Value, int] | None:
    """A temporary for each value but the outputs; None if there are too few."""
    last = {v: i for i, c in chain.calls.items() for v in c.inputs if v in chain.made}
    slots: dict[Value, int] = {}
    free = list(range(TEMPORARIES))
    for i, call in chain.calls.items():
        free += [slots[v] for v in set(call.inputs) if v in slots and last[v] == i]
        y = call.outputs[0]
        if y in outputs or y not in last:
            continue
        if not free:
            return None
        slots[y] = free.pop()
    return slots


def _rebuilt(graph: Graph, chains: Sequence[_Chain]) -> Graph:
    """The graph with these chains as one call each."""
    readers: dict[Value, set[int]] = {v: set() for chain in chains for v in chain.made}
    for i, call in enumerate(graph.calls if chains else ()):
        for m in call.reads():
            if m in readers:
                readers[m].add(i)
    calls: dict[int, Call] = dict(enumerate(graph.calls))
    results = set(graph.results)
    for chain in chains:
        outputs = [
            v for c in chain.calls.values()
            if (v := c.outputs[0]) in results or not readers[v] or readers[v] - chain.calls.keys()
        ]  # fmt: skip
        for i in chain.calls:
            del calls[i]
        calls[max(chain.calls)] = _call(chain, outputs)
    return Graph([calls[i] for i in sorted(calls)], graph.results)


def _call(chain: _Chain, outputs: list[Value]) -> Call:
    """The maps of a chain as one call that leaves these outputs."""
    slots = _slots(chain, outputs)
    assert slots is not None
    numbers = {v: k for k, v in enumerate((*chain.given, *outputs))}
    numbers |= {v: len(numbers) + slot for v, slot in slots.items()}
    steps = b"".join(_step(c, numbers) for c in chain.calls.values())
    attrs = struct.pack("q", len(chain.calls)) + steps.ljust(STEPS * _STEP.size, b"\0")
    made = {c.outputs[0]: i for i, c in chain.calls.items()}
    last = {v: i for i, c in chain.calls.items() for v in c.inputs}
    names = " ".join(c.op.name for c in chain.calls.values())
    return Call(
        Kernel(f"chain[{names}]", _CHAIN),
        list(chain.given),
        outputs,
        attrs,
        overwrites=tuple(tuple(v for v in chain.given if last[v] <= made[y]) for y in outputs),
    )


def _step(call: Call, numbers: dict[Value, int]) -> bytes:
    a, b, c = (*(numbers[v] for v in call.inputs if v), -1, -1)[:3]
    return _STEP.pack(
        call.op.id, a, b, c, numbers[call.outputs[0]], *_PARAMETERS.unpack(call.attrs)
    )
