"""Smooth activations of the family of SiLU, Softplus and ELU, as layers."""

from __future__ import annotations

import math

from nnfast import ops
from nnfast.nn.checks import number
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class _InPlace(Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class SiLU(_InPlace):
    """y = x sigmoid(x), also called swish.

    Shapes: any, the same out.

    Source: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2017.

    >>> import nnfast
    >>> nnfast.nn.SiLU()(nnfast.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.silu(input)
        return y


class Mish(_InPlace):
    """y = x tanh(softplus(x)).

    Shapes: any, the same out.

    Source: Misra, Mish: a self regularized non-monotonic activation function, 2019.

    >>> import nnfast
    >>> nnfast.nn.Mish()(nnfast.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.mish(input)
        return y


class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    Shapes: any, the same out.

    Source: Dugas et al., Incorporating second-order functional knowledge, 2000.

    >>> import nnfast
    >>> nnfast.nn.Softplus()(nnfast.tensor([0.0, 100.0]))
    tensor([  0.6931472, 100.       ])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = number("Softplus", "beta", beta, -math.inf, math.inf)
        self.threshold = number("Softplus", "threshold", threshold, -math.inf, math.inf)

    def forward(self, input: Tensor) -> Tensor:
        return ops.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """y = log(1 / (1 + exp(-x))), without overflow.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.LogSigmoid()(nnfast.tensor([0.0, -100.0]))
    tensor([  -0.6931472, -100.       ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.logsigmoid(input)


class _WithAlpha(_InPlace):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = number(type(self).__name__, "alpha", alpha, -math.inf, math.inf)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class ELU(_WithAlpha):
    """y = x where x > 0, else alpha (exp(x) - 1).

    Shapes: any, the same out.

    Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by
    exponential linear units, 2015.

    >>> import nnfast
    >>> nnfast.nn.ELU()(nnfast.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.elu(input, self.alpha)


class CELU(_WithAlpha):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1); alpha is not 0.

    Shapes: any, the same out.

    Source: Barron, Continuously differentiable exponential linear units, 2017.

    >>> import nnfast
    >>> nnfast.nn.CELU(alpha=2.0)(nnfast.tensor([-100.0, 2.0]))
    tensor([-2.,  2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.celu(input, self.alpha)


class SELU(_InPlace):
    """y = 1.0507 elu(x, 1.6733): keeps mean 0 and variance 1 from layer to layer.

    Shapes: any, the same out.

    Source: Klambauer et al., Self-normalizing neural networks, 2017.

    >>> import nnfast
    >>> nnfast.nn.SELU()(nnfast.tensor([-100.0, 1.0]))
    tensor([-1.7580993,  1.050701 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.selu(input)


class Softsign(Module):
    """y = x / (1 + |x|).

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Softsign()(nnfast.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.softsign(input)


class Tanhshrink(Module):
    """y = x - tanh(x).

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Tanhshrink()(nnfast.tensor([0.0, 100.0]))
    tensor([ 0., 99.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.tanhshrink(input)
