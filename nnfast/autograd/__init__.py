"""Gradients as functions, and their check against differences."""

from nnfast.autograd import functional as functional
from nnfast.autograd.function import Function as Function
from nnfast.autograd.functions import backward as backward
from nnfast.autograd.functions import grad as grad
from nnfast.autograd.gradcheck import GradcheckError as GradcheckError
from nnfast.autograd.gradcheck import gradcheck as gradcheck
from nnfast.autograd.gradcheck import gradgradcheck as gradgradcheck
from nnfast.graph.mode import enable_grad as enable_grad
from nnfast.graph.mode import inference_mode as inference_mode
from nnfast.graph.mode import is_grad_enabled as is_grad_enabled
from nnfast.graph.mode import no_grad as no_grad
from nnfast.graph.mode import set_grad_enabled as set_grad_enabled
