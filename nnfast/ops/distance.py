"""Similarities and distances of vectors, and products of two of them."""

from __future__ import annotations

import math

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import abs, broadcast_shapes, maximum, pow, sqrt, where
from nnfast.ops.gather import take
from nnfast.ops.matmul import linear
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import amax, sum
from nnfast.ops.shape import expand, permute, reshape, unsqueeze
from nnfast.tensor import Tensor, int64, wrap


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """y = x1 x2 / (max(|x1|, eps) max(|x2|, eps)), along a dimension: the cosine of the angle.

    Shapes: those that broadcast, without dim. float32, float64.

    >>> import nnfast
    >>> a, b = nnfast.tensor([[1.0, 0.0]]), nnfast.tensor([[3.0, 4.0]])
    >>> nnfast.nn.functional.cosine_similarity(a, b)
    tensor([0.6])
    """
    a, b = as_tensor(x1, "cosine_similarity"), as_tensor(x2, "cosine_similarity")
    shape = broadcast_shapes("cosine_similarity", a.shape, b.shape)
    a, b = expand(a, shape), expand(b, shape)
    lengths = (sqrt(maximum(sum(x * x, dim), eps * eps)) for x in (a, b))
    total: Tensor = sum(a * b, dim)
    for length in lengths:
        total = total / length
    return total


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """y = (sum of |x1 - x2 + eps|^p)^(1/p) along the last dimension; p = inf: the largest.

    Shapes: (*, D) and (*, D) that broadcast -> (*), or (*, 1) with keepdim. float32, float64.
    The gradient is 0 where the distance is.

    >>> import nnfast
    >>> a, b = nnfast.tensor([[0.0, 0.0]]), nnfast.tensor([[3.0, 4.0]])
    >>> nnfast.nn.functional.pairwise_distance(a, b, eps=0.0)
    tensor([5.])
    """
    name = "pairwise_distance"
    if isinstance(p, bool) or not isinstance(p, int | float) or not p >= 0:
        fail(name, "a number p >= 0", repr(p), error=DTypeError)
    size: Tensor = abs(as_tensor(x1, name) - as_tensor(x2, name) + eps)
    if size.ndim == 0:
        fail(name, "at least one dimension", "scalars")
    if p == math.inf:
        return amax(size, -1, keepdim)
    if p == 1:
        return sum(size, -1, keepdim)
    if p == 0:
        return sum((size != 0.0).to(size.dtype), -1, keepdim)
    total: Tensor = sum(pow(size, p), -1, keepdim)
    zero = total == 0.0
    return where(zero, 0.0, pow(where(zero, 1.0, total), 0.5 if p == 2 else 1 / p))


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """Distances of all rows of x1 from all of x2: y_ij = (sum over k of |a_ik - b_jk|^p)^(1/p).

    Shapes: (*, P, D) and (*, R, D), leading dimensions that broadcast -> (*, P, R). float32,
    float64. `compute_mode` changes nothing: differences are always formed, so that small distances
    are precise. The gradient is 0 where the distance is.

    >>> import nnfast
    >>> a, b = nnfast.tensor([[0.0, 0.0]]), nnfast.tensor([[3.0, 4.0], [0.0, 1.0]])
    >>> nnfast.cdist(a, b)
    tensor([[5., 1.]])
    """
    a, b = as_tensor(x1, "cdist"), as_tensor(x2, "cdist")
    if min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-1]:
        fail("cdist", "rows (*, P, D) and (*, R, D)", "others", x1=a, x2=b)
    return pairwise_distance(unsqueeze(a, -2), unsqueeze(b, -3), p, eps=0.0)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distances of each row from each later row: those of 0 from 1, 2, ..., then of 1, ...

    Shapes: (N, D) -> (N (N - 1) / 2,). float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.pdist(nnfast.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    x = as_tensor(input, "pdist")
    if x.ndim != 2:
        fail("pdist", "rows (N, D)", f"shape {x.shape}", input=x)
    first, second = (wrap(i.astype(int64)) for i in np.triu_indices(x.shape[0], 1))
    return pairwise_distance(take(x, first), take(x, second), p, eps=0.0)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[..., o] = input1 weight[o] input2 + bias[o].

    Shapes: input1 (*, I), input2 (*, J), weight (O, I, J), bias (O) or none -> (*, O).

    >>> import nnfast
    >>> x, y = nnfast.tensor([[1.0, 2.0]]), nnfast.tensor([[3.0]])
    >>> nnfast.nn.functional.bilinear(x, y, nnfast.ones(1, 2, 1))
    tensor([[9.]])
    """
    name = "bilinear"
    a, b, w = (as_tensor(x, name) for x in (input1, input2, weight))
    if w.ndim != 3 or a.ndim == 0 or b.ndim == 0 or a.shape[:-1] != b.shape[:-1]:
        expected = "inputs (*, I) and (*, J) and a weight (O, I, J)"
        fail(name, expected, "others", input1=a, input2=b, weight=w)
    O, I, J = w.shape
    if a.shape[-1] != I or b.shape[-1] != J:
        fail(name, f"inputs of sizes {I} and {J}", f"{a.shape[-1]} and {b.shape[-1]}")
    if bias is not None and bias.shape != (O,):
        fail(name, f"a bias of shape {(O,)}", f"{bias.shape}")
    rows = linear(a, reshape(permute(w, 0, 2, 1).contiguous(), O * J, I))
    y: Tensor = sum(reshape(rows, (*a.shape[:-1], O, J)) * unsqueeze(b, -2), -1)
    return y if bias is None else y + bias
