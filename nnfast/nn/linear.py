"""Affine maps, and the modules that only change a shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnfast import ops
from nnfast.errors import DTypeError, fail
from nnfast.nn import init
from nnfast.nn.checks import whole
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor, float32


def default_init(weight: Parameter, bias: Parameter | None) -> None:
    """Draw both from U(-b, b) with b = 1 / sqrt(fan-in): Kaiming's uniform with a = sqrt(5)."""
    fan_in = math.prod(weight.shape[1:])
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    init.uniform_(weight, -bound, bound)
    if bias is not None:
        init.uniform_(bias, -bound, bound)


def empty_parameter(*shape: int) -> Parameter:
    """A float32 parameter whose values are still to be drawn."""
    return Parameter(np.empty(shape, float32))


class Identity(Module):
    """y = x, whatever arguments it is given: for taking a layer's place.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Identity()(nnfast.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x weight^T + bias.

    Shapes: (*, in_features) -> (*, out_features); weight (out_features, in_features).

    Drawn from U(-b, b) with b = 1 / sqrt(in_features).

    >>> import nnfast
    >>> nnfast.nn.Linear(3, 2)(nnfast.ones(5, 3)).shape
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = whole("Linear", "in_features", in_features)
        self.out_features = whole("Linear", "out_features", out_features)
        self.weight = empty_parameter(self.out_features, self.in_features)
        self.register_parameter("bias", empty_parameter(self.out_features) if bias else None)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        default_init(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return ops.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Flatten(Module):
    """Dimensions start_dim to end_dim become one.

    Shapes: (*, A, ..., B, *) -> (*, A ... B, *).

    >>> import nnfast
    >>> nnfast.nn.Flatten()(nnfast.ones(2, 3, 4)).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.flatten(input, self.start_dim, self.end_dim)
        return y

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension becomes several; one size may be -1, the rest.

    Shapes: (*, N, *) -> (*, *unflattened_size, *).

    >>> import nnfast
    >>> nnfast.nn.Unflatten(1, (3, -1))(nnfast.ones(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, tuple | list):
            fail("Unflatten", "a tuple of sizes", repr(unflattened_size), error=DTypeError)
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)
        for size in self.unflattened_size:
            whole("Unflatten", "size", size, least=-1)

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.unflatten(input, self.dim, self.unflattened_size)
        return y

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
