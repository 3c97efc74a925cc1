"""Matrix products beyond what tests/specs/matmul.py asks of every op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.nn import functional as F
from nnfast.ops import OPS
from nnfast.ops.matmul import MatmulAttrs

ACTIVATIONS = [  # in the order of Activation in csrc/kernels/table.h
    lambda x: x,
    F.relu,
    lambda x: F.leaky_relu(x, 0.25),
    F.sigmoid,
    F.tanh,
    F.gelu,
]


def run(op: str, attrs: Any, *inputs: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """The kernel of an op, with any attributes."""
    y = np.full(shape, np.nan, inputs[0].dtype)  # type: ignore[union-attr]
    _core.run(OPS[op].id, OPS[op].pack(attrs), inputs, (y,))
    return y


def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", range(len(ACTIVATIONS)))
def test_a_fused_epilogue_gives_the_bits_of_the_ops_it_stands_for(
    isa: str, activation: int, dtype: str
) -> None:
    """(M, N, K) of one tile, of several, and of several blocks of K."""
    for m, n, k in [(1, 1, 1), (15, 33, 7), (70, 100, 600)]:
        x, w = normal(m, k, dtype=dtype), normal(n, k, dtype=dtype)
        bias, residual = normal(n, dtype=dtype), normal(m, n, dtype=dtype)
        fused = run(
            "linear", MatmulAttrs(1.0, activation, 0.25), x, w, bias, residual, shape=(m, n)
        )
        terms = nnfast.tensor(run("linear", MatmulAttrs(), x, w, shape=(m, n)))
        y = ACTIVATIONS[activation](terms + nnfast.tensor(bias) + nnfast.tensor(residual))
        assert fused.tobytes() == y.numpy().tobytes(), (m, n, k)


def test_alpha_scales_the_product_and_not_the_bias(isa: str) -> None:
    x, w, bias = normal(20, 300), normal(40, 300), normal(40)
    plain = run("linear", MatmulAttrs(), x, w, shape=(20, 40))
    halved = run("linear", MatmulAttrs(alpha=0.5), x, w, bias, shape=(20, 40))
    assert (halved == plain * np.float32(0.5) + bias).all()
