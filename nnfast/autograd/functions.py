"""grad and backward: the backward pass as functions of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, StateError, describe, fail
from nnfast.graph.backward import run_backward, run_backward_into
from nnfast.tensor import Tensor, wrap

Tensors = Tensor | Sequence[Tensor]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs`, weighted by `grad_outputs`, with respect to `inputs`.

    dx_i = sum_k (d y_k / d x_i)^T g_k. Nothing is added to any `.grad`, and only nodes between
    inputs and outputs run. `inputs` may be leaves or results of ops.

    Shapes: g_k as y_k (None: 1, for a scalar y_k); dx_i as x_i.
    `create_graph` records the pass, so that the result can be differentiated again;
    `retain_graph` (default: `create_graph`) keeps saved values for another pass;
    `allow_unused` gives None for an input that no output depends on, `materialize_grads` zeros.
    `only_inputs` is always so.
    Errors: StateError if an input or output does not require gradients, if an input is unused, or
    if the graph was freed; ArgumentError on shapes.

    >>> import nnfast
    >>> from nnfast.autograd import grad
    >>> x = nnfast.tensor([3.0], requires_grad=True)
    >>> (dx,) = grad(x * x * x, x, create_graph=True)
    >>> dx.item(), grad(dx, x)[0].item()
    (27.0, 18.0)
    """
    if is_grads_batched:
        fail("grad", "is_grads_batched=False", "True", "call it for each.")
    ys, xs = _tensors("grad", "outputs", outputs), _tensors("grad", "inputs", inputs)
    for i, x in enumerate(xs):
        if not x.requires_grad:
            raise StateError(
                "grad",
                f"expected inputs that require gradients, got {describe(**{f'inputs[{i}]': x})}, "
                "which does not.",
                "create it with requires_grad=True.",
            )
    weights = _weights("grad", ys, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    grads = run_backward(ys, weights, xs, keep, create_graph)
    for i, dx in enumerate(grads):
        if dx is None and not (allow_unused or materialize_grads):
            raise StateError(
                "grad",
                f"expected outputs that depend on every input, got "
                f"{describe(**{f'inputs[{i}]': xs[i]})}, which none depends on.",
                "pass allow_unused=True to get None for it.",
            )
    if materialize_grads:
        return tuple(
            wrap(np.zeros(x.shape, x.dtype)) if dx is None else dx
            for x, dx in zip(xs, grads, strict=True)
        )
    return tuple(grads)


def backward(
    tensors: Tensors,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of the sum of `tensors`, weighted by `grad_tensors`, to leaves' `.grad`.

    `inputs`: to the `.grad` of these alone, leaves or results.

    >>> import nnfast
    >>> from nnfast.autograd import backward
    >>> x = nnfast.tensor([1.0, 2.0], requires_grad=True)
    >>> backward([(x * x).sum(), x.sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    ys = _tensors("backward", "tensors", tensors)
    keep = create_graph if retain_graph is None else retain_graph
    weights = _weights("backward", ys, grad_tensors)
    if inputs is None:
        run_backward(ys, weights, None, keep, create_graph)
    else:
        run_backward_into(ys, weights, inputs, keep, create_graph)


def _tensors(where: str, name: str, given: Any) -> list[Tensor]:
    found = [given] if isinstance(given, Tensor) else list(given)
    if not found:
        fail(where, f"at least one tensor as '{name}'", "none")
    for x in found:
        if not isinstance(x, Tensor):
            fail(where, f"tensors as '{name}'", type(x).__name__, error=DTypeError)
    return found


def _weights(where: str, ys: list[Tensor], given: Any) -> list[Tensor | None]:
    if given is None:
        return [None] * len(ys)
    weights = [given] if isinstance(given, Tensor) else list(given)
    if len(weights) != len(ys):
        fail(where, f"one gradient for each of {len(ys)} outputs", str(len(weights)))
    for w in weights:
        if w is not None and not isinstance(w, Tensor):
            fail(where, "gradients that are tensors or None", type(w).__name__, error=DTypeError)
    return weights
