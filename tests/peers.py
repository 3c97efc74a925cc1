"""One function of a library and tensors, run by nnfast, by PyTorch, and in a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.autograd import gradcheck
from nnfast.tensor import Tensor

Function = Callable[..., Any]  # of a library (nnfast or torch) and tensors


def flat(y: Any) -> list[Any]:
    """The tensors of an answer, in order."""
    return [t for part in y for t in flat(part)] if isinstance(y, tuple | list) else [y]


def values(y: Any) -> list[np.ndarray]:
    """Their arrays."""
    return [np.asarray(t.detach()) if hasattr(t, "detach") else np.asarray(t) for t in flat(y)]


def leaves(library: Any, arrays: Any) -> list[Any]:
    """A tensor for each array; those of floats require gradients."""
    return [library.tensor(a).requires_grad_(np.asarray(a).dtype.kind == "f") for a in arrays]


def close(got: list[np.ndarray], want: list[np.ndarray], what: str, dtypes: bool = True) -> None:
    """Shapes, dtypes and values are those of the reference, but for rounding."""
    assert len(got) == len(want), what
    for y, value in zip(got, want, strict=True):
        assert y.shape == value.shape, f"{what}: {y.shape}, expected {value.shape}"
        assert not dtypes or y.dtype == value.dtype, f"{what}: {y.dtype}, expected {value.dtype}"
        eps = np.finfo(y.dtype).eps if y.dtype.kind == "f" else 0
        size = max(np.abs(value[np.isfinite(value)]).max(initial=1), 1) if eps else 1
        allowed = 64 * eps * size  # sums of a few dozen terms
        np.testing.assert_allclose(y, value, rtol=64 * eps, atol=allowed, err_msg=what)


def agrees_with_torch(f: Function, *arrays: Any) -> None:
    """Values, dtypes and gradients are PyTorch's; what it refuses is refused."""
    torch = pytest.importorskip("torch")
    theirs = leaves(torch, arrays)
    try:
        want = f(torch, *theirs)
    except (RuntimeError, IndexError, ValueError, TypeError):
        with pytest.raises(nnfast.NNFastError):
            f(nnfast, *leaves(nnfast, arrays))
        return
    ours = leaves(nnfast, arrays)
    got = f(nnfast, *ours)
    close(values(got), values(want), "value")
    linked = [y for y in flat(want) if y.requires_grad]
    if not linked:
        return
    rng = np.random.default_rng(0)
    dys = [np.asarray(rng.standard_normal(tuple(y.shape)), values(y)[0].dtype) for y in linked]
    _pull(nnfast, [y for y in flat(got) if y.requires_grad], dys)
    _pull(torch, linked, dys)
    for x, their in zip(ours, theirs, strict=True):
        if their.grad is not None:
            close(values(x.grad), values(their.grad), "gradient")


def _pull(library: Any, ys: list[Any], dys: list[np.ndarray]) -> None:
    assert len(ys) == len(dys)
    sum((y * library.tensor(dy)).sum() for y, dy in zip(ys, dys, strict=True)).backward()


def runs_in_a_plan(f: Function, *arrays: Any) -> None:
    """The same bits in `nnfast.compile`, gradients too; falling back would warn, so fail."""

    def step(*xs: Tensor) -> tuple[Any, ...]:
        parts = tuple(flat(f(nnfast, *xs)))
        if not any(y.requires_grad for y in parts):
            return parts
        total = sum((y * y).sum() for y in parts if y.requires_grad)
        wanted = [x for x in xs if x.requires_grad]
        return (*parts, *nnfast.autograd.grad(total, wanted, allow_unused=True))

    planned = nnfast.compile(step)
    for _ in range(2):
        got = planned(*leaves(nnfast, arrays))
        want = step(*leaves(nnfast, arrays))
        pairs = [(y, w) for y, w in zip(got, want, strict=True) if w is not None]
        for y, w in pairs:
            assert values(y)[0].tobytes() == values(w)[0].tobytes()
            assert (y.shape, y.dtype) == (w.shape, w.dtype)


def has_two_gradients(f: Function, *arrays: Any) -> None:
    """The gradient and its gradient are what differences of values say."""

    def call(*xs: Tensor) -> Any:
        return tuple(y for y in flat(f(nnfast, *xs)) if y.dtype.kind == "f")

    for order in (1, 2):
        gradcheck(call, leaves(nnfast, arrays), order=order)
