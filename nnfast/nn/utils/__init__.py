"""What training loops need beside layers, under PyTorch's names."""

from nnfast.nn.utils import parametrizations as parametrizations
from nnfast.nn.utils import rnn as rnn
from nnfast.nn.utils.gradients import clip_grad_norm_ as clip_grad_norm_
from nnfast.nn.utils.gradients import clip_grad_value_ as clip_grad_value_
from nnfast.nn.utils.gradients import parameters_to_vector as parameters_to_vector
from nnfast.nn.utils.gradients import vector_to_parameters as vector_to_parameters
from nnfast.nn.utils.max_norm import max_norm_ as max_norm_
from nnfast.nn.utils.spectral_norm import remove_spectral_norm as remove_spectral_norm
from nnfast.nn.utils.spectral_norm import spectral_norm as spectral_norm
from nnfast.nn.utils.weight_norm import remove_weight_norm as remove_weight_norm
from nnfast.nn.utils.weight_norm import weight_norm as weight_norm
