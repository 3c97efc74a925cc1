"""Softmax and the cross entropy of class numbers: rows and columns around the vector sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec

IGNORED = -100


def _cases(arity: int) -> list[Case]:
    rows = [Case(((3, n),) * arity, {"dim": 1}) for n in (*range(34), 129, 1100)]
    columns = [Case(((4, n),) * arity, {"dim": 0}) for n in (*range(2, 34), 63, 64, 65, 130)]
    more = [
        Case(((),) * arity, {"dim": 0}),
        Case(((0, 3),) * arity, {"dim": 1}),
        Case(((2, 0, 3),) * arity, {"dim": 2}),
        Case(((2, 3, 1),) * arity, {"dim": 1}),
        Case(((2, 3, 4, 5),) * arity, {"dim": -3}),
        Case(((700, 10),) * arity, {"dim": -1}),
        Case(((2, 500, 70),) * arity, {"dim": 1}),
    ]
    return rows + columns + more


def _shift(x: Array, dim: int) -> tuple[Array, Array]:
    """x - max x, and log of the sum of exp of that."""
    if x.size == 0:
        return x, x
    s = x - x.max(dim, keepdims=True)
    return s, np.log(np.exp(s).sum(dim, keepdims=True))


def log_softmax(x: Array, dim: int) -> Array:
    s, lse = _shift(np.atleast_1d(x), dim)
    return (s - lse).reshape(x.shape)


def softmax(x: Array, dim: int) -> Array:
    return np.exp(log_softmax(x, dim))


def _terms(x: Array, *rest: Any, dim: int) -> int:
    """The sum, and what rounding of x - max x does to its exponential."""
    return (x.shape[dim] if x.ndim else 1) + 10


def _log_softmax_magnitude(x: Array, dim: int) -> Array:
    s, lse = _shift(np.atleast_1d(x), dim)
    return (abs(s) + lse + 1).reshape(x.shape)


def _sum(x: Array, dim: int) -> Array:
    return x.sum(dim, keepdims=True) if x.ndim else x


def softmax_backward(dy: Array, y: Array, dim: int) -> Array:
    return y * (dy - _sum(dy * y, dim))


def log_softmax_backward(dy: Array, y: Array, dim: int) -> Array:
    return dy - np.exp(y) * _sum(dy, dim)


# ---- cross entropy --------------------------------------------------------------------------


def classes(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Class numbers below 3, some of them ignored; normal otherwise, but `total` and `count` are
    at least 0.5.
    """
    if name == "target":
        return np.where(rng.random(shape) < 0.2, IGNORED, rng.integers(0, 3, shape))
    x = rng.standard_normal(shape)
    return 0.5 + abs(x) if name in ("total", "count") else x


_LOGITS = [(3, n) for n in (*range(3, 34), 129)] + [(0, 4), (1, 3), (2, 3, 0), (3, 4, 1)]
_LOGITS += [(2, 5, n) for n in (2, 15, 16, 17, 65, 130)]
_MANY = [(64, 10), (1500, 17), (2, 5, 40), (2, 3, 4, 5)]


def class_cases(*names: str, reduction: str | None = None) -> list[Case]:
    """Logits (N, C, ...) with C >= 3 as "input", all other inputs of the target's shape."""

    def case(s: tuple[int, ...]) -> Case:
        scalars = ("count", "dy") if reduction else ("count",)
        each = (s[0], *s[2:])
        shapes = [s if n == "input" else () if n in scalars else each for n in names]
        return Case(tuple(shapes), {"reduction": reduction} if reduction else {})

    return [case(s) for s in (_MANY if reduction else _LOGITS + _MANY)]


def _all_reductions(*names: str) -> list[Case]:
    return [c for r in (None, "mean", "sum") for c in class_cases(*names, reduction=r)]


def chosen(x: Array, target: Array) -> Array:
    """1 at the class of each sample, 0 elsewhere and where it is ignored."""
    hot = np.zeros(x.shape)
    counts = target != IGNORED
    np.put_along_axis(hot, np.expand_dims(np.where(counts, target, 0), 1), 1.0, 1)
    return hot * np.expand_dims(counts, 1)


def cross_entropy(x: Array, target: Array, reduction: str = "none") -> tuple[Array, ...]:
    s, lse = _shift(x, 1)
    loss = np.where(target != IGNORED, lse.sum(1) - (s * chosen(x, target)).sum(1), 0)
    count = np.float64((target != IGNORED).sum())
    return _reduced(loss, count, reduction), x.max(1, initial=-np.inf), np.exp(s).sum(1), count


def _reduced(loss: Array, count: Array, reduction: str) -> Array:
    return loss if reduction == "none" else loss.sum() / (count if reduction == "mean" else 1)


def _cross_entropy_magnitude(x: Array, target: Array, reduction: str = "none") -> Any:
    s, lse = _shift(x, 1)
    _, peak, total, count = cross_entropy(x, target)
    return _reduced(lse.sum(1) + abs(s).sum(1) + 1, count, reduction), peak, total, count


def cross_entropy_backward(
    dy: Array,
    x: Array,
    target: Array,
    peak: Array,
    total: Array,
    count: Array,
    reduction: str = "none",
    sign: float = -1,
) -> Array:
    dy = np.broadcast_to(dy / count if reduction == "mean" else dy, target.shape)
    dy, peak, total = (np.expand_dims(a, 1) for a in (dy, peak, total))
    counts = np.expand_dims(target != IGNORED, 1)
    return np.where(counts, np.exp(x - peak) / total + sign * chosen(x, target), 0) * dy


SPECS = {
    "softmax": Spec(_cases(1), softmax, terms=_terms),
    "log_softmax": Spec(_cases(1), log_softmax, terms=_terms, magnitude=_log_softmax_magnitude),
    "softmax_backward": Spec(
        _cases(2),
        softmax_backward,
        terms=_terms,
        magnitude=lambda dy, y, dim: abs(y) * (abs(dy) + _sum(abs(dy * y), dim)),
    ),
    "log_softmax_backward": Spec(
        _cases(2),
        log_softmax_backward,
        terms=_terms,
        magnitude=lambda dy, y, dim: abs(dy) + np.exp(y) * _sum(abs(dy), dim),
    ),
    "softmax_cross_entropy": Spec(
        _all_reductions("input", "target"),
        cross_entropy,
        sample=classes,
        terms=lambda x, target, **kw: (
            x.shape[1] + 10 + (target.size if kw else 0),
            0,
            x.shape[1] + 10,
            0,
        ),
        magnitude=_cross_entropy_magnitude,
    ),
    "softmax_cross_entropy_backward": Spec(
        _all_reductions("dy", "input", "target", "peak", "total", "count"),
        cross_entropy_backward,
        sample=classes,
        terms=lambda *inputs, **kw: 12,
        magnitude=lambda dy, *inputs, **kw: cross_entropy_backward(abs(dy), *inputs, sign=1, **kw),
        # peak and total move with the input, which a difference quotient here does not know:
        # the second derivative is that of softmax_cross_entropy.
        constant=("input", "peak", "total", "count"),
    ),
}
