"""Penalties of large weights, to be added to a loss.

`of` is a module, whose parameters all count, or some tensors: [layer.weight] leaves the biases
alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from nnfast import ops
from nnfast.errors import DTypeError, fail
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


def _weights(where: str, of: Module | Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(of, Tensor):
        return [of]
    weights: list[Tensor] = list(of.parameters()) if isinstance(of, Module) else list(of)
    if not weights or not all(isinstance(w, Tensor) for w in weights):
        fail(where, "a module with parameters, or tensors", repr(of), error=DTypeError)
    return weights


def _add(terms: Iterable[Tensor]) -> Tensor:
    return reduce(lambda a, b: a + b, terms)


def l1_penalty(of: Module | Tensor | Iterable[Tensor]) -> Tensor:
    """Sum of |w|: drives weights to 0.

    >>> import nnfast
    >>> nnfast.nn.l1_penalty([nnfast.tensor([1.0, -2.0]), nnfast.tensor([3.0])])
    tensor(6.)
    """
    return _add(ops.sum(ops.abs(w)) for w in _weights("l1_penalty", of))


def l2_penalty(of: Module | Tensor | Iterable[Tensor]) -> Tensor:
    """Sum of w^2: keeps weights small (weight decay, as its gradient is 2 w).

    >>> import nnfast
    >>> nnfast.nn.l2_penalty([nnfast.tensor([1.0, -2.0]), nnfast.tensor([3.0])])
    tensor(14.)
    """
    return _add(ops.sum(w * w) for w in _weights("l2_penalty", of))


def elastic_net_penalty(
    of: Module | Tensor | Iterable[Tensor], beta: float = 1.0, l1: float = 1.0
) -> Tensor:
    """Sum of beta w^2 + l1 |w|.

    Source: Zou and Hastie, Regularization and variable selection via the elastic net, 2005.

    >>> import nnfast
    >>> nnfast.nn.elastic_net_penalty(nnfast.tensor([1.0, -2.0]), beta=0.5)
    tensor(5.5)
    """
    weights = _weights("elastic_net_penalty", of)
    return _add(ops.sum(w * w) * beta + ops.sum(ops.abs(w)) * l1 for w in weights)
