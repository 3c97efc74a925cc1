"""Ops that no other subject has: each at two sizes, forward and, where it has a gradient, backward.

A line of TABLE is a call that nnfast and PyTorch both have. The reference is nnfast's own in
float64, which tests hold against NumPy; a PyTorch that disagrees is left out and named. Forward
and backward are timed together, as a training step has them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.harness import Arrays, Case
from bench.memory import flat, images, table, text
from bench.timing import Call
from bench.timing import flat as each

SIZES, TOY = (1 << 20, 64 << 20), (1 << 10,)  # bytes of the first array
Shapes = Callable[[int], tuple[tuple[int, ...], ...]]  # elements of it -> shapes of all


class Op(NamedTuple):
    """What is called, with the library and tensors of these shapes; numbers from low to high."""

    call: Callable[..., Any]
    shapes: Shapes = flat
    low: float = 0.1
    high: float = 0.9
    classes: int = 0  # the last array holds whole numbers below this
    forward: bool = True  # a row without gradients
    backward: bool = True  # a row with them
    module: bool = False  # `call` makes a module, whose parameters are the arrays behind the first
    drawn: bool = False  # values are each library's own
    tolerance: float = 2e-6


def _with_columns(n: int) -> tuple[tuple[int, ...], ...]:
    """A matrix and two vectors, one element for each column."""
    (x,) = table(n)
    return x, x[1:], x[1:]


def _with_channels(n: int) -> tuple[tuple[int, ...], ...]:
    """Images and four vectors, one element for each channel."""
    (x,) = images(n)
    return (x, *[(x[1],)] * 4)


def _with_rows(n: int) -> tuple[tuple[int, ...], ...]:
    """A matrix and a number for each row."""
    (x,) = table(n)
    return x, x[:1]


def _recurrent(gates: int, n: int) -> tuple[tuple[int, ...], ...]:
    """16 steps of sequences with 64 features; weights and biases of as many units."""
    rows = gates * 64
    return (16, max(1, n // (16 * 64)), 64), (rows, 64), (rows, 64), (rows,), (rows,)


def _named(names: str, low: float = 0.1, high: float = 0.9, **options: Any) -> dict[str, Op]:
    """Functions of one tensor, by their names."""
    return {
        name: Op(partial(_unary, name), low=low, high=high, **options) for name in names.split()
    }


def _unary(name: str, T: Any, x: Any) -> Any:
    return getattr(T, name)(x)


def _activations(names: str) -> dict[str, Op]:
    return {name: Op(partial(_activation, name), low=-2.0, high=2.0) for name in names.split()}


def _activation(name: str, T: Any, x: Any) -> Any:
    return getattr(T.nn.functional, name)(x)


def _pairs(names: str, **options: Any) -> dict[str, Op]:
    """Functions of two tensors of one shape, by their names."""
    shapes = partial(flat, count=2)
    return {name: Op(partial(_binary, name), shapes, **options) for name in names.split()}


def _binary(name: str, T: Any, x: Any, y: Any) -> Any:
    return getattr(T, name)(x, y)


def _slope_of_pool(T: Any, x: Any) -> Any:
    """A derivative that can be differentiated again."""
    y = T.nn.functional.max_pool2d(x, 2)
    return T.autograd.grad((y * y).sum(), x, create_graph=True)[0]


def _added(T: Any, x: Any, y: Any) -> Any:
    """In place, as optimizers and layers do it."""
    (T.ops.OPS["add_"] if T.__name__ == "nnfast" else T.Tensor.add_)(x, y)
    return x


def _assigned(T: Any, x: Any, i: Any) -> Any:
    x[i] = 0.5
    return x


def _clipped(name: str, bound: float, T: Any, p: Any, g: Any) -> Any:
    p.grad = g
    getattr(T.nn.utils, name)([p], bound)
    return p.grad


def _bits(names: str) -> dict[str, Op]:
    """Functions of whole numbers, by the end of their names."""
    shapes = partial(flat, count=2)
    return {
        f"bitwise_{name}": Op(partial(_bitwise, name), shapes, classes=60, backward=False)
        for name in names.split()
    }


def _bitwise(name: str, T: Any, _: Any, i: Any) -> Any:
    return T.bitwise_not(i) if name == "not" else getattr(T, f"bitwise_{name}")(i, i)


TABLE = {
    **_named(
        "abs acos asin asinh atan atanh cos cosh erf exp2 expm1 log log1p log2 neg rsqrt sinh"
    ),
    **_named("sqrt tan"),
    **_named("acosh", 1.1, 2.0),
    **_named("ceil floor frac nan_to_num round sign trunc", -2.0, 2.0),
    **_activations("elu hardsigmoid hardswish hardtanh leaky_relu mish softplus"),
    **_pairs("atan2 div fmod maximum minimum pow remainder sub"),
    **_bits("and left_shift not or right_shift xor"),
    **_pairs("eq floor_divide ge gt le lt ne", backward=False),
    "gelu tanh": Op(lambda T, x: T.nn.functional.gelu(x, approximate="tanh"), low=-2.0),
    "prelu": Op(
        lambda T, x, w, _: T.nn.functional.prelu(x, w), _with_columns, low=-1.0, tolerance=1e-5
    ),
    "cube": Op(lambda T, x: x**3),
    "lerp": Op(lambda T, x, y: T.lerp(x, y, 0.3), partial(flat, count=2)),
    "addcmul": Op(lambda T, x, y: T.addcmul(x, y, y, value=0.5), partial(flat, count=2)),
    "clamp": Op(lambda T, x: T.clamp(x, 0.2, 0.8)),
    "double": Op(lambda T, x: x.double()),
    "where": Op(lambda T, x, y: T.where(x > y, x, y), partial(flat, count=2)),
    "cat": Op(lambda T, x, y: T.cat([x, y], 1), partial(table, count=2)),
    "stack": Op(lambda T, x, y: T.stack([x, y], 1), partial(table, count=2)),
    "flip": Op(lambda T, x: T.flip(x, (1,)), table),
    "roll": Op(lambda T, x: T.roll(x, 1, 1), table),
    "tril": Op(lambda T, x: T.tril(x), table),
    "triu": Op(lambda T, x: T.triu(x), table),
    "diagonal": Op(lambda T, x: T.diagonal(x), table),
    "column": Op(lambda T, x: x.select(1, 3), table),
    "logical_and": Op(
        lambda T, x, y: T.logical_and(x > 0.5, y > 0.5), partial(flat, count=2), backward=False
    ),
    "part of each row": Op(lambda T, x: x[:, 1:], table),
    "amin": Op(lambda T, x: T.amin(x, 1), table),
    "max and index": Op(lambda T, x: list(T.max(x, 1)), table),
    "min and index": Op(lambda T, x: list(T.min(x, 1)), table),
    "argmax": Op(lambda T, x: T.argmax(x, 1), table, backward=False),
    "argmin": Op(lambda T, x: T.argmin(x, 1), table, backward=False),
    "argsort": Op(lambda T, x: T.argsort(x, dim=1, stable=True), table, backward=False),
    "cumsum": Op(lambda T, x: T.cumsum(x, 1), table),
    "cumprod": Op(lambda T, x: T.cumprod(x, 1), table, 0.9, 1.1, tolerance=1e-5),
    "prod": Op(lambda T, x: T.prod(x, 1), table, 0.9, 1.1, tolerance=1e-5),
    "vector_norm": Op(lambda T, x: T.linalg.vector_norm(x, dim=1), table),
    "cummax": Op(lambda T, x: T.cummax(x, 1)[0], table),
    "sum of columns": Op(lambda T, x: x.sum(0), table),
    "embedding": Op(lambda T, w, i: T.nn.functional.embedding(i, w), _with_rows, classes=4),
    "gather": Op(
        lambda T, x, i: T.gather(x, 1, i), partial(table, count=2), classes=256, tolerance=1e-5
    ),
    "scatter": Op(lambda T, x, i: T.scatter(x, 1, i, 1.0), partial(table, count=2), classes=256),
    "scatter_reduce": Op(
        lambda T, x, i: T.scatter_reduce(x, 1, i, x, "amax"), partial(table, count=2), classes=256
    ),
    "rows assigned": Op(_assigned, _with_rows, classes=4, backward=False),
    "index_fill": Op(lambda T, x, i: T.index_fill(x, 0, i, 1.0), _with_rows, classes=4),
    "multi_margin_loss": Op(
        lambda T, x, i: T.nn.functional.multi_margin_loss(x, i), _with_rows, classes=256
    ),
    "nll_loss": Op(lambda T, x, i: T.nn.functional.nll_loss(x, i), _with_rows, classes=256),
    "binary_cross_entropy": Op(
        lambda T, x, y: T.nn.functional.binary_cross_entropy(x, y), partial(flat, count=2)
    ),
    "binary_cross_entropy_with_logits": Op(
        lambda T, x, y: T.nn.functional.binary_cross_entropy_with_logits(x, y),
        partial(flat, count=2),
    ),
    "layer_norm": Op(
        lambda T, x, w, b: T.nn.functional.layer_norm(x, (x.shape[1],), w, b),
        _with_columns,
        tolerance=1e-5,
    ),
    "batch_norm in evaluation": Op(
        lambda T, x, mean, var, w, b: T.nn.functional.batch_norm(
            x, mean.detach(), var.detach(), w, b
        ),
        _with_channels,
        tolerance=1e-5,
    ),
    "pad reflect 1": Op(lambda T, x: T.nn.functional.pad(x, (1,) * 4, "reflect"), images),
    "adaptive_avg_pool 3x3": Op(lambda T, x: T.nn.functional.adaptive_avg_pool2d(x, 3), images),
    "adaptive_max_pool 3x3": Op(lambda T, x: T.nn.functional.adaptive_max_pool2d(x, 3), images),
    "max_unpool 2x2": Op(
        lambda T, x: T.nn.functional.max_unpool2d(
            *T.nn.functional.max_pool2d(x, 2, return_indices=True), 2
        ),
        images,
    ),
    "max_pool 2x2 twice differentiated": Op(_slope_of_pool, images, forward=False),
    "rnn": Op(
        lambda T: T.nn.RNN(64, 64), partial(_recurrent, 1), -0.1, 0.1, module=True, tolerance=1e-5
    ),
    "gru": Op(
        lambda T: T.nn.GRU(64, 64), partial(_recurrent, 3), -0.1, 0.1, module=True, tolerance=1e-5
    ),
    "lstm": Op(
        lambda T: T.nn.LSTM(64, 64), partial(_recurrent, 4), -0.1, 0.1, module=True, tolerance=1e-5
    ),
    "add in place": Op(_added, partial(flat, count=2), backward=False),
    "clip_grad_norm_": Op(
        partial(_clipped, "clip_grad_norm_", 1e9), partial(flat, count=2), backward=False
    ),
    "clip_grad_value_": Op(
        partial(_clipped, "clip_grad_value_", 0.5), partial(flat, count=2), backward=False
    ),
    "randn": Op(lambda T, x: T.randn(x.shape), backward=False, drawn=True),
    "rand": Op(lambda T, x: T.rand(x.shape), backward=False, drawn=True),
}


def cases(toy: bool = False) -> Iterable[Case]:
    """Every op forward, then with its gradients; modules, which bench/steps.py has, at one size."""
    for name, op in TABLE.items():
        for size in TOY if toy else SIZES[:1] if op.module else SIZES:
            for backward in (False, True):
                if op.backward if backward else op.forward:
                    yield _case(name, op, size, backward)


def _case(name: str, op: Op, size: int, backward: bool) -> Case:
    shapes = op.shapes(size // 4)
    return Case(
        group="ops, with gradients" if backward else "ops",
        op=name,
        shape=f"{text(size)} {'x'.join(map(str, shapes[0]))}" + ", with gradients" * backward,
        sides={side: partial(build, side, name, backward) for side in ("nnfast", "torch")},
        arrays=partial(_arrays, op, shapes),
        reference=partial(_reference, name, backward),
        tolerance=op.tolerance,
        grad=backward,
        compared=np.zeros_like if op.drawn else None,
    )


def _arrays(op: Op, shapes: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> Arrays:
    width = np.float32(op.high - op.low)
    arrays = [rng.random(s, np.float32) * width + np.float32(op.low) for s in shapes]
    if op.classes:
        arrays[-1] = rng.integers(0, op.classes, shapes[-1])
    return tuple(arrays)


def _reference(name: str, backward: bool, *arrays: np.ndarray) -> list[np.ndarray]:
    values = [np.asarray(y, np.float64) for y in each(build("nnfast", name, backward, *arrays)())]
    return [np.zeros_like(y) for y in values] if TABLE[name].drawn else values


def build(library: str, name: str, backward: bool, *arrays: np.ndarray) -> Call:
    """The call of an op; with `backward` the gradients of all inputs too, as results."""
    T: Any = importlib.import_module(library)
    op = TABLE[name]
    inputs = [T.tensor(a) for a in arrays]
    if op.module:
        inputs, call = _module(op.call(T), inputs)
    else:
        call = partial(op.call, T, *inputs)
    if not backward:
        return call
    leaves = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    weights = [
        T.tensor(np.cos(np.arange(y.numel())).reshape(y.shape)).to(y.dtype) for y in each(call())
    ]

    def step() -> Any:
        ys = [y for y in _listed(call()) if y.requires_grad]
        return T.autograd.grad(ys, leaves, weights[: len(ys)], allow_unused=True)

    return step


def _module(module: Any, arrays: list[Any]) -> tuple[list[Any], Call]:
    """Its parameters and what it is called with; the call."""
    x, *weights = arrays
    for p, w in zip(module.parameters(), weights, strict=True):
        p.data = w
    return [x, *module.parameters()], lambda: module(x)


def _listed(result: Any) -> list[Any]:
    """The tensors of a result that may be nested."""
    if isinstance(result, tuple | list):
        return [y for part in result for y in _listed(part)]
    return [result]
