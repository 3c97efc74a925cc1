"""What tests of passes share: a function as a plan, with the bits of eager code."""

from __future__ import annotations

import warnings

import numpy as np

import nnfast

RNG = np.random.default_rng(11)


def randn(*shape: int, dtype=np.float32, **options) -> nnfast.Tensor:
    return nnfast.tensor(RNG.standard_normal(shape).astype(dtype), **options)


def names(compiled) -> list[str]:
    """The kernels of the plan that ran last."""
    return [c.op.name for c in compiled.plan.graph.calls]


def same_bits(fn, *args, disable=(), expected=None):
    """Run a function eagerly and as a plan; the plan."""
    compiled = nnfast.compile(fn, disable=disable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = compiled(*args)
    found = fn(*args) if expected is None else expected
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, found)), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    return compiled
