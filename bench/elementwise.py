"""Activations, arithmetic, reductions, softmax and losses: lines of the subject `memory`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from bench.memory import Op, flat, table
from bench.timing import Call

COLUMNS = 256  # of matrices: features of a layer, scores of attention


def _erf(x: np.ndarray) -> np.ndarray:
    """As |x| is small here: the Taylor series."""
    term = x * (2 / math.sqrt(math.pi))
    total = term.copy()
    for n in range(1, 16):
        term = term * (-x * x / n)
        total += term / (2 * n + 1)
    return total


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def _gelu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return dy * (0.5 * (1 + _erf(x * math.sqrt(0.5))) + x * density)


def _silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    s = 1 / (1 + np.exp(-x))
    return dy * s * (1 + x * (1 - s))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _softmax_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y * (dy - (dy * y).sum(-1, keepdims=True))


def _log_softmax_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return dy - np.exp(y) * dy.sum(-1, keepdims=True)


def _labelled(n: int, classes: int) -> tuple[tuple[int, ...], ...]:
    rows = max(1, n // classes)
    return (rows, classes), (rows,)


def cross_entropy(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    return -np.log(softmax(x)[np.arange(len(x)), target]).mean()


def _cross_entropy_backward(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    p = softmax(x)
    p[np.arange(len(x)), target] -= 1
    return p / len(x)


def _nnfast_cross_entropy_backward(nnfast: Any, x: Any, target: Any) -> Any:
    ops, one = nnfast.ops.OPS, nnfast.tensor(1.0)
    saved = ops["softmax_cross_entropy"](x, target, reduction="mean")[1:]
    backward = ops["softmax_cross_entropy_backward"]
    return lambda: backward(one, x, target, *saved, reduction="mean")


def _torch_cross_entropy_backward(torch: Any, x: Any, target: Any) -> Any:
    """What autograd runs: two kernels."""
    aten = torch.ops.aten
    log_p = torch.log_softmax(x, 1)
    one, weight = torch.tensor(1.0), torch.tensor(float(len(x)))

    def call() -> Any:
        d = aten.nll_loss_backward(one, log_p, target, None, 1, -100, weight)
        return aten._log_softmax_backward_data(d, log_p, 1, torch.float32)

    return call


def _jax_cross_entropy(jax: Any, x: Any, target: Any) -> Any:
    return -jax.nn.log_softmax(x)[jax.numpy.arange(len(x)), target].mean()


def _call(op: Any, *arguments: Any) -> Call:
    """A backward op, called as the backward pass does."""
    return lambda: op(*arguments)


def _unary(reference: Any, onnx: str = "", **sides: Any) -> Op:
    """y = f(x)."""
    if onnx:
        sides["onnxruntime"] = (onnx, {})
    return Op("activation", flat, (1, 1), reference, sides)


def _named(name: str, reference: Any, onnx: str = "", jax_name: str = "") -> Op:
    """An activation that all call by one name."""
    return _unary(
        reference,
        onnx,
        nnfast=lambda nn, x: lambda: getattr(nn.nn.functional, name)(x),
        torch=lambda torch, x: lambda: getattr(torch.nn.functional, name)(x),
        jax=lambda jax, x: getattr(jax.nn, jax_name or name)(x),
    )


def _backward(reference: Any, **sides: Any) -> Op:
    """dx = f(dy, x or y)."""
    return Op("activation", partial(flat, count=2), (2, 1), reference, sides)


def _reduction(reference: Any, **sides: Any) -> Op:
    return Op("reduction", table, (1, 0), reference, sides, low=0.0)


def _rows(reference: Any, onnx: str, **sides: Any) -> Op:
    return Op("softmax", table, (1, 1), reference, sides | {"onnxruntime": (onnx, {"axis": -1})})


TABLE = {
    # ---- activations
    "relu": _unary(
        lambda x: np.maximum(x, 0),
        "Relu",
        nnfast=lambda nn, x: lambda: nn.ops.relu(x),
        numpy=lambda np, x: lambda: np.maximum(x, 0),
        torch=lambda torch, x: lambda: torch.relu(x),
        jax=lambda jax, x: jax.nn.relu(x),
    ),
    "gelu": _unary(
        gelu,
        "Gelu",
        nnfast=lambda nn, x: lambda: nn.ops.gelu(x),
        torch=lambda torch, x: lambda: torch.nn.functional.gelu(x),
        jax=lambda jax, x: jax.nn.gelu(x, approximate=False),
    ),
    "tanh": _unary(
        np.tanh,
        "Tanh",
        nnfast=lambda nn, x: lambda: nn.ops.tanh(x),
        numpy=lambda np, x: lambda: np.tanh(x),
        torch=lambda torch, x: lambda: torch.tanh(x),
        jax=lambda jax, x: jax.numpy.tanh(x),
    ),
    "sigmoid": _unary(
        lambda x: 1 / (1 + np.exp(-x)),
        "Sigmoid",
        nnfast=lambda nn, x: lambda: nn.ops.sigmoid(x),
        torch=lambda torch, x: lambda: torch.sigmoid(x),
        jax=lambda jax, x: jax.nn.sigmoid(x),
    ),
    "exp": _unary(
        np.exp,
        "Exp",
        nnfast=lambda nn, x: lambda: nn.ops.exp(x),
        numpy=lambda np, x: lambda: np.exp(x),
        torch=lambda torch, x: lambda: torch.exp(x),
        jax=lambda jax, x: jax.numpy.exp(x),
    ),
    "silu": _named("silu", lambda x: x / (1 + np.exp(-x))),
    "mish": _named("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "softplus": _named("softplus", lambda x: np.log1p(np.exp(x)), "Softplus"),
    "elu": _named("elu", lambda x: np.where(x > 0, x, np.expm1(x)), "Elu"),
    "hardswish": _named(
        "hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, "HardSwish", "hard_swish"
    ),
    "sin": _unary(
        np.sin,
        "Sin",
        nnfast=lambda nn, x: lambda: nn.sin(x),
        numpy=lambda np, x: lambda: np.sin(x),
        torch=lambda torch, x: lambda: torch.sin(x),
        jax=lambda jax, x: jax.numpy.sin(x),
    ),
    "relu backward": _backward(
        lambda dy, y: dy * (y > 0),
        nnfast=lambda nn, dy, y: _call(nn.ops.OPS["relu_backward"], dy, y),
        torch=lambda torch, dy, y: lambda: torch.ops.aten.threshold_backward(dy, y, 0),
        jax=lambda jax, dy, y: jax.numpy.where(y > 0, dy, 0),
    ),
    "gelu backward": _backward(
        _gelu_backward,
        nnfast=lambda nn, dy, x: _call(nn.ops.OPS["gelu_backward"], dy, x),
        torch=lambda torch, dy, x: lambda: torch.ops.aten.gelu_backward(dy, x),
        jax=lambda jax, dy, x: jax.vjp(lambda x: jax.nn.gelu(x, approximate=False), x)[1](dy)[0],
    ),
    "tanh backward": _backward(
        lambda dy, y: dy * (1 - y * y),
        nnfast=lambda nn, dy, y: _call(nn.ops.OPS["tanh_backward"], dy, y),
        torch=lambda torch, dy, y: lambda: torch.ops.aten.tanh_backward(dy, y),
        jax=lambda jax, dy, y: dy * (1 - y * y),
    ),
    "sigmoid backward": _backward(
        lambda dy, y: dy * y * (1 - y),
        nnfast=lambda nn, dy, y: _call(nn.ops.OPS["sigmoid_backward"], dy, y),
        torch=lambda torch, dy, y: lambda: torch.ops.aten.sigmoid_backward(dy, y),
        jax=lambda jax, dy, y: dy * y * (1 - y),
    ),
    "silu backward": _backward(
        _silu_backward,
        nnfast=lambda nn, dy, x: _call(nn.ops.OPS["silu_backward"], dy, x),
        torch=lambda torch, dy, x: lambda: torch.ops.aten.silu_backward(dy, x),
        jax=lambda jax, dy, x: jax.vjp(jax.nn.silu, x)[1](dy)[0],
    ),
    # ---- arithmetic
    "add": Op(
        "arithmetic",
        partial(flat, count=2),
        (2, 1),
        lambda a, b: a + b,
        {
            "nnfast": lambda nn, a, b: lambda: a + b,
            "numpy": lambda np, a, b: lambda: a + b,
            "torch": lambda torch, a, b: lambda: a + b,
            "jax": lambda jax, a, b: a + b,
            "onnxruntime": ("Add", {}),
        },
    ),
    "mul": Op(
        "arithmetic",
        partial(flat, count=2),
        (2, 1),
        lambda a, b: a * b,
        {
            "nnfast": lambda nn, a, b: lambda: a * b,
            "numpy": lambda np, a, b: lambda: a * b,
            "torch": lambda torch, a, b: lambda: a * b,
            "jax": lambda jax, a, b: a * b,
            "onnxruntime": ("Mul", {}),
        },
    ),
    "add a row": Op(
        "arithmetic",
        lambda n: (*table(n), (COLUMNS,)),
        (1, 1),
        lambda a, b: a + b,
        {
            "nnfast": lambda nn, a, b: lambda: a + b,
            "numpy": lambda np, a, b: lambda: a + b,
            "torch": lambda torch, a, b: lambda: a + b,
            "jax": lambda jax, a, b: a + b,
            "onnxruntime": ("Add", {}),
        },
    ),
    "mul by a column": Op(
        "arithmetic",
        lambda n: (*table(n), (max(1, n // COLUMNS), 1)),
        (1, 1),
        lambda a, b: a * b,
        {
            "nnfast": lambda nn, a, b: lambda: a * b,
            "numpy": lambda np, a, b: lambda: a * b,
            "torch": lambda torch, a, b: lambda: a * b,
            "jax": lambda jax, a, b: a * b,
            "onnxruntime": ("Mul", {}),
        },
    ),
    "mul by a number": Op(
        "arithmetic",
        flat,
        (1, 1),
        lambda a: a * 0.5,
        {
            "nnfast": lambda nn, a: lambda: a * 0.5,
            "numpy": lambda np, a: lambda: a * np.float32(0.5),
            "torch": lambda torch, a: lambda: a * 0.5,
            "jax": lambda jax, a: a * 0.5,
        },
    ),
    "transposed copy": Op(
        "arithmetic",
        lambda n: table(n, columns=1 << (n.bit_length() // 2)),
        (1, 1),
        lambda a: a.T,
        {
            "nnfast": lambda nn, a: lambda: a.mT.contiguous(),
            "numpy": lambda np, a: lambda: np.ascontiguousarray(a.T),
            "torch": lambda torch, a: lambda: a.mT.contiguous(),
            "jax": lambda jax, a: a.T,
            "onnxruntime": ("Transpose", {"perm": [1, 0]}),
        },
    ),
    "relu of a transpose": Op(
        "arithmetic",
        table,
        (1, 1),
        lambda a: np.maximum(a.T, 0),
        {
            "nnfast": lambda nn, a: partial(nn.relu, a.mT),
            "numpy": lambda np, a: lambda: np.maximum(a.T, np.float32(0)),
            "torch": lambda torch, a: partial(torch.relu, a.mT),
            "jax": lambda jax, a: jax.nn.relu(a.T),
        },
    ),
    "add a transpose": Op(
        "arithmetic",
        lambda n: (table(n)[0], table(n)[0][::-1]),
        (2, 1),
        lambda a, b: a + b.T,
        {
            "nnfast": lambda nn, a, b: lambda: a + b.mT,
            "numpy": lambda np, a, b: lambda: a + b.T,
            "torch": lambda torch, a, b: lambda: a + b.mT,
            "jax": lambda jax, a, b: a + b.T,
        },
    ),
    # ---- reductions
    "sum": _reduction(
        lambda x: x.sum(),
        nnfast=lambda nn, x: lambda: x.sum(),
        numpy=lambda np, x: lambda: x.sum(),
        torch=lambda torch, x: lambda: x.sum(),
        jax=lambda jax, x: x.sum(),
        onnxruntime=("ReduceSum", {"keepdims": 0}),
    ),
    "sum of columns": _reduction(
        lambda x: x.sum(0),
        nnfast=lambda nn, x: lambda: x.sum(0),
        numpy=lambda np, x: lambda: x.sum(0),
        torch=lambda torch, x: lambda: x.sum(0),
        jax=lambda jax, x: x.sum(0),
    ),
    "mean of rows": _reduction(
        lambda x: x.mean(1),
        nnfast=lambda nn, x: lambda: x.mean(1),
        numpy=lambda np, x: lambda: x.mean(1),
        torch=lambda torch, x: lambda: x.mean(1),
        jax=lambda jax, x: x.mean(1),
    ),
    "max of rows": _reduction(
        lambda x: x.max(1),
        nnfast=lambda nn, x: lambda: x.amax(1),
        numpy=lambda np, x: lambda: x.max(1),
        torch=lambda torch, x: lambda: x.amax(1),
        jax=lambda jax, x: x.max(1),
    ),
    "max of columns": _reduction(
        lambda x: x.max(0),
        nnfast=lambda nn, x: lambda: x.amax(0),
        numpy=lambda np, x: lambda: x.max(0),
        torch=lambda torch, x: lambda: x.amax(0),
        jax=lambda jax, x: x.max(0),
    ),
    # ---- softmax and its losses
    "softmax": _rows(
        softmax,
        "Softmax",
        nnfast=lambda nn, x: lambda: x.softmax(1),
        torch=lambda torch, x: lambda: x.softmax(1),
        jax=lambda jax, x: jax.nn.softmax(x),
    ),
    "log_softmax": _rows(
        lambda x: np.log(softmax(x)),
        "LogSoftmax",
        nnfast=lambda nn, x: lambda: x.log_softmax(1),
        torch=lambda torch, x: lambda: x.log_softmax(1),
        jax=lambda jax, x: jax.nn.log_softmax(x),
    ),
    "softmax backward": Op(
        "softmax",
        partial(table, count=2),
        (2, 1),
        _softmax_backward,
        {
            "nnfast": lambda nn, dy, y: _call(nn.ops.OPS["softmax_backward"], dy, y, 1),
            "torch": lambda torch, dy, y: (
                lambda: torch.ops.aten._softmax_backward_data(dy, y, 1, torch.float32)
            ),
            "jax": lambda jax, dy, y: y * (dy - (dy * y).sum(1, keepdims=True)),
        },
    ),
    "log_softmax backward": Op(
        "softmax",
        partial(table, count=2),
        (2, 1),
        _log_softmax_backward,
        {
            "nnfast": lambda nn, dy, y: _call(nn.ops.OPS["log_softmax_backward"], dy, y, 1),
            "torch": lambda torch, dy, y: (
                lambda: torch.ops.aten._log_softmax_backward_data(dy, y, 1, torch.float32)
            ),
            "jax": lambda jax, dy, y: dy - jax.numpy.exp(y) * dy.sum(1, keepdims=True),
        },
    ),
}

for _classes in (10, 1000):
    TABLE[f"cross entropy of {_classes}"] = Op(
        "softmax",
        partial(_labelled, classes=_classes),
        (1, 0),
        cross_entropy,
        {
            "nnfast": lambda nn, x, t: lambda: nn.ops.cross_entropy(x, t),
            "torch": lambda torch, x, t: lambda: torch.nn.functional.cross_entropy(x, t),
            "jax": _jax_cross_entropy,
        },
        classes=_classes,
    )
    TABLE[f"cross entropy of {_classes} backward"] = Op(
        "softmax",
        partial(_labelled, classes=_classes),
        (1, 1),
        _cross_entropy_backward,
        {
            "nnfast": _nnfast_cross_entropy_backward,
            "torch": _torch_cross_entropy_backward,
            "jax": lambda jax, x, t: jax.grad(partial(_jax_cross_entropy, jax))(x, t),
        },
        classes=_classes,
    )
