"""Activations made of straight pieces, as layers."""

from __future__ import annotations

import math
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import functional, init
from nnfast.nn.activation_smooth import _InPlace
from nnfast.nn.checks import number, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class Hardtanh(_InPlace):
    """y = min(max(x, min_val), max_val); `min_value` and `max_value` are older names.

    Shapes: any, the same out.

    Ranges: min_val < max_val.

    >>> import nnfast
    >>> nnfast.nn.Hardtanh()(nnfast.tensor([-2.0, 0.5, 2.0]))
    tensor([-1. ,  0.5,  1. ])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        self.min_val = number("Hardtanh", "min_val", min_val, -math.inf, math.inf)
        self.max_val = number("Hardtanh", "max_val", max_val, -math.inf, math.inf)
        if not self.min_val < self.max_val:
            fail("Hardtanh", "min_val < max_val", f"{min_val} and {max_val}")

    def forward(self, input: Tensor) -> Tensor:
        return ops.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        text = f"min_val={self.min_val}, max_val={self.max_val}"
        return text + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6).

    Shapes: any, the same out.

    Source: Howard et al., MobileNets, 2017.

    >>> import nnfast
    >>> nnfast.nn.ReLU6()(nnfast.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(_InPlace):
    """y = min(max(x + 3, 0), 6) / 6.

    Shapes: any, the same out.

    Source: Courbariaux, Bengio and David, BinaryConnect, 2015.

    >>> import nnfast
    >>> nnfast.nn.Hardsigmoid()(nnfast.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.hardsigmoid(input)
        return y


class Hardswish(_InPlace):
    """y = x min(max(x + 3, 0), 6) / 6.

    Shapes: any, the same out.

    Source: Howard et al., Searching for MobileNetV3, 2019.

    >>> import nnfast
    >>> nnfast.nn.Hardswish()(nnfast.tensor([-4.0, 3.0, 4.0]))
    tensor([0., 3., 4.])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.hardswish(input)
        return y


class PReLU(Module):
    """y = x where x > 0, else w x; w is learned, one for all channels or one for each.

    Shapes: input (N, C, ...) with num_parameters = C, or any with num_parameters = 1.

    Ranges: num_parameters >= 1.

    Source: He et al., Delving deep into rectifiers, 2015.

    >>> import nnfast
    >>> nnfast.nn.PReLU()(nnfast.tensor([-2.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, least=1)
        self.init = number("PReLU", "init", init, -math.inf, math.inf)
        self.weight = empty_parameter(num_parameters)
        self.reset_parameters()
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Let all slopes be `init` again."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return ops.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(_InPlace):
    """y = x where x > 0, else a x: in training a is drawn from lower to upper for each element.

    In evaluation a is the mean of both.

    Shapes: any, the same out.

    Ranges: lower <= upper.

    Source: Xu et al., Empirical evaluation of rectified activations in convolution network, 2015.

    >>> import nnfast
    >>> nnfast.nn.RReLU(0.25, 0.75).eval()(nnfast.tensor([-2.0, 2.0]))
    tensor([-1.,  2.])
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = number("RReLU", "lower", lower, -math.inf, math.inf)
        self.upper = number("RReLU", "upper", upper, -math.inf, math.inf)
        if self.lower > self.upper:
            fail("RReLU", "lower <= upper", f"{lower} and {upper}")

    def forward(self, input: Tensor) -> Tensor:
        return functional.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        text = f"lower={self.lower}, upper={self.upper}"
        return text + (", inplace=True" if self.inplace else "")


class Threshold(_InPlace):
    """y = x where x > threshold, else value.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Threshold(1.0, -7.0)(nnfast.tensor([0.5, 2.0]))
    tensor([-7.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = number("Threshold", "threshold", threshold, -math.inf, math.inf)
        self.value = number("Threshold", "value", value, -math.inf, math.inf)

    def forward(self, input: Tensor) -> Tensor:
        return ops.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        text = f"threshold={self.threshold}, value={self.value}"
        return text + (", inplace=True" if self.inplace else "")


class _WithLambda(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = number(type(self).__name__, "lambd", lambd, self.least, math.inf)

    least = -math.inf

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardshrink(_WithLambda):
    """y = 0 where |x| <= lambd, else x.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Hardshrink()(nnfast.tensor([0.25, -2.0]))
    tensor([ 0., -2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return ops.hardshrink(input, self.lambd)


class Softshrink(_WithLambda):
    """y = x - lambd where x > lambd, x + lambd where x < -lambd, else 0.

    Shapes: any, the same out.

    Ranges: lambd >= 0.

    >>> import nnfast
    >>> nnfast.nn.Softshrink()(nnfast.tensor([0.25, -2.0]))
    tensor([ 0. , -1.5])
    """

    least = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return ops.softshrink(input, self.lambd)


class Sign(Module):
    """y = -1, 0 or 1 by the sign of x, as units of the first networks. Gradient 0.

    Shapes: any, the same out.

    >>> import nnfast
    >>> nnfast.nn.Sign()(nnfast.tensor([-2.0, 0.0, 0.5]))
    tensor([-1.,  0.,  1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.sign(input)
        return y


class HardThreshold(Module):
    """y = 1 where x >= threshold, else 0: the unit of McCulloch and Pitts. Gradient 0.

    Shapes: any, the same out.

    Source: McCulloch and Pitts, A logical calculus of the ideas immanent in nervous activity, 1943.

    >>> import nnfast
    >>> nnfast.nn.HardThreshold()(nnfast.tensor([-2.0, 0.0, 0.5]))
    tensor([0., 1., 1.])
    """

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = number("HardThreshold", "threshold", threshold, -math.inf, math.inf)

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = ops.cast(input >= self.threshold, input.dtype)
        return y

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}"
