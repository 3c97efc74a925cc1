"""Softmax, shapes, indexing, joining and reductions."""

from __future__ import annotations

import numpy as np

import nnfast
from nnfast.errors import ArgumentError, DTypeError, StateError
from nnfast.nn import functional as F
from tests.bad_input.values import (
    Cases,
    labels,
    leaf,
    nan,
    none,
    x,
)

CASES: Cases = [
    (
        lambda: F.softmax(x, 2),
        ArgumentError,
        "softmax: expected a dim from -2 to 1, got dim=2.",
    ),
    (
        lambda: F.softmax(x, 0.5),
        DTypeError,
        "softmax: expected an integer dim, got 0.5.",
    ),
    (
        lambda: F.log_softmax(labels(1, 2), 0),
        DTypeError,
        "log_softmax: expected float32 or float64, got input: (2,) int64. Hint: convert with "
        "x.float() or x.double().",
    ),
    (
        lambda: F.gelu(x, "erf"),
        ArgumentError,
        "gelu: expected approximate='none' or 'tanh', got 'erf'.",
    ),
    (
        lambda: F.dropout(x, 1.5),
        ArgumentError,
        "dropout: expected a probability p from 0 to 1, got p=1.5.",
    ),
    (
        lambda: F.dropout(x, nan),
        ArgumentError,
        "dropout: expected a probability p from 0 to 1, got p=nan.",
    ),
    (
        lambda: x.reshape(4, 2),
        ArgumentError,
        "reshape: expected a shape of 6 elements, got (4, 2). input: (2, 3) float32.",
    ),
    (
        lambda: x.reshape(-1, -1),
        ArgumentError,
        "reshape: expected a shape of 6 elements, got (-1, -1). input: (2, 3) float32.",
    ),
    (
        lambda: x.reshape(2, "3"),
        ArgumentError,
        "reshape: expected sizes, one of them -1 at most, got (2, '3'). input: (2, 3) float32.",
    ),
    (
        lambda: x.reshape(-2, 3),
        ArgumentError,
        "reshape: expected sizes, one of them -1 at most, got (-2, 3). input: (2, 3) float32.",
    ),
    (
        lambda: x.permute(0, 0),
        ArgumentError,
        "permute: expected each of 2 dims once, got (0, 0). input: (2, 3) float32.",
    ),
    (
        lambda: x.permute(0),
        ArgumentError,
        "permute: expected each of 2 dims once, got (0,). input: (2, 3) float32.",
    ),
    (
        lambda: x.transpose(0, 2),
        ArgumentError,
        "transpose: expected a dim from -2 to 1, got dim=2.",
    ),
    (
        lambda: x.transpose(0, 1.0),
        DTypeError,
        "transpose: expected an integer dim, got 1.0.",
    ),
    (
        lambda: x.flatten(1, 0),
        ArgumentError,
        "flatten: expected start_dim before end_dim, got 1 and 0. input: (2, 3) float32.",
    ),
    (
        lambda: x.squeeze(5),
        ArgumentError,
        "squeeze: expected a dim from -2 to 1, got dim=5.",
    ),
    (
        lambda: x.unsqueeze(4),
        ArgumentError,
        "unsqueeze: expected a dim from -3 to 2, got dim=4.",
    ),
    (
        lambda: x.expand(3, 3),
        ArgumentError,
        "expand: expected sizes that differ only where the input has 1, got (3, 3). input: "
        "(2, 3) float32.",
    ),
    (
        lambda: x.expand(3),
        ArgumentError,
        "expand: expected sizes that differ only where the input has 1, got (3,). input: (2, "
        "3) float32.",
    ),
    (
        lambda: nnfast.cat([]),
        ArgumentError,
        "cat: expected at least one tensor, got none.",
    ),
    (
        lambda: nnfast.cat([x, nnfast.ones(2, 3, 1)]),
        ArgumentError,
        "cat: expected shapes that agree in all dimensions but 0, got (2, 3), (2, 3, 1).",
    ),
    (
        lambda: nnfast.cat([x, nnfast.ones(1, 4)]),
        ArgumentError,
        "cat: expected shapes that agree in all dimensions but 0, got (2, 3), (1, 4).",
    ),
    (
        lambda: nnfast.cat([x, 1.0]),
        ArgumentError,
        "cat: expected shapes that agree in all dimensions but 0, got (2, 3), ().",
    ),
    (
        lambda: nnfast.cat(3),
        DTypeError,
        "cat: expected a list of tensors, got int.",
    ),
    (
        lambda: x[2],
        ArgumentError,
        "getitem: expected an index for shape (2, 3), got 2:...",
    ),
    (
        lambda: x[0, 0, 0],
        ArgumentError,
        "getitem: expected an index for shape (2, 3), got (0, 0, 0):...",
    ),
    (
        lambda: x[0.5],
        ArgumentError,
        "getitem: expected integers, slices or a mask, got 0.5.",
    ),
    (
        lambda: x["a"],
        ArgumentError,
        "getitem: expected integers, slices or a mask, got 'a'.",
    ),
    (
        lambda: x[nnfast.tensor([5])],
        ArgumentError,
        "getitem: expected numbers from -2 to 1 as index, got 5 at (0,).",
    ),
    (
        lambda: x.__setitem__((0, 0), "a"),
        DTypeError,
        "setitem: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: x.__setitem__((5, 0), 1.0),
        ArgumentError,
        "getitem: expected an index for shape (2, 3), got (5, 0):...",
    ),
    (
        lambda: leaf.__setitem__(0, 1.0),
        StateError,
        "setitem: expected a tensor without gradient, or a result of an op, got a leaf of shape "
        "(2, 3) that requires gradients. Hint: change it under no_grad(), or compute a new tensor.",
    ),
    (
        lambda: x.item(),
        ArgumentError,
        "item: expected a tensor of one element, got shape (2, 3). Hint: use numpy().",
    ),
    (
        lambda: bool(x),
        ArgumentError,
        "bool: expected one element, got shape (2, 3). Hint: compare, then use item().",
    ),
    (
        lambda: float(x),
        ArgumentError,
        "item: expected a tensor of one element, got shape (2, 3). Hint: use numpy().",
    ),
    (
        lambda: len(nnfast.ones(())),
        DTypeError,
        "len: expected at least one dimension, got a scalar tensor.",
    ),
    (
        lambda: list(nnfast.ones(())),
        DTypeError,
        "len: expected at least one dimension, got a scalar tensor.",
    ),
    (
        lambda: range(nnfast.ones(())),
        DTypeError,
        "index: expected an integer tensor, got float32.",
    ),
    (
        lambda: x.sum(2),
        ArgumentError,
        "sum: expected a dim from -2 to 1, got dim=2.",
    ),
    (
        lambda: x.sum((0, 0)),
        ArgumentError,
        "sum: expected each dim once, got dim=(0, 0).",
    ),
    (
        lambda: x.sum("rows"),
        DTypeError,
        "sum: expected an integer dim, got 'rows'.",
    ),
    (
        lambda: none.amax(),
        ArgumentError,
        "amax: expected at least one element along dim, got none. input: (0, 3) float32.",
    ),
    (
        lambda: none.argmax(0),
        ArgumentError,
        "argmax: expected at least one element along dim, got none. input: (0, 3) float32.",
    ),
    (
        lambda: none.max(0),
        ArgumentError,
        "max: expected at least one element along dim, got none. input: (0, 3) float32.",
    ),
    (
        lambda: nnfast.tensor([1, 2]).mean(),
        ArgumentError,
        "mean: expected floats, got int64. input: (2,) int64. Hint: convert with x.float().",
    ),
    (
        lambda: leaf.numpy(),
        StateError,
        "numpy: expected a tensor without gradient, got one of shape (2, 3) that requires "
        "gradients. Hint: use x.detach().numpy().",
    ),
    (
        lambda: np.asarray(leaf),
        StateError,
        "numpy: expected a tensor without gradient, got one of shape (2, 3) that requires "
        "gradients. Hint: use x.detach().numpy().",
    ),
    (
        lambda: leaf.backward(),
        ArgumentError,
        "backward: expected a scalar, got shape (2, 3). Hint: reduce it with sum() or "
        "mean(), or pass gradient=.",
    ),
]
