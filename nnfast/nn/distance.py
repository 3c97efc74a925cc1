"""Similarities and distances as modules, and the bilinear map."""

from __future__ import annotations

import math
from typing import Any

from nnfast import ops
from nnfast.nn import init
from nnfast.nn.checks import whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor


class CosineSimilarity(Module):
    """x1 x2 / (max(|x1|, eps) max(|x2|, eps)), along a dimension.

    Shapes: two that broadcast -> (*) without dim.

    >>> import nnfast
    >>> nnfast.nn.CosineSimilarity(dim=0)(nnfast.tensor([1.0, 0.0]), nnfast.tensor([0.0, 2.0]))
    tensor(0.)
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return ops.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """(sum of |x1 - x2 + eps|^p)^(1/p) along the last dimension.

    Shapes: x1 and x2 (*, E), broadcast -> (*); with keepdim (*, 1).

    >>> import nnfast
    >>> nnfast.nn.PairwiseDistance(p=1, eps=0.0)(nnfast.ones(2, 3), nnfast.zeros(2, 3))
    tensor([3., 3.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return ops.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Bilinear(Module):
    """y[o] = x1 weight[o] x2 + bias[o]; drawn from U(-b, b) with b = 1 / sqrt(in1_features).

    Shapes: (*, in1_features), (*, in2_features) -> (*, out_features).

    >>> import nnfast
    >>> nnfast.nn.Bilinear(3, 4, 2)(nnfast.ones(5, 3), nnfast.ones(5, 4)).shape
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = whole("Bilinear", "in1_features", in1_features, 1)
        self.in2_features = whole("Bilinear", "in2_features", in2_features)
        self.out_features = whole("Bilinear", "out_features", out_features)
        self.weight = empty_parameter(out_features, in1_features, in2_features)
        self.register_parameter("bias", empty_parameter(out_features) if bias else None)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return ops.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}"
        return f"{sizes}, out_features={self.out_features}, bias={self.bias is not None}"
