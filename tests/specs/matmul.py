"""Matrix products: tile sizes +- 1 of every ISA, cache blocks, tasks, batches, broadcasting."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Case, Spec

# M around the register tiles (6, 14), N around their widths (8 to 32), K around a block (256);
# more than a block of M (1024) and of N (2048); several tasks.
_SIZES = [(0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (2, 3, 4), (5, 7, 6), (6, 8, 9), (7, 9, 255)]
_SIZES += [(13, 15, 256), (14, 16, 257), (15, 17, 3), (28, 31, 5), (29, 32, 513), (1, 33, 40)]
_SIZES += [(65, 1, 30), (1, 1, 300), (100, 65, 20), (130, 300, 40)]


def _matmul_terms(a: Array, b: Array, *rest: Array) -> int:
    return a.shape[-1]


def _linear(x: Array, w: Array, *rest: Array | None) -> Array:
    """x w^T and, where given, bias and residual."""
    y = x @ w.T
    for term in rest:
        y = y if term is None else y + term
    return y


SPECS = {
    "matmul": Spec(
        [Case(((m, k), (k, n))) for m, n, k in _SIZES]
        + [
            Case(((3, 2, 4), (3, 4, 5))),
            Case(((5, 30, 20), (20, 30))),
            Case(((2, 1, 7, 4), (3, 4, 5))),
            Case(((9, 4), (2, 4, 5))),
            Case(((0, 2, 3), (0, 3, 2))),
            Case(((4, 30, 20), (4, 20, 40))),
        ],
        np.matmul,
        terms=_matmul_terms,
        magnitude=lambda a, b: np.matmul(abs(a), abs(b)),
    ),
    "linear": Spec(
        [Case(((m, k), (n, k), (n,))) for m, n, k in _SIZES]
        + [Case(((5, 3), (2, 3), None)), Case(((15, 3), (17, 3), None, (15, 17)))]
        + [Case(((40, 300), (70, 300), (70,), (40, 70)))],
        _linear,
        terms=lambda x, w, *rest: x.shape[-1] + len(rest),
        magnitude=lambda x, w, *rest: _linear(
            abs(x), abs(w), *(None if r is None else abs(r) for r in rest)
        ),
    ),
}
