"""Recurrent layers, step by step in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Shape, Spec


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def steps(rows: int, N: int, sizes: Array | None, reverse: bool) -> list[tuple[int, int]]:
    """First row and number of rows of each step, in the order in which they are taken.

    Sizes that do not fit are cut to what is there.
    """
    counts = [N] * (rows // max(N, 1)) if sizes is None else sizes.tolist()
    found, left = [], rows
    for count in counts[::-1] if reverse else counts:
        n = min(count, N, left)
        found.append((left - n if reverse else rows - left, n))
        left -= n
    return found


def rnn(x, h0, w, sizes=None, reverse=False, relu=False):
    h, y, h_prev = h0.copy(), np.zeros_like(x), np.zeros_like(x)
    for at, n in steps(len(x), len(h0), sizes, reverse):
        rows = slice(at, at + n)
        h_prev[rows] = h[:n]
        z = x[rows] + h[:n] @ w.T
        h[:n] = y[rows] = np.maximum(z, 0) if relu else np.tanh(z)
    return y, h, h_prev


def rnn_backward(dy, dh, y, w, sizes=None, reverse=False, relu=False):
    dh, dx = dh.copy(), np.zeros_like(y)
    for at, n in steps(len(y), len(dh), sizes, not reverse):
        rows = slice(at, at + n)
        dx[rows] = (dy[rows] + dh[:n]) * (y[rows] > 0 if relu else 1 - y[rows] ** 2)
        dh[:n] = dx[rows] @ w
    return dx, dh


def gru(x, h0, w, b=None, sizes=None, reverse=False):
    H = h0.shape[1]
    h, y = h0.copy(), np.zeros((len(x), H))
    gates, h_prev = np.zeros((len(x), 4 * H)), np.zeros_like(y)
    for at, n in steps(len(x), len(h0), sizes, reverse):
        rows = slice(at, at + n)
        h_prev[rows] = h[:n]
        s = h[:n] @ w.T + (0 if b is None else b)
        r, z = (sigmoid(x[rows, k * H : (k + 1) * H] + s[:, k * H : (k + 1) * H]) for k in (0, 1))
        q = s[:, 2 * H :]
        new = np.tanh(x[rows, 2 * H :] + r * q)
        gates[rows] = np.concatenate([r, z, q, new], 1)
        h[:n] = y[rows] = (1 - z) * new + z * h[:n]
    return y, h, gates, h_prev


def gru_backward(dy, dh, gates, h_prev, w, sizes=None, reverse=False):
    H = dh.shape[1]
    dh, dx = dh.copy(), np.zeros((len(dy), 3 * H))
    ds = np.zeros_like(dx)
    for at, n in steps(len(dy), len(dh), sizes, not reverse):
        rows = slice(at, at + n)
        r, z, q, new = (gates[rows, k * H : (k + 1) * H] for k in range(4))
        d = dy[rows] + dh[:n]
        dn, dz = d * (1 - z) * (1 - new**2), d * (h_prev[rows] - new) * z * (1 - z)
        dr = dn * q * r * (1 - r)
        dx[rows] = np.concatenate([dr, dz, dn], 1)
        ds[rows] = np.concatenate([dr, dz, dn * r], 1)
        dh[:n] = d * z + ds[rows] @ w
    return dx, ds, dh


def lstm(x, h0, c0, w, sizes=None, reverse=False):
    H = h0.shape[1]
    h, c, y = h0.copy(), c0.copy(), np.zeros((len(x), H))
    gates, h_prev, c_prev = np.zeros_like(x), np.zeros_like(y), np.zeros_like(y)
    for at, n in steps(len(x), len(h0), sizes, reverse):
        rows = slice(at, at + n)
        h_prev[rows], c_prev[rows] = h[:n], c[:n]
        z = x[rows] + h[:n] @ w.T
        i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        gates[rows] = np.concatenate([i, f, g, o], 1)
        c[:n] = f * c[:n] + i * g
        h[:n] = y[rows] = o * np.tanh(c[:n])
    return y, h, c, gates, h_prev, c_prev


def lstm_backward(dy, dh, dc, gates, c_prev, w, sizes=None, reverse=False):
    H = dh.shape[1]
    dh, dc, dx = dh.copy(), dc.copy(), np.zeros_like(gates)
    for at, n in steps(len(dy), len(dh), sizes, not reverse):
        rows = slice(at, at + n)
        i, f, g, o = (gates[rows, k * H : (k + 1) * H] for k in range(4))
        t = np.tanh(f * c_prev[rows] + i * g)
        d = dy[rows] + dh[:n]
        e = dc[:n] + d * o * (1 - t**2)
        dx[rows] = np.concatenate(
            [e * g * i * (1 - i), e * c_prev[rows] * f * (1 - f), e * i * (1 - g**2),
             d * t * o * (1 - o)], 1,
        )  # fmt: skip
        dh[:n], dc[:n] = dx[rows] @ w, e * f
    return dx, dh, dc


SIZES = np.array([5, 5, 3, 1])  # the batch of 5 in four steps


def sample(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """States and gates as they may be, weights that neither kill nor blow up what they carry."""
    if name == "batch_sizes":
        return SIZES
    if name == "weight":
        return rng.standard_normal(shape) / np.sqrt(max(shape[-1], 1))
    if name in ("gates", "y"):
        return rng.uniform(0.1, 0.9, shape)
    return rng.standard_normal(shape)


def cases(gates: int, rows: tuple[int, ...], states: int, first: int, bias: bool = False) -> Any:
    """Of an op whose inputs are so many states after `first` inputs of rows (multiples of H)."""

    def shapes(T: int, N: int, H: int, packed: bool, with_bias: bool) -> tuple[Shape, ...]:
        n = int(SIZES.sum()) if packed else T * N
        each: list[Shape] = [(n, k * H) for k in rows]
        found: list[Shape] = [*each[:first], *[(N, H)] * states, *each[first:], (gates * H, H)]
        if bias:
            found.append((gates * H,) if with_bias else None)
        return (*found, SIZES.shape if packed else None)

    sizes = [(1, 1, 1), (1, 0, 3), (2, 3, 33), (1, 2, 260), (4, 33, 65)]
    found = [
        Case(shapes(*size, False, i % 2 == 1), {"reverse": i % 2 == 0})
        for i, size in enumerate(sizes)
    ]
    for reverse in (False, True):
        found.append(Case(shapes(3, 2, 5, False, reverse), {"reverse": reverse}))
    for reverse in (False, True):
        found.append(Case(shapes(4, 5, 9, True, True), {"reverse": reverse}))
    return found


def small(found: list[Case]) -> list[Case]:
    return [c for c in found if all(s is None or np.prod(s) <= 200 for s in c.shapes)]


def terms(first: Array, state: Array, *rest: Any, **_: Any) -> float:
    """In each step H products are summed up and a few functions taken, and the error goes on."""
    N, H = state.shape
    return 8 * (len(first) / max(N, 1)) * (H + 8)


def spec(reference: Any, found: list[Case], grad: bool) -> Spec:
    def magnitude(*arrays: Any, **kwargs: Any) -> tuple[Array, ...]:
        return tuple(np.maximum(np.abs(v), 1) for v in reference(*arrays, **kwargs))

    grad_cases = small(found) if grad else None
    return Spec(
        found, reference, sample, terms, magnitude, ulp=16, grad=grad, grad_cases=grad_cases
    )


RNN = cases(1, (1,), 1, 1)
WITH_RELU = [Case(c.shapes, {**c.kwargs, "relu": True}) for c in RNN[-4:]]
RNN_BACKWARD = cases(1, (1, 1), 1, 1)
SPECS = {
    "rnn": spec(rnn, RNN + WITH_RELU, True),
    "rnn_backward": spec(rnn_backward, RNN_BACKWARD, False),
    "gru": spec(gru, cases(3, (3,), 1, 1, bias=True), True),
    "gru_backward": spec(gru_backward, cases(3, (1, 4, 1), 1, 1), False),
    "lstm": spec(lstm, cases(4, (4,), 2, 1), True),
    "lstm_backward": spec(lstm_backward, cases(4, (1, 4, 1), 2, 1), False),
}
