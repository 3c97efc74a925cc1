"""Dropout."""

from __future__ import annotations

from nnfast import ops
from nnfast.nn.checks import number
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class Dropout(Module):
    """In training each element is 0 with probability p, the others are divided by 1 - p.

    `inplace` is accepted and leaves the input as it is.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from
    overfitting, 2014.

    >>> import nnfast
    >>> nnfast.nn.Dropout(0.5).eval()(nnfast.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        number("Dropout", "p", p, 0, 1)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.dropout(input, self.p, self.training)
        return y

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
