"""The methods that change a tensor in place: x.add_(y) is x = x + y for everybody who has x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.errors import StateError, fail
from nnfast.generator import Generator, default_generator
from nnfast.graph.mode import MODE, tracing
from nnfast.ops import (
    activation,
    aliases,
    bits,
    elementwise,
    exponential,
    logic,
    pieces,
    product,
    rearrange,
    rounding,
    scan,
    shape,
    special,
    statistics,
    trigonometry,
)  # fmt: skip
from nnfast.ops.arithmetic import add, addcmul, div, lerp, sub
from nnfast.ops.clip import clip
from nnfast.ops.inplace import change
from nnfast.ops.operands import as_tensor
from nnfast.ops.random import _normal, _uniform
from nnfast.ops.record import method, methods
from nnfast.ops.scatter import (
    index_add,
    index_copy,
    index_fill,
    index_put,
    masked_fill,
    masked_scatter,
    scatter,
    scatter_add,
)
from nnfast.ops.scatter_reduce import index_reduce, scatter_reduce
from nnfast.ops.shape import expand
from nnfast.tensor import Tensor, float32, float64, wrap


def fill(input: Tensor, value: Any) -> Tensor:
    """One value everywhere."""
    v = as_tensor(value, "fill_")
    if v.ndim:
        fail("fill_", "one value", f"shape {v.shape}")
    return expand(v if v.dtype == input.dtype else v.to(input.dtype), input.shape)


def zero(input: Tensor) -> Tensor:
    """0 everywhere."""
    return expand(wrap(np.zeros((), input.dtype)), input.shape)


def copy(input: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The values of src, broadcast and converted."""
    return expand(as_tensor(src, "copy_").to(input.dtype), input.shape)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value tensor1 / tensor2.

    Shapes: three that broadcast to that of the result. Floats; integers give float32.

    >>> import nnfast
    >>> nnfast.addcdiv(nnfast.ones(1), nnfast.ones(1), nnfast.full((1,), 4.0))
    tensor([1.25])
    """
    return add(input, tensor1 / tensor2, alpha=value)


methods(addcmul=addcmul, addcdiv=addcdiv, lerp=lerp)

IN_PLACE: dict[str, Callable[..., Any]] = {
    "abs": elementwise.abs,
    "absolute": aliases.absolute,
    "acos": trigonometry.acos,
    "acosh": trigonometry.acosh,
    "add": add,
    "addbmm": product.addbmm,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "addmm": product.addmm,
    "addmv": product.addmv,
    "addr": product.addr,
    "arccos": aliases.arccos,
    "arccosh": aliases.arccosh,
    "arcsin": aliases.arcsin,
    "arcsinh": aliases.arcsinh,
    "arctan": aliases.arctan,
    "arctan2": aliases.arctan2,
    "arctanh": aliases.arctanh,
    "asin": trigonometry.asin,
    "asinh": trigonometry.asinh,
    "atan": trigonometry.atan,
    "atan2": trigonometry.atan2,
    "atanh": trigonometry.atanh,
    "baddbmm": product.baddbmm,
    "bitwise_and": bits.bitwise_and,
    "bitwise_left_shift": bits.bitwise_left_shift,
    "bitwise_not": bits.bitwise_not,
    "bitwise_or": bits.bitwise_or,
    "bitwise_right_shift": bits.bitwise_right_shift,
    "bitwise_xor": bits.bitwise_xor,
    "ceil": rounding.ceil,
    "clamp": clip,
    "clamp_max": aliases.clamp_max,
    "clamp_min": aliases.clamp_min,
    "clip": clip,
    "copy": copy,
    "copysign": special.copysign,
    "cos": trigonometry.cos,
    "cosh": trigonometry.cosh,
    "cumprod": scan.cumprod,
    "cumsum": scan.cumsum,
    "deg2rad": special.deg2rad,
    "div": div,
    "divide": aliases.divide,
    "eq": elementwise.eq,
    "erf": elementwise.erf,
    "exp": elementwise.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "fill": fill,
    "fill_diagonal": pieces.fill_diagonal,
    "fix": aliases.fix,
    "float_power": special.float_power,
    "floor": rounding.floor,
    "floor_divide": rounding.floor_divide,
    "fmod": rounding.fmod,
    "frac": rounding.frac,
    "gcd": bits.gcd,
    "ge": elementwise.ge,
    "greater": aliases.greater,
    "greater_equal": aliases.greater_equal,
    "gt": elementwise.gt,
    "heaviside": special.heaviside,
    "hypot": special.hypot,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": index_fill,
    "index_put": index_put,
    "index_reduce": index_reduce,
    "lcm": bits.lcm,
    "ldexp": exponential.ldexp,
    "le": elementwise.le,
    "lerp": lerp,
    "less": aliases.less,
    "less_equal": aliases.less_equal,
    "log": elementwise.log,
    "log10": exponential.log10,
    "log1p": elementwise.log1p,
    "log2": exponential.log2,
    "logical_and": logic.logical_and,
    "logical_not": logic.logical_not,
    "logical_or": logic.logical_or,
    "logical_xor": logic.logical_xor,
    "logit": special.logit,
    "lt": elementwise.lt,
    "masked_fill": masked_fill,
    "masked_scatter": masked_scatter,
    "mul": elementwise.mul,
    "multiply": aliases.multiply,
    "nan_to_num": special.nan_to_num,
    "ne": elementwise.ne,
    "neg": elementwise.neg,
    "negative": aliases.negative,
    "not_equal": aliases.not_equal,
    "pow": elementwise.pow,
    "put": pieces.put,
    "rad2deg": special.rad2deg,
    "reciprocal": exponential.reciprocal,
    "relu": activation.relu,
    "remainder": rounding.remainder,
    "renorm": statistics.renorm,
    "round": rounding.round,
    "rsqrt": exponential.rsqrt,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "scatter_reduce": scatter_reduce,
    "sgn": aliases.sgn,
    "sigmoid": activation.sigmoid,
    "sign": elementwise.sign,
    "sin": trigonometry.sin,
    "sinc": special.sinc,
    "sinh": trigonometry.sinh,
    "sqrt": elementwise.sqrt,
    "square": exponential.square,
    "sub": sub,
    "subtract": aliases.subtract,
    "tan": trigonometry.tan,
    "tanh": activation.tanh,
    "tril": rearrange.tril,
    "triu": rearrange.triu,
    "true_divide": aliases.true_divide,
    "trunc": rounding.trunc,
    "xlogy": special.xlogy,
    "zero": zero,
}
_OPERATORS: dict[str, Callable[..., Any]] = {
    "__iadd__": elementwise.add,
    "__isub__": elementwise.sub,
    "__ifloordiv__": rounding.floor_divide,
    "__imod__": rounding.remainder,
    "__imul__": elementwise.mul,
    "__itruediv__": elementwise.div,
    "__ipow__": elementwise.pow,
}


def in_place(name: str, fn: Callable[..., Any]) -> Callable[..., Tensor]:
    """The same function, but it changes its first argument and answers with it."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return change(name, self, lambda x: fn(x, *args, **kwargs))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name.strip('_')}` in place; returns the tensor itself."
    return call


methods(**{f"{name}_": in_place(f"{name}_", fn) for name, fn in IN_PLACE.items()})
methods(**{name: in_place(name, fn) for name, fn in _OPERATORS.items()})


def _reshaped(name: str, fn: Callable[..., Any]) -> Callable[..., Tensor]:
    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.requires_grad and self.node is None and MODE.grad:
            raise StateError(name, "expected a result of an op, got a leaf that needs gradients.")
        y = fn(self, *args, **kwargs)
        if (trace := tracing()) is not None:
            raise trace.give_up(f"it calls {name}")
        self.array, self.node, self.slot = y.array, y.node, y.slot
        return self

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name.strip('_')}` of the tensor itself, which is returned; no value changes."
    return call


methods(
    squeeze_=_reshaped("squeeze_", shape.squeeze),
    unsqueeze_=_reshaped("unsqueeze_", shape.unsqueeze),
    transpose_=_reshaped("transpose_", shape.transpose),
    swapaxes_=_reshaped("swapaxes_", shape.transpose),
    swapdims_=_reshaped("swapdims_", shape.transpose),
    t_=_reshaped("t_", shape.t),
)


@method
def detach_(self: Tensor) -> Tensor:
    """Cuts the tensor itself off from the graph.

    >>> import nnfast
    >>> y = 2 * nnfast.ones(1, requires_grad=True)
    >>> y.detach_().requires_grad
    False
    """
    if (trace := tracing()) is not None:
        raise trace.give_up("it calls detach_")
    self.node, self.slot, self.requires_grad = None, 0, False
    return self


# ---- random numbers -------------------------------------------------------------------------


def _drawn(x: Tensor, op: Any, generator: Generator | None) -> Tensor:
    working = float64 if x.dtype == float64 else float32
    rng = (default_generator if generator is None else generator).next_rng()
    return op(rng, x.shape, working)


def _floats(name: str, x: Tensor) -> None:
    if x.dtype.kind != "f":
        fail(name, "a float tensor", str(x.dtype), x=x)


@method
def uniform_(
    self: Tensor, from_: float = 0, to: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Uniform numbers in [from_, to).

    >>> import nnfast
    >>> bool((nnfast.zeros(9).uniform_(2, 3) >= 2).all())
    True
    """
    _floats("uniform_", self)
    if not from_ <= to:
        fail("uniform_", "from_ <= to", f"{from_} and {to}")
    return change("uniform_", self, lambda x: _drawn(x, _uniform, generator) * (to - from_) + from_)


@method
def normal_(
    self: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers of that mean and standard deviation.

    >>> import nnfast
    >>> nnfast.zeros(3).normal_(5, 0)
    tensor([5., 5., 5.])
    """
    _floats("normal_", self)
    if not std >= 0:
        fail("normal_", "std >= 0", f"{std}")
    return change("normal_", self, lambda x: _drawn(x, _normal, generator) * std + mean)


@method
def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Numbers of density lambd e^(-lambd x), x > 0.

    >>> import nnfast
    >>> bool((nnfast.zeros(9).exponential_() >= 0).all())
    True
    """
    _floats("exponential_", self)
    if not lambd > 0:
        fail("exponential_", "lambd > 0", f"{lambd}")
    return change(
        "exponential_",
        self,
        lambda x: elementwise.log1p(-_drawn(x, _uniform, generator)) * (-1.0 / lambd),
    )


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p, else 0.

    >>> import nnfast
    >>> nnfast.zeros(3).bernoulli_(1.0)
    tensor([1., 1., 1.])
    """
    if not isinstance(p, Tensor) and not 0 <= p <= 1:
        fail("bernoulli_", "p from 0 to 1", f"{p}")
    return change("bernoulli_", self, lambda x: (_drawn(x, _uniform, generator) < p).to(x.dtype))


@method
def cauchy_(
    self: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Numbers of Cauchy's distribution: median + sigma tan(pi (u - 1/2)), u uniform.

    >>> import nnfast
    >>> nnfast.zeros(3).cauchy_(5, 0)
    tensor([5., 5., 5.])
    """
    _floats("cauchy_", self)
    return change(
        "cauchy_",
        self,
        lambda x: trigonometry.tan((_drawn(x, _uniform, generator) - 0.5) * np.pi) * sigma + median,
    )


@method
def log_normal_(
    self: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None
) -> Tensor:
    """e^z, z normal of that mean and standard deviation.

    >>> import nnfast
    >>> nnfast.zeros(2).log_normal_(0, 0)
    tensor([1., 1.])
    """
    _floats("log_normal_", self)
    if not std >= 0:
        fail("log_normal_", "std >= 0", f"{std}")
    return change(
        "log_normal_", self, lambda x: elementwise.exp(_drawn(x, _normal, generator) * std + mean)
    )


@method
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """How many trials it takes until one succeeds, each with probability p: 1, 2, ...

    >>> import nnfast
    >>> bool((nnfast.zeros(9).geometric_(0.5) >= 1).all())
    True
    """
    if not 0 < p < 1:
        fail("geometric_", "p above 0 and below 1", f"{p}")
    scale = 1 / np.log1p(-p)
    return change(
        "geometric_",
        self,
        lambda x: clip(
            rounding.ceil(elementwise.log1p(-_drawn(x, _uniform, generator)) * scale), 1
        ).to(x.dtype),
    )


@method
def random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Integers from from_ up to and without `to`; random_(to) starts at 0.

    >>> import nnfast
    >>> nnfast.zeros(3).random_(2, 3)
    tensor([2., 2., 2.])
    """
    from nnfast.random import randint

    low, high = (0, from_) if to is None and from_ else (from_, to)
    if high is None:  # all that the dtype holds exactly
        high = 2 ** (np.finfo(self.dtype).nmant + 1) if self.dtype.kind == "f" else 2**31
    drawn = randint(low, high, self.shape, generator=generator)
    return change("random_", self, lambda x: drawn.to(x.dtype))
