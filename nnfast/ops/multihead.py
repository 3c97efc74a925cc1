"""Attention of several heads with its projections, as one function of all weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.attention import additive, attend
from nnfast.ops.join import cat
from nnfast.ops.matmul import linear
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import mean
from nnfast.ops.shape import permute, reshape
from nnfast.tensor import Tensor, wrap

NAME = "multi_head_attention_forward"


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What nn.MultiheadAttention computes, of the weights that it is given.

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), or without N -> (L, N, E) and
    the weights (N, L, S), as in nn.MultiheadAttention; in_proj_weight (3 E, E), or
    use_separate_proj_weight with q_, k_ and v_proj_weight. static_k, static_v
    (N H, S, E / H): keys and values of the heads that take the place of the projected ones.

    >>> import nnfast
    >>> from nnfast.nn import functional as F
    >>> x, eye = nnfast.ones(1, 1, 2), nnfast.eye(2)
    >>> packed = nnfast.cat([eye, eye, eye])
    >>> y, weights = F.multi_head_attention_forward(
    ...     x, x, x, 2, 1, packed, None, None, None, False, 0.0, eye, None)
    >>> y, weights
    (tensor([[[1., 1.]]]), tensor([[[1.]]]))
    """
    packed = not use_separate_proj_weight
    return project_and_attend(
        NAME, (query, key, value), embed_dim_to_check, num_heads,
        (in_proj_weight,) if packed else (q_proj_weight, k_proj_weight, v_proj_weight),
        in_proj_bias, (bias_k, bias_v), add_zero_attn, dropout_p if training else 0.0,
        (out_proj_weight, out_proj_bias), key_padding_mask, need_weights, attn_mask,
        average_attn_weights, is_causal, static=(static_k, static_v),
    )  # fmt: skip


Given = Tensor | None


def project_and_attend(
    where: str,
    given: tuple[Tensor, Tensor, Tensor],
    embed_dim: int,
    num_heads: int,
    weights: tuple[Given, ...],
    in_bias: Given,
    longer: tuple[Given, Given],
    add_zero: bool,
    dropout_p: float,
    out: tuple[Given, Given],
    key_padding_mask: Given,
    need_weights: bool,
    attn_mask: Given,
    average: bool,
    is_causal: bool,
    batch_first: bool = False,
    static: tuple[Given, Given] = (None, None),
) -> tuple[Tensor, Tensor | None]:
    """The same for both orders of dimensions. `weights`: of query, key and value, or all in one."""
    inputs = [as_tensor(x, where) for x in given]
    _check(where, inputs, embed_dim, num_heads, weights, batch_first, static)
    if is_causal and attn_mask is None:
        fail(where, "an attn_mask, which is_causal=True says is causal", "none")
    batched = inputs[0].ndim == 3
    if not batched:
        inputs = [x.unsqueeze(0 if batch_first else 1) for x in inputs]
    projected = []
    for i, x in enumerate(inputs):
        rows = slice(i * embed_dim, (i + 1) * embed_dim)
        w: Any = weights[i] if len(weights) == 3 else weights[0][rows]  # type: ignore[index]
        y = linear(x, w, None if in_bias is None else in_bias[rows])
        projected.append(_heads(y, num_heads, batch_first))
    q, k, v = projected
    k, v = (
        x if fixed is None else reshape(fixed, (*q.shape[:2], -1, q.shape[-1]))
        for x, fixed in zip((k, v), static, strict=True)
    )
    bias = _bias(where, q, k, key_padding_mask, attn_mask)
    extra = (longer[0] is not None) + bool(add_zero)
    if longer[0] is not None and longer[1] is not None:
        k, v = _longer(k, longer[0]), _longer(v, longer[1])
    if add_zero:
        nothing = wrap(np.zeros(embed_dim, q.dtype))
        k, v = _longer(k, nothing), _longer(v, nothing)
    if bias is not None and extra:
        free = wrap(np.zeros((), bias.dtype)).expand(*bias.shape[:-1], extra)
        bias = cat([bias, free], -1)
    heads, shares = attend(q, k, v, bias, dropout_p, some_key=extra > 0)
    y = linear(_joined(heads, embed_dim, batch_first), *out)
    found = None
    if need_weights:
        found = mean(shares, 1) if average else shares
    if batched:
        return y, found
    return y.squeeze(0 if batch_first else 1), None if found is None else found.squeeze(0)


def _heads(x: Tensor, num_heads: int, batch_first: bool) -> Tensor:
    """(N, H, L, E / H) of (L, N, E), or (N, L, E) with batch_first."""
    y: Tensor = reshape(x, (*x.shape[:2], num_heads, x.shape[2] // num_heads))
    return permute(y, (0, 2, 1, 3) if batch_first else (1, 2, 0, 3))


def _joined(x: Tensor, embed_dim: int, batch_first: bool) -> Tensor:
    """The inverse of _heads."""
    y: Tensor = permute(x, (0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
    return reshape(y, (*y.shape[:2], embed_dim))


def _longer(x: Tensor, row: Tensor) -> Tensor:
    """Keys or values of each head with one more at the end."""
    last = row.reshape(1, x.shape[1], 1, x.shape[3])
    return cat([x, last.expand(x.shape[0], -1, -1, -1)], 2)


def _bias(where: str, q: Tensor, k: Tensor, key_padding_mask: Given, attn_mask: Given) -> Given:
    """Both masks as numbers to add to the scores (N, H, L, S)."""
    (N, H, L, _), S = q.shape, k.shape[2]
    bias: Tensor | None = None
    if attn_mask is not None:
        mask = as_tensor(attn_mask, where)
        if mask.shape not in ((L, S), (N * H, L, S)):
            fail(where, f"an attn_mask of shape {(L, S)} or {(N * H, L, S)}", f"{mask.shape}")
        bias = additive(where, mask, q.dtype, True)
        bias = bias.reshape(N, H, L, S) if mask.ndim == 3 else bias
    if key_padding_mask is not None:
        mask = as_tensor(key_padding_mask, where)
        if mask.shape != (N, S) and (mask.shape != (S,) or N != 1):
            fail(where, f"a key_padding_mask of shape {(N, S)}", f"{mask.shape}")
        padding = additive(where, mask, q.dtype, True).reshape(N, 1, 1, S)
        bias = padding if bias is None else bias + padding
    return bias


def _check(
    where: str,
    inputs: list[Tensor],
    embed_dim: int,
    num_heads: int,
    weights: tuple[Given, ...],
    batch_first: bool,
    static: tuple[Given, Given],
) -> None:
    given: dict[str, Any] = dict(zip(("query", "key", "value"), inputs, strict=True))
    ndim = inputs[0].ndim
    if ndim not in (2, 3) or any(x.ndim != ndim for x in inputs):
        fail(where, "query, key and value of 3 dimensions (2 for one sequence)", "others", **given)
    if num_heads < 1 or embed_dim % num_heads:
        fail(where, "num_heads that divides embed_dim", f"{num_heads} and {embed_dim}")
    if any(w is None for w in weights):
        fail(where, "a weight for each projection", "None", error=DTypeError)
    widths = [w.shape[-1] for w in weights if w is not None]
    sizes = tuple(widths if len(widths) == 3 else widths * 3)
    if tuple(x.shape[-1] for x in inputs) != sizes:
        fail(where, f"query, key and value of sizes {sizes}", "others", **given)
    if inputs[1].shape[:-1] != inputs[2].shape[:-1] and static == (None, None):
        fail(where, "as many keys as values", "others", **given)
    batch = 0 if batch_first else 1
    if ndim == 3 and inputs[0].shape[batch] != inputs[1].shape[batch]:
        fail(where, "query and key of one batch size", "others", **given)
