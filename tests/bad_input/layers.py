"""Convolution, pooling, losses and batch norm."""

from __future__ import annotations

import numpy as np

import nnfast
from nnfast.errors import ArgumentError, DTypeError, StateError
from nnfast.nn import functional as F
from tests.bad_input.values import (
    Cases,
    image,
    kernel,
    labels,
    nan,
    none,
    scores,
    x,
)

CASES: Cases = [
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
]
