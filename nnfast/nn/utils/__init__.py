"""What training loops need beside layers, under PyTorch's names."""

from nnfast.nn.utils import parametrizations as parametrizations
from nnfast.nn.utils import parametrize as parametrize
from nnfast.nn.utils import rnn as rnn
from nnfast.nn.utils.fusion import fuse_conv_bn_eval as fuse_conv_bn_eval
from nnfast.nn.utils.fusion import fuse_conv_bn_weights as fuse_conv_bn_weights
from nnfast.nn.utils.fusion import fuse_linear_bn_eval as fuse_linear_bn_eval
from nnfast.nn.utils.fusion import fuse_linear_bn_weights as fuse_linear_bn_weights
from nnfast.nn.utils.gradients import clip_grad_norm_ as clip_grad_norm_
from nnfast.nn.utils.gradients import clip_grad_value_ as clip_grad_value_
from nnfast.nn.utils.gradients import clip_grads_with_norm_ as clip_grads_with_norm_
from nnfast.nn.utils.gradients import get_total_norm as get_total_norm
from nnfast.nn.utils.gradients import parameters_to_vector as parameters_to_vector
from nnfast.nn.utils.gradients import vector_to_parameters as vector_to_parameters
from nnfast.nn.utils.max_norm import max_norm_ as max_norm_
from nnfast.nn.utils.skip_init import skip_init as skip_init
from nnfast.nn.utils.spectral_norm import remove_spectral_norm as remove_spectral_norm
from nnfast.nn.utils.spectral_norm import spectral_norm as spectral_norm
from nnfast.nn.utils.weight_norm import remove_weight_norm as remove_weight_norm
from nnfast.nn.utils.weight_norm import weight_norm as weight_norm
