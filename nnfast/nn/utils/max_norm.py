"""Weights kept within a ball: a bound on the norm of what feeds each unit."""

from __future__ import annotations

from collections.abc import Iterable

from nnfast.errors import fail
from nnfast.graph.mode import no_grad
from nnfast.ops.elementwise import where
from nnfast.ops.norm_groups import vector_norm
from nnfast.ops.record import check_dim
from nnfast.ops.update import mul_
from nnfast.tensor import Tensor


@no_grad()
def max_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, dim: int = 0, norm_type: float = 2.0
) -> None:
    """Scale each slice w[..., i, ...] of dimension `dim` so that its norm is at most max_norm.

    w_i is multiplied in place by max_norm / (norm + 1e-7) where its norm is larger. With dim=0
    these are the weights into each unit of a Linear or Conv layer; call it after each step.

    Source: Srebro and Shraibman, Rank, trace-norm and max-norm, COLT 2005; Srivastava et al.,
    Dropout, JMLR 15, 2014.

    >>> import nnfast
    >>> w = nnfast.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> nnfast.nn.utils.max_norm_(w, 1.0)
    >>> w
    tensor([[0.6, 0.8],
            [0.3, 0.4]])
    """
    if not max_norm >= 0:
        fail("max_norm_", "max_norm >= 0", f"max_norm={max_norm}")
    if not norm_type > 0:
        fail("max_norm_", "norm_type > 0", f"norm_type={norm_type}")
    for w in [parameters] if isinstance(parameters, Tensor) else parameters:
        if w.ndim < 2:
            fail("max_norm_", "weights of at least 2 dimensions", f"shape {w.shape}")
        kept = check_dim("max_norm_", dim, w.ndim)
        norm = vector_norm(w, norm_type, [d for d in range(w.ndim) if d != kept])
        mul_(w, where(norm > max_norm, max_norm / (norm + 1e-7), 1.0))
