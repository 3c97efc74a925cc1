"""Functions of tensors under PyTorch's names, with its arguments, against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast


@pytest.mark.parametrize("low", [None, -0.5, "row"])
@pytest.mark.parametrize("high", [None, 0.5, "column"])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_clamp_takes_tensors_and_keeps_integers(low: Any, high: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    if low is high is None or {type(low), type(high)} == {float, str}:
        return  # PyTorch takes numbers or tensors
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((4, 3)) * 3).astype(dtype)
    x[0, 0] = 0
    tensors = {"row": x[:1] - 1, "column": x[:, :1]}
    results = []
    for lib in (nnfast, torch):
        float_ = dtype == "float64"
        t = lib.tensor(x, requires_grad=float_)
        bounds = [
            lib.tensor(tensors[b], requires_grad=float_) if isinstance(b, str) else b
            for b in (low, high)
        ]
        y = t.clamp(*bounds)
        results.append([y.detach().numpy()])
        if float_:
            (y * lib.tensor(np.arange(12.0).reshape(4, 3))).sum().backward()
            leaves = [t, *(b for b in bounds if hasattr(b, "grad"))]
            results[-1] += [a.grad.numpy() for a in leaves]
    for mine, theirs in zip(*results, strict=True):
        assert mine.dtype.kind == theirs.dtype.kind
        np.testing.assert_array_equal(mine, theirs)
