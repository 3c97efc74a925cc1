"""Initial weights from data: each layer is scaled by what it computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnfast.autograd import grad
from nnfast.errors import DTypeError, fail
from nnfast.generator import Generator
from nnfast.nn.init import fill
from nnfast.nn.module import Module
from nnfast.nn.observe import called, leaves, output_of
from nnfast.nn.parameter import Parameter
from nnfast.random import randn


def weighted(model: Module) -> list[Any]:
    """The linear layers and convolutions, whose weights begin with the output channels."""
    return [m for _, m in leaves(model) if _is_weighted(m)]


def _is_weighted(module: Module) -> bool:
    weight = getattr(module, "weight", None)
    return (
        isinstance(weight, Parameter)
        and weight.ndim >= 2
        and hasattr(module, "bias")
        and "Transpose" not in type(module).__name__
    )


def _weighted_layers(where: str, model: Module, inputs: tuple[Any, ...]) -> list[Any]:
    """The layers of a matrix or of convolutions that a call uses, in order."""
    if not isinstance(model, Module):
        fail(where, "a module", repr(model), error=DTypeError)
    used = called(model, weighted(model), inputs)
    if not used:
        fail(where, "a model with linear layers or convolutions", type(model).__name__)
    return used


def _scale(layer: Any, factor: Any, bias: Any = None) -> None:
    """Multiply the weight, by output where `factor` is a vector; set or scale the bias."""
    w = layer.weight
    f = np.reshape(factor, (-1, *[1] * (w.ndim - 1)))
    fill._set("init", w, w.array * f)
    if layer.bias is not None:
        fill._set("init", layer.bias, layer.bias.array * factor if bias is None else bias)


def lsuv_(
    model: Module,
    *inputs: Any,
    tol: float = 0.1,
    max_iterations: int = 10,
    generator: Generator | None = None,
) -> Module:
    """Layer-sequential unit variance: orthogonal weights, scaled until outputs have variance 1.

    Layer after layer, in the order of the call model(*inputs): weights become orthonormal, biases
    0; then the weight is divided by the standard deviation of the layer's output on this batch
    until its variance is within `tol` of 1.

    Source: Mishkin and Matas, All you need is a good init, ICLR 2016.

    >>> import nnfast
    >>> from nnfast import nn
    >>> _ = nnfast.manual_seed(0)
    >>> x = nnfast.randn(64, 20)
    >>> model = nn.init.lsuv_(nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 9)), x)
    >>> bool(abs(model(x).var().item() - 1) < 0.2)
    True
    """
    layers = _weighted_layers("lsuv_", model, inputs)
    for layer in layers:
        fill.orthogonal_(layer.weight, generator=generator)
        if layer.bias is not None:
            fill.zeros_(layer.bias)
    for layer in layers:
        for _ in range(max_iterations):
            variance = float(np.var(output_of(model, layer, inputs), dtype=np.float64))
            if not math.isfinite(variance) or variance == 0:
                fail("lsuv_", "outputs that vary", f"variance {variance} in {layer}")
            if abs(variance - 1) < tol:
                break
            _scale(layer, 1 / math.sqrt(variance), bias=0.0)
    return model


def data_dependent_(
    model: Module,
    *inputs: Any,
    mean: float = 0.0,
    balance: int = 10,
    generator: Generator | None = None,
) -> Module:
    """Outputs of each layer of mean `mean` and variance 1 by channel, and equal rates of change.

    Within layers: normal weights; each output channel is shifted and scaled by its mean and
    standard deviation on this batch. Between layers, `balance` times: the ratio of gradient to
    weight, for a random gradient of the output, is brought closer to the geometric mean of all
    layers by a factor that the next layer undoes. That leaves the outputs as they are where
    activations are homogeneous (relu, pooling); 0 for others.

    Source: Krähenbühl, Doersch, Donahue and Darrell, Data-dependent initializations of
    convolutional neural networks, ICLR 2016.

    >>> import nnfast
    >>> from nnfast import nn
    >>> _ = nnfast.manual_seed(0)
    >>> x = nnfast.randn(64, 20)
    >>> model = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 9))
    >>> y = nn.init.data_dependent_(model, x)(x)
    >>> bool(abs(y.mean(0).detach().numpy()).max() < 1e-5)
    True
    """
    layers = _weighted_layers("data_dependent_", model, inputs)
    for layer in layers:
        fill.normal_(layer.weight, generator=generator)
        if layer.bias is not None:
            fill.zeros_(layer.bias)
        y = np.asarray(output_of(model, layer, inputs), np.float64)
        channel = 1 if layer.weight.ndim > 2 and y.ndim > layer.weight.ndim - 1 else -1
        y = np.moveaxis(y, channel, -1).reshape(-1, layer.weight.shape[0])
        std = np.maximum(y.std(0), 1e-12)
        _scale(layer, 1 / std, bias=mean - y.mean(0) / std)
    for _ in range(balance):
        _balance(model, layers, inputs, generator)
    return model


def _balance(
    model: Module, layers: list[Any], inputs: tuple[Any, ...], generator: Generator | None
) -> None:
    y = model(*inputs)
    direction = randn(*y.shape, dtype=y.dtype, generator=generator)
    dws = grad(y, [layer.weight for layer in layers], direction)
    rates = [
        float(np.linalg.norm(dw.array) / (np.linalg.norm(layer.weight.array) + 1e-30))
        for dw, layer in zip(dws, layers, strict=True)
        if dw is not None
    ]
    goal = math.exp(float(np.mean(np.log(np.maximum(rates, 1e-30)))))
    carried = 1.0
    for layer, rate in zip(layers, rates, strict=True):
        # Half of the way: larger weights change more slowly. The last layer only undoes.
        factor = (rate / goal) ** 0.25 if layer is not layers[-1] else 1.0
        w = layer.weight
        fill._set("init", w, w.array * (factor / carried))
        if layer.bias is not None:
            fill._set("init", layer.bias, layer.bias.array * factor)
        carried = factor
