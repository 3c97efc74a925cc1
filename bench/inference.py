"""Whole networks in evaluation mode, without gradients, from the same weights everywhere."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from bench.harness import Arrays, Case
from bench.models import TOY
from bench.steps import load, model, training_arrays
from bench.timing import Call

ROWS = (  # model, batch
    ("MLP 784-128-10", 1),
    ("MLP 784-128-10", 32),
    ("MLP 784-1024x3-10", 128),
    ("LeNet-5", 1),
    ("LeNet-5", 64),
    ("CNN 32-64", 64),
    ("ResNet-20", 1),
    ("ResNet-20", 64),
    ("ResNet-18, 224x224", 1),
    ("ResNet-18, 224x224", 8),
    ("GPT 4x128, T=64", 16),
)


def cases(toy: bool = False) -> Iterable[Case]:
    """Every network; tiny ones for the tests."""
    for name, batch in ((name, 3) for name in TOY if "LSTM" not in name) if toy else ROWS:
        yield Case(
            group="inference",
            op=name,
            shape=f"batch {batch}",
            sides={side: partial(build, name) for side, build in SIDES.items()},
            arrays=partial(_arrays, name, batch),
            reference=partial(_reference, name),
            tolerance=1e-5,
        )


def _arrays(name: str, batch: int, rng: np.random.Generator) -> Arrays:
    """The input and the weights; positive ones, such as variances, are not all the same."""
    x, _, *weights = training_arrays(name, batch, rng)
    return x, *(w * rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in weights)


def _nnfast(name: str, x: np.ndarray, *weights: np.ndarray) -> Call:
    nnfast = importlib.import_module("nnfast")
    predict = nnfast.compile(load(model(name).make(nnfast), nnfast.tensor, weights).eval())
    return partial(predict, nnfast.tensor(x))


def _torch(how: str, name: str, x: np.ndarray, *weights: np.ndarray) -> Call:
    torch = importlib.import_module("torch")
    torch.set_flush_denormal(True)
    predict = load(model(name).make(torch), torch.tensor, weights).eval()
    inputs = torch.tensor(x)
    if how and inputs.ndim == 4:
        predict = predict.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    if how == "compile":
        predict = torch.compile(predict)
    return partial(predict, inputs)


def _onnxruntime(name: str, x: np.ndarray, *weights: np.ndarray) -> Call:
    return importlib.import_module("bench.onnx_nn").predictor(model(name), x, weights)


SIDES: dict[str, Any] = {
    "nnfast": _nnfast,
    "torch": partial(_torch, ""),
    "torch channels_last": partial(_torch, "channels_last"),
    "torch compile": partial(_torch, "compile"),
    "onnxruntime": _onnxruntime,
}


def _reference(name: str, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """What nnfast's eager ops give in float64."""
    nnfast = importlib.import_module("nnfast")
    module = load(model(name).make(nnfast).double(), nnfast.tensor, weights).eval()
    with nnfast.no_grad():
        y: np.ndarray = module(nnfast.tensor(x)).numpy()
    return y
