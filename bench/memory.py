"""Ops that move memory more than they compute: activations, reductions, softmax, norms, pooling,
dropout, optimizer updates, forward and backward, on tensors of three sizes.

An op is a line in TABLE of bench/elementwise.py, layers.py, image_layers.py or updates.py: what
each library's user calls, and the same in NumPy's float64.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.harness import Arrays, Case
from bench.timing import Call

SIZES = (16 << 10, 1 << 20, 64 << 20)  # bytes of the tensor x
TOY = (1 << 10,)
IMAGES = {  # N, C, H, W of so many elements
    1 << 8: (1, 4, 8, 8),
    1 << 12: (1, 16, 16, 16),
    1 << 18: (16, 64, 16, 16),
    1 << 24: (64, 64, 64, 64),
}
TABLES = ("elementwise", "layers", "image_layers", "updates")


@dataclass(frozen=True)
class Op:
    """One op. The functions of `sides` take their library and its tensors, and return a call;
    jax: the function to compile, of jax and its arrays; onnxruntime: operator and attributes.
    """

    group: str
    shapes: Callable[[int], tuple[tuple[int, ...], ...]]  # elements of x -> shapes of the arrays
    moves: tuple[float, float]  # sizes of x that have to be read and written at least
    reference: Callable[..., Any]
    sides: Mapping[str, Any]
    low: float = -1.0  # least of the numbers in the arrays; the largest is 1
    classes: int = 0  # the last array holds class numbers below this
    tolerance: float = 2e-6
    compared: Callable[..., Any] | None = None


def flat(n: int, count: int = 1) -> tuple[tuple[int, ...], ...]:
    """So many vectors of n."""
    return ((n,),) * count


def table(n: int, count: int = 1, columns: int = 256) -> tuple[tuple[int, ...], ...]:
    """So many matrices of n elements."""
    return ((max(1, n // columns), columns),) * count


def images(n: int, count: int = 1) -> tuple[tuple[int, ...], ...]:
    """So many batches of images of n elements."""
    return (IMAGES[n],) * count


def operations() -> dict[str, Op]:
    """All tables in one."""
    found: dict[str, Op] = {}
    for name in TABLES:
        found |= importlib.import_module(f"bench.{name}").TABLE
    return found


def cases(toy: bool = False) -> Iterable[Case]:
    """Every op at every size; at a tiny one for the tests."""
    for name, op in operations().items():
        for size in TOY if toy else SIZES:
            yield _case(name, op, size)


def _case(name: str, op: Op, size: int) -> Case:
    shapes = op.shapes(size // 4)
    return Case(
        group=f"memory {op.group} {text(size)}",
        op=name,
        shape=f"{text(size)} {'x'.join(map(str, shapes[0]))}",
        sides={side: partial(BUILDERS[side], name) for side in BUILDERS if side in op.sides},
        arrays=partial(_arrays, op, shapes),
        reference=op.reference,
        compared=op.compared,
        tolerance=op.tolerance,
        reads=op.moves[0] * size,
        writes=op.moves[1] * size,
    )


def text(size: int) -> str:
    """16 KiB, 1 MiB."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _arrays(op: Op, shapes: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> Arrays:
    arrays = [rng.random(s, np.float32) * (1 - op.low) + np.float32(op.low) for s in shapes]
    if op.classes:
        arrays[-1] = rng.integers(0, op.classes, shapes[-1])
    return tuple(arrays)


# ---- the libraries --------------------------------------------------------------------------


def _nnfast(name: str, *arrays: np.ndarray) -> Call:
    nnfast = importlib.import_module("nnfast")
    return operations()[name].sides["nnfast"](nnfast, *map(nnfast.tensor, arrays))


def _numpy(name: str, *arrays: np.ndarray) -> Call:
    return operations()[name].sides["numpy"](np, *arrays)


def _torch(name: str, *arrays: np.ndarray) -> Call:
    torch = importlib.import_module("torch")
    return operations()[name].sides["torch"](torch, *map(torch.tensor, arrays))


def _jax(name: str, *arrays: np.ndarray) -> Call:
    jax = importlib.import_module("jax")
    function = jax.jit(partial(operations()[name].sides["jax"], jax))
    inputs = [jax.numpy.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(function(*inputs))


def _onnxruntime(name: str, *arrays: np.ndarray) -> Call:
    model = importlib.import_module("bench.onnx_model")
    operator, attributes = operations()[name].sides["onnxruntime"]
    inputs = dict(zip("abcdef", arrays, strict=False))
    return model.session([model.node(operator, *inputs, **attributes)], inputs)


BUILDERS = {
    "nnfast": _nnfast,
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
    "onnxruntime": _onnxruntime,
}
