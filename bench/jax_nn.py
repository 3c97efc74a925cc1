"""The layers of bench/models.py in JAX, and a training step; imported in JAX's worker only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from bench import stand_in
from bench.models import Model

_keys: list[Any] = []  # of the step that is traced: what dropout draws from


def _linear(layer: Any, x: Any) -> Any:
    return x @ layer.weight.T + layer.bias


def _conv2d(layer: Any, x: Any) -> Any:
    p = layer.padding
    y = lax.conv_general_dilated(x, layer.weight, (layer.stride,) * 2, ((p, p), (p, p)))
    return y + layer.bias[:, None, None] if layer.arrays[1:] else y


def _batch_norm(layer: Any, x: Any) -> Any:
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    n = x.size // len(mean)
    for name, new in (("running_mean", mean), ("running_var", var * n / (n - 1))):
        setattr(layer, name, (1 - layer.momentum) * getattr(layer, name) + layer.momentum * new)
    layer.num_batches_tracked += 1
    scale = layer.weight * lax.rsqrt(var + layer.eps)
    return x * scale[:, None, None] + (layer.bias - mean * scale)[:, None, None]


def _layer_norm(layer: Any, x: Any) -> Any:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + layer.eps) * layer.weight + layer.bias


def _windows(layer: Any, x: Any, start: float, operator: Any) -> Any:
    k, s, p = layer.kernel_size, layer.stride or layer.kernel_size, layer.padding
    pads = ((0, 0), (0, 0), (p, p), (p, p))
    return lax.reduce_window(x, start, operator, (1, 1, k, k), (1, 1, s, s), pads)


def _dropout(layer: Any, x: Any) -> Any:
    keep = jax.random.bernoulli(_keys[-1], 1 - layer.p, x.shape)
    return jnp.where(keep, x / (1 - layer.p), 0) if layer.p else x


def _lstm(layer: Any, x: Any) -> tuple[Any, None]:
    gates = x @ layer.weight_ih_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0

    def step(state: Any, gate: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(gate + h @ layer.weight_hh_l0.T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((len(x), layer.width))
    return lax.scan(step, (zeros, zeros), gates.swapaxes(0, 1))[1].swapaxes(0, 1), None


class _Array:
    """An array under the names of PyTorch's methods that bench/models.py calls."""

    def __init__(self, a: Any) -> None:
        self.a = a

    def __add__(self, other: Any) -> _Array:
        return _Array(self.a + _plain(other))

    def __getitem__(self, index: Any) -> _Array:
        return _Array(self.a[index])

    def reshape(self, *shape: int) -> _Array:
        return _Array(self.a.reshape(shape))

    def flatten(self, start: int) -> _Array:
        return _Array(self.a.reshape(*self.a.shape[:start], -1))

    def unflatten(self, dim: int, sizes: tuple[int, ...]) -> _Array:
        return _Array(self.a.reshape(*self.a.shape[:dim], *sizes))

    def transpose(self, i: int, j: int) -> _Array:
        return _Array(self.a.swapaxes(i, j))


def _plain(x: Any) -> Any:
    return x.a if isinstance(x, _Array) else x


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(layer: Any, x: Any) -> Any:
        y = function(layer, _plain(x))
        return tuple(map(_Array, y)) if isinstance(y, tuple) else _Array(y)

    return call


LAYERS: dict[str, Callable[[Any, Any], Any]] = {
    "Linear": _linear,
    "Conv2d": _conv2d,
    "BatchNorm2d": _batch_norm,
    "LayerNorm": _layer_norm,
    "Embedding": lambda layer, x: layer.weight[x],
    "LSTM": _lstm,
    "MaxPool2d": lambda layer, x: _windows(layer, x, -jnp.inf, lax.max),
    "AvgPool2d": lambda layer, x: _windows(layer, x, 0.0, lax.add) / layer.kernel_size**2,
    "AdaptiveAvgPool2d": lambda layer, x: x.mean((2, 3)),
    "Dropout": _dropout,
    "Flatten": lambda layer, x: x.reshape(len(x), -1),
    "Identity": lambda layer, x: x,
    "ReLU": lambda layer, x: jax.nn.relu(x),
    "Tanh": lambda layer, x: jnp.tanh(x),
    "Sigmoid": lambda layer, x: jax.nn.sigmoid(x),
}


def _attention(q: _Array, k: _Array, v: _Array, is_causal: bool) -> _Array:
    heads_last = (x.a.swapaxes(1, 2) for x in (q, k, v))
    return _Array(jax.nn.dot_product_attention(*heads_last, is_causal=is_causal).swapaxes(1, 2))


def _cross_entropy(scores: _Array, y: _Array) -> Any:
    right = jnp.take_along_axis(jax.nn.log_softmax(scores.a), y.a[:, None], 1)
    return -right.mean()


FUNCTIONAL: dict[str, Callable[..., Any]] = {
    "relu": lambda x: _Array(jax.nn.relu(x.a)),
    "gelu": lambda x: _Array(jax.nn.gelu(x.a, approximate=False)),
    "scaled_dot_product_attention": _attention,
    "cross_entropy": _cross_entropy,
    "mse_loss": lambda x, y: ((x.a - y.a) ** 2).mean(),
}
LIBRARY = stand_in.library({k: _wrapped(f) for k, f in LAYERS.items()}, FUNCTIONAL)


def trainer(
    model: Model, lr: float, x: np.ndarray, y: np.ndarray, *weights: np.ndarray
) -> tuple[Any, Callable[[Any, Any], Any], tuple[Any, Any]]:
    """The module, what trains it one step on a batch, and the batch."""
    jax.config.update("jax_enable_x64", False)  # bench/gemm.py may have left it on
    module = model.make(LIBRARY)
    slots = module.slots()
    is_buffer = [name in layer.buffers for layer, name in slots]

    def loss(params: list[Any], buffers: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
        both = iter(params), iter(buffers)
        for (layer, name), fixed in zip(slots, is_buffer, strict=True):
            setattr(layer, name, next(both[fixed]))
        value = model.loss(LIBRARY, module, _Array(x), _Array(y))
        return value, [getattr(*s) for s, fixed in zip(slots, is_buffer, strict=True) if fixed]

    def adam(state: Any, x: Any, y: Any, rates: tuple[float, ...]) -> Any:
        """`rates` of dropout are in the module; as an argument they make JAX trace anew."""
        params, buffers, m, v, t, key = state
        key, drawn = jax.random.split(key)
        _keys.append(drawn)
        (value, buffers), grads = jax.value_and_grad(loss, has_aux=True)(params, buffers, x, y)
        _keys.clear()
        t = t + 1
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads, strict=True)]
        rate, root = lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        params = [
            p - rate * a / (jnp.sqrt(b) / root + 1e-8) for p, a, b in zip(params, m, v, strict=True)
        ]
        return value, (params, buffers, m, v, t, key)

    both: tuple[list[Any], list[Any]] = [], []
    for w, fixed in zip(weights, is_buffer, strict=True):
        both[fixed].append(jnp.asarray(w))
    params, buffers = both
    zeros = [[jnp.zeros_like(p) for p in params] for _ in range(2)]
    state = [(params, buffers, *zeros, jnp.zeros(()), jax.random.key(0))]
    compiled = jax.jit(adam, static_argnums=3, donate_argnums=0)
    dropouts = [m for m in module.modules() if type(m).__name__ == "Dropout"]

    def step(x: Any, y: Any) -> Any:
        value, state[0] = compiled(state[0], x, y, tuple(m.p for m in dropouts))
        return value.block_until_ready()

    return module, step, (jnp.asarray(x), jnp.asarray(y))
