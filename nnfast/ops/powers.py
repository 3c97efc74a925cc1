"""Products of many factors: powers of matrices and of numbers, chains of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.join import cat
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.rearrange import flip
from nnfast.ops.record import method
from nnfast.ops.reduce import sum
from nnfast.ops.scan import cumprod
from nnfast.ops.shape import clone, expand, reshape, unsqueeze
from nnfast.tensor import Tensor, wrap


@method
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A^n of square matrices, n factors A, by squaring; the identity for n = 0.

    Shapes: (*, M, M), the same out. Floats and integers.
    Errors: n below 0, which would need an inverse.

    >>> import nnfast
    >>> nnfast.matrix_power(nnfast.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    x = as_tensor(input, "matrix_power")
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        fail("matrix_power", "an integer n", repr(n), error=DTypeError)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        fail("matrix_power", "square matrices", f"shape {x.shape}", input=x)
    if n < 0:
        fail("matrix_power", "n >= 0", f"n={n}", "nnfast has no inverse; use NumPy's on x.numpy().")
    if n == 0:
        return clone(expand(wrap(np.eye(x.shape[-1], dtype=x.dtype)), x.shape))
    if n == 1:
        return clone(x)
    half = matrix_power(x, n // 2) if n > 3 else x
    y: Tensor = matmul(half, half)
    return matmul(y, x) if n % 2 else y


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the order that needs the fewest multiplications.

    Shapes: (M_0, M_1), (M_1, M_2), ... -> (M_0, M_n); the first may be a row (M_1,), the last a
    column, and that dimension is then left out of the result. Floats and integers.

    Source: Godbole, On efficient computation of matrix chain products, 1973.

    >>> import nnfast
    >>> nnfast.linalg.multi_dot([nnfast.ones(2, 3), nnfast.ones(3, 4), nnfast.ones(4)])
    tensor([12., 12.])
    """
    return _product("multi_dot", [as_tensor(x, "multi_dot") for x in tensors])


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices, in the order that needs the fewest multiplications.

    Shapes: (M_0, M_1), (M_1, M_2), ... -> (M_0, M_n). Floats and integers.

    >>> import nnfast
    >>> nnfast.chain_matmul(nnfast.ones(1, 3), nnfast.ones(3, 4), nnfast.ones(4, 1))
    tensor([[12.]])
    """
    given = [as_tensor(x, "chain_matmul") for x in matrices]
    if not given or any(x.ndim != 2 for x in given):
        shapes = [x.shape for x in given]
        fail("chain_matmul", "matrices, at least one", f"shapes {shapes}")
    return given[0] if len(given) == 1 else _product("chain_matmul", given)


def _product(where: str, given: list[Tensor]) -> Tensor:
    ends = [1 if x.ndim == 1 and i in (0, len(given) - 1) else 2 for i, x in enumerate(given)]
    shapes = [x.shape for x in given]
    if len(given) < 2 or [x.ndim for x in given] != ends:
        fail(where, "at least two matrices (at the ends vectors)", f"shapes {shapes}")
    row, column = ends[0] == 1, ends[-1] == 1
    if row:
        given[0] = unsqueeze(given[0], 0)
    if column:
        given[-1] = unsqueeze(given[-1], 1)
    if any(a.shape[1] != b.shape[0] for a, b in pairwise(given)):
        fail(where, "matrices that follow from each other", f"shapes {shapes}")
    _, cuts = _order((given[0].shape[0], *(x.shape[1] for x in given)))
    y = _between(given, cuts, 0, len(given) - 1)
    shape = ([] if row else [y.shape[0]]) + ([] if column else [y.shape[1]])
    return reshape(y, shape) if row or column else y


def _between(given: list[Tensor], cuts: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    """The product of matrices i to j."""
    if i == j:
        return given[i]
    k = cuts[i, j]
    y: Tensor = matmul(_between(given, cuts, i, k), _between(given, cuts, k + 1, j))
    return y


@lru_cache
def _order(sizes: tuple[int, ...]) -> tuple[int, dict[tuple[int, int], int]]:
    """The fewest multiplications, and after which matrix to cut the product of i to j for them."""
    n = len(sizes) - 1
    cost, cuts = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            ways = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cuts[i, j] = min(ways)
    return cost[0, n - 1], cuts


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of x y along a dimension: products of vectors.

    Shapes: two that broadcast to (*, K, *) -> (*). Floats and integers.

    >>> import nnfast
    >>> nnfast.linalg.vecdot(nnfast.tensor([[1.0, 2.0], [3.0, 4.0]]), nnfast.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    return sum(as_tensor(x, "vecdot") * y, dim)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """y[i, j] = x[i]^(N - 1 - j), the matrix of Vandermonde; x[i]^j if increasing.

    Shapes: (M,) -> (M, N), N = M if None. Floats and integers.

    >>> import nnfast
    >>> nnfast.vander(nnfast.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    v = as_tensor(x, "vander")
    if v.ndim != 1:
        fail("vander", "a vector", f"shape {v.shape}", x=v)
    M = v.shape[0]
    columns = M if N is None else N
    if columns < 0:
        fail("vander", "N >= 0", f"N={N}")
    powers = cumprod(expand(unsqueeze(v, 1), (M, max(columns - 1, 0))), 1)
    ones = wrap(np.ones((M, min(columns, 1)), powers.dtype))
    y: Tensor = cat([ones, powers], 1)
    return y if increasing else flip(y, 1)
