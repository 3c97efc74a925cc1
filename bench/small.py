"""Small calls: eager ops on 16 floats, without and with recording for a backward pass.

The arithmetic is nothing; what is measured is the way from Python to the kernel and back.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from bench.elementwise import cross_entropy, gelu, softmax
from bench.harness import Arrays, Case
from bench.timing import Call

Shape = tuple[int, ...]
VECTOR, MATRIX, IMAGE = (16,), (4, 4), (1, 1, 4, 4)


class Op(NamedTuple):
    """What is called on arrays of these shapes, and how it is called in nnfast and in torch."""

    shapes: tuple[Shape, ...]
    reference: Callable[..., np.ndarray]
    nnfast: str
    torch: str
    constants: tuple[Any, ...] = ()  # arguments after the tensors
    classes: int = 0  # the last array holds class numbers below this


TABLE = {
    "relu": Op((VECTOR,), lambda x: np.maximum(x, 0), "ops.relu", "relu"),
    "gelu": Op((VECTOR,), gelu, "nn.functional.gelu", "nn.functional.gelu"),
    "tanh": Op((VECTOR,), np.tanh, "tanh", "tanh"),
    "sigmoid": Op((VECTOR,), lambda x: 1 / (1 + np.exp(-x)), "sigmoid", "sigmoid"),
    "exp": Op((VECTOR,), np.exp, "exp", "exp"),
    "add": Op((VECTOR, VECTOR), np.add, "add", "add"),
    "mul": Op((VECTOR, VECTOR), np.multiply, "mul", "mul"),
    "add a row": Op((MATRIX, (4,)), np.add, "add", "add"),
    "mul by a number": Op((VECTOR,), lambda x, c: x * c, "mul", "mul", (0.5,)),
    "sum": Op((VECTOR,), lambda x: x.sum(), "sum", "sum"),
    "mean": Op((MATRIX,), lambda x, dim: x.mean(dim), "mean", "mean", (1,)),
    "amax": Op((MATRIX,), lambda x, dim: x.max(dim), "amax", "amax", (1,)),
    "softmax": Op((MATRIX,), lambda x, dim: softmax(x), "softmax", "softmax", (1,)),
    "log_softmax": Op(
        (MATRIX,), lambda x, dim: np.log(softmax(x)), "log_softmax", "log_softmax", (1,)
    ),
    "matmul": Op((MATRIX, MATRIX), np.matmul, "matmul", "matmul"),
    "matmul of vectors": Op((VECTOR, VECTOR), np.matmul, "matmul", "matmul"),
    "matrix times vector": Op((MATRIX, (4,)), np.matmul, "matmul", "matmul"),
    "linear": Op(
        (MATRIX, MATRIX, (4,)),
        lambda x, w, b: x @ w.T + b,
        "nn.functional.linear",
        "nn.functional.linear",
    ),
    "clamp": Op((VECTOR,), np.clip, "clamp", "clamp", (0.0, 0.5)),
    "squeeze": Op(((1, 16),), lambda x: x[0], "squeeze", "squeeze"),
    "flatten": Op((MATRIX,), np.ravel, "flatten", "flatten"),
    "zeros": Op((), lambda *shape: np.zeros(shape), "zeros", "zeros", (4, 4)),
    "conv2d 1x1": Op(
        (IMAGE, (1, 1, 1, 1)), np.multiply, "nn.functional.conv2d", "nn.functional.conv2d"
    ),
    "max_pool2d": Op(
        (IMAGE,),
        lambda x, size: x.reshape(1, 1, 2, 2, 2, 2).max((3, 5)),
        "nn.functional.max_pool2d",
        "nn.functional.max_pool2d",
        (2,),
    ),
    "cross_entropy": Op(
        (MATRIX, (4,)),
        cross_entropy,
        "nn.functional.cross_entropy",
        "nn.functional.cross_entropy",
        classes=4,
    ),
}


def cases(toy: bool = False) -> Iterable[Case]:
    """Every op, without and with gradients; they are tiny anyway."""
    for grad in (False, True):
        for name, op in TABLE.items():
            yield Case(
                group="small, with gradient" if grad else "small",
                op=name,
                shape=" ".join("x".join(map(str, s)) for s in op.shapes)
                + (", with gradient" if grad else ""),
                sides={side: partial(build, side, name) for side in ("nnfast", "torch")},
                arrays=partial(_arrays, op),
                reference=partial(_reference, op),
                grad=grad,
            )


def _arrays(op: Op, rng: np.random.Generator) -> Arrays:
    arrays = [rng.random(s, np.float32) * 2 - 1 for s in op.shapes]
    if op.classes:
        arrays[-1] = rng.integers(0, op.classes, op.shapes[-1])
    return tuple(arrays)


def _reference(op: Op, *arrays: np.ndarray) -> np.ndarray:
    return op.reference(*arrays, *op.constants)


def build(library: str, name: str, *arrays: np.ndarray) -> Call:
    """The call of an op, nothing around it. Whether it records is the harness's affair."""
    module = importlib.import_module(library)
    op = TABLE[name]
    function = attrgetter(getattr(op, library))(module)
    tensors = [module.tensor(a) for a in arrays]
    for t in tensors:
        if t.dtype == module.float32:
            t.requires_grad_()
    return partial(function, *tensors, *op.constants)
