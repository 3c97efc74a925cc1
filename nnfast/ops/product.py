"""Products of vectors, matrices and tensors, composed of `matmul` and of multiplication."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from nnfast.errors import fail
from nnfast.ops.diagonal import diagonal
from nnfast.ops.elementwise import broadcast_shapes
from nnfast.ops.matmul import matmul
from nnfast.ops.operands import as_tensor
from nnfast.ops.rearrange import roll
from nnfast.ops.record import check_dim, method, methods
from nnfast.ops.reduce import sum
from nnfast.ops.shape import expand, permute, reshape, unsqueeze
from nnfast.ops.window import is_integer
from nnfast.tensor import Tensor

_LETTERS = string.ascii_uppercase + string.ascii_lowercase  # in the order of their codes


def _check_dims(where: str, **tensors: tuple[Tensor, int]) -> None:
    for name, (x, ndim) in tensors.items():
        if x.ndim != ndim:
            fail(where, f"{name} of {ndim} dimensions", f"shape {x.shape}", **{name: x})


@method
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices; see `matmul`.

    Shapes: (M, K) and (K, N) -> (M, N). Floats and integers.

    >>> import nnfast
    >>> nnfast.mm(nnfast.ones(1, 3), nnfast.ones(3, 2))
    tensor([[3., 3.]])
    """
    _check_dims("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@method
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices: (B, M, K) and (B, K, N) -> (B, M, N).

    Shapes: input (B, M, K), mat2 (B, K, N) -> (B, M, N). Floats and integers.

    >>> import nnfast
    >>> nnfast.bmm(nnfast.ones(2, 3, 4), nnfast.ones(2, 4, 5)).shape
    (2, 3, 5)
    """
    _check_dims("bmm", input=(input, 3), mat2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        fail("bmm", "batches of one size", f"{input.shape} and {mat2.shape}")
    return matmul(input, mat2)


@method
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector.

    Shapes: (M, K) and (K,) -> (M,). Floats and integers.

    >>> import nnfast
    >>> nnfast.mv(nnfast.tensor([[1.0, 2.0], [3.0, 4.0]]), nnfast.ones(2))
    tensor([3., 7.])
    """
    _check_dims("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@method
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of the elements of two vectors.

    Shapes: (K,) twice -> a scalar. Any dtype.

    >>> import nnfast
    >>> nnfast.dot(nnfast.tensor([1.0, 2.0]), nnfast.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _check_dims("dot", input=(input, 1), tensor=(tensor, 1))
    if input.shape != tensor.shape:
        fail("dot", "vectors of one size", f"{input.shape} and {tensor.shape}")
    return matmul(input, tensor) if input.dtype.kind == "f" else sum(input * tensor)


vdot = dot
methods(vdot=dot)


@method
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimensions of both: (*a, K) and (*b, K) -> (*a, *b).

    Shapes: input (*a, K), other (*b, K) -> (*a, *b); scalars multiply. Floats and integers.

    >>> import nnfast
    >>> nnfast.inner(nnfast.ones(2, 3), nnfast.ones(4, 3)).shape
    (2, 4)
    """
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


@method
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """y[i, j] = input[i] vec2[j].

    Shapes: (M,) and (N,) -> (M, N). Any dtype.

    >>> import nnfast
    >>> nnfast.outer(nnfast.tensor([1.0, 2.0]), nnfast.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _check_dims("outer", input=(input, 1), vec2=(vec2, 1))
    return unsqueeze(input, 1) * vec2


ger = outer
methods(ger=ger)


@method
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta input + alpha mat1 mat2; input is broadcast.

    Shapes: input broadcasts to (M, N), mat1 (M, K), mat2 (K, N) -> (M, N). Floats and integers.

    >>> import nnfast
    >>> nnfast.addmm(nnfast.ones(2), nnfast.ones(2, 3), nnfast.ones(3, 2))
    tensor([[4., 4.],
            [4., 4.]])
    """
    return _add("addmm", input, mm(mat1, mat2), beta, alpha)


@method
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha mat vec; input is broadcast.

    Shapes: input broadcasts to (M,), mat (M, K), vec (K,) -> (M,). Floats and integers.

    >>> import nnfast
    >>> nnfast.addmv(nnfast.ones(2), nnfast.eye(2), nnfast.tensor([3.0, 4.0]))
    tensor([4., 5.])
    """
    return _add("addmv", input, mv(mat, vec), beta, alpha)


@method
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha outer(vec1, vec2); input is broadcast.

    Shapes: input broadcasts to (M, N), vec1 (M,), vec2 (N,) -> (M, N). Floats and integers.

    >>> import nnfast
    >>> nnfast.addr(nnfast.zeros(2, 2), nnfast.tensor([1.0, 2.0]), nnfast.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return _add("addr", input, outer(vec1, vec2), beta, alpha)


@method
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta input + alpha bmm(batch1, batch2); input is broadcast.

    Shapes: input broadcasts to (B, M, N), batch1 (B, M, K), batch2 (B, K, N) -> (B, M, N). Floats
    and integers.

    >>> import nnfast
    >>> nnfast.baddbmm(nnfast.ones(1, 1, 1), nnfast.ones(2, 1, 3), nnfast.ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """
    return _add("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@method
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta input + alpha times the sum of the products bmm(batch1, batch2).

    Shapes: input broadcasts to (M, N), batch1 (B, M, K), batch2 (B, K, N) -> (M, N). Floats and
    integers.

    >>> import nnfast
    >>> nnfast.addbmm(nnfast.ones(1, 1), nnfast.ones(2, 1, 3), nnfast.ones(2, 3, 1))
    tensor([[7.]])
    """
    return _add("addbmm", input, sum(bmm(batch1, batch2), 0), beta, alpha)


def _add(where: str, input: Tensor, y: Tensor, beta: float, alpha: float) -> Tensor:
    if broadcast_shapes(where, input.shape, y.shape) != y.shape:
        fail(where, f"an input that broadcasts to {y.shape}", f"shape {input.shape}")
    y = y if alpha == 1 else y * alpha
    if beta == 0:
        return y  # NaN in input does not count
    return y + (input if beta == 1 else input * beta)


@method
def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The vector product along a dimension of size 3.

    Shapes: two that broadcast, 3 at dim, to that of the result. Floats and integers.

    >>> import nnfast
    >>> nnfast.cross(nnfast.tensor([1.0, 0.0, 0.0]), nnfast.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    shape = broadcast_shapes("cross", input.shape, other.shape)
    d = check_dim("cross", dim, len(shape))
    if not shape or shape[d] != 3:
        fail("cross", f"size 3 along dim {dim}", f"shape {shape}")
    a, b = expand(input, shape), expand(other, shape)
    return roll(a, -1, d) * roll(b, 1, d) - roll(a, 1, d) * roll(b, -1, d)


@method
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of input times all of other.

    Shapes: (*M) and (*N) -> sizes multiplied, dimension by dimension from the last. Any dtype.

    >>> import nnfast
    >>> nnfast.kron(nnfast.eye(2), nnfast.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + x.shape for x in (input, other))
    y = reshape(input, tuple(k for m in a for k in (m, 1))) * reshape(
        other, tuple(k for m in b for k in (1, m))
    )
    return reshape(y, tuple(i * j for i, j in zip(a, b, strict=True)))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over dimensions of both: the last `dims` of a and first of b, or two lists.

    Shapes: (*a, *k) and (*k, *b) -> (*a, *b), k the dimensions that go together. Floats and
    integers.

    >>> import nnfast
    >>> nnfast.tensordot(nnfast.ones(2, 3, 4), nnfast.ones(4, 3, 5), ([1, 2], [1, 0])).shape
    (2, 5)
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            fail("tensordot", f"dims from 0 to {min(a.ndim, b.ndim)}", str(dims))
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        given = [[d] if isinstance(d, int) else list(d) for d in dims]
        left, right = (
            [check_dim("tensordot", d, x.ndim) for d in ds]
            for ds, x in zip(given, (a, b), strict=True)
        )
    sizes = [[x.shape[d] for d in ds] for x, ds in ((a, left), (b, right))]
    if sizes[0] != sizes[1]:
        fail("tensordot", "dims of equal sizes", f"{sizes[0]} and {sizes[1]}", a=a, b=b)
    rest_a = [d for d in range(a.ndim) if d not in left]
    rest_b = [d for d in range(b.ndim) if d not in right]
    K = math.prod(sizes[0])
    rows, columns = [a.shape[d] for d in rest_a], [b.shape[d] for d in rest_b]
    x = reshape(permute(a, (*rest_a, *left)), (math.prod(rows), K))
    y = reshape(permute(b, (*right, *rest_b)), (K, math.prod(columns)))
    return reshape(matmul(x, y), (*rows, *columns))


# ---- einsum ---------------------------------------------------------------------------------


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products in Einstein's notation, as in NumPy: a letter for each dimension.

    Dimensions of one letter go together; those of letters that the result has not are summed.
    "..." stands for any others, broadcast. Without "->" the result has the letters that occur
    once, in alphabetical order. Operands are multiplied from left to right, as matrices. Numbers
    from 0 to 51 may be the letters: einsum(a, [0, 1], b, [1, 2], [0, 2]).

    Shapes: as the equation says. Floats and integers.

    >>> import nnfast
    >>> a, b = nnfast.ones(2, 3), nnfast.ones(3, 4)
    >>> nnfast.einsum("ij,jk->ik", a, b).shape
    (2, 4)
    """
    if not isinstance(equation, str):
        equation, operands = _spelled((equation, *operands))
    given = (
        operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    )
    tensors = [as_tensor(x, "einsum") for x in given]
    terms, result = _parsed(equation, tensors)
    sizes = _letter_sizes(equation, tensors, terms)
    if not set(result) <= set(sizes) or len(set(result)) != len(result):
        _refuse(equation, "a result of letters of the operands, each once")
    x, letters = _simple(tensors[0], terms[0])
    for k in range(1, len(tensors)):
        other, theirs = _simple(tensors[k], terms[k])
        later = set(result).union(*terms[k + 1 :])
        x, letters = _contract(x, letters, other, theirs, later, sizes)
    gone = [d for d, c in enumerate(letters) if c not in result]
    if gone:
        x, letters = sum(x, gone), [c for c in letters if c in result]
    y = permute(x, tuple(letters.index(c) for c in result)) if letters else x
    return expand(y, tuple(sizes[c] for c in result)) if result else y


def _spelled(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation of operands that are followed by numbers, and maybe those of the result."""

    def letters(numbers: Any) -> str:
        if not isinstance(numbers, list | tuple) or not all(
            n is ... or (is_integer(n) and 0 <= n < 52) for n in numbers
        ):
            fail("einsum", "an equation, or lists of numbers from 0 to 51", repr(numbers))
        return "".join("..." if n is ... else _LETTERS[n] for n in numbers)

    pairs = len(given) // 2
    terms = [letters(numbers) for numbers in given[1 : 2 * pairs : 2]]
    result = [letters(numbers) for numbers in given[2 * pairs :]]
    return "->".join([",".join(terms), *result]), given[: 2 * pairs : 2]


def _refuse(equation: str, expected: str) -> None:
    fail("einsum", expected, repr(equation))


def _parsed(equation: str, tensors: Sequence[Tensor]) -> tuple[list[list[str]], list[str]]:
    """The letters of each operand and of the result; dimensions of "..." are numbers as text."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        _refuse(equation, f"{len(tensors)} operands")
    terms = [_letters(equation, p, x.ndim) for p, x in zip(parts, tensors, strict=True)]
    dots = max(len([c for c in t if c.isdigit()]) for t in terms)
    every = [c for t in terms for c in t]
    if arrow:
        free = dots if "..." in right else 0
        return terms, _letters(equation, right, len(right.replace("...", "")) + free)
    once = sorted({c for c in every if every.count(c) == 1 and not c.isdigit()})
    return terms, [*(str(k) for k in reversed(range(dots))), *once]


def _letters(equation: str, term: str, ndim: int) -> list[str]:
    head, dots, tail = term.partition("...")
    names = head + tail
    free = ndim - len(names)
    if (names and not (names.isalpha() and names.isascii())) or free < 0 or (free and not dots):
        _refuse(equation, f"a letter for each of {ndim} dimensions of '{term}'")
    return [*head, *(str(k) for k in reversed(range(free))), *tail] if dots else list(names)


def _letter_sizes(
    equation: str, tensors: Sequence[Tensor], terms: Sequence[Sequence[str]]
) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for x, term in zip(tensors, terms, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            known = sizes.setdefault(c, n)
            if n != known and 1 not in (n, known):
                fail("einsum", f"one size for '{c}'", f"{known} and {n} in {equation!r}")
            sizes[c] = n if known == 1 else known
    return sizes


def _simple(x: Tensor, term: list[str]) -> tuple[Tensor, list[str]]:
    """x with each letter once: the diagonal of those that repeat."""
    letters = list(term)
    for c in dict.fromkeys(term):
        while letters.count(c) > 1:
            a = letters.index(c)
            b = letters.index(c, a + 1)
            x = diagonal(x, 0, a, b)
            letters = [k for i, k in enumerate(letters) if i not in (a, b)] + [c]
    return x, letters


def _contract(
    a: Tensor, la: list[str], b: Tensor, lb: list[str], later: set[str], sizes: dict[str, int]
) -> tuple[Tensor, list[str]]:
    """Two operands as one: a batched matrix product over the letters that nobody needs later."""
    a, la = _sum_out(a, la, {*later, *lb})
    b, lb = _sum_out(b, lb, {*later, *la})
    shared = [c for c in la if c in lb]
    # What is broadcast in one of them alone is multiplied out.
    inner = [
        c for c in shared
        if c not in later and a.shape[la.index(c)] == b.shape[lb.index(c)]
    ]  # fmt: skip
    batch = [c for c in shared if c not in inner]
    rows, columns = [c for c in la if c not in shared], [c for c in lb if c not in shared]

    def size(x: Tensor, letters: list[str], names: list[str]) -> list[int]:
        return [x.shape[letters.index(c)] for c in names]

    m, n, k = size(a, la, rows), size(b, lb, columns), size(a, la, inner)
    x = permute(a, tuple(la.index(c) for c in (*batch, *rows, *inner))) if la else a
    y = permute(b, tuple(lb.index(c) for c in (*batch, *inner, *columns))) if lb else b
    x = reshape(x, (*size(a, la, batch), math.prod(m), math.prod(k)))
    y = reshape(y, (*size(b, lb, batch), math.prod(k), math.prod(n)))
    product = matmul(x, y)
    return reshape(product, (*product.shape[: len(batch)], *m, *n)), batch + rows + columns


def _sum_out(x: Tensor, letters: list[str], needed: set[str]) -> tuple[Tensor, list[str]]:
    """x summed over the letters that nobody else has."""
    gone = [d for d, c in enumerate(letters) if c not in needed]
    if not gone:
        return x, letters
    return sum(x, gone), [c for c in letters if c in needed]
