"""Batch normalization: channels as columns and as rows, around the vector sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Shape, Spec

EPS = 1e-5
_SHAPES: list[tuple[int, ...]] = [(5, n) for n in (0, *range(1, 34), 63, 65, 130)]
_SHAPES += [(2, 3, n) for n in range(0, 34)] + [(n, 2, 1) for n in (2, 3, 300)]
_SHAPES += [(1, 3, 7), (4, 3, 5, 6), (2, 70, 8, 9), (3, 2, 2, 2, 2), (9, 1, 40, 30)]
_SHAPES += [(600, 130), (3, 40, 17, 19)]  # several tasks


def _cases(names: str, shapes: list[tuple[int, ...]]) -> list[Case]:
    """x: the input's shape; c: one value a channel; o: the same, but absent in a few cases."""

    def case(s: tuple[int, ...], absent: str) -> Case:
        def shape(name: str) -> Shape:
            return s if name == "x" else None if name in absent else (s[1],)

        return Case(tuple(shape(n) for n in names))

    return [case(s, "") for s in shapes] + [case(s, "wb") for s in ((4, 3), (2, 3, 5))]


def _dims(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _count(x: Array) -> int:
    return max(x.size // max(x.shape[1], 1), 1)


def _like(p: Any, x: Array) -> Any:
    """A value per channel so that it broadcasts with x."""
    return p.reshape((-1, *[1] * (x.ndim - 2))) if isinstance(p, np.ndarray) else p


def _mean(x: Array) -> Array:
    return x.sum(_dims(x)) / _count(x)


def train(x: Array, w: Any, b: Any, eps: float = EPS) -> tuple[Array, ...]:
    mean = _mean(x)
    var = _mean((x - _like(mean, x)) ** 2)
    rstd = 1 / np.sqrt(var + eps)
    return evaluate(x, mean, var, w, b, eps), mean, var, rstd


def _train_magnitude(x: Array, w: Any, b: Any, eps: float = EPS) -> tuple[Array, ...]:
    """Rounding of x - mean is that of x, and goes through var into y."""
    y, _, var, rstd = train(x, None, None, eps)
    largest = abs(x).max(_dims(x), initial=0)
    w, b = (1 if w is None else abs(w)), (0 if b is None else abs(b))
    scaled = _like(largest * rstd * w, x) * (1 + abs(y)) + _like(b, x)
    spread = (2 * largest) ** 2
    return scaled, _mean(abs(x)), spread, rstd * (1 + spread / (var + eps))


def evaluate(x: Array, mean: Array, var: Array, w: Any, b: Any, eps: float = EPS) -> Array:
    scale = (1 if w is None else w) / np.sqrt(var + eps)
    y: Array = (x - _like(mean, x)) * _like(scale, x) + _like(0 if b is None else b, x)
    return y


def _evaluate_magnitude(x: Array, mean: Array, var: Array, w: Any, b: Any) -> Array:
    w, b = None if w is None else abs(w), None if b is None else abs(b)
    return evaluate(abs(x), -abs(mean), var, w, b)


def backward(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any = None, sign: float = -1
) -> tuple[Array, ...]:
    centered = x + sign * _like(mean, x)
    db = dy.sum(_dims(x))
    dw = rstd * (dy * centered).sum(_dims(x))
    n = _count(x)
    inner = dy + sign * _like(db / n, x) + sign * centered * _like(rstd * dw / n, x)
    return inner * _like(rstd * (1 if w is None else w), x), dw, db


def _backward_magnitude(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any = None
) -> tuple[Array, ...]:
    return backward(abs(dy), abs(x), abs(mean), rstd, None if w is None else abs(w), sign=1)


def _positive(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    x = rng.standard_normal(shape)
    return 0.5 + abs(x) if "var" in name else x


class _Statistics:
    """Draws a mean and rstd that are those of the input drawn before them."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
        if name in ("mean", "rstd"):
            return self.mean if name == "mean" else self.rstd
        x = rng.standard_normal(shape)
        if name == "input":
            _, self.mean, _, self.rstd = train(x, None, None)
        return x


# Two values become -1 and 1, whatever they are: only rounding is left of the gradient.
_MANY = [s for s in _SHAPES if s[0] * int(np.prod(s[2:])) > 2]
SPECS = {
    "batch_norm_train": Spec(
        _cases("xwb", _MANY),
        train,
        terms=lambda x, *rest: _count(x) + 4,
        magnitude=_train_magnitude,
    ),
    "batch_norm_train_backward": Spec(
        _cases("xxccw", [*_MANY, (0, 3), (0, 3, 2), (2, 3, 0)]),
        backward,
        sample=_Statistics(),
        terms=lambda dy, x, *rest: _count(x) + 6,
        magnitude=_backward_magnitude,
        # mean and rstd move with the input, which a difference quotient here does not know: the
        # second derivative is that of batch_norm_train.
        constant=("input", "mean", "rstd"),
    ),
    "batch_norm_eval": Spec(
        _cases("xccwb", [*_SHAPES, (0, 3), (1, 3), (1, 3, 4)]),
        evaluate,
        sample=_positive,
        terms=lambda *inputs: 4,
        magnitude=_evaluate_magnitude,
    ),
    "batch_norm_update": Spec(
        [Case(((n,),) * 4, {"momentum": 0.1, "unbias": 1.25}) for n in (0, 1, 5, 33)],
        lambda m, v, mean, var, momentum, unbias: (
            (1 - momentum) * m + momentum * mean,
            (1 - momentum) * v + momentum * var * unbias,
        ),
        sample=_positive,
        terms=lambda *inputs, **kw: 3,
        magnitude=lambda m, v, mean, var, momentum, unbias: (
            (1 - momentum) * abs(m) + momentum * abs(mean),
            (1 - momentum) * v + momentum * var * unbias,
        ),
        grad=False,
    ),
}
