"""Activations as layers.

`inplace` is accepted where PyTorch has it: the value is the same, and the input stays as it is.
"""

from __future__ import annotations

import math

from nnfast import ops
from nnfast.errors import DTypeError, fail
from nnfast.nn import functional
from nnfast.nn.checks import number, one_of
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class ReLU(Module):
    """y = max(x, 0).

    Shapes: any, the same out.

    Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.

    >>> import nnfast
    >>> nnfast.nn.ReLU()(nnfast.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.relu(input)
        return y

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """y = x for x > 0, else negative_slope * x.

    Shapes: any, the same out.

    Source: Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models,
    2013.

    >>> import nnfast
    >>> nnfast.nn.LeakyReLU()(nnfast.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.01,  0.  ,  1.  ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace
        number("LeakyReLU", "negative_slope", negative_slope, -math.inf, math.inf)

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.leaky_relu(input, self.negative_slope)
        return y

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)).

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Sigmoid()(nnfast.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.sigmoid(input)
        return y


class Tanh(Module):
    """y = tanh(x).

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Tanh()(nnfast.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.761...,  0... ,  0.761...])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.tanh(input)
        return y


class GELU(Module):
    """y = x Phi(x), Phi the normal distribution; approximate="tanh" for the formula with tanh.

    Shapes: any, the same out.

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    >>> import nnfast
    >>> nnfast.nn.GELU()(nnfast.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.158...,  0... ,  0.841...])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = one_of("GELU", "approximate", approximate, "none", "tanh")

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.gelu(input, self.approximate)
        return y

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class _AlongDim(Module):
    """A function along one dimension, which should be named (see functional.softmax)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if not (dim is None or isinstance(dim, int)):
            fail(type(self).__name__, "an integer dim", repr(dim), error=DTypeError)
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """y = exp(x) / sum(exp(x)) along `dim`.

    Shapes: any, the same out.

    Source: Bridle, Probabilistic interpretation of feedforward classification network outputs,
    1990.

    >>> import nnfast
    >>> nnfast.nn.Softmax(dim=0)(nnfast.tensor([1.0, 1.0]))
    tensor([0.5, 0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """y = log(softmax(x)) along `dim`, without overflow.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.LogSoftmax(dim=0)(nnfast.tensor([1000.0, 0.0]))
    tensor([    0., -1000.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """y = exp(-x) / sum(exp(-x)) along `dim`.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Softmin(dim=0)(nnfast.tensor([1.0, 1.0]))
    tensor([0.5, 0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmin(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of each pixel: input (N, C, H, W) or (C, H, W).

    Shapes: (N, C, H, W) or (C, H, W), the same out.

    >>> import nnfast
    >>> nnfast.nn.Softmax2d()(nnfast.ones(1, 2, 1, 1)).flatten()
    tensor([0.5, 0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            fail("Softmax2d", "input (N, C, H, W) or (C, H, W)", f"{input.shape}", input=input)
        y: Tensor = ops.softmax(input, input.ndim - 3)
        return y


class GLU(Module):
    """y = a sigmoid(b), a and b the halves of the input along `dim`.

    Shapes: (*, 2 n, *) -> (*, n, *).

    Source: Dauphin et al., Language modeling with gated convolutional networks, 2016.

    >>> import nnfast
    >>> nnfast.nn.GLU()(nnfast.tensor([3.0, 4.0, 0.0, 0.0]))
    tensor([1.5, 2. ])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
