"""Activation functions made of straight pieces."""

from __future__ import annotations

import math

from nnfast.errors import fail
from nnfast.ops.activation import _pair
from nnfast.ops.clip import ClipAttrs, _clip
from nnfast.ops.elementwise import abs, broadcast_shape, sum_to, where
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.record import Result, like, method, op, out
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor

# ---- hardtanh -------------------------------------------------------------------------------


@op("clip", attrs=ClipAttrs, floats=True)
def _hardtanh(input: Operand, low: float, high: float) -> Result:
    """y = min(max(x, low), high); unlike that of clip, the gradient at the bounds is 0."""
    return like(input, ClipAttrs(float(low), float(high)))


_hardtanh.vjp(input=lambda dy, input, low, high: hardtanh_backward(dy, input, low, high))


@op("hardtanh_backward", outputs=("dx",), attrs=ClipAttrs)
def hardtanh_backward(dy: Tensor, x: Tensor, low: float, high: float) -> Result:
    """dx = dy where low < x < high, else 0."""
    return _pair("hardtanh_backward", dy, x)._replace(attrs=ClipAttrs(low, high))


hardtanh_backward.vjp(dy=lambda ddx, x, low, high: hardtanh_backward(ddx, x, low, high))


def hardtanh(input: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """y = min(max(x, min_val), max_val). Gradient 0 at the bounds and outside.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.hardtanh(nnfast.tensor([-2.0, 0.5, 2.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        fail("hardtanh", "min_val <= max_val", f"{min_val} and {max_val}")
    y: Tensor = _hardtanh(input, min_val, max_val)
    return y


def relu6(input: Operand) -> Tensor:
    """y = min(max(x, 0), 6).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Howard et al., MobileNets, 2017.

    >>> import nnfast
    >>> nnfast.nn.functional.relu6(nnfast.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    y: Tensor = _hardtanh(input, 0.0, 6.0)
    return y


# ---- hardsigmoid and hardswish --------------------------------------------------------------


@op("hardsigmoid", floats=True)
def hardsigmoid(input: Operand) -> Result:
    """y = min(max(x + 3, 0), 6) / 6.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Courbariaux, Bengio and David, BinaryConnect, 2015.

    >>> import nnfast
    >>> nnfast.nn.functional.hardsigmoid(nnfast.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """
    return like(input)


hardsigmoid.vjp(input=lambda dy, input: hardtanh_backward(dy, input, -3.0, 3.0) * (1 / 6))


@op("hardswish", floats=True)
def hardswish(input: Operand) -> Result:
    """y = x min(max(x + 3, 0), 6) / 6; 0 at -inf.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    Source: Howard et al., Searching for MobileNetV3, 2019.

    >>> import nnfast
    >>> nnfast.nn.functional.hardswish(nnfast.tensor([-4.0, 3.0, 4.0]))
    tensor([0., 3., 4.])
    """
    return like(input)


hardswish.vjp(input=lambda dy, input: hardswish_backward(dy, input))


@op("hardswish_backward", outputs=("dx",))
def hardswish_backward(dy: Tensor, x: Tensor) -> Result:
    """dx = dy (2 x + 3) / 6 where -3 < x < 3; left of it 0, right of it dy."""
    return _pair("hardswish_backward", dy, x)


hardswish_backward.vjp(
    dy=lambda ddx, x: hardswish_backward(ddx, x),
    x=lambda ddx, dy, x: hardtanh_backward(ddx * dy, x, -3.0, 3.0) * (1 / 3),
)


# ---- a learned slope ------------------------------------------------------------------------


@op("prelu")
def _prelu(input: Tensor, weight: Tensor) -> Result:
    """y = x where x > 0, else w x; x and w broadcast."""
    return out(broadcast_shape("prelu", input, weight), input.array.dtype)


_prelu.vjp(
    input=lambda dy, input, weight, input_shape: sum_to(
        prelu_backward(dy, input, weight), input_shape
    ),
    weight=lambda dy, input, weight_shape: sum_to(where(input > 0, 0.0, input) * dy, weight_shape),
)


@op("prelu_backward", outputs=("dx",))
def prelu_backward(dy: Tensor, x: Tensor, w: Tensor) -> Result:
    """dx = dy where x > 0, else w dy."""
    return out(broadcast_shape("prelu_backward", dy, x, w), dy.array.dtype)


prelu_backward.vjp(
    dy=lambda ddx, x, w, dy_shape: sum_to(prelu_backward(ddx, x, w), dy_shape),
    w=lambda ddx, dy, x, w_shape: sum_to(where(x > 0, 0.0, ddx * dy), w_shape),
)


@method
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """y = x where x > 0, else w x, with one slope w for all or one for each channel.

    Shapes: input any; weight (1,), (), or (C,) for input (N, C, ...). Errors: another number of
    slopes.

    Source: He et al., Delving deep into rectifiers, 2015.

    >>> import nnfast
    >>> nnfast.nn.functional.prelu(nnfast.tensor([-2.0, 2.0]), nnfast.tensor([0.25]))
    tensor([-0.5,  2. ])
    """
    x, w = as_tensor(input, "prelu"), as_tensor(weight, "prelu")
    if w.ndim > 1 or (w.numel() != 1 and (x.ndim < 2 or w.numel() != x.shape[1])):
        channels = f" or ({x.shape[1]},)" if x.ndim > 1 else ""
        fail("prelu", f"weight of shape (1,){channels}", f"{w.shape}", input=x, weight=w)
    shape = () if w.numel() == 1 else (-1, *[1] * (x.ndim - 2))
    y: Tensor = _prelu(x, reshape(w, shape))
    return y


# ---- thresholds -----------------------------------------------------------------------------


def threshold(input: Operand, threshold: float, value: float) -> Tensor:
    """y = x where x > threshold, else value.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.threshold(nnfast.tensor([0.5, 2.0]), 1.0, -7.0)
    tensor([-7.,  2.])
    """
    y: Tensor = where(input <= threshold, value, input)
    return y


@method
def hardshrink(input: Operand, lambd: float = 0.5) -> Tensor:
    """y = 0 where |x| <= lambd, else x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.hardshrink(nnfast.tensor([0.25, -2.0]))
    tensor([ 0., -2.])
    """
    y: Tensor = where(abs(input) <= lambd, 0.0, input)
    return y


def softshrink(input: Operand, lambd: float = 0.5) -> Tensor:
    """y = x - lambd where x > lambd, x + lambd where x < -lambd, else 0.

    Shapes: any, the same out. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.softshrink(nnfast.tensor([0.25, -2.0]))
    tensor([ 0. , -1.5])
    """
    if not 0 <= lambd < math.inf:
        fail("softshrink", "lambd >= 0", f"lambd={lambd}")
    y: Tensor = input - _clip(input, -lambd, lambd)
    return y
