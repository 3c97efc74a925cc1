"""Gradients clipped in place; parameters as one vector and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from nnfast.errors import StateError, fail
from nnfast.graph.mode import no_grad
from nnfast.graph.trace import follow_gradients
from nnfast.ops import abs, add, cast, cat, maximum, minimum, pow, reshape, sqrt
from nnfast.ops.reduce import sum_squares
from nnfast.ops.update import clip_, mul_
from nnfast.tensor import Tensor, wrap


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Those that are there and have elements."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    follow_gradients(parameters)
    return [p.grad for p in parameters if p.grad is not None and p.grad.array.size]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their norm, as one vector, is at most `max_norm`.

    Gradients are multiplied in place by min(1, max_norm / (norm + 1e-6)); returns the norm before.
    `norm_type` may be inf, for the largest absolute value.

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
    ICML 2013.

    >>> import nnfast
    >>> w = nnfast.zeros(2, requires_grad=True)
    >>> w.grad = nnfast.tensor([3.0, 4.0])
    >>> nnfast.nn.utils.clip_grad_norm_(w, max_norm=1.0)
    tensor(5.)
    >>> [round(x, 3) for x in w.grad.tolist()]
    [0.6, 0.8]
    """
    if not norm_type > 0:
        fail("clip_grad_norm_", "norm_type > 0", f"norm_type={norm_type}")
    if not max_norm >= 0:
        fail("clip_grad_norm_", "max_norm >= 0", f"max_norm={max_norm}")
    grads = _gradients(parameters)
    if not grads:
        return wrap(np.zeros((), np.float32))
    norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    _scale(grads, max_norm, norm)
    return norm


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of several tensors as one vector.

    >>> import nnfast
    >>> nnfast.nn.utils.get_total_norm([nnfast.tensor([3.0]), nnfast.tensor([4.0])])
    tensor(5.)
    """
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not found:
        return wrap(np.zeros((), np.float32))
    norm = _norm(found, norm_type)
    if error_if_nonfinite and not math.isfinite(norm.item()):
        raise StateError(
            "get_total_norm",
            f"expected finite gradients, got a norm of {norm.item()}.",
            "lower the learning rate, or pass error_if_nonfinite=False.",
        )
    return norm


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Multiply all gradients by min(1, max_norm / (total_norm + 1e-6)), in place.

    >>> import nnfast
    >>> w = nnfast.nn.Parameter(nnfast.zeros(2))
    >>> w.grad = nnfast.tensor([30.0, 40.0])
    >>> nnfast.nn.utils.clip_grads_with_norm_([w], 1.0, nnfast.tensor(50.0))
    >>> w.grad
    tensor([0.59999996, 0.79999995])
    """
    _scale(_gradients(parameters), max_norm, total_norm)


def _scale(grads: list[Any], max_norm: float, norm: Tensor) -> None:
    factor = minimum(max_norm / (norm + 1e-6), 1.0)
    for g in grads:
        mul_(g, factor if factor.dtype == g.dtype else cast(factor, g.dtype))


def _norm(grads: list[Any], norm_type: float) -> Tensor:
    if norm_type == math.inf:
        return reduce(maximum, [abs(g).max() for g in grads])
    if norm_type == 2:
        return sqrt(reduce(add, [sum_squares(g) for g in grads]))
    return pow(reduce(add, [pow(abs(g), norm_type).sum() for g in grads]), 1 / norm_type)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value], in place.

    >>> import nnfast
    >>> w = nnfast.zeros(2, requires_grad=True)
    >>> w.grad = nnfast.tensor([3.0, -0.5])
    >>> nnfast.nn.utils.clip_grad_value_(w, 1.0)
    >>> w.grad
    tensor([ 1. , -0.5])
    """
    if not clip_value >= 0:
        fail("clip_grad_value_", "clip_value >= 0", f"clip_value={clip_value}")
    for g in _gradients(parameters):
        clip_(g, -clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, one after another, as one vector; gradients flow back.

    >>> import nnfast
    >>> nnfast.nn.utils.parameters_to_vector([nnfast.ones(2, 2), nnfast.zeros(1)])
    tensor([1., 1., 1., 1., 0.])
    """
    return cat([reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of a vector into the parameters, in order.

    >>> import nnfast
    >>> a, b = nnfast.zeros(2, 2), nnfast.zeros(1)
    >>> nnfast.nn.utils.vector_to_parameters(nnfast.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), [a, b])
    >>> a
    tensor([[1., 2.],
            [3., 4.]])
    """
    targets = list(parameters)
    expected = sum(p.array.size for p in targets)
    if vec.shape != (expected,):
        fail("vector_to_parameters", f"a vector of {expected} elements", f"shape {vec.shape}")
    start = 0
    for p in targets:
        p.array[...] = vec.array[start : start + p.array.size].reshape(p.shape)
        p._version += 1
        start += p.array.size
