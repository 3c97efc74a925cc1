"""Bad input: each gives one clear error, before any arithmetic.

`where: expected ..., got .... values Hint: ...`, see nnfast/errors.py. Modules, optimizers, files
and the graph have more such cases in the tests of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core, nn, optim
from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError
from nnfast.graph.mode import MODE
from nnfast.nn import functional as F
from tests.conftest import run_untraced

x = nnfast.ones(2, 3)
leaf = nnfast.ones(2, 3, requires_grad=True)
double = nnfast.ones(3, 4, dtype=nnfast.float64)
image = nnfast.ones(1, 3, 8, 8)
kernel = nnfast.ones(4, 3, 3, 3)
scores = nnfast.ones(2, 3)
none = nnfast.ones(0, 3)
nan = float("nan")
positive, wide = x > 0, image.double()
conv, dense = nn.Conv2d(3, 4, 3), nn.Linear(3, 2)


def labels(*values: Any) -> nnfast.Tensor:
    return nnfast.tensor(values)


def features(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=nn.Sequential(*modules), head=nn.ReLU()))


CASES: list[tuple[Callable[[], Any], type[NNFastError], str]] = [
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
    (
        lambda: F.conv2d(image, nnfast.ones(4, 2, 3, 3)),
        ArgumentError,
        "conv2d: expected x with C=2 channels (weight's C/G=2, groups=1), got C=3. input: "
        "(1, 3, 8, 8) float32, weight: (4, 2, 3, 3) float32. Hint: weight must be (O, "
        "C/groups, KH, KW).",
    ),
    (
        lambda: F.conv2d(x, kernel),
        ArgumentError,
        "conv2d: expected input of shape (N, C, H, W) or (C, H, W), got 2 dimensions. input: "
        "(2, 3) float32, weight: (4, 3, 3, 3) float32. Hint: a grey image needs a channel "
        "dimension of size 1.",
    ),
    (
        lambda: F.conv2d(image, nnfast.ones(4, 3, 3)),
        ArgumentError,
        "conv2d: expected a weight of shape (O, C/groups, KH, KW) with KH and KW of at least "
        "1, got shape (4, 3, 3). input: (1, 3, 8, 8) float32, weight: (4, 3, 3) float32.",
    ),
    (
        lambda: F.conv2d(image, kernel, nnfast.ones(3)),
        ArgumentError,
        "conv2d: expected bias of shape (4,), got shape (3,). input: (1, 3, 8, 8) float32, "
        "weight: (4, 3, 3, 3) float32, bias: (3,) float32. Hint: weight must be (O, "
        "C/groups, KH, KW).",
    ),
    (
        lambda: F.conv2d(image, kernel, stride=0),
        ArgumentError,
        "conv2d: expected stride from 1 to 2147483647, got stride=0.",
    ),
    (
        lambda: F.conv2d(image, kernel, stride=(1, -1)),
        ArgumentError,
        "conv2d: expected stride from 1 to 2147483647, got stride=(1, -1).",
    ),
    (
        lambda: F.conv2d(image, kernel, stride=1.5),
        DTypeError,
        "conv2d: expected stride as an integer or a pair of them, got 1.5.",
    ),
    (
        lambda: F.conv2d(image, kernel, stride=(1, 2, 3)),
        DTypeError,
        "conv2d: expected stride as an integer or a pair of them, got (1, 2, 3).",
    ),
    (
        lambda: F.conv2d(image, kernel, padding=-1),
        ArgumentError,
        "conv2d: expected padding from 0 to 2147483647, got padding=-1.",
    ),
    (
        lambda: F.conv2d(image, kernel, padding="full"),
        ArgumentError,
        "conv2d: expected padding='same', 'valid' or integers, got padding='full'.",
    ),
    (
        lambda: F.conv2d(image, kernel, stride=2, padding="same"),
        ArgumentError,
        "conv2d: expected stride=1 with padding='same', got stride=(2, 2).",
    ),
    (
        lambda: F.conv2d(image, kernel, dilation=0),
        ArgumentError,
        "conv2d: expected dilation from 1 to 2147483647, got dilation=0.",
    ),
    (
        lambda: F.conv2d(image, kernel, dilation=4),
        ArgumentError,
        "conv2d: expected a kernel within the padded input of 8 x 8, got one of 9 x 9 (with "
        "its dilation). input: (1, 3, 8, 8) float32, weight: (4, 3, 3, 3) float32. Hint: use "
        "a smaller kernel or more padding.",
    ),
    (
        lambda: F.conv2d(image, kernel, groups=2),
        ArgumentError,
        "conv2d: expected x with C=6 channels (weight's C/G=3, groups=2), got C=3. input: "
        "(1, 3, 8, 8) float32, weight: (4, 3, 3, 3) float32. Hint: weight must be (O, "
        "C/groups, KH, KW).",
    ),
    (
        lambda: F.conv2d(image, kernel, groups=0),
        ArgumentError,
        "conv2d: expected groups of at least 1, got groups=0.",
    ),
    (
        lambda: F.conv2d(nnfast.ones(1, 3, 2, 2), kernel),
        ArgumentError,
        "conv2d: expected a kernel within the padded input of 2 x 2, got one of 3 x 3. "
        "input: (1, 3, 2, 2) float32, weight: (4, 3, 3, 3) float32. Hint: use a smaller "
        "kernel or more padding.",
    ),
    (
        lambda: F.conv2d(np.ones((1, 3, 8, 8), int), kernel),
        DTypeError,
        "conv2d: expected float32 or float64, got input: (1, 3, 8, 8) int64, weight: (4, 3, "
        "3, 3) float32. Hint: convert with x.float() or x.double().",
    ),
    (
        lambda: F.conv2d(image, nnfast.ones(4, 3, 3, 3, dtype=nnfast.float64)),
        DTypeError,
        "conv2d: expected one dtype, got input: (1, 3, 8, 8) float32, weight: (4, 3, 3, 3) "
        "float64. Hint: convert with x.float(), or the module with model.double().",
    ),
    (
        lambda: F.conv2d(image, "w"),
        DTypeError,
        "conv2d: expected real numbers or booleans, got dtype <U1.",
    ),
    (
        lambda: F.max_pool2d(x, 2),
        ArgumentError,
        "max_pool2d: expected input of shape (N, C, H, W) or (C, H, W), got 2 dimensions. "
        "input: (2, 3) float32. Hint: a grey image needs a channel dimension of size 1.",
    ),
    (
        lambda: F.max_pool2d(image, 9),
        ArgumentError,
        "max_pool2d: expected a kernel within the padded input of 8 x 8, got one of 9 x 9. "
        "input: (1, 3, 8, 8) float32. Hint: use a smaller kernel or more padding.",
    ),
    (
        lambda: F.max_pool2d(image, 2, stride=0),
        ArgumentError,
        "max_pool2d: expected stride from 1 to 2147483647, got stride=0.",
    ),
    (
        lambda: F.max_pool2d(image, 2, padding=2),
        ArgumentError,
        "max_pool2d: expected padding of at most half the kernel, got padding=(2, 2) with "
        "kernel_size=(2, 2). Hint: pad the input itself if windows of padding only are "
        "wanted.",
    ),
    (
        lambda: F.max_pool2d(image, 2, padding=-1),
        ArgumentError,
        "max_pool2d: expected padding from 0 to 2147483647, got padding=-1.",
    ),
    (
        lambda: F.max_pool2d(image, 0),
        ArgumentError,
        "max_pool2d: expected kernel_size from 1 to 2147483647, got kernel_size=0.",
    ),
    (
        lambda: F.max_pool2d(nnfast.ones(1, 3, 0, 8), 2),
        ArgumentError,
        "max_pool2d: expected images of at least one pixel, got H x W = (0, 8). input: (1, "
        "3, 0, 8) float32.",
    ),
    (
        lambda: F.avg_pool2d(image, 9),
        ArgumentError,
        "avg_pool2d: expected a kernel within the padded input of 8 x 8, got one of 9 x 9. "
        "input: (1, 3, 8, 8) float32. Hint: use a smaller kernel or more padding.",
    ),
    (
        lambda: F.avg_pool2d(image, 2, divisor_override=0),
        ArgumentError,
        "avg_pool2d: expected a divisor_override other than 0, got 0.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 3)),
        ArgumentError,
        "cross_entropy: expected class numbers from 0 to 2 (or ignore_index=-100) as target, "
        "got 3 at (1,). input: (2, 3) float32, target: (2,) int64. Hint: number the classes "
        "from 0, and give the network an output for each.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(-1, 0)),
        ArgumentError,
        "cross_entropy: expected class numbers from 0 to 2 (or ignore_index=-100) as target, "
        "got -1 at (0,). input: (2, 3) float32, target: (2,) int64. Hint: number the classes "
        "from 0, and give the network an output for each.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0.0, nan)),
        DTypeError,
        "cross_entropy: expected class numbers of an integer dtype as target or "
        "probabilities of input's shape, got float32 of shape (2,). input: (2, 3) float32, "
        "target: (2,) float32. Hint: convert class numbers with target.long().",
    ),
    (
        lambda: F.cross_entropy(scores, nnfast.tensor([[0.0, 1.0, nan]] * 2)),
        ArgumentError,
        "cross_entropy: expected a target without NaN, got NaN. target: (2, 3) float32.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 1, 2)),
        ArgumentError,
        "cross_entropy: expected a target of class numbers of shape (2,), got shape (3,). "
        "input: (2, 3) float32, target: (3,) int64. Hint: input is (N, C, ...) with C "
        "classes, target (N, ...).",
    ),
    (
        lambda: F.cross_entropy(scores, nnfast.tensor([[0], [1]])),
        ArgumentError,
        "cross_entropy: expected a target of class numbers of shape (2,), got shape (2, 1). "
        "input: (2, 3) float32, target: (2, 1) int64. Hint: input is (N, C, ...) with C "
        "classes, target (N, ...).",
    ),
    (
        lambda: F.cross_entropy(nnfast.ones(()), nnfast.tensor(0)),
        ArgumentError,
        "cross_entropy: expected input of shape (C,), (N, C) or (N, C, ...), got a scalar. "
        "input: () float32, target: () int64.",
    ),
    (
        lambda: F.cross_entropy(none, nnfast.tensor(np.zeros(0, int))),
        ArgumentError,
        "cross_entropy: expected at least one sample, got an empty batch. Hint: "
        "the mean of nothing is undefined; skip the batch, or use reduction='sum'.",
    ),
    (
        lambda: F.cross_entropy(nnfast.ones(2, 0), labels(0, 0)),
        ArgumentError,
        "cross_entropy: expected at least one class, got none. input: (2, 0) float32, "
        "target: (2,) int64.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 1), nnfast.ones(2)),
        ArgumentError,
        "cross_entropy: expected a float32 weight for each of 3 classes, shape (3,), got "
        "float32 of shape (2,). input: (2, 3) float32, weight: (2,) float32.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 1), reduction="average"),
        ArgumentError,
        "cross_entropy: expected reduction='none', 'mean' or 'sum', got 'average'.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 1), label_smoothing=1.5),
        ArgumentError,
        "cross_entropy: expected label_smoothing from 0 to 1, got 1.5.",
    ),
    (
        lambda: F.cross_entropy(scores, labels(0, 1), ignore_index=0.5),
        DTypeError,
        "cross_entropy: expected an integer ignore_index, got 0.5.",
    ),
    (
        lambda: F.cross_entropy(nnfast.tensor([[1, 2]]), labels(0)),
        DTypeError,
        "cross_entropy: expected float32 or float64 input, got int64. input: (1, 2) int64, "
        "target: (1,) int64.",
    ),
    (
        lambda: F.nll_loss(scores, labels(0, 5)),
        ArgumentError,
        "nll_loss: expected class numbers from 0 to 2 (or ignore_index=-100) as target, got "
        "5 at (1,). input: (2, 3) float32, target: (2,) int64. Hint: number the classes from "
        "0, and give the network an output for each.",
    ),
    (
        lambda: F.mse_loss(x, nnfast.ones(3, 2)),
        ArgumentError,
        "mse_loss: expected a target of input's shape (2, 3), got (3, 2). input: (2, 3) "
        "float32, target: (3, 2) float32. Hint: reshape one of them; losses do not broadcast.",
    ),
    (
        lambda: F.mse_loss(none, none),
        ArgumentError,
        "mse_loss: expected at least one sample, got an empty batch. Hint: "
        "the mean of nothing is undefined; skip the batch, or use reduction='sum'.",
    ),
    (
        lambda: F.l1_loss(x, nnfast.ones(3)),
        ArgumentError,
        "l1_loss: expected a target of input's shape (2, 3), got (3,). input: (2, 3) "
        "float32, target: (3,) float32. Hint: reshape one of them; losses do not broadcast.",
    ),
    (
        lambda: F.binary_cross_entropy(labels(1.5), labels(1.0)),
        ArgumentError,
        "binary_cross_entropy: expected probabilities from 0 to 1 as input, got values from "
        "1.5 to 1.5. input: (1,) float32. Hint: apply sigmoid, or use "
        "binary_cross_entropy_with_logits.",
    ),
    (
        lambda: F.binary_cross_entropy(labels(nan), labels(1.0)),
        ArgumentError,
        "binary_cross_entropy: expected probabilities from 0 to 1 as input, got values from "
        "nan to nan. input: (1,) float32. Hint: apply sigmoid, or use "
        "binary_cross_entropy_with_logits.",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(x, nnfast.tensor([[nan] * 3] * 2)),
        ArgumentError,
        "binary_cross_entropy_with_logits: expected a target without NaN, got NaN. "
        "target: (2, 3) float32.",
    ),
    (
        lambda: F.batch_norm(image, nnfast.zeros(4), nnfast.ones(4)),
        ArgumentError,
        "batch_norm: expected running_mean of shape (3,), input's channels, got shape (4,). "
        "input: (1, 3, 8, 8) float32, running_mean: (4,) float32. Hint: num_features of the "
        "layer must be the channels C of (N, C, ...).",
    ),
    (
        lambda: F.batch_norm(nnfast.ones(1, 3), None, None, training=True),
        ArgumentError,
        "batch_norm: expected more than 1 value per channel in training, got shape (1, 3). "
        "input: (1, 3) float32. Hint: use a larger batch, or switch to evaluation with "
        "model.eval().",
    ),
    (
        lambda: F.batch_norm(image, None, None),
        StateError,
        "batch_norm: expected running statistics in evaluation, got none. Hint: pass "
        "running_mean and running_var, or training=True.",
    ),
    (
        lambda: F.batch_norm(image, nnfast.zeros(3), None),
        ArgumentError,
        "batch_norm: expected running_mean and running_var, or neither, got one of them.",
    ),
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
        "to: expected a dtype of real numbers or booleans, got 'nonsense'.",
    ),
]
IDS = [f"{i}-{text[:40]}" for i, (_, _, text) in enumerate(CASES)]


@pytest.fixture
def no_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that reads any element fails the test."""

    def refuse(op: Any, inputs: Any, result: Any) -> Any:
        read = result.compute is None and any(x is not None and x.array.size for x in inputs)
        assert not read, "arithmetic before the error"
        return run_untraced(op, inputs, result)

    monkeypatch.setattr(MODE, "trace", refuse)


@pytest.mark.parametrize(("call", "kind", "text"), CASES, ids=IDS)
@pytest.mark.usefixtures("no_arithmetic")
def test_error(call: Callable[[], Any], kind: type[NNFastError], text: str) -> None:
    check_error(call, kind, text)


@pytest.mark.parametrize(("call", "kind", "text"), CASES, ids=IDS)
def test_error_of_an_untraced_call(
    call: Callable[[], Any], kind: type[NNFastError], text: str
) -> None:
    check_error(call, kind, text)


def check_error(call: Callable[[], Any], kind: type[NNFastError], text: str) -> None:
    with pytest.raises(NNFastError) as e:
        call()
    assert isinstance(e.value, kind)
    got = str(e.value)  # where NumPy has the last word, its words are left out
    assert got == text or (text.endswith("...") and got.startswith(text[:-3]))
    assert e.value.where and "expected " in e.value.what


def test_there_are_many() -> None:
    assert len({text for _, _, text in CASES}) >= 100


def test_the_path_of_the_module() -> None:
    """In front of the text, and as an attribute; layers before it have run."""
    model = features(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    for _ in range(2):
        with pytest.raises(ArgumentError) as e:
            model(image)
        assert e.value.path == "features.3" and e.value.where == "linear"
        assert str(e.value) == (
            "features.3: linear: expected input with 100 features (in_features of the weight), got "
            "144. input: (1, 144) float32, weight: (2, 100) float32, bias: (2,) float32. "
            "Hint: set in_features=144, or flatten the input first."
        )


def test_errors_are_pythons_own_kinds_too() -> None:
    for call, kind in [
        (lambda: x.reshape(5), ValueError),
        (lambda: nnfast.tensor("a"), TypeError),
        (lambda: x.sum().backward(), RuntimeError),
        (lambda: x[7], IndexError),
        (lambda: nnfast.load("no such file"), FileNotFoundError),
    ]:
        with pytest.raises(kind) as e:
            call()
        assert isinstance(e.value, NNFastError)


def test_the_core_refuses_what_no_record_lets_through() -> None:
    """The one entry of the extension checks memory, so that a wrong record cannot crash."""
    y = np.empty(3, np.float32)
    op, size = _core.ops()["exp"]
    attrs = b"\0" * size
    bad: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((op, attrs, (y,)), TypeError, r"expected \(op, attrs, inputs, outputs\)"),
        ((-1, attrs, (y,), (y,)), ValueError, "no such op"),
        ((10**6, attrs, (y,), (y,)), ValueError, "no such op"),
        ((op, attrs + b"0", (y,), (y,)), ValueError, "bytes of attributes"),
        ((op, attrs, [y], (y,)), TypeError, "expected a tuple of at most 16 arrays"),
        ((op, attrs, (y,) * 17, (y,)), TypeError, "expected a tuple of at most 16 arrays"),
        ((op, attrs, (1.0,), (y,)), TypeError, "expected a NumPy array"),
        ((op, attrs, (y,), (None,)), TypeError, "expected a NumPy array"),
        ((op, attrs, (y.astype(np.float16),), (y,)), TypeError, "expected float32, float64"),
        ((op, attrs, (np.ones(3, complex),), (y,)), TypeError, "expected float32, float64"),
        (
            (op, attrs, (y,), (np.empty(6, np.float32)[::2],)),
            ValueError,
            "contiguous one for an output",
        ),
        ((op, attrs, (np.ones((1,) * 13, np.float32),), (y,)), ValueError, "at most 12 dimensions"),
        ((op, attrs, (np.frombuffer(b"0" * 13, "<f4", 3, 1),), (y,)), ValueError, "aligned"),
        ((op, attrs, (np.ones(3, "f4,i2")["f0"],), (y,)), ValueError, "expected"),
    ]
    frozen = np.empty(3, np.float32)
    frozen.flags.writeable = False
    bad.append(((op, attrs, (y,), (frozen,)), ValueError, "writable"))
    for arguments, kind, text in bad:
        with pytest.raises(kind, match=text):
            _core.run(*arguments)
