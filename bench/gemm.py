"""Matrix products in every layout, single and batched: `a @ b` of each library."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial

import numpy as np

from bench.harness import Arrays, Case
from bench.shapes import GEMM, Gemm
from bench.timing import Call

TOY = [
    Gemm("", "NN", 5, 7, 9),
    Gemm("", "NT", 1, 3, 4),
    Gemm("", "TN", 3, 2, 4, 2),
    Gemm("", "NT", 4, 3, 5, 1, "float64"),
]


def cases(toy: bool = False) -> Iterable[Case]:
    """Every shape; a few tiny ones for the tests."""
    return map(_case, TOY if toy else GEMM)


def _case(g: Gemm) -> Case:
    batch = f"{g.batch} x " if g.batch > 1 else ""
    item = np.dtype(g.dtype).itemsize
    return Case(
        group=f"gemm {g.layout}" if g.dtype == "float32" else "gemm float64",
        op=f"matmul {g.layout}" if g.dtype == "float32" else f"matmul {g.layout} f64",
        shape=f"{batch}{g.m}x{g.n}x{g.k}" + (f" {g.net}" if g.net else ""),
        sides={library: partial(build, g.layout) for library, build in BUILDERS.items()},
        arrays=partial(_arrays, g),
        reference=partial(_product, g.layout),
        tolerance=2e-6 if g.dtype == "float32" else 1e-14,
        flops=2.0 * g.batch * g.m * g.n * g.k,
        reads=item * g.batch * g.k * (g.m + g.n),
        is_double=g.dtype == "float64",
        writes=item * g.batch * g.m * g.n,
    )


def _arrays(g: Gemm, rng: np.random.Generator) -> Arrays:
    lead = (g.batch,) if g.batch > 1 else ()
    a = (g.k, g.m) if g.layout[0] == "T" else (g.m, g.k)
    b = (g.n, g.k) if g.layout[1] == "T" else (g.k, g.n)
    return tuple((rng.random((*lead, *s), g.dtype) * 2 - 1).astype(g.dtype) for s in (a, b))


def _product(layout: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _turned(layout[0], a) @ _turned(layout[1], b)


def _turned(letter: str, x: np.ndarray) -> np.ndarray:
    return x.swapaxes(-1, -2) if letter == "T" else x


def _tensors(library: str, layout: str, a: np.ndarray, b: np.ndarray) -> Call:
    tensor = importlib.import_module(library).tensor
    pairs = zip((tensor(a), tensor(b)), layout, strict=True)
    x, y = (t.mT if letter == "T" else t for t, letter in pairs)
    return lambda: x @ y


def _numpy(layout: str, a: np.ndarray, b: np.ndarray) -> Call:
    x, y = _turned(layout[0], a), _turned(layout[1], b)
    return lambda: x @ y


def _jax(layout: str, a: np.ndarray, b: np.ndarray) -> Call:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", a.dtype == np.float64)
    x, y = jax.numpy.asarray(a), jax.numpy.asarray(b)
    product = jax.jit(partial(_product, layout))
    return lambda: product(x, y).block_until_ready()


def _onnxruntime(layout: str, a: np.ndarray, b: np.ndarray) -> Call:
    model = importlib.import_module("bench.onnx_model")
    order = [*range(a.ndim - 2), a.ndim - 1, a.ndim - 2]
    nodes, names = [], []
    for name, letter in zip("ab", layout, strict=True):
        names.append(name + letter)
        kind, attributes = ("Transpose", {"perm": order}) if letter == "T" else ("Identity", {})
        nodes.append(model.node(kind, name, outputs=(name + letter,), **attributes))
    return model.session([*nodes, model.node("MatMul", *names)], {"a": a, "b": b})


BUILDERS = {
    "nnfast": partial(_tensors, "nnfast"),
    "numpy": _numpy,
    "torch": partial(_tensors, "torch"),
    "jax": _jax,
    "onnxruntime": _onnxruntime,
}
