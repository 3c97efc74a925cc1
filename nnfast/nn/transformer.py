"""The transformer: encoder, decoder, and both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from nnfast.errors import fail
from nnfast.nn import functional as F
from nnfast.nn import init
from nnfast.nn.attention import MultiheadAttention
from nnfast.nn.checks import whole
from nnfast.nn.container import ModuleList
from nnfast.nn.dropout import Dropout
from nnfast.nn.linear import Linear
from nnfast.nn.module import Module
from nnfast.nn.norm import LayerNorm
from nnfast.ops.attention import causal_bias
from nnfast.ops.shape import clone
from nnfast.tensor import Tensor, as_dtype, float32

Activation = str | Callable[[Tensor], Tensor]


class _Layer(Module):
    """What encoder and decoder layers share: residual blocks, the last of them two linear maps.

    Each block is x + f(norm(x)) with norm_first, else norm(x + f(x)).
    """

    linear1: Linear
    linear2: Linear
    dropout: Dropout
    norm_first: bool
    activation: Callable[[Tensor], Tensor]

    def _block(self, norm: Module, x: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
        y: Tensor = x + f(norm(x)) if self.norm_first else norm(x + f(x))
        return y

    def _feed_forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return y


def _activation(where: str, activation: Activation) -> Callable[[Tensor], Tensor]:
    if callable(activation):
        return activation
    if activation not in ("relu", "gelu"):
        fail(where, "activation 'relu', 'gelu' or a function", repr(activation))
    return F.relu if activation == "relu" else F.gelu


class TransformerEncoderLayer(_Layer):
    """Self-attention, then linear, activation, linear; each with residual, norm and dropout.

    Shapes: src (S, N, E), (N, S, E) with batch_first, or (S, E) -> the same. src_mask and
    src_key_padding_mask as attn_mask and key_padding_mask of MultiheadAttention.

    Source: Vaswani et al., Attention is all you need, 2017; norm_first: Xiong et al., On layer
    normalization in the transformer architecture, 2020.

    >>> import nnfast
    >>> layer = nnfast.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(nnfast.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias=bias, batch_first=batch_first
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation("TransformerEncoderLayer", activation)
        self.to(device, dtype)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            y = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(y[0])

        x = self._block(self.norm1, src, attend)
        return self._block(self.norm2, x, lambda x: self.dropout2(self._feed_forward(x)))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's memory, then linear, activation, linear.

    Shapes: tgt (T, N, E) and memory (S, N, E), N first with batch_first, or without N -> as tgt.
    Masks as in MultiheadAttention.

    >>> import nnfast
    >>> layer = nnfast.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(nnfast.zeros(4, 3, 8), nnfast.zeros(5, 3, 8)).shape
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias=bias, batch_first=batch_first
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout, bias=bias, batch_first=batch_first
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation("TransformerDecoderLayer", activation)
        self.to(device, dtype)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            padding, causal = tgt_key_padding_mask, tgt_is_causal
            y = self.self_attn(x, x, x, padding, False, tgt_mask, is_causal=causal)
            return self.dropout1(y[0])

        def look(x: Tensor) -> Tensor:
            padding, causal = memory_key_padding_mask, memory_is_causal
            y = self.multihead_attn(
                x, memory, memory, padding, False, memory_mask, is_causal=causal
            )
            return self.dropout2(y[0])

        x = self._block(self.norm1, tgt, attend)
        x = self._block(self.norm2, x, look)
        return self._block(self.norm3, x, lambda x: self.dropout3(self._feed_forward(x)))


def _copies(where: str, layer: Module, num_layers: int) -> ModuleList:
    return ModuleList(copy.deepcopy(layer) for _ in range(whole(where, "num_layers", num_layers)))


class TransformerEncoder(Module):
    """num_layers copies of encoder_layer, one after the other, and a last norm if there is one.

    is_causal says that mask is causal; it is only a hint, which changes nothing here, and so are
    enable_nested_tensor and mask_check.

    Shapes: as those of the layer.

    >>> import nnfast
    >>> layer = nnfast.nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> nnfast.nn.TransformerEncoder(layer, 2)(nnfast.rand(5, 1, 8)).shape
    (5, 1, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies("TransformerEncoder", encoder_layer, num_layers)
        self.num_layers = num_layers
        self.add_module("norm", norm)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        causal = bool(is_causal)
        for layer in self.layers:
            src = layer(
                src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=causal
            )
        return _normed(self, src)


class TransformerDecoder(Module):
    """num_layers copies of decoder_layer, one after the other, and a last norm if there is one.

    Shapes: as those of the layer.

    >>> import nnfast
    >>> layer = nnfast.nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> nnfast.nn.TransformerDecoder(layer, 2)(nnfast.rand(5, 1, 8), nnfast.rand(3, 1, 8)).shape
    (5, 1, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies("TransformerDecoder", decoder_layer, num_layers)
        self.num_layers = num_layers
        self.add_module("norm", norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return _normed(self, tgt)


def _normed(module: Any, x: Tensor) -> Tensor:
    return x if module.norm is None else module.norm(x)


class Transformer(Module):
    """Encoder and decoder: y = decoder(tgt, encoder(src)); all matrices Xavier uniform.

    Shapes: src (S, N, E), tgt (T, N, E) -> (T, N, E); N first with batch_first, or without N.

    Source: Vaswani et al., Attention is all you need, 2017.

    >>> import nnfast
    >>> model = nnfast.nn.Transformer(8, 2, 1, 1, dim_feedforward=16)
    >>> mask = model.generate_square_subsequent_mask(4)
    >>> model(nnfast.zeros(5, 3, 8), nnfast.zeros(4, 3, 8), tgt_mask=mask).shape
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
                   batch_first, norm_first, bias)  # fmt: skip
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options),
            num_encoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias),
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options),
            num_decoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias),
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)
        self.to(device, dtype)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        if src.ndim != tgt.ndim or self.d_model not in (src.shape[-1], tgt.shape[-1]):
            fail("Transformer", f"src and tgt of size {self.d_model} and alike", "others",
                 src=src, tgt=tgt)  # fmt: skip
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        y: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return y

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz), to be added to scores: 0 where key j <= query i, -inf behind.

        >>> import nnfast
        >>> nnfast.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[  0., -inf],
                [  0.,   0.]])
        """
        where = "generate_square_subsequent_mask"
        chosen = float32 if dtype is None else as_dtype(dtype, where)
        mask: Tensor = clone(causal_bias(whole(where, "sz", sz), sz, str(chosen)))
        return mask
