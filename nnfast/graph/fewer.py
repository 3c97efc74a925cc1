"""The plan for a smaller batch is that for a larger one, with smaller arrays.

Two traced graphs are alike if they have the same calls, of values that correspond, each at the same
place in memory with the same strides; but some dimensions of the second may be smaller. No pass
has to run again, for what it did to the first is right for the second:

- prune, mask_pooled, fold_batch_norm, join_updates, hoist_constants, recompute and commit go by who
  reads and changes what, and where values come from;
- make_dense goes by strides; fuse_chains too, and by whether a map reads something of the shape
  that it makes; fuse_norms by that, fuse_epilogues also by views being all of their memory. A map
  broadcasts dimensions of 1 alone: where these stay 1, and no other becomes 1, equal shapes stay
  equal;
- form_outer goes by dimensions of 1, and makes nothing that has those of the batch;
- join_places goes by parts not meeting: they do not when they have fewer elements;
- what share_common leaves out is compared, and so is what constants are made of;
- algorithms depend on the shape of a layer, never on that of the batch;
- all has room where its larger one had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Refreshed, Source, Value
from nnfast.graph.plan import Checks, Plan, with_results

if TYPE_CHECKING:
    from nnfast.nn.module import Module


def fewer(
    like: Plan,
    graph: Graph,
    checks: Checks,
    modules: Sequence[Module],
    step: Sequence[int],
) -> Plan | None:
    """The plan of a traced graph, made of an earlier one; None if that is not of a graph alike."""
    base, traced = like.base, with_results(graph)
    values = _Smaller()
    alike = _core.alike(values, _both(base.traced), _both(traced), _is_same_source)
    attrs = _other_attrs(base, traced) if alike else None
    if attrs is None or not values.keep(base):
        return None
    now = [values[v].source.tensor.requires_grad for v in base.captured]
    if now != base.graded:  # what is looked at before the commit goes by that
        return None
    return _Fewer(base, values, attrs, checks, modules, step)


class _Smaller(dict[Value | None, Any]):
    """By the values of a plan those of the smaller one. What passes made is made when asked for."""

    def __init__(self) -> None:
        super().__init__({None: None})

    def __missing__(self, v: Value) -> Value:
        shape = v.shape if v.like is None else self[v.like].shape
        made = self[v] = Value(shape, v.dtype, self[v.root], v.offset, v.strides, v.source)
        return made

    def keep(self, base: Plan) -> bool:
        """Whether what the passes took for equal is so still, and constants are as they were."""
        made = [v for v in base.operands if v and v not in self]
        if any(v.shape[1:] != self[v].shape[1:] for v in made):
            return False
        constants = {v for v in made if not v.like}
        fixed = [v.root for v in constants if v.root]
        for call in base.graph.calls if constants else ():
            if not constants.isdisjoint(call.outputs):
                fixed += [v for v in call.inputs if v]
        return all(self[v].shape == v.shape for v in fixed) and all(
            len({self._shapes(call) for call in calls}) == 1 for calls in base.shared
        )

    def _shapes(self, call: Call) -> tuple[Any, ...]:
        return tuple([v and self[v].shape for v in (*call.inputs, *call.outputs)])


def _both(graph: Graph) -> tuple[list[Call], list[Value]]:
    return graph.calls, graph.results


def _is_same_source(a: Source | None, b: Source | None) -> bool:
    if isinstance(a, Refreshed) and isinstance(b, Refreshed):
        return a.options is None or b.options is not None  # what prune may leave out
    return type(a) is type(b)


def _other_attrs(base: Plan, traced: Graph) -> list[tuple[int, bytes]] | None:
    """Those of updates, by the numbers of their instructions; None if a pass touched one."""
    found: list[tuple[int, bytes]] = []
    numbers = {id(c.outputs): i for i, c in enumerate(base.graph.calls) if c.changed}
    for p, q in zip(base.traced.calls, traced.calls, strict=True):
        if p.attrs != q.attrs:
            number = numbers.get(id(p.outputs))
            if number is None or base.graph.calls[number].attrs != p.attrs:
                return None
            found.append((number, q.attrs))
    return found


class _Fewer(Plan):
    """A plan made of a larger one. Its graphs are made when somebody looks at them."""

    def __init__(
        self,
        base: Plan,
        values: _Smaller,
        attrs: list[tuple[int, bytes]],
        checks: Checks,
        modules: Sequence[Module],
        step: Sequence[int],
    ) -> None:
        self.base, self._values = base, values
        self._attrs = {id(base.graph.calls[i].outputs): new for i, new in attrs}
        self.captured = [values[v] for v in base.captured]
        self.given = [values[v] for v in base.given]
        self.kept, self.arena = base.kept, base.arena
        self._note(checks, modules, step)
        tensors = [values[v].source.tensor for v in base.captured]
        self.core = _core.Plan(base.core, tensors, self._of(base.operands), attrs)

    def __getattr__(self, name: str) -> Any:
        if name not in ("traced", "graph", "watched", "blocks"):
            raise AttributeError(f"a plan has no attribute '{name}'")
        base = self.base
        self.watched = self._of(base.watched)
        self.blocks = {self._values[v]: block for v, block in base.blocks.items()}
        self.traced, self.graph = self._graph(base.traced), self._graph(base.graph)
        return self.__dict__[name]

    def _graph(self, larger: Graph) -> Graph:
        calls = [self._call(call) for call in larger.calls]
        return Graph(calls, self._of(larger.results), larger.prologue)

    def _call(self, call: Call) -> Call:
        attrs = self._attrs.get(id(call.outputs), call.attrs)
        changed = tuple(self._of(call.changed))
        inputs, outputs = self._of(call.inputs), self._of(call.outputs)
        return Call(call.op, inputs, outputs, attrs, changed, call.where)

    def _of(self, values: Sequence[Value | None]) -> list[Any]:
        return [self._values[v] for v in values]
