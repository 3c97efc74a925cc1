"""The functions behind the layers, under PyTorch's names: `import nnfast.nn.functional as F`.

`inplace` is accepted where PyTorch has it: the value is the same, and the input stays as it is.
"""

from nnfast.nn.functional.activation import celu as celu
from nnfast.nn.functional.activation import celu_ as celu_
from nnfast.nn.functional.activation import dropout as dropout
from nnfast.nn.functional.activation import elu as elu
from nnfast.nn.functional.activation import elu_ as elu_
from nnfast.nn.functional.activation import glu as glu
from nnfast.nn.functional.activation import gumbel_softmax as gumbel_softmax
from nnfast.nn.functional.activation import hardsigmoid as hardsigmoid
from nnfast.nn.functional.activation import hardswish as hardswish
from nnfast.nn.functional.activation import hardtanh as hardtanh
from nnfast.nn.functional.activation import hardtanh_ as hardtanh_
from nnfast.nn.functional.activation import leaky_relu as leaky_relu
from nnfast.nn.functional.activation import leaky_relu_ as leaky_relu_
from nnfast.nn.functional.activation import log_softmax as log_softmax
from nnfast.nn.functional.activation import mish as mish
from nnfast.nn.functional.activation import relu as relu
from nnfast.nn.functional.activation import relu6 as relu6
from nnfast.nn.functional.activation import relu_ as relu_
from nnfast.nn.functional.activation import rrelu as rrelu
from nnfast.nn.functional.activation import rrelu_ as rrelu_
from nnfast.nn.functional.activation import selu as selu
from nnfast.nn.functional.activation import selu_ as selu_
from nnfast.nn.functional.activation import silu as silu
from nnfast.nn.functional.activation import softmax as softmax
from nnfast.nn.functional.activation import softmin as softmin
from nnfast.nn.functional.activation import threshold as threshold
from nnfast.nn.functional.activation import threshold_ as threshold_
from nnfast.nn.functional.older import (
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices,
)
from nnfast.nn.functional.older import (
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices,
)
from nnfast.nn.functional.older import (
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
)
from nnfast.nn.functional.older import (
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
)
from nnfast.nn.functional.older import (
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from nnfast.nn.functional.older import max_pool1d_with_indices as max_pool1d_with_indices
from nnfast.nn.functional.older import max_pool2d_with_indices as max_pool2d_with_indices
from nnfast.nn.functional.older import max_pool3d_with_indices as max_pool3d_with_indices
from nnfast.nn.functional.older import upsample as upsample
from nnfast.nn.functional.older import upsample_bilinear as upsample_bilinear
from nnfast.nn.functional.older import upsample_nearest as upsample_nearest
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
from nnfast.ops.index import one_hot as one_hot
