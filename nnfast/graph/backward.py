"""The backward pass: from outputs to leaves, latest node first, never recursive."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from nnfast.errors import StateError, fail
from nnfast.graph.hooks import hooks_of
from nnfast.graph.mode import MODE, tracing
from nnfast.graph.node import Edge, Node, check_usable
from nnfast.tensor import USED, Tensor, wrap


class _Pass:
    """One backward pass: pending gradients, and the nodes that wait for their turn."""

    def __init__(self, outputs: Sequence[Tensor], captures: Sequence[Tensor] | None) -> None:
        self.grads: dict[Node, list[Tensor | None]] = {}
        self.heap: list[tuple[int, Node]] = []
        # Gradients to return instead of adding them to leaves: by leaf, or by (node, slot).
        self.captured: dict[object, Tensor | None] | None = None
        if captures is not None:
            self.captured = {_key(t): None for t in captures}
        self.needed = None if self.captured is None else _needed(outputs, self.captured)
        self.given_away: set[int] = set()  # arrays that a leaf holds already
        self.hooked: dict[Tensor, Tensor] = {}  # what leaves with hooks will get

    def send(self, edge: Edge, grad: Tensor) -> None:
        """Add `grad` to what `edge` has received."""
        if isinstance(edge, Tensor):
            self._to_leaf(edge, grad)
        elif edge is not None:
            node, slot = edge
            if self.needed is not None and node not in self.needed:
                return
            slots = self.grads.get(node)
            if slots is None:
                slots = self.grads[node] = [None] * len(node.out_specs)
                heapq.heappush(self.heap, (-node.number, node))
            before = slots[slot]
            slots[slot] = grad if before is None else before + grad

    def _to_leaf(self, leaf: Tensor, grad: Tensor) -> None:
        if leaf.hooks:
            before = self.hooked.get(leaf)
            self.hooked[leaf] = grad if before is None else before + grad
        else:
            self._add(leaf, grad)

    def _add(self, leaf: Tensor, grad: Tensor) -> None:
        if self.captured is not None:
            key = id(leaf)
            if key in self.captured:
                before = self.captured[key]
                self.captured[key] = grad if before is None else before + grad
        elif leaf.grad is USED:
            if (trace := tracing()) is not None:
                trace.guards.attribute(leaf, "grad")
        elif (trace := tracing()) is not None:
            before = trace.gradient(leaf)
            leaf.grad = trace.owned(grad if before is None else before + grad)
        elif leaf.grad is not None:
            leaf.grad = leaf.grad + grad
        else:
            leaf.grad = self._owned(grad)

    def _owned(self, grad: Tensor) -> Tensor:
        """`grad` in memory that no other leaf's gradient shares (rules may pass dy through)."""
        if not MODE.grad and (grad.array.base is not None or id(grad.array) in self.given_away):
            from nnfast.ops.record import OPS

            grad = OPS["clone"](grad)
        self.given_away.add(id(grad.array))
        return grad

    def run(self, retain_graph: bool) -> None:
        trace = tracing()
        while self.heap:
            node = heapq.heappop(self.heap)[1]
            dys = self.grads.pop(node)
            if node.hooks:
                _no_trace()
                for hook in [*hooks_of(node), *hooks_of(node, last=True)]:
                    hook(self, node, dys)
            if self.captured is not None:
                self._capture(self.captured, node, dys)
            edges = node.edges if self.needed is None else self.needed[node]
            if all([e is None for e in edges]):
                continue
            check_usable(node)
            if trace is not None:
                trace.place(node)
            for edge, grad in node.op.gradients(node, dys, edges):
                self.send(edge, grad)
            if not retain_graph:
                node.free()
        for leaf, grad in self.hooked.items():
            _no_trace()
            for hook in hooks_of(leaf):
                grad = hook(grad)
            self._add(leaf, grad)
            if self.captured is None:
                self.added(leaf)

    def added(self, leaf: Tensor) -> None:
        """The gradient of a leaf is complete."""
        if leaf.hooks:
            for hook in hooks_of(leaf, last=True):
                hook(leaf)

    @staticmethod
    def _capture(
        captured: dict[object, Tensor | None], node: Node, dys: list[Tensor | None]
    ) -> None:
        for slot, dy in enumerate(dys):
            if (node, slot) in captured:
                captured[node, slot] = dy


def _no_trace() -> None:
    if (trace := tracing()) is not None:  # a plan cannot know what they do
        raise trace.give_up("it calls the hooks of a tensor")


def clear_gradient(leaf: Tensor, set_to_none: bool = True) -> None:
    """Forget the gradient of a leaf, or make it 0."""
    if (trace := tracing()) is not None:
        trace.clear(leaf)
    if set_to_none or leaf.grad is None:
        leaf.grad = None
    else:
        leaf.grad = wrap(np.zeros(leaf.shape, leaf.dtype))


def _key(t: Tensor) -> object:
    return id(t) if t.node is None else (t.node, t.slot)


def _needed(
    outputs: Sequence[Tensor], captured: dict[object, Tensor | None]
) -> dict[Node, list[Edge]]:
    """The nodes between outputs and captured tensors, each with the edges that lead to one.

    A captured result is among them; nothing below it runs or is freed for its sake.
    """
    found = {y.node for y in outputs if y.node is not None}
    stack = list(found)
    while stack:
        below = {e[0] for e in stack.pop().edges if isinstance(e, tuple)} - found
        found |= below
        stack.extend(below)
    needed: dict[Node, list[Edge]] = {}
    for node in sorted(found, key=lambda n: n.number):
        edges: list[Edge] = [
            e if (id(e) in captured if isinstance(e, Tensor) else e and e[0] in needed) else None
            for e in node.edges
        ]
        if any(e is not None for e in edges) or any(
            (node, slot) in captured for slot in range(len(node.out_specs))
        ):
            needed[node] = edges
    return needed


def _seed(output: Tensor, gradient: Tensor | None) -> Tensor:
    if not output.requires_grad:
        raise StateError(
            "backward",
            f"expected a tensor that requires gradients, got one of shape {output.shape} that "
            "depends on none.",
            "create a leaf with requires_grad=True, and do not compute under no_grad.",
        )
    if gradient is None:
        if output.array.size != 1:
            fail(
                "backward",
                "a scalar",
                f"shape {output.shape}",
                "reduce it with sum() or mean(), or pass gradient=.",
            )
        return wrap(np.ones(output.shape, output.dtype))
    if gradient.shape != output.shape:
        fail("backward", f"a gradient of shape {output.shape}", f"shape {gradient.shape}")
    return gradient


def run_backward(
    outputs: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """Pull `gradients` of `outputs` back; into `.grad` of leaves, or returned for `inputs`."""
    work = _Pass(outputs, inputs)
    before, MODE.grad = MODE.grad, create_graph
    try:
        for output, gradient in zip(outputs, gradients, strict=True):
            seed = _seed(output, gradient)
            work.given_away.add(id(seed.array))
            work.send(output if output.node is None else (output.node, output.slot), seed)
        work.run(retain_graph)
    finally:
        MODE.grad = before
        if (trace := tracing()) is not None:
            trace.backward_of = None
    if work.captured is None:
        return []
    return [work.captured[_key(t)] for t in inputs or ()]


def run_backward_into(
    outputs: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    inputs: Tensor | Sequence[Tensor],
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradients of `inputs` alone, leaves or results, to their `.grad`."""
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not xs or not all(isinstance(x, Tensor) and x.requires_grad for x in xs):
        fail("backward", "tensors that require gradients as inputs", "none" if not xs else "others")
    found = run_backward(outputs, gradients, xs, retain_graph, create_graph)
    work = _Pass(outputs, None)
    before, MODE.grad = MODE.grad, create_graph
    try:
        for x, grad in zip(xs, found, strict=True):
            if grad is not None:
                work._add(x, grad)
                work.added(x)
    finally:
        MODE.grad = before
