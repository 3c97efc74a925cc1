"""`device` and `dtype` of layers: those of PyTorch's that make parameters take both."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError

LAYERS: dict[str, tuple[Any, ...]] = {
    "Linear": (2, 3), "Bilinear": (2, 3, 1), "Conv1d": (1, 2, 3), "Conv2d": (1, 2, 3),
    "Conv3d": (1, 2, 3), "ConvTranspose1d": (1, 2, 3), "ConvTranspose2d": (1, 2, 3),
    "ConvTranspose3d": (1, 2, 3), "Embedding": (3, 2), "EmbeddingBag": (3, 2),
    "BatchNorm1d": (3,), "BatchNorm2d": (3,), "BatchNorm3d": (3,), "InstanceNorm1d": (3,),
    "InstanceNorm2d": (3,), "InstanceNorm3d": (3,), "GroupNorm": (1, 2), "LayerNorm": (3,),
    "RMSNorm": (3,), "RNN": (2, 3), "GRU": (2, 3), "LSTM": (2, 3), "RNNCell": (2, 3),
    "GRUCell": (2, 3), "LSTMCell": (2, 3), "MultiheadAttention": (4, 2), "PReLU": (),
    "TransformerEncoderLayer": (4, 2, 8), "TransformerDecoderLayer": (4, 2, 8),
    "Transformer": (4, 2, 1, 1, 8), "AdaptiveLogSoftmaxWithLoss": (4, 6, [2, 4]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_made_in_a_dtype(name: str) -> None:
    layer = getattr(nn, name)(*LAYERS[name], device="cpu", dtype=nnfast.float64)
    floats = [t for t in layer.state_dict().values() if t.is_floating_point()]
    assert all(t.dtype == nnfast.float64 for t in floats)
    layer = getattr(nn, name)(*LAYERS[name], device=None, dtype=None)
    assert all(p.dtype == nnfast.float32 for p in layer.parameters())
    for bad in ({"device": "cuda"}, {"dtype": nnfast.int64}):
        with pytest.raises(NNFastError):
            getattr(nn, name)(*LAYERS[name], **bad)


def test_these_are_all_layers_that_take_them_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    names = [
        n for n in vars(torch.nn) if hasattr(nn, n) and not n.startswith(("Lazy", "RNN", "Uninit"))
    ]
    classes = {n: c for n in names if isinstance(c := getattr(torch.nn, n), type)}
    taking = {n for n, c in classes.items() if "dtype" in inspect.signature(c).parameters}
    assert taking <= set(LAYERS)
