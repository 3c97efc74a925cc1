"""Matrix products beyond what tests/specs/matmul.py asks of every op."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.nn import functional as F
from nnfast.ops import OPS
from nnfast.ops.matmul import MatmulAttrs, pack_linear
from tests.guarded import Arena

ACTIVATIONS = [  # in the order of Activation in csrc/kernels/table.h
    lambda x: x,
    F.relu,
    lambda x: F.leaky_relu(x, 0.25),
    F.sigmoid,
    F.tanh,
    F.gelu,
]


def run(op: str, attrs: Any, *inputs: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """The kernel of an op, with any attributes."""
    y = np.full(shape, np.nan, inputs[0].dtype)  # type: ignore[union-attr]
    _core.run(OPS[op].id, OPS[op].pack(attrs), inputs, (y,))
    return y


def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", range(len(ACTIVATIONS)))
def test_a_fused_epilogue_gives_the_bits_of_the_ops_it_stands_for(
    isa: str, activation: int, dtype: str
) -> None:
    """(M, N, K) of one tile, of several, and of several blocks of K."""
    for m, n, k in [(1, 1, 1), (15, 33, 7), (70, 100, 600)]:
        x, w = normal(m, k, dtype=dtype), normal(n, k, dtype=dtype)
        bias, residual = normal(n, dtype=dtype), normal(m, n, dtype=dtype)
        fused = run(
            "linear", MatmulAttrs(1.0, activation, 0.25), x, w, bias, residual, shape=(m, n)
        )
        terms = nnfast.tensor(run("linear", MatmulAttrs(), x, w, shape=(m, n)))
        y = ACTIVATIONS[activation](terms + nnfast.tensor(bias) + nnfast.tensor(residual))
        assert fused.tobytes() == y.numpy().tobytes(), (m, n, k)


def test_alpha_scales_the_product_and_not_the_bias(isa: str) -> None:
    x, w, bias = normal(20, 300), normal(40, 300), normal(40)
    plain = run("linear", MatmulAttrs(), x, w, shape=(20, 40))
    halved = run("linear", MatmulAttrs(alpha=0.5), x, w, bias, shape=(20, 40))
    assert (halved == plain * np.float32(0.5) + bias).all()


# One shape for each path of csrc/ops/gemm_split.h, and their neighbours: a row, a column, few
# rows, turned (nt, K from 512 on), small, tall, deep, shallow, blocks (packed from 512 columns on);
# blocks of K (256), pieces (2048), parts (1024).
PATHS = [(1, 40, 300), (1, 3000, 257), (40, 1, 300), (128, 70, 300), (129, 70, 300), (200, 64, 90)]
PATHS += [(200, 65, 90), (129, 10, 1024), (20, 30, 4096), (20, 30, 4095), (20, 30, 6000)]
PATHS += [(150, 120, 4100), (1030, 70, 20), (140, 1030, 10), (1, 1, 5000), (1, 50, 2049)]
PATHS += [
    (3, 200, 2049),
    (2, 2, 8),
    (130, 65, 0),
    (129, 3, 0),
    (1, 5, 0),
    (20, 70, 300),
    (35, 71, 2050),
    (4, 9, 0),
    (513, 64, 29),  # the last run of rows is one row
    (1025, 33, 257),
    (140, 520, 300),
    (130, 513, 2060),
    (1030, 70, 2060),
    (40, 1100, 1),
    (133, 65, 256),
    (133, 65, 257),
    (33, 1000, 60),
    (1, 40, 5000),
    (32, 70, 520),  # turned: its rows fill vectors
    (48, 1000, 513),
    (16, 200, 2060),
    (1, 1, 257),  # blocks of a vector side by side
    (1, 1, 2048),
    (1, 1, 10001),
]


def stored(x: np.ndarray, order: str) -> np.ndarray:
    """x with rows (n) or columns (t) side by side, or neither (s)."""
    if order == "s":
        return np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3]
    return np.ascontiguousarray(x.T).T if order == "t" else np.ascontiguousarray(x)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return run("matmul", MatmulAttrs(), a, b, shape=(a.shape[0], b.shape[1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", PATHS)
def test_every_path_and_layout_gives_the_product(
    isa: str, shape: tuple[int, int, int], dtype: str
) -> None:
    """Any order of additions is within K eps of sum |a b|, and NumPy's too; layouts and threads
    share the bits."""
    m, n, k = shape
    a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
    exact = a.astype(float) @ b.astype(float)
    bound = 2 * (k + 1) * np.finfo(dtype).eps * (abs(a).astype(float) @ abs(b).astype(float))
    y = product(a, b)
    assert (abs(y - exact) <= bound).all()
    for order in ("nn", "nt", "tn", "tt", "ss"):
        left, right = stored(a, order[0]), stored(b, order[1])
        for threads in (1, 3):
            _core.set_num_threads(threads)
            assert product(left, right).tobytes() == y.tobytes(), (order, threads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", PATHS)
def test_what_tiles_do_at_their_end_gives_the_bits_of_the_ops_it_stands_for(
    isa: str, shape: tuple[int, int, int], dtype: str
) -> None:
    """A bias, relu, both: tiles do that before they store, on whatever path."""
    m, n, k = shape
    x, w, bias = normal(m, k, dtype=dtype), normal(n, k, dtype=dtype), normal(n, dtype=dtype)
    for weight in (w, stored(w, "t")):
        terms = run("linear", MatmulAttrs(), x, weight, shape=(m, n))
        for b, activation in ((bias, 0), (None, 1), (bias, 1)):
            fused = run("linear", MatmulAttrs(1.0, activation), x, weight, b, shape=(m, n))
            y = terms if b is None else terms + b
            y = F.relu(nnfast.tensor(y)).numpy() if activation else y
            assert fused.tobytes() == y.tobytes(), (b is None, activation)


@pytest.fixture
def machines_cache() -> Iterator[None]:
    yield
    _core.set_second_cache(-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_caches(isa: str, machines_cache: None, dtype: str) -> None:
    """Blocks of one panel and of many, of one block of K and of a piece."""
    for m, n, k in [(140, 600, 700), (1030, 530, 2600), (129, 66, 20)]:
        a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
        for right in (b, stored(b, "t")):
            y = product(a, right)
            for size in (0, 1 << 17, 1 << 19, 1 << 22, 1 << 30):
                _core.set_second_cache(size)
                for threads in (1, 2):
                    _core.set_num_threads(threads)
                    assert product(a, right).tobytes() == y.tobytes(), (m, size, threads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [5, 300, 4100])
@pytest.mark.parametrize("n", [1, 10, 200])
def test_the_bits_of_a_row_do_not_depend_on_how_many_there_are(
    isa: str, n: int, k: int, dtype: str
) -> None:
    a, w = normal(300, k, dtype=dtype), normal(n, k, dtype=dtype)
    for b in (w.T, np.ascontiguousarray(w.T)):
        all_rows = product(a, b)
        for m in (1, 2, 3, 4, 9, 14, 15, 128, 129):
            assert product(a[-m:], b).tobytes() == all_rows[-m:].tobytes(), m


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 40, 700, 2500])
@pytest.mark.parametrize("n", [1, 7, 200, 2100])
def test_the_bits_of_a_row_do_not_depend_on_where_the_matrix_lies(
    isa: str, n: int, k: int, dtype: str
) -> None:
    """At each place in a line of cache, its rows or its columns side by side."""
    a, b = normal(1, k, dtype=dtype), normal(k, n, dtype=dtype)
    y = product(a, b)
    room = np.zeros(b.size + 16, dtype)
    for start in (0, 1, 3, 6, 15):
        there = room[start : start + b.size]
        there[...] = b.ravel()
        assert product(a, there.reshape(k, n)).tobytes() == y.tobytes(), start
        there[...] = b.T.ravel()
        assert product(a, there.reshape(n, k).T).tobytes() == y.tobytes(), start


@pytest.mark.parametrize("shape", PATHS)
def test_every_path_stays_inside_its_memory(isa: str, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    arenas = [Arena() for _ in range(3)]
    for at_end in (True, False):
        for order in ("nn", "nt", "tn"):
            shapes = [(m, k), (k, n), (m, n)]
            flat = [s[::-1] if o == "t" else s for s, o in zip(shapes, order + "n", strict=True)]
            a, b, y = (
                arena.array(s, np.dtype(np.float32), at_end)
                for arena, s in zip(arenas, flat, strict=True)
            )
            a[...], b[...], y[...] = 1, 2, np.nan
            inputs = [x.T if o == "t" else x for x, o in zip((a, b), order, strict=True)]
            _core.run(OPS["matmul"].id, OPS["matmul"].pack(MatmulAttrs()), tuple(inputs), (y,))
            assert (y == 2 * k).all(), (order, at_end)
            assert all(arena.untouched() for arena in arenas), (order, at_end)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", PATHS)
def test_a_packed_weight_gives_the_bits_of_the_weight(
    isa: str, shape: tuple[int, int, int], dtype: str
) -> None:
    """On every path, with an epilogue, on any number of threads."""
    m, n, k = shape
    x, w, bias = normal(m, k, dtype=dtype), normal(n, k, dtype=dtype), normal(n, dtype=dtype)
    y = run("linear", MatmulAttrs(1.0, 1), x, w, bias, shape=(m, n))
    for threads in (1, 3):
        _core.set_num_threads(threads)
        for weight in (w, stored(w, "t")):
            packed = pack_linear(nnfast.tensor(weight)).numpy()
            again = run("linear", MatmulAttrs(1.0, 1, in_panels=1), x, packed, bias, shape=(m, n))
            assert again.tobytes() == y.tobytes(), threads
