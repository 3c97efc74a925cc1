"""Attention: weighted means of values, the weights being a softmax of products."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import where
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.random import dropout
from nnfast.ops.reduce import amax
from nnfast.ops.shape import reshape
from nnfast.ops.softmax import softmax
from nnfast.tensor import Tensor, bool_, wrap


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """y = softmax(scale q k^T + mask) v: for each query the mean of the values, weighted.

    Shapes: query (*, L, E), key (*, S, E), value (*, S, V) -> (*, L, V), float32 or float64;
    attn_mask, of a shape that broadcasts to (*, L, S), is added, or, if it is of bool, says where
    a query may look. is_causal: query i looks at keys 0 to i. scale: 1 / sqrt(E) unless told.
    dropout_p: of a weight to be dropped, always (there is no training mode here). enable_gqa: the
    heads of query, (*, H, L, E), share those of key and value in equal groups. A query that may
    look at nothing gets 0.

    Errors: shapes that do not fit; attn_mask and is_causal together; a mask of integers.

    Source: Vaswani et al., Attention is all you need, 2017.

    >>> import nnfast
    >>> q, v = nnfast.zeros(2, 4), nnfast.tensor([[1.0], [3.0]])
    >>> nnfast.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True)
    tensor([[1.],
            [2.]])
    """
    name = "scaled_dot_product_attention"
    q, k, v = (as_tensor(x, name) for x in (query, key, value))
    _check_shapes(name, q, k, v)
    if is_causal and attn_mask is not None:
        fail(name, "attn_mask or is_causal", "both")
    if enable_gqa:
        k, v = (_repeat_heads(name, q, x) for x in (k, v))
    if is_causal:
        bias = causal_bias(q.shape[-2], k.shape[-2], str(q.dtype))
        return attend(q, k, v, bias, dropout_p, scale, some_key=True)[0]
    mask = None if attn_mask is None else additive(name, as_tensor(attn_mask, name), q.dtype, False)
    return attend(q, k, v, mask, dropout_p, scale)[0]


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    dropout_p: float = 0.0,
    scale: float | None = None,
    some_key: bool = False,
) -> tuple[Tensor, Tensor]:
    """The outputs and the weights. some_key: bias is known to leave each query a key."""
    if scale is None:
        scale = 1 / math.sqrt(max(q.shape[-1], 1))
    scores = matmul(q * scale, k.mT)
    dead = None
    if bias is not None and not some_key and bias.array.size:
        dead = amax(bias, -1, True) == -math.inf
        bias = where(dead, 0.0, bias)
    weights = softmax(scores if bias is None else scores + bias, -1)
    if dead is not None:
        weights = where(dead, 0.0, weights)
    weights = dropout(weights, dropout_p)
    return matmul(weights, v), weights


def additive(where_: str, mask: Tensor, dtype: Any, blocks: bool) -> Tensor:
    """A mask as numbers to add; one of bool says where attention is blocked, or else allowed."""
    if mask.dtype == bool_:
        low, high = (-math.inf, 0.0) if blocks else (0.0, -math.inf)
        return where(mask, low, high).to(dtype)
    if mask.dtype != dtype:
        fail(where_, f"a mask of bool or {dtype}", str(mask.dtype), error=DTypeError)
    return mask


@functools.lru_cache(maxsize=16)
def causal_bias(L: int, S: int, dtype: str) -> Tensor:
    """(L, S): 0 where key j <= i, -inf behind. Shared: do not write to it."""
    return wrap(np.triu(np.full((L, S), -np.inf, dtype), 1))


def _repeat_heads(where_: str, q: Tensor, x: Tensor) -> Tensor:
    """Each head of x as often as it takes to have one for each of q."""
    if x.ndim < 3 or q.ndim < 3 or x.shape[-3] == 0 or q.shape[-3] % x.shape[-3]:
        fail(where_, "heads of key and value that divide those of query", f"{q.shape}, {x.shape}")
    *lead, heads, n, e = x.shape
    times = q.shape[-3] // heads
    repeated = x.unsqueeze(-3).expand(*lead, heads, times, n, e)
    return reshape(repeated, (*lead, heads * times, n, e))


def _check_shapes(where_: str, q: Tensor, k: Tensor, v: Tensor) -> None:
    given = {"query": q, "key": k, "value": v}
    if min(q.ndim, k.ndim, v.ndim) < 2:
        fail(where_, "query, key and value of two dimensions or more", "fewer", **given)
    if q.shape[-1] != k.shape[-1]:
        fail(where_, "query and key of one size E", f"{q.shape[-1]} and {k.shape[-1]}", **given)
    if k.shape[-2] != v.shape[-2]:
        fail(where_, "as many keys as values", f"{k.shape[-2]} and {v.shape[-2]}", **given)
