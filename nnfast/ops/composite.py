"""Gradients of fused ops, derived from the same function composed of simpler ops.

The second derivative of a fused backward kernel is rarely asked for. Instead of one more kernel,
the composition is recorded when somebody asks, and pulled back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnfast.graph.backward import run_backward
from nnfast.graph.mode import MODE, enable_grad
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Op, Result, op, view
from nnfast.tensor import Tensor


@op()
def _alias(input: AnyTensor) -> Result:
    """The same tensor as a new node: a place where a backward pass can stop."""
    return view(lambda a: a, input.shape, input)


_alias.vjp(input=lambda dy: dy)


def from_composite(record: Op[Any], composition: Callable[..., Any]) -> None:
    """Give `record` a gradient rule derived from `composition`.

    The composition takes the inputs of the op and then its attributes, by the names it has for
    them, and returns the differentiable outputs of the op, in order.
    """
    names = composition.__code__.co_varnames[: composition.__code__.co_argcount]
    outputs = [o for o, yes in zip(record.outputs, record.differentiable, strict=True) if yes]

    def rule(*values: Any) -> list[Tensor | None]:
        given = dict(zip(names, values, strict=False))
        dys = values[len(names) :]
        return pull_back(record, composition, given, dys)

    record.vjp_joint(rule, needs=[*names, *("d" + o for o in outputs)])


def pull_back(
    record: Op[Any], composition: Callable[..., Any], given: dict[str, Any], dys: Any
) -> list[Tensor | None]:
    """The gradients of the inputs of `record`, found through the composition of it."""
    create_graph = MODE.grad
    with enable_grad():
        # Aliases stand for the inputs: what is computed from them is linked to the originals, so
        # that a third derivative finds its way, but this pass stops here.
        aliases: dict[str, Tensor] = {}
        arguments = dict(given)
        for name in record.inputs:
            x = given.get(name)
            if isinstance(x, Tensor) and x.requires_grad:
                arguments[name] = aliases[name] = _alias(x)
        y = composition(**arguments)
        ys = list(y) if isinstance(y, tuple) else [y]
    pairs = [(y, dy) for y, dy in zip(ys, dys, strict=True) if y.requires_grad]
    pulled = run_backward(
        [y for y, _ in pairs],
        [dy for _, dy in pairs],
        inputs=list(aliases.values()),
        retain_graph=create_graph,
        create_graph=create_graph,
    )
    grads = dict(zip(aliases, pulled, strict=True))
    return [grads.get(name) for name in record.inputs]
