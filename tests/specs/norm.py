"""Normalization: channels as columns and as rows, and rows, around the vector sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Shape, Spec

EPS = 1e-5
_SHAPES: list[tuple[int, ...]] = [(5, n) for n in (0, *range(1, 34), 63, 65, 130)]
_SHAPES += [(2, 3, n) for n in range(0, 34)] + [(n, 2, 1) for n in (2, 3, 300)]
_SHAPES += [(1, 3, 7), (4, 3, 5, 6), (2, 70, 8, 9), (3, 2, 2, 2, 2), (9, 1, 40, 30)]
_SHAPES += [(8, 6, 30, 30), (300, 200)]  # several tasks


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


def _values(shape: tuple[int, ...]) -> int:
    """Values per channel."""
    return shape[0] * int(np.prod(shape[2:]))


_MANY = [s for s in _SHAPES if _values(s) > 1]
# Two values normalize to -1 and 1 whatever they are: their gradient is nothing but rounding.
# The gradients' rule is composed of other ops; its kernels have all sizes as ops of their own.
_GRADIENTS = [s for s in _SHAPES if _values(s) > 2 and np.prod(s) < 1000][::4]
_GRADIENTS += [(5, 0), (4, 3, 5, 6), (3, 2, 2, 2, 2)]
# ---- of rows --------------------------------------------------------------------------------

_ROWS = [(3, n) for n in (*range(1, 34), 63, 64, 65, 200, 1500)] + [(1, 5), (5,), (0, 3), (9, 4100)]
_ROW_CASES = [(s, 1) for s in [*_ROWS, (2, 3, 7), (700, 64)]]
_ROW_CASES += [((4, 3, 5), 2), ((3, 5), 2), ((2, 3, 2, 2), 3)]


def _row_cases(names: str, shapes: list[tuple[tuple[int, ...], int]]) -> list[Case]:
    """x: the input's shape; r: one value a row; w: one a column, absent in a few cases."""

    def case(s: tuple[int, ...], dims: int, absent: str) -> Case:
        sizes = {"x": s, "r": s[: len(s) - dims], "w": s[len(s) - dims :]}
        sizes["b"] = sizes["w"]
        return Case(
            tuple(None if n in absent else sizes[n] for n in names),
            {"dims": dims},
        )

    return [case(s, d, "") for s, d in shapes] + [
        case((4, 7), 1, absent) for absent in ("w", "b", "wb")
    ]


def _row_dims(x: Array, dims: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - dims, x.ndim))


def _row_mean(x: Array, dims: int) -> Array:
    return x.mean(_row_dims(x, dims), keepdims=True)


def rows(x: Array, w: Any, b: Any, eps: float = EPS, dims: int = 1) -> tuple[Array, ...]:
    mean = _row_mean(x, dims)
    rstd = 1 / np.sqrt(_row_mean((x - mean) ** 2, dims) + eps)
    y = (x - mean) * rstd * (1 if w is None else w) + (0 if b is None else b)
    shape = x.shape[: x.ndim - dims]
    return y, mean.reshape(shape), rstd.reshape(shape)


def _rows_magnitude(x: Array, w: Any, b: Any, eps: float = EPS, dims: int = 1) -> tuple[Any, ...]:
    """As _train_magnitude, by rows."""
    y, _, rstd = rows(x, None, None, eps, dims)
    shape = (*rstd.shape, *[1] * dims)
    largest = abs(x).max(_row_dims(x, dims), initial=0)
    w, b = (1 if w is None else abs(w)), (0 if b is None else abs(b))
    scaled = (largest * rstd).reshape(shape) * w * (1 + abs(y)) + b
    # What rounding does to the variance, and so to rstd.
    return scaled, largest, rstd * (1 + (2 * largest * rstd) ** 2)


def rows_backward(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any, sign: float = -1, dims: int = 1
) -> tuple[Array, ...]:
    shape = (*mean.shape, *[1] * dims)
    r = rstd.reshape(shape)
    z = (x + sign * mean.reshape(shape)) * r
    g = dy if w is None else dy * w
    dx = r * (g + sign * _row_mean(g, dims) + sign * z * _row_mean(g * z, dims))
    over = tuple(range(x.ndim - dims))
    return dx, (dy * z).sum(over), dy.sum(over)


def _rows_backward_magnitude(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any, dims: int = 1
) -> tuple[Array, ...]:
    w = None if w is None else abs(w)
    return rows_backward(abs(dy), abs(x), abs(mean), rstd, w, sign=1, dims=dims)


class _RowStatistics:
    """Draws a mean and rstd that are those of the input drawn before them."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
        if name in ("mean", "rstd"):
            _, mean, rstd = rows(self.x, None, None, dims=self.x.ndim - len(shape))
            return mean if name == "mean" else rstd
        self.x = rng.standard_normal(shape) if name == "input" else getattr(self, "x", None)
        return self.x if name == "input" else rng.standard_normal(shape)


_ROW_GRADIENTS = [
    (s, d) for s, d in _ROW_CASES if 2 < np.prod(s[len(s) - d :]) < 70 and np.prod(s) < 1000
]


# ---- groups -------------------------------------------------------------------------------------


def _in_groups(x: Array, groups: int) -> Array:
    return x.reshape(x.shape[0], groups, x.shape[1] // groups * int(np.prod(x.shape[2:])))


def _by_channel(p: Any, x: Array) -> Any:
    return p if p is None else p.reshape(-1, *[1] * (x.ndim - 2))


def groups(x: Array, w: Any, b: Any, groups: int = 1) -> tuple[Array, ...]:
    y, mean, rstd = rows(_in_groups(x, groups), None, None)
    y = y.reshape(x.shape) * (1 if w is None else _by_channel(w, x))
    return y + (0 if b is None else _by_channel(b, x)), mean, rstd


def _groups_magnitude(x: Array, w: Any, b: Any, groups: int = 1) -> tuple[Any, ...]:
    y, mean, rstd = _rows_magnitude(_in_groups(x, groups), None, None)
    y = y.reshape(x.shape) * (1 if w is None else abs(_by_channel(w, x)))
    return y + (0 if b is None else abs(_by_channel(b, x))), mean, rstd


def groups_backward(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any, sign: float = -1, groups: int = 1
) -> tuple[Array, ...]:
    g = dy if w is None else dy * _by_channel(w, x)
    z = (_in_groups(x, groups) + sign * mean[..., None]) * rstd[..., None]
    dx, _, _ = rows_backward(_in_groups(g, groups), _in_groups(x, groups), mean, rstd, None, sign)
    over = (0, *range(2, x.ndim))
    return dx.reshape(x.shape), (dy * z.reshape(x.shape)).sum(over), dy.sum(over)


def _groups_backward_magnitude(
    dy: Array, x: Array, mean: Array, rstd: Array, w: Any, groups: int = 1
) -> tuple[Array, ...]:
    w = None if w is None else abs(w)
    return groups_backward(abs(dy), abs(x), abs(mean), rstd, w, sign=1, groups=groups)


class _GroupStatistics(_RowStatistics):
    """Draws a mean and rstd that are those of the input drawn before them, by groups."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
        if name in ("mean", "rstd"):
            _, mean, rstd = rows(_in_groups(self.x, shape[1]), None, None)
            return mean if name == "mean" else rstd
        return super().__call__(rng, shape, name)


def _group_cases(inputs: str, shapes: list[tuple[tuple[int, ...], int]]) -> list[Case]:
    """x: the input's shape, c: one value a channel, g: one a group; the last may be absent."""
    cases = []
    for shape, n in shapes:
        known = {"x": shape, "c": shape[1:2], "g": (shape[0], n)}
        full = tuple(known[i] for i in inputs)
        optional = inputs.count("c")
        cases += [
            Case(full[: len(full) - k] + (None,) * k, {"groups": n}) for k in range(optional + 1)
        ]
    return cases


_GROUPS: list[tuple[tuple[int, ...], int]] = [
    *[((2, 4, n), 2) for n in (1, 2, 7, 8, 15, 16, 17, 33)],
    ((3, 6), 2),
    ((1, 6, 5), 6),
    ((2, 6, 3, 4), 1),
    ((2, 70, 3), 1),  # more channels than are laid out together
    ((1, 2, 3000), 1),  # more than one part
    ((1, 1, 5000), 1),
    ((2, 4, 2, 3, 2), 2),
    ((6, 12, 50, 51), 3),  # several tasks
]
_GROUP_GRADIENTS = [_GROUPS[2], _GROUPS[8], _GROUPS[10], _GROUPS[14]]
SPECS = {
    "group_norm": Spec(
        _group_cases("xcc", _GROUPS),
        groups,
        terms=lambda x, *rest, groups=1: x.shape[1] // groups * int(np.prod(x.shape[2:])) + 6,
        magnitude=_groups_magnitude,
        grad_cases=_group_cases("xcc", _GROUP_GRADIENTS),
    ),
    "group_norm_backward": Spec(
        _group_cases("xxggc", [*_GROUPS, ((0, 4, 3), 2)]),
        groups_backward,
        sample=_GroupStatistics(),
        terms=lambda dy, *rest, groups=1: (
            dy.shape[1] // groups * int(np.prod(dy.shape[2:])) + 8,
            dy.size // dy.shape[1] + 4,
            dy.size // dy.shape[1] + 4,
        ),
        magnitude=_groups_backward_magnitude,
        grad_cases=_group_cases("xxggc", _GROUP_GRADIENTS),
        constant=("input", "mean", "rstd"),  # as of batch_norm_train_backward
    ),
    "layer_norm": Spec(
        _row_cases("xwb", _ROW_CASES),
        rows,
        terms=lambda x, *rest, dims=1: int(np.prod(x.shape[x.ndim - dims :])) + 6,
        magnitude=_rows_magnitude,
        grad_cases=_row_cases("xwb", _ROW_GRADIENTS[::3]),
    ),
    "layer_norm_backward": Spec(
        _row_cases("xxrrw", _ROW_CASES),
        rows_backward,
        sample=_RowStatistics(),
        terms=lambda dy, x, *rest, dims=1: (
            int(np.prod(x.shape[x.ndim - dims :])) + 8,
            int(np.prod(x.shape[: x.ndim - dims])) + 4,
            int(np.prod(x.shape[: x.ndim - dims])) + 4,
        ),
        magnitude=_rows_backward_magnitude,
        grad_cases=_row_cases("xxrrw", _ROW_GRADIENTS[::3]),
        # As of batch_norm_train_backward.
        constant=("input", "mean", "rstd"),
    ),
    "batch_norm_train": Spec(
        _cases("xwb", _MANY),
        train,
        terms=lambda x, *rest: _count(x) + 4,
        magnitude=_train_magnitude,
        grad_cases=_cases("xwb", _GRADIENTS),
    ),
    "batch_norm_train_backward": Spec(
        _cases("xxccw", [*_MANY, (0, 3), (0, 3, 2), (2, 3, 0)]),
        backward,
        sample=_Statistics(),
        terms=lambda dy, x, *rest: _count(x) + 6,
        magnitude=_backward_magnitude,
        grad_cases=_cases("xxccw", _GRADIENTS),
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
        grad_cases=_cases("xccwb", [(1, 3), *_GRADIENTS]),
    ),
    "batch_norm_update": Spec(
        [Case(((n,),) * 4, {"momentum": 0.1, "unbias": 1.25}) for n in (0, 1, 5, 33, 70000)],
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
