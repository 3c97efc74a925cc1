"""A node: one call of an op, remembered for the backward pass."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from nnfast.errors import StateError
from nnfast.tensor import Tensor, wrap

if TYPE_CHECKING:
    from nnfast.ops.record import Op

_numbers = count()

# Where the gradient of an input goes: to a leaf, to an output of another node, or nowhere.
Edge = Tensor | tuple["Node", int] | None


class Node:
    """An op, its attributes, where its inputs came from, and what its gradient rules need.

    It does not own its outputs: an activation that no rule asked for can be freed.
    Numbers grow with time, so descending numbers are a reverse topological order.
    """

    __slots__ = ("attrs", "edges", "number", "op", "out_specs", "saved", "shapes", "versions")

    def __init__(
        self, op: Op, inputs: list[Any], attrs: Any, outputs: list[Tensor], wanted: int
    ) -> None:
        self.number = next(_numbers)
        self.op = op
        self.attrs = attrs
        self.edges: list[Edge] = [
            None if x is None or not x.requires_grad
            else (x if x.node is None else (x.node, x.slot))
            for x in inputs
        ]  # fmt: skip
        self.shapes = [None if x is None else x.array.shape for x in inputs]
        self.out_specs = [(y.array.shape, y.array.dtype) for y in outputs]
        saves_in, saves_out = op.saves(wanted)
        # Inputs are kept as tensors, with their history; outputs as arrays, or the node would
        # own itself in a circle.
        self.saved: dict[Any, Any] | None = {name: inputs[i] for name, i in saves_in}
        self.versions = [inputs[i]._version if inputs[i] is not None else 0 for _, i in saves_in]
        for name, i in saves_out:
            self.saved[name] = (outputs[i].array, i)

    def value(self, name: str) -> Tensor | None:
        """The saved input or output `name`, as a tensor with its history."""
        assert self.saved is not None
        v = self.saved[name]
        if not isinstance(v, tuple):
            return v
        t = wrap(v[0])
        if self.op.differentiable[v[1]]:
            t.node, t.slot, t.requires_grad = self, v[1], True
        return t

    def check_usable(self) -> None:
        """Raise StateError if saved values are gone or were changed in place."""
        if self.saved is None:
            raise StateError(
                self.op.name,
                "expected saved values for the backward pass, but they were freed by an earlier "
                "one.",
                "call backward(retain_graph=True) the first time.",
            )
        tensors = [v for v in self.saved.values() if not isinstance(v, tuple)]
        for t, version in zip(tensors, self.versions, strict=True):
            if t is not None and t._version != version:
                raise StateError(
                    self.op.name,
                    f"expected an input of shape {t.shape} unchanged since the forward pass, but "
                    "it was changed in place.",
                    "run the forward pass again after the update.",
                )
