"""The functions behind the layers, under PyTorch's names: `import nnfast.nn.functional as F`.

`inplace` is accepted where PyTorch has it: the value is the same, and the input stays as it is.
"""

from __future__ import annotations

from nnfast import ops
from nnfast.ops import adaptive_avg_pool1d as adaptive_avg_pool1d
from nnfast.ops import adaptive_avg_pool2d as adaptive_avg_pool2d
from nnfast.ops import adaptive_avg_pool3d as adaptive_avg_pool3d
from nnfast.ops import adaptive_max_pool1d as adaptive_max_pool1d
from nnfast.ops import adaptive_max_pool2d as adaptive_max_pool2d
from nnfast.ops import adaptive_max_pool3d as adaptive_max_pool3d
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
from nnfast.ops import cosine_similarity as cosine_similarity
from nnfast.ops import cross_entropy as cross_entropy
from nnfast.ops import drop_connect as drop_connect
from nnfast.ops import dropout1d as dropout1d
from nnfast.ops import dropout2d as dropout2d
from nnfast.ops import dropout3d as dropout3d
from nnfast.ops import embedding as embedding
from nnfast.ops import embedding_bag as embedding_bag
from nnfast.ops import feature_alpha_dropout as feature_alpha_dropout
from nnfast.ops import fold as fold
from nnfast.ops import fractional_max_pool2d as fractional_max_pool2d
from nnfast.ops import gelu as gelu
from nnfast.ops import group_norm as group_norm
from nnfast.ops import instance_norm as instance_norm
from nnfast.ops import interpolate as interpolate
from nnfast.ops import l1_loss as l1_loss
from nnfast.ops import layer_norm as layer_norm
from nnfast.ops import linear as linear
from nnfast.ops import local_response_norm as local_response_norm
from nnfast.ops import locally_connected2d as locally_connected2d
from nnfast.ops import log_softmax as log_softmax
from nnfast.ops import lp_pool1d as lp_pool1d
from nnfast.ops import lp_pool2d as lp_pool2d
from nnfast.ops import lp_pool3d as lp_pool3d
from nnfast.ops import max_pool1d as max_pool1d
from nnfast.ops import max_pool2d as max_pool2d
from nnfast.ops import max_pool3d as max_pool3d
from nnfast.ops import max_unpool1d as max_unpool1d
from nnfast.ops import max_unpool2d as max_unpool2d
from nnfast.ops import max_unpool3d as max_unpool3d
from nnfast.ops import mse_loss as mse_loss
from nnfast.ops import nll_loss as nll_loss
from nnfast.ops import normalize as normalize
from nnfast.ops import pad as pad
from nnfast.ops import pairwise_distance as pairwise_distance
from nnfast.ops import pixel_shuffle as pixel_shuffle
from nnfast.ops import pixel_unshuffle as pixel_unshuffle
from nnfast.ops import rms_norm as rms_norm
from nnfast.ops import scaled_dot_product_attention as scaled_dot_product_attention
from nnfast.ops import sigmoid as sigmoid
from nnfast.ops import softmax as softmax
from nnfast.ops import stochastic_depth as stochastic_depth
from nnfast.ops import tanh as tanh
from nnfast.ops import unfold as unfold
from nnfast.ops import vanilla_dropout as vanilla_dropout
from nnfast.ops.index import one_hot as one_hot
from nnfast.ops.operands import Operand
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
