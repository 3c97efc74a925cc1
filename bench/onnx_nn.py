"""The layers of bench/models.py as ONNX operators; imported in ONNX Runtime's worker only.

A module of it, called with a Value, leaves nodes in the value's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bench import onnx_model, stand_in
from bench.models import Model


class Graph:
    """The nodes so far and their constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray] = {}

    def constant(self, array: Any) -> str:
        """The name of an array."""
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name


class Value:
    """An array that the graph computes."""

    def __init__(self, graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        self.graph, self.name, self.shape = graph, name, shape

    def then(self, operator: str, shape: Iterable[int], *others: Any, **attributes: Any) -> Value:
        """What an operator makes of it and of other values and constants."""
        names = [x.name if isinstance(x, Value) else self.graph.constant(x) for x in others]
        y = Value(self.graph, f"y{len(self.graph.nodes)}", tuple(shape))
        node = onnx_model.node(operator, self.name, *names, outputs=(y.name,), **attributes)
        self.graph.nodes.append(node)
        return y

    def __add__(self, other: Any) -> Value:
        return self.then("Add", self.shape, other)

    def __getitem__(self, index: tuple[Any, ...]) -> Value:
        axis = len(index) - 1  # all but the last are full slices
        shape = (*self.shape[:axis], *self.shape[axis + 1 :])
        return self.then("Gather", shape, np.array(index[-1]), axis=axis)

    def reshaped(self, *shape: int) -> Value:
        """With other dimensions."""
        return self.then("Reshape", shape, np.array(shape))

    def flatten(self, start: int) -> Value:
        """From dimension `start` on."""
        return self.reshaped(*self.shape[:start], int(np.prod(self.shape[start:])))

    def unflatten(self, dim: int, sizes: tuple[int, ...]) -> Value:
        """The last dimension as several."""
        return self.reshaped(*self.shape[:dim], *sizes)

    def transpose(self, i: int, j: int) -> Value:
        """Two dimensions exchanged."""
        order = list(range(len(self.shape)))
        order[i], order[j] = order[j], order[i]
        return self.then("Transpose", (self.shape[k] for k in order), perm=order)


def _linear(layer: Any, x: Value) -> Value:
    shape = (*x.shape[:-1], layer.outputs)
    if len(shape) == 2:
        return x.then("Gemm", shape, layer.weight, layer.bias, transB=1)
    return x.then("MatMul", shape, layer.weight.T.copy()) + layer.bias


def _slid(layer: Any, x: Value) -> tuple[tuple[int, int], dict[str, Any]]:
    """Height and width of what a window makes, and its attributes."""
    k, p = layer.kernel_size, layer.padding
    s = layer.stride or k
    sizes = tuple((n + 2 * p - k) // s + 1 for n in x.shape[2:])
    return sizes, {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4}


def _conv2d(layer: Any, x: Value) -> Value:
    sizes, attributes = _slid(layer, x)
    arrays = [getattr(layer, name) for name in layer.arrays]
    return x.then("Conv", (x.shape[0], layer.outputs, *sizes), *arrays, **attributes)


def _pool(operator: str) -> Callable[[Any, Value], Value]:
    def forward(layer: Any, x: Value) -> Value:
        sizes, attributes = _slid(layer, x)
        return x.then(operator, (*x.shape[:2], *sizes), **attributes)

    return forward


def _batch_norm(layer: Any, x: Value) -> Value:
    arrays = layer.weight, layer.bias, layer.running_mean, layer.running_var
    return x.then("BatchNormalization", x.shape, *arrays, epsilon=layer.eps)


def _layer_norm(layer: Any, x: Value) -> Value:
    return x.then("LayerNormalization", x.shape, layer.weight, layer.bias, epsilon=layer.eps)


def _embedding(layer: Any, x: Value) -> Value:
    table = Value(x.graph, x.graph.constant(layer.weight), layer.weight.shape)
    return table.then("Gather", (*x.shape, layer.width), x)


def _map(operator: str) -> Callable[..., Value]:
    return lambda *layer_and_x: layer_and_x[-1].then(operator, layer_and_x[-1].shape)


def _attention(q: Value, k: Value, v: Value, is_causal: bool) -> Value:
    length = q.shape[-2]
    scores = (*q.shape[:-1], length)
    s = q.then("Mul", q.shape, np.float32(q.shape[-1] ** -0.5))
    s = s.then("MatMul", scores, k.transpose(2, 3))
    if is_causal:
        s = s + np.triu(np.full((length, length), -np.inf, np.float32), 1)
    return s.then("Softmax", scores, axis=-1).then("MatMul", q.shape, v)


LIBRARY = stand_in.library(
    {
        "Linear": _linear,
        "Conv2d": _conv2d,
        "BatchNorm2d": _batch_norm,
        "LayerNorm": _layer_norm,
        "Embedding": _embedding,
        "MaxPool2d": _pool("MaxPool"),
        "AvgPool2d": _pool("AveragePool"),
        "AdaptiveAvgPool2d": lambda layer, x: x.then("GlobalAveragePool", (*x.shape[:2], 1, 1)),
        "Dropout": lambda layer, x: x,
        "Identity": lambda layer, x: x,
        "Flatten": lambda layer, x: x.flatten(1),
        "ReLU": _map("Relu"),
        "Tanh": _map("Tanh"),
        "Sigmoid": _map("Sigmoid"),
    },
    {
        "relu": _map("Relu"),
        "gelu": _map("Gelu"),
        "scaled_dot_product_attention": _attention,
    },
)


def predictor(
    model: Model, x: np.ndarray, weights: Iterable[np.ndarray]
) -> Callable[[], list[np.ndarray]]:
    """A call that runs a network on x."""
    module = model.make(LIBRARY)
    for (layer, name), w in zip(module.slots(), weights, strict=True):
        setattr(layer, name, w)
    graph = Graph()
    y = module(Value(graph, "x", x.shape))
    return onnx_model.session(graph.nodes, {"x": x}, graph.weights, (y.name,))
