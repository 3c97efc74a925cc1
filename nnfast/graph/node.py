"""A node: one call of an op, remembered for the backward pass.

Its op, attributes, where its inputs came from, and what its gradient rules need. It does not own
its outputs: an activation that no rule asked for can be freed. Numbers grow with time, so
descending numbers are a reverse topological order. Inputs are saved as tensors, with their
history; outputs as arrays, or the node would own itself in a circle.
"""

from __future__ import annotations

from nnfast._core import Node as Node
from nnfast.errors import StateError
from nnfast.tensor import Tensor

# Where the gradient of an input goes: to a leaf, to an output of another node, or nowhere.
Edge = Tensor | tuple[Node, int] | None


def check_usable(node: Node) -> None:
    """Raise StateError if saved values are gone or were changed in place."""
    if node.freed:
        raise StateError(
            node.op.name,
            "expected saved values for the backward pass, but they were freed by an earlier one.",
            "call backward(retain_graph=True) the first time.",
        )
    changed = node.changed()
    if changed is not None:
        raise StateError(
            node.op.name,
            f"expected a value of shape {changed.shape} unchanged since the forward pass, but "
            "it was changed in place.",
            "run the forward pass again after the update.",
        )
