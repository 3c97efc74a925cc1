"""Batch norm in evaluation taken into the layer before it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from nnfast.errors import StateError
from nnfast.graph.mode import no_grad
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.elementwise import sqrt
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor

Given = Tensor | None


@no_grad()
def _fused(
    w: Tensor, b: Given, mean: Tensor, var: Tensor, eps: float, gain: Given, shift: Given, dim: int
) -> tuple[Parameter, Parameter]:
    """w s and (b - mean) s + shift, with s = gain / sqrt(var + eps) along `dim` of w."""
    scale = 1.0 / sqrt(var + eps)
    scale = scale if gain is None else scale * gain
    shape = [1] * w.ndim
    shape[dim] = -1
    bias = (-mean if b is None else b - mean) * scale
    return Parameter(w * reshape(scale, shape)), Parameter(bias if shift is None else bias + shift)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Given,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Given,
    bn_b: Given,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does what it and the batch norm behind it did.

    w' = w s, b' = (b - mean) s + beta, with s = gamma / sqrt(var + eps) for each output channel.

    >>> import nnfast
    >>> one, none = nnfast.ones(1), nnfast.zeros(1)
    >>> weight = nnfast.ones(1, 1, 1, 1)
    >>> w, b = nnfast.nn.utils.fuse_conv_bn_weights(weight, None, one, one, 0.0, 3 * one, none)
    >>> w.item(), b.item()
    (3.0, -3.0)
    """
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, int(transpose))


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Given, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Given,
    bn_b: Given,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a Linear layer that does what it and the batch norm behind it did.

    >>> import nnfast
    >>> one, none = nnfast.ones(1), nnfast.zeros(1)
    >>> weight = nnfast.ones(1, 1)
    >>> w, b = nnfast.nn.utils.fuse_linear_bn_weights(weight, None, one, one, 0.0, 3 * one, none)
    >>> w.item(), b.item()
    (3.0, -3.0)
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Any:
    """A copy of a convolution in evaluation that does what it and the batch norm behind it did.

    >>> import nnfast
    >>> conv, bn = nnfast.nn.Conv2d(1, 2, 3).eval(), nnfast.nn.BatchNorm2d(2).eval()
    >>> x = nnfast.ones(1, 1, 4, 4)
    >>> fused = nnfast.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> nnfast.allclose(fused(x), bn(conv(x)), atol=1e-6)
    True
    """
    return _copy("fuse_conv_bn_eval", conv, bn, int(transpose))


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Any:
    """A copy of a Linear layer in evaluation that does what it and the batch norm behind it did.

    >>> import nnfast
    >>> linear, norm = nnfast.nn.Linear(3, 2).eval(), nnfast.nn.BatchNorm1d(2).eval()
    >>> x = nnfast.rand(4, 3)
    >>> fused = nnfast.nn.utils.fuse_linear_bn_eval(linear, norm)
    >>> nnfast.allclose(fused(x), norm(linear(x)), atol=1e-5)
    True
    """
    return _copy("fuse_linear_bn_eval", linear, bn, 0)


def _copy(name: str, layer: Any, bn: Any, dim: int) -> Any:
    if layer.training or bn.training or bn.running_mean is None:
        raise StateError(name, "expected layers in evaluation mode with running statistics.")
    fused = deepcopy(layer)
    fused.weight, bias = _fused(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, dim
    )
    fused.register_parameter("bias", bias)
    return fused
