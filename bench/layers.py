"""Normalization, pooling, dropout and optimizer updates: lines of the subject `memory`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.memory import Op, flat, images

EPS = 1e-5
ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
SGD = {"lr": 1e-3, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0}


# ---- batch norm: x, weight, bias; dy, x, weight ------------------------------------------------


def _with_channels(n: int, images_first: int, vectors: int) -> tuple[tuple[int, ...], ...]:
    batch = images(n, images_first)
    return (*batch, *[(batch[0][1],)] * vectors)


def _statistics(x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """x shifted and scaled to mean 0 and variance 1, and by how much."""
    rstd = 1 / np.sqrt(x.var(axes, keepdims=True) + EPS)
    return (x - x.mean(axes, keepdims=True)) * rstd, rstd


def _batch_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _statistics(x, (0, 2, 3))[0] * w[:, None, None] + b[:, None, None]


def _batch_norm_backward(dy: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    axes = (0, 2, 3)
    normal, rstd = _statistics(x, axes)
    slope = (dy * normal).mean(axes, keepdims=True)
    dx = (dy - dy.mean(axes, keepdims=True) - normal * slope) * rstd * w[:, None, None]
    return dx, (dy * normal).sum(axes), dy.sum(axes)


def _nnfast_batch_norm(nnfast: Any, x: Any, w: Any, b: Any) -> Any:
    mean, var = nnfast.zeros(len(w)), nnfast.ones(len(w))
    batch_norm = nnfast.nn.functional.batch_norm
    return lambda: batch_norm(x, mean, var, w, b, training=True)


def _torch_batch_norm(torch: Any, x: Any, w: Any, b: Any) -> Any:
    mean, var = torch.zeros(len(w)), torch.ones(len(w))
    batch_norm = torch.nn.functional.batch_norm
    return lambda: batch_norm(x, mean, var, w, b, training=True)


def _jax_batch_norm(jax: Any, x: Any, w: Any, b: Any) -> Any:
    axes = (0, 2, 3)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + EPS) * w[:, None, None] + b[:, None, None]


def _nnfast_batch_norm_backward(nnfast: Any, dy: Any, x: Any, w: Any) -> Any:
    _, mean, _, rstd = nnfast.ops.batch_norm_train(x, w, None, EPS)
    backward = nnfast.ops.OPS["batch_norm_train_backward"]
    return lambda: backward(dy, x, mean, rstd, w, EPS)


def _torch_batch_norm_backward(torch: Any, dy: Any, x: Any, w: Any) -> Any:
    _, mean, rstd = torch.native_batch_norm(x, w, w, None, None, True, 0.1, EPS)
    backward = torch.ops.aten.native_batch_norm_backward
    wanted = [True] * 3
    return lambda: backward(dy, x, w, None, None, mean, rstd, True, EPS, wanted)


def _jax_batch_norm_backward(jax: Any, dy: Any, x: Any, w: Any) -> Any:
    return jax.vjp(lambda x, w, b: _jax_batch_norm(jax, x, w, b), x, w, w)[1](dy)


# ---- pooling: windows of 2 x 2 without overlap, as in LeNet-5 and the MNIST networks -----------


def _windows(x: np.ndarray) -> np.ndarray:
    """(..., OH, OW, 4): the pixels of each window."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(n, c, h // 2, w // 2, 4)


def _unwindowed(windows: np.ndarray) -> np.ndarray:
    n, c, h, w, _ = windows.shape
    return windows.reshape(n, c, h, w, 2, 2).swapaxes(3, 4).reshape(n, c, 2 * h, 2 * w)


def _pooled(n: int) -> tuple[tuple[int, ...], ...]:
    """Shapes of x and dy."""
    (shape,) = images(n)
    return shape, (*shape[:2], shape[2] // 2, shape[3] // 2)


def _max_pool_backward(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    windows = _windows(x)
    return _unwindowed((windows.argmax(-1)[..., None] == np.arange(4)) * dy[..., None])


def _jax_max_pool(jax: Any, x: Any) -> Any:
    step = (1, 1, 2, 2)
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, step, step, "VALID")


def _jax_avg_pool(jax: Any, x: Any) -> Any:
    step = (1, 1, 2, 2)
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, step, step, "VALID") / 4


def _nnfast_max_pool_backward(nnfast: Any, x: Any, dy: Any) -> Any:
    _, index = nnfast.nn.functional.max_pool2d(x, 2, return_indices=True)
    backward, size = nnfast.ops.OPS["max_pool2d_backward"], x.shape[2:]
    return lambda: backward(dy, index, size)


def _torch_max_pool_backward(torch: Any, x: Any, dy: Any) -> Any:
    _, index = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    return lambda: backward(dy, x, [2, 2], [2, 2], [0, 0], [1, 1], False, index)


def _nnfast_avg_pool_backward(nnfast: Any, x: Any, dy: Any) -> Any:
    backward, size = nnfast.ops.OPS["avg_pool2d_backward"], x.shape[2:]
    return lambda: backward(dy, size, 2)


def _torch_avg_pool_backward(torch: Any, x: Any, dy: Any) -> Any:
    backward = torch.ops.aten.avg_pool2d_backward
    return lambda: backward(dy, x, [2, 2], [2, 2], [0, 0], False, True, None)


# ---- dropout: which elements fall is each library's own choice --------------------------------


def _dropout_values(result: np.ndarray) -> np.ndarray:
    """What it makes of ones: 0 and 2; and whether about as often."""
    return np.append(np.unique(result), 0.25 < (result == 0).mean() < 0.75)


def _jax_dropout(jax: Any, x: Any, key: Any) -> Any:
    return jax.numpy.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)


# ---- updates: parameter, gradient, buffers; the call returns the parameter --------------------


def _sgd(p: np.ndarray, g: np.ndarray, b: np.ndarray) -> np.ndarray:
    return p - SGD["lr"] * (SGD["momentum"] * b + g)


def _adam(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
    m = ADAM["beta1"] * m + (1 - ADAM["beta1"]) * g
    v = ADAM["beta2"] * v + (1 - ADAM["beta2"]) * g * g
    c1, c2 = 1 - ADAM["beta1"], 1 - ADAM["beta2"]
    return p - ADAM["lr"] / c1 * m / (np.sqrt(v / c2) + ADAM["eps"])


def _nnfast_sgd(nnfast: Any, p: Any, g: Any, b: Any) -> Any:
    update = nnfast.ops.update
    hyper = update.SGDHyper(**SGD, nesterov=False, maximize=False, first=False).tensor()

    def call() -> Any:
        update.sgd_update(p, g, hyper, b)
        return p

    return call


def _torch_sgd(torch: Any, p: Any, g: Any, b: Any) -> Any:
    update = torch._fused_sgd_
    how = SGD | {"nesterov": False, "maximize": False, "is_first_step": False}

    def call() -> Any:
        update([p], [g], [b], **how)
        return p

    return call


def _nnfast_adam(nnfast: Any, p: Any, g: Any, m: Any, v: Any) -> Any:
    update = nnfast.ops.update
    hyper = update.AdamHyper(**ADAM, decoupled=False, maximize=False).tensor()
    step = nnfast.tensor(0)

    def call() -> Any:
        step.array[...] = 0  # always the first
        update.adam_update(p, g, m, v, step, hyper)
        return p

    return call


def _torch_adam(torch: Any, p: Any, g: Any, m: Any, v: Any) -> Any:
    update, step = torch._fused_adam_, torch.tensor(1.0)
    how = ADAM | {"amsgrad": False, "maximize": False}

    def call() -> Any:
        update([p], [g], [m], [v], [], [step], **how)
        return p

    return call


TABLE = {
    "batch_norm training": Op(
        "norm",
        partial(_with_channels, images_first=1, vectors=2),
        (1, 1),
        _batch_norm,
        {"nnfast": _nnfast_batch_norm, "torch": _torch_batch_norm, "jax": _jax_batch_norm},
    ),
    "batch_norm backward": Op(
        "norm",
        partial(_with_channels, images_first=2, vectors=1),
        (2, 1),
        _batch_norm_backward,
        {
            "nnfast": _nnfast_batch_norm_backward,
            "torch": _torch_batch_norm_backward,
            "jax": _jax_batch_norm_backward,
        },
    ),
    "max_pool 2x2": Op(
        "pool",
        images,
        (1, 0.25),
        lambda x: _windows(x).max(-1),
        {
            "nnfast": lambda nn, x: lambda: nn.nn.functional.max_pool2d(x, 2),
            "torch": lambda torch, x: lambda: torch.nn.functional.max_pool2d(x, 2),
            "jax": _jax_max_pool,
            "onnxruntime": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        },
    ),
    "max_pool 2x2 backward": Op(
        "pool",
        _pooled,
        (0.25, 1),
        _max_pool_backward,
        {
            "nnfast": _nnfast_max_pool_backward,
            "torch": _torch_max_pool_backward,
            "jax": lambda jax, x, dy: jax.vjp(partial(_jax_max_pool, jax), x)[1](dy)[0],
        },
    ),
    "avg_pool 2x2": Op(
        "pool",
        images,
        (1, 0.25),
        lambda x: _windows(x).mean(-1),
        {
            "nnfast": lambda nn, x: lambda: nn.nn.functional.avg_pool2d(x, 2),
            "torch": lambda torch, x: lambda: torch.nn.functional.avg_pool2d(x, 2),
            "jax": _jax_avg_pool,
            "onnxruntime": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        },
    ),
    "avg_pool 2x2 backward": Op(
        "pool",
        _pooled,
        (0.25, 1),
        lambda x, dy: dy.repeat(2, 2).repeat(2, 3) / 4,
        {
            "nnfast": _nnfast_avg_pool_backward,
            "torch": _torch_avg_pool_backward,
            "jax": lambda jax, x, dy: jax.vjp(partial(_jax_avg_pool, jax), x)[1](dy)[0],
        },
    ),
    "dropout 0.5": Op(
        "dropout",
        flat,
        (1, 1),
        lambda x: np.array([0.0, 2.0, 1.0]),
        {
            "nnfast": lambda nn, x: lambda: nn.ops.dropout(x, 0.5),
            "torch": lambda torch, x: lambda: torch.nn.functional.dropout(x, 0.5),
            "jax": lambda jax, x: _jax_dropout(jax, x, jax.random.key(0)),
        },
        low=1.0,
        compared=_dropout_values,
    ),
    "sgd update": Op(
        "update",
        partial(flat, count=3),
        (3, 2),
        _sgd,
        {"nnfast": _nnfast_sgd, "torch": _torch_sgd},
    ),
    "adam update": Op(
        "update",
        partial(flat, count=4),
        (4, 3),
        _adam,
        {"nnfast": _nnfast_adam, "torch": _torch_adam},
        low=0.0,
    ),
}
