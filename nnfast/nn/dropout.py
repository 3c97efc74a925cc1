"""The dropout family."""

from __future__ import annotations

from typing import Any

from nnfast import ops
from nnfast.nn.checks import number, one_of
from nnfast.nn.linear import Linear
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class _Dropout(Module):
    """What most of them share. `inplace` is accepted and leaves the input as it is."""

    _drop: Any

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        number(type(self).__name__, "p", p, 0, 1)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = self._drop(input, self.p, self.training)
        return y

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training each element is 0 with probability p, the others are divided by 1 - p.

    `inplace` is accepted and leaves the input as it is.

    Shapes: any, the same out.

    Ranges: p from 0 to 1.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from
    overfitting, 2014.

    >>> import nnfast
    >>> nnfast.nn.Dropout(0.5).eval()(nnfast.ones(3))
    tensor([1., 1., 1.])
    """

    _drop = staticmethod(ops.dropout)


class Dropout1d(_Dropout):
    """In training each channel of (N, C, L) or (C, L) is 0 with probability p; see Dropout2d.

    Shapes: (N, C, L) or (C, L), the same out.

    Ranges: p from 0 to 1.

    >>> import nnfast
    >>> nnfast.nn.Dropout1d(0.5).eval()(nnfast.ones(1, 2, 3)).shape
    (1, 2, 3)
    """

    _drop = staticmethod(ops.dropout1d)


class Dropout2d(_Dropout):
    """In training each channel is 0 with probability p, the others are divided by 1 - p.

    Shapes: (N, C, H, W), or (N, C, L), the same out.

    Ranges: p from 0 to 1.

    Source: Tompson et al., Efficient object localization using convolutional networks, CVPR 2015.

    >>> import nnfast
    >>> y = nnfast.nn.Dropout2d(0.5)(nnfast.ones(1, 8, 2, 2))
    >>> sorted(set(y.sum((2, 3)).flatten().tolist())) in ([0.0], [8.0], [0.0, 8.0])
    True
    """

    _drop = staticmethod(ops.dropout2d)


class Dropout3d(_Dropout):
    """In training each channel of (N, C, D, H, W) is 0 with probability p; see Dropout2d.

    Shapes: (N, C, D, H, W) or (C, D, H, W), the same out.

    Ranges: p from 0 to 1.

    >>> import nnfast
    >>> nnfast.nn.Dropout3d(0.5).eval()(nnfast.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 3, 4, 5)
    """

    _drop = staticmethod(ops.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, for nets of SELU.

    Shapes: any, the same out.

    Ranges: p from 0 to 1.

    Source: Klambauer et al., Self-normalizing neural networks, NeurIPS 2017.

    >>> import nnfast
    >>> nnfast.nn.AlphaDropout(0.2).eval()(nnfast.ones(3))
    tensor([1., 1., 1.])
    """

    _drop = staticmethod(ops.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, ...).

    Shapes: (N, C, *), the same out.

    Ranges: p from 0 to 1.

    >>> import nnfast
    >>> nnfast.nn.FeatureAlphaDropout(0.5).eval()(nnfast.ones(1, 2, 3)).shape
    (1, 2, 3)
    """

    _drop = staticmethod(ops.feature_alpha_dropout)


class VanillaDropout(Module):
    """Dropout as first proposed: in training 0 with probability p, in evaluation x (1 - p).

    Shapes: any, the same out.

    Ranges: p from 0 to 1.

    Source: Hinton et al., Improving neural networks by preventing co-adaptation of feature
    detectors, 2012.

    >>> import nnfast
    >>> nnfast.nn.VanillaDropout(0.25).eval()(nnfast.ones(2))
    tensor([0.75, 0.75])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        number("VanillaDropout", "p", p, 0, 1)
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return ops.vanilla_dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropConnect(Linear):
    """A linear layer, each of whose weights is 0 with probability p in training.

    The others are divided by 1 - p; one mask serves the whole batch. Evaluation uses all weights.

    Shapes: (*, in_features) -> (*, out_features); weight (out_features, in_features).

    Ranges: p from 0 to 1.

    Source: Wan et al., Regularization of neural networks using DropConnect, ICML 2013.

    >>> import nnfast
    >>> nnfast.nn.DropConnect(4, 3, p=0.5)(nnfast.ones(2, 4)).shape
    (2, 3)
    """

    def __init__(
        self, in_features: int, out_features: int, p: float = 0.5, bias: bool = True
    ) -> None:
        super().__init__(in_features, out_features, bias)
        number("DropConnect", "p", p, 0, 1)
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return ops.drop_connect(input, self.weight, self.bias, self.p, self.training)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}"


class StochasticDepth(Module):
    """A residual branch left out at random in training, for each example or the whole batch.

    Shapes: (N, *), the same out.

    Ranges: p from 0 to 1.

    Source: Huang et al., Deep networks with stochastic depth, ECCV 2016.

    >>> import nnfast
    >>> nnfast.nn.StochasticDepth(0.2).eval()(nnfast.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        number("StochasticDepth", "p", p, 0, 1)
        self.p, self.mode = p, one_of("StochasticDepth", "mode", mode, "row", "batch")

    def forward(self, input: Tensor) -> Tensor:
        return ops.stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"
