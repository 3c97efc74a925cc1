"""Comparison of layers with PyTorch's: same weights, values and gradients; eager and compiled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import nnfast

Array = np.ndarray


def numpy_of(x: Any) -> Array:
    """The values of a tensor of either library."""
    return x if isinstance(x, np.ndarray) else np.asarray(x.detach().numpy())


def load_same(mine: Any, theirs: Any, seed: int = 0) -> None:
    """Random float64 weights for both, of keys and shapes that must agree."""
    rng = np.random.default_rng(seed)
    import torch

    want = {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in mine.state_dict().items()} == want
    assert list(mine.state_dict()) == list(want)
    state = {k: rng.standard_normal(shape) / 2 for k, shape in want.items()}
    mine.double().load_state_dict(state)
    theirs.double().load_state_dict({k: torch.tensor(v) for k, v in state.items()})


def close(mine: Any, want: Array, roundings: float) -> None:
    """Equal up to so many roundings of the largest value."""
    got = numpy_of(mine)
    assert got.shape == want.shape, f"{got.shape} is not {want.shape}"
    allowed = roundings * float(np.finfo(got.dtype).eps) * max(1.0, np.abs(want).max(initial=0))
    assert np.isfinite(got).all() and np.abs(got - want).max(initial=0) <= allowed


def both_ways(fn: Callable[..., Any], arrays: Sequence[Array]) -> list[Any]:
    """What fn answers, eagerly; compiled it must not fall back and give the same bits."""

    def call(*xs: Any) -> Any:
        return fn(*xs)

    def listed(y: Any) -> list[Any]:
        return list(y) if isinstance(y, tuple) else [y]

    xs = [nnfast.from_numpy(a) for a in arrays]
    eager = listed(fn(*xs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        planned = listed(nnfast.compile(call)(*xs))
    for a, b in zip(eager, planned, strict=True):
        assert numpy_of(a).tobytes() == numpy_of(b).tobytes()
    return eager
