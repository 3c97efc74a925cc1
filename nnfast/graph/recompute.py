"""Cheap values that would lie idle while memory is scarcest are computed again when needed.

The same kernels run on the same inputs, so the bits are the same. It is done only where the inputs
are there anyhow, as the input of GELU or of a layer norm is, which their gradient rules read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import accumulate

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Value

_NORMS = ("layer_norm", "rms_norm")  # as cheap as a map: one pass over memory
_SMALLEST = 1 << 16  # bytes


def recompute(graph: Graph) -> Graph:
    """Compute again what is idle at the call where most bytes are held, until there is no such."""
    lives = _Lives(graph)
    while (found := lives.idle()) is not None:
        lives.again(*found)
    return Graph([c for calls in lives.calls for c in calls], graph.results)


class _Lives:
    """When values are made and used. What is made again stands beside the call that needs it, so
    that times stay what they are."""

    def __init__(self, graph: Graph) -> None:
        self.calls = [[call] for call in graph.calls]  # those of each time, in order
        self.uses: dict[Value, list[int]] = {}  # the times of a memory, its making included
        for time, call in enumerate(graph.calls):
            for m in {*call.writes(), *call.reads()}:
                self.uses.setdefault(m, []).append(time)
        results = {v.memory for v in graph.results}
        self.cheap: dict[Value, Call] = {  # by what they make
            y: call for call in graph.calls
            if (y := call.outputs[0]).nbytes >= _SMALLEST and y not in results and _is_cheap(call)
        }  # fmt: skip
        self.change = [0] * (len(graph.calls) + 1)  # of the bytes held, from time to time
        for m in self.uses:
            self._count(m, 1)

    def _count(self, m: Value, sign: int) -> None:
        if m.source is None:
            times, nbytes = self.uses[m], sign * m.nbytes
            self.change[times[0]] += nbytes
            self.change[times[-1] + 1] -= nbytes

    def idle(self) -> tuple[Value, int] | None:
        """The largest cheap value that is idle at the peak, and when it is needed next."""
        held = list(accumulate(self.change))
        peak = held.index(max(held))
        found: list[tuple[int, int, Value, int]] = []
        for y in self.cheap:
            times = self.uses[y]
            k = bisect_left(times, peak)
            if 2 <= k < len(times) and times[k] != peak:
                found.append((y.nbytes, times[0], y, times[k]))
        found.sort(key=lambda f: f[:2], reverse=True)
        return next(((y, at) for _, made, y, at in found if self._is_there(y, made, at)), None)

    def _is_there(self, y: Value, made: int, at: int) -> bool:
        """Whether what y is made of is as it was, and needed anyhow, at a later time."""
        call = self.cheap[y]
        reads = set(call.reads())
        if not all([m.source is not None or self.uses[m][-1] >= at for m in reads]):
            return False
        first = self.calls[made]
        between = [first[first.index(call) + 1 :], *self.calls[made + 1 : at]]
        return all(reads.isdisjoint(c.writes()) for calls in between for c in calls)

    def again(self, y: Value, at: int) -> None:
        """Make y once more, for those that read it from then on."""
        call, times = self.cheap[y], self.uses[y]
        made = [v._replace(like=v) for v in call.outputs]
        later = times[bisect_left(times, at) :]
        for time in dict.fromkeys(later):
            self.calls[time] = [self._moved(c, y, made[0]) for c in self.calls[time]]
        copy = call._replace(outputs=made, overwrites=())
        self.calls[at].insert(0, copy)
        self.cheap[made[0]] = copy
        for m in call.reads():
            insort(self.uses[m], at)
        self._count(y, -1)
        self.uses[y] = times[: len(times) - len(later)]
        self.uses |= {v: [at, *later] if v is made[0] else [at] for v in made}
        for m in (y, *made):
            self._count(m, 1)

    def _moved(self, call: Call, old: Value, new: Value) -> Call:
        """The call with what it reads in the memory of `old` in that of `new`."""
        if old not in call.reads():
            return call
        inputs = [
            v if v is None or v.memory is not old else
            new if v is old else v._replace(root=new, like=v)
            for v in call.inputs
        ]  # fmt: skip
        moved, y = call._replace(inputs=inputs), call.outputs[0]
        if self.cheap.get(y) is call:
            self.cheap[y] = moved
        return moved


def _is_cheap(call: Call) -> bool:
    if call.changed or any(v.root is not None for v in call.outputs):
        return False
    if call.op.name in _NORMS:
        return True
    is_map = _core.is_map(call.op.id) or call.op.name.startswith("chain[")
    return is_map and len(call.outputs) == 1
