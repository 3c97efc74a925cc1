"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import number, whole
from nnfast.nn.linear import Linear, empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.multihead import project_and_attend
from nnfast.tensor import Tensor


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

    Ranges: num_heads divides embed_dim; dropout (of the weights) from 0 to 1.

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
        weights = [self.in_proj_weight]
        if self.in_proj_weight is None:
            weights = [getattr(self, f"{name}_proj_weight") for name in "qkv"]
        return project_and_attend(
            "MultiheadAttention", (query, key, value), self.embed_dim, self.num_heads,
            tuple(weights), self.in_proj_bias, (self.bias_k, self.bias_v), self.add_zero_attn,
            self.dropout if self.training else 0.0, (self.out_proj.weight, self.out_proj.bias),
            key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal,
            self.batch_first,
        )  # fmt: skip
