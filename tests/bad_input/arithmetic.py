"""Creation, elementwise functions and products."""

from __future__ import annotations

import numpy as np

import nnfast
from nnfast.errors import ArgumentError, DTypeError
from nnfast.nn import functional as F
from tests.bad_input.values import (
    Cases,
    double,
    positive,
    x,
)

CASES: Cases = [
    (
        lambda: nnfast.tensor(["a", "b"]),
        DTypeError,
        "tensor: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: nnfast.tensor(np.ones(2, complex)),
        DTypeError,
        "tensor: expected real numbers or booleans, got dtype complex128.",
    ),
    (
        lambda: nnfast.relu(np.ones(2) + 1j),
        DTypeError,
        "relu: expected real numbers or booleans, got dtype complex128.",
    ),
    (
        lambda: nnfast.tensor([[1, 2], [3]]),
        ArgumentError,
        "tensor: expected numbers of one shape, got setting an array...",
    ),
    (
        lambda: nnfast.tensor(object()),
        DTypeError,
        "tensor: expected real numbers or booleans, got dtype object.",
    ),
    (
        lambda: nnfast.tensor(None),
        DTypeError,
        "tensor: expected real numbers or booleans, got dtype object.",
    ),
    (
        lambda: nnfast.tensor([1.0], dtype="float77"),
        DTypeError,
        "tensor: expected a dtype of real numbers or booleans, got 'float77'.",
    ),
    (
        lambda: nnfast.tensor([1.0], dtype="str"),
        DTypeError,
        "tensor: expected a dtype of real numbers or booleans, got 'str'.",
    ),
    (
        lambda: nnfast.from_numpy([1.0]),
        DTypeError,
        "from_numpy: expected a NumPy array, got list.",
    ),
    (
        lambda: nnfast.from_numpy(np.ones(2, ">f4")),
        ArgumentError,
        "from_numpy: expected an aligned array in native byte order, got dtype >f4, strides "
        "(4,). Hint: use nnfast.tensor(array), which copies.",
    ),
    (
        lambda: nnfast.zeros(2, -1),
        ArgumentError,
        "zeros: expected sizes >= 0, got (2, -1).",
    ),
    (
        lambda: nnfast.ones("2"),
        ArgumentError,
        "ones: expected sizes, got '2'.",
    ),
    (
        lambda: nnfast.zeros(2, 2.5),
        ArgumentError,
        "zeros: expected sizes, got (2, 2.5).",
    ),
    (
        lambda: nnfast.mul(x),
        DTypeError,
        "mul: expected an argument 'other', got none.",
    ),
    (
        lambda: nnfast.add(x, None),
        DTypeError,
        "add: expected a tensor as 'other', got None.",
    ),
    (
        lambda: nnfast.add(x, "1"),
        DTypeError,
        "add: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: x + "1",
        DTypeError,
        "add: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: x + nnfast.ones(2),
        ArgumentError,
        "add: expected shapes that broadcast (equal, or 1, counted from the last), got (2, "
        "3) and (2,). Hint: insert a dimension with x.unsqueeze(dim), or reshape.",
    ),
    (
        lambda: x + np.array([1j]),
        DTypeError,
        "add: expected real numbers or booleans, got dtype complex128.",
    ),
    (
        lambda: nnfast.where(positive, x, nnfast.ones(4)),
        ArgumentError,
        "where: expected shapes that broadcast (equal, or 1, counted from the last), got (2, "
        "3) and (2, 3) and (4,). Hint: insert a dimension with x.unsqueeze(dim), or reshape.",
    ),
    (
        lambda: nnfast.clip(x),
        ArgumentError,
        "clip: expected min or max, got neither.",
    ),
    (
        lambda: nnfast.clip(x, "a", 1),
        DTypeError,
        "clip: expected a number or a tensor as min, got 'a'.",
    ),
    (
        lambda: nnfast.cast(x, "nonsense"),
        DTypeError,
        "cast: expected a dtype of real numbers or booleans, got 'nonsense'.",
    ),
    (
        lambda: nnfast.cast(x, "complex64"),
        DTypeError,
        "cast: expected a dtype of real numbers or booleans, got 'complex64'.",
    ),
    (
        lambda: nnfast.matmul(x, x),
        ArgumentError,
        "matmul: expected other with K=3 rows (the last dimension of input), got K=2. input: "
        "(2, 3) float32, other: (2, 3) float32. Hint: the inner sizes must agree: (..., M, "
        "K) @ (..., K, N).",
    ),
    (
        lambda: nnfast.matmul(x, double),
        DTypeError,
        "matmul: expected one dtype, got input: (2, 3) float32, other: (3, 4) float64. Hint: "
        "convert with x.float(), or the module with model.double().",
    ),
    (
        lambda: nnfast.matmul(x, nnfast.ones(())),
        ArgumentError,
        "matmul: expected at least one dimension, got a scalar. input: (2, 3) float32, "
        "other: () float32. Hint: multiply by a scalar with *.",
    ),
    (
        lambda: nnfast.matmul(nnfast.ones(2, 2, 3), nnfast.ones(5, 3, 2)),
        ArgumentError,
        "matmul: expected leading dimensions that broadcast, got (2,) and (5,). input: (2, "
        "2, 3) float32, other: (5, 3, 2) float32. Hint: batch dimensions must be equal or 1.",
    ),
    (
        lambda: nnfast.matmul(nnfast.tensor([[1]]), x[:1, :1]),
        DTypeError,
        "matmul: expected float32 or float64, got input: (1, 1) int64, other: (1, 1) float32. "
        "Hint: convert with x.float() or x.double().",
    ),
    (
        lambda: F.linear(x, nnfast.ones(4, 2)),
        ArgumentError,
        "linear: expected input with 2 features (in_features of the weight), got 3. input: "
        "(2, 3) float32, weight: (4, 2) float32. Hint: set in_features=3, or flatten the "
        "input first.",
    ),
    (
        lambda: F.linear(x, nnfast.ones(4, 3), nnfast.ones(3)),
        ArgumentError,
        "linear: expected a bias of shape (4,), got (3,). input: (2, 3) float32, weight: (4, "
        "3) float32, bias: (3,) float32.",
    ),
]
