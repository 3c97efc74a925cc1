"""Units whose activation is learned: Maxout, and piecewise linear functions."""

from __future__ import annotations

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import whole
from nnfast.nn.linear import Linear, empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.norm import _columns
from nnfast.tensor import Tensor


class Maxout(Linear):
    """The largest of several affine maps: y_j = max over k of x w_jk + b_jk.

    Shapes: (*, in_features) -> (*, out_features); weight (out_features pieces, in_features), the
    pieces of one unit side by side. Ties share the gradient evenly.

    Source: Goodfellow et al., Maxout networks, ICML 2013.

    >>> import nnfast
    >>> nnfast.nn.Maxout(4, 3, pieces=2)(nnfast.ones(5, 4)).shape
    (5, 3)
    """

    def __init__(
        self, in_features: int, out_features: int, pieces: int = 2, bias: bool = True
    ) -> None:
        self.pieces = whole("Maxout", "pieces", pieces, least=1)
        self.units = whole("Maxout", "out_features", out_features)
        super().__init__(in_features, self.units * self.pieces, bias)

    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return ops.amax(y.unflatten(-1, (self.units, self.pieces)), -1)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.units}, pieces={self.pieces}, "
            f"bias={self.bias is not None}"
        )


class AdaptivePiecewiseLinear(Module):
    """y = max(0, x) + sum over s of a_s max(0, b_s - x), slopes a and hinges b learned.

    Each channel (dimension 1) has pieces of its own, or all share one with num_parameters=1.
    Starts as ReLU: a = 0, b from N(0, 1).

    Shapes: (N, num_parameters, *), any with num_parameters=1, the same out; a and b (pieces,
    num_parameters).

    Source: Agostinelli et al., Learning activation functions to improve deep neural networks,
    ICLR workshop 2015.

    >>> import nnfast
    >>> nnfast.nn.AdaptivePiecewiseLinear(3, pieces=2)(nnfast.ones(5, 3)).shape
    (5, 3)
    """

    a: Parameter
    b: Parameter

    def __init__(self, num_parameters: int = 1, pieces: int = 1) -> None:
        super().__init__()
        where = "AdaptivePiecewiseLinear"
        self.num_parameters = whole(where, "num_parameters", num_parameters, least=1)
        self.pieces = whole(where, "pieces", pieces, least=1)
        self.a = empty_parameter(self.pieces, self.num_parameters)
        self.b = empty_parameter(self.pieces, self.num_parameters)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As at the start."""
        init.zeros_(self.a)
        init.normal_(self.b)

    def forward(self, input: Tensor) -> Tensor:
        n = self.num_parameters
        if n > 1 and (input.ndim < 2 or input.shape[1] != n):
            fail(type(self).__name__, f"an input of shape (N, {n}, *)", f"{input.shape}")
        y = ops.relu(input)
        for s in range(self.pieces):
            a, b = self.a[s], self.b[s]
            if n > 1:
                a, b = _columns(a, input), _columns(b, input)
            y = y + a * ops.relu(b - input)
        return y

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}, pieces={self.pieces}"
