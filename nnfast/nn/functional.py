"""The functions behind the layers, under PyTorch's names: `import nnfast.nn.functional as F`.

`inplace` is accepted where PyTorch has it: the value is the same, and the input stays as it is.
"""

from __future__ import annotations

import warnings
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.generator import default_generator
from nnfast.ops import adaptive_avg_pool1d as adaptive_avg_pool1d
from nnfast.ops import adaptive_avg_pool2d as adaptive_avg_pool2d
from nnfast.ops import adaptive_avg_pool3d as adaptive_avg_pool3d
from nnfast.ops import adaptive_max_pool1d as adaptive_max_pool1d
from nnfast.ops import adaptive_max_pool2d as adaptive_max_pool2d
from nnfast.ops import adaptive_max_pool3d as adaptive_max_pool3d
from nnfast.ops import affine_grid as affine_grid
from nnfast.ops import alpha_dropout as alpha_dropout
from nnfast.ops import avg_pool1d as avg_pool1d
from nnfast.ops import avg_pool2d as avg_pool2d
from nnfast.ops import avg_pool3d as avg_pool3d
from nnfast.ops import batch_norm as batch_norm
from nnfast.ops import bilinear as bilinear
from nnfast.ops import binary_cross_entropy as binary_cross_entropy
from nnfast.ops import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from nnfast.ops import channel_shuffle as channel_shuffle
from nnfast.ops import conv1d as conv1d
from nnfast.ops import conv2d as conv2d
from nnfast.ops import conv3d as conv3d
from nnfast.ops import conv_transpose1d as conv_transpose1d
from nnfast.ops import conv_transpose2d as conv_transpose2d
from nnfast.ops import conv_transpose3d as conv_transpose3d
from nnfast.ops import cosine_embedding_loss as cosine_embedding_loss
from nnfast.ops import cosine_similarity as cosine_similarity
from nnfast.ops import cross_entropy as cross_entropy
from nnfast.ops import ctc_loss as ctc_loss
from nnfast.ops import drop_connect as drop_connect
from nnfast.ops import dropout1d as dropout1d
from nnfast.ops import dropout2d as dropout2d
from nnfast.ops import dropout3d as dropout3d
from nnfast.ops import embedding as embedding
from nnfast.ops import embedding_bag as embedding_bag
from nnfast.ops import feature_alpha_dropout as feature_alpha_dropout
from nnfast.ops import fold as fold
from nnfast.ops import fractional_max_pool2d as fractional_max_pool2d
from nnfast.ops import fractional_max_pool3d as fractional_max_pool3d
from nnfast.ops import gaussian_nll_loss as gaussian_nll_loss
from nnfast.ops import gelu as gelu
from nnfast.ops import grid_sample as grid_sample
from nnfast.ops import group_norm as group_norm
from nnfast.ops import hardshrink as hardshrink
from nnfast.ops import hinge_embedding_loss as hinge_embedding_loss
from nnfast.ops import hinge_loss as hinge_loss
from nnfast.ops import huber_loss as huber_loss
from nnfast.ops import instance_norm as instance_norm
from nnfast.ops import interpolate as interpolate
from nnfast.ops import kl_div as kl_div
from nnfast.ops import l1_loss as l1_loss
from nnfast.ops import layer_norm as layer_norm
from nnfast.ops import linear as linear
from nnfast.ops import local_response_norm as local_response_norm
from nnfast.ops import locally_connected2d as locally_connected2d
from nnfast.ops import logsigmoid as logsigmoid
from nnfast.ops import lp_pool1d as lp_pool1d
from nnfast.ops import lp_pool2d as lp_pool2d
from nnfast.ops import lp_pool3d as lp_pool3d
from nnfast.ops import margin_ranking_loss as margin_ranking_loss
from nnfast.ops import max_pool1d as max_pool1d
from nnfast.ops import max_pool2d as max_pool2d
from nnfast.ops import max_pool3d as max_pool3d
from nnfast.ops import max_unpool1d as max_unpool1d
from nnfast.ops import max_unpool2d as max_unpool2d
from nnfast.ops import max_unpool3d as max_unpool3d
from nnfast.ops import mse_loss as mse_loss
from nnfast.ops import multi_head_attention_forward as multi_head_attention_forward
from nnfast.ops import multi_margin_loss as multi_margin_loss
from nnfast.ops import multiclass_svm_loss as multiclass_svm_loss
from nnfast.ops import multilabel_margin_loss as multilabel_margin_loss
from nnfast.ops import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from nnfast.ops import nll_loss as nll_loss
from nnfast.ops import normalize as normalize
from nnfast.ops import pad as pad
from nnfast.ops import pairwise_distance as pairwise_distance
from nnfast.ops import pdist as pdist
from nnfast.ops import pixel_shuffle as pixel_shuffle
from nnfast.ops import pixel_unshuffle as pixel_unshuffle
from nnfast.ops import poisson_nll_loss as poisson_nll_loss
from nnfast.ops import prelu as prelu
from nnfast.ops import rms_norm as rms_norm
from nnfast.ops import scaled_dot_product_attention as scaled_dot_product_attention
from nnfast.ops import sigmoid as sigmoid
from nnfast.ops import smooth_l1_loss as smooth_l1_loss
from nnfast.ops import soft_margin_loss as soft_margin_loss
from nnfast.ops import softplus as softplus
from nnfast.ops import softshrink as softshrink
from nnfast.ops import softsign as softsign
from nnfast.ops import stochastic_depth as stochastic_depth
from nnfast.ops import tanh as tanh
from nnfast.ops import tanhshrink as tanhshrink
from nnfast.ops import triplet_margin_loss as triplet_margin_loss
from nnfast.ops import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from nnfast.ops import unfold as unfold
from nnfast.ops import vanilla_dropout as vanilla_dropout
from nnfast.ops.activation_hard import _prelu
from nnfast.ops.changes import in_place
from nnfast.ops.index import one_hot as one_hot
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.random import _uniform
from nnfast.ops.record import check_dim
from nnfast.tensor import Tensor


def relu(input: Operand, inplace: bool = False) -> Tensor:
    """y = max(x, 0).

    >>> import nnfast
    >>> nnfast.nn.functional.relu(nnfast.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    y: Tensor = ops.relu(input)
    return y


def leaky_relu(input: Operand, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """y = x for x > 0, else negative_slope * x."""
    y: Tensor = ops.leaky_relu(input, negative_slope)
    return y


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training each element is 0 with probability p, the others are divided by 1 - p."""
    y: Tensor = ops.dropout(input, p, training)
    return y


def silu(input: Operand, inplace: bool = False) -> Tensor:
    """y = x sigmoid(x)."""
    y: Tensor = ops.silu(input)
    return y


def mish(input: Operand, inplace: bool = False) -> Tensor:
    """y = x tanh(log(1 + e^x))."""
    y: Tensor = ops.mish(input)
    return y


def elu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha (e^x - 1)."""
    return ops.elu(input, alpha)


def celu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1)."""
    return ops.celu(input, alpha)


def selu(input: Operand, inplace: bool = False) -> Tensor:
    """y = 1.0507 elu(x, 1.6733)."""
    return ops.selu(input)


def hardtanh(
    input: Operand, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """y = min(max(x, min_val), max_val)."""
    return ops.hardtanh(input, min_val, max_val)


def relu6(input: Operand, inplace: bool = False) -> Tensor:
    """y = min(max(x, 0), 6)."""
    return ops.relu6(input)


def hardsigmoid(input: Operand, inplace: bool = False) -> Tensor:
    """y = min(max(x + 3, 0), 6) / 6."""
    y: Tensor = ops.hardsigmoid(input)
    return y


def hardswish(input: Operand, inplace: bool = False) -> Tensor:
    """y = x min(max(x + 3, 0), 6) / 6."""
    y: Tensor = ops.hardswish(input)
    return y


def threshold(input: Operand, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """y = x where x > threshold, else value."""
    return ops.threshold(input, threshold, value)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """y = x where x > 0, else a x: in training a is drawn from lower to upper for each element.

    In evaluation a is the mean of both.
    """
    y: Tensor
    if training:
        x = as_tensor(input, "rrelu")
        slope = _uniform(default_generator.next_rng(), x.shape, x.dtype)
        y = _prelu(x, slope * (upper - lower) + lower)
    else:
        y = ops.leaky_relu(input, (lower + upper) / 2)
    return y


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = exp(x) / sum(exp(x)) along `dim`, of x as `dtype` if that is given.

    Without dim, as in old programs, it is 0 for 0, 1 and 3 dimensions, else 1, with a warning.

    >>> import nnfast
    >>> nnfast.nn.functional.softmax(nnfast.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    y: Tensor = ops.softmax(input, _along("softmax", input, dim), dtype)
    return y


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = log(softmax(x)) along `dim`, without overflow; dim and dtype as in softmax.

    >>> import nnfast
    >>> nnfast.nn.functional.log_softmax(nnfast.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    y: Tensor = ops.log_softmax(input, _along("log_softmax", input, dim), dtype)
    return y


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = exp(-x) / sum(exp(-x)) along `dim`; dim and dtype as in softmax."""
    y: Tensor = ops.softmax(-input, _along("softmin", input, dim), dtype)
    return y


def _along(name: str, input: Tensor, dim: int | None) -> int:
    """`dim`, or the one that PyTorch takes where it is not given."""
    if dim is not None:
        return dim
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(f"nnfast: {name} takes dim={dim}; name it in the call.", stacklevel=3)
    return dim


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """y = softmax((logits + g) / tau), g = -log(-log u) with u uniform: a soft random choice.

    The largest element is class i with probability softmax(logits)_i. `hard`: 1 for the largest, 0
    for the others, with the gradient of the soft choice. `eps` changes nothing.

    Source: Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax, 2017.

    >>> import nnfast
    >>> nnfast.nn.functional.gumbel_softmax(nnfast.tensor([0.0, 100.0]), hard=True)
    tensor([0., 1.])
    """
    x = as_tensor(logits, "gumbel_softmax")
    if not tau > 0:
        fail("gumbel_softmax", "tau > 0", f"{tau}")
    waiting = -ops.log1p(-_uniform(default_generator.next_rng(), x.shape, x.dtype))
    soft = ops.softmax((x - ops.log(ops.maximum(waiting, 2.0**-25))) / tau, dim)
    if not hard:
        return soft
    largest = ops.argmax(soft, dim, keepdim=True)
    chosen = ops.scatter(soft.detach() * 0.0, dim, largest, 1.0)
    return chosen - soft.detach() + soft


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """y = a sigmoid(b), a and b the halves of the input along `dim`.

    >>> import nnfast
    >>> nnfast.nn.functional.glu(nnfast.tensor([3.0, 4.0, 0.0, 0.0]))
    tensor([1.5, 2. ])
    """
    if input.ndim == 0:
        fail("glu", "at least one dimension", "a scalar")
    dim = check_dim("glu", dim, input.ndim)
    half, odd = divmod(input.shape[dim], 2)
    if odd:
        fail("glu", f"an even size of dim {dim}", f"{input.shape[dim]}", input=input)
    before = (slice(None),) * dim
    y: Tensor = input[(*before, slice(half))] * ops.sigmoid(input[(*before, slice(half, None))])
    return y


# ---- older names ------------------------------------------------------------------------------


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of `interpolate`."""
    return ops.interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by the nearest pixel."""
    return ops.interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by bilinear weights, corners aligned."""
    return ops.interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def _pooling(name: str, pool: Any) -> Any:
    """A pooling function that answers with indices too, whatever it is told."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return pool(*args, **{**kwargs, "return_indices": True})

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{pool.__name__}` with return_indices=True: (y, indices)."
    return call


max_pool1d_with_indices = _pooling("max_pool1d_with_indices", max_pool1d)
max_pool2d_with_indices = _pooling("max_pool2d_with_indices", max_pool2d)
max_pool3d_with_indices = _pooling("max_pool3d_with_indices", max_pool3d)
adaptive_max_pool1d_with_indices = _pooling("adaptive_max_pool1d_with_indices", adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = _pooling("adaptive_max_pool2d_with_indices", adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = _pooling("adaptive_max_pool3d_with_indices", adaptive_max_pool3d)
fractional_max_pool2d_with_indices = _pooling(
    "fractional_max_pool2d_with_indices", fractional_max_pool2d
)
fractional_max_pool3d_with_indices = _pooling(
    "fractional_max_pool3d_with_indices", fractional_max_pool3d
)


# ---- in place ---------------------------------------------------------------------------------

relu_ = in_place("relu_", relu)
leaky_relu_ = in_place("leaky_relu_", leaky_relu)
elu_ = in_place("elu_", elu)
celu_ = in_place("celu_", celu)
selu_ = in_place("selu_", selu)
hardtanh_ = in_place("hardtanh_", hardtanh)
threshold_ = in_place("threshold_", threshold)
rrelu_ = in_place("rrelu_", rrelu)
