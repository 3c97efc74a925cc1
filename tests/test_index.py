"""Indexing: reading and writing by slices, numbers, tensors and masks; gather, scatter."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import no_grad
from tests.peers import (
    Function,
    agrees_with_torch,
    close,
    has_two_gradients,
    runs_in_a_plan,
    values,
)

X = np.arange(60.0).reshape(3, 4, 5) / 7
PARTS: dict[str, Any] = {
    "0": 0,
    "-1": -1,
    ":": slice(None),
    "1:": slice(1, None),
    "::2": slice(None, None, 2),
    "None": None,
    "...": Ellipsis,
    "vector": np.array([0, 2, 1]),
    "negative": np.array([-1, 0, -2]),
    "matrix": np.array([[0, 1], [2, 2]]),
    "number": np.array(1),
    "list": [0, 2],
    "mask": np.array([True, False, True]),
    "mask of two": np.arange(12).reshape(3, 4) % 3 == 0,
    "mask in a list": [True, False, True],
    "True": True,
}
INDICES = [(p,) for p in PARTS] + list(product(PARTS, repeat=2))
INDICES += [
    (":", "vector", "vector"),
    ("vector", ":", "vector"),
    ("vector", "0", "vector"),
    ("0", ":", "vector"),
    ("matrix", "1:", "vector"),
    ("vector", "None", "vector"),
    ("...", "vector", "negative"),
    ("number", "...", "number"),
    ("mask", ":", "vector"),
    ("1:", "mask of two"),
    ("list", "list", "list"),
]
INDICES = [i for i in INDICES if i.count("...") < 2]  # two of them have no meaning


def _index(names: tuple[str, ...], library: Any) -> Any:
    parts = [PARTS[n] for n in names]
    made = [library.tensor(p) if isinstance(p, np.ndarray) else p for p in parts]
    return made[0] if len(made) == 1 else tuple(made)


def _in_numpy(names: tuple[str, ...]) -> bool:
    """Whether NumPy means the same: its numbers beside tensors count as tensors."""
    tensors = [n for n in names if isinstance(PARTS[n], np.ndarray | list)]
    numbers = [n for n in names if n in ("0", "-1", "number", "True")]
    return not (tensors and numbers)


@pytest.mark.parametrize("names", INDICES, ids=str)
def test_read(names: tuple[str, ...]) -> None:
    agrees_with_torch(lambda L, x: x[_index(names, L)], X)


@pytest.mark.parametrize("names", [i for i in INDICES if _in_numpy(i)], ids=str)
def test_read_as_numpy_does(names: tuple[str, ...]) -> None:
    index = tuple(PARTS[n] for n in names)
    try:
        want = X[index]
    except IndexError:
        with pytest.raises(IndexError):
            nnfast.tensor(X)[_index(names, nnfast)]
        return
    close(values(nnfast.tensor(X)[_index(names, nnfast)]), [np.asarray(want)], str(names))


def _written(library: Any, x: Any, names: tuple[str, ...], value: Any) -> Any:
    x[_index(names, library)] = value
    return x


@pytest.mark.parametrize("names", INDICES[::2], ids=str)
def test_write(names: tuple[str, ...]) -> None:
    repeated = {"matrix", "list"} & set(names)  # which of equal places wins is not said
    for value in (-1.0, *([] if repeated else [np.arange(5.0)])):
        agrees_with_torch(
            lambda L, x, v: _written(L, x.detach(), names, v.detach()), X, np.array(value)
        )


WRITTEN = [("1:", "vector"), ("mask",), ("vector", "vector"), ("0",)]


@pytest.mark.parametrize("names", WRITTEN, ids=str)
def test_gradient_through_a_write(names: tuple[str, ...]) -> None:
    """Of a tensor with history, in place: both it and the values get theirs."""

    def f(L: Any, x: Any, v: Any) -> Any:
        y = x * 2
        y[_index(names, L)] = v * 3
        return y * x

    agrees_with_torch(f, X, np.array(0.5))
    agrees_with_torch(f, X, np.linspace(1, 2, 5)[:1])
    if "mask" not in names:  # whose number of elements a plan cannot know
        runs_in_a_plan(f, X.astype(np.float32), np.ones((), np.float32))


def test_rows_of_a_fresh_tensor_are_filled_in_a_plan() -> None:
    def f(L: Any, x: Any) -> Any:
        y = L.zeros(3, 4, dtype=x.dtype)
        for i in range(3):
            y[i] = x[i] * (i + 1)
        return y

    agrees_with_torch(f, X[:, :, 0])
    runs_in_a_plan(f, X[:, :, 0].astype(np.float32))


INDEX = np.array([[0, 2, 1], [1, 1, 0]])
FUNCTIONS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "x[i]": (lambda L, x, i: x[i], (X, INDEX)),
    "x[:, i]": (lambda L, x, i: x[:, i], (X, INDEX)),
    "x[i, j]": (lambda L, x, i: x[i[0], i], (X, INDEX)),
    "x[i, :, j]": (lambda L, x, i: x[i[0], 1:, i], (X, INDEX)),
    "x[-i]": (lambda L, x, i: x[-i], (X, INDEX)),
    "gather 0": (lambda L, x, i: L.gather(x, 0, i), (X[:, :, 0], INDEX)),
    "gather 1": (lambda L, x, i: L.gather(x, 1, i), (X[:, :, 0], INDEX)),
    "gather 2": (lambda L, x, i: L.gather(x, 2, i[:, :, None]), (X, INDEX)),
    "take_along_dim": (lambda L, x, i: L.take_along_dim(x, i[:1, :1], 1), (X[:, :, 0], INDEX)),
    "index_select": (lambda L, x, i: L.index_select(x, 1, i[0]), (X, INDEX)),
    "scatter": (
        lambda L, x, i, v: L.scatter(x, 1, i, v),
        (X[:, :, 0], np.array([[0, 2, 1], [3, 1, 0]]), -X[:2, :3, 1]),
    ),
    "scatter a number": (lambda L, x, i: L.scatter(x, 0, i, 2.0), (X[:, :, 0], INDEX)),
    "scatter_add 0": (
        lambda L, x, i, v: L.scatter_add(x, 0, i, v),
        (X[:, :, 0], INDEX, X[:2, :3, 1]),
    ),
    "scatter_add 1": (
        lambda L, x, i, v: L.scatter_add(x, 1, i, v),
        (X[:, :, 0], INDEX, X[:2, :3, 1]),
    ),
    "index_add": (
        lambda L, x, i, v: L.index_add(x, 1, i[1], v, alpha=2),
        (X[:, :, 0], INDEX, X[:, :3, 1]),
    ),
    "index_copy": (
        lambda L, x, i, v: L.index_copy(x, 0, i[0, :2], v),
        (X, INDEX, -X[:2]),
    ),
    "index_fill": (lambda L, x, i: L.index_fill(x, 2, i[0], 9.0), (X, INDEX)),
    "index_put": (lambda L, x, i, v: L.index_put(x, (i[0], i[0]), v), (X, INDEX, -X[0, :3])),
    "index_put to add": (
        lambda L, x, i, v: L.index_put(x, (i[1],), v, accumulate=True),
        (X, INDEX, -X[0, :3, None]),
    ),
    "masked_fill": (lambda L, x: x.masked_fill(x > 4.05, -1.0), (X,)),
    "one-hot rows": (
        lambda L, x, i: (L.arange(4) == i[:, :, None]).to(x.dtype) @ x,
        (X[0], INDEX),
    ),
}
IN_NUMPY: dict[str, Any] = {
    "x[i]": lambda x, i: x[i],
    "x[i, j]": lambda x, i: x[i[0], i],
    "x[-i]": lambda x, i: x[-i],
    "gather 1": lambda x, i: np.take_along_axis(x[:2], i, 1),
    "index_select": lambda x, i: np.take(x, i[0], 1),
    "masked_fill": lambda x: np.where(x > 4.05, -1, x),
}


def _added(x: np.ndarray, i: np.ndarray, v: np.ndarray) -> np.ndarray:
    y = x.copy()
    np.add.at(y, (np.arange(2)[:, None], i), v)
    return y


def _assigned(x: np.ndarray, i: np.ndarray, v: np.ndarray) -> np.ndarray:
    y = x.copy()
    y[np.arange(2)[:, None], i] = v
    return y


IN_NUMPY |= {"scatter_add 1": _added, "scatter": _assigned}


@pytest.mark.parametrize("name", IN_NUMPY)
def test_function_as_numpy_does(name: str) -> None:
    f, arrays = FUNCTIONS[name]
    got = f(nnfast, *[nnfast.tensor(a) for a in arrays])
    close(values(got), [np.asarray(IN_NUMPY[name](*arrays))], name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    agrees_with_torch(FUNCTIONS[name][0], *FUNCTIONS[name][1])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_runs_in_a_plan(name: str) -> None:
    f, arrays = FUNCTIONS[name]
    narrow = [np.asarray(a, np.float32) if a.dtype.kind == "f" else a for a in arrays]
    runs_in_a_plan(f, *narrow)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_two_gradients(name: str) -> None:
    has_two_gradients(FUNCTIONS[name][0], *FUNCTIONS[name][1])


@pytest.mark.parametrize("dtype", ["int64", "bool", "int32", "uint8", "float32"])
def test_every_dtype(dtype: str) -> None:
    a = (np.arange(12).reshape(3, 4) % 3).astype(dtype)
    x, i, one = nnfast.tensor(a), nnfast.tensor([2, 0]), np.array([[3], [0], [1]])
    pairs = [
        (x[i], a[[2, 0]]),
        (x[:, i], a[:, [2, 0]]),
        (x[x != 0], a[a != 0]),
        (x.gather(1, nnfast.tensor(one)), np.take_along_axis(a, one, 1)),
        (x.masked_fill(x == 1, 0), np.where(a == 1, 0, a).astype(dtype)),
        (nnfast.cat([x, x], 1), np.concatenate([a, a], 1)),
        (x.mT.contiguous(), a.T),
        (x.flip(0), a[::-1]),
        (x.tril(), np.tril(a)),
        (x.scatter(0, nnfast.tensor([[1, 1, 2, 0]]), 0), _zeroed(a)),
    ]
    for got, want in pairs:
        close(values(got), [np.asarray(want)], dtype)


def _zeroed(a: np.ndarray) -> np.ndarray:
    y = a.copy()
    y[[1, 1, 2, 0], [0, 1, 2, 3]] = 0
    return y


def test_a_view_of_booleans_is_a_result_of_a_plan() -> None:
    x = np.arange(12.0).reshape(3, 4)
    f = nnfast.compile(lambda x: (x > 4).T)
    np.testing.assert_array_equal(f(nnfast.tensor(x)).numpy(), (x > 4).T)


def test_where_elements_are() -> None:
    x = nnfast.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert [i.tolist() for i in x.nonzero(as_tuple=True)] == [[0, 1], [1, 0]]
    assert nnfast.masked_select(x, x > 0).tolist() == [2, 3]
    source = nnfast.tensor([7.0, 8.0, 9.0])
    assert x.masked_scatter(x > 0, source).tolist() == [[0, 7], [8, 0]]


@pytest.mark.parametrize("shape", [(), (7,), (5, 1), (3, 4, 6), (2, 0, 3), (0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_where_elements_of_any_shape_are(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(len(shape))
    a = (rng.integers(0, 2, shape) * rng.integers(-3, 4, shape)).astype(dtype)
    for x, b in ((nnfast.tensor(a), a), (nnfast.tensor(a).permute(*range(a.ndim)[::-1]), a.T)):
        np.testing.assert_array_equal(x.nonzero().numpy(), np.argwhere(b))
        for i, j in zip(x.nonzero(as_tuple=True), np.atleast_1d(b).nonzero(), strict=True):
            np.testing.assert_array_equal(i.numpy(), j)
    nan = nnfast.tensor([0.0, np.nan, -0.0, 1.0])
    assert nan.nonzero().tolist() == [[1], [3]]


def test_where() -> None:
    x = nnfast.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert [i.tolist() for i in nnfast.where(x > 0)] == [[0, 1], [1, 0]]
    for f in (
        lambda L, x: L.where(x > 1, x, 0.5),
        lambda L, x: L.where(x > 1, True, x > 0),
        lambda L, x: x.where(x > 1, -x),
    ):
        agrees_with_torch(f, X)
        runs_in_a_plan(f, X.astype(np.float32))
    with pytest.raises(nnfast.NNFastError):
        nnfast.where(x, x, x)


def test_one_hot() -> None:
    for f in (
        lambda L, i: L.nn.functional.one_hot(i),
        lambda L, i: L.nn.functional.one_hot(i, 5),
        lambda L, i: L.nn.functional.one_hot(i, 2),
        lambda L, i: L.nn.functional.one_hot(-i, 5),
    ):
        agrees_with_torch(f, INDEX)
    assert nnfast.nn.functional.one_hot(nnfast.tensor([1, 0])).tolist() == [[0, 1], [1, 0]]
    runs_in_a_plan(lambda L, i: L.nn.functional.one_hot(i, 3), INDEX)


def test_numbers_are_checked_in_a_plan() -> None:
    f = nnfast.compile(lambda x, i: x[i] + x.gather(0, i))
    x = nnfast.tensor([1.0, 2.0, 3.0])
    assert f(x, nnfast.tensor([0, 2])).tolist() == [2, 6]
    for bad in ([0, 3], [-1, 0], [-9, 0]):
        with pytest.raises(IndexError):
            f(x, nnfast.tensor(bad))


BAD: list[Any] = [
    lambda x: x[3],
    lambda x: x[0, 0, 0, 0],
    lambda x: x[1.5],
    lambda x: x["a"],
    lambda x: x[nnfast.tensor([3])],
    lambda x: x[nnfast.tensor([-4])],
    lambda x: x[nnfast.tensor([0.5])],
    lambda x: x[nnfast.tensor([True, False])],
    lambda x: x[nnfast.tensor([0, 1]), nnfast.tensor([0, 1, 2])],
    lambda x: x[..., ...],
    lambda x: x.gather(1, nnfast.tensor([0])),
    lambda x: x.gather(1, nnfast.tensor([[[4]]])),
    lambda x: x.gather(1, nnfast.tensor([[[-1]]])),
    lambda x: x.gather(0, nnfast.zeros(1, 9, 1, dtype=nnfast.int64)),
    lambda x: x.scatter(0, nnfast.tensor([[[0, 0]]]), nnfast.ones(1, 1, 1)),
    lambda x: x.scatter(0, nnfast.tensor([[[0]]]), 1.0, reduce="no"),
    lambda x: x.index_add(0, nnfast.tensor([0]), nnfast.ones(2, 4, 5)),
    lambda x: x.index_select(0, nnfast.tensor([[0]])),
    lambda x: x.masked_fill(x, 1.0),
    lambda x: x.masked_fill(x > 0, nnfast.ones(2)),
    lambda x: x.masked_scatter(x > 0, nnfast.ones(2)),
    lambda x: x.__setitem__(0, nnfast.ones(3)),
    lambda x: x.__setitem__(7, 1.0),
    lambda x: x.__setitem__(0, "a"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_indices_are_refused(number: int) -> None:
    with pytest.raises(nnfast.NNFastError):
        BAD[number](nnfast.tensor(X))


def test_a_write_is_seen_in_shared_memory() -> None:
    a = np.zeros((2, 3), np.float32)
    x = nnfast.from_numpy(a)
    x[:, 1] = 5
    x[x == 0] = nnfast.tensor(1.0)
    x[nnfast.tensor([0, 0]), nnfast.tensor([2, 2])] = nnfast.tensor([7.0, 8.0])  # the last stays
    assert a.tolist() == [[1, 5, 8], [1, 5, 1]]
    with no_grad():
        leaf = nnfast.ones(2, requires_grad=True)
        leaf[0] = 3
    assert leaf.tolist() == [3, 1]


def test_rows_are_assigned_from_their_own_memory() -> None:
    x = nnfast.tensor(X[0])
    x[nnfast.tensor([1, 0, 3, 2])] = x[:]
    assert np.array_equal(x.numpy(), X[0][[1, 0, 3, 2]])
    i = nnfast.tensor([1, 0, 2])
    i[i] = nnfast.tensor(7)
    assert i.tolist() == [7, 7, 7]
