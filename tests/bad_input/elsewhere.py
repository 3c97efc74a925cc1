"""Gradients, random numbers, configuration, optimizers and paths of modules."""

from __future__ import annotations

import numpy as np

import nnfast
from nnfast import optim
from nnfast.errors import ArgumentError, DTypeError, StateError
from nnfast.nn import functional as F
from tests.bad_input.values import (
    Cases,
    conv,
    dense,
    leaf,
    wide,
    x,
)

CASES: Cases = [
    (
        lambda: nnfast.tensor([1]).requires_grad_(),
        DTypeError,
        "requires_grad_: expected a float tensor, got int64. Hint: convert it with x.float().",
    ),
    (
        lambda: nnfast.tensor([1, 2], requires_grad=True),
        DTypeError,
        "requires_grad_: expected a float tensor, got int64. Hint: convert it with x.float().",
    ),
    (
        lambda: nnfast.rand(-1),
        ArgumentError,
        "rand: expected sizes >= 0, got (-1,).",
    ),
    (
        lambda: nnfast.randint(3, 1, (2,)),
        ArgumentError,
        "randint: expected low < high, both of 64 bits, got low=3, high=1.",
    ),
    (
        lambda: nnfast.randint(3),
        ArgumentError,
        "randint: expected sizes, got None.",
    ),
    (
        lambda: nnfast.manual_seed("a"),
        DTypeError,
        "manual_seed: expected an integer, got 'a'.",
    ),
    (
        lambda: nnfast.manual_seed(2**64),
        ArgumentError,
        "manual_seed: expected a seed of 64 bits, -2**63 to 2**64 - 1, got 18446744073709551616.",
    ),
    (
        lambda: nnfast.set_num_threads(0),
        ArgumentError,
        "set_num_threads: expected a number of threads from 1 to 1024, got 0.",
    ),
    (
        lambda: nnfast.set_num_threads(2.0),
        ArgumentError,
        "set_num_threads: expected a number of threads from 1 to 1024, got 2.0.",
    ),
    (
        lambda: dense.load_state_dict({"weight": np.ones((2, 2)), "extra": np.ones(1)}),
        ArgumentError,
        "load_state_dict: expected the keys and shapes of Linear, got \n  missing: 'bias'\n  "
        "unexpected: 'extra'\n  wrong shape: 'weight' has (2, 2), the module (2, 3). Hint: "
        "strict=False allows missing and unexpected keys.",
    ),
    (
        lambda: dense.load_state_dict({"weight": "a", "bias": np.ones(2)}),
        ArgumentError,
        "load_state_dict: expected the keys and shapes of Linear, got \n  not numbers: "
        "'weight' is str.",
    ),
    (
        lambda: conv(wide),
        DTypeError,
        "conv2d: expected one dtype, got input: (1, 3, 8, 8) float64, weight: (4, 3, 3, 3) "
        "float32, bias: (4,) float32. Hint: convert with x.float(), or the module with "
        "model.double().",
    ),
    (
        lambda: conv("image"),
        DTypeError,
        "conv2d: expected real numbers or booleans, got dtype <U5.",
    ),
    (
        lambda: dense(None),
        DTypeError,
        "linear: expected real numbers or booleans, got dtype object.",
    ),
    (
        lambda: dense([[1.0, 2.0, 3.0]]),
        DTypeError,
        "linear: expected one dtype, got input: (1, 3) float64, weight: (2, 3) float32, "
        "bias: (2,) float32. Hint: convert with x.float(), or the module with model.double().",
    ),
    (
        lambda: optim.SGD([], lr=0.1),
        ArgumentError,
        "SGD: expected at least one parameter, got an empty iterable.",
    ),
    (
        lambda: optim.SGD([leaf], lr=-1),
        ArgumentError,
        "SGD: expected lr >= 0, got lr=-1.",
    ),
    (
        lambda: nnfast.add(x, other=None),
        DTypeError,
        "add: expected a tensor as 'other', got None.",
    ),
    (
        lambda: nnfast.cat(x),
        DTypeError,
        "cat: expected a list of tensors, got Tensor.",
    ),
    (
        lambda: nnfast.relu(None),
        DTypeError,
        "relu: expected a tensor as 'input', got None.",
    ),
    (
        lambda: conv(None),
        DTypeError,
        "conv2d: expected a tensor as 'input', got None.",
    ),
    (
        lambda: nnfast.relu(),
        DTypeError,
        "relu: expected an argument 'input', got none.",
    ),
    (
        lambda: F.linear(x, "w"),
        DTypeError,
        "linear: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: nnfast.matmul(x, None),
        DTypeError,
        "matmul: expected real numbers or booleans, got dtype object.",
    ),
    (
        lambda: x.backward(x),
        StateError,
        "backward: expected a tensor that requires gradients, got one of shape (2, 3) that "
        "depends on none. Hint: create a leaf with requires_grad=True, and do not compute "
        "under no_grad.",
    ),
    (
        lambda: leaf.backward(nnfast.ones(3)),
        ArgumentError,
        "backward: expected a gradient of shape (2, 3), got shape (3,).",
    ),
    (
        lambda: x.to("nonsense"),
        DTypeError,
        "to: expected a dtype of real numbers or booleans, or 'cpu', got 'nonsense'. Hint: nnfast "
        "runs on the CPU; leave other devices out.",
    ),
]
