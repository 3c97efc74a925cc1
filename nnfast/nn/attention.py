"""Multi-head attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import number, whole
from nnfast.nn.linear import Linear, empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.attention import additive, attend
from nnfast.ops.operands import as_tensor
from nnfast.tensor import Tensor, wrap


class MultiheadAttention(Module):
    """Attention in num_heads subspaces side by side, and a linear map of what they found.

    head_h = softmax(q_h k_h^T / sqrt(E / H) + mask) v_h with q, k, v linear maps of query, key
    and value; y = out_proj(head_1, ..., head_H).

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (L, N, E) and the weights
    (N, L, S), of each head (N, H, L, S) if not average_attn_weights, None if not need_weights.
    N first with batch_first; without N for one sequence. key_padding_mask (N, S) and attn_mask
    (L, S) or (N H, L, S): True where a key is not looked at, or numbers that are added. A query
    with no key left gets the bias of out_proj, and weights 0.

    Errors: shapes that do not fit, is_causal (a hint that attn_mask is causal) without attn_mask.

    Source: Vaswani et al., Attention is all you need, 2017.

    >>> import nnfast
    >>> attention = nnfast.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
    >>> x = nnfast.zeros(3, 5, 8)
    >>> [y.shape for y in attention(x, x, x)]
    [(3, 5, 8), (3, 5, 5)]
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = "MultiheadAttention"
        self.embed_dim = whole(where, "embed_dim", embed_dim, 1)
        self.num_heads = whole(where, "num_heads", num_heads, 1)
        if embed_dim % num_heads:
            fail(where, "num_heads that divides embed_dim", f"{num_heads} and {embed_dim}")
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else whole(where, "kdim", kdim, 1)
        self.vdim = embed_dim if vdim is None else whole(where, "vdim", vdim, 1)
        self.dropout = number(where, "dropout", dropout, 0, 1)
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first
        together = self.kdim == self.vdim == embed_dim
        widths = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        packed = empty_parameter(3 * embed_dim, embed_dim) if together else None
        self.register_parameter("in_proj_weight", packed)
        for name, width in widths.items():
            weight = None if together else empty_parameter(embed_dim, width)
            self.register_parameter(f"{name}_proj_weight", weight)
        self.register_parameter("in_proj_bias", empty_parameter(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        for name in ("bias_k", "bias_v"):
            extra = empty_parameter(1, 1, embed_dim) if add_bias_kv else None
            self.register_parameter(name, extra)
        self._reset_parameters()
        self.to(device, dtype)

    def _reset_parameters(self) -> None:
        for name, p in self._own("parameter"):
            if name.endswith("weight"):
                init.xavier_uniform_(p)
            elif name == "in_proj_bias":
                init.zeros_(p)
            else:
                init.xavier_normal_(p)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        where = "MultiheadAttention"
        inputs = [as_tensor(x, where) for x in (query, key, value)]
        self._check(inputs, is_causal and attn_mask is None)
        batched = inputs[0].ndim == 3
        if not batched:
            inputs = [x.unsqueeze(0 if self.batch_first else 1) for x in inputs]
        q, k, v = (self._heads(self._project(i, x)) for i, x in enumerate(inputs))
        bias = self._bias(q, k, key_padding_mask, attn_mask)
        extra = (self.bias_k is not None) + self.add_zero_attn
        if self.bias_k is not None and self.bias_v is not None:
            k, v = self._longer(k, self.bias_k), self._longer(v, self.bias_v)
        if self.add_zero_attn:
            nothing = wrap(np.zeros(self.embed_dim, q.dtype))
            k, v = self._longer(k, nothing), self._longer(v, nothing)
        if bias is not None and extra:
            free = wrap(np.zeros((), bias.dtype)).expand(*bias.shape[:-1], extra)
            bias = ops.cat([bias, free], -1)
        p = self.dropout if self.training else 0.0
        heads, weights = attend(q, k, v, bias, p, some_key=extra > 0)
        y = self.out_proj(self._joined(heads))
        found = None
        if need_weights:
            found = ops.mean(weights, 1) if average_attn_weights else weights
        if batched:
            return y, found
        return y.squeeze(0 if self.batch_first else 1), None if found is None else found.squeeze(0)

    def _project(self, i: int, x: Tensor) -> Tensor:
        """Query, key or value (i = 0, 1, 2) in the space of all heads."""
        rows = slice(i * self.embed_dim, (i + 1) * self.embed_dim)
        packed = self.in_proj_weight
        weight = getattr(self, f"{'qkv'[i]}_proj_weight") if packed is None else packed[rows]
        return ops.linear(x, weight, None if self.in_proj_bias is None else self.in_proj_bias[rows])

    def _heads(self, x: Tensor) -> Tensor:
        """(N, H, L, E / H) of (L, N, E), or (N, L, E) with batch_first."""
        y: Tensor = ops.reshape(x, (*x.shape[:2], self.num_heads, self.head_dim))
        return ops.permute(y, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def _joined(self, x: Tensor) -> Tensor:
        """The inverse of _heads."""
        y: Tensor = ops.permute(x, (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return ops.reshape(y, (*y.shape[:2], self.embed_dim))

    def _longer(self, x: Tensor, row: Tensor) -> Tensor:
        """Keys or values of each head with one more at the end."""
        last = row.reshape(1, self.num_heads, 1, self.head_dim)
        return ops.cat([x, last.expand(x.shape[0], -1, -1, -1)], 2)

    def _bias(
        self, q: Tensor, k: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None
    ) -> Tensor | None:
        """Both masks as numbers to add to the scores (N, H, L, S)."""
        where = "MultiheadAttention"
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

    def _check(self, inputs: list[Tensor], lacks_mask: bool) -> None:
        where, ndim = "MultiheadAttention", inputs[0].ndim
        given: dict[str, Any] = dict(zip(("query", "key", "value"), inputs, strict=True))
        if ndim not in (2, 3) or any(x.ndim != ndim for x in inputs):
            fail(where, "query, key and value of 3 dimensions (2 for one sequence)", "others",
                 **given)  # fmt: skip
        sizes = (self.embed_dim, self.kdim, self.vdim)
        if tuple(x.shape[-1] for x in inputs) != sizes:
            fail(where, f"query, key and value of sizes {sizes}", "others", **given)
        if inputs[1].shape[:-1] != inputs[2].shape[:-1]:
            fail(where, "as many keys as values", "others", **given)
        batch = 0 if self.batch_first else 1
        if ndim == 3 and inputs[0].shape[batch] != inputs[1].shape[batch]:
            fail(where, "query and key of one batch size", "others", **given)
        if lacks_mask:
            fail(where, "an attn_mask, which is_causal=True says is causal", "none")
