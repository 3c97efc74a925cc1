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
        Case(((2, 200, 70),) * arity, {"dim": 1}),
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
    """Class numbers below 3, some of them ignored; normal otherwise, `total` at least 0.5."""
    if name == "target":
        return np.where(rng.random(shape) < 0.2, IGNORED, rng.integers(0, 3, shape))
    x = rng.standard_normal(shape)
    return 0.5 + abs(x) if name == "total" else x


def class_cases(*names: str, **kwargs: Any) -> list[Case]:
    """Logits (N, C, ...) with C >= 3 as "input", all other inputs of the target's shape."""
    shapes = [(3, n) for n in (*range(3, 34), 129)]
    shapes += [(0, 4), (1, 3), (64, 10), (600, 17), (2, 3, 0), (3, 4, 1)]
    shapes += [(2, 5, n) for n in (2, 15, 16, 17, 65, 130)] + [(2, 3, 4, 5)]
    cases = []
    for s in shapes:
        of_target = (s[0], *s[2:])
        cases.append(Case(tuple(s if name == "input" else of_target for name in names), kwargs))
    return cases


def chosen(x: Array, target: Array, ignore_index: int = IGNORED) -> Array:
    """1 at the class of each sample, 0 elsewhere and where it is ignored."""
    hot = np.zeros(x.shape)
    counts = target != ignore_index
    np.put_along_axis(hot, np.expand_dims(np.where(counts, target, 0), 1), 1.0, 1)
    return hot * np.expand_dims(counts, 1)


def cross_entropy(x: Array, target: Array, ignore_index: int = IGNORED) -> tuple[Array, ...]:
    s, lse = _shift(x, 1)
    counts = target != ignore_index
    loss = np.where(counts, lse.sum(1) - (s * chosen(x, target, ignore_index)).sum(1), 0)
    peak = x.max(1, initial=-np.inf)
    return loss, peak, np.exp(s).sum(1), np.float64(counts.sum())


def _cross_entropy_magnitude(x: Array, target: Array, ignore_index: int = IGNORED) -> Any:
    s, lse = _shift(x, 1)
    _, peak, total, count = cross_entropy(x, target, ignore_index)
    return lse.sum(1) + abs(s).sum(1) + 1, peak, total, count


def cross_entropy_backward(
    dy: Array, x: Array, target: Array, peak: Array, total: Array, ignore_index: int = IGNORED
) -> Array:
    dy, peak, total = (np.expand_dims(a, 1) for a in (dy, peak, total))
    counts = np.expand_dims(target != ignore_index, 1)
    return np.where(counts, np.exp(x - peak) / total - chosen(x, target, ignore_index), 0) * dy


def _backward_magnitude(
    dy: Array, x: Array, target: Array, peak: Array, total: Array, ignore_index: int = IGNORED
) -> Array:
    dy, peak, total = (np.expand_dims(a, 1) for a in (dy, peak, total))
    return (np.exp(x - peak) / total + chosen(x, target, ignore_index)) * abs(dy)


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
        class_cases("input", "target"),
        cross_entropy,
        sample=classes,
        terms=lambda x, target, **kw: (x.shape[1] + 10, 0, x.shape[1] + 10, 0),
        magnitude=_cross_entropy_magnitude,
    ),
    "softmax_cross_entropy_backward": Spec(
        class_cases("dy", "input", "target", "peak", "total", ignore_index=IGNORED),
        cross_entropy_backward,
        sample=classes,
        terms=lambda *inputs, **kw: 12,
        magnitude=_backward_magnitude,
        # peak and total move with the input, which a difference quotient here does not know:
        # the second derivative is that of softmax_cross_entropy.
        constant=("input", "peak", "total"),
    ),
}
