"""The dropout family: what is dropped is an element, a channel, a weight or a whole branch.

All draw from the default generator, as dropout does. `inplace` is accepted where PyTorch has it
and leaves the input as it is.
"""

from __future__ import annotations

import math

import numpy as np

from nnfast.errors import fail
from nnfast.generator import default_generator
from nnfast.ops.elementwise import where
from nnfast.ops.matmul import linear
from nnfast.ops.operands import as_tensor
from nnfast.ops.random import _check_probability, _dropout, dropout
from nnfast.ops.record import Shape
from nnfast.tensor import Tensor, wrap

_LEAST = -1.7580993408473766  # of SELU: -scale alpha, its value at minus infinity


def _noise(shape: Shape, p: float, x: Tensor) -> Tensor:
    """0 with probability p, else 1 / (1 - p)."""
    noise: Tensor = _dropout(wrap(np.ones(shape, x.dtype)), default_generator.next_rng(), p)
    return noise


def _channels(name: str, x: Tensor, batched: bool = True) -> Shape:
    """One element for each channel of each example."""
    if x.ndim < 2:
        fail(name, "an input of shape (N, C, ...)", f"shape {x.shape}", input=x)
    lead = x.shape[:2] if batched else x.shape[:1]
    return (*lead, *[1] * (x.ndim - len(lead)))


def _drop_channels(name: str, input: Tensor, p: float, training: bool, batched: int) -> Tensor:
    _check_probability(p)
    x = as_tensor(input, name)
    shape = _channels(name, x, x.ndim >= batched)
    return x * _noise(shape, p, x) if training and p > 0 else x


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel is 0 with probability p, else divided by 1 - p; see dropout2d.

    Shapes: (N, C, L) or (C, L), the same out.

    >>> import nnfast
    >>> nnfast.nn.functional.dropout1d(nnfast.ones(1, 2, 2), p=1.0)
    tensor([[[0., 0.],
             [0., 0.]]])
    """
    ndim = as_tensor(input, "dropout1d").ndim
    if ndim not in (2, 3):
        fail("dropout1d", "an input of shape (N, C, L) or (C, L)", f"{ndim} dimensions")
    return _drop_channels("dropout1d", input, p, training, 3)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel of each example is 0 with probability p, else divided by 1 - p.

    Shapes: (N, C, H, W) or, as in PyTorch, (N, C, L), the same out. Unchanged if not training.

    Source: Tompson et al., Efficient object localization using convolutional networks, CVPR 2015.

    >>> import nnfast
    >>> _ = nnfast.manual_seed(0)
    >>> nnfast.nn.functional.dropout2d(nnfast.ones(1, 6, 1, 2), 0.5).sum(-1).flatten()
    tensor([4., 0., 4., 0., 0., 4.])
    """
    return _drop_channels("dropout2d", input, p, training, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel is 0 with probability p, else divided by 1 - p; see dropout2d.

    Shapes: (N, C, D, H, W) or (C, D, H, W), the same out.

    >>> import nnfast
    >>> nnfast.nn.functional.dropout3d(nnfast.ones(2, 1, 1, 1), p=0.0).flatten()
    tensor([1., 1.])
    """
    return _drop_channels("dropout3d", input, p, training, 5)


# ---- that keep mean and variance of SELU nets -----------------------------------------------


def _drop_alpha(x: Tensor, shape: Shape, p: float, training: bool) -> Tensor:
    _check_probability(p)
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    a = 1 / math.sqrt((1 - p) * (1 + p * _LEAST**2))
    y: Tensor = where(_noise(shape, p, x) > 0, x, _LEAST)
    return y * a - a * _LEAST * p


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropped elements become SELU's least value; then a y + b, so that mean 0 and variance 1 stay.

    With m = -1.758..., a = ((1 - p)(1 + p m^2))^-1/2, b = -a m p.

    Shapes: any, the same out. Unchanged if not training.

    Source: Klambauer et al., Self-normalizing neural networks, NeurIPS 2017.

    >>> import nnfast
    >>> y = nnfast.nn.functional.alpha_dropout(nnfast.zeros(100), 0.5, training=True)
    >>> len(set(y.tolist()))
    2
    """
    x = as_tensor(input, "alpha_dropout")
    return _drop_alpha(x, x.shape, p, training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels of (N, C, ...).

    Shapes: (N, C, *), the same out. float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.feature_alpha_dropout(nnfast.ones(1, 2, 2), p=0.5)
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    x = as_tensor(input, "feature_alpha_dropout")
    return _drop_alpha(x, _channels("feature_alpha_dropout", x), p, training)


# ---- beyond PyTorch -------------------------------------------------------------------------


def vanilla_dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout as first proposed: in training 0 with probability p, in evaluation x (1 - p).

    What is kept is not scaled in training (PyTorch's, "inverted" dropout scales there).

    Shapes: any, the same out. float32, float64.

    Source: Hinton et al., Improving neural networks by preventing co-adaptation of feature
    detectors, 2012.

    >>> import nnfast, nnfast.nn.functional as F
    >>> sorted(set(F.vanilla_dropout(nnfast.ones(100)).tolist()))
    [0.0, 1.0]
    >>> F.vanilla_dropout(nnfast.ones(2), 0.25, training=False)
    tensor([0.75, 0.75])
    """
    _check_probability(p)
    x = as_tensor(input, "vanilla_dropout")
    if not training:
        return x * (1.0 - p)
    y: Tensor = where(_noise(x.shape, p, x) > 0, x, 0.0)
    return y


def drop_connect(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    p: float = 0.5,
    training: bool = True,
) -> Tensor:
    """y = x w^T + b, each weight 0 with probability p, else divided by 1 - p, if training.

    Shapes: as linear. One mask for the whole batch.

    Source: Wan et al., Regularization of neural networks using DropConnect, ICML 2013.

    >>> import nnfast
    >>> nnfast.nn.functional.drop_connect(nnfast.ones(2), nnfast.ones(1, 2), training=False)
    tensor([2.])
    """
    y: Tensor = linear(input, dropout(as_tensor(weight, "drop_connect"), p, training), bias)
    return y


def stochastic_depth(
    input: Tensor, p: float = 0.5, mode: str = "row", training: bool = True
) -> Tensor:
    """A branch left out at random: 0 with probability p, else divided by 1 - p, if training.

    mode "row" decides for each example (the first dimension), "batch" for all at once. For
    residual blocks: y = x + stochastic_depth(f(x), p).

    Shapes: (N, *), the same out. float32, float64.

    Source: Huang et al., Deep networks with stochastic depth, ECCV 2016.

    >>> import nnfast
    >>> y = nnfast.nn.functional.stochastic_depth(nnfast.ones(8, 3), 0.5)
    >>> y.amin(1).tolist() == y.amax(1).tolist()
    True
    """
    _check_probability(p)
    if mode not in ("row", "batch"):
        fail("stochastic_depth", "mode 'row' or 'batch'", repr(mode))
    x = as_tensor(input, "stochastic_depth")
    if not training or p == 0:
        return x
    rows = x.shape[:1] if mode == "row" else (1,) * min(x.ndim, 1)
    return x * _noise((*rows, *[1] * (x.ndim - len(rows))), p, x)
